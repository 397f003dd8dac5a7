"""What the OME-XML of a TIFF says about pixel size and channels."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from vitrail.errors import VitrailError

MICROMETRES = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
# Pixels whose sides differ by more are not square.
SQUARE = 1e-3


def read_ome(path: str, xml: str) -> tuple[float | None, list[str] | None]:
    """Pixel size in micrometres and channel names of the first image, each None where not given.

    Raises
    ------
    VitrailError
        If the XML is damaged or pixels are not square.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise VitrailError(f"{path}: its OME-XML is damaged ({error}).") from None
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return None, None
    sizes = [_length(pixels, axis) for axis in ("X", "Y")]
    names = [channel.get("Name") for channel in pixels.findall("{*}Channel")]
    given = [name for name in names if name]
    return square(path, sizes[0], sizes[1]), given if len(given) == len(names) > 0 else None


def square(path: str, x: float | None, y: float | None) -> float | None:
    """Edge of a square pixel, None where a side is not given."""
    if x is None or y is None:
        return None
    if abs(x - y) > SQUARE * max(x, y):
        raise VitrailError(f"{path}: pixels are {x:g} by {y:g} um, wanted square ones.")
    return x


def _length(pixels: ET.Element, axis: str) -> float | None:
    unit = MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    try:
        size = float(pixels.get(f"PhysicalSize{axis}", ""))
    except ValueError:
        return None
    return size * unit if unit is not None and size > 0 else None

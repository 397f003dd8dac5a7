"""What TIFF files of different programs say about pixel size and channels."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from vitrail.errors import VitrailError
from vitrail.readers.ome_xml import MICROMETRES, read_ome, square

# Units of the TIFF tag ResolutionUnit, in micrometres.
RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0}
# Where a QPTIFF page names its stain, the first that is there.
QPI_NAMES = (".//Biomarker", ".//Name")


def described(path: str, file: Any) -> tuple[float | None, list[str] | None]:
    """Micrometres a pixel and names of the channels of the first image, None where not said.

    Parameters
    ----------
    path
        The file, for messages.
    file
        Open `tifffile.TiffFile`.

    Raises
    ------
    VitrailError
        If the description is damaged or pixels are not square.
    """
    if file.ome_metadata:
        return read_ome(path, file.ome_metadata)
    if file.is_qpi:
        return _qptiff(path, file)
    if file.is_imagej:
        return _imagej(path, file)
    return None, None


def _qptiff(path: str, file: Any) -> tuple[float | None, list[str] | None]:
    """PhenoCycler, Vectra: one page a stain, each described in XML; resolution in its tags."""
    pages = file.series[0].pages
    if file.series[0].keyframe.samplesperpixel > 1:
        return _resolution(path, pages[0], None), None
    names = [_stain(path, page.aspage().description) for page in pages]
    given = [name for name in names if name]
    return _resolution(path, pages[0], None), given if len(given) == len(names) else None


def _stain(path: str, description: str) -> str | None:
    try:
        root = ET.fromstring(description)
    except ET.ParseError as error:
        raise VitrailError(f"{path}: a page's description is damaged XML ({error}).") from None
    texts = (root.findtext(place) for place in QPI_NAMES)
    return next((text.strip() for text in texts if text and text.strip()), None)


def _imagej(path: str, file: Any) -> tuple[float | None, list[str] | None]:
    """ImageJ hyperstacks, as CODEX processors write them: labels of the slices, a unit."""
    metadata = file.imagej_metadata or {}
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    scale = {"micron": 1.0, "pixel": None, "": None}.get(unit, MICROMETRES.get(unit))
    size = None if scale is None else _resolution(path, file.series[0].pages[0], scale)
    series = file.series[0]
    channels = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    labels = metadata.get("Labels")
    if not isinstance(labels, list) or len(labels) != channels:
        return size, None
    return size, [str(label) for label in labels]


def _resolution(path: str, page: Any, unit: float | None) -> float | None:
    """Edge of a pixel by the tags XResolution and YResolution; `unit` in micrometres."""
    tags = page.aspage().tags
    if unit is None:
        named = tags.get("ResolutionUnit")
        unit = RESOLUTION_UNIT.get(int(named.value)) if named else None
    sides = []
    for axis in ("X", "Y"):
        tag = tags.get(f"{axis}Resolution")
        count, length = tag.value if tag else (0, 1)
        sides.append(unit * length / count if unit and count else None)
    return square(path, sides[0], sides[1])

"""PNG and JPEG pictures. Both can only be decoded whole, one file at a time."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

Array = npt.NDArray[Any]
# Bytes at the end of a file among which its end marker must be.
END_BYTES = 1024
COLOURS = ["red", "green", "blue"]
# Channels by PNG colour type, transparency left out: it is no light.
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
# Start-of-frame markers of JPEG: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Picture:
    """One PNG or JPEG file (contract: `raster_file.RasterFile`)."""

    planes = 1
    pixel_size: float | None = None

    def __init__(self, path: str) -> None:
        self.path = path
        start = Path(path).read_bytes()
        self._is_png = start.startswith(b"\x89PNG")
        read_header = _png_header if self._is_png else _jpeg_header
        try:
            height, width, channels, bits = read_header(start)
        except (struct.error, IndexError, KeyError):
            raise self._torn("its header ends early") from None
        self.shape = (height, width)
        self.dtype = np.dtype(np.uint16 if bits > 8 else np.uint8)
        self.groups = [channels]
        self.names = list(COLOURS) if channels == 3 else None
        self._pixels: Array | None = None

    def read(self, group: int, plane: int, y0: int, y1: int) -> Array:
        """Whole rows, as an array (c, y, x)."""
        if self._pixels is None:
            self._pixels = self._decode()
        return self._pixels[:, y0:y1]

    def release(self) -> None:
        """Forget the decoded picture."""
        self._pixels = None

    def _decode(self) -> Array:
        import imagecodecs

        raw = Path(self.path).read_bytes()
        decode = imagecodecs.png_decode if self._is_png else imagecodecs.jpeg8_decode
        # Decoders fill up what is missing, so the end is looked for; some cameras append to it.
        end = b"IEND\xaeB`\x82" if self._is_png else b"\xff\xd9"
        if end not in raw[-END_BYTES:]:
            raise self._torn("its end marker is missing")
        try:
            pixels = np.asarray(decode(raw))
        except Exception as error:  # decoders raise errors of their own kinds
            raise self._torn(str(error)) from None
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return np.moveaxis(pixels[..., : self.groups[0]], -1, 0)

    def _torn(self, reason: str) -> VitrailError:
        kind = "PNG" if self._is_png else "JPEG"
        return VitrailError(
            f"{self.path}: is not a complete {kind} ({reason}); is it truncated or still being "
            "copied?"
        )


def _png_header(data: bytes) -> tuple[int, int, int, int]:
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    return height, width, PNG_CHANNELS[colour], bits


def _jpeg_header(data: bytes) -> tuple[int, int, int, int]:
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in FRAME_MARKERS:
            bits, height, width, channels = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return height, width, channels, bits
        at += 2 + length

"""A small slide whose every fact is known, for fixtures in the layouts of vendors.

Positions are in pixels of this program's frame: pixel i covers [i, i + 1).
"""

from dataclasses import dataclass, field

import numpy as np

SHAPE = (190, 260)
PLANES = 3
GENES = ("Actb", "Gapdh", "Cd3e", "Epcam")


@dataclass
class Planted:
    """The slide.

    `stack` (channels, planes, y, x) uint16; `cells`, `nuclei` label images; `xy` (n, 2) positions
    of transcripts in pixels; `gene`, `quality`, `z` (plane) and `owner` (label, 0 = none) of each.
    """

    channels: tuple = ("DAPI", "PolyT")
    planes: int = PLANES
    shape: tuple = SHAPE
    controls: tuple = ("NegControlProbe_00012", "BLANK_0069")
    transcripts: int = 700
    seed: int = 11
    stack: np.ndarray = field(init=False)
    cells: np.ndarray = field(init=False)
    nuclei: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        height, width = self.shape
        self.cells = np.zeros(self.shape, np.int32)
        self.nuclei = np.zeros(self.shape, np.int32)
        self.boxes = []
        for y in range(8, height - 40, 44):
            for x in range(10, width - 50, 61):
                dy, dx = rng.integers(0, 8, 2)
                box = (y + dy, x + dx, y + dy + 30, x + dx + 44)
                self.boxes.append(box)
                label = len(self.boxes)
                self.cells[box[0] : box[2], box[1] : box[3]] = label
                self.nuclei[box[0] + 8 : box[2] - 8, box[1] + 10 : box[3] - 10] = label
        noise = rng.integers(100, 400, (len(self.channels), self.planes, *self.shape))
        self.stack = noise.astype(np.uint16)
        self.stack[0, :, self.nuclei > 0] += 3000
        self.stack[-1, :, self.cells > 0] += 900
        self.xy = rng.uniform(0, 1, (self.transcripts, 2)) * (width, height)
        names = np.array((*GENES, *self.controls))
        self.gene = names[rng.integers(0, len(names), self.transcripts)]
        self.quality = rng.integers(5, 41, self.transcripts).astype(np.float32)
        self.z = rng.integers(0, self.planes, self.transcripts)
        column, row = np.floor(self.xy).astype(int).T
        self.owner = self.cells[row, column]

    def outline(self, label, nucleus=False, centres=False):
        """Corners (n, 2) of a cell or nucleus in pixels, not closed.

        Along pixel edges, or as indices of its outermost pixels (`centres`).
        """
        y0, x0, y1, x1 = self.boxes[label - 1]
        if nucleus:
            y0, x0, y1, x1 = y0 + 8, x0 + 10, y1 - 8, x1 - 10
        if centres:
            y1, x1 = y1 - 1, x1 - 1
        # A corner too many on each side, as vendors' outlines have.
        return np.array(
            [(x0, y0), ((x0 + x1) / 2, y0), (x1, y0), (x1, y1), (x0, y1), (x0, (y0 + y1) / 2)],
            dtype=float,
        )

    @property
    def labels(self):
        return range(1, len(self.boxes) + 1)


def ome_xml(files, channels, planes, shape, dtype, pixel_size):
    """OME-XML of one image whose pages lie in several files, one a channel."""
    height, width = shape
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">',
        '<Image ID="Image:0" Name="image">',
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{dtype}" SizeX="{width}" '
        f'SizeY="{height}" SizeZ="{planes}" SizeC="{len(channels)}" SizeT="1" '
        f'PhysicalSizeX="{pixel_size}" PhysicalSizeY="{pixel_size}">',
    ]
    for index, name in enumerate(channels):
        named = f' Name="{name}"' if name else ""
        lines.append(f'<Channel ID="Channel:0:{index}"{named} SamplesPerPixel="1"/>')
    for index, file in enumerate(files):
        lines.append(
            f'<TiffData IFD="0" FirstC="{index}" FirstZ="0" FirstT="0" PlaneCount="{planes}">'
            f'<UUID FileName="{file}">urn:uuid:00000000-0000-0000-0000-{index:012d}</UUID>'
            "</TiffData>"
        )
    lines += ["</Pixels>", "</Image>", "</OME>"]
    return "".join(lines)

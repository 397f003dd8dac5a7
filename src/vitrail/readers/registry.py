"""What a reader of slides is, and the one that a format entry names.

A reader takes a sheet's row and a format entry and gives the parts of the slide, each opened but
not read. A new kind of input is a class with the attributes of `SlideSource`, its name in
`vitrail.readers.READER_NAMES` and a branch of `open_source` (for a vendor's folder also a module
in `vitrail.readers.vendors`); the rest of the workflow sees micrometres only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from vitrail.errors import VitrailError
from vitrail.readers import fill, reader_name

if TYPE_CHECKING:
    from vitrail.readers.boundaries import BoundarySource
    from vitrail.readers.image import ImageSource
    from vitrail.readers.labels import LabelSource
    from vitrail.readers.transcripts import TranscriptSource


class SlideSource(Protocol):
    """Contract of a reader.

    Attributes
    ----------
    image, transcripts
        Parts of the slide, None where it has none.
    labels, boundaries
        Given label images and outlines of ``cells`` and ``nuclei``, those that there are.
    pixel_size
        Micrometres a pixel as the files say it, None where they do not.
    origin
        (x, y) in micrometres of the outer corner of the image's pixel (0, 0).
    files
        All files that are read, as the sheet names them.
    """

    image: ImageSource | None
    transcripts: TranscriptSource | None
    labels: dict[str, LabelSource]
    boundaries: dict[str, BoundarySource]
    pixel_size: float | None
    origin: tuple[float, float]
    files: list[str]


def open_source(row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> SlideSource:
    """Open a slide's files with the reader that the format entry names.

    Parameters
    ----------
    row
        Row of the sample sheet.
    entry
        Format entry of the config.
    threads
        Threads that decode.
    """
    row = fill(row, entry)
    # A name and its import, not a table of strings: the workflow follows imports to know which
    # results an edited module makes stale.
    match reader_name(entry):
        case "generic":
            from vitrail.readers.generic import GenericSource

            return GenericSource(row, entry, threads)
        case "cosmx":
            from vitrail.readers.vendors.cosmx_reader import CosmxSource

            return CosmxSource(row, entry, threads)
        case "imc" | "phenocycler":
            from vitrail.readers.vendors.stains_reader import StainsSource

            return StainsSource(row, entry, threads)
        case "merscope":
            from vitrail.readers.vendors.merscope_reader import MerscopeSource

            return MerscopeSource(row, entry, threads)
        case "xenium":
            from vitrail.readers.vendors.xenium_reader import XeniumSource

            return XeniumSource(row, entry, threads)
        case "visium_hd":
            raise VitrailError(
                f"sample {row.get('sample')}: format visium_hd gives a table of bins, wanted no "
                "files of a slide beside its folder."
            )
        case name:
            raise AssertionError(f"reader {name} is registered without a class")

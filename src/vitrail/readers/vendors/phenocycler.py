"""Files of PhenoCycler and CODEX runs (Akoya): one image of many stains, and its list of names."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from vitrail.errors import VitrailError
from vitrail.readers.vendors.folder import Folder

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

PREFERRED = "labels"
# The scanner's file, then what other programs export.
IMAGES = (r"[^/]*\.qptiff", r"[^/]*\.ome\.tiff?", r"[^/]*\.tiff?")
# One name a line (CODEX), or a table with the column marker_name (MCMICRO).
NAMES = ("channelNames.txt", "channelnames.txt", "MarkerList.txt", "markers.csv")


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of a run's folder by column of the sheet (contract: `vendors.Vendor`)."""
    found: Files = {"folder": [path for path in [folder.first(*NAMES)] if path]}
    if wanted.image:
        found["image"] = [image_of_sample(folder, wanted.sample, IMAGES, "RUN.qptiff")]
    return found


def image_of_sample(folder: Folder, sample: str, patterns: tuple[str, ...], example: str) -> str:
    """The one image of a folder, or the one that is named as the sample."""
    for pattern in patterns:
        found = folder.matching(pattern)
        named = [path for path in found if stem(path) == sample]
        if len(found) == 1 or len(named) == 1:
            return (named or found)[0]
        if found:
            shown = ", ".join(PurePath(path).name for path in found[:3])
            raise VitrailError(
                f"{folder.path}: has {len(found)} images ({shown}), wanted one, or one named as "
                f"the sample ('{sample}'), or the sheet's column image to name one."
            )
    raise folder.missing("the image", example)


def stem(path: str) -> str:
    """Name of an image without its endings."""
    return re.sub(r"(\.ome)?\.(tiff?|qptiff)$", "", PurePath(path).name)

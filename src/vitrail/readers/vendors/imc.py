"""Files of imaging mass cytometry as steinbock lays them out: images, masks and a panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitrail.readers.vendors.folder import Folder
from vitrail.readers.vendors.phenocycler import image_of_sample, stem

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

PREFERRED = "labels"
IMAGES = (r"img/[^/]*\.tiff?", r"ome/[^/]*\.ome\.tiff?")
PANEL = "panel.csv"


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of a folder by column of the sheet (contract: `vendors.Vendor`)."""
    image = image_of_sample(folder, wanted.sample, IMAGES, "img/SAMPLE.tiff")
    found: Files = {"folder": [path for path in [folder.first(PANEL)] if path]}
    if wanted.image:
        found["image"] = [image]
    masks = [path for path in folder.matching(r"masks/[^/]*\.tiff?") if stem(path) == stem(image)]
    if masks:
        found["labels"] = masks[:1]
    return found

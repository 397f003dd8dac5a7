"""Files of a Visium HD run (10x Genomics, Space Ranger 3 and 4): bins as a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vitrail.errors import VitrailError
from vitrail.readers.vendors.folder import Folder

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

PREFERRED = "outlines"
BIN_UM = 8
MATRIX = "filtered_feature_bc_matrix.h5"
POSITIONS = "spatial/tissue_positions.parquet"
SCALE = "spatial/scalefactors_json.json"
# The folder of a size of bins, wherever it is.
BINS = re.compile(r"(.*/)?square_[^/]*(?=/)")


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of the bins of one size by column of the sheet (contract: `vendors.Vendor`)."""
    size = wanted.options.get("bin_um") or BIN_UM
    name = _name(size)
    # The folder that Space Ranger writes, its folder of bins, or the one of this size.
    place = next(
        (
            prefix
            for prefix in (f"binned_outputs/{name}/", f"{name}/")
            if any(file.startswith(prefix) for file in folder.names)
        ),
        "",
    )
    if not place and not any(part == name for part in folder.path.split("/")):
        places = (BINS.match(file) for file in folder.names)
        found = ", ".join(sorted({match[0] for match in places if match})) or "no bins"
        raise VitrailError(
            f"{folder.path}: has no bins of {size} um right in it (found {found}), wanted the "
            f"folder binned_outputs/{name} (the format's options.bin_um)."
        )
    return {
        "table": [folder.need("the counts of bins", place + MATRIX)],
        "folder": [
            folder.need("the positions of bins", place + POSITIONS),
            folder.need("the scale", place + SCALE),
        ],
    }


def _name(size: object) -> str:
    """Folder of the bins of one size."""
    if not str(size).isdecimal():
        raise VitrailError(
            f"the format's options.bin_um is '{size}', wanted whole micrometres such as 8 or 16."
        )
    return f"square_{int(str(size)):03}um"

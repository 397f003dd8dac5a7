"""Files of a Visium HD run (10x Genomics, Space Ranger 3 and 4): bins as a table."""

from __future__ import annotations

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


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of the bins of one size by column of the sheet (contract: `vendors.Vendor`)."""
    size = wanted.options.get("bin_um") or BIN_UM
    name = f"square_{int(size):03}um"
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
        sizes = sorted(
            {part for n in folder.names for part in n.split("/") if part[:7] == "square_"}
        )
        raise VitrailError(
            f"{folder.path}: has no bins of {size} um (found {', '.join(sizes) or 'no bins'}), "
            f"wanted the folder binned_outputs/{name} (the format's options.bin_um)."
        )
    return {
        "table": [folder.need("the counts of bins", place + MATRIX)],
        "folder": [
            folder.need("the positions of bins", place + POSITIONS),
            folder.need("the scale", place + SCALE),
        ],
    }

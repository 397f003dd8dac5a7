"""Where weight files are: shipped ones by name, others by path.

Standard library only: the workflow asks while it is parsed.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import vitrail
from vitrail.errors import VitrailError

FOLDER_VARIABLE = "VITRAIL_MODELS"


def folders() -> list[Path]:
    """Folders that are searched for a name: the user's own, then that of the repository."""
    own = os.environ.get(FOLDER_VARIABLE)
    shipped = Path(vitrail.__file__).resolve().parents[2] / "resources/models"
    return [*([Path(own)] if own else []), shipped]


def find(name_or_path: str | Path) -> Path | None:
    """Weight file of a name (`nuclei`, `cells`) or path; None where there is none."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    if len(path.parts) != 1:
        return None
    candidates = (folder / f"{path.name}{end}" for folder in folders() for end in ("", ".pt"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def require(name_or_path: str | Path, key: str) -> Path:
    """Weight file of a name or path; `key` of the configuration asked for it.

    Raises
    ------
    VitrailError
        Where there is none: one sentence on where to put it.
    """
    found = find(name_or_path)
    if found is None:
        raise VitrailError(
            f"{key} is '{name_or_path}', where no weight file is; wanted: a path, or a name that "
            f"stands for a file NAME or NAME.pt in {' or '.join(str(f) for f in folders())} (set "
            f"{FOLDER_VARIABLE} to add a folder)"
        )
    return found


def is_torchscript(path: Path) -> bool:
    """Whether a file is a compiled TorchScript module, which carries its code, not a state dict."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())

"""Where weight files are: shipped ones by name, others by path.

Standard library only: the workflow asks while it is parsed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import zipfile
from pathlib import Path

import vitrail
from vitrail.errors import VitrailError

FOLDER_VARIABLE = "VITRAIL_MODELS"
INSTANSEG_VARIABLE = "INSTANSEG_BIOIMAGEIO_PATH"  # of instanseg-torch


def folders() -> list[Path]:
    """Folders that are searched for a name: the user's own, then that of the shipped weights."""
    own = os.environ.get(FOLDER_VARIABLE)
    return [*([Path(own)] if own else []), _shipped()]


def _shipped() -> Path:
    return (Path(vitrail.__file__).resolve().parent / "models").resolve()


def is_shipped(path: Path) -> bool:
    """Whether a weight file came with vitrail."""
    return path.resolve().is_relative_to(_shipped())


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


def require_instanseg(name_or_path: str | Path, sha256: str | None = None) -> Path:
    """TorchScript module of InstanSeg: a path, or a name that instanseg-torch has downloaded.

    Parameters
    ----------
    name_or_path
        As the configuration has it.
    sha256
        What the file must hash to; None: any.

    Raises
    ------
    VitrailError
        Where there is no such file, or it hashes to something else.
    """
    found = find(name_or_path) or _downloaded(str(name_or_path))
    if found is None:
        raise VitrailError(
            f"segment.instanseg.weights is '{name_or_path}', where no module is; wanted: the path "
            "of an instanseg.pt, or a name downloaded before with instanseg-torch: python -c 'from "
            'instanseg import InstanSeg; InstanSeg("NAME")\''
        )
    if sha256 is not None:
        digest = file_hash(found)
        if digest != sha256:
            raise VitrailError(
                f"{found} hashes to {digest}, but segment.instanseg.sha256 is {sha256}"
            )
    return found


def _downloaded(name: str) -> Path | None:
    """Where instanseg-torch keeps a module, the newest version of it."""
    folder = os.environ.get(INSTANSEG_VARIABLE)
    if folder is None:
        package = importlib.util.find_spec("instanseg")
        if package is None or package.origin is None:
            return None
        folder = str(Path(package.origin).parent / "bioimageio_models")
    if not name or len(Path(name).parts) != 1:
        return None
    versions = sorted(Path(folder, name).glob("*/instanseg.pt"), key=_version)
    return versions[-1] if versions else None


def _version(path: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", path.parent.name)]


def check_whole(path: Path) -> None:
    """Check that a weight file is as it was written: torch itself looks at no checksum.

    Parameters
    ----------
    path
        Weight file. The model card beside it (`NAME.json` beside `NAME.pt`) holds its hash; without
        one, the checksums of its members are compared, where it is an archive.

    Raises
    ------
    VitrailError
        If it is not.
    """
    known = _hash_of_card(path.with_suffix(".json"))
    found = file_hash(path)
    if known is not None and found != known:
        raise VitrailError(
            f"{path} hashes to {found}, but its model card {path.with_suffix('.json').name} says "
            f"{known}; wanted: the file as it was made"
        )
    if known is None and zipfile.is_zipfile(path):
        damage = _damage(path)
        if damage:
            raise VitrailError(
                f"{path} is damaged: {damage} (the file hashes to {found}); "
                "wanted: the file as it was made"
            )


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of_card(card: Path) -> str | None:
    if not card.is_file():
        return None
    try:
        return str(json.loads(card.read_text(encoding="utf-8"))["file"]["sha256"])
    except (ValueError, KeyError, TypeError):
        # Some other program's file of that name.
        return None


def _damage(path: Path) -> str | None:
    """What is wrong with an archive; None where all its members have their checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    # A broken header raises what its broken part is good for: a name that is no text, an unknown
    # way of compression, a size beyond the end.
    except Exception as error:
        return f"{type(error).__name__}, {error}"
    return f"its member '{member}' does not have its checksum" if member else None


def is_torchscript(path: Path) -> bool:
    """Whether a file is a compiled TorchScript module, which carries its code, not a state dict."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    # No archive, or a damaged one, of which `check_whole` tells.
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False

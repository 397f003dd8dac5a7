"""Segmenters by name.

Light to import: a segmenter's own packages are imported when it is made.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrail.errors import VitrailError
from vitrail.segmentation import weights as files

if TYPE_CHECKING:
    from vitrail.segmentation.contract import Segmenter

# What every segmenter reads of the section `segment`.
SHARED_KEYS = ("segmenter", "channels", "merge", "preprocess", "given")


@dataclass(frozen=True)
class Entry:
    """How to make one segmenter.

    Attributes
    ----------
    make
        Called with the segmenter's options. It imports what it needs by itself, in a statement that
        the workflow can follow when it hashes the code of a stage.
    packages
        Packages that it needs, by import name.
    install
        What to install where one is missing.
    weights
        Options that name a weight file, and what each is where it is not set: empty text where
        there is no default, None where the file may be missing.
    prepares
        Whether it measures something on each slide before its tiles (`Segmenter.prepare`).
    environment
        Name of the conda environment of its stages, in `envs/`.
    """

    make: Callable[..., Segmenter]
    packages: tuple[str, ...] = ()
    install: str = ""
    weights: Mapping[str, str | None] | None = None
    prepares: bool = False
    environment: str = "segment"


def _watershed(**options: Any) -> Segmenter:
    from vitrail.segmentation.watershed import Watershed

    return Watershed(**options)


def _flows(**options: Any) -> Segmenter:
    from vitrail.segmentation.flows import FlowSegmenter

    return FlowSegmenter(**options)


def _nuclei(**options: Any) -> Segmenter:
    return _flows(**{"cell_weights": None, "expansion_um": 0.0, **options})


def _cells(**options: Any) -> Segmenter:
    return _flows(**{"nuclei_weights": None, **options})


def _cellpose(**options: Any) -> Segmenter:
    from vitrail.segmentation.cellpose import CellposeSegmenter

    return CellposeSegmenter(**options)


def _instanseg(**options: Any) -> Segmenter:
    from vitrail.segmentation.instanseg import InstansegSegmenter

    return InstansegSegmenter(**options)


def _of_flows(make: Callable[..., Segmenter], **weights: str) -> Entry:
    return Entry(make, ("torch", "numba"), "torch", weights=weights, prepares=True)


ENTRIES: dict[str, Entry] = {
    "watershed": Entry(_watershed, ("numba",), "numba"),
    "flows": _of_flows(_flows, nuclei_weights="nuclei", cell_weights="cells"),
    "nuclei": _of_flows(_nuclei, nuclei_weights="nuclei"),
    "cells": _of_flows(_cells, cell_weights="cells"),
    "cellpose": Entry(
        _cellpose,
        ("cellpose",),
        "'cellpose>=3.1,<4' in an environment of its own, or run with "
        "--software-deployment-method conda",
        weights={"weights": "", "nuclei_weights": None},
        environment="segment-cellpose",
    ),
    "instanseg": Entry(_instanseg, ("torch",), "torch"),
}


def load(name_or_path: str, **options: Any) -> Segmenter:
    """Make a segmenter.

    Parameters
    ----------
    name_or_path
        A registered name; the path of a weight file (of `snakemake train` or of Cellpose 2 or 3 for
        a flow network, or a TorchScript module of InstanSeg); or `module:function` of one's own: a
        `Segmenter`, something that makes one from `options`, or a function
        ``(image, context) -> labels`` or ``(cells, nuclei)``, see `vitrail.segmentation.contract`.
    options
        The segmenter's own.
    """
    if Path(name_or_path).is_file():
        return _from_file(Path(name_or_path), options)
    return load_configured({"segmenter": name_or_path, _options_key(name_or_path): options})


def load_configured(settings: Mapping[str, Any]) -> Segmenter:
    """Make the segmenter that section `segment` of the configuration asks for."""
    from vitrail.segmentation.contract import Segmenter

    check(settings)
    name = str(settings.get("segmenter", "watershed"))
    options = dict(settings.get(_options_key(name)) or {})
    if name in ENTRIES:
        return _construct(ENTRIES[name].make, name, options)
    made = _import(name)
    if isinstance(made, Segmenter):
        return made
    if isinstance(made, type) and issubclass(made, Segmenter):
        return _construct(made, name, options)
    from vitrail.segmentation.own import FunctionSegmenter

    return FunctionSegmenter(name, made, options)


def used_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of section `segment` that the chosen segmenter reads.

    Keys of the other segmenters change no result, so they must not make one stale.
    """
    keys = {*SHARED_KEYS, _options_key(str(settings.get("segmenter", "watershed")))}
    return {key: value for key, value in settings.items() if key in keys}


def prepares(settings: Mapping[str, Any]) -> bool:
    """Whether something has to be measured on a slide before its tiles are segmented."""
    name = str(settings.get("segmenter", "watershed"))
    if name not in ENTRIES or ENTRIES[name].prepares:
        return True
    merged = any(isinstance(value, list) for value in (settings.get("channels") or {}).values())
    options = settings.get("preprocess") or {}
    plain = not options.get("composite") and not options.get("gaussian_um")
    return merged or not plain or options.get("gamma", 1) != 1 or bool(options.get("equalise"))


def weight_files(settings: Mapping[str, Any]) -> list[str]:
    """Weight files of the user's that the chosen segmenter reads: inputs of what runs it."""
    return [_relative(path) for path in _weights(settings) if not files.is_shipped(path)]


def shipped_weights(settings: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by name of the shipped weights that the chosen segmenter reads.

    They are a part of vitrail as its code is: wherever it lies and whenever it was installed, equal
    weights leave results as they are.
    """
    shipped = (path for path in _weights(settings) if files.is_shipped(path))
    return {path.name: _kept_hash(path) for path in shipped}


# Asked for each job of a plan; a shipped file stays as it is.
_kept_hash = lru_cache(files.file_hash)


def _weights(settings: Mapping[str, Any]) -> list[Path]:
    name = str(settings.get("segmenter", "watershed"))
    options = settings.get(name) or {}
    if name == "instanseg":
        return [files.require_instanseg(options.get("weights") or "")]
    wanted = (options.get(key, default) for key, default in _entry_weights(name).items())
    return [path for path in (files.find(path) for path in wanted if path) if path is not None]


def _relative(path: Path) -> str:
    """Path below the working directory where it is there, so that a moved folder is not stale."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def environment(settings: Mapping[str, Any]) -> str:
    """Name of the conda environment, in `envs/`, of the stages that run the chosen segmenter."""
    name = str(settings.get("segmenter", "watershed"))
    return ENTRIES[name].environment if name in ENTRIES else "segment"


def check(settings: Mapping[str, Any], packages: bool = True) -> None:
    """Raise where the configured segmenter cannot run: before anything is computed.

    Parameters
    ----------
    settings
        Section `segment` of the configuration.
    packages
        Whether to look for the packages as well: not where a stage gets an environment of its own.
    """
    name = str(settings.get("segmenter", "watershed"))
    if ":" in name:
        _check_own(name)
        return
    if name not in ENTRIES:
        raise VitrailError(
            f"segment.segmenter is '{name}'; wanted: one of {', '.join(sorted(ENTRIES))}, or "
            "module:function of your own"
        )
    entry = ENTRIES[name]
    missing = [package for package in entry.packages if importlib.util.find_spec(package) is None]
    if missing and packages:
        raise VitrailError(
            f"segment.segmenter '{name}' needs the package {missing[0]}, which is not installed; "
            f"install it with: pip install {entry.install}"
        )
    _check_weights(name, settings.get(name) or {})


def _options_key(name: str) -> str:
    return "options" if ":" in name else name


def _entry_weights(name: str) -> Mapping[str, str | None]:
    return (ENTRIES[name].weights or {}) if name in ENTRIES else {}


def _check_weights(name: str, options: Mapping[str, Any]) -> None:
    for key, default in _entry_weights(name).items():
        chosen = options.get(key, default)
        if chosen is not None or default == "":
            files.require(chosen or "", f"segment.{name}.{key}")
    if name == "instanseg":
        files.require_instanseg(options.get("weights") or "", options.get("sha256"))


def _from_file(path: Path, options: Mapping[str, Any]) -> Segmenter:
    """Segmenter of a weight file, by what is in it."""
    if files.is_torchscript(path):
        return _construct(_instanseg, str(path), {"weights": str(path), **options})
    from vitrail.segmentation.network import load_weights

    kind = load_weights(path)[1].kind or ("nuclei" if "nuclei" in path.name else "cells")
    key, make = {"nuclei": ("nuclei_weights", _nuclei), "cells": ("cell_weights", _cells)}[kind]
    return _construct(make, str(path), {key: str(path), **options})


def _check_own(name: str) -> None:
    module = name.partition(":")[0]
    try:
        found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise VitrailError(
            f"segment.segmenter is '{name}', but there is no module '{module}' on PYTHONPATH"
        )


def _import(factory: str) -> Any:
    module, _, attribute = factory.partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if not callable(found) and not hasattr(found, "segment_window"):
        raise VitrailError(
            f"segment.segmenter is '{factory}', but module '{module}' has no function '{attribute}'"
        )
    return found


def _construct(make: Callable[..., Segmenter], name: str, options: Mapping[str, Any]) -> Segmenter:
    try:
        return make(**options)
    except TypeError as error:
        raise VitrailError(f"segment.{name} has an option that it does not know: {error}") from None

"""Segmenters by name.

Light to import: a segmenter's own packages are imported when it is made.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitrail.errors import VitrailError

if TYPE_CHECKING:
    from vitrail.segmentation.contract import Segmenter


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
        Whether it needs a weight file, option `weights`.
    """

    make: Callable[..., Segmenter]
    packages: tuple[str, ...] = ()
    install: str = ""
    weights: bool = False


def _watershed(**options: Any) -> Segmenter:
    from vitrail.segmentation.watershed import Watershed

    return Watershed(**options)


ENTRIES: dict[str, Entry] = {
    "watershed": Entry(_watershed, ("numba",), "numba"),
}


def load(name_or_path: str, **options: Any) -> Segmenter:
    """Make a segmenter.

    Parameters
    ----------
    name_or_path
        A registered name, or `module:function` of one's own: a `Segmenter`, something that makes
        one from `options`, or a function ``(image, context) -> labels`` or ``(cells, nuclei)``, see
        `vitrail.segmentation.contract`.
    options
        The segmenter's own.
    """
    from vitrail.segmentation.contract import Segmenter

    check({"segmenter": name_or_path, name_or_path: options})
    if name_or_path in ENTRIES:
        return _construct(ENTRIES[name_or_path].make, name_or_path, options)
    made = _import(name_or_path)
    if isinstance(made, Segmenter):
        return made
    if isinstance(made, type) and issubclass(made, Segmenter):
        return _construct(made, name_or_path, options)
    from vitrail.segmentation.own import FunctionSegmenter

    return FunctionSegmenter(name_or_path, made, options)


def check(settings: Mapping[str, Any]) -> None:
    """Raise where the configured segmenter cannot run: before anything is computed.

    Parameters
    ----------
    settings
        Section `segment` of the configuration.
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
    if missing:
        raise VitrailError(
            f"segment.segmenter '{name}' needs the package {missing[0]}, which is not installed; "
            f"install it with: pip install {entry.install}"
        )
    _check_weights(name, entry, settings.get(name) or {})


def _check_weights(name: str, entry: Entry, options: Mapping[str, Any]) -> None:
    from pathlib import Path

    path = options.get("weights")
    if entry.weights and (not path or not Path(path).is_file()):
        raise VitrailError(
            f"segment.{name}.weights is '{path or ''}', where no file is; wanted: a weight file"
        )


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

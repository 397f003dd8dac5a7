"""Segmenters behind one contract, and the measures of how good they are.

Light to import: `load`, `match` and `score` import what they need when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitrail.segmentation.registry import (
    check,
    environment,
    load,
    load_configured,
    prepares,
    used_settings,
    weight_files,
)

if TYPE_CHECKING:
    from vitrail.segmentation.metrics import match, score

__all__ = [
    "check",
    "environment",
    "load",
    "load_configured",
    "match",
    "prepares",
    "score",
    "used_settings",
    "weight_files",
]


def __getattr__(name: str) -> Any:
    if name in ("match", "score"):
        from vitrail.segmentation import metrics

        return getattr(metrics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

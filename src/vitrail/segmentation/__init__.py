"""Segmenters behind one contract, and the measures of how good they are.

Light to import: what computes is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitrail.segmentation.registry import (
    check,
    environment,
    load,
    load_configured,
    prepares,
    shipped_weights,
    used_settings,
    weight_files,
)

if TYPE_CHECKING:
    from vitrail.segmentation.flow.masks import masks_from_flows
    from vitrail.segmentation.metrics import match, score

__all__ = [
    "check",
    "environment",
    "load",
    "load_configured",
    "masks_from_flows",
    "match",
    "prepares",
    "score",
    "shipped_weights",
    "used_settings",
    "weight_files",
]


def __getattr__(name: str) -> Any:
    if name in ("match", "score"):
        from vitrail.segmentation import metrics

        return getattr(metrics, name)
    if name == "masks_from_flows":
        from vitrail.segmentation.flow import masks

        return masks.masks_from_flows
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

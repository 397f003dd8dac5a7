"""Elements of an AnnData that the functions on arrays take in place of an array."""

from __future__ import annotations

from typing import Any

from vitrail.errors import VitrailError


def positions_of(given: Any) -> Any:
    """``obsm["spatial"]`` of an AnnData; anything else as it is."""
    return _element(given, "obsm", "spatial", "positions of cells")


def connectivities_of(given: Any) -> Any:
    """``obsp["spatial_connectivities"]`` of an AnnData; anything else as it is."""
    return _element(given, "obsp", "spatial_connectivities", "a graph (vitrail.graph.knn)")


def _element(given: Any, slot: str, key: str, what: str) -> Any:
    if not hasattr(given, slot):
        return given
    elements = getattr(given, slot)
    if key not in elements:
        found = ", ".join(sorted(elements)) or "nothing"
        raise VitrailError(f"AnnData, {slot}: found {found}, wanted {key!r}: {what}.")
    return elements[key]

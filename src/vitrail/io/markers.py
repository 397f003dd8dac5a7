"""Marker lists: which genes tell which cell type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError


def read_markers(path: str | Path) -> dict[str, list[str]]:
    """Read a marker list.

    Parameters
    ----------
    path
        YAML (``type: [gene, gene]``), or text with one ``type<TAB>gene`` a line.

    Returns
    -------
    Genes of each type, in the file's order.

    Raises
    ------
    VitrailError
        If the file is neither.
    """
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(path, text)
    return _from_table(path, text)


def _from_yaml(path: str | Path, text: str) -> dict[str, list[str]]:
    import yaml

    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise VitrailError(f"{path}: is not YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(content, dict) or not content:
        raise VitrailError(
            f"{path}: holds {type(content).__name__}, wanted lines 'type: [gene, gene]'."
        )
    for name, genes in content.items():
        if not isinstance(genes, list) or not genes or not all(isinstance(g, str) for g in genes):
            raise VitrailError(f"{path}: type {name!r} has {genes!r}, wanted a list of gene names.")
    return {str(name): genes for name, genes in content.items()}


def _from_table(path: str | Path, text: str) -> dict[str, list[str]]:
    markers: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 2 or not all(fields):
            raise VitrailError(f"{path}: line {number} is {line!r}, wanted 'type<TAB>gene'.")
        markers.setdefault(fields[0], []).append(fields[1])
    if not markers:
        raise VitrailError(f"{path}: has no line, wanted 'type<TAB>gene'.")
    return markers

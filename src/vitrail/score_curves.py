"""Curves of segmentation scores: F1 and object accuracy by IoU threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PANELS = {"f1": "F1", "accuracy": "object accuracy"}


def draw_curves(scores: Mapping[str, Sequence[Mapping[str, Any]]], path: str | Path) -> None:
    """Draw one row of panels a set: a line and its 95 % band for each segmenter.

    Parameters
    ----------
    scores
        Rows of `vitrail.segmentation.evaluation.score_rows` by segmenter.
    path
        Of the SVG that is written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(row["set"] for rows in scores.values() for row in rows))
    # A fixed salt: element names, and with them the file, are the same in every run.
    with mpl.rc_context({"svg.hashsalt": "vitrail", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 3.4 * len(sets)), layout="constrained")
        axes = figure.subplots(len(sets), len(PANELS), squeeze=False)
        for line, name in zip(axes, sets, strict=True):
            for panel, metric in zip(line, PANELS, strict=True):
                for segmenter, rows in scores.items():
                    _draw(panel, segmenter, [r for r in rows if _shows(r, name, metric)])
                title = {"ylabel": PANELS[metric], "title": name}
                panel.set(xlabel="IoU threshold", ylim=(0, 1), **title)
        axes[0, 0].legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _shows(row: Mapping[str, Any], name: str, metric: str) -> bool:
    return bool(row["set"] == name and row["metric"] == metric)


def _draw(panel: Any, segmenter: str, rows: Sequence[Mapping[str, Any]]) -> None:
    x = [row["threshold"] for row in rows]
    panel.plot(x, [row["value"] for row in rows], label=segmenter)
    if all(row["low"] is not None for row in rows):
        low, high = ([row[key] for row in rows] for key in ("low", "high"))
        panel.fill_between(x, low, high, alpha=0.2, linewidth=0)

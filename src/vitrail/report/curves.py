"""Curves of segmentation scores: F1 and object accuracy by IoU threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PANELS = {"f1": "F1", "accuracy": "object accuracy"}


def draw_curves(scores: pd.DataFrame, path: str | Path) -> None:
    """Draw one row of panels a set: a line and its 95 % band for each segmenter.

    Parameters
    ----------
    scores
        Of `vitrail.evaluate.evaluate`.
    path
        Of the SVG that is written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(scores["set"]))
    # A fixed salt: element names, and with them the file, are the same in every run.
    with mpl.rc_context({"svg.hashsalt": "vitrail", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 3.4 * len(sets)), layout="constrained")
        axes = figure.subplots(len(sets), len(PANELS), squeeze=False)
        for row, name in zip(axes, sets, strict=True):
            for panel, (metric, title) in zip(row, PANELS.items(), strict=True):
                chosen = scores[(scores["set"] == name) & (scores["metric"] == metric)]
                for segmenter, found in chosen.groupby("segmenter", sort=False):
                    x = found["threshold"]
                    panel.plot(x, found["value"], label=str(segmenter))
                    panel.fill_between(x, found["low"], found["high"], alpha=0.2, linewidth=0)
                panel.set(xlabel="IoU threshold", ylabel=title, title=name, ylim=(0, 1))
        axes[0, 0].legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})

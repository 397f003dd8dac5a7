"""Small charts as inline SVG, readable without colour and without scripts.

Every text that comes from a user is escaped here; the functions give back `Markup`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from vitrail.report.palette import DISTANCE, ramp, shade
from vitrail.report.pictures import data_uri

LABEL = 11  # font size in pixels


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _svg(width: float, height: float, body: str, label: str, css: str = "") -> Markup:
    return Markup(
        f'<svg class="{css}" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )


def _text(x: float, y: float, text: object, anchor: str = "start", css: str = "") -> str:
    named = f' class="{css}"' if css else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{named}>{escape(str(text))}</text>'


def _rect(x: float, y: float, width: float, height: float, fill: str, title: str = "") -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(0, width))}" height="{_n(height)}" '
        f'fill="{fill}">{inner}</rect>'
    )


def histogram(
    values: npt.NDArray[np.floating], edges: npt.NDArray[np.floating], label: str
) -> Markup:
    """A row's distribution as bars; `edges` are shared by all rows, so that bars compare."""
    width, height = 92.0, 24.0
    finite = values[np.isfinite(values)]
    count, _ = np.histogram(np.clip(finite, edges[0], edges[-1]), bins=edges)
    top = max(1, int(count.max()))
    step = width / len(count)
    bars = "".join(
        _rect(i * step, height - n / top * height, step - 0.6, n / top * height, "#5b7083")
        for i, n in enumerate(count)
        if n
    )
    line = f'<path d="M0 {height - 0.5}H{width}" stroke="#b8c0c8"/>'
    return _svg(width, height, line + bars, label, "histogram")


def shares(
    parts: Sequence[tuple[str, float, str]], label: str, width: float = 300, height: float = 14
) -> Markup:
    """One stacked bar; parts are (name, amount, colour)."""
    total = sum(amount for _, amount, _ in parts) or 1.0
    body, x = "", 0.0
    for name, amount, colour in parts:
        part = amount / total * width
        if amount > 0:
            body += _rect(
                x, 0, part, height, colour, f"{name}: {amount:,.0f} ({amount / total:.1%})"
            )
        x += part
    return _svg(width, height, body, label, "shares")


def interval(
    value: float, low: float, high: float, bounds: tuple[float, float], label: str
) -> Markup:
    """A value with its interval on an axis shared by all rows; a line marks zero."""
    width, height = 116.0, 18.0
    span = (bounds[1] - bounds[0]) or 1.0

    def place(v: float) -> float:
        return 4 + (v - bounds[0]) / span * (width - 8)

    zero = place(0.0)
    body = f'<path d="M{_n(zero)} 0V{height}" stroke="#8a949e" stroke-dasharray="2 2"/>'
    if np.isfinite(low) and np.isfinite(high):
        body += (
            f'<path d="M{_n(place(low))} 9H{_n(place(high))}" stroke="#26547c" stroke-width="2"/>'
        )
    if np.isfinite(value):
        body += f'<circle cx="{_n(place(value))}" cy="9" r="4" fill="#26547c"/>'
    return _svg(width, height, body, label, "interval")


def strips(
    groups: Mapping[str, Sequence[float]], label: str, axis: str, width: float = 640
) -> Markup:
    """Values of some groups as dots on one axis, with the mean as a line."""
    known = {name: [v for v in values if np.isfinite(v)] for name, values in groups.items()}
    every = [v for values in known.values() for v in values]
    if not every:
        return Markup("")
    low, high = min(0.0, *every), max(every)
    span = (high - low) or 1.0
    left = 12 + 6.4 * max(len(name) for name in known)
    left = min(left, width * 0.45)
    row, body = 40.0, ""
    for i, (name, values) in enumerate(known.items()):
        middle = i * row + row / 2
        body += _text(left - 10, middle + 4, _short(name, 42), "end")
        for j, value in enumerate(values):
            x = left + (value - low) / span * (width - left - 14)
            # A fixed sequence that fills the row evenly: the page has the same bits each time.
            y = middle + ((j * 0.618034) % 1 - 0.5) * (row - 14)
            body += f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.6" class="dot"/>'
        if values:
            x = left + (float(np.mean(values)) - low) / span * (width - left - 14)
            body += f'<path d="M{_n(x)} {_n(middle - 15)}V{_n(middle + 15)}" class="mean"/>'
    bottom = len(known) * row
    body += f'<path d="M{_n(left)} {_n(bottom + 2)}H{_n(width - 14)}" stroke="#8a949e"/>'
    for share in (0.0, 0.5, 1.0):
        x = left + share * (width - left - 14)
        anchor = "end" if share == 1 else "middle" if share else "start"
        body += _text(x, bottom + 16, f"{low + share * span:.3g}", anchor)
    body += _text((left + width) / 2, bottom + 32, axis, "middle", "quiet")
    return _svg(width, bottom + 38, body, label, "strips")


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def heat_map(
    matrix: npt.NDArray[np.floating],
    names: Sequence[str],
    groups: Sequence[str],
    label: str,
    high: float,
) -> Markup:
    """A symmetric matrix as coloured squares, with a bar for the group of each row.

    Parameters
    ----------
    matrix
        (n, n); values that are not finite stay white with a hatch.
    names
        Name of each row; written out where there is room, and in each square's tool tip.
    groups
        Group of each row; consecutive rows of one group share a bar.
    label
        What the picture shows.
    high
        Value of the darkest colour; zero is the lightest.
    """
    n = len(names)
    cell = max(3.0, min(26.0, 440.0 / max(n, 1)))
    written = cell >= 11
    margin = 14 + (min(160.0, 6.4 * max(map(len, names), default=0)) if written else 0.0)
    side = n * cell
    body = (
        _squares(matrix, names, margin, cell, high)
        if n <= 24
        else _raster(matrix, margin, side, high)
    )
    body += _group_bars(groups, margin, cell)
    if written:
        for i, name in enumerate(names):
            y = margin + i * cell + cell / 2 + 4
            body += _text(margin - 14, y, _short(name, 24), "end")
            x = margin + i * cell + cell / 2 + 4
            turned = _text(0, 0, _short(name, 24))
            body += f'<g transform="translate({_n(x)} {_n(margin - 14)}) rotate(-90)">{turned}</g>'
    return _svg(margin + side + 2, margin + side + 2, body, label, "heat")


def type_map(
    matrix: npt.NDArray[np.floating],
    names: Sequence[str],
    label: str,
    high: float,
    anchors: Sequence[str],
) -> Markup:
    """A matrix of values around zero as coloured squares, rows and columns named alike.

    Parameters
    ----------
    matrix
        (n, n); values that are not finite stay white.
    names
        Name of each row and column.
    label
        What the picture shows.
    high
        Value of the last colour of `anchors`; its negative has the first.
    """
    n = len(names)
    cell = max(9.0, min(24.0, 360.0 / max(n, 1)))
    margin = 8 + min(160.0, 6.4 * max(map(len, names), default=0))
    body = ""
    for i, name in enumerate(names):
        at = margin + i * cell
        for j, value in enumerate(matrix[i]):
            known = bool(np.isfinite(value))
            fill = shade(float(value), -high, high, anchors) if known else "#ffffff"
            title = f"{name} – {names[j]}: " + (f"{value:.1f}" if known else "not counted")
            body += _rect(margin + j * cell, at, cell - 1, cell - 1, fill, title)
        body += _text(margin - 6, at + cell / 2 + 4, _short(name, 24), "end")
        turned = _text(0, 0, _short(name, 24))
        place = f"translate({_n(at + cell / 2 + 4)} {_n(margin - 6)}) rotate(-90)"
        body += f'<g transform="{place}">{turned}</g>'
    side = margin + n * cell + 2
    return _svg(side, side, body, label, "heat")


def _squares(
    matrix: npt.NDArray[np.floating],
    names: Sequence[str],
    margin: float,
    cell: float,
    high: float,
) -> str:
    body = ""
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            known = bool(np.isfinite(value))
            fill = shade(float(value), 0, high) if known else "#ffffff"
            title = f"{names[i]} – {names[j]}: " + (f"{value:.4f}" if known else "not compared")
            body += _rect(margin + j * cell, margin + i * cell, cell - 1, cell - 1, fill, title)
    return body


def _raster(matrix: npt.NDArray[np.floating], margin: float, side: float, high: float) -> str:
    share = np.clip(np.nan_to_num(matrix) / (high or 1.0), 0, 1)
    picture = ramp(DISTANCE)[np.rint(share * 255).astype(np.int64)]
    picture[~np.isfinite(matrix)] = 255
    return (
        f'<image x="{_n(margin)}" y="{_n(margin)}" width="{_n(side)}" height="{_n(side)}" '
        f'style="image-rendering:pixelated" href="{data_uri(picture)}"/>'
    )


def _group_bars(groups: Sequence[str], margin: float, cell: float) -> str:
    order = list(dict.fromkeys(groups))
    body, start = "", 0
    for i in range(1, len(groups) + 1):
        if i < len(groups) and groups[i] == groups[start]:
            continue
        grey = "#3d4a57" if order.index(groups[start]) % 2 == 0 else "#a9b4bf"
        at, length = margin + start * cell, (i - start) * cell - 1
        body += _rect(margin - 9, at, 6, length, grey, groups[start])
        body += _rect(at, margin - 9, length, 6, grey, groups[start])
        start = i
    return body


def colour_scale(low: str, high: str, anchors: Sequence[str], label: str) -> Markup:
    """A ramp with its ends named."""
    steps = 24
    body = "".join(_rect(i * 6, 0, 6.5, 10, shade(i, 0, steps - 1, anchors)) for i in range(steps))
    body += _text(0, 24, low) + _text(steps * 6, 24, high, "end")
    return _svg(steps * 6 + 1, 28, body, label, "scale")


def curves(
    edges: npt.NDArray[np.floating],
    groups: Mapping[str, npt.NDArray[np.floating]],
    colours: Sequence[str],
    label: str,
    axes: tuple[str, str],
) -> Markup:
    """Values in bins as lines: a thin one a unit, a thick one for the mean of a group.

    Parameters
    ----------
    edges
        (bins + 1,) edges of the bins; a line marks zero.
    groups
        (units, bins) values by group; those that are not finite leave a gap.
    colours
        Of the groups, in their order.
    label
        What the picture shows.
    axes
        Words for the horizontal and the vertical axis.
    """
    width, height, left, bottom = 640.0, 240.0, 62.0, 40.0
    known = [v for values in groups.values() for v in values[np.isfinite(values)].tolist()]
    if not known:
        return Markup("")
    top = max(known) or 1.0

    def place(x: float, y: float) -> str:
        across = left + (x - edges[0]) / (edges[-1] - edges[0]) * (width - left - 8)
        return f"{_n(across)} {_n(8 + (1 - y / top) * (height - 16))}"

    middles = (edges[:-1] + edges[1:]) / 2

    def line(values: npt.NDArray[np.floating], style: str) -> str:
        path, pen = "", "M"
        for x, y in zip(middles.tolist(), values.tolist(), strict=True):
            path += f"{pen}{place(x, y)}" if np.isfinite(y) else ""
            pen = "L" if np.isfinite(y) else "M"
        return f'<path d="{path}" fill="none" {style}/>' if path else ""

    body = f'<path d="M{place(0, 0)}L{place(0, top)}" stroke="#8a949e" stroke-dasharray="3 3"/>'
    body += f'<path d="M{place(edges[0], top)}L{place(edges[0], 0)}L{place(edges[-1], 0)}" '
    body += 'fill="none" stroke="#8a949e"/>'
    for (name, values), colour in zip(groups.items(), colours, strict=True):
        for unit in values:
            body += line(unit, f'stroke="{colour}" stroke-width="1" stroke-opacity="0.35"')
        count = np.isfinite(values).sum(axis=0)
        mean = np.divide(
            np.where(np.isfinite(values), values, 0).sum(axis=0),
            count,
            out=np.full(len(middles), np.nan),
            where=count > 0,
        )
        body += f"<g><title>{escape(name)}</title>"
        body += line(mean, f'stroke="{colour}" stroke-width="3"') + "</g>"
    for x in (edges[0], edges[0] / 2, 0.0, edges[-1] / 2, edges[-1]):
        anchor = "end" if x == edges[-1] else "middle"
        body += _text(float(place(x, 0).split()[0]), height + 8, f"{x:g}", anchor)
    for y in (0.0, top / 2, top):
        shown = f"{y:,.0f}" if top >= 1000 else f"{y:.3g}"
        body += _text(left - 6, float(place(0, y).split()[1]) + 4, shown, "end")
    body += _text((left + width) / 2, height + 26, axes[0], "middle", "quiet")
    turned = _text(0, 0, axes[1], "middle", "quiet")
    body += f'<g transform="translate(12 {_n(height / 2)}) rotate(-90)">{turned}</g>'
    return _svg(width, height + bottom - 8, body, label, "curves")


def lines(
    places: npt.NDArray[np.floating],
    values: npt.NDArray[np.floating],
    colours: Sequence[str],
    names: Sequence[str],
    label: str,
    high: float,
) -> Markup:
    """Small chart of values from 0 to `high` by distance, a line each; a dashed line marks 1.

    Parameters
    ----------
    places
        (n,) distances, increasing, above 0.
    values
        (lines, n); those that are not finite leave a gap, those above `high` lie at the top.
    colours, names
        Of the lines.
    label
        What the picture shows.
    high
        Top of the vertical axis.
    """
    width, height, left = 250.0, 120.0, 30.0
    across = left + places / places[-1] * (width - left - 8)

    def up(value: float) -> float:
        return 6 + (1 - min(value, high) / high) * (height - 12)

    body = f'<path d="M{_n(left)} {_n(up(1))}H{_n(width - 8)}" stroke="#8a949e" '
    body += 'stroke-dasharray="3 3"/>'
    body += f'<path d="M{_n(left)} 6V{_n(up(0))}H{_n(width - 8)}" fill="none" stroke="#8a949e"/>'
    for row, colour, name in zip(values, colours, names, strict=True):
        path, pen = "", "M"
        for x, y in zip(across.tolist(), row.tolist(), strict=True):
            path += f"{pen}{_n(x)} {_n(up(y))}" if np.isfinite(y) else ""
            pen = "L" if np.isfinite(y) else "M"
        if path:
            body += f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2">'
            body += f"<title>{escape(name)}</title></path>"
    for y in (0.0, 1.0, high):
        body += _text(left - 5, up(y) + 4, f"{y:.2g}", "end")
    for x in (places[0], places[-1]):
        at = left + x / places[-1] * (width - left - 8)
        body += _text(at, height + 8, f"{x:g}", "end" if x == places[-1] else "middle")
    return _svg(width, height + 14, body, label, "lines")

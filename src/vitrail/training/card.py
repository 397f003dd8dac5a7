"""The model card of trained weights: what they were made from, how, and how good they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vitrail.io.examples import Row
from vitrail.training.settings import Settings

SHOWN = (
    ("f1", 0.5),
    ("f1", 0.75),
    ("mean_f1", None),
    ("accuracy", 0.5),
    ("sq", None),
    ("ap", None),
)


def make_card(
    name: str,
    settings: Settings,
    rows: Sequence[Row],
    about: Mapping[str, Any],
    history: list[dict[str, Any]],
    scores: list[dict[str, Any]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The card as plain values.

    Parameters
    ----------
    name
        Of the model.
    settings
        Of the run.
    rows
        Of the table.
    about
        `licence` of the weights, `sources` (set to where it comes from and its licence), `notes`
        (list of texts: what else was tried).
    history
        Losses by step.
    scores
        Of `vitrail.segmentation.evaluation.score_rows`, on the images held out for validation.
    facts
        What is known of the weight file: hash, diameters.
    """
    images = Counter((row.domain, row.split) for row in rows)
    return {
        "name": name,
        "kind": settings.kind,
        "licence": about.get("licence", ""),
        "sources": dict(about.get("sources") or {}),
        "notes": list(about.get("notes") or []),
        "images": [
            {"domain": domain, "split": split, "images": count}
            for (domain, split), count in sorted(images.items())
        ],
        "settings": asdict(settings),
        "file": dict(facts),
        "scores": scores,
        "curve": history,
    }


def page(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    lines = [f"# {card['name']}", "", f"Finds {card['kind']}. Licence: {card['licence']}.", ""]
    lines += ["## Data", "", "| set | images to train | held out |", "| --- | --- | --- |"]
    lines += _images(card["images"])
    lines += ["", *[f"- {name}: {text}" for name, text in card["sources"].items()]]
    if card["scores"]:
        lines += ["", "## Scores on the images held out for validation", ""]
        lines += _scores(card["scores"])
    lines += ["", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in card["settings"].items()]
    lines += [f"- {key}: {value}" for key, value in card["file"].items()]
    if card["curve"]:
        last = {k: v for k, v in card["curve"][-1].items() if k != "phase"}
        lines += ["", "Last losses: " + ", ".join(f"{k} {v}" for k, v in last.items()) + "."]
    if card["notes"]:
        lines += ["", "## Notes", "", *[f"- {note}" for note in card["notes"]]]
    return "\n".join(lines) + "\n"


def _images(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    domains = sorted({entry["domain"] for entry in entries})

    def number(domain: str, *splits: str) -> int:
        asked = (e for e in entries if e["domain"] == domain and e["split"] in splits)
        return sum(entry["images"] for entry in asked)

    return [f"| {d} | {number(d, 'train')} | {number(d, 'validation', 'test')} |" for d in domains]


def _scores(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a set: value and 95 % interval of each metric shown, and F1 by threshold."""
    sets = list(dict.fromkeys(entry["set"] for entry in entries))
    found = {(e["set"], e["metric"], e["threshold"]): e for e in entries}
    titles = [f"{metric}{'' if level is None else f' at {level}'}" for metric, level in SHOWN]
    lines = ["| set | " + " | ".join(titles) + " |", "| --- " * (len(SHOWN) + 1) + "|"]
    for name in sets:
        cells = [_value(found[name, metric, level]) for metric, level in SHOWN]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    levels = sorted({e["threshold"] for e in entries if e["metric"] == "f1"})
    lines += ["", "F1 by IoU threshold:", ""]
    lines += ["| set | " + " | ".join(f"{level:.2f}" for level in levels) + " |"]
    lines += ["| --- " * (len(levels) + 1) + "|"]
    for name in sets:
        cells = [f"{found[name, 'f1', level]['value']:.3f}" for level in levels]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _value(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "none"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"

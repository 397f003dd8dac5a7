"""Results in sentences that say what was computed, and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrail.report.tables import Test, finite


def number(value: Any, digits: int = 3) -> str:
    """A number for reading; a dash where there is none."""
    if not finite(value):
        return "–"
    if isinstance(value, int | np.integer) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ratio(value: Any) -> str:
    """A ratio, which is infinite where the denominator is zero."""
    return "∞" if value == math.inf else number(value)


def percent(part: float, whole: float) -> str:
    """A share in per cent; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def p_value(value: Any) -> str:
    """A p value: never rounded to zero."""
    if not finite(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a sentence."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def some(names: Sequence[str], most: int = 10) -> str:
    """Names in a sentence, the first ones where they are many."""
    if len(names) <= most:
        return listed(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _subject(test: Test) -> str:
    subjects = {
        "types": "the arrangement of the cell types",
        "tissue": "the arrangement of the tissue (all cells, whatever their type)",
    }
    return subjects.get(test.row["graph"], f"the arrangement of {test.name}")


def _design(test: Test) -> str:
    units = " + ".join(number(group["units"]) for group in test.groups)
    kind = (
        "exact permutation test"
        if test.row["exact"]
        else (f"{number(test.row['permutations'])} random permutations")
    )
    paired = ", permuted within pairs" if test.row.get("paired") else ""
    return f"{kind} over {units} independent units{paired}"


def outcome(test: Test, alpha: float) -> list[str]:
    """Sentences on one test."""
    row, conditions = test.row, listed(test.conditions)
    if not test.done:
        return [
            f"{_subject(test).capitalize()} was not tested: {row.get('note') or 'no reason given'}."
        ]
    found = row["p"] <= alpha
    verb = "differs between" if found else "was not found to differ between"
    sentences = [
        f"{_subject(test).capitalize()} {verb} {conditions} "
        f"(p = {p_value(row['p'])}, {_design(test)})."
    ]
    if finite(row.get("effect")):
        sentences.append(_effect(row))
    if not found:
        sentences.append(_silence(test, alpha))
    if found and finite(row.get("dispersion_p")) and row["dispersion_p"] <= alpha:
        sentences.append(
            "The units of the conditions also spread differently around their middle "
            f"(p = {p_value(row['dispersion_p'])}), so the difference may be one of spread, not "
            "of place."
        )
    return sentences


def _silence(test: Test, alpha: float) -> str:
    """What a test without a finding does not say."""
    lowest = smallest_p([int(group["units"]) for group in test.groups])
    if not test.row.get("paired") and lowest > alpha:
        return (
            f"With so few units this test cannot give a p value below {p_value(lowest)}, whatever "
            "the difference: it says nothing either way."
        )
    return (
        "This does not show that the conditions are alike: a difference too small for this "
        "number of units would not be seen."
    )


def smallest_p(units: Sequence[int]) -> float:
    """Smallest p value of an exact permutation test with so many unpaired units a condition.

    Conditions with equally many units can swap names without changing the statistic.
    """
    labelings = math.factorial(sum(units))
    for n in units:
        labelings //= math.factorial(n)
    alike = math.prod(math.factorial(list(units).count(n)) for n in set(units))
    return alike / labelings


def _effect(row: dict[str, Any]) -> str:
    further = "further apart" if row["effect"] >= 0 else "closer together"
    text = (
        f"Units of different conditions are on average {number(abs(row['effect']))} {further} than "
        f"units of the same condition ({number(row['between_mean'])} against "
        f"{number(row['within_mean'])}"
    )
    if finite(row.get("effect_low")) and finite(row.get("effect_high")):
        text += f"; 95 % interval of the difference {number(row['effect_low'])} to "
        text += number(row["effect_high"])
    return text + ")."


def by_type(tests: Sequence[Test], alpha: float) -> str:
    """Sentences on the tests of single cell types, one a statistic."""
    tested = [test for test in tests if test.row["graph"] == "type" and test.done]
    kinds = dict.fromkeys(test.row["statistic"] for test in tested)
    return " ".join(
        _types_by(kind, [test for test in tested if test.row["statistic"] == kind], alpha)
        for kind in kinds
    )


def _types_by(statistic: str, tested: Sequence[Test], alpha: float) -> str:
    found = [test for test in tested if finite(test.row["fdr"]) and test.row["fdr"] <= alpha]
    start = f"Of {plural(len(tested), 'cell type')} tested one by one ({statistic}), "
    if not found:
        return start + f"none differs at a false discovery rate of {alpha:.0%}."
    names = listed([f"{test.name} (FDR {p_value(test.row['fdr'])})" for test in found])
    return start + f"{names} {'differs' if len(found) == 1 else 'differ'}."


def genes(rows: Sequence[dict[str, Any]], alpha: float) -> str:
    """One sentence on the genes' spatial statistics across the cohort."""
    if not rows:
        return ""
    top = listed([row["gene"] for row in rows[:3]])
    text = f"The genes with the strongest spatial pattern are {top}"
    tested = [row for row in rows if finite(row.get("p"))]
    if not tested:
        return text + "; their patterns were not tested between conditions."
    found = [row["gene"] for row in tested if finite(row["fdr"]) and row["fdr"] <= alpha]
    if not found:
        return (
            text + f"; of {plural(len(tested), 'gene')} tested, none has a pattern whose strength "
            f"differs between conditions at a false discovery rate of {alpha:.0%}."
        )
    verb = "differs" if len(found) == 1 else "differ"
    names = listed(found) if len(found) <= 5 else ", ".join(found[:5]) + " and others"
    return (
        text + f"; of {plural(len(tested), 'gene')} tested, {len(found)} {verb} between conditions "
        f"in the strength of the pattern (FDR ≤ {alpha:.0%}): {names}."
    )

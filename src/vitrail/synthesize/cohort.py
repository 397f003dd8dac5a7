"""Slides of a cohort: names, patients, conditions, and the sheet that reads them."""

from __future__ import annotations

from dataclasses import dataclass

from vitrail.errors import VitrailError
from vitrail.synthesize.spec import Spec


@dataclass(frozen=True)
class Slide:
    """One slide of a cohort.

    Attributes
    ----------
    name
        `P<patient>`, and `P<patient>_<slide>` where patients have several.
    number, patient
        From 0, over the cohort; they key the slide's and the patient's random numbers.
    condition, unit
        What the sheet says.
    """

    name: str
    number: int
    patient: int
    condition: str
    unit: str


def slides(spec: Spec) -> list[Slide]:
    """All slides of a cohort, condition by condition and patient by patient."""
    found: list[Slide] = []
    for patient in range(spec.patients * len(spec.conditions)):
        condition = list(spec.conditions)[patient // spec.patients]
        for i in range(spec.slides_per_patient):
            suffix = f"_{i + 1}" if spec.slides_per_patient > 1 else ""
            name = f"P{patient + 1}{suffix}"
            found.append(Slide(name, len(found), patient, condition, f"patient{patient + 1}"))
    return found


def find_slide(spec: Spec, name: str) -> Slide:
    """The slide of that name; `VitrailError` where the spec has none."""
    known = {slide.name: slide for slide in slides(spec)}
    if name not in known:
        names = ", ".join(known)
        raise VitrailError(f"the spec has no slide '{name}'; its slides are {names}")
    return known[name]


def sample_sheet(spec: Spec, folder: str = "results/synthetic") -> str:
    """Sample sheet (tab separated) that reads the cohort's slides from `folder`."""
    lines = ["sample\tcondition\tunit\tformat\timage\ttranscripts\tpixel_size"]
    for slide in slides(spec):
        place = f"{folder}/{slide.name}"
        files = f"{place}/image.ome.tif\t{place}/transcripts.parquet"
        identity = f"{slide.name}\t{slide.condition}\t{slide.unit}\tsynthetic"
        lines.append(f"{identity}\t{files}\t{spec.pixel_size:g}")
    return "\n".join(lines) + "\n"

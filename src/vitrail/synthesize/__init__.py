"""Synthetic tissue with planted truth: slides to test every stage on.

Where cells lie, of which type they are and what each transcript belongs to is planted, and follows
from the spec's seed alone. `cohort_tables` and `expression_table` give the same slides as tables,
without images, for calibrations over many cohorts.
"""

from vitrail.synthesize.cohort import Slide, find_slide, sample_sheet, slides
from vitrail.synthesize.spec import Spec, parse_spec, read_spec
from vitrail.synthesize.tables import (
    ExpressionTable,
    SlideTable,
    cohort_tables,
    expression_table,
)

__all__ = [
    "ExpressionTable",
    "Slide",
    "SlideTable",
    "Spec",
    "cohort_tables",
    "expression_table",
    "find_slide",
    "parse_spec",
    "read_spec",
    "sample_sheet",
    "slides",
]

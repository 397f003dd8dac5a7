"""Comparison of tissues between conditions, over independent units."""

from vitrail.compare.cohort import Comparison, Sample, compare, compare_portraits

__all__ = ["Comparison", "Sample", "compare", "compare_portraits"]

"""The report of a cohort, and its figures for use from a notebook.

`build_report` makes the page; `overview`, `detail` and `gene_map` make the pictures of one sample
from its `read_facts`.
"""

from vitrail.report.facts import Facts, read_facts
from vitrail.report.page import Settings, build_report
from vitrail.report.palette import type_colours
from vitrail.report.slides import Picture, detail, gene_map, overview

__all__ = [
    "Facts",
    "Picture",
    "Settings",
    "build_report",
    "detail",
    "gene_map",
    "overview",
    "read_facts",
    "type_colours",
]

"""Immune topography: where chosen cells lie with regard to the border of the tumour."""

from vitrail.topography.classes import pattern, phenotype
from vitrail.topography.measure import COMPARTMENTS, Topography, topography
from vitrail.topography.region import Region, region_of_cells, region_of_outlines

__all__ = [
    "COMPARTMENTS",
    "Region",
    "Topography",
    "pattern",
    "phenotype",
    "region_of_cells",
    "region_of_outlines",
    "topography",
]

"""Which cell types stand beside each other, in the graph and by distance."""

from vitrail.enrichment.distance import co_occurrence
from vitrail.enrichment.neighbourhood import neighbourhood_enrichment

__all__ = ["co_occurrence", "neighbourhood_enrichment"]

"""Spatial autocorrelation of sparse counts: Moran's I and Geary's C with honest p-values."""

from vitrail.autocorrelation.across import across
from vitrail.autocorrelation.tables import geary, moran, spatial_autocorrelation

__all__ = ["across", "geary", "moran", "spatial_autocorrelation"]

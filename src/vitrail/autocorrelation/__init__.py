"""Spatial autocorrelation of sparse counts: Moran's I and Geary's C with honest p-values."""

from vitrail.autocorrelation.across import across
from vitrail.autocorrelation.cross_moran import bivariate
from vitrail.autocorrelation.local_moran import local
from vitrail.autocorrelation.tables import geary, moran, spatial_autocorrelation

__all__ = ["across", "bivariate", "geary", "local", "moran", "spatial_autocorrelation"]

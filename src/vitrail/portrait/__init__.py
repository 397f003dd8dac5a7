"""Network portraits: exact, sparse, and compared between tissues with their size controlled."""

from vitrail.portrait.divergence import divergence
from vitrail.portrait.portraits import portrait

__all__ = ["divergence", "portrait"]

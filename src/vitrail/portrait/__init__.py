"""Network portraits: exact, sparse, and compared between tissues with their size controlled."""

from vitrail.portrait.divergence import divergence
from vitrail.portrait.portraits import portrait
from vitrail.portrait.sampled import sampled_divergence, sampled_portrait
from vitrail.portrait.stored import stored

__all__ = ["divergence", "portrait", "sampled_divergence", "sampled_portrait", "stored"]

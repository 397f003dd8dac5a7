"""Spatial graphs of cells: nearest neighbours, radius, Delaunay; exact and deterministic."""

from vitrail.graph.descent import nn_descent
from vitrail.graph.neighbours import knn, radius
from vitrail.graph.spatial import Graph, build, interior
from vitrail.graph.triangulation import delaunay

__all__ = ["Graph", "build", "delaunay", "interior", "knn", "nn_descent", "radius"]

"""Stage matrix: counts, shape and intensity of each cell."""

"""Stage annotate: quality flags, normalisation, clusters and types of cells."""

"""Portraits by definition, with networkx."""

from collections import Counter

import networkx as nx
import numpy as np


def portrait_by_definition(adjacency, max_depth=None):
    """B of an adjacency matrix, taken as undirected, as Bagrow & Bollt 2019 define it."""
    dense = np.asarray(adjacency)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(dense)))
    graph.add_edges_from((i, j) for i, j in np.argwhere(dense != 0) if i != j)
    rows = Counter()
    for node in graph:
        levels = Counter(nx.single_source_shortest_path_length(graph, node).values())
        for level, count in levels.items():
            if max_depth is None or level <= max_depth:
                rows[level, count] += 1
    depth = max((level for level, _ in rows), default=-1) + 1
    b = np.zeros((depth, max((count for _, count in rows), default=0) + 1), np.int64)
    for (level, count), number in rows.items():
        b[level, count] = number
    b[:, 0] = len(dense) - b[:, 1:].sum(axis=1)
    return b


def divergence_by_definition(b1, b2):
    """Jensen-Shannon divergence of k B[l, k] / sum of squared component sizes."""
    shape = np.maximum(b1.shape, b2.shape)
    p, q = np.zeros(shape), np.zeros(shape)
    for target, b in ((p, b1), (q, b2)):
        target[: b.shape[0], : b.shape[1]] = b * np.arange(b.shape[1])
        target /= target.sum()
    m = (p + q) / 2

    def relative(a):
        own = a > 0
        return (a[own] * np.log2(a[own] / m[own])).sum()

    return (relative(p) + relative(q)) / 2

"""graph.npz: the spatial graph of a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.spatial import Graph
from vitrail.io.archive import write_npz

MATRICES = ("connectivities", "distances")


def write_graph(path: str | Path, graph: Graph, provenance: Mapping[str, Any]) -> None:
    """Write a graph; equal graphs give equal bytes."""
    arrays: dict[str, Any] = {"shape": np.array(graph.connectivities.shape, np.int64)}
    for name in MATRICES:
        matrix = getattr(graph, name)
        arrays[f"{name}_data"] = matrix.data
        arrays[f"{name}_indices"] = matrix.indices
        arrays[f"{name}_indptr"] = matrix.indptr
    if graph.border is not None:
        arrays["border"] = graph.border
    meta = {**graph.meta, "provenance": dict(provenance)}
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True, default=str))
    write_npz(path, arrays)


def read_graph(path: str | Path) -> Graph:
    """Read what `write_graph` wrote; ``meta["provenance"]`` holds its provenance."""
    try:
        with np.load(path, allow_pickle=False) as file:
            shape = tuple(int(size) for size in file["shape"])
            matrices = [
                sp.csr_matrix(
                    tuple(file[f"{name}_{part}"] for part in ("data", "indices", "indptr")),
                    shape=shape,
                )
                for name in MATRICES
            ]
            meta = json.loads(str(file["meta"]))
            border = file.get("border")
    except (OSError, KeyError, ValueError) as error:
        raise VitrailError(f"{path}: found no graph in it ({error}), wanted graph.npz.") from None
    return Graph(matrices[0], matrices[1], meta, border)

"""The table that the stage enrichment writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitrail.enrichment.distance import co_occurrence
from vitrail.enrichment.neighbourhood import neighbourhood_enrichment
from vitrail.graph.spatial import Graph, interior


def enrichment_table(
    graph: Graph,
    xy: npt.NDArray[np.float64],
    qc_pass: npt.ArrayLike,
    types: tuple[npt.NDArray[np.int32], Sequence[str]] | None,
    permutations: int = 999,
    distances_um: Sequence[float] = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    leave_out_border: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Neighbourhood enrichment and co-occurrence of a sample's cell types.

    Parameters
    ----------
    graph
        The sample's graph.
    xy
        Positions (n, 2) in micrometres.
    qc_pass
        Boolean (n,): cells that count.
    types
        Codes (n,), -1 for unknown, and their names; None where the sample has none.
    permutations, seed, threads
        As in `neighbourhood_enrichment`.
    distances_um
        Rings of `co_occurrence` in micrometres.
    leave_out_border
        Count the neighbours of interior cells alone; border cells stay neighbours of others.

    Returns
    -------
    pandas.DataFrame
        ``kind`` ("graph" or "distance"), ``distance_low``, ``distance_high`` (NaN for "graph") and
        the columns of `neighbourhood_enrichment`. No rows without types.
    """
    used = np.flatnonzero(np.asarray(qc_pass, dtype=bool))
    codes, names = types if types is not None else (np.full(len(xy), -1, np.int32), ())
    inner = graph.connectivities[used][:, used]
    focal = interior(graph)[used] if leave_out_border else None
    own = np.asarray(codes)[used]
    in_graph = neighbourhood_enrichment(inner, own, names, permutations, seed, focal, threads)
    in_graph.insert(0, "distance_low", np.nan)
    in_graph.insert(1, "distance_high", np.nan)
    rings = co_occurrence(
        xy[used], own, names, distances_um, seed=seed, focal=focal, threads=threads
    )
    in_graph.insert(0, "kind", "graph")
    rings.insert(0, "kind", "distance")
    return pd.concat([in_graph, rings], ignore_index=True) if len(rings) else in_graph

"""Graphs beside scipy, scikit-learn, squidpy and NN-Descent, at several sizes.

Prints one line a task: median seconds of `--repeats` runs that take turns, of vitrail and of the
peer, their ratio, and how much the process grew at its peak beyond the points themselves (each
task in a process of its own). vitrail's times include the joined sparse matrix. The peers' are
those of what they give, so scipy stands there twice: its search alone, and with the same matrix,
whose entries are compared. Points in clusters have no radius that suits all of them, and NN-Descent
takes minutes for a million points: these rows are left out.

Usage: python benchmarks/graphs.py [--sizes 10000 100000 1000000] [--repeats 3] [--threads 2]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np

K = 6
SAME = "scipy, matrix"
MOST = {"NN-Descent": 100_000}
KINDS = ("uniform", "clustered")


def points(kind, n):
    """Uniform points, or clusters whose densities differ by six orders of magnitude."""
    random = np.random.default_rng(0)
    if kind == "uniform":
        return random.random((n, 2)) * np.sqrt(n) * 10
    centre = random.random((200, 2)) * 10_000
    width = 10 ** random.uniform(-1, 2.5, 200)
    cluster = random.choice(200, n, p=random.dirichlet(np.full(200, 0.3)))
    return centre[cluster] + random.normal(size=(n, 2)) * width[cluster][:, None]


def reach(xy):
    """Radius with 8 neighbours in the median."""
    from scipy.spatial import cKDTree

    sample = np.random.default_rng(1).choice(len(xy), 1000)
    return float(np.median(cKDTree(xy).query(xy[sample], 9)[0][:, -1]))


def tasks(xy, threads):
    """Of each kind: vitrail and its peers, as functions."""
    import vitrail.graph as own

    r = reach(xy)
    return {
        "knn": {
            "vitrail": lambda: own.knn(xy, K, threads=threads),
            "scipy, search": lambda: _tree(xy).query(xy, K + 1, workers=threads),
            SAME: lambda: _union(_tree(xy).query(xy, K + 1, workers=threads)[1][:, 1:]),
            "scikit-learn": lambda: _sklearn(xy, threads).kneighbors_graph(),
            "squidpy": lambda: _squidpy(xy, n_neighs=K),
            "NN-Descent": lambda: _descent(xy),
        },
        "radius": {
            "vitrail": lambda: own.radius(xy, r, threads=threads),
            "scipy": lambda: _tree(xy).query_ball_point(xy, r, workers=threads),
            "scikit-learn": lambda: _sklearn(xy, threads).radius_neighbors_graph(radius=r),
            "squidpy": lambda: _squidpy(xy, radius=r),
        },
        "delaunay": {
            "vitrail": lambda: own.delaunay(xy),
            "scipy": lambda: _triangulation(xy),
            "squidpy": lambda: _squidpy(xy, delaunay=True),
        },
    }


def _tree(xy):
    from scipy.spatial import cKDTree

    return cKDTree(xy)


def _union(near):
    """Adjacency, symmetric by union, of the neighbours of each point."""
    import scipy.sparse as sp

    n, k = near.shape
    ends = np.arange(0, n * k + 1, k)
    matrix = sp.csr_matrix((np.ones(n * k), near.ravel(), ends), shape=(n, n))
    return matrix.maximum(matrix.T)


def _triangulation(xy):
    from scipy.spatial import Delaunay

    return Delaunay(xy).vertex_neighbor_vertices


def _sklearn(xy, threads):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=K, n_jobs=threads).fit(xy)


def _squidpy(xy, **kind):
    import anndata as ad
    import squidpy as sq

    adata = ad.AnnData(obsm={"spatial": xy}, shape=(len(xy), 0))
    sq.gr.spatial_neighbors(adata, coord_type="generic", **kind)
    return adata.obsp["spatial_connectivities"]


def _descent(xy):
    from pynndescent import NNDescent

    return NNDescent(xy.astype(np.float32), n_neighbors=K + 1, random_state=0).neighbor_graph[0]


def measure(kind, n, task, name, repeats, threads):
    """Seconds of a peer and of vitrail in turns, and the peer's memory, in this process."""
    warnings.simplefilter("ignore")
    small = tasks(points(kind, 2000), threads)[task]
    small[name]()
    small["vitrail"]()
    xy = points(kind, n)
    both = tasks(xy, threads)[task]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {name: [], "vitrail": []}
    result = None
    for turn in range(repeats):
        for one in dict.fromkeys((name, "vitrail")):
            start = time.perf_counter()
            found = both[one]()
            seconds[one].append(time.perf_counter() - start)
            if turn == 0 and one == name:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                result = found
    report = {key: statistics.median(values) for key, values in seconds.items()}
    note = ""
    if name == "NN-Descent":
        note = f"recall {_recall(xy, result):.4f}"
    if name == SAME:
        note = f"{(result != both['vitrail']()).nnz} entries differ"
    return {"seconds": report, "megabytes": (peak - before) / 1024, "note": note}


def _recall(xy, found):
    true = _tree(xy).query(xy, K + 1)[1][:, 1:]
    return float(np.mean([(found == column[:, None]).any(axis=1) for column in true.T]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--tasks", nargs="+", default=["knn", "radius", "delaunay"])
    parser.add_argument("--peers", nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        kind, n, task, name = given.one
        print(json.dumps(measure(kind, int(n), task, name, given.repeats, given.threads)))
        return
    head = ("points", "n", "graph", "peer", "peer s", "vitrail s", "ratio", "peer MB")
    print(("{:<10}{:>9}  {:<9} {:<18}" + "{:>10}" * 4).format(*head))
    names = {task: list(peers) for task, peers in tasks(points("uniform", 100), 1).items()}
    for n in given.sizes:
        for kind in given.kinds:
            for task in given.tasks:
                for name in given.peers or names[task]:
                    if n <= MOST.get(name, n) and (kind, task) != ("clustered", "radius"):
                        line(kind, n, task, name, given)


def line(kind, n, task, name, given):
    """Measure in a process of its own, so that memory is this task's alone."""
    command = [sys.executable, __file__, "--one", kind, str(n), task, name]
    command += ["--repeats", str(given.repeats), "--threads", str(given.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["killed"])[-1]
        print(f"{kind:<10}{n:>9,}  {task:<9} {name:<18} failed: {reason}", flush=True)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    seconds = found["seconds"]
    ratio = seconds[name] / seconds["vitrail"]
    text = f"{seconds[name]:>10.3f}{seconds['vitrail']:>10.3f}{ratio:>10.1f}"
    text += f"{found['megabytes']:>10.0f}"
    print(f"{kind:<10}{n:>9,}  {task:<9} {name:<18}{text}   {found['note']}", flush=True)


if __name__ == "__main__":
    main()

"""Size control: portrait divergence between point processes and sizes, raw and in windows.

    python benchmarks/portrait_sizes.py [--draws 3]

Draws images of a uniform, a clustered and a hard-core process (no two cells closer than 0.7 of the
mean spacing) of 1,000, 2,000 and 8,000 cells, compares all pairs as `vitrail.compare.compare` does
by default, and prints medians, and ranges in brackets, for pairs of one process and of two, of like
and unlike size: the raw divergence, the divergence in windows, its null and z.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SIZES = (1000, 2000, 8000)
Points = npt.NDArray[np.float64]


def uniform(n: int, seed: int) -> Points:
    """Uniform points, one a unit of area."""
    return np.random.default_rng([seed, n]).random((n, 2)) * n**0.5


def clustered(n: int, seed: int) -> Points:
    """25 points a cluster, normal around uniform centres."""
    random = np.random.default_rng([seed, n])
    centres = random.random((n // 25, 2)) * n**0.5
    return centres[random.integers(0, len(centres), n)] + 0.35 * random.normal(size=(n, 2))


def hard_core(n: int, seed: int, distance: float = 0.7) -> Points:
    """Simple sequential inhibition: uniform points, refused within `distance` of an earlier one."""
    random = np.random.default_rng([seed, n])
    side = n**0.5
    # At most one point fits into a square whose diagonal is the distance.
    step = distance / 2**0.5
    grid = np.full((int(side / step) + 5, int(side / step) + 5, 2), -np.inf)
    points: list[Any] = []
    while len(points) < n:
        point = random.random(2) * side
        i, j = (point / step).astype(int) + 2
        near = grid[i - 2 : i + 3, j - 2 : j + 3]
        if (((near - point) ** 2).sum(axis=2) >= distance**2).all():
            grid[i, j] = point
            points.append(point)
    return np.array(points)


PROCESSES: dict[str, Callable[[int, int], Points]] = {
    "uniform": uniform,
    "clustered": clustered,
    "hard-core": hard_core,
}


def compared(draws: int) -> pd.DataFrame:
    """Divergence of all pairs of images, with their processes and sizes."""
    from vitrail.compare import compare

    images = {
        f"{name} {n} {draw}": process(n, draw)
        for name, process in PROCESSES.items()
        for n in SIZES
        for draw in range(draws)
    }
    pairs = compare(images).divergence
    for side in "ab":
        pairs[f"process_{side}"] = pairs[f"sample_{side}"].str.split().str[0]
    return pairs


def told(values: pd.Series, digits: int) -> str:
    """Median and range."""
    return f"{values.median():.{digits}f} [{values.min():.{digits}f}, {values.max():.{digits}f}]"


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=3)
    pairs = compared(parser.parse_args().draws)
    print(
        f"{'processes':24} {'sizes':7} {'pairs':>5} {'raw':>22} {'in windows':>28} "
        f"{'null':>8} {'z':>22}"
    )
    names = list(PROCESSES)
    for first in range(len(names)):
        for second in range(first, len(names)):
            both = {names[first], names[second]}
            chosen = [{a, b} == both for a, b in pairs[["process_a", "process_b"]].to_numpy()]
            own = pairs[chosen]
            for label, rows in own.groupby(own["cells_a"] != own["cells_b"]):
                print(
                    f"{names[first] + ', ' + names[second]:24} "
                    f"{'unlike' if label else 'like':7} {len(rows):5d} {told(rows['raw'], 3):>22} "
                    f"{told(rows['controlled'], 4):>28} {rows['null_mean'].median():8.4f} "
                    f"{told(rows['z'], 1):>22}"
                )


if __name__ == "__main__":
    main()

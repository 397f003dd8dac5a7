"""Seconds a cell of stitching, from ten thousand to a million cells.

Touching cells on a jittered grid, seen by tiles of 1,024 pixels with a halo of 64. Each tile sees
the cells a little differently, larger or smaller and shifted by up to half a pixel, so that the
two views of a border disagree. Prints one line a size: candidates, stitched cells, median seconds,
microseconds a cell, and how much the process grew beyond the candidates at its peak (Linux).

Usage: python benchmarks/stitching.py [--cells 10000 100000 1000000] [--repeats 3]
"""

import argparse
import statistics
import time

import numpy as np
from masks_from_flows import forget_peak, peak_kilobytes
from numba import njit

from vitrail.candidates import concatenate, empty, from_labels
from vitrail.segment import MARGIN
from vitrail.tile import Tiles, grid

PITCH = 24  # pixels between the centres of cells
TILE, HALO = 1024, 64


@njit(cache=True)
def paint(labels, y0, x0, centre, radius, angle):
    """Write ellipse i as label i + 1 where nothing is yet; (y0, x0) is the window's first pixel."""
    for i in range(centre.shape[0]):
        reach = int(radius[i].max()) + 2
        middle_y, middle_x = int(centre[i, 0]) - y0, int(centre[i, 1]) - x0
        sine, cosine = np.sin(angle[i]), np.cos(angle[i])
        for y in range(max(middle_y - reach, 0), min(middle_y + reach + 1, labels.shape[0])):
            for x in range(max(middle_x - reach, 0), min(middle_x + reach + 1, labels.shape[1])):
                dy, dx = y + y0 - centre[i, 0], x + x0 - centre[i, 1]
                along, across = dy * sine + dx * cosine, dy * cosine - dx * sine
                inside = (along / radius[i, 0]) ** 2 + (across / radius[i, 1]) ** 2 <= 1
                if inside and labels[y, x] == 0:
                    labels[y, x] = i + 1


def tissue(cells, seed=0):
    """Centres (n, 2), radii (n, 2) and angles of about `cells` cells; side of their slide."""
    random = np.random.default_rng(seed)
    rows = round(np.sqrt(cells))
    steps = (np.arange(rows) + 0.5) * PITCH
    centre = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    centre += random.uniform(-5, 5, centre.shape)
    radius = random.uniform((10, 8), (15, 11), centre.shape)
    return centre, radius, random.uniform(0, np.pi, len(centre)), rows * PITCH


def views(cells):
    """Candidates of all tiles, and the tiles."""
    centre, radius, angle, side = tissue(cells)
    core, halo = grid((side, side), TILE, HALO, 16)
    tiles = Tiles(core, halo, np.ones(len(core), np.float32), np.zeros(len(core), np.int32))
    found = []
    for tile, (y0, x0, y1, x1) in enumerate(halo):
        random = np.random.default_rng(tile)
        near = ((centre > (y0 - 20, x0 - 20)) & (centre < (y1 + 20, x1 + 20))).all(axis=1)
        labels = np.zeros((y1 - y0, x1 - x0), np.int32)
        shifted = centre[near] + random.uniform(-0.5, 0.5, 2)
        paint(labels, y0, x0, shifted, radius[near] * random.uniform(0.96, 1.04), angle[near])
        keep = tuple(core[tile] + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN]))
        scores = np.ones(np.count_nonzero(near), np.float32)
        found.append(from_labels(labels, tile, (y0, x0), keep, (side, side), scores))
    return concatenate(found), tiles


def main():
    from vitrail.stitch import stitch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    head = ("planted", "candidates", "stitched", "seconds", "us a cell", "MB", "B a cell")
    print(("{:>10} {:>11} {:>10} {:>9} {:>10} {:>7} {:>9}").format(*head))
    warm, tiles = views(1000)
    stitch([{"cells": warm, "nuclei": empty()}], tiles)
    for cells in given.cells:
        candidates, tiles = views(cells)
        before = forget_peak()
        seconds = []
        for _ in range(given.repeats):
            start = time.perf_counter()
            found = stitch([{"cells": candidates, "nuclei": empty()}], tiles)
            seconds.append(time.perf_counter() - start)
        grown = (peak_kilobytes() - before) * 1024
        n, median = len(found.cells), statistics.median(seconds)
        text = f"{round(np.sqrt(cells)) ** 2:>10,} {len(candidates):>11,} {n:>10,} {median:>9.3f}"
        print(f"{text} {1e6 * median / n:>10.2f} {grown / 1e6:>7.0f} {grown / n:>9.0f}", flush=True)


if __name__ == "__main__":
    main()

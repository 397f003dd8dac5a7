"""The permutation test of all counts by type: types are permuted over cells that stay in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vitrail.parallel import spans, threaded

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
# Counts are whole numbers, their mean is not: equally far means up to rounding.
ROUNDING = 1e-9


def permuted_counts(
    count: Callable[[Integers], Integers],
    codes: Integers,
    observed: Integers,
    expected: Floats,
    permutations: int,
    seed: int,
    threads: int | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation and two-sided p of counts under permutation of the types.

    Parameters
    ----------
    count
        Counts by type of given types of the cells; an array of any shape. Called from threads.
    codes
        Types of the cells (n,); -1 for unknown, which stay where they are.
    observed
        Counts of these types.
    expected
        Exact mean of the counts, in their shape.
    permutations
        Number m of permutations; with 0 all results are NaN.
    seed
        Each permutation has a stream of its own, so that their order does not matter.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    tuple
        mean, standard deviation, and p = (b + 1) / (m + 1), where b permutations have a count at
        least as far from its mean as the observed one.
    """
    if permutations == 0:
        nothing = np.full(observed.shape, np.nan)
        return nothing, nothing.copy(), nothing.copy()
    typed = np.flatnonzero(codes >= 0)
    centre = np.rint(expected).astype(np.int64)
    limit = np.abs(observed - expected) * (1 - ROUNDING) - ROUNDING

    def piece(span: tuple[int, int]) -> tuple[Integers, Integers, Integers]:
        # Counts stay whole numbers, whose sums do not depend on the order.
        total, square, far = (np.zeros(observed.shape, np.int64) for _ in range(3))
        drawn = codes.copy()
        for permutation in range(*span):
            drawn[typed] = np.random.default_rng([seed, permutation]).permutation(codes[typed])
            found = count(drawn)
            total += found - centre
            square += (found - centre) ** 2
            far += np.abs(found - expected) >= limit
        return total, square, far

    parts = threaded(piece, spans(permutations, 32), threads)
    total, square, far = (np.sum([part[i] for part in parts], axis=0) for i in range(3))
    shift = total / permutations
    sd = np.sqrt(np.maximum(square / permutations - shift**2, 0.0))
    return centre + shift, sd, (far + 1) / (permutations + 1)

"""Inner products in blocks of a fixed partition: the same bits on every route.

Blocks have SIDE rows, filled up with zeros, and go through BLAS on one thread: an element's bits then depend on its two rows
alone. Pairs that are nearly parallel are summed once more, feature by feature, as |x|^2 is, so that equal rows have x . y = |x|^2
to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from numerics.pool import on_all_cores

Floats = NDArray[np.float64]
SIDE = 256
"""Rows and columns of a block."""
TASK = 1024
"""Rows of a task that goes through them once."""
NEAR = 1e-5
"""1 - rho^2 below which rounding of the product, 1e-15, may move the kernel of real weights, ~ sqrt(1 - rho^2), by more than 1e-13."""


def ranges(n: int, size: int = SIDE) -> Iterator[slice]:
    """The partition of n rows."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def padded(rows: Floats, dtype: Any = np.float64, divisors: Floats | None = None) -> NDArray[Any]:
    """The rows, each by its divisor, as C-contiguous dtype with zeros behind them up to a multiple of SIDE."""
    n, d = rows.shape
    divisors = np.ones(n) if divisors is None else divisors
    whole = np.empty((-(-n // SIDE) * SIDE, d), dtype)
    whole[n:] = 0

    def some(part: slice) -> None:
        np.divide(rows[part], divisors[part, None], out=whole[part], casting="same_kind")

    on_all_cores(some, ranges(n, TASK))
    return whole


def squared_norms(rows: Floats) -> Floats:
    """q = |x|^2 / d of every row, bitwise what `inner_products` gives for equal rows."""
    q = np.empty(len(rows))
    on_all_cores(lambda part: _squared_norms(rows[part], q[part]), ranges(len(rows), TASK))
    return q


@njit(nogil=True, cache=True)
def inner_products(A: Any, B: Any, q_A: Any, q_B: Any, out: Any) -> None:
    """out[i, j] = A[i] . B[j] / d of two blocks (SIDE, d), of which the first len(q_A) and len(q_B) rows are data."""
    d = A.shape[1]
    np.dot(A, B.T, out)
    out /= d
    for i in range(q_A.size):
        for j in range(q_B.size):
            if out[i, j] * out[i, j] > (1 - NEAR) * q_A[i] * q_B[j]:
                total = 0.0
                for k in range(d):
                    total += A[i, k] * B[j, k]
                out[i, j] = total / d


@njit(nogil=True, cache=True)
def _squared_norms(rows: Any, out: Any) -> None:
    n, d = rows.shape
    for i in range(n):
        total = 0.0
        for k in range(d):
            total += rows[i, k] * rows[i, k]
        out[i] = total / d

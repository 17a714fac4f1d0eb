"""Inner products in blocks of a fixed partition.

Every element is summed over the features in the same order by the same code, whatever block it lies in and
whatever thread computes it, so that equal rows give equal bits and x . x is the same number on every route.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

SIZE = 256
"""Rows and columns of a block."""


def ranges(n: int, size: int = SIZE) -> Iterator[slice]:
    """The partition of n rows."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def squared_norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """q = |x|^2 / d of every row, bitwise what `inner_products` gives for equal rows."""
    q = np.empty(len(rows))
    _squared_norms(rows, q)
    return q


@njit(nogil=True)
def inner_products(A: NDArray[np.float64], B: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """out[i, j] = A[i] . B[j] / d, four rows of A at a time; the columns j are the vector lanes."""
    n, d = A.shape
    columns = B.T.copy()
    out[:, :] = 0.0
    for first in range(0, n - n % 4, 4):
        for k in range(d):
            a0, a1, a2, a3 = A[first, k], A[first + 1, k], A[first + 2, k], A[first + 3, k]
            for j in range(columns.shape[1]):
                b = columns[k, j]
                out[first, j] += a0 * b
                out[first + 1, j] += a1 * b
                out[first + 2, j] += a2 * b
                out[first + 3, j] += a3 * b
    for i in range(n - n % 4, n):
        for k in range(d):
            a = A[i, k]
            for j in range(columns.shape[1]):
                out[i, j] += a * columns[k, j]
    out /= d


@njit(nogil=True)
def _squared_norms(rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    n, d = rows.shape
    for i in range(n):
        total = 0.0
        for k in range(d):
            total += rows[i, k] * rows[i, k]
        out[i] = total / d

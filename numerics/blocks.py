"""Inner products in blocks of a fixed partition: the same bits on every route.

Blocks have SIDE rows of norm 1, filled up with zeros, and go through BLAS on one thread: an element's bits then depend on its two rows
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
"""1 - |cosine| below which rounding of the product, 1e-15, may move the kernel of real weights, ~ sqrt(1 - |cosine|), by more than 1e-13."""


def ranges(n: int, size: int = SIDE, start: int = 0) -> Iterator[slice]:
    """The partition of rows start, .., n - 1."""
    return (slice(first, min(first + size, n)) for first in range(start, n, size))


def whole(n: int) -> int:
    """The rows of as many blocks as n rows need."""
    return -(-n // SIDE) * SIDE


def unit_rows(rows: Floats, q: Floats, dtype: Any = np.float64) -> NDArray[Any]:
    """x / |x| of every row as C-contiguous dtype, |x|^2 = q d; rows of zeros, and those up to a multiple of SIDE, are zeros."""
    n, d = rows.shape
    norms = np.sqrt(np.where(q > 0, q, 1) * d)
    unit = np.empty((whole(n), d), dtype)
    unit[n:] = 0

    def some(part: slice) -> None:
        np.divide(rows[part], norms[part, None], out=unit[part], casting="same_kind")

    on_all_cores(some, ranges(n, TASK))
    return unit


def squared_norms(rows: Floats) -> Floats:
    """q = |x|^2 / d of every row, bitwise what `inner_products` gives for equal rows."""
    q = np.empty(len(rows))
    on_all_cores(lambda part: _squared_norms(rows[part], q[part]), ranges(len(rows), TASK))
    return q


@njit(nogil=True, cache=True)
def inner_products(
    A: Any, B: Any, rows_A: Any, rows_B: Any, root_A: Any, root_B: Any, cosines: Any, out: Any
) -> None:
    """out[i, j] = x_i . y_j / d.

    Parameters
    ----------
    A, B : ndarray, shape (SIDE, d)
        Unit rows.
    rows_A, rows_B : ndarray, shapes (n, d) and (m, d)
        The rows themselves.
    root_A, root_B : ndarray, shapes (n,) and (m,)
        sqrt(|x|^2 / d).
    cosines : ndarray, shape (SIDE, SIDE)
        Room for the product.
    out : ndarray, shape (n, m)
    """
    d = A.shape[1]
    np.dot(A, B.T, cosines)
    for i in range(root_A.size):
        row, target, left, found = cosines[i], out[i], root_A[i], 0
        for j in range(target.size):
            target[j] = row[j] * (left * root_B[j])
            found += abs(row[j]) > 1 - NEAR
        for j in range(target.size if found else 0):
            if abs(row[j]) > 1 - NEAR:
                total = 0.0
                for k in range(d):
                    total += rows_A[i, k] * rows_B[j, k]
                target[j] = total / d


@njit(nogil=True, cache=True)
def _squared_norms(rows: Any, out: Any) -> None:
    n, d = rows.shape
    for i in range(n):
        total = 0.0
        for k in range(d):
            total += rows[i, k] * rows[i, k]
        out[i] = total / d

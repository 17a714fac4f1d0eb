"""Tiles written into a matrix: below the diagonal, and mirrored above it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

STRIP = 16
"""Columns that are mirrored together: two cache lines of float64, or one of float32."""
ROWS = 4
"""Rows whose elements are moved together: a load of four rows and stores of four neighbours."""


@njit(nogil=True, cache=True)
def write(values: Any, first: Any, rows: Any, start: Any, columns: Any, result: Any) -> None:
    """The first rows and columns of a tile, to (first, start)."""
    for i in range(rows):
        _copy(values[i], result[first + i, start : start + columns])


@njit(nogil=True, cache=True)
def write_mirrored(values: Any, first: Any, rows: Any, start: Any, columns: Any, result: Any) -> None:
    """The tile at (first, start), start <= first, and its mirror image; of a tile on the diagonal the lower triangle alone counts.

    The transpose goes through strips that stay in the first-level cache.
    """
    write(values, first, rows, start, columns, result)
    if start == first:
        for i in range(rows):
            for j in range(i):
                result[first + j, first + i] = values[i, j]
        return
    strip = np.empty((STRIP, values.shape[0] + STRIP), values.dtype)
    for left in range(0, columns, STRIP):
        right = min(left + STRIP, columns)
        _transpose(values, rows, left, right, strip)
        for j in range(right - left):
            _copy(strip[j], result[start + left + j, first : first + rows])


@njit(inline="always")
def _copy(source: Any, target: Any) -> None:
    """Of contiguous arrays: the stride is known, and the loop vectorises."""
    for j in range(target.size):
        target[j] = source[j]


@njit(inline="always")
def _transpose(values: Any, rows: Any, left: Any, right: Any, strip: Any) -> None:
    """strip[j, i] = values[i, left + j]."""
    whole = rows - rows % ROWS
    for i in range(0, whole, ROWS):
        a, b, c, d = (
            values[i, left:right],
            values[i + 1, left:right],
            values[i + 2, left:right],
            values[i + 3, left:right],
        )
        for j in range(a.size):
            target = strip[j, i : i + ROWS]
            target[0], target[1], target[2], target[3] = a[j], b[j], c[j], d[j]
    for i in range(whole, rows):
        for j in range(right - left):
            strip[j, i] = values[i, left + j]

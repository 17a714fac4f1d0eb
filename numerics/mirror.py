"""Tiles written into a matrix: below the diagonal, and mirrored above it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

STRIP = 8
"""Columns that are mirrored together, one cache line of float64."""


@njit(nogil=True, cache=True)
def write(values: Any, rows: Any, columns: Any, target: Any) -> None:
    """target = values[:rows, :columns]."""
    for i in range(rows):
        for j in range(columns):
            target[i, j] = values[i, j]


@njit(nogil=True, cache=True)
def write_mirrored(values: Any, first: Any, rows: Any, start: Any, columns: Any, result: Any) -> None:
    """The tile at (first, start), start <= first, and its mirror image; of a tile on the diagonal the lower triangle alone counts.

    The transpose goes through strips that stay in the first-level cache.
    """
    write(values, rows, columns, result[first : first + rows, start : start + columns])
    if start == first:
        for i in range(rows):
            for j in range(i):
                result[first + j, first + i] = values[i, j]
        return
    strip = np.empty((STRIP, values.shape[0] + STRIP), values.dtype)
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(rows):
            for j in range(width):
                strip[j, i] = values[i, left + j]
        for j in range(width):
            target = result[start + left + j, first : first + rows]
            for i in range(rows):
                target[i] = strip[j, i]

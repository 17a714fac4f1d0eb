"""Tiles of Gram matrices of kernels that are polynomials of the cosine: product, polynomial and both writes in one pass.

Rows are normalised, so that a product of two blocks of rows holds their cosines; the tile stays in the second-level cache
until it is written, below the diagonal and mirrored above it. Blocks always have SIDE rows, filled up with zeros:
the bits of a BLAS product depend on its shape.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from numerics.blocks import SIDE
from numerics.chebyshev_evaluate import evaluate
from numerics.mirror import write, write_mirrored


@njit(nogil=True, error_model="numpy", cache=True)
def symmetric_band(
    unit: Any, weights: Any, near: Any, polynomials: Any, first: Any, result: Any, stopped: Any
) -> None:
    """Tiles of rows first, .., first + SIDE - 1 up to the diagonal, and their mirror images.

    Parameters
    ----------
    unit : ndarray, shape (N, d)
        Rows x / |x|, N a multiple of SIDE; behind the n rows of data zeros.
    weights : ndarray, shape (N,) or (0,)
        K = weights[i] weights[j] P(cosine); of no entry, K = P.
    near : float
        |cosine| from which on it is computed once more, from the difference of the rows.
    polynomials : tuple of tuples
        `CosinePolynomial.arguments`, one for each output.
    first : int
        A multiple of SIDE.
    result : ndarray, shape (outputs, n, n)
    stopped : ndarray of bool, shape (1,)
        Where it becomes true, the rest is left out: on fresh memory the first band meets every page of the matrix.
    """
    n = result.shape[1]
    rows = min(SIDE, n - first)
    tile, spare, gaps, places = _buffers(unit, len(polynomials))
    for start in range(0, first + 1, SIDE):
        if stopped[0]:
            return
        columns = min(SIDE, n - start)
        np.dot(unit[first : first + SIDE], unit[start : start + SIDE].T, tile)
        count = _nearly_parallel(tile, near, unit, first, rows, unit, start, columns, gaps, places)
        for o in range(len(polynomials)):
            values = tile
            if o < len(polynomials) - 1:
                values = spare
                values[:, :] = tile
            _fill(values, polynomials[o], count, gaps, places, weights, first, weights, start)
            write_mirrored(values, first, rows, start, columns, result[o])


@njit(nogil=True, error_model="numpy", cache=True)
def rectangular_band(
    unit: Any,
    weights: Any,
    others: Any,
    other_weights: Any,
    near: Any,
    polynomials: Any,
    first: Any,
    result: Any,
    stopped: Any,
) -> None:
    """All tiles of rows first, .., first + SIDE - 1 against a second data set; result has shape (outputs, n, m)."""
    n, m = result.shape[1], result.shape[2]
    rows = min(SIDE, n - first)
    tile, spare, gaps, places = _buffers(unit, len(polynomials))
    for start in range(0, m, SIDE):
        if stopped[0]:
            return
        columns = min(SIDE, m - start)
        np.dot(unit[first : first + SIDE], others[start : start + SIDE].T, tile)
        count = _nearly_parallel(tile, near, unit, first, rows, others, start, columns, gaps, places)
        for o in range(len(polynomials)):
            values = tile
            if o < len(polynomials) - 1:
                values = spare
                values[:, :] = tile
            _fill(values, polynomials[o], count, gaps, places, weights, first, other_weights, start)
            write(values, first, rows, start, columns, result[o])


@njit(nogil=True, error_model="numpy", cache=True)
def at_gap(
    gap: Any, positive: Any, edge: Any, knots: Any, centres: Any, scales: Any, coefficients: Any
) -> Any:
    """P(t) for |t| = 1 - gap: sqrt(edge - |t|) keeps all digits of a small gap."""
    one = knots.dtype.type(1)
    piece = 0
    while piece + 1 < centres.size and one - gap > knots[piece + 1]:
        piece += 1
    sign = 0 if positive or coefficients.shape[0] == 1 else 1
    v = math.sqrt((edge - one) + gap) if edge < math.inf else (one - gap if positive else gap - one)
    z = (v - centres[piece]) * scales[piece]
    value = coefficients[sign, piece, coefficients.shape[2] - 1]
    for k in range(coefficients.shape[2] - 2, -1, -1):
        value = value * z + coefficients[sign, piece, k]
    return value


@njit(inline="always")
def _buffers(unit: Any, outputs: Any) -> Any:
    """The tile; where several outputs are computed from it, room for their values; gaps and places of nearly parallel pairs."""
    return (
        np.empty((SIDE, SIDE), unit.dtype),
        np.empty((SIDE if outputs > 1 else 0, SIDE), unit.dtype),
        np.empty(SIDE * SIDE, unit.dtype),
        np.empty((SIDE * SIDE, 3), np.int32),
    )


@njit(error_model="numpy")
def _nearly_parallel(
    tile: Any,
    near: Any,
    left: Any,
    first: Any,
    rows: Any,
    right: Any,
    start: Any,
    columns: Any,
    gaps: Any,
    places: Any,
) -> Any:
    """The pairs with |t| > near: their places and signs, and 1 - |t| = |x -+ y|^2 / 2 of the unit rows."""
    count = 0
    for i in range(rows):
        row = tile[i, :columns]
        found = 0
        for j in range(row.size):
            found += abs(row[j]) > near
        for j in range(row.size if found else 0):
            if abs(row[j]) > near:
                sign = row.dtype.type(1 if row[j] > 0 else -1)
                total = row.dtype.type(0)
                for k in range(left.shape[1]):
                    gap = left[first + i, k] - sign * right[start + j, k]
                    total += gap * gap
                gaps[count] = total / row.dtype.type(2)
                places[count, 0], places[count, 1], places[count, 2] = i, j, row[j] > 0
                count += 1
    return count


@njit(error_model="numpy")
def _fill(
    values: Any,
    polynomial: Any,
    count: Any,
    gaps: Any,
    places: Any,
    weights: Any,
    first: Any,
    others: Any,
    start: Any,
) -> None:
    """Replace cosines t by weights[first + i] others[start + j] P(t), from the gaps where pairs are nearly parallel."""
    edge, knots, centres, scales, coefficients = polynomial
    evaluate(values, edge, knots, centres, scales, coefficients)
    for p in range(count):
        i, j = places[p, 0], places[p, 1]
        values[i, j] = at_gap(gaps[p], places[p, 2] > 0, edge, knots, centres, scales, coefficients)
    if weights.size:
        right = others[start : start + SIDE]
        for i in range(values.shape[0]):
            row, left = values[i], weights[first + i]
            for j in range(row.size):
                row[j] *= left * right[j]

"""One rounding of a network's weights in single precision: drawn, multiplied, and thrown away.

Rounding r of a weight has bits of its own, from the counter (column, row, layer, r): drawing it again, as
back-propagation does, costs less than keeping it. Matrices are padded to multiples of BLOCK.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from verify.philox import block

Single, U = np.float32, np.uint64
BLOCK = 4
"""Neurons whose weights are in work together, and columns that one pass over the inputs multiplies: of the shapes tried,
4 x 4 is the fastest, as fast as a BLAS.
"""


@njit(nogil=True, error_model="numpy", cache=True)
def _draw(
    layer: Any, low: Any, chance: Any, step: Any, rounding: Any, key: Any, row: Any, bits: Any, W: Any
) -> None:
    """W[i, j], i < BLOCK, of neuron row + i: low + step with probability chance 2^-32, else low; step 0: low.

    A counter's four words serve columns a quarter of the width apart.
    """
    quarter = U(W.shape[1]) >> U(2)
    for i in range(U(BLOCK)):
        n = U(row) + i
        if step == 0.0:
            W[i] = low[n]
            continue
        for j in range(quarter):
            bits[0, j], bits[1, j], bits[2, j], bits[3, j] = block(j, n, layer, rounding, key)
        for q in range(U(4)):
            for j in range(quarter):
                k = q * quarter + j
                W[i, k] = low[n, k] + (step if bits[q, j] < chance[n, k] else Single(0.0))


@njit(inline="always")
def _row(W: Any, i: Any, j: Any) -> Any:
    return W[i, j], W[i, j + U(1)], W[i, j + U(2)], W[i, j + U(3)]


@njit(inline="always")
def _column(h: Any, j: Any, a: Any) -> Any:
    return h[j, a], h[j + U(1), a], h[j + U(2), a], h[j + U(3), a]


@njit(inline="always")
def _product(w: Any, x: Any) -> Any:
    return w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3]


@njit(nogil=True, error_model="numpy", fastmath={"contract"}, cache=True)
def _multiply(W: Any, h: Any, row: Any, u: Any) -> None:
    """u[row + i, a] = sum_j W[i, j] h[j, a] for i < BLOCK."""
    n, p = U(h.shape[1]), U(row)
    for i in range(U(BLOCK)):
        for a in range(n):
            u[p + i, a] = Single(0.0)
    for j in range(U(0), U(W.shape[1]), U(BLOCK)):
        w0, w1, w2, w3 = _row(W, U(0), j), _row(W, U(1), j), _row(W, U(2), j), _row(W, U(3), j)
        for a in range(n):
            x = _column(h, j, a)
            u[p, a] += _product(w0, x)
            u[p + U(1), a] += _product(w1, x)
            u[p + U(2), a] += _product(w2, x)
            u[p + U(3), a] += _product(w3, x)


@njit(nogil=True, error_model="numpy", fastmath={"contract"}, cache=True)
def _multiply_transposed(W: Any, above: Any, row: Any, below: Any) -> None:
    """below[j, a] += sum_i W[i, j] above[row + i, a] for i < BLOCK."""
    n, p = U(below.shape[1]), U(row)
    for j in range(U(W.shape[1])):
        w0, w1, w2, w3 = W[U(0), j], W[U(1), j], W[U(2), j], W[U(3), j]
        for a in range(n):
            below[j, a] += (
                w0 * above[p, a] + w1 * above[p + U(1), a] + w2 * above[p + U(2), a] + w3 * above[p + U(3), a]
            )


@njit(nogil=True, error_model="numpy", cache=True)
def forward(
    layer: Any,
    low: Any,
    chance: Any,
    step: Any,
    scale: Any,
    bias: Any,
    rounding: Any,
    key: Any,
    h: Any,
    u: Any,
) -> None:
    """u = scale W h + bias for one rounding of a layer; h (columns, inputs), u (rows, inputs), bias (rows,)."""
    W, bits = np.empty((BLOCK, low.shape[1]), Single), np.empty((4, low.shape[1] // 4), np.uint32)
    for row in range(0, low.shape[0], BLOCK):
        _draw(layer, low, chance, step, rounding, key, row, bits, W)
        _multiply(W, h, row, u)
        for i in range(row, row + BLOCK):
            for a in range(u.shape[1]):
                u[i, a] = scale * u[i, a] + bias[i]


@njit(nogil=True, error_model="numpy", cache=True)
def backward(
    layer: Any,
    low: Any,
    chance: Any,
    step: Any,
    scale: Any,
    rounding: Any,
    key: Any,
    above: Any,
    slope: Any,
    below: Any,
) -> None:
    """below = slope * (scale W^T above): the output's derivative by the pre-activations below a layer."""
    W, bits = np.empty((BLOCK, low.shape[1]), Single), np.empty((4, low.shape[1] // 4), np.uint32)
    below[:] = Single(0.0)
    for row in range(0, low.shape[0], BLOCK):
        _draw(layer, low, chance, step, rounding, key, row, bits, W)
        _multiply_transposed(W, above, row, below)
    for j in range(below.shape[0]):
        for a in range(below.shape[1]):
            below[j, a] *= scale * slope[j, a]


@njit(nogil=True, error_model="numpy", cache=True)
def accumulate(u: Any, h: Any, sums: Any) -> None:
    """sums[(u, u^2, h, h^2), row, input] += those of one rounding."""
    for i in range(sums.shape[1]):
        for a in range(sums.shape[2]):
            x, y = np.float64(u[i, a]), np.float64(h[i, a])
            sums[0, i, a] += x
            sums[1, i, a] += x * x
            sums[2, i, a] += y
            sums[3, i, a] += y * y


@njit(nogil=True, error_model="numpy", fastmath={"contract"}, cache=True)
def inner(x: Any, y: Any) -> Any:
    """sum_j x[j, a] y[j, b] as (a, b), in double precision."""
    out = np.zeros((x.shape[1], y.shape[1]))
    for j in range(x.shape[0]):
        for a in range(x.shape[1]):
            factor = np.float64(x[j, a])
            for b in range(y.shape[1]):
                out[a, b] += factor * y[j, b]
    return out

"""Piecewise polynomials of the cosine over tiles of a Gram matrix, in place: one compilation for each dtype.

What is computed for each cosine t is the formula of `numerics.chebyshev.CosinePolynomial`, by Horner's scheme. Eight
coefficients are taken in every sweep over a strip, so that a load and a store serve eight fused multiply-adds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

STRIP = 1024
"""Cosines in a strip: with its three companions 32 kB in float64, a first-level cache."""
BLOCK = 8
"""Coefficients of a sweep: degrees are multiples of it. With 16 the coefficients of two signs no longer fit into registers."""


@njit(nogil=True, error_model="numpy", cache=True)
def evaluate(values: Any, edge: Any, knots: Any, centres: Any, scales: Any, coefficients: Any) -> None:
    """Replace cosines by K, in place.

    Parameters
    ----------
    values : ndarray, C-contiguous
        Finite; what rounding has moved beyond +-1 is taken as +-1.
    edge, knots, centres, scales, coefficients
        `CosinePolynomial.arguments`, of the dtype of `values`.

    Notes
    -----
    The pieces behind the first one, next to t = 1 and t = -1, cost little where few cosines lie in them: these are
    gathered first. NaN is not kept.
    """
    flat = values.reshape(values.size)
    z = np.empty(STRIP, values.dtype)
    if edge == math.inf:
        for start in range(0, flat.size, STRIP):
            _plain(flat[start : start + STRIP], z, centres[0], scales[0], coefficients[0, 0])
        return
    t, near, unused = (
        np.empty(STRIP, values.dtype),
        np.empty(STRIP, values.dtype),
        np.empty(STRIP, values.dtype),
    )
    place = np.empty(STRIP, np.uint32)
    for start in range(0, flat.size, STRIP):
        x = flat[start : start + STRIP]
        _mapped(x, z, t, edge, centres[0], scales[0], coefficients[0, 0], coefficients[1, 0])
        for piece in range(1, centres.size):
            if not _any_beyond(t[: x.size], knots[piece]):
                break
            found = _gather(t[: x.size], knots[piece], near, place)
            _mapped(
                near[:found],
                z,
                unused,
                edge,
                centres[piece],
                scales[piece],
                coefficients[0, piece],
                coefficients[1, piece],
            )
            for i in range(found):
                x[place[i]] = near[i]


@njit(error_model="numpy")
def _any_beyond(t: Any, knot: Any) -> Any:
    count = 0
    for i in range(t.size):
        count += abs(t[i]) > knot
    return count > 0


@njit(error_model="numpy")
def _gather(t: Any, knot: Any, near: Any, place: Any) -> Any:
    """The cosines beyond the knot and their places, without a branch."""
    found = 0
    for i in range(t.size):
        place[found], near[found] = i, t[i]
        found += abs(t[i]) > knot
    return found


@njit(error_model="numpy", fastmath={"contract"})
def _plain(x: Any, z: Any, centre: Any, scale: Any, c: Any) -> None:
    """x = sum_k c[k] z^k, z = (t - centre) scale."""
    one = x.dtype.type(1)
    k = c.size - 1 - BLOCK
    top, block = c[k + BLOCK], _block(c, k)
    for i in range(x.size):
        w = (min(max(x[i], -one), one) - centre) * scale
        z[i] = w
        x[i] = _horner(top, w, block)
    while k > 0:
        k -= BLOCK
        block = _block(c, k)
        for i in range(x.size):
            x[i] = _horner(x[i], z[i], block)


@njit(error_model="numpy", fastmath={"contract"})
def _mapped(x: Any, z: Any, t: Any, edge: Any, centre: Any, scale: Any, p: Any, n: Any) -> None:
    """x = sum_k c[k] z^k, z = (sqrt(edge - |t|) - centre) scale, c = p for t >= 0 and n for t < 0; t keeps the cosines."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    k = p.size - 1 - BLOCK
    p_top, p_block, n_top, n_block = p[k + BLOCK], _block(p, k), n[k + BLOCK], _block(n, k)
    for i in range(x.size):
        cosine = x[i]
        positive = cosine >= zero
        w = (math.sqrt(edge - min(abs(cosine), one)) - centre) * scale
        t[i], z[i] = cosine, w
        x[i] = _horner(p_top if positive else n_top, w, _pick(positive, p_block, n_block))
    while k > 0:
        k -= BLOCK
        p_block, n_block = _block(p, k), _block(n, k)
        for i in range(x.size):
            x[i] = _horner(x[i], z[i], _pick(t[i] >= zero, p_block, n_block))


@njit(inline="always")
def _block(c: Any, k: Any) -> Any:
    return c[k], c[k + 1], c[k + 2], c[k + 3], c[k + 4], c[k + 5], c[k + 6], c[k + 7]


@njit(inline="always", fastmath={"contract"})
def _horner(a: Any, z: Any, c: Any) -> Any:
    """A z^8 + sum_k c[k] z^k."""
    high = (((a * z + c[7]) * z + c[6]) * z + c[5]) * z + c[4]
    return (((high * z + c[3]) * z + c[2]) * z + c[1]) * z + c[0]


@njit(inline="always")
def _pick(positive: Any, p: Any, n: Any) -> Any:
    """The block of one sign, by selections instead of branches."""
    return (
        p[0] if positive else n[0],
        p[1] if positive else n[1],
        p[2] if positive else n[2],
        p[3] if positive else n[3],
        p[4] if positive else n[4],
        p[5] if positive else n[5],
        p[6] if positive else n[6],
        p[7] if positive else n[7],
    )

"""Duals of activations without a closed form, in float64, for generated code, which copies these functions' text.

kappa = E[f(u) f(v)] for (u, v) Gaussian is Mehler's series sum_j h_j(var1) h_j(var2) rho^j with a bound on what is
left out; where the bound is too large, near |rho| = 1, it is a Gauss-Legendre rule over both variables
(theory.md, section 4). An activation is f(slot, x): phi in even slots, phi' in odd ones; as a C function it is called
by its address, so that these functions are compiled once for all activations. Its rule is (edges, kinks,
heights): panels, and the jumps of phi, which give phi' delta functions.

Coefficients are computed once per row: table[l] holds for the l-th activation the rows of phi and of phi',
[E[f^2], bound on the root of what h_0 .. h_256 leave of it, h_0, .., h_256].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from numerics.special import text_of

ORDER = 256
TOLERANCE, ACCEPTED = 1e-12, 1e-11
"""Largest bound of the series and largest estimated error of the direct rule, over sqrt(E[f(u)^2] E[f(v)^2])."""
NODES_32, WEIGHTS_32 = np.polynomial.legendre.leggauss(32)
NODES_22, WEIGHTS_22 = np.polynomial.legendre.leggauss(22)


@njit(error_model="numpy", cache=True)
def panels(edges: Any, mean: Any, std: Any, reach: Any, width: Any) -> Any:
    """-reach .. reach in steps of at most `width`, and the edges in between, in units (edge - mean) / std, in order."""
    count = math.ceil(2.0 * reach / width)
    points = np.empty(count + 1 + edges.size)
    used = count + 1
    for i in range(used):
        points[i] = reach * (2.0 * i / count - 1.0)
    for i in range(edges.size):
        edge = (edges[i] - mean) / std
        if abs(edge) < reach:
            at = used
            while points[at - 1] > edge:
                points[at] = points[at - 1]
                at -= 1
            points[at] = edge
            used += 1
    return points[:used]


@njit(error_model="numpy", cache=True)
def fill_row(f: Any, slot: Any, edges: Any, kinks: Any, heights: Any, var: Any, row: Any) -> None:
    """The row of f for u = sqrt(var) z, in 0.3 ms; `heights` of f's own jumps are 0."""
    std = math.sqrt(var)
    points = panels(edges, 0.0, std, 16.0, 1.6)
    size = 32 * (points.size - 1) + kinks.size
    z, value, before, now = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    total = 0.0
    for i in range(points.size - 1):
        half, middle = 0.5 * (points[i + 1] - points[i]), 0.5 * (points[i + 1] + points[i])
        for k in range(32):
            at = 32 * i + k
            z[at] = middle + half * NODES_32[k]
            weight = half * WEIGHTS_32[k] * math.exp(-0.5 * z[at] * z[at]) / math.sqrt(2.0 * math.pi)
            value[at] = f(slot, std * z[at])
            total += weight * value[at] * value[at]
            value[at] *= weight
    for i in range(kinks.size):
        at = size - kinks.size + i
        z[at] = max(min(kinks[i] / std, 40.0), -40.0)
        value[at] = heights[i] * math.exp(-0.5 * z[at] * z[at]) / math.sqrt(2.0 * math.pi) / std
        if heights[i] != 0.0:
            total = math.inf
    for i in range(size):
        before[i], now[i] = 0.0, 1.0
    rest = total
    for j in range(row.size - 2):
        h = 0.0
        for i in range(size):
            h += value[i] * now[i]
        row[2 + j] = h
        rest -= h * h
        up, down = 1.0 / math.sqrt(j + 1.0), math.sqrt(j / (j + 1.0))
        for i in range(size):
            following = up * z[i] * now[i] - down * before[i]
            before[i] = now[i]
            now[i] = following
    row[0] = total
    row[1] = math.sqrt(max(rest, 0.0) + 1e-15 * total)


@njit(error_model="numpy", cache=True)
def series(x: Any, y: Any, rho: Any) -> Any:
    """sum_j h_j(var1) h_j(var2) rho^j, from two rows; four terms at a time, which do not wait for each other."""
    total, power = 0.0, 1.0
    square = rho * rho
    for j in range(2, x.size - 3, 4):
        low = x[j] * y[j] + rho * (x[j + 1] * y[j + 1])
        high = x[j + 2] * y[j + 2] + rho * (x[j + 3] * y[j + 3])
        total += power * (low + square * high)
        power *= square * square
        if abs(power) < 1e-18:
            return total
    for j in range(x.size - (x.size - 2) % 4, x.size):
        total += x[j] * y[j] * power
        power *= rho
    return total


@njit(error_model="numpy", cache=True)
def slope_factor(rho: Any, order: Any) -> Any:
    """max (j + 1) |rho|^j over j > order."""
    size = abs(rho)
    j = order + 1.0
    if size > math.exp(-1.0 / (j + 1.0)):
        j = -1.0 / math.log(size) - 1.0 if size < 1.0 else math.inf
    return (j + 1.0) * size**j


@njit(error_model="numpy", cache=True)
def conditional(f: Any, slot: Any, edges: Any, mean: Any, std: Any, nodes: Any, weights: Any) -> Any:
    """E[f(mean + std z)], without delta functions."""
    points = panels(edges, mean, std, 10.0, 4.0)
    total = 0.0
    for i in range(points.size - 1):
        half, middle = 0.5 * (points[i + 1] - points[i]), 0.5 * (points[i + 1] + points[i])
        for k in range(nodes.size):
            z = middle + half * nodes[k]
            total += half * weights[k] * math.exp(-0.5 * z * z) * f(slot, mean + std * z)
    return total / math.sqrt(2.0 * math.pi)


@njit(error_model="numpy", cache=True)
def deltas(
    f: Any,
    slot: Any,
    edges: Any,
    kinks: Any,
    heights: Any,
    std1: Any,
    std2: Any,
    rho: Any,
    s: Any,
    nodes: Any,
    weights: Any,
) -> Any:
    """What the delta functions of f(u) contribute to E[f(u) f(v)]; half of it where both are one."""
    total = 0.0
    for i in range(kinks.size):
        z = kinks[i] / std1
        height = heights[i] * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / std1
        if height != 0.0:
            total += height * conditional(f, slot, edges, std2 * rho * z, std2 * s, nodes, weights)
            for k in range(kinks.size):
                w = (kinks[k] / std2 - rho * z) / s
                total += (
                    0.5 * height * heights[k] * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi) / (std2 * s)
                )
    return total


@njit(error_model="numpy", cache=True)
def direct(
    f: Any,
    slot: Any,
    edges: Any,
    kinks: Any,
    heights: Any,
    std1: Any,
    std2: Any,
    rho: Any,
    s: Any,
    nodes: Any,
    weights: Any,
) -> Any:
    """E[f(u) f(v)] by a rule over u and, given u, over v; s = sqrt(1 - rho^2).

    As a function of u the inner integral bends at the images of v's kinks, on a length s std2 / rho.
    """
    n = edges.size
    extra = np.empty(2 * n + 4 * kinks.size)
    for i in range(n):
        extra[i], extra[n + i] = edges[i] / std1, edges[i] / (std2 * rho)
    for i in range(kinks.size):
        for k in range(4):
            extra[2 * n + 4 * i + k] = (kinks[i] / std2 + s * (6.0 * k - 9.0)) / rho
    points = panels(extra, 0.0, 1.0, 11.0, 1.6)
    total = 0.0
    for i in range(points.size - 1):
        half, middle = 0.5 * (points[i + 1] - points[i]), 0.5 * (points[i + 1] + points[i])
        for k in range(nodes.size):
            z = middle + half * nodes[k]
            weight = half * weights[k] * math.exp(-0.5 * z * z)
            total += (
                weight
                * f(slot, std1 * z)
                * conditional(f, slot, edges, std2 * rho * z, std2 * s, nodes, weights)
            )
    total /= math.sqrt(2.0 * math.pi)
    total += deltas(f, slot, edges, kinks, heights, std1, std2, rho, s, nodes, weights)
    return total + deltas(f, slot, edges, kinks, heights, std2, std1, rho, s, nodes, weights)


@njit(error_model="numpy", cache=True)
def remainder(slot: Any, x: Any, y: Any, var1: Any, var2: Any, rho: Any) -> Any:
    """Bound on what `series` leaves out, and sqrt(E[f(u)^2] E[f(v)^2]) or, where phi' has delta functions, its likes.

    |rho|^(J+1) times the roots of what the coefficients leave of both second moments (Cauchy-Schwarz); an infinite one
    is replaced by phi's: the coefficients of phi' are sqrt((j + 1) / var) h_(j+1).
    """
    order = x.shape[1] - 3
    one, two = x[slot % 2], y[slot % 2]
    if one[0] < math.inf:
        return one[1] * two[1] * abs(rho) ** (order + 1), math.sqrt(one[0]) * math.sqrt(two[0])
    std1, std2 = math.sqrt(var1), math.sqrt(var2)
    bound = x[0, 1] / std1 * y[0, 1] / std2 * slope_factor(rho, order)
    return bound, math.sqrt(x[0, 0]) / std1 * math.sqrt(y[0, 0]) / std2


@njit(error_model="numpy", cache=True)
def kappa(
    f: Any, slot: Any, edges: Any, kinks: Any, heights: Any, x: Any, y: Any, var1: Any, var2: Any, cov12: Any
) -> Any:
    """E[f(u) f(v)] from the tables x[0] of phi and x[1] of phi' at var1, y at var2; NaN if neither route is sure."""
    std1, std2 = math.sqrt(var1), math.sqrt(var2)
    rho = max(min(cov12 / std1 / std2, 1.0), -1.0)
    bound, scale = remainder(slot, x, y, var1, var2, rho)
    if bound <= TOLERANCE * scale:
        return series(x[slot % 2], y[slot % 2], rho)
    s = math.sqrt(max(1.0 - cov12 / std1 / std2, 0.0)) * math.sqrt(max(1.0 + cov12 / std1 / std2, 0.0))
    fine = direct(f, slot, edges, kinks, heights, std1, std2, rho, s, NODES_32, WEIGHTS_32)
    coarse = direct(f, slot, edges, kinks, heights, std1, std2, rho, s, NODES_22, WEIGHTS_22)
    return fine if abs(fine - coarse) <= ACCEPTED * scale else math.nan


CONSTANTS = f"""\
ORDER, TOLERANCE, ACCEPTED = {ORDER}, {TOLERANCE}, {ACCEPTED}
NODES_32, WEIGHTS_32 = np.polynomial.legendre.leggauss(32)
NODES_22, WEIGHTS_22 = np.polynomial.legendre.leggauss(22)"""


FUNCTIONS: dict[str, Any] = {
    function.py_func.__name__: function
    for function in (panels, fill_row, series, slope_factor, conditional, deltas, direct, remainder, kappa)
}


def texts() -> tuple[str, list[str]]:
    """Constants and functions that generated code must hold."""
    return CONSTANTS, [text_of(function) for function in FUNCTIONS.values()]

"""The duals of `numerics.mehler` for generated NumPy modules: the same mathematics, elementwise over arrays.

A rule is (edges, kinks, heights) as in `numerics.mehler`. The functions use NumPy and each other only.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from numerics.mehler import ACCEPTED, CONSTANTS, NODES_22, NODES_32, ORDER, TOLERANCE, WEIGHTS_22, WEIGHTS_32


def nodes_of(extra: Any, reach: Any, width: Any, nodes: Any, weights: Any) -> Any:
    """Nodes and weights for N(0, 1) on panels of -reach .. reach, split at the extra points."""
    steps = np.linspace(-reach, reach, int(np.ceil(2 * reach / width)) + 1)
    points = np.sort(np.concatenate((steps, extra[np.abs(extra) < reach])))
    half, middle = np.diff(points)[:, None] / 2, (points[1:, None] + points[:-1, None]) / 2
    z = (middle + half * nodes).ravel()
    return z, (half * weights).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def row_of(f: Any, rule: Any, var: Any) -> Any:
    """E[f(u)^2], the root of what h_0 .. h_ORDER leave of it, and h_0 .. h_ORDER, u = sqrt(var) z."""
    edges, kinks, heights = rule
    std = np.sqrt(var)
    z, weights = nodes_of(edges / std, 16, 1.6, NODES_32, WEIGHTS_32)
    values = f(std * z)
    total = np.sum(weights * values**2)
    jumps = np.clip(kinks / std, -40, 40)
    weighted = np.concatenate(
        (weights * values, heights * np.exp(-(jumps**2) / 2) / np.sqrt(2 * np.pi) / std)
    )
    z = np.concatenate((z, jumps))
    before, now, h = np.zeros_like(z), np.ones_like(z), np.empty(ORDER + 1)
    for j in range(ORDER + 1):
        h[j] = np.sum(weighted * now)
        before, now = now, z * now / np.sqrt(j + 1) - before * np.sqrt(j / (j + 1))
    rest = np.sqrt(max(total - np.sum(h * h), 0) + 1e-15 * total)
    return np.concatenate((np.array((np.inf if heights.any() else total, rest)), h))


def rows_of(f: Any, rule: Any, var: Any) -> Any:
    """`row_of` every variance, shape (*var.shape, ORDER + 3)."""
    different, place = np.unique(var, return_inverse=True)
    rows = np.empty((different.size, ORDER + 3))
    for i in range(different.size):
        rows[i] = row_of(f, rule, different[i])
    return rows[np.reshape(place, np.shape(var))]


def conditional(f: Any, edges: Any, mean: Any, std: Any, nodes: Any, weights: Any) -> Any:
    """E[f(mean + std z)], without delta functions."""
    z, w = nodes_of((edges - mean) / max(std, 1e-290), 10, 4, nodes, weights)
    return np.sum(w * f(mean + std * z))


def deltas(f: Any, rule: Any, std1: Any, std2: Any, rho: Any, s: Any, nodes: Any, weights: Any) -> Any:
    """What the delta functions of f(u) contribute to E[f(u) f(v)]; half of it where both are one."""
    edges, kinks, heights = rule
    total = 0.0
    for i in range(kinks.size):
        if heights[i] != 0:
            z = kinks[i] / std1
            w = (kinks / std2 - rho * z) / max(s, 1e-290)
            both = np.sum(heights * np.exp(-w * w / 2)) / np.sqrt(2 * np.pi) / (std2 * max(s, 1e-290)) / 2
            single = conditional(f, edges, std2 * rho * z, std2 * s, nodes, weights)
            total += heights[i] * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / std1 * (single + both)
    return total


def direct(f: Any, rule: Any, std1: Any, std2: Any, rho: Any, s: Any, nodes: Any, weights: Any) -> Any:
    """E[f(u) f(v)] by a rule over u and, given u, over v; s = sqrt(1 - rho^2)."""
    edges, kinks = rule[:2]
    bends = (kinks[:, None] / std2 + s * np.array((-9, -3, 3, 9))) / rho
    extra = np.concatenate((edges / std1, edges / (std2 * rho), bends.ravel()))
    z, w = nodes_of(extra, 11, 1.6, nodes, weights)
    inner = np.empty_like(z)
    for i in range(z.size):
        inner[i] = conditional(f, edges, std2 * rho * z[i], std2 * s, nodes, weights)
    total = np.sum(w * f(std1 * z) * inner)
    total += deltas(f, rule, std1, std2, rho, s, nodes, weights)
    return total + deltas(f, rule, std2, std1, rho, s, nodes, weights)


def checked(f: Any, rule: Any, var1: Any, var2: Any, cov12: Any, scale: Any) -> Any:
    """The direct rule, or NaN where a coarser one disagrees."""
    std1, std2 = np.sqrt(var1), np.sqrt(var2)
    rho = np.clip(cov12 / std1 / std2, -1, 1)
    s = np.sqrt(max(1 - cov12 / std1 / std2, 0)) * np.sqrt(max(1 + cov12 / std1 / std2, 0))
    fine = direct(f, rule, std1, std2, rho, s, NODES_32, WEIGHTS_32)
    coarse = direct(f, rule, std1, std2, rho, s, NODES_22, WEIGHTS_22)
    return fine if abs(fine - coarse) <= ACCEPTED * scale else np.nan


def kappa(f: Any, rule: Any, phi: Any, smooth: Any, var1: Any, var2: Any, cov12: Any) -> Any:
    """E[f(u) f(v)], elementwise; f has jumps where `smooth` differs from `rule`, and is then the derivative of phi."""
    var1, var2, cov12 = np.broadcast_arrays(var1, var2, cov12)
    rho = np.clip(cov12 / np.sqrt(var1) / np.sqrt(var2), -1, 1)
    x, y = rows_of(f, rule, var1), rows_of(f, rule, var2)
    size = np.abs(rho)
    if rule[2].any():
        one, two = rows_of(phi, smooth, var1), rows_of(phi, smooth, var2)
        scale = np.sqrt(one[..., 0] * two[..., 0] / var1 / var2)
        j = np.maximum(-1 / np.log(np.minimum(size, 1 - 1e-16) + 1e-300) - 1, ORDER + 1)
        bound = one[..., 1] * two[..., 1] / np.sqrt(var1 * var2) * (j + 1) * size**j
    else:
        scale = np.sqrt(x[..., 0] * y[..., 0])
        bound = x[..., 1] * y[..., 1] * size ** (ORDER + 1)
    total, power = np.zeros(rho.shape), np.ones(rho.shape)
    for j in range(ORDER + 1):
        total += x[..., 2 + j] * y[..., 2 + j] * power
        power = power * rho
    for at in np.argwhere(~(bound <= TOLERANCE * scale)):
        i = tuple(at)
        total[i] = checked(f, rule, var1[i], var2[i], cov12[i], scale[i])
    return total


def squared_norm(f: Any, rule: Any, var: Any) -> Any:
    """E[f(u)^2], elementwise."""
    return rows_of(f, rule, var)[..., 0]


def texts() -> tuple[str, list[str]]:
    """Constants and functions that generated code must hold."""
    functions = (nodes_of, row_of, rows_of, conditional, deltas, direct, checked, kappa, squared_norm)
    sources = [inspect.getsource(function) for function in functions]
    return CONSTANTS, [text.replace(": Any", "").replace(" -> Any", "") for text in sources]

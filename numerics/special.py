"""Special functions of Gaussian probability in float64, for generated code, which copies their text.

They use math, numpy and each other only, so that a generated module stands alone; without `njit` they are
ordinary Python, as which NumPy modules hold them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


@njit(error_model="numpy", cache=True)
def positive(x: Any) -> Any:
    """max(x, 1e-100): closed forms divide by variances."""
    return max(x, 1e-100)


@njit(error_model="numpy", cache=True)
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)


@njit(error_model="numpy", cache=True)
def heaviside(x: Any) -> Any:
    """0, 1/2 or 1."""
    return 1.0 if x > 0.0 else (0.0 if x < 0.0 else 0.5)


@njit(error_model="numpy", forceinline=True, cache=True)
def sine(var1: Any, var2: Any, cov12: Any) -> Any:
    """sqrt(var1 var2 - cov12^2), safe from overflow, 0 where rounding made it negative.

    For equal variances the root is var1 to the last bit, so that the sine vanishes where var1 - |cov12| does, and not before.
    """
    high = max(var1, var2)
    root = high * math.sqrt(min(var1, var2) / max(high, 1e-200))
    return math.sqrt(max(root - cov12, 0.0)) * math.sqrt(max(root + cov12, 0.0))


@njit(error_model="numpy", forceinline=True, cache=True)
def arctangent(y: Any, x: Any) -> Any:
    """arctan(y / x) from 0 to pi/2 for x, y >= 0, to 3 eps, 0 for 0 / 0, without a branch: loops with it are vectorised.

    Of the smaller over the larger; from tan(pi/8) on of (t - 1) / (t + 1), pi/4 less. The polynomial is interpolated at the
    Chebyshev nodes of 0 <= z <= tan(pi/8)^2, where it errs by 7e-18.
    """
    t = min(x, y) / max(max(x, y), 1e-300)
    high = (t > 0.41421356237309503) * 1.0
    u = (t - high) / (1.0 + high * t)
    z = u * u
    p = -0.019176887119047435
    p = p * z + 0.03923165829557509
    p = p * z - 0.05085449737939841
    p = p * z + 0.058581489128021295
    p = p * z - 0.06664511447381939
    p = p * z + 0.07692183190826087
    p = p * z - 0.09090904578123901
    p = p * z + 0.11111111015256361
    p = p * z - 0.14285714284666542
    p = p * z + 0.1999999999999552
    p = p * z - 0.3333333333333333
    octant = high * 0.7853981633974483 + (u + u * (z * p))
    return octant + (y > x) * (1.5707963267948966 - 2.0 * octant)


@njit(error_model="numpy", forceinline=True, cache=True)
def angle(var1: Any, var2: Any, cov12: Any) -> Any:
    """arccos(cov12 / sqrt(var1 var2)), accurate at both ends."""
    acute = arctangent(sine(var1, var2, cov12), abs(cov12))
    return acute + (cov12 < 0.0) * (3.141592653589793 - 2.0 * acute)


@njit(error_model="numpy", forceinline=True, cache=True)
def arcsine(var1: Any, var2: Any, cov12: Any) -> Any:
    """arcsin(cov12 / sqrt(var1 var2)), accurate at 0 and at both ends."""
    return math.copysign(arctangent(abs(cov12), sine(var1, var2, cov12)), cov12)


@njit(error_model="numpy", cache=True)
def exponential(x: Any) -> Any:
    """exp(x), at most 8e307."""
    return math.exp(min(x, 709.0))


@njit(error_model="numpy", cache=True)
def sinh_scaled(x: Any, shift: Any) -> Any:
    """exp(shift) sinh(x), without overflow on the way; 0 at shift = -inf, where x may be infinite too."""
    if shift == -math.inf:
        return 0.0
    if abs(x) < 1.0:
        return exponential(shift) * math.sinh(x)
    return 0.5 * (exponential(shift + x) - exponential(shift - x))


@njit(error_model="numpy", cache=True)
def tail(h: Any, var: Any, shift: Any) -> Any:
    """exp(shift) P(z > h) for z ~ N(0, var); far out by the asymptotic series of the Mills ratio.

    Where rounding made var vanish, so does h but for rounding: the limit is 1/2.
    """
    if var <= 0.0:
        return exponential(shift) * (1.0 if h < -1e-13 else (0.5 if h < 1e-13 else 0.0))
    z = h / math.sqrt(2.0 * var)
    if z < 10.0:
        return 0.5 * exponential(shift) * math.erfc(z)
    term, total = 1.0, 1.0
    for k in range(1, 20):
        term *= -(2 * k - 1) / (2.0 * z * z)
        total += term
    return 0.5 * exponential(shift - z * z) * total / (z * math.sqrt(math.pi))


@njit(error_model="numpy", cache=True)
def ray(h: Any, start: Any, shift: Any) -> Any:
    """int exp(shift - (h^2 + y^2) / 2) h / (h^2 + y^2) dy over y > start: the plane beyond a line, seen from 0.

    Panels are as long as the integrand's poles, at y = +-i h, and its decay allow.
    """
    if h < 1e-18:
        return exponential(shift - 0.5 * max(start, 0.0) ** 2) * (0.5 * math.pi - math.atan2(start, h))
    high = math.sqrt(max(start, 0.0) ** 2 + 84.0)
    left = max(start, -9.5)
    total = 0.0
    while left < high:
        width = min(max(1.5 * h, 0.35 * abs(left)), 1.5, 8.0 / max(left, 1.0))
        half = 0.5 * min(width, high - left)
        for i in range(NODES.size):
            y = left + half * (1.0 + NODES[i])
            square = h * h + y * y
            total += half * WEIGHTS[i] * exponential(shift - 0.5 * square) * h / square
        left += max(width, 1e-9 * left)
    return total


@njit(error_model="numpy", cache=True)
def first_quadrant(h: Any, k: Any, s: Any, r: Any, shift: Any) -> Any:
    """exp(shift) P(u > h, v > k), h and k >= 0, for unit variances, correlation r and s = sqrt(1 - r^2)."""
    if h == 0.0 and k == 0.0:
        return exponential(shift) * (math.pi - math.atan2(s, r)) / (2.0 * math.pi)
    if abs(r) <= 0.9 and max(h, k) <= 6.0 and (r >= 0.0 or shift <= 0.0):
        total = 0.0
        half = 0.5 * math.atan2(r, s)
        for i in range(NODES.size):
            t = math.sin(half * (1.0 + NODES[i]))
            total += WEIGHTS[i] * math.exp(shift - (h * h + k * k - 2.0 * h * k * t) / (2.0 * (1.0 - t * t)))
        joint = half * total / (2.0 * math.pi) + tail(h, 1.0, shift) * tail(k, 1.0, 0.0)
        return max(joint, 0.0)
    gap = s * s / (1.0 + r) if r > 0.0 else 1.0 - r
    total = 0.0
    if h > 0.0:
        total += ray(h, ((k - h) + gap * h) / s, shift)
    if k > 0.0:
        total += ray(k, ((h - k) + gap * k) / s, shift)
    return total / (2.0 * math.pi)


@njit(error_model="numpy", cache=True)
def quadrant(h: Any, k: Any, var1: Any, var2: Any, cov12: Any, shift: Any) -> Any:
    """exp(shift) P(u > h, v > k) for (u, v) ~ N(0, [[var1, cov12], [cov12, var2]])."""
    if var1 <= 0.0 or var2 <= 0.0:
        return tail(h, var1, shift) * tail(k, var2, 0.0)
    root1, root2 = math.sqrt(var1), math.sqrt(var2)
    a, b = h / root1, k / root2
    s, r = sine(var1, var2, cov12) / (root1 * root2), cov12 / root1 / root2
    if s == 0.0:
        if r > 0.0:
            return tail(max(a, b), 1.0, shift)
        return max(tail(a, 1.0, shift) - tail(-b, 1.0, shift), 0.0) if a < -b else 0.0
    if a >= 0.0 and b >= 0.0:
        return first_quadrant(a, b, s, r, shift)
    if a < 0.0 and b < 0.0:
        outside = tail(-a, 1.0, shift) + tail(-b, 1.0, shift)
        return exponential(shift) - outside + first_quadrant(-a, -b, s, r, shift)
    if a < 0.0:
        return tail(b, 1.0, shift) - first_quadrant(-a, b, s, -r, shift)
    return tail(a, 1.0, shift) - first_quadrant(a, -b, s, -r, shift)


NEEDS: dict[str, tuple[str, ...]] = {
    "angle": ("sine", "arctangent"),
    "arcsine": ("sine", "arctangent"),
    "sinh_scaled": ("exponential",),
    "tail": ("exponential",),
    "ray": ("exponential",),
    "first_quadrant": ("ray", "tail"),
    "quadrant": ("sine", "first_quadrant"),
}
"""The functions that each calls."""


def texts(names: Iterable[str], compiled: bool) -> tuple[str, list[str]]:
    """Constants and functions, in order, that generated code with calls of these functions must hold.

    Not compiled, functions without branches are elementwise on arrays; the others, if named themselves, are made so.
    """
    named, wanted, pending = set(names), set(), list(names)
    while pending:
        name = pending.pop()
        wanted.add(name)
        pending += NEEDS.get(name, ())
    nodes = "NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)" if "ray" in wanted else ""
    kept = {name: function for name, function in FUNCTIONS.items() if name in wanted}
    if compiled:
        return nodes, [text_of(function) for function in kept.values()]
    return nodes, [_plain(name, text_of(function), name in named) for name, function in kept.items()]


FUNCTIONS: dict[str, Any] = {
    function.py_func.__name__: function
    for function in (
        positive, sign, heaviside, sine, arctangent, angle, arcsine, exponential, sinh_scaled, tail, ray, first_quadrant, quadrant
    )
}  # fmt: skip
_ELEMENTWISE = {
    "math.": "np.", "np.atan2": "np.arctan2", "max(": "np.maximum(", "min(": "np.minimum(",
}  # fmt: skip


def text_of(function: Any) -> str:
    """A compiled function's source as generated code holds it."""
    text = inspect.getsource(function.py_func).replace(
        ", cache=True)\n", ")\n", 1
    )  # generated modules are no files
    return text.replace(": Any", "").replace(" -> Any", "").replace(" -> None", "")


def _plain(name: str, text: str, named: bool) -> str:
    """The function without `njit`."""
    text = text.partition("\n")[2]
    if " if " not in text:
        for old, new in _ELEMENTWISE.items():
            text = text.replace(old, new)
        return text
    return f"@np.vectorize\n{text}" if named else text

"""The complex singularities of a smooth function that lie nearest to the real axis (theory.md, section 5)."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from derive.parse import SYMBOL

ENTIRE = (sympy.exp, sympy.sin, sympy.cos, sympy.sinh, sympy.cosh, sympy.erf, sympy.erfc)
WIDTH, HEIGHT = 30.0, 30.0
"""Zeros are sought from starting points |Re x| <= 30, 0 < Im x <= 30; those of exponentials repeat along the axis."""
ORDERS = 4
"""Derivatives of a function that are tried at a candidate before it counts as regular."""
DIGITS = 60


@dataclass(frozen=True)
class Branch:
    """f^(order)(x) ~ strength (x - at)^power around a point of the upper half-plane, seen from below.

    Attributes
    ----------
    at : mpmath.mpc
    order : int
    power : mpmath.mpf
        Not a natural number.
    phased : mpmath.mpc
        strength exp(-i pi power / 2): the limit of f^(order)(at - i e) e^-power for e -> 0.
    """

    at: Any
    order: int
    power: Any
    phased: Any


@lru_cache(maxsize=128)
def nearest_branches(function: sympy.Expr) -> tuple[Branch, ...] | None:
    """The singularities of f next to the real axis, all of equal height in the upper half-plane.

    Parameters
    ----------
    function : sympy.Expr
        Smooth, real and without parameters, in `derive.parse.SYMBOL`.

    Returns
    -------
    tuple of Branch, or None
        Empty for an entire function; None if f holds other functions than polynomials, powers, exp, log, sin, cos, sinh,
        cosh, tanh, erf and atan, or no zero was found where one should be.

    Notes
    -----
    Candidates are zeros of denominators, of bases of fractional powers and of arguments of logarithms, found by
    Newton's iteration from a grid; those where f is regular after all are passed over. 0.1 to 0.5 s.
    """
    with mpmath.workdps(DIGITS):
        if isinstance(function, sympy.Expr) and not _is_known(function):
            return None
        origins = set(_origins(function))
        points = sorted({p for origin in origins for p in _zeros(origin)}, key=lambda p: (p.imag, p.real))
        found: list[Branch] = []
        for point in points:
            if found and point.imag > found[0].at.imag + 1e-9:
                break
            exact = _polished(origins, point)
            if exact is None or any(abs(exact - branch.at) < 1e-6 for branch in found):
                continue
            branch = _local(function, exact)
            if branch is not None:
                found.append(branch)
    if not found and origins:
        return None
    return tuple(found)


def _is_known(expr: sympy.Expr) -> bool:
    """Whether every node is one of those handled."""
    for node in sympy.preorder_traversal(expr):
        plain = node.is_number or node == SYMBOL or isinstance(node, sympy.Add | sympy.Mul)
        power = isinstance(node, sympy.Pow) and (node.exp.is_number or node.base is sympy.E)
        if not (plain or power or isinstance(node, (*ENTIRE, sympy.tanh, sympy.atan, sympy.log))):
            return False
    return True


def _origins(expr: sympy.Expr) -> Iterator[sympy.Expr]:
    """Functions in whose zeros f may be singular."""
    for node in sympy.preorder_traversal(expr):
        if not node.has(SYMBOL):
            continue
        if (
            isinstance(node, sympy.Pow)
            and node.base.has(SYMBOL)
            and not (node.exp.is_Integer and node.exp > 0)
        ):
            yield node.base
        elif isinstance(node, sympy.log):
            yield node.args[0]
        elif isinstance(node, sympy.tanh):
            yield sympy.exp(2 * node.args[0]) + 1
        elif isinstance(node, sympy.atan):
            yield node.args[0] ** 2 + 1


def _zeros(function: sympy.Expr) -> set[complex]:
    """Zeros in the upper half-plane, to about 9 digits."""
    if function.is_polynomial(SYMBOL):
        with mpmath.workdps(DIGITS):
            coefficients = [
                mpmath.mpmathify(sympy.N(c, DIGITS)) for c in sympy.Poly(function, SYMBOL).all_coeffs()
            ]
            roots = (
                mpmath.polyroots(coefficients, maxsteps=500, extraprec=400) if len(coefficients) > 1 else []
            )
            return {_rounded(complex(root)) for root in roots if mpmath.im(root) > 1e-9}
    value, slope = (sympy.lambdify(SYMBOL, f, modules="cmath") for f in (function, function.diff(SYMBOL)))
    starts = [complex(x, y) for x in _grid(-WIDTH, WIDTH, 41) for y in _grid(0.05, HEIGHT, 41)]
    return {zero for start in starts if (zero := _newton(value, slope, start)) is not None}


def _grid(low: float, high: float, count: int) -> list[float]:
    """Points that are dense in the middle, or at the lower end if that is where 0 is."""
    if low < 0:
        return [high * (2 * i / (count - 1) - 1) ** 3 for i in range(count)]
    return [low + (high - low) * (i / (count - 1)) ** 2 for i in range(count)]


def _newton(value: Callable[[complex], Any], slope: Callable[[complex], Any], z: complex) -> complex | None:
    try:
        for _ in range(60):
            step = value(z) / slope(z)
            if abs(step) > 1:
                step /= abs(step)
            z -= step
            if abs(step) < 1e-12 * (1 + abs(z)):
                good = z.imag > 1e-6 and abs(z.real) <= WIDTH and z.imag <= 2 * HEIGHT and cmath.isfinite(z)
                return _rounded(z) if good else None
    except (ArithmeticError, ValueError, OverflowError):
        pass
    return None


def _rounded(z: complex) -> complex:
    return complex(round(z.real, 9) + 0.0, round(z.imag, 9))


def _polished(origins: set[sympy.Expr], point: complex) -> Any:
    """The zero to all digits; a multiple zero, where Newton's iteration is slow, through the function's logarithmic slope."""
    for origin in origins:
        value = sympy.lambdify(SYMBOL, origin, modules="mpmath")
        slope = sympy.lambdify(SYMBOL, origin.diff(SYMBOL), modules="mpmath")
        curve = sympy.lambdify(SYMBOL, origin.diff(SYMBOL, 2), modules="mpmath")
        z = mpmath.mpc(point)
        try:
            for _ in range(40):
                f, d = value(z), slope(z)
                step = f * d / (d * d - f * curve(z))
                z -= step
                if abs(step) < mpmath.mpf(10) ** (10 - DIGITS):
                    break
        except (ArithmeticError, ValueError):
            continue
        near = abs(z - mpmath.mpc(point)) < 1e-6
        if near and abs(value(z)) < 1e-25:
            return mpmath.mpc(0 if abs(z.real) < 1e-30 else z.real, z.imag)
    return None


def _local(function: sympy.Expr, at: Any) -> Branch | None:
    """Exponent and strength from values below the point; None where the function is regular."""
    derivative = function
    for order in range(1, ORDERS + 1):
        derivative = derivative.diff(SYMBOL)
        value = sympy.lambdify(SYMBOL, derivative, modules="mpmath")
        radii = [mpmath.mpf(10) ** -k for k in (6, 7, 8)]
        try:
            values = [value(at - 1j * radius) for radius in radii]
        except (ArithmeticError, ValueError):
            continue
        if min(map(abs, values)) == 0:
            continue
        slopes = [mpmath.log(abs(b / a)) / -mpmath.log(10) for a, b in pairwise(values)]
        power = mpmath.nint(12 * slopes[-1]) / 12
        if abs(slopes[-1] - power) < 1e-3 and power < -0.05:
            scaled = [v * r**-power for v, r in zip(values, radii, strict=True)]
            return Branch(at, order, power, (10 * scaled[-1] - scaled[-2]) / 9)
    return None

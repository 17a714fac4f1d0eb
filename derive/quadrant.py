"""Moments of two Gaussians over a half-plane or a quadrant, by Stein's identity (theory.md, section 4)."""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy
from sympy import default_sort_key

from derive.gaussian import half_line_moment

var1, var2 = sympy.symbols("var1 var2", positive=True)
cov12 = sympy.Symbol("cov12", real=True)


class Sine(sympy.Function):  # type: ignore[misc]  # SymPy is untyped
    """sqrt(var1 var2 - cov12^2) = sqrt(var1 var2) sin(theta), theta the angle of the pair."""

    nargs = 3

    @classmethod
    def eval(cls, a: Any, b: Any, c: Any) -> Any:
        """Symmetric in the two variances: one order is kept."""
        return cls(b, a, c) if default_sort_key(a) > default_sort_key(b) else None

    def fdiff(self, argindex: int = 1) -> Any:
        """Derivative with respect to one argument."""
        a, b, c = self.args
        return {1: b / (2 * self), 2: a / (2 * self), 3: -c / self}[argindex]

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        a, b, c = self.args
        return sympy.sqrt(a * b - c**2)


class Angle(sympy.Function):  # type: ignore[misc]  # SymPy is untyped
    """theta = arccos(cov12 / sqrt(var1 var2)), from 0 to pi."""

    nargs = 3

    @classmethod
    def eval(cls, a: Any, b: Any, c: Any) -> Any:
        """Symmetric in the two variances: one order is kept."""
        return cls(b, a, c) if default_sort_key(a) > default_sort_key(b) else None

    def fdiff(self, argindex: int = 1) -> Any:
        """Derivative with respect to one argument."""
        a, b, c = self.args
        return {
            1: c / (2 * a * Sine(*self.args)),
            2: c / (2 * b * Sine(*self.args)),
            3: -1 / Sine(*self.args),
        }[argindex]

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        a, b, c = self.args
        return sympy.acos(c / sympy.sqrt(a * b))


sine, angle = Sine(var1, var2, cov12), Angle(var1, var2, cov12)


def quadrant_moment(i: int, j: int, step1: bool, step2: bool) -> sympy.Expr:
    """E[u^i v^j S1(u) S2(v)] for (u, v) ~ N(0, [[var1, cov12], [cov12, var2]]).

    S1 is 1[u > 0] if `step1`, else 1; S2 likewise. The result is an expression in var1, var2, cov12,
    `sine` and `angle`. Stein: E[u g(u, v)] = var1 E[dg/du] + cov12 E[dg/dv]; the derivative of a step
    is a point mass, which fixes that variable at 0. Cost: O(i j) expressions, kept between calls.
    """
    return _moment(i, j, step1, step2)


@cache
def _moment(i: int, j: int, step1: bool, step2: bool) -> sympy.Expr:
    if i == 0 and j == 0:
        return _probability(step1, step2)
    if i == 0:
        swapped = _moment(j, i, step2, step1)
        return swapped.subs({var1: var2, var2: var1}, simultaneous=True)
    inner_u = (i - 1) * _moment(i - 2, j, step1, step2) if i > 1 else 0
    inner_v = j * _moment(i - 1, j - 1, step1, step2) if j > 0 else 0
    mass_u = _at_zero(var1) * half_line_moment(j, sine / sympy.sqrt(var1), step2) if step1 and i == 1 else 0
    mass_v = (
        _at_zero(var2) * half_line_moment(i - 1, sine / sympy.sqrt(var2), step1) if step2 and j == 0 else 0
    )
    return reduce_sine(var1 * (inner_u + mass_u) + cov12 * (inner_v + mass_v))


def reduce_sine(expr: sympy.Expr) -> sympy.Expr:
    """The expanded expression with at most the first power of `sine` in a term."""
    power = sympy.Wild("power", properties=[lambda k: k.is_Integer and k >= 2])
    square = var1 * var2 - cov12**2
    return sympy.expand(
        sympy.expand(expr).replace(sine**power, lambda power: square ** (power // 2) * sine ** (power % 2))
    )


def _probability(step1: bool, step2: bool) -> sympy.Expr:
    """P(u > 0, v > 0) = (pi - theta) / (2 pi) (Sheppard 1899); one half for a single step."""
    if step1 and step2:
        return (sympy.pi - angle) / (2 * sympy.pi)
    return sympy.Rational(1, 2) if step1 or step2 else sympy.Integer(1)


def _at_zero(variance: sympy.Expr) -> sympy.Expr:
    """Density of N(0, variance) at 0."""
    return 1 / sympy.sqrt(2 * sympy.pi * variance)

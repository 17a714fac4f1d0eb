"""A function with smooth branches, to be evaluated: exactly enough in mpmath, and as float64 will in generated code.

Branches are rewritten where float64 would overflow or cancel; what it evaluates is `Smooth.code`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath
import sympy

from derive.errors import DerivationError
from derive.numbers import mpf
from derive.parse import SYMBOL

Function = Callable[[Any], Any]

NEAR, TAYLOR = Fraction(1, 4), 28
"""Where phi or phi' cancels near 0, its Taylor polynomial of this degree stands for it on |x| <= NEAR."""


@dataclass(frozen=True)
class Smooth:
    """A function with smooth branches: in mpmath, in float64 and in SymPy."""

    edges: tuple[Any, ...]
    branches: tuple[sympy.Expr, ...]
    precise: tuple[Function, ...]
    fast: tuple[Function, ...]

    @staticmethod
    def of(
        edges: Sequence[Any], branches: Sequence[sympy.Expr], stable: Callable[[sympy.Expr], sympy.Expr]
    ) -> Smooth:
        """`stable` rewrites a branch as float64 shall evaluate it."""
        return Smooth(
            edges=tuple(mpmath.mpf(sympy.N(edge, 40)) for edge in edges),
            branches=(),
            precise=tuple(sympy.lambdify(SYMBOL, branch, modules="mpmath") for branch in branches),
            fast=(),
        ).with_code([stable(branch) for branch in branches])

    def with_code(self, branches: Sequence[sympy.Expr]) -> Smooth:
        """The same function, evaluated in another way by float64."""
        fast = tuple(sympy.lambdify(SYMBOL, branch, modules=[_SAFE, "math"]) for branch in branches)
        return replace(self, branches=tuple(branches), fast=fast)

    def branch_at(self, x: Any) -> int:
        """The number of the branch that x lies on."""
        return sum(x > edge for edge in self.edges)

    def __call__(self, x: Any) -> Any:
        """The value in multiprecision.

        Raises DerivationError where it is not real and finite.
        """
        try:
            value = mpmath.mpf(self.precise[self.branch_at(x)](x))
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            value = mpmath.nan
        if not mpmath.isfinite(value):
            raise DerivationError(
                f"The activation or its derivative has no finite real value at x = {float(x):.6g}."
            )
        return value

    def double(self, x: Any) -> float:
        """The value in float64, NaN where generated code would have one."""
        try:
            return float(self.fast[self.branch_at(x)](float(x)))
        except (OverflowError, ValueError, ZeroDivisionError, TypeError):
            return math.nan

    def jump(self, i: int) -> Any:
        """The jump at edge i."""
        left, right = (mpmath.mpf(self.precise[i + side](self.edges[i])) for side in (0, 1))
        height = right - left
        return height if abs(height) > mpmath.mpf(10) ** -28 * (1 + abs(left)) else mpmath.mpf(0)

    @property
    def code(self) -> sympy.Expr:
        """As generated code evaluates it; edges are doubles."""
        sides = [*((sympy.Rational(nearest(edge)) > SYMBOL) for edge in self.edges), True]
        return sympy.Piecewise(*zip(self.branches, sides, strict=True)) if self.edges else self.branches[0]


def _exponent(expr: sympy.Expr) -> sympy.Expr | None:
    """u where the expression is 1 + exp(u)."""
    rest = expr - 1
    return rest.exp if isinstance(rest, sympy.exp) else None


def without_growth(expr: sympy.Expr) -> sympy.Expr:
    """log(1 + exp(u)) as max(u, 0) + log(1 + exp(-|u|)), which does not overflow."""

    def stable(e: sympy.Expr) -> sympy.Expr:
        u = _exponent(e.args[0])
        return sympy.Max(u, 0) + sympy.log(1 + sympy.exp(-sympy.Abs(u)))

    return expr.replace(lambda e: isinstance(e, sympy.log) and _exponent(e.args[0]) is not None, stable)


def without_powers(expr: sympy.Expr) -> sympy.Expr:
    """exp(k u) / (1 + exp(u))^n as s^k (1 - s)^(n - k), s = (1 + tanh(u / 2)) / 2, which does not overflow."""

    def stable(product: sympy.Expr) -> sympy.Expr:
        powers = product.as_powers_dict()
        growth = sympy.Mul(*(base**power for base, power in powers.items() if base is sympy.E))
        for base, power in list(powers.items()):
            u = _exponent(base)
            if u is None or not (power.is_Integer and power < 0):
                continue
            k = sympy.simplify(growth.exp / u) if isinstance(growth, sympy.exp) else sympy.Integer(0)
            if not (k.is_Integer and 0 <= k <= -power):
                continue
            rest = product / (base**power * growth) if k else product / base**power
            half = sympy.tanh(u / 2)
            return rest * ((1 + half) / 2) ** k * ((1 - half) / 2) ** (-power - k)
        return product

    expr = without_growth(expr)
    expr = expr.replace(lambda e: e.is_Mul, stable)
    return expr.replace(lambda e: e.is_Pow and _exponent(e.base) is not None, stable)


def settled(function: Smooth) -> Smooth:
    """The function, with its Taylor polynomial around 0 where float64 has no value, or loses digits by cancellation, there."""
    zero = function.branch_at(mpmath.mpf(0))
    near = mpf(NEAR)
    if any(abs(edge) <= near for edge in function.edges):
        return function
    small = [sign * near * mpmath.mpf(10) ** -k for k in range(5) for sign in (1, -1)]
    if _worst(function, small) <= 1e-14:
        return function
    polynomial = sympy.Add(
        *(sympy.Rational(nearest(c)) * SYMBOL**i for i, c in enumerate(_taylor(function.precise[zero])))
    )
    edge = sympy.Rational(NEAR)
    patched = sympy.Piecewise(
        (polynomial, sympy.And(-edge < SYMBOL, edge > SYMBOL)), (function.branches[zero], True)
    )
    branches = list(function.branches)
    branches[zero] = patched
    better = function.with_code(branches)
    return better if _worst(better, small) < min(_worst(function, small), 1e-8) else function


def _taylor(function: Function) -> list[Any]:
    """Taylor coefficients at 0 from 128 values on the circle |x| = 1/2 (Cauchy's formula); noise is set to 0."""
    count, radius = 128, mpmath.mpf(1) / 2
    circle = [mpmath.expjpi(mpmath.mpf(2 * k) / count) for k in range(count)]
    values = [function(radius * z) for z in circle]
    scaled = [
        mpmath.re(mpmath.fdot(values, [circle[-i * k % count] for k in range(count)])) / count
        for i in range(TAYLOR + 1)
    ]
    return [c / radius**i if abs(c) > 1e-28 else mpmath.mpf(0) for i, c in enumerate(scaled)]


def _worst(function: Smooth, points: Sequence[Any]) -> float:
    """The largest relative error of float64 at these points; infinite where it has no value at one of them, or at 0."""
    if not math.isfinite(function.double(0)):
        return math.inf
    errors = [abs(function.double(x) - function(x)) / (abs(function(x)) or mpmath.mpf(1)) for x in points]
    return float(max(errors)) if all(map(mpmath.isfinite, errors)) else math.inf


def nearest(value: Any) -> Fraction:
    """The double next to a number, as a fraction."""
    return Fraction(float(value))


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.7 else math.inf


_SAFE = {"exp": _exp, "cosh": lambda x: math.cosh(x) if abs(x) < 710 else math.inf}
"""Functions as compiled code has them: inf where Python's own raise."""

"""Activations without a closed form: on which panels, and up to which variance, their Gaussian expectations are known.

Their duals are Hermite series (theory.md, section 4) whose coefficients compiled code gets from Gauss-Legendre
rules. Here the panels of those rules are found and certified: between two edges phi and phi' are polynomials of
degree 31 to all digits that count, and float64 evaluates them without cancellation or overflow.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from derive import ir, oracle
from derive.activation import Activation
from derive.certificate import DualCertificate
from derive.errors import DerivationError
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.series import SeriesDual

Function = Callable[[Any], Any]

NODES = 32
REACH, WIDTH = 16, 1.6
"""Half-width of the range of integration and widest panel, in standard deviations."""
LARGEST = (1600, 400, 100, 25, 4, 1, Fraction(1, 4))
"""Variances up to which certification is tried."""
MOST = 400
"""Panels."""
RESOLVED = 1e-14
"""Last Legendre coefficients of phi on a panel, in units of the largest |phi| up to there; a rule with 32 nodes takes
them to its 64th degree, where they meet coefficients of Gaussian and Hermite polynomial as small."""
DIGITS = 13
"""Digits that the float64 values of phi, and the rule's expectations, must have at least."""
CLOSE = 1e-11
"""Relative accuracy that decides about the smallest certified variance."""
NEAR, TAYLOR = Fraction(1, 4), 28
"""Where phi or phi' cancels near 0, its Taylor polynomial of this degree stands for it on |x| <= NEAR."""


@dataclass(frozen=True)
class Derived:
    """A certified rule with phi and phi' as they are computed."""

    dual: SeriesDual
    phi: sympy.Expr
    dphi: sympy.Expr


def integration_rule(activation: Activation, points: int = 2, seed: int = 0) -> Derived:
    """Find and certify the panels of an activation.

    Raises
    ------
    DerivationError
        If phi is singular, oscillates too fast or cannot be evaluated in float64 even for variances up to 1.

    Notes
    -----
    1 to 2 s.
    """
    if activation.parameters:
        raise ValueError(f"{activation.name} has parameters: put their values in.")
    parts = pieces(activation.expr)
    with mpmath.workdps(34):
        whole = _Piecewise.of(parts.edges, parts.branches)
        slope = _Piecewise.of(parts.edges, tuple(branch.diff(SYMBOL) for branch in parts.branches))
        whole, slope = _settled(whole), _settled(slope)
        largest, edges = _panels(activation, whole, slope)
        kinks = tuple((_exact(edge), _exact(whole.jump(i))) for i, edge in enumerate(whole.edges))
        smallest = max(_smallest(whole), _smallest(slope))
        rule = ir.SeriesIR(tuple(map(_exact, edges)), kinks, smallest, largest)
        certificate = _certify(activation, whole, slope, rule, points, seed)
    return Derived(SeriesDual(activation, rule, certificate), whole.code, slope.code)


@dataclass(frozen=True)
class _Piecewise:
    """A function with smooth branches: in mpmath, in float64 and in SymPy."""

    edges: tuple[Any, ...]
    branches: tuple[sympy.Expr, ...]
    precise: tuple[Function, ...]
    fast: tuple[Function, ...]

    @staticmethod
    def of(edges: Sequence[Any], branches: Sequence[sympy.Expr], precise: Any = None) -> _Piecewise:
        return _Piecewise(
            edges=tuple(mpmath.mpf(sympy.N(edge, 40)) for edge in edges),
            branches=tuple(branches),
            precise=precise or tuple(sympy.lambdify(SYMBOL, branch, modules="mpmath") for branch in branches),
            fast=tuple(sympy.lambdify(SYMBOL, branch, modules=[_SAFE, "math"]) for branch in branches),
        )

    def _branch(self, x: Any) -> int:
        return sum(x > edge for edge in self.edges)

    def __call__(self, x: Any) -> Any:
        """The value in multiprecision.

        Raises DerivationError where it is not real and finite.
        """
        try:
            value = mpmath.mpf(self.precise[self._branch(x)](x))
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
            return float(self.fast[self._branch(x)](float(x)))
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
        sides = [*((sympy.Rational(_exact(edge)) > SYMBOL) for edge in self.edges), True]
        return sympy.Piecewise(*zip(self.branches, sides, strict=True)) if self.edges else self.branches[0]


def _settled(function: _Piecewise) -> _Piecewise:
    """The function, with its Taylor polynomial around 0 where float64 loses digits by cancellation there."""
    zero = function._branch(mpmath.mpf(0))
    near = mpmath.mpf(NEAR.numerator) / NEAR.denominator
    if any(abs(edge) <= near for edge in function.edges):
        return function
    small = [sign * near * mpmath.mpf(10) ** -k for k in range(5) for sign in (1, -1)]
    if all(abs(function.double(x) - function(x)) <= 1e-14 * abs(function(x)) for x in small):
        return function
    polynomial = sympy.Add(
        *(sympy.Rational(_exact(c)) * SYMBOL**i for i, c in enumerate(_taylor(function.precise[zero])))
    )
    edge = sympy.Rational(NEAR)
    patched = sympy.Piecewise(
        (polynomial, sympy.And(-edge < SYMBOL, edge > SYMBOL)), (function.branches[zero], True)
    )
    branches = list(function.branches)
    branches[zero] = patched
    better = _Piecewise.of(function.edges, branches, function.precise)
    return better if _worst(better, small) < _worst(function, small) else function


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


def _worst(function: _Piecewise, points: Sequence[Any]) -> float:
    errors = [abs(function.double(x) - function(x)) / (abs(function(x)) or mpmath.mpf(1)) for x in points]
    return float(max(errors)) if all(map(mpmath.isfinite, errors)) else math.inf


def _smallest(function: _Piecewise) -> Fraction:
    """The least power of 1/10 down to which float64 has the function's values to CLOSE of its size; 0 from 1e-12 on."""
    for k in range(13):
        std = mpmath.mpf(10) ** (-mpmath.mpf(k) / 2)
        points = [std * z for z in (-2, -1, -0.3, 0.3, 1, 2)]
        size = max(abs(function(x)) for x in points)
        if not all(abs(function.double(x) - function(x)) <= CLOSE * size for x in points):
            return Fraction(1, 10 ** max(k - 1, 0))
    return Fraction(0)


def _panels(activation: Activation, whole: _Piecewise, slope: _Piecewise) -> tuple[Fraction, list[Any]]:
    """The largest certifiable variance and the panels' edges."""
    reason = DerivationError("")
    for largest in LARGEST:
        try:
            return Fraction(largest), _edges((whole, slope), REACH * mpmath.sqrt(_mpf(Fraction(largest))))
        except DerivationError as error:
            reason = error
    raise DerivationError(
        f"{activation.name} has no closed form, and no Hermite series even for variances up to {float(LARGEST[-1])}: {reason}"
    )


def _edges(functions: Sequence[_Piecewise], end: Any) -> list[Any]:
    """Edges of panels on [-end, end] on which all functions are resolved."""
    scales = [_Scale.of(function, end) for function in functions]
    for function, scale in zip(functions, scales, strict=True):
        _check_growth(function, scale, end)
    start = sorted({-end, mpmath.mpf(0), end, *(e for e in functions[0].edges if abs(e) < end)})
    edges: list[Any] = []
    pending = list(pairwise(start))[::-1]
    while pending:
        left, right = pending.pop()
        if not all(_is_resolved(f, scale, left, right) for f, scale in zip(functions, scales, strict=True)):
            middle = (left + right) / 2
            pending += [(middle, right), (left, middle)]
            if right - left < 1e-9 * end:
                raise DerivationError(f"it or its derivative is singular near x = {float(middle):.3g}.")
            if len(edges) + len(pending) > MOST:
                raise DerivationError(f"it needs more than {MOST} panels, near x = {float(left):.6g}.")
        else:
            edges.append(left)
    return edges[1:]


@dataclass(frozen=True)
class _Scale:
    """The largest |phi| on [-x, x], on a geometric grid of x."""

    points: tuple[Any, ...]
    largest: tuple[Any, ...]

    @staticmethod
    def of(function: _Piecewise, end: Any) -> _Scale:
        points = [end * mpmath.mpf(2) ** (mpmath.mpf(-k) / 4) for k in range(160, -1, -1)]
        largest, top = [], mpmath.mpf(0)
        for x in points:
            top = max(top, abs(function(x)), abs(function(-x)))
            largest.append(top)
        return _Scale(tuple(points), tuple(largest))

    def __call__(self, x: Any) -> Any:
        count = sum(point < x for point in self.points)
        return self.largest[min(count, len(self.largest) - 1)]


def _check_growth(function: _Piecewise, scale: _Scale, end: Any) -> None:
    """Beyond `end`, 16 standard deviations, nothing may be left: phi's growth must not beat exp(-z^2 / 4)."""
    if scale(end) * mpmath.exp(-(REACH**2) / mpmath.mpf(4)) > 1e-16 * scale(end / REACH):
        raise DerivationError(f"it grows too fast up to x = {float(end):.6g}.")


def _is_resolved(function: _Piecewise, scale: _Scale, left: Any, right: Any) -> bool:
    """Whether phi is a polynomial of degree 31 on the panel, and float64 has its values."""
    nodes, _, last = _rule(mpmath.mp.prec)
    half, middle = (right - left) / 2, (right + left) / 2
    points = [middle + half * node for node in nodes]
    values = [function(x) for x in points]
    unit = max(scale(max(abs(left), abs(right))), max(map(abs, values)))
    if not unit:
        return True
    rest = max(abs(mpmath.fdot(zip(row, values, strict=True))) for row in last)
    if rest > RESOLVED * unit:
        return False
    error = max(abs(function.double(x) - value) for x, value in zip(points, values, strict=True))
    if not error <= mpmath.mpf(10) ** -DIGITS * unit:
        raise DerivationError(f"float64 loses its digits near x = {float(middle):.6g}.")
    return True


@lru_cache(maxsize=2)
def _rule(precision: int) -> tuple[list[Any], list[Any], list[list[Any]]]:
    """Nodes and weights, and the rows that give a function's last four Legendre coefficients."""
    nodes, weights = oracle.legendre(NODES, precision)
    last = [
        [w * (k + mpmath.mpf(1) / 2) * mpmath.legendre(k, x) for x, w in zip(nodes, weights, strict=True)]
        for k in range(NODES - 4, NODES)
    ]
    return nodes, weights, last


def _certify(
    activation: Activation, whole: _Piecewise, slope: _Piecewise, rule: ir.SeriesIR, points: int, seed: int
) -> DualCertificate:
    """E[phi^2], E[phi'^2] and Hermite coefficients by the stored rule against the oracle, at random variances."""
    rng = random.Random(seed)
    deviations = []
    for _ in range(points):
        variance = mpmath.mpf(min(float(rule.largest), 100.0)) * mpmath.mpf(10) ** rng.uniform(-2, 0)
        for function in (whole, slope):
            expected = oracle.sample(function, variance, function.edges)
            deviations.append(_deviation(function, rule, variance, expected))
    worst = float(-mpmath.log10(max(*deviations, mpmath.mpf(10) ** -30)))
    if worst < DIGITS:
        raise DerivationError(
            f"The rule for {activation.name} has only {worst:.1f} digits in common with independent quadrature."
        )
    return DualCertificate(points=points, digits=worst, seed=seed)


def _deviation(function: _Piecewise, rule: ir.SeriesIR, variance: Any, expected: oracle.Samples) -> Any:
    """Largest deviation over E[f^2] and h_0 .. h_40, with float64 values at the rule's nodes, relative to sqrt(E[f^2])."""
    std = mpmath.sqrt(variance)
    nodes, weights, _ = _rule(mpmath.mp.prec)
    inner = [_mpf(edge) / std for edge in rule.edges if abs(_mpf(edge)) < REACH * std]
    grid = [REACH - mpmath.mpf(WIDTH) * k for k in range(round(2 * REACH / WIDTH) + 1)]
    z, w, v = [], [], []
    for left, right in pairwise(sorted({*inner, *grid})):
        half, middle = (right - left) / 2, (right + left) / 2
        for node, weight in zip(nodes, weights, strict=True):
            z.append(middle + half * node)
            w.append(half * weight * mpmath.npdf(z[-1]))
            v.append(mpmath.mpf(function.double(std * z[-1])))
    mine = oracle.Samples(z, w, v)
    norm = expected.second_moment() or mpmath.mpf(1)
    mine_h, expected_h = mine.hermite_coefficients(40), expected.hermite_coefficients(40)
    errors = [abs(a - b) / mpmath.sqrt(norm) for a, b in zip(mine_h, expected_h, strict=True)]
    return max(abs(mine.second_moment() - expected.second_moment()) / norm, *errors)


def _mpf(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def _exact(value: Any) -> Fraction:
    """The double next to a number, as a fraction."""
    return Fraction(float(value))


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.7 else math.inf


_SAFE = {"exp": _exp, "cosh": lambda x: math.cosh(x) if abs(x) < 710 else math.inf}
"""Functions as compiled code has them: inf where Python's own raise."""

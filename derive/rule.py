"""Activations without a closed form: on which panels, and up to which variance, their Gaussian expectations are known.

Their duals are Hermite series (theory.md, section 4) whose coefficients compiled code gets from Gauss-Legendre
rules. Here the panels of those rules are found and certified: between two edges phi and phi' are polynomials of
degree 31 to all digits that count, and float64 evaluates them without cancellation or overflow.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
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
from derive.numbers import mpf
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.series import SeriesDual
from derive.smooth import Smooth, nearest, settled, without_growth, without_powers

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
        whole = Smooth.of(parts.edges, parts.branches, without_growth)
        slope = Smooth.of(parts.edges, [branch.diff(SYMBOL) for branch in parts.branches], without_powers)
        whole, slope = settled(whole), settled(slope)
        largest, edges = _panels(activation, whole, slope)
        kinks = tuple((nearest(edge), nearest(whole.jump(i))) for i, edge in enumerate(whole.edges))
        smallest = max(_smallest(whole), _smallest(slope))
        rule = ir.SeriesIR(tuple(map(nearest, edges)), kinks, smallest, largest)
        certificate = _certify(activation, whole, slope, rule, points, seed)
    return Derived(SeriesDual(activation, rule, certificate), whole.code, slope.code)


def _smallest(function: Smooth) -> Fraction:
    """The least power of 1/10 down to which float64 has the function's values to CLOSE of its size; 0 from 1e-12 on."""
    for k in range(13):
        std = mpmath.mpf(10) ** (-mpmath.mpf(k) / 2)
        points = [std * z for z in (-2, -1, -0.3, -1e-2, -1e-4, 1e-4, 1e-2, 0.3, 1, 2)]
        size = max(abs(function(x)) for x in points)
        if not all(abs(function.double(x) - function(x)) <= CLOSE * size for x in points):
            return Fraction(1, 10 ** max(k - 1, 0))
    return Fraction(0)


def _panels(activation: Activation, whole: Smooth, slope: Smooth) -> tuple[Fraction, list[Any]]:
    """The largest certifiable variance and the panels' edges."""
    reason = DerivationError("")
    for largest in LARGEST:
        try:
            return Fraction(largest), _edges((whole, slope), REACH * mpmath.sqrt(mpf(Fraction(largest))))
        except DerivationError as error:
            reason = error
    raise DerivationError(
        f"{activation.name} has no closed form, and no Hermite series even for variances up to {float(LARGEST[-1])}: {reason}"
    )


def _edges(functions: Sequence[Smooth], end: Any) -> list[Any]:
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
    if 0 not in functions[0].edges and not all(math.isfinite(function.double(0)) for function in functions):
        raise DerivationError("float64 has no value at x = 0.")
    return edges[1:]


@dataclass(frozen=True)
class _Scale:
    """The largest |phi| on [-x, x], on a geometric grid of x."""

    points: tuple[Any, ...]
    largest: tuple[Any, ...]

    @staticmethod
    def of(function: Smooth, end: Any) -> _Scale:
        points = [end * mpmath.mpf(2) ** (mpmath.mpf(-k) / 4) for k in range(160, -1, -1)]
        largest, top = [], mpmath.mpf(0)
        for x in points:
            top = max(top, abs(function(x)), abs(function(-x)))
            largest.append(top)
        return _Scale(tuple(points), tuple(largest))

    def __call__(self, x: Any) -> Any:
        count = sum(point < x for point in self.points)
        return self.largest[min(count, len(self.largest) - 1)]


def _check_growth(function: Smooth, scale: _Scale, end: Any) -> None:
    """Beyond `end`, 16 standard deviations, nothing may be left of |phi| exp(-z^2 / 4), compared with its maximum."""
    weighted = [scale(end * z / REACH) * mpmath.exp(-(z**2) / mpmath.mpf(4)) for z in range(1, REACH + 1)]
    if weighted[-1] > 1e-14 * max(weighted):
        raise DerivationError(f"it grows too fast up to x = {float(end):.6g}.")


def _is_resolved(function: Smooth, scale: _Scale, left: Any, right: Any) -> bool:
    """Whether phi is a polynomial of degree 31 on the panel, and float64 has its values."""
    nodes, _, last, probes = _rule(mpmath.mp.prec)
    half, middle = (right - left) / 2, (right + left) / 2
    points = [middle + half * node for node in nodes]
    values = [function(x) for x in points]
    unit = max(scale(max(abs(left), abs(right))), max(map(abs, values)))
    if not unit:
        return True
    rest = max(abs(mpmath.fdot(zip(row, values, strict=True))) for row in last)
    if rest > RESOLVED * unit:
        return False
    for at, row in probes:
        if (
            abs(mpmath.fdot(zip(row, values, strict=True)) - function(middle + half * at))
            > 100 * RESOLVED * unit
        ):
            return False
    error = max(abs(function.double(x) - value) for x, value in zip(points, values, strict=True))
    if not error <= mpmath.mpf(10) ** -DIGITS * unit:
        raise DerivationError(f"float64 loses its digits near x = {float(middle):.6g}.")
    return True


@lru_cache(maxsize=2)
def _rule(precision: int) -> tuple[list[Any], list[Any], list[list[Any]], list[tuple[Any, list[Any]]]]:
    """Nodes and weights; rows that give a function's last four Legendre coefficients, and its interpolant's values at
    probes close to the ends, where a step or a bend could hide from the nodes.
    """
    nodes, weights = oracle.legendre(NODES, precision)

    def values(x: Any) -> list[Any]:
        return [mpmath.legendre(k, x) for k in range(NODES)]

    scaled = [
        [w * (k + mpmath.mpf(1) / 2) * value for k, value in enumerate(values(x))]
        for x, w in zip(nodes, weights, strict=True)
    ]
    last = [[row[k] for row in scaled] for k in range(NODES - 4, NODES)]
    ends = [side * (1 - mpmath.mpf(2) ** -k) for k in range(10, 29, 6) for side in (-1, 1)]
    probes = [(z, [mpmath.fdot(zip(row, values(z), strict=True)) for row in scaled]) for z in ends]
    return nodes, weights, last, probes


def _certify(
    activation: Activation, whole: Smooth, slope: Smooth, rule: ir.SeriesIR, points: int, seed: int
) -> DualCertificate:
    """E[phi^2], E[phi'^2] and Hermite coefficients by the stored rule against the oracle, at random variances."""
    rng = random.Random(seed)
    deviations = []
    for _ in range(points):
        variance = mpmath.mpf(min(float(rule.largest), 100.0)) * mpmath.mpf(10) ** rng.uniform(-2, 0)
        for function in (whole, slope):
            near = [mpmath.mpf(4) ** -k for k in range(8)]
            centres = {mpmath.mpf(0), *function.edges}
            kinks = [centre + side * gap for centre in centres for gap in near for side in (-1, 1)]
            expected = oracle.sample(function, variance, [*function.edges, *kinks])
            deviations.append(_deviation(function, rule, variance, expected))
    worst = float(-mpmath.log10(max(*deviations, mpmath.mpf(10) ** -30)))
    if worst < DIGITS:
        raise DerivationError(
            f"The rule for {activation.name} has only {worst:.1f} digits in common with independent quadrature."
        )
    return DualCertificate(points=points, digits=worst, seed=seed)


def _deviation(function: Smooth, rule: ir.SeriesIR, variance: Any, expected: oracle.Samples) -> Any:
    """Largest deviation over E[f^2] and h_0 .. h_24, with float64 values at the rule's nodes, relative to sqrt(E[f^2])."""
    std = mpmath.sqrt(variance)
    nodes, weights, _, _ = _rule(mpmath.mp.prec)
    inner = [mpf(edge) / std for edge in rule.edges if abs(mpf(edge)) < REACH * std]
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
    mine_h, expected_h = mine.hermite_coefficients(24), expected.hermite_coefficients(24)
    errors = [abs(a - b) / mpmath.sqrt(norm) for a, b in zip(mine_h, expected_h, strict=True)]
    return max(abs(mine.second_moment() - expected.second_moment()) / norm, *errors)

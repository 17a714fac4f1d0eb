"""The independent oracle: duals by Mehler's series with Hermite coefficients from Gauss-Legendre panels.

Nothing of the closed-form code is imported (import-linter enforces it): an activation is a function
of an mpmath number and a list of kinks, and everything else is quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import Any

import mpmath

Function = Callable[[Any], Any]

PANELS = 12
"""Panels on each side of 0, of width 2: He_110 has a phase of at most 21 there, which 32 nodes carry to 1e-39."""
DEEPEST = 14
"""Halvings of a panel on which phi is not yet resolved."""
REACH = 24
"""Half-width of the integration range in standard deviations: exp(-24^2 / 2) = 8e-126, which x^128 leaves negligible."""
NODES = 32
ORDER = 110
"""Terms of Mehler's series: at |rho| <= 1/2 the first one left out is below 2^-110 = 7.7e-34."""


@dataclass(frozen=True)
class Expectation:
    """A value and a bound on its error."""

    value: Any
    error: Any


@dataclass(frozen=True)
class Samples:
    """phi(sqrt(variance) z) at the nodes z of a rule for N(0, 1), with the rule's weights."""

    points: Sequence[Any]
    weights: Sequence[Any]
    values: Sequence[Any]

    def second_moment(self) -> Any:
        """E[phi(sqrt(variance) z)^2]."""
        return mpmath.fsum(w * v * v for w, v in zip(self.weights, self.values, strict=True))

    def hermite_coefficients(self, order: int = ORDER) -> list[Any]:
        """h_j = E[phi(sqrt(variance) z) He_j(z)] / sqrt(j!) for j = 0..order; cost: `hermite_sums`."""
        weighted = [w * v for w, v in zip(self.weights, self.values, strict=True)]
        return hermite_sums(self.points, (weighted,), order)


def hermite_sums(points: Sequence[Any], weighted: Sequence[Sequence[Any]], order: int) -> list[Any]:
    """sum_i weighted[j mod n][i] He_j(z_i) / sqrt(j!) for j = 0..order, n rows of weighted values.

    Cost: O(points order) multiplications of fixed-point integers, 20 ms at 45 digits. Rounding errs by
    about order 2^-20 units of mpmath's precision: |He_j(z)| / sqrt(j!) <= exp(z^2 / 4), by which the weighted values get more bits.
    """
    bits = mpmath.mp.prec + 20
    deep = bits + int(max((z * z for z in points), default=0) / 4 * 1.4427) + 16

    def fixed(value: Any, bits: int = bits) -> int:
        return int(mpmath.nint(mpmath.ldexp(value, bits)))

    rows = [[fixed(value, deep) for value in row] for row in weighted]
    z = [fixed(point) for point in points]
    before, now = [0] * len(z), [1 << bits] * len(z)
    sums = []
    for j in range(order + 1):
        sums.append(mpmath.ldexp(mpmath.mpf(sum(map(mul, rows[j % len(rows)], now))), -bits - deep))
        up, down = fixed(1 / mpmath.sqrt(j + 1)), fixed(mpmath.sqrt(mpmath.mpf(j) / (j + 1)))
        before, now = (
            now,
            [((x * h >> bits) * up - g * down) >> bits for x, h, g in zip(z, now, before, strict=True)],
        )
    return sums


def sample(
    phi: Function,
    variance: Any,
    kinks: Sequence[Any] = (),
    panels: int = PANELS,
    reach: Any = REACH,
    nodes: int = NODES,
) -> Samples:
    """phi at the nodes of a Gauss-Legendre rule on panels split at the kinks, halved until phi^2 is resolved.

    The working precision is mpmath's current one. About 800 evaluations of phi, three times over.
    """
    std = mpmath.sqrt(variance)
    step = mpmath.mpf(reach) / panels
    inner = [kink / std for kink in map(mpmath.mpf, kinks) if abs(kink / std) < reach]
    edges = sorted({*(k * step for k in range(-panels, panels + 1)), *inner})
    whole = [(left, right, _panel(phi, std, left, right, nodes)) for left, right in pairwise(edges)]
    scale = mpmath.fsum(panel.second_moment() for _, _, panel in whole)
    tolerance = scale * mpmath.mpf(10) ** (8 - mpmath.mp.dps)
    parts = [part for panel in whole for part in _resolved(phi, std, *panel, tolerance, DEEPEST)]
    points, weights, values = (
        [x for part in parts for x in getattr(part, name)] for name in Samples.__annotations__
    )
    return Samples(points, weights, values)


def _panel(phi: Function, std: Any, left: Any, right: Any, count: int) -> Samples:
    nodes, weights = legendre(count, mpmath.mp.prec)
    half, middle = (right - left) / 2, (right + left) / 2
    points = [middle + half * node for node in nodes]
    scaled = [half * weight * mpmath.npdf(z) for weight, z in zip(weights, points, strict=True)]
    return Samples(points, scaled, [phi(std * z) for z in points])


def _resolved(
    phi: Function, std: Any, left: Any, right: Any, panel: Samples, tolerance: Any, depth: int
) -> list[Samples]:
    middle = (left + right) / 2
    count = len(panel.points)
    halves = [
        (low, high, _panel(phi, std, low, high, count)) for low, high in ((left, middle), (middle, right))
    ]
    error = abs(panel.second_moment() - sum(half.second_moment() for _, _, half in halves))
    if error <= tolerance or depth == 0:
        return [panel]
    return [part for half in halves for part in _resolved(phi, std, *half, tolerance, depth - 1)]


def dual(h1: Sequence[Any], h2: Sequence[Any], norm1: Any, norm2: Any, rho: Any) -> Expectation:
    """kappa = sum_j h1_j h2_j rho^j (Mehler), with the Cauchy-Schwarz bound on the rest.

    h1, h2 are Hermite coefficients at the two variances, norm1 and norm2 the second moments E[phi^2].
    """
    value = mpmath.fsum(a * b * rho**j for j, (a, b) in enumerate(zip(h1, h2, strict=True)))
    rest = abs(rho) ** len(h1) * _rest(h1, norm1) * _rest(h2, norm2)
    return Expectation(value, rest)


def dual_of_derivative(
    h1: Sequence[Any], h2: Sequence[Any], norm1: Any, norm2: Any, rho: Any, root: Any
) -> Expectation:
    """kappa_dot = sum_j j h1_j h2_j rho^(j-1) / root, root = sqrt(var1 var2) (Price), with its bound."""
    terms = (j * a * b * rho ** (j - 1) for j, (a, b) in enumerate(zip(h1, h2, strict=True)) if j > 0)
    value = mpmath.fsum(terms) / root
    largest = max(j * abs(rho) ** (j - 1) for j in range(len(h1), len(h1) + 10))
    return Expectation(value, largest * _rest(h1, norm1) * _rest(h2, norm2) / root)


def _rest(h: Sequence[Any], norm: Any) -> Any:
    """sqrt(norm - sum h_j^2): the part of phi beyond the series."""
    return mpmath.sqrt(max(norm - mpmath.fsum(x * x for x in h), mpmath.mpf(0)))


@lru_cache(maxsize=8)
def legendre(n: int, precision: int) -> tuple[list[Any], list[Any]]:
    """Gauss-Legendre nodes and weights on [-1, 1] by Newton's iteration; `precision` is mpmath's current one."""
    nodes, weights = [], []
    for k in range(n):
        x = mpmath.cos(mpmath.pi * (k + mpmath.mpf(3) / 4) / (n + mpmath.mpf(1) / 2))
        for _ in range(8):
            value, slope = _legendre_polynomial(n, x)
            x -= value / slope
        _, slope = _legendre_polynomial(n, x)
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope**2))
    return nodes, weights


def _legendre_polynomial(n: int, x: Any) -> tuple[Any, Any]:
    before, now = mpmath.mpf(1), x
    for k in range(2, n + 1):
        before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
    return now, n * (x * now - before) / (x * x - 1)

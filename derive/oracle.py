"""The independent oracle: duals by Mehler's series with Hermite coefficients from Gauss-Legendre panels.

Nothing of the closed-form code is imported (import-linter enforces it): an activation is a function
of an mpmath number and a list of kinks, and everything else is quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath

Function = Callable[[Any], Any]

PANELS = 12
"""Panels on each side of 0, of width 2: He_110 has a phase of at most 21 there, which 32 nodes carry to 1e-39."""
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


def hermite_coefficients(phi: Function, variance: Any, kinks: Sequence[Any], order: int = ORDER) -> list[Any]:
    """h_j = E[phi(sqrt(variance) z) He_j(z)] / sqrt(j!) for j = 0..order, z ~ N(0, 1).

    Gauss-Legendre on panels split at the kinks; the working precision is mpmath's current one.
    Cost: O(panels nodes order) multiplications, 0.15 s at 45 digits.
    """
    std = mpmath.sqrt(variance)
    points, weights = _rule([mpmath.mpf(kink) / std for kink in kinks])
    values = [weight * phi(std * z) * mpmath.npdf(z) for z, weight in zip(points, weights, strict=True)]
    before, now = [mpmath.mpf(0)] * len(points), [mpmath.mpf(1)] * len(points)
    coefficients = []
    for j in range(order + 1):
        coefficients.append(mpmath.fdot(zip(values, now, strict=True)))
        up, down = 1 / mpmath.sqrt(j + 1), mpmath.sqrt(mpmath.mpf(j) / (j + 1))
        before, now = now, [z * up * h - down * g for z, h, g in zip(points, now, before, strict=True)]
    return coefficients


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


def second_moment(phi: Function, variance: Any, kinks: Sequence[Any]) -> Any:
    """E[phi(sqrt(variance) z)^2] by the same panels."""
    std = mpmath.sqrt(variance)
    points, weights = _rule([mpmath.mpf(kink) / std for kink in kinks])
    return mpmath.fsum(
        weight * phi(std * z) ** 2 * mpmath.npdf(z) for z, weight in zip(points, weights, strict=True)
    )


def _rest(h: Sequence[Any], norm: Any) -> Any:
    """sqrt(norm - sum h_j^2): the part of phi beyond the series."""
    return mpmath.sqrt(max(norm - mpmath.fsum(x * x for x in h), mpmath.mpf(0)))


def _rule(kinks: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Nodes and weights of Gauss-Legendre on panels of [-REACH, REACH] split at the kinks."""
    step = mpmath.mpf(REACH) / PANELS
    edges = sorted({*(k * step for k in range(-PANELS, PANELS + 1)), *(k for k in kinks if abs(k) < REACH)})
    nodes, weights = _legendre(NODES, mpmath.mp.prec)
    points, scaled = [], []
    for left, right in pairwise(edges):
        half, middle = (right - left) / 2, (right + left) / 2
        points += [middle + half * node for node in nodes]
        scaled += [half * weight for weight in weights]
    return points, scaled


@lru_cache(maxsize=8)
def _legendre(n: int, precision: int) -> tuple[list[Any], list[Any]]:
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

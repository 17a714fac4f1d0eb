"""Polynomials through values at Chebyshev nodes, as monomials in float64 or float32, with bounds on all errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from numerics.power_series import PI, Coefficients

Longs = NDArray[np.longdouble]

NODES = 48
"""Of an interpolant: degrees up to 40, and eight more coefficients that show the tail."""
GRID = 257
"""Points at which polynomials are compared."""
BETWEEN = 1 / float(np.cos(np.pi * (NODES - 1) / (2 * (GRID - 1))))
"""Largest value of a polynomial of degree NODES - 1, over its largest at GRID Chebyshev points (Ehlich and Zeller 1964)."""
_k = np.arange(NODES)
_COSINES = np.cos(PI * (_k[:, None] * (2 * _k + 1) % (4 * NODES)).astype(np.longdouble) / (2 * NODES))
"""T_k at node j."""
_POINTS = np.cos(PI * np.arange(GRID).astype(np.longdouble) / (GRID - 1))


@dataclass(frozen=True)
class Interpolant:
    """sum_k c_k T_k(x), x = (2 v - low - high) / (high - low), for low <= v <= high, in long doubles.

    Attributes
    ----------
    low, high : float
    c : ndarray of long double, shape (NODES,)
    """

    low: float
    high: float
    c: Coefficients

    def __call__(self, v: Longs) -> Longs:
        """Values at v, by Clenshaw's recurrence."""
        x = (2 * v - self.low - self.high) / (np.longdouble(self.high) - self.low)
        after = following = 0 * x
        for c in self.c[:0:-1]:
            following, after = 2 * x * following - after + c, following
        result: Longs = x * following - after + self.c[0]
        return result

    @property
    def points(self) -> Longs:
        """Chebyshev's extreme points of [low, high], shape (GRID,)."""
        middle, half = _middle_half(self.low, self.high)
        return middle + half * _POINTS

    def tail(self, degree: int) -> float:
        """sum_{k > degree} |c_k|, what cutting off leaves out at most."""
        return float(np.abs(self.c[degree + 1 :]).sum())

    def monomials(self, degree: int, centre: float, scale: float) -> Coefficients:
        """a_k, k = 0 .. degree, of sum_{k <= degree} c_k T_k(x) = sum_k a_k z^k, z = (v - centre) scale."""
        middle, half = _middle_half(self.low, self.high)
        shift, slope = (centre - middle) / half, 1 / (half * scale)  # x = shift + slope z
        after = following = np.zeros(degree + 1, np.longdouble)
        for c in self.c[degree:0:-1]:
            following, after = 2 * _times(following, shift, slope) - after, following
            following[0] += c
        result = _times(following, shift, slope) - after
        result[0] += self.c[0]
        return result


def interpolate(values: Callable[[Sequence[Any]], Longs], low: float, high: float) -> Interpolant:
    """The polynomial of degree NODES - 1 through the values at Chebyshev's nodes, mpmath numbers in (low, high)."""
    with mpmath.workdps(40):
        middle, half = (mpmath.mpf(low) + high) / 2, (mpmath.mpf(high) - low) / 2
        found = values(
            [middle + half * mpmath.cospi(mpmath.mpf(2 * j + 1) / (2 * NODES)) for j in range(NODES)]
        )
    c = _COSINES @ found * 2 / NODES
    c[0] /= 2
    return Interpolant(low, high, c)


@dataclass(frozen=True)
class Rounded:
    """A polynomial whose coefficients are rounded, against the interpolant it is to stand for.

    Attributes
    ----------
    coefficients : ndarray, shape (degree + 1,)
    values, deviation, arithmetic : ndarray of long double, shape (GRID,)
        The interpolant's values, by how much the polynomial differs, and what its evaluation adds at most.
    """

    coefficients: NDArray[Any]
    values: Longs
    deviation: Longs
    arithmetic: Longs


def rounded(
    one: Interpolant, degree: int, centre: float, scale: float, dtype: np.dtype[Any], of_variable: float
) -> Rounded:
    """The interpolant cut off at a degree, as monomials of z = (v - centre) scale in a dtype.

    `of_variable` is the relative error of v, in roundings u = eps / 2. Horner's scheme p_k = p_{k+1} z + a_k, fused or not, errs by
    e_k = |z| e_{k+1} + u (|p_{k+1} z| + |p_k|) (Higham 2002, section 5.1), and z by u (of_variable |v| + |v - centre|) scale.
    """
    u = np.longdouble(np.finfo(dtype).eps) / 2
    with np.errstate(over="ignore"):
        coefficients = one.monomials(degree, centre, scale).astype(dtype)
    v = one.points
    z = (v - centre) * scale
    p, e, slope = np.full(GRID, np.longdouble(coefficients[-1])), 0 * z, 0 * z
    with np.errstate(invalid="ignore", over="ignore"):
        for a in coefficients[-2::-1].astype(np.longdouble):
            slope = slope * z + p
            product = p * z
            p = product + a
            e = np.abs(z) * e + u * (np.abs(product) + np.abs(p))
        e += np.abs(slope) * u * scale * (of_variable * np.abs(v) + (np.abs(v - centre) if centre else 0))
        values = one(v)
        return Rounded(coefficients, values, BETWEEN * np.abs(p - values), BETWEEN * e)


def _middle_half(low: float, high: float) -> tuple[np.longdouble, np.longdouble]:
    return (np.longdouble(low) + high) / 2, (np.longdouble(high) - low) / 2


def _times(a: Coefficients, shift: Any, slope: Any) -> Coefficients:
    """(shift + slope z) sum_k a_k z^k, cut off."""
    result: Coefficients = shift * a
    result[1:] += slope * a[:-1]
    return result

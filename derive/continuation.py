"""kappa(rho) of one activation at one variance, up to its singularities beyond |rho| = 1 (theory.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath

from derive.activation import Activation
from derive.errors import NoClosedForm
from derive.hermite import hermite_coefficients, second_moment
from derive.singularity import Part, singularities
from derive.terms import terms_of

DIGITS = 30
SHORT, LONG, PANELS = 64, 1024, 256
"""Hermite coefficients: at first, at most in the closed class, and at most where they are integrals."""
NEGLIGIBLE = 1e-18
TIED = mpmath.mpf(10) ** -18
"""Relative distance at which rho counts as g, or as 1: kappa is known to 18 digits or more there."""
FITTED = 5
"""Terms S_i (1 - rho/g)^(gamma + i) that stand for the coefficients beyond the last one."""


@dataclass(frozen=True)
class Series:
    """sum_j c_j x^j over the j of one parity, x = rho / g, plus sum_i S_i ((1 - x)^(gamma + i) +- (1 + x)^(gamma + i)).

    `last` is the last coefficient of the whole, `rest` the estimated sum of those left out, both at x = 1.
    """

    parity: int
    coefficients: tuple[Any, ...]
    gamma: Any
    strengths: tuple[Any, ...]
    last: Any
    rest: Any

    def at(self, x: Any) -> tuple[Any, Any, Any]:
        """The sum and its first two derivatives; inf where they are infinite."""
        value, first, second = self._polynomial(x)
        sign = 1 - 2 * self.parity
        for i, S in enumerate(self.strengths):
            p = self.gamma + i
            ends = (1 - x, 1 + x)
            value += S * (_power(ends[0], p) + sign * _power(ends[1], p))
            first += S * p * (sign * _power(ends[1], p - 1) - _power(ends[0], p - 1))
            second += S * p * (p - 1) * (_power(ends[0], p - 2) + sign * _power(ends[1], p - 2))
        return value, first, second

    def _polynomial(self, x: Any) -> tuple[Any, Any, Any]:
        y = x * x
        u, du, ddu = 0 * x, 0 * x, 0 * x
        for c in reversed(self.coefficients):
            ddu, du, u = ddu * y + 2 * du, du * y + u, u * y + c
        if self.parity:
            return x * u, u + 2 * y * du, 6 * x * du + 4 * x * y * ddu
        return u, 2 * x * du, 2 * du + 4 * y * ddu


@dataclass(frozen=True)
class Continuation:
    """The dual of one activation at variance Q.

    Attributes
    ----------
    activation : Activation
    variance : mpmath.mpf
    parts : tuple of Part
        Its singularities, from even and from odd coefficients.
    moment : mpmath.mpf
        kappa(1) = E[phi(u)^2].
    """

    activation: Activation
    variance: Any
    parts: tuple[Part, Part]
    moment: Any

    @property
    def g(self) -> Any:
        """|rho| of the nearest singularity; inf if there is none."""
        return min(part.g for part in self.parts)

    def at(self, rho: Any) -> tuple[Any, Any, Any]:
        """kappa, d kappa / d rho and d^2 kappa / d rho^2 at |rho| <= g; inf where they are infinite."""
        sums = [0 * rho, 0 * rho, 0 * rho]
        for part in self.parts:
            x = _snapped(rho / part.g if mpmath.isfinite(part.g) else rho)
            found = self._series(part.parity, abs(x)).at(x)
            if abs(x) == 1 and part.kind == "stretched" and mpmath.im(part.waves[0].frequency) < 0:
                found = (mpmath.inf,) * 3
            unit = part.g if mpmath.isfinite(part.g) else mpmath.mpf(1)
            sums = [total + value / unit**i for i, (total, value) in enumerate(zip(sums, found, strict=True))]
        if abs(_snapped(rho)) == 1:
            sums[0] = self._whole(_snapped(rho), sums[0])
        return sums[0], sums[1], sums[2]

    def is_singular(self, rho: Any) -> bool:
        """Whether |rho| = g."""
        return bool(mpmath.isfinite(self.g) and abs(_snapped(rho / self.g)) == 1)

    def is_beyond(self, rho: Any) -> bool:
        """Whether |rho| > g."""
        return bool(abs(rho) > self.g) and not self.is_singular(rho)

    def rest(self, rho: Any) -> Any:
        """Estimate of the error of kappa(rho), from the coefficients left out."""
        scaled = [abs(rho) / part.g if mpmath.isfinite(part.g) else abs(rho) for part in self.parts]
        return sum(
            (s := self._series(part.parity, x)).rest * mpmath.mpf(x) ** (2 * len(s.coefficients))
            for part, x in zip(self.parts, scaled, strict=True)
        )

    def _whole(self, rho: Any, value: Any) -> Any:
        """kappa(1), and kappa(-1) of an even or odd phi, are the second moment itself."""
        vanishing = [part.kind == "polynomial" and part.degree == -1 for part in self.parts]
        if rho == 1 or vanishing[1]:
            return self.moment
        return -self.moment if vanishing[0] else value

    def _series(self, parity: int, x: Any) -> Series:
        """As many coefficients as x needs."""
        part = self.parts[parity]
        if part.degree is not None:
            return _polynomial(self.activation, self.variance, parity, part.degree)
        order, longest = SHORT, LONG if _is_closed(self.activation) else PANELS
        series = _series(self.activation, self.variance, parity, order)
        while order < longest and series.last * mpmath.mpf(x) ** order > NEGLIGIBLE * self._size(series, x):
            order *= 2
            series = _series(self.activation, self.variance, parity, order)
        return series


    def _size(self, series: Series, x: Any) -> Any:
        """What the terms left out are compared with: an entire kappa may be far below its value at 1."""
        if self.parts[series.parity].kind != "entire":
            return self.moment
        return sum(c * x ** (2 * i + series.parity) for i, c in enumerate(series.coefficients))


@lru_cache(maxsize=256)
def continuation(activation: Activation, variance: Any) -> Continuation:
    """The dual of an activation at a variance (Fraction or mpmath number), beyond |rho| = 1 too.

    Notes
    -----
    sum_j h_j^2 rho^j with up to 1024 Hermite coefficients, 256 where they are integrals; at an algebraic singularity
    the coefficients beyond are those of S (1 - rho/g)^gamma and its next four orders, fitted to the last ones: 18 digits and
    more of kappa. Where they oscillate, of S (1 - rho/g)^gamma alone: 6 digits at rho = g.
    """
    with mpmath.workdps(DIGITS):
        exact = mpmath.mpf(variance.numerator) / variance.denominator if hasattr(variance, "numerator") else +variance
        return Continuation(activation, exact, singularities(activation, variance), second_moment(activation, exact, DIGITS))


@lru_cache(maxsize=256)
def _is_closed(activation: Activation) -> bool:
    try:
        terms_of(activation)
    except NoClosedForm:
        return False
    return True


@lru_cache(maxsize=256)
def _polynomial(activation: Activation, variance: Any, parity: int, degree: int) -> Series:
    h = hermite_coefficients(activation, variance, max(degree, 1), DIGITS)
    return Series(parity, tuple(h[j] ** 2 for j in range(parity, degree + 1, 2)), mpmath.mpf(0), (), mpmath.mpf(0), mpmath.mpf(0))


@lru_cache(maxsize=512)
def _series(activation: Activation, variance: Any, parity: int, order: int) -> Series:
    part = singularities(activation, variance)[parity]
    unit = part.g if mpmath.isfinite(part.g) else mpmath.mpf(1)
    h = hermite_coefficients(activation, variance, order, DIGITS)
    scaled = [h[j] ** 2 * unit**j for j in range(parity, order + 1, 2)]
    if part.kind != "algebraic":
        return Series(parity, tuple(scaled), mpmath.mpf(0), (), max(scaled[-2:]), max(scaled[-2:]) * order)
    strengths = (part.strength,) if len(part.waves) > 1 else _fitted(scaled, parity, part.gamma)
    tails = _tails(strengths, part.gamma, parity, len(scaled))
    rest = [c - tail for c, tail in zip(scaled, tails, strict=True)]
    error = max(abs(rest[-1 - len(rest) // 8]), abs(scaled[-1]) * mpmath.mpf(10) ** -20) * order
    return Series(parity, tuple(rest), part.gamma, strengths, scaled[-1], error)


def _fitted(scaled: list[Any], parity: int, gamma: Any) -> tuple[Any, ...]:
    """S_0 .. S_4 that give the last coefficients at five indices between half and all of them."""
    rows = [len(scaled) - 1 - i * len(scaled) // (2 * FITTED) for i in range(FITTED)]
    with mpmath.workdps(2 * DIGITS):
        weights = [mpmath.mpf(row + 1) ** (gamma + 1) for row in rows]
        matrix = mpmath.matrix(
            [
                [w * 2 * mpmath.gammaprod([n - gamma - i], [-gamma - i, n + 1]) for i in range(FITTED)]
                for w, n in zip(weights, (2 * row + parity for row in rows), strict=True)
            ]
        )
        right = mpmath.matrix([w * scaled[row] for w, row in zip(weights, rows, strict=True)])
        return tuple(mpmath.lu_solve(matrix, right))


def _tails(strengths: tuple[Any, ...], gamma: Any, parity: int, count: int) -> list[Any]:
    """Coefficients of sum_i S_i ((1 - x)^p +- (1 + x)^p), p = gamma + i, by c_{n+2} = c_n (n - p)(n + 1 - p) / ((n+1)(n+2))."""
    total = [mpmath.mpf(0)] * count
    for i, S in enumerate(strengths):
        p = gamma + i
        c = -2 * S * p if parity else 2 * S
        for row in range(count):
            n = 2 * row + parity
            total[row] += c
            c *= (n - p) * (n + 1 - p) / ((n + 1) * (n + 2))
    return total


def _power(base: Any, exponent: Any) -> Any:
    """base^exponent for base >= 0, inf at a pole."""
    if base > 0:
        return base**exponent
    return mpmath.mpf(0) if exponent > 0 else mpmath.mpf(1) if exponent == 0 else mpmath.inf


def _snapped(x: Any) -> Any:
    """x, or +-1 if it is as close as rounding errors."""
    return mpmath.sign(x) if abs(abs(x) - 1) < TIED else x

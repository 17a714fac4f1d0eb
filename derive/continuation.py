"""kappa(rho) of one activation at one variance, up to its singularities beyond |rho| = 1 (theory.md, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import sympy

from derive.activation import Activation
from derive.errors import NoClosedForm, NumericalError
from derive.hermite import hermite_coefficients, second_moment
from derive.numbers import mpf
from derive.parts import Part
from derive.singularity import singularities
from derive.terms import terms_of

DIGITS, ACCURATE = 30, 22
"""Digits that are carried, and those of the Hermite coefficients."""
SHORT, LONG, PANELS = 64, 1024, 256
"""Hermite coefficients: at first, at most in the closed class, and at most where they are integrals."""
NEGLIGIBLE = 1e-18
TIED = mpmath.mpf(10) ** -18
"""Relative distance at which rho counts as g, or as 1: kappa is known to 18 digits or more there."""
SLACK = 1e-5
"""What sum_j h_j^2 may exceed E[phi^2] by: the latter is an integral, least accurate at variances far above 1."""
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

    def at(self, x: Any, orders: int) -> list[Any]:
        """The sum and its first `orders` (0 to 2) derivatives; inf where they are infinite."""
        sums = self._polynomial(x, orders)
        sign = 1 - 2 * self.parity
        for i, S in enumerate(self.strengths):
            p = self.gamma + i
            for n in range(orders + 1):
                ends = sign * _power(1 + x, p - n) + (-1) ** n * _power(1 - x, p - n)
                sums[n] += S * ends * mpmath.ff(p, n)
        return sums

    def _polynomial(self, x: Any, orders: int) -> list[Any]:
        """By Horner's rule in y = x^2."""
        y = x * x
        u, du, ddu = 0 * x, 0 * x, 0 * x
        for c in reversed(self.coefficients):
            if orders:
                ddu, du = ddu * y + 2 * du if orders == 2 else ddu, du * y + u
            u = u * y + c
        if self.parity:
            return [x * u, u + 2 * y * du, 6 * x * du + 4 * x * y * ddu][: orders + 1]
        return [u, 2 * x * du, 2 * du + 4 * y * ddu][: orders + 1]


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

    def at(self, rho: Any, orders: int = 0) -> list[Any]:
        """kappa and its first `orders` derivatives in rho, 0 to 2, at |rho| <= g; inf where they are infinite."""
        whole = _snapped(rho)
        known = self._at_one(whole)[: orders + 1] if abs(whole) == 1 else []
        if len(known) > orders:
            return known
        sums = [0 * rho] * (orders + 1)
        for part in self.parts:
            unit = part.g if mpmath.isfinite(part.g) else mpmath.mpf(1)
            x = _snapped(rho / unit)
            found = self._series(part.parity, abs(x)).at(x, orders)
            if abs(x) == 1:
                found = _with_poles(found, part, x)
            sums = [total + value / unit**n for n, (total, value) in enumerate(zip(sums, found, strict=True))]
        return [*known, *sums[len(known) :]]

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

    def _at_one(self, rho: Any) -> list[Any]:
        """At rho = 1, and at -1 if phi is even or odd: kappa = +-E[phi^2] and, if finite, its slope +-Q E[phi'^2]."""
        vanishing = [part.degree == -1 for part in self.parts]
        if rho < 0 and not any(vanishing):
            return []
        sign = -1 if rho < 0 and vanishing[0] else 1
        if any(part.g == 1 and part.kind == "algebraic" and part.gamma <= 1 for part in self.parts):
            return [sign * self.moment]
        return [
            sign * self.moment,
            sign * rho * self.variance * _slope_moment(self.activation, self.variance),
        ]

    def _series(self, parity: int, x: Any) -> Series:
        """As many coefficients as x needs."""
        part = self.parts[parity]
        if part.degree is not None:
            return _polynomial(self.activation, self.variance, parity, part.degree)
        longest = LONG if _is_closed(self.activation) else PANELS
        order = SHORT
        while part.kind != "entire" and order < longest and x**order > NEGLIGIBLE:
            order *= 2
        series = _series(self.activation, self.variance, parity, order)
        while (
            part.kind == "entire"
            and order < longest
            and series.last * x**order > NEGLIGIBLE * series.at(x, 0)[0]
        ):
            order *= 2
            series = _series(self.activation, self.variance, parity, order)
        return series


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
        exact = mpf(variance)
        return Continuation(
            activation, exact, singularities(activation, variance), _moment(activation, exact)
        )


@lru_cache(maxsize=256)
def _moment(activation: Activation, variance: Any) -> Any:
    """E[phi^2]; in closed form for sums of x^n exp(a x + b x^2), which may oscillate fast."""
    if not _is_closed(activation) or any(term.gate is not None for term in terms_of(activation)):
        return second_moment(activation, variance, DIGITS)
    terms = [
        (
            *(
                mpmath.mpmathify(sympy.N(e.subs(activation.values), 2 * DIGITS))
                for e in (t.coefficient, t.alpha, t.beta)
            ),
            t.power,
        )
        for t in terms_of(activation)
    ]
    return mpmath.re(
        mpmath.fsum(
            c * d * _exponential_moment(a + b, beta + gamma, n + m, variance)
            for c, a, beta, n in terms
            for d, b, gamma, m in terms
        )
    )


def _exponential_moment(alpha: Any, beta: Any, power: int, variance: Any) -> Any:
    """E[x^n exp(alpha x + beta x^2)], x ~ N(0, Q): x is N(mean, width) there."""
    width = variance / (1 - 2 * beta * variance)
    mean = alpha * width
    before, now = mpmath.mpf(0), mpmath.mpf(1)
    for n in range(power):
        before, now = now, mean * now + n * width * before
    return now * mpmath.sqrt(width / variance) * mpmath.exp(alpha * mean / 2)


@lru_cache(maxsize=256)
def _slope_moment(activation: Activation, variance: Any) -> Any:
    """E[phi'^2]."""
    return second_moment(activation, variance, DIGITS, slope=True)


@lru_cache(maxsize=256)
def _is_closed(activation: Activation) -> bool:
    try:
        terms_of(activation)
    except NoClosedForm:
        return False
    return True


@lru_cache(maxsize=256)
def _polynomial(activation: Activation, variance: Any, parity: int, degree: int) -> Series:
    h = hermite_coefficients(activation, variance, degree, ACCURATE) if degree >= parity else []
    return Series(
        parity,
        tuple(h[j] ** 2 for j in range(parity, degree + 1, 2)),
        mpmath.mpf(0),
        (),
        mpmath.mpf(0),
        mpmath.mpf(0),
    )


@lru_cache(maxsize=512)
def _series(activation: Activation, variance: Any, parity: int, order: int) -> Series:
    part = singularities(activation, variance)[parity]
    unit = part.g if mpmath.isfinite(part.g) else mpmath.mpf(1)
    h = hermite_coefficients(activation, variance, order, ACCURATE)
    scaled = tuple(h[j] ** 2 * unit**j for j in range(parity, order + 1, 2))
    last = max(scaled[-2:])
    if sum(x * x for x in h) > (1 + SLACK) * _moment(activation, variance):
        raise NumericalError(
            f"The Hermite coefficients of {activation.name} at variance {float(variance):.3g} are not accurate enough: "
            "choose a smaller q, W_std or b_std."
        )
    if part.kind == "entire" or last * order < NEGLIGIBLE * sum(scaled):
        return Series(parity, scaled, mpmath.mpf(0), (), last, last * order)
    gamma, strengths, error = _beyond(scaled, part)
    tails = _tails(strengths, gamma, parity, len(scaled))
    rest = tuple(c - tail for c, tail in zip(scaled, tails, strict=True))
    return Series(parity, rest, gamma, strengths, last, error * last * order)


def _beyond(scaled: Sequence[Any], part: Part) -> tuple[Any, tuple[Any, ...], float]:
    """gamma and strengths that stand for the coefficients left out, and their relative error.

    The last quarter of the coefficients decides whether they have reached their asymptotic form; where they have not, at
    variances far above 1, a power fitted to them goes on.
    """
    half = len(scaled) // 2
    found = [sum(scaled[half:]), sum(scaled[half // 2 : half])]
    if part.kind == "algebraic" and part.strength is not None:
        tails = _tails((part.strength,), part.gamma, part.parity, len(scaled))
        if abs(found[0] / sum(tails[half:]) - 1) < 0.3:
            if len(part.waves) > 1:
                return part.gamma, (part.strength,), 0.5
            strengths = _fitted(scaled, part.parity, part.gamma)
            if abs(strengths[0] / part.strength - 1) < 1e-3:
                return part.gamma, strengths, float(abs(strengths[0] / part.strength - 1))
    if part.kind == "algebraic" and not part.waves:
        return part.gamma, _fitted(scaled, part.parity, part.gamma), 1e-3
    power = max(mpmath.log(found[1] / found[0], 2), mpmath.mpf(1) / 4) + mpmath.mpf("0.01234")  # no integer
    tails = _tails((mpmath.mpf(1),), power, part.parity, len(scaled))
    return power, (found[0] / sum(tails[half:]),), 0.5


def _fitted(scaled: Sequence[Any], parity: int, gamma: Any) -> tuple[Any, ...]:
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


def _with_poles(sums: list[Any], part: Part, x: Any) -> list[Any]:
    """inf where (1 - |x|)^(gamma - n) or growing waves make the n-th derivative infinite at x = +-1."""
    if part.kind == "stretched":
        infinite = 3 * [bool(part.waves) and mpmath.im(part.waves[0].frequency) < 0]
    else:
        infinite = [part.kind == "algebraic" and part.gamma < n for n in range(3)]
    signs = [x ** (part.parity + n) for n in range(3)]
    return [s * mpmath.inf if b else v for v, b, s in zip(sums, infinite, signs, strict=False)]


def _snapped(x: Any) -> Any:
    """x, or +-1 if it is as close as rounding errors."""
    return mpmath.sign(x) if abs(abs(x) - 1) < TIED else x

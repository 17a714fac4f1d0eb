"""Hermite coefficients of an activation: kappa(rho) = sum_j h_j^2 rho^j at variance Q (theory.md, section 4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import sympy

from derive import oracle
from derive.activation import Activation
from derive.errors import NoClosedForm, NumericalError
from derive.numbers import divided_differences, mpf
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.terms import Gate, Term, terms_of

Values = dict[sympy.Symbol, sympy.Rational]

GUARD = 30
"""Digits carried beyond those asked for: sums may cancel 10^22, and what cancels beyond that is 0."""
MOST_DIGITS = 2000
NODES, PHASE = 64, 32.0
"""A Gauss-Legendre rule of 64 nodes integrates exp(i p x), |x| <= 1, |p| <= 32, to (e 32 / 256)^128 = 1e-60."""
LARGEST_POLYNOMIAL = 10
"""Degree up to which the even or the odd part of an activation is recognised as a polynomial."""


def hermite_coefficients(activation: Activation, variance: Any, order: int, digits: int = 30) -> list[Any]:
    """h_j = E[phi(sqrt(variance) z) He_j(z)] / sqrt(j!), z ~ N(0, 1), for j = 0 .. order.

    Parameters
    ----------
    activation : Activation
    variance : mpmath number or Fraction, positive
    order : int
    digits : int
        Relative accuracy; exact zeros are 0.

    Returns
    -------
    list of mpmath.mpf

    Raises
    ------
    NumericalError
        If the coefficients fall so fast that 2000 digits do not reach them.

    Notes
    -----
    Closed class (`derive.terms`): recurrences in j, 0.03 ms per coefficient and term. All others: Gauss-Legendre
    panels, 1 s for 1,000 coefficients of tanh. Both kept between calls.
    """
    with mpmath.workdps(digits + GUARD):
        variance = mpf(variance)
        known = _known(activation, variance, digits)
        if len(known) <= order:
            known[:] = _coefficients(activation, variance, order, digits)
        return known[: order + 1]


@lru_cache(maxsize=64)
def _known(activation: Activation, variance: Any, digits: int) -> list[Any]:
    """The coefficients found so far."""
    return []


@lru_cache(maxsize=256)
def second_moment(activation: Activation, variance: Any, digits: int = 30, slope: bool = False) -> Any:
    """E[phi(sqrt(variance) z)^2], or with phi' in phi's place, by panels; phi' without point masses.

    Cost: 0.1 s; kept between calls.
    """
    with mpmath.workdps(digits + GUARD // 2):
        phi, edges = _function(activation, slope)
        return +oracle.sample(phi, variance, edges).second_moment()


def _coefficients(activation: Activation, variance: Any, order: int, digits: int) -> tuple[Any, ...]:
    try:
        terms = _terms(activation)
    except NoClosedForm:
        return _by_panels(activation, variance, order, digits)
    return _by_recurrence(terms, activation.values, variance, order, digits)


@lru_cache(maxsize=64)
def _terms(activation: Activation) -> tuple[Term, ...]:
    return terms_of(activation)


def _by_recurrence(
    terms: Sequence[Term], parameters: Values, variance: Any, order: int, digits: int
) -> tuple[Any, ...]:
    """Sums over the terms, with more digits until what is left of them has enough."""
    for precision in (digits + GUARD, 2 * digits + 4 * GUARD, 4 * digits + 16 * GUARD):
        with mpmath.workdps(precision):
            total, size = [mpmath.mpf(0)] * (order + 1), [mpmath.mpf(0)] * (order + 1)
            for term in terms:
                for j, (value, reach) in enumerate(_moments(term, parameters, variance, order)):
                    total[j] += value
                    size[j] += reach
            noise = mpmath.mpf(10) ** (8 - precision)
            enough = mpmath.mpf(10) ** (digits - precision)
            total = [
                value if abs(value) > noise * reach else mpmath.mpf(0)
                for value, reach in zip(total, size, strict=True)
            ]
            if all(
                value == 0 or abs(value) > enough * reach for value, reach in zip(total, size, strict=True)
            ):
                return tuple(value / mpmath.sqrt(mpmath.factorial(j)) for j, value in enumerate(total))
    raise NumericalError("The Hermite coefficients cancel beyond 600 digits: simplify the activation.")


def _moments(term: Term, parameters: Values, variance: Any, order: int) -> list[tuple[Any, Any]]:
    """E[term(sqrt(variance) z) He_j(z)], and the size of the numbers it was summed from, for j = 0 .. order.

    exp(alpha x + beta x^2) turns N(0, 1) into `factor` times N(mean, width); a power of x is a step up and
    a step down in j: z He_j = He_{j+1} + j He_{j-1}.
    """
    coefficient, alpha, beta = (_number(e, parameters) for e in (term.coefficient, term.alpha, term.beta))
    scale = mpmath.sqrt(variance)
    width = 1 / (1 - 2 * beta * variance)
    mean = alpha * scale * width
    factor = coefficient * mpmath.sqrt(width) * mpmath.exp(alpha**2 * variance * width / 2)
    if term.gate is None:
        values = _polynomials(mean, width - 1, order + term.power)
    elif isinstance(term.gate, Gate):
        gate = (
            _number(term.gate.slope, parameters) * scale,
            _number(term.gate.offset, parameters),
            term.gate.noise,
        )
        values = _gated(mean, width, gate, order + term.power)
    else:
        raise TypeError("An activation has no point masses.")
    pairs = [(factor * value, abs(factor * value)) for value in values]
    for _ in range(term.power):
        below = [(mpmath.mpf(0), mpmath.mpf(0)), *pairs]
        pairs = [
            (scale * (up + j * down), scale * (high + j * low))
            for j, ((up, high), (down, low)) in enumerate(zip(pairs[1:], below[:-2], strict=True))
        ]
    return [(mpmath.re(value), reach) for value, reach in pairs]


def _polynomials(mean: Any, excess: Any, order: int) -> list[Any]:
    """E[He_j(w)], w ~ N(mean, 1 + excess): V_{j+1} = mean V_j + j excess V_{j-1}."""
    values = [mpmath.mpf(1), mean]
    for j in range(1, order):
        values.append(mean * values[j] + j * excess * values[j - 1])
    return values[: order + 1]


def _gated(mean: Any, width: Any, gate: tuple[Any, Any, int], order: int) -> list[Any]:
    """E[S(w) He_j(w)], w ~ N(mean, width), S(w) = 1[slope w + offset + noise e > 0] averaged over e, by Stein's identity:

    V_{j+1} = mean V_j + j (width - 1) V_{j-1} + width E[S'(w) He_j(w)].
    """
    slope, offset, noise = gate
    spread = noise + slope**2 * width
    at = (slope * mean + offset) / mpmath.sqrt(spread)
    density = slope * mpmath.npdf(at) / mpmath.sqrt(spread)  # of S' under N(mean, width), as below
    centre, excess = mean - slope * width * (slope * mean + offset) / spread, noise * width / spread - 1
    slopes = _polynomials(centre, excess, order)
    values = [mpmath.ncdf(at)]
    for j in range(order):
        lower = j * (width - 1) * values[j - 1] if j else 0
        values.append(mean * values[j] + lower + width * density * slopes[j])
    return values


def _number(expr: sympy.Expr, parameters: Values) -> Any:
    return mpmath.mpmathify(_lambdified(expr.subs(parameters))())


@lru_cache(maxsize=512)
def _lambdified(expr: sympy.Expr) -> Callable[[], Any]:
    return sympy.lambdify((), expr, modules="mpmath")  # type: ignore[no-any-return]  # SymPy is untyped


def _by_panels(activation: Activation, variance: Any, order: int, digits: int) -> tuple[Any, ...]:
    """|He_j(z)| / sqrt(j!) <= exp(z^2 / 4): the reach and the digits follow the smallest coefficient."""
    phi, edges = _function(activation)
    precision = digits + 2 * GUARD
    while precision <= MOST_DIGITS:
        with mpmath.workdps(precision):
            reach = mpmath.sqrt(4 * mpmath.log(10) * precision)
            panels = max(1, int(mpmath.ceil(reach * mpmath.sqrt(order) * precision / 60 / (2 * PHASE))))
            samples = oracle.sample(phi, variance, edges, panels, reach, NODES)
            found = samples.hermite_coefficients(order)
            norm = mpmath.sqrt(samples.second_moment())
            smooth = [_is_polynomial(phi, parity) for parity in (0, 1)]
            noise, enough = (
                norm * mpmath.mpf(10) ** (GUARD // 2 - precision),
                norm * mpmath.mpf(10) ** (digits + GUARD // 2 - precision),
            )
            found = [
                mpmath.mpf(0) if smooth[j % 2] and (j > LARGEST_POLYNOMIAL or abs(h) < noise) else h
                for j, h in enumerate(found)
            ]
            if all(h == 0 or abs(h) > enough for h in found):
                return tuple(found)
        precision *= 2
    raise NumericalError(
        f"Coefficient {order} of {activation.name} at variance {float(variance):.3g} is below 10^-{MOST_DIGITS}: ask for "
        "fewer degrees, or for a larger q or W_std."
    )


def _function(activation: Activation, slope: bool = False) -> tuple[Callable[[Any], Any], list[Any]]:
    """phi or phi' by mpmath, and the kinks."""
    parts = pieces(activation.expr.subs(activation.values))
    edges = [_number(edge, {}) for edge in parts.edges]
    branches = [
        sympy.lambdify(SYMBOL, branch.diff(SYMBOL) if slope else branch, modules="mpmath")
        for branch in parts.branches
    ]
    return (lambda x: mpmath.mpf(branches[bisect_right(edges, x)](x))), edges


def _is_polynomial(phi: Callable[[Any], Any], parity: int) -> bool:
    """Whether the even (0) or odd (1) part is a polynomial of low degree: a vanishing divided difference of order 12."""
    half = LARGEST_POLYNOMIAL // 2 + 1  # points on both sides of 0, where a kink may be
    points = [mpmath.mpf(2 * i + 1) / 8 for i in range(-half, half + 1)]
    sign = -1 if parity else 1
    values = [phi(x) + sign * phi(-x) for x in points]
    *_, (difference,) = divided_differences(values, points)
    return bool(abs(difference) <= max(map(abs, values)) * mpmath.mpf(10) ** (25 - mpmath.mp.dps))

"""Hermite coefficients of an activation: kappa(rho) = sum_j h_j^2 rho^j at variance Q (theory.md, section 4)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import sympy

from derive import oracle
from derive.activation import Activation
from derive.errors import NoClosedForm, NumericalError
from derive.numbers import mpf
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.smooth_coefficients import GUARD, coefficients_by_quadrature, steps_near_zero
from derive.terms import Gate, Term, summands_of

Values = dict[sympy.Symbol, sympy.Rational]

SPARE = 5
"""Digits of them that a recurrence in j may lose; beyond, it begins anew with as many more."""
MOST_LOST = 20_000
"""Order 16,000 at variance 1e6 loses 18,000, and a term takes 20 s."""


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
        If the coefficients fall so fast that 2000 digits do not reach them, or cancel beyond 20,000 digits.

    Notes
    -----
    Sums of terms (`derive.terms.summands_of`): recurrences in j, 0.03 ms per coefficient and term; exponentials beside kinks lose digits
    at large variances, and get as many more (ELU at 1e6: 280 for order 128, 0.03 s). All others: quadrature
    (`derive.smooth_coefficients`), 0.2 s for 100 coefficients of tanh. Both kept between calls.
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
        splits = [*edges, *steps_near_zero(variance, oracle.REACH / oracle.PANELS)]
        return +oracle.sample(phi, variance, splits).second_moment()


def _coefficients(activation: Activation, variance: Any, order: int, digits: int) -> tuple[Any, ...]:
    if has_recurrence(activation):
        return _by_recurrence(_terms(activation), activation.values, variance, order, digits)
    phi, edges = _function(activation)
    return coefficients_by_quadrature(phi, edges, variance, order, digits, activation.name)


def has_recurrence(activation: Activation) -> bool:
    """Whether the coefficients come from recurrences: the closed class, and sines beside kinks."""
    try:
        _terms(activation)
    except NoClosedForm:
        return False
    return True


@lru_cache(maxsize=64)
def _terms(activation: Activation) -> tuple[Term, ...]:
    return summands_of(activation)


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

    With as many more digits as the recurrence loses: 0.22 alpha^2 variance at most, for j beyond alpha^2 variance.
    """
    digits, more = mpmath.mp.dps, 0
    while more <= MOST_LOST:
        with mpmath.workdps(digits + more):
            pairs, lost = _tilted(term, parameters, variance, order)
        if lost <= more + SPARE:
            return pairs
        noise = lost >= digits + more - SPARE  # which shows no more digits than there are
        more = 2 * (digits + more) if noise else lost
    raise NumericalError(
        f"The Hermite coefficients up to {order} at variance {float(variance):.3g} cancel beyond {MOST_LOST} digits: "
        "ask for fewer degrees, or for a smaller q or W_std."
    )


def _tilted(term: Term, parameters: Values, variance: Any, order: int) -> tuple[list[tuple[Any, Any]], int]:
    """`_moments` at the working precision, and the digits lost.

    exp(alpha x + beta x^2) turns N(0, 1) into `factor` times N(mean, width); a power of x is a step up and
    a step down in j: z He_j = He_{j+1} + j He_{j-1}.
    """
    coefficient, alpha, beta = (_number(e, parameters) for e in (term.coefficient, term.alpha, term.beta))
    scale = mpmath.sqrt(variance)
    width = 1 / (1 - 2 * beta * variance)
    mean = alpha * scale * width
    exponent = alpha**2 * variance * width / 2
    factor = coefficient * mpmath.sqrt(width) * mpmath.exp(exponent)
    if term.gate is None:
        values, lost = _polynomials(mean, width - 1, order + term.power), 0
    elif isinstance(term.gate, Gate):
        slope, offset = (_number(e, parameters) for e in (term.gate.slope, term.gate.offset))
        values, lost = _gated(mean, width, (slope * scale, offset, term.gate.noise), order + term.power)
    else:
        raise TypeError("An activation has no point masses.")
    pairs = [(factor * value, abs(factor * value)) for value in values]
    for _ in range(term.power):
        below = [(mpmath.mpf(0), mpmath.mpf(0)), *pairs]
        pairs = [
            (scale * (up + j * down), scale * (high + j * low))
            for j, ((up, high), (down, low)) in enumerate(zip(pairs[1:], below[:-2], strict=True))
        ]
    return [(mpmath.re(value), reach) for value, reach in pairs], lost + _digits(exponent)


def _polynomials(mean: Any, excess: Any, order: int) -> list[Any]:
    """E[He_j(w)], w ~ N(mean, 1 + excess): V_{j+1} = mean V_j + j excess V_{j-1}."""
    values = [mpmath.mpf(1), mean]
    for j in range(1, order):
        values.append(mean * values[j] + j * excess * values[j - 1])
    return values[: order + 1]


def _gated(mean: Any, width: Any, gate: tuple[Any, Any, int], order: int) -> tuple[list[Any], int]:
    """E[S(w) He_j(w)], w ~ N(mean, width), S(w) = 1[slope w + offset + noise e > 0] averaged over e, by Stein's identity:

    V_{j+1} = mean V_j + j (width - 1) V_{j-1} + width E[S'(w) He_j(w)].

    And the digits lost.
    """
    slope, offset, noise = gate
    spread = noise + slope**2 * width
    at = (slope * mean + offset) / mpmath.sqrt(spread)
    density = slope * mpmath.npdf(at) / mpmath.sqrt(spread)  # of S' under N(mean, width), as below
    centre, excess = mean - slope * width * (slope * mean + offset) / spread, noise * width / spread - 1
    slopes = _polynomials(centre, excess, order)
    forces = [width * density * value for value in slopes]
    values = [mpmath.ncdf(at)]
    for j in range(order):
        lower = j * (width - 1) * values[j - 1] if j else 0
        values.append(mean * values[j] + lower + forces[j])
    return values, _lost(mean, width - 1, forces, values) + _digits(at**2)


def _lost(mean: Any, excess: Any, forces: list[Any], values: list[Any]) -> int:
    """Digits that V_{j+1} = mean V_j + j excess V_{j-1} + F_j has lost: `reach`, the recurrence of absolute values, carries
    the rounding, which grows like mean^j also where V_j does not. A V_j that vanishes is measured by its neighbour over mean.
    """
    if mean == 0:
        return 0
    before, reach, bits = mpmath.mpf(0), abs(values[0]), 0
    for j, force in enumerate(forces[: len(values) - 1]):
        before, reach = reach, abs(mean) * reach + j * abs(excess) * before + abs(force)
        size = max(abs(values[j + 1]), abs(values[j]) * math.sqrt(j + 1) / (1 + abs(mean)))
        bits = max(bits, mpmath.mag(reach) - mpmath.mag(size)) if size else bits
    return math.ceil(bits * math.log10(2))


def _digits(exponent: Any) -> int:
    """What exp loses of its exponent's digits."""
    return max(0, math.ceil(mpmath.mag(exponent) * math.log10(2))) if exponent else 0


def _number(expr: sympy.Expr, parameters: Values) -> Any:
    return mpmath.mpmathify(_lambdified(expr.subs(parameters))())


@lru_cache(maxsize=512)
def _lambdified(expr: sympy.Expr) -> Callable[[], Any]:
    return sympy.lambdify((), expr, modules="mpmath")  # type: ignore[no-any-return]  # SymPy is untyped


def _function(activation: Activation, slope: bool = False) -> tuple[Callable[[Any], Any], list[Any]]:
    """phi or phi' by mpmath, and the kinks."""
    parts = pieces(activation.expr.subs(activation.values))
    edges = [_number(edge, {}) for edge in parts.edges]
    branches = [
        sympy.lambdify(SYMBOL, branch.diff(SYMBOL) if slope else branch, modules="mpmath")
        for branch in parts.branches
    ]
    return (lambda x: mpmath.mpf(branches[bisect_right(edges, x)](x))), edges

"""Hermite coefficients of activations without closed forms, by quadrature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath

from derive import oracle
from derive.errors import NumericalError
from derive.numbers import divided_differences
from derive.trapezoid import trapezoidal_coefficients

GUARD = 30
"""Digits carried beyond those asked for: sums may cancel 10^22, and what cancels beyond that is 0."""
MOST_DIGITS = 2000
NODES, PHASE = 64, 32.0
"""A Gauss-Legendre rule of 64 nodes integrates exp(i p x), |x| <= 1, |p| <= 32, to (e 32 / 256)^128 = 1e-60."""
WIDEST = 16
"""Panels beside 0, in x, on which 32 nodes see tanh and its like: the first lies at 0.02."""
LARGEST_POLYNOMIAL = 10
"""Degree up to which the even or the odd part of an activation is recognised as a polynomial."""


def coefficients_by_quadrature(
    phi: Callable[[Any], Any], edges: Sequence[Any], variance: Any, order: int, digits: int, name: str
) -> tuple[Any, ...]:
    """h_0 .. h_order (`derive.hermite.hermite_coefficients`) of phi with kinks at `edges`: by the trapezoidal rule where there are none and
    phi varies slowly enough, else by Gauss-Legendre panels. The digits follow the smallest coefficient.
    """
    precision = digits + 2 * GUARD
    while precision <= MOST_DIGITS:
        with mpmath.workdps(precision):
            rule = None if edges else trapezoidal_coefficients(phi, variance, order, GUARD // 2)
            found, norm = rule or _by_panels(phi, edges, variance, order)
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
        f"Coefficient {order} of {name} at variance {float(variance):.3g} is below 10^-{MOST_DIGITS}: ask for "
        "fewer degrees, or for a larger q or W_std."
    )


def _by_panels(
    phi: Callable[[Any], Any], edges: Sequence[Any], variance: Any, order: int
) -> tuple[list[Any], Any]:
    """The coefficients and sqrt(E[phi^2]). |He_j(z)| / sqrt(j!) <= exp(z^2 / 4): the reach follows the digits."""
    precision = mpmath.mp.dps
    reach = mpmath.sqrt(4 * mpmath.log(10) * precision)
    panels = max(1, int(mpmath.ceil(reach * mpmath.sqrt(order) * precision / 60 / (2 * PHASE))))
    splits = [*edges, *steps_near_zero(variance, reach / panels)]
    samples = oracle.sample(phi, variance, splits, panels, reach, NODES)
    return samples.hermite_coefficients(order), mpmath.sqrt(samples.second_moment())


def steps_near_zero(variance: Any, width: Any) -> list[Any]:
    """x = +-1/16, 1/4, 1, 4, ... within the panels beside 0, if those are wider than WIDEST: what phi does near 0 falls
    between the nodes of such a panel, and halving it shows no difference.
    """
    end = mpmath.sqrt(variance) * width
    powers = range(-2, int(mpmath.ceil(mpmath.log(end, 4)))) if end > WIDEST else ()
    return [sign * mpmath.mpf(4) ** k for k in powers for sign in (-1, 1)]


def _is_polynomial(phi: Callable[[Any], Any], parity: int) -> bool:
    """Whether the even (0) or odd (1) part is a polynomial of low degree: a vanishing divided difference of order 12."""
    half = LARGEST_POLYNOMIAL // 2 + 1  # points on both sides of 0, where a kink may be
    points = [mpmath.mpf(2 * i + 1) / 8 for i in range(-half, half + 1)]
    sign = -1 if parity else 1
    values = [phi(x) + sign * phi(-x) for x in points]
    *_, (difference,) = divided_differences(values, points)
    return bool(abs(difference) <= max(map(abs, values)) * mpmath.mpf(10) ** (25 - mpmath.mp.dps))

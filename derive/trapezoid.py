"""Hermite coefficients of activations analytic on the real line, by the trapezoidal rule: it converges exponentially."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath

from derive.oracle import hermite_sums

HALVINGS = 4
"""Beyond them phi varies so fast near some points that panels, which adapt, cost less."""


def trapezoidal_coefficients(
    phi: Callable[[Any], Any], variance: Any, order: int, guard: int
) -> tuple[list[Any], Any] | None:
    """h_j = E[phi(sqrt(variance) z) He_j(z)] / sqrt(j!) for j = 0 .. order, and sqrt(E[phi^2]); None where steps stay too wide.

    Parameters
    ----------
    phi : callable
        Analytic on the real line, of an mpmath number.
    guard : int
        The results err by at most sqrt(E[phi^2]) 10^(guard - dps), dps mpmath's working precision.

    Notes
    -----
    The rule's error at step h is the transform of phi(sqrt(variance) z) He_j(z) exp(-z^2 / 2) at 2 pi / h. That of the last two factors falls like
    a Gaussian beyond sqrt(j); a strip around the line in which phi is analytic adds exp(-2 pi width / h). Each halving squares the
    error; stated is its power 3/2. Cost: 0.1 s for 150 coefficients of tanh, 0.3 s for 1,000.
    """
    dps = mpmath.mp.dps
    tail = mpmath.sqrt(4 * mpmath.log(10) * dps)  # exp(z^2 / 4), of He_j, exp(-z^2 / 2) < 10^-dps beyond
    step = 2 * mpmath.pi / (tail + mpmath.sqrt(order))
    h, power = _sums(phi, variance, order, step, mpmath.mpf(0), tail)
    aim = mpmath.mpf(10) ** (guard - dps)
    for left in reversed(range(HALVINGS)):
        middle, more = _sums(phi, variance, order, step, step / 2, tail)
        norm = mpmath.sqrt((power + more) / 2)
        change = max((abs(a - b) for a, b in zip(h, middle, strict=True)), default=0)
        h = [(a + b) / 2 for a, b in zip(h, middle, strict=True)]
        power, step = (power + more) / 2, step / 2
        if (change / norm) ** 1.5 <= aim:
            return h, norm
        if (change / norm) ** (1.5 * 2**left) > aim:
            return None
    return None


def _sums(
    phi: Callable[[Any], Any], variance: Any, order: int, step: Any, first: Any, reach: Any
) -> tuple[list[Any], Any]:
    """The rule at z = +-(first + i step), folded onto z >= 0, for all h_j and for E[phi^2]."""
    scale = mpmath.sqrt(variance)
    points = [first + i * step for i in range(int(reach / step) + 1)]
    weights = [step * mpmath.npdf(z) for z in points]
    if first == 0:
        weights[0] /= 2
    pairs = [(w, phi(scale * z), phi(-scale * z)) for w, z in zip(weights, points, strict=True)]
    even, odd = [w * (a + b) for w, a, b in pairs], [w * (a - b) for w, a, b in pairs]
    return hermite_sums(points, (even, odd), order), mpmath.fsum(w * (a * a + b * b) for w, a, b in pairs)

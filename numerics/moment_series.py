"""The moment recursion over positive power series in the cosine (theory.md, sections 3, 5), with bounds on rounding.

kappa(rho) = sum_j h_j^2 rho^j in every layer, with Hermite coefficients from `derive.hermite`: products and compositions
of series whose coefficients are >= 0, for every activation, depth and weight law.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lgamma, log, sqrt
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.activation import Activation
from derive.errors import NumericalError
from derive.hermite import has_recurrence, hermite_coefficients
from derive.lower import network_of
from derive.network import Dense
from derive.numbers import mpf
from numerics.moments import variances
from numerics.power_series import (
    LONG_EPS,
    SMALLEST,
    Coefficients,
    compose,
    derivative,
    integral,
    product,
    recentred,
)

DIGITS = 22
"""Relative accuracy of Hermite coefficients: more than a long double holds."""
MOST_BY_RECURRENCE, MOST_BY_QUADRATURE = 20_000, 4_000
"""Hermite coefficients of one layer: a second, and ten."""


@dataclass(frozen=True)
class Bounded:
    """A series and bounds on the relative errors of its coefficients, both of shape (terms + 1,)."""

    a: Coefficients
    error: NDArray[np.float64]


def moment_series(kernel: ir.KernelIR, q: Fraction, output: str, terms: int) -> Bounded:
    """The series of one output of a network's kernel on the sphere |x|^2 / d = q.

    Raises
    ------
    NumericalError
        If a coefficient is below 1e-4900, or K(t) so nearly constant that it takes too many Hermite coefficients.
    """
    network = network_of(kernel)
    cosine = np.zeros(terms + 1, np.longdouble)
    cosine[1:2] = long_double_of(q)
    start = Bounded(cosine, np.full(terms + 1, LONG_EPS))
    now = _Moments(start, start, Bounded(0 * cosine, start.error))
    with mpmath.workdps(DIGITS + 8):
        variance = iter(variances(kernel, q))
        for layer in network.layers:
            if isinstance(layer, Dense):
                now = _dense(layer, now, network.parameterization)
            else:
                now = _activation(layer, next(variance), now, with_p=output == "rounding")
    p, m = now.p, now.m
    if output != "rounding":
        return now.k if output == "ntk" else m
    gap = p.a - m.a
    shares = np.where(gap > 0, (p.a + m.a) / np.where(gap > 0, gap, 1), 1)
    lost = np.maximum(p.error, m.error) * np.minimum(shares, 1e300).astype(np.float64)
    return Bounded(gap, lost)


def require_range(a: Coefficients, positive: Any) -> None:
    """Raise where coefficients known to be positive are not in the range of long doubles."""
    lost = positive & (a < SMALLEST)
    if lost.any():
        raise NumericalError(
            f"Taylor coefficient {int(np.argmax(lost))} of K(t) is below 1e-4900: ask for fewer degrees, or a larger q or W_std."
        )


def rounding(terms: int) -> NDArray[np.float64]:
    """A product of series rounds coefficient j by about 4 sqrt(j) eps, relative."""
    return np.asarray(LONG_EPS * (8 + 4 * np.sqrt(np.arange(terms + 1))))


def long_double(value: Any) -> Any:
    """An mpmath number as a long double; 0 below its range."""
    sign, mantissa, exponent, bits = value._mpf_
    excess = max(bits - 64, 0)
    rounded = (mantissa + (1 << excess >> 1)) >> excess
    if rounded >= 1 << 64:
        rounded, excess = rounded >> 1, excess + 1
    magnitude = np.ldexp(np.uint64(rounded).astype(np.longdouble), exponent + excess)
    return -magnitude if sign else magnitude


def long_double_of(value: Fraction) -> Any:
    """A fraction as a long double."""
    return long_double(mpf(value))


@dataclass(frozen=True)
class _Moments:
    """Series behind one layer: p, m and the NTK k."""

    p: Bounded
    m: Bounded
    k: Bounded


def _dense(layer: Dense, now: _Moments, parameterization: str) -> _Moments:
    """P = W_std^2 p + b_std^2, M = r W_std^2 m + b_std^2, K = r W_std^2 k + [trained] (r W_std^2 m + b_std^2)."""
    W2, b2, r = (
        long_double_of(value) for value in (layer.W_std**2, layer.b_std**2, layer.law.latent_fraction)
    )
    own = r if parameterization == "ntk" else 1 / long_double_of(layer.law.second_moment)
    bias = np.zeros_like(now.m.a)
    bias[0] = b2
    tangent = own * W2 * now.m.a + bias if layer.trained else 0 * now.m.a
    return _Moments(
        Bounded(W2 * now.p.a + bias, now.p.error + 4 * LONG_EPS),
        Bounded(r * W2 * now.m.a + bias, now.m.error + 4 * LONG_EPS),
        Bounded(r * W2 * now.k.a + tangent, np.maximum(now.k.error, now.m.error) + 4 * LONG_EPS),
    )


def _activation(layer: Activation, variance: Any, now: _Moments, with_p: bool) -> _Moments:
    """p' = kappa(Q, Q, P), m' = kappa(Q, Q, M), k' = kappa_dot(Q, Q, M) K."""
    m, slope = _dual(layer, variance, now.m)
    p = _dual(layer, variance, now.p)[0] if with_p else m
    tangent = product(slope.a, now.k.a) / (long_double(variance) if variance else 1)
    return _Moments(p, m, Bounded(tangent, slope.error + now.k.error + rounding(len(tangent) - 1)))


def _dual(layer: Activation, variance: Any, cov12: Bounded) -> tuple[Bounded, Bounded]:
    """kappa(rho) and kappa'(rho) at the series rho = cov12 / variance: kappa(rho) = kappa(rho_0) + int kappa'(rho) rho' dt.

    Where coefficient i of rho errs by at most beta i, its powers and the composition err in coefficient j by beta j; 2 sqrt(terms) products stand
    one upon another in it.
    """
    if variance == 0:
        nothing = Bounded(np.zeros_like(cov12.a), cov12.error)
        return nothing, nothing
    rho = cov12.a / long_double(variance)
    centre, size, one = rho[0], len(rho), rounding(len(rho) - 1)
    h = hermite_coefficients(layer, variance, _order(layer, float(centre), size), DIGITS)
    a = np.array([long_double(value * value) for value in h])
    require_range(a[:size], np.array([value != 0 for value in h[:size]]))
    moved = rho.copy()
    moved[0] = 0
    outer, sensitivity = recentred(derivative(a)[:-1], centre, size)
    slope = compose(outer, moved)
    at_centre, start_sensitivity = recentred(a, centre, 1)
    j = np.arange(size)
    beta = np.maximum.accumulate(cov12.error / np.maximum(j, 1))
    doubt = cov12.error[0] + 3 * LONG_EPS
    error = (
        one * (2 * sqrt(size) if moved[2:].any() else 1)
        + j * beta
        + np.maximum.accumulate(sensitivity) * doubt
    )
    whole = error + one
    whole[0] = one[0] + start_sensitivity[0] * doubt
    return Bounded(integral(product(slope, derivative(rho)), at_centre[0]), whole), Bounded(slope, error)


def _order(layer: Activation, centre: float, size: int) -> int:
    """Hermite coefficients that carry `size` Taylor coefficients at `centre`: binom(j, size) centre^j falls to 1e-21 of its peak."""
    if centre <= 0:
        return size
    most = MOST_BY_RECURRENCE if has_recurrence(layer) else MOST_BY_QUADRATURE
    rate, wanted = log(centre), 48.4  # ln 1e21

    def weight(j: int) -> float:
        return lgamma(j + 1) - lgamma(size + 1) - lgamma(j - size + 1) + (j - size) * rate

    peak = max(size, round(size / max(1 - centre, size / (2 * most))))
    order, step = peak, max(8, size // 16)
    while weight(order) > weight(peak) - wanted:
        order += step
        if order > most:
            raise NumericalError(
                f"K(t) is nearly constant on the sphere: {centre:.6f} of a layer's variance does not depend on x, which takes "
                f"more than {most} Hermite coefficients of {layer.name}. Lower b_std or the depth, or ask for fewer degrees."
            )
    return order + 2

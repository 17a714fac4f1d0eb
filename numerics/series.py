"""Taylor coefficients of K(t) on a sphere: the moment recursion over positive power series (theory.md, sections 3, 5).

kappa(rho) = sum_j h_j^2 rho^j in every layer, with Hermite coefficients from `derive.hermite`: products and compositions
of series whose coefficients are >= 0, for every activation, depth and weight law.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lgamma, log, sqrt
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.activation import Activation
from derive.baselines import matern_coefficient
from derive.errors import NumericalError
from derive.hermite import hermite_coefficients
from derive.lower import network_of
from derive.network import Dense, Network
from derive.numbers import mpf
from numerics.interpret import interpret
from numerics.moments import total, variances
from numerics.power_series import (
    SERIES,
    Coefficients,
    PowerSeries,
    compose,
    derivative,
    integral,
    product,
    recentred,
)

DIGITS = 22
"""Relative accuracy of Hermite coefficients: more than a long double holds."""
SMALLEST = np.longdouble("1e-4900")


@dataclass(frozen=True)
class TaylorSeries:
    """K(t) = sum_j a_j t^j on a sphere.

    Attributes
    ----------
    coefficients : ndarray of long double, shape (terms + 1,)
        a_0 .. a_terms.
    relative_error : ndarray, shape (terms + 1,)
        Bound on the relative error of each coefficient.
    total, total_error : float
        K(1) and a bound on its error.
    """

    coefficients: Coefficients
    relative_error: NDArray[np.float64]
    total: float
    total_error: float


def taylor_series(kernel: ir.KernelIR, output: str, q: Fraction, terms: int) -> TaylorSeries:
    """Taylor coefficients of a kernel on the sphere |x|^2 / d = q.

    Raises
    ------
    NumericalError
        If a coefficient falls out of the range of long doubles, 1e-4900.

    Notes
    -----
    Cost O(terms^2) for one hidden layer and O(terms^2.5) for each further one: 0.1 s for 300 terms at depth 3 in the closed
    class, 1 s for 1,300; Hermite coefficients by quadrature add 0.5 s a layer at 300 terms.
    """
    kernel.pair.restricted(output)
    if kernel.baseline is not None:
        with mpmath.workdps(DIGITS + 8):
            a, error = _baseline(kernel, q, terms, output), _rounding(terms, 1)
    else:
        network = network_of(kernel)
        with mpmath.workdps(DIGITS + 8):
            *_, last = _layers(network, q, variances(kernel, q), terms, with_p=output == "rounding")
        a = {"ntk": last.k, "nngp": last.m, "rounding": last.p - last.m}[output]
        error = _rounding(terms, sum(isinstance(layer, Activation) for layer in network.layers))
        if output == "rounding":
            shares = np.where(a > 0, (last.p + last.m) / np.where(a > 0, a, 1), 1)
            error = error * np.minimum(shares, 1e300).astype(np.float64)
    lost = (a > 0) & (a < SMALLEST)
    if lost.any():
        raise NumericalError(
            f"Taylor coefficient {int(np.argmax(lost))} of K(t) is below 1e-4900: ask for fewer degrees, or a larger q."
        )
    end, end_error = total(kernel, q, output, terms)
    return TaylorSeries(a, error, float(end), float(end_error))


def _rounding(terms: int, layers: int) -> NDArray[np.float64]:
    """Each product of series rounds by about eps 4 sqrt(j) relative, 2 sqrt(terms) of them stand one upon another in a
    composition, and coefficient j of a composition raises the inner series to powers up to j.
    """
    j = np.arange(terms + 1)
    eps = float(np.finfo(np.longdouble).eps)
    one = eps * (8 + 4 * np.sqrt(j))
    error = one
    for _ in range(1, layers):
        error = error * (1 + j) + one * 2 * sqrt(terms + 1)
    return np.asarray(error + eps)


@dataclass(frozen=True)
class _Moments:
    """Series in the cosine behind one layer: p, m and the NTK k."""

    p: Coefficients
    m: Coefficients
    k: Coefficients


def _layers(
    network: Network, q: Fraction, known: tuple[Any, ...], terms: int, with_p: bool
) -> Iterator[_Moments]:
    """The moment recursion (theory.md, section 3); `known` are Q in front of the activations."""
    cosine = np.zeros(terms + 1, np.longdouble)
    cosine[1:2] = _exact(q)
    now = _Moments(cosine, cosine, 0 * cosine)
    variance = iter(known)
    for layer in network.layers:
        if isinstance(layer, Dense):
            now = _dense(layer, now, network.parameterization)
        else:
            now = _activation(layer, next(variance), now, with_p)
        yield now


def _dense(layer: Dense, now: _Moments, parameterization: str) -> _Moments:
    """P = W_std^2 p + b_std^2, M = r W_std^2 m + b_std^2, K = r W_std^2 k + [trained] (r W_std^2 m + b_std^2)."""
    W2, b2, r = (_exact(value) for value in (layer.W_std**2, layer.b_std**2, layer.law.latent_fraction))
    own = r if parameterization == "ntk" else 1 / _exact(layer.law.second_moment)
    bias = np.zeros_like(now.m)
    bias[0] = b2
    tangent = own * W2 * now.m + bias if layer.trained else 0 * now.m
    return _Moments(W2 * now.p + bias, r * W2 * now.m + bias, r * W2 * now.k + tangent)


def _activation(layer: Activation, variance: Any, now: _Moments, with_p: bool) -> _Moments:
    """p' = kappa(Q, Q, P), m' = kappa(Q, Q, M), k' = kappa_dot(Q, Q, M) K."""
    m, slope = _dual(layer, variance, now.m)
    p = _dual(layer, variance, now.p)[0] if with_p else m
    return _Moments(p, m, product(slope, now.k) / long_double(variance))


def _dual(layer: Activation, variance: Any, cov12: Coefficients) -> tuple[Coefficients, Coefficients]:
    """kappa(rho) and kappa'(rho) at the series rho = cov12 / variance: kappa(rho) = kappa(rho_0) + int kappa'(rho) rho' dt."""
    if variance == 0:
        return np.zeros_like(cov12), np.zeros_like(cov12)
    rho = cov12 / long_double(variance)
    centre, size = rho[0], len(rho)
    h = hermite_coefficients(layer, variance, _order(float(centre), size), DIGITS)
    a = np.array([long_double(value * value) for value in h])
    moved = rho.copy()
    moved[0] = 0
    slope = compose(recentred(derivative(a)[:-1], centre, size), moved)
    start = a @ np.cumprod(np.concatenate([[np.longdouble(1)], np.full(len(a) - 1, centre)]))
    return integral(product(slope, derivative(rho)), start), slope


def _order(centre: float, size: int) -> int:
    """Hermite coefficients that carry `size` Taylor coefficients at `centre`: binom(j, size) centre^j falls to 1e-21 of its peak."""
    if centre <= 0:
        return size
    rate, wanted = log(centre), 48.4  # ln 1e21
    if centre > 0.98:
        raise NumericalError(
            f"The kernel is nearly constant on the sphere: the biases make {centre:.4f} of a layer's variance. Lower b_std."
        )

    def weight(j: int) -> float:
        return lgamma(j + 1) - lgamma(size + 1) - lgamma(j - size + 1) + (j - size) * rate

    peak = max(size, round(size / (1 - centre)))
    order, step = peak, max(8, size // 16)
    while weight(order) > weight(peak) - wanted:
        order += step
    return order + 2


def _baseline(kernel: ir.KernelIR, q: Fraction, terms: int, output: str) -> Coefficients:
    cosine = np.zeros(terms + 1, np.longdouble)
    cosine[1:2] = _exact(q)
    assert kernel.baseline is not None
    if kernel.baseline[0] == "matern" and output != "rounding":
        return _matern(kernel.baseline[1], dict(kernel.parameters)["length_scale"], q, terms)
    values = {**dict(kernel.parameters), "q_x": q, "q_y": q, "m_0": PowerSeries(cosine)}
    result = interpret(kernel.pair.restricted(output), values, SERIES)[output]
    if isinstance(result, PowerSeries):
        return result.a
    constant = np.zeros_like(cosine)
    constant[0] = result
    return constant


def _matern(p: int, length_scale: Fraction, q: Fraction, terms: int) -> Coefficients:
    """nu = p + 1/2, with u^2 = c (1 - t): M_0 = exp(-u), M_i' = c / (2 (2 i - 1)) M_{i-1}, which adds positive numbers only."""
    c = _exact(2 * (2 * p + 1) * q / length_scale**2)
    line = np.zeros(terms + 1, np.longdouble)
    line[:2] = [c, -c][: terms + 1]
    u = SERIES.functions["sqrt"](PowerSeries(line))
    a = SERIES.functions["exp"](u * -1).a
    for i in range(1, p + 1):
        at_zero = sum(_exact(Fraction(str(matern_coefficient(i, j)))) * u.a[0] ** j for j in range(i + 1))
        a = integral(a * c / (2 * (2 * i - 1)), np.exp(-u.a[0]) * at_zero)
    return np.asarray(a)


def _exact(value: Fraction) -> Any:
    return long_double(mpf(value))


def long_double(value: Any) -> Any:
    """An mpmath number as a long double; 0 below its range."""
    sign, mantissa, exponent, bits = value._mpf_
    excess = max(bits - 64, 0)
    rounded = (mantissa + (1 << excess >> 1)) >> excess
    if rounded >= 1 << 64:
        rounded, excess = rounded >> 1, excess + 1
    magnitude = np.ldexp(np.uint64(rounded).astype(np.longdouble), exponent + excess)
    return -magnitude if sign else magnitude

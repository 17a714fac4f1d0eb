"""What becomes of the singular part: NNGP and NTK near a singularity, through the layers by the chain rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mpmath

from derive.continuation import Continuation
from derive.covariances import Net
from derive.local import Local, Singular, derivative_in, dominant, regular, through
from derive.nearest import tied_at
from derive.network import Dense
from derive.numbers import divided_differences, mpf


def moments_near(net: Net, t: Any) -> tuple[Local, Local | None]:
    """NNGP and NTK near t."""
    q = mpf(net.q)
    m, k = Local(q * t, -q * t, mpmath.mpf(0)), None
    parts = [part for i in tied_at(net, t)[:-1] for part in net.stages[i].dual.parts]
    curved = any(wave.frequency != 0 for part in parts for wave in part.waves)
    for stage in net.stages:
        M, K = _dense(stage.dense, m, k, net.latent)
        m, slope = _activation(stage.dual, M, curved)
        k = slope.times(K) if K is not None else None
    return _dense(net.last, m, k, net.latent)


def _dense(layers: Sequence[Dense], m: Local, k: Local | None, latent: bool) -> tuple[Local, Local | None]:
    """M = r W_std^2 m + b_std^2, K = r W_std^2 k + [trained] (M, or W_std^2 m / e + b_std^2)."""
    for layer in layers:
        W, b, r = mpf(layer.W_std) ** 2, mpf(layer.b_std) ** 2, mpf(layer.law.latent_fraction)
        own = m.scaled(W / mpf(layer.law.second_moment), b) if latent else m.scaled(r * W, b)
        m, k = m.scaled(r * W, b), k.scaled(r * W) if k is not None else None
        if layer.trained:
            k = own if k is None else k.plus(own)
    return m, k


def _activation(dual: Continuation, M: Local, curved: bool) -> tuple[Local, Local]:
    """kappa(M) and kappa_dot(M); `curved`: the curvature counts where kappa is singular, as waves of later layers depend on it."""
    Q = dual.variance
    if not mpmath.isfinite(M.value):
        return _unbounded(dual, M)
    rho = M.value / Q
    orders = 1 if dual.is_singular(rho) and not curved else 2
    value, first, second = (v / Q**n for n, v in enumerate([*dual.at(rho, orders), mpmath.mpf(0)][:3]))
    third = mpmath.mpf(0)  # nothing depends on kappa_dot's curvature
    kappa, slope = regular(M, (value, first, second)), regular(M, (first, second, third))
    if not dual.is_singular(rho):
        return kappa, slope
    sign = int(mpmath.sign(rho))
    eta = M.scaled(-sign / (dual.g * Q), 1)
    for part in dual.parts:
        if part.g == dual.g:
            own = through(eta, part, sign)
            kappa = replace(kappa, singular=dominant(own, _finite(kappa.singular)))
            slope = replace(slope, singular=dominant(derivative_in(own, M), _finite(slope.singular)))
    return kappa, slope


def _finite(singular: Singular | None) -> Singular | None:
    """A singular part multiplied by something finite."""
    if singular is None or not all(mpmath.isfinite(abs(wave.amplitude)) for wave in singular.waves):
        return None
    return singular


def _unbounded(dual: Continuation, M: Local) -> tuple[Local, Local]:
    """Behind a pole only polynomials have an exponent: kappa ~ h_D^2 (M / Q)^D."""
    degrees = [part.degree for part in dual.parts if part.degree is not None]
    if len(degrees) < len(dual.parts) or M.singular is None:
        nothing = Local(mpmath.inf, mpmath.inf, mpmath.inf)
        return nothing, nothing
    D = max(degrees)
    top = dual.at(mpmath.mpf(1))[0] if D == 0 else _leading(dual, D)
    power = Local(mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(0))
    powers = [power]
    for _ in range(D):
        powers.append(powers[-1].times(M) if len(powers) > 1 else M)
    kappa = powers[D].scaled(top / dual.variance**D)
    return kappa, powers[max(D - 1, 0)].scaled(D * top / dual.variance**D)


def _leading(dual: Continuation, degree: int) -> Any:
    """h_D^2, from a finite difference of order D: exact for a polynomial of degree D."""
    points = range(degree + 1)
    *_, (leading,) = divided_differences([dual.at(mpmath.mpf(i))[0] for i in points], points)
    return leading

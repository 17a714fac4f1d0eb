"""Curves of predicted laws: what a singularity, or an entire function, of K(t) does to lambda_k (theory.md, section 5)."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath.libmp import NoConvergence

from derive.parts import Wave

FAR = 500
"""Degree (and the dimension) up to which the series in 1/t*^2 converges fast; from there on that in rho^2."""
TERMS = 1e-4
"""Smallest 1 - rho^2 at which the series in rho^2 takes less than a million terms."""
LONGEST = 400_000
"""Terms of the sum over Taylor coefficients that a curve may need."""


@dataclass(frozen=True)
class Tail:
    """Taylor coefficients a_j ~ t_star^-j j^-(gamma + 1) sum Re(amplitude exp(i frequency sqrt(j + 1/2))), for one parity of j."""

    t_star: Any
    gamma: Any
    waves: tuple[Wave, ...]


@dataclass(frozen=True)
class Entire:
    """K(t) = constant + sum w exp(c (t - 1)) over the pairs (w, c) of `terms`, c > 0, the largest c first: what Gaussians are."""

    terms: tuple[tuple[Any, Any], ...]
    constant: Any = 0


def constant_of(tail: Tail, dim: int) -> Any:
    """C of lambda_k ~ C k^-(gamma + dim/2) rho^k, or of C k^-(2 gamma + dim - 1) at t* = 1; None without a steady wave."""
    steady = [wave.amplitude for wave in tail.waves if wave.frequency == 0]
    if not steady:
        return None
    a, half, t = mpmath.re(steady[0]), mpmath.mpf(dim) / 2, tail.t_star
    if t == 1:
        if tail.gamma + half <= 0.5:
            return None  # K is not integrable over the sphere
        return (
            a
            * 2 ** (tail.gamma + dim - 2)
            * mpmath.gamma(tail.gamma + half - 0.5)
            * mpmath.gamma(half)
            / mpmath.sqrt(mpmath.pi)
        )
    root = mpmath.sqrt((t - 1) * (t + 1))
    rho = 1 / (t + root)
    return a * mpmath.gamma(half) * (root / t) ** tail.gamma * (1 - rho**2) ** (half - 1)


def rate_of(t: Any) -> float:
    """rho = t - sqrt(t^2 - 1)."""
    return float(1 / (t + mpmath.sqrt((t - 1) * (t + 1))))


def width_of(t: Any) -> Any:
    """n / k of the Taylor coefficients a_n that lambda_k is made of: t / sqrt(t^2 - 1)."""
    return t / mpmath.sqrt((t - 1) * (t + 1))


def oscillation_of(tail: Tail | None) -> float | None:
    """omega of cos(omega sqrt(k)): waves fade at t* = 1."""
    if tail is None or tail.t_star == 1:
        return None
    waves: list[Wave] = [wave for wave in tail.waves if mpmath.re(wave.frequency) != 0]
    if not waves:
        return None
    largest = max(waves, key=lambda wave: abs(wave.amplitude))
    return float(mpmath.re(largest.frequency) * mpmath.sqrt(width_of(tail.t_star)))


def stretch_of(tail: Tail | None) -> float | None:
    """exp(-c sqrt(n)) of the coefficients makes exp(-c sqrt(n / k) sqrt(k)), and exp(-(3/2) c^(2/3) k^(2/3)) at t* = 1."""
    if tail is None or (c := mpmath.im(tail.waves[0].frequency)) == 0:
        return None
    if tail.t_star == 1:
        return float(mpmath.mpf(3) / 2 * mpmath.cbrt(c**2))
    return float(c * mpmath.sqrt(width_of(tail.t_star)))


def as_float(value: Any) -> float | None:
    """None where float64 holds no such number."""
    result = float(value) if value is not None else math.nan
    return result if math.isfinite(result) and (result != 0 or value == 0) else None


def log_of_entire(entire: Entire, k: int, dim: int) -> float:
    """lambda_k of exp(c (t - 1)) is e^-c Gamma(dim/2) (2/c)^(dim/2 - 1) I_(k + dim/2 - 1)(c)."""
    cancelled = max(0, int(mpmath.log10(entire.terms[0][1])))  # I holds e^c
    with mpmath.workdps(30 + cancelled):
        half = mpmath.mpf(dim) / 2
        scale = mpmath.loggamma(half)
        logs = [
            mpmath.log(w) - c + scale + (half - 1) * mpmath.log(2 / c) + _log_bessel(k + half - 1, c)
            for w, c in entire.terms
        ]
        if k == 0 and entire.constant:
            logs.append(mpmath.log(entire.constant))
        largest = max(logs)
        return float(largest + mpmath.log(mpmath.fsum(mpmath.exp(one - largest) for one in logs)))


def _log_bessel(nu: Any, c: Any) -> Any:
    """log I_nu(c); of large order by Debye's uniform expansion (DLMF 10.41.3), whose next term is below 1e-14."""
    if nu < FAR:
        return mpmath.log(mpmath.besseli(nu, c))
    z = c / nu
    root = mpmath.sqrt(1 + z * z)
    series = mpmath.fsum(mpmath.polyval(U, 1 / root) / nu**i for i, U in enumerate(_DEBYE))
    return (
        nu * (root + mpmath.log(z / (1 + root)))
        - mpmath.log(2 * mpmath.pi * nu * root) / 2
        + mpmath.log(series)
    )


_DEBYE = tuple(
    [mpmath.mpf(coefficient) / denominator for coefficient in coefficients]
    for coefficients, denominator in (
        ((1,), 1),
        ((-5, 0, 3, 0), 24),
        ((385, 0, -462, 0, 81, 0, 0), 1152),
        ((-425425, 0, 765765, 0, -369603, 0, 30375, 0, 0, 0), 414720),
        ((185910725, 0, -446185740, 0, 349922430, 0, -94121676, 0, 4465125, 0, 0, 0, 0), 39813120),
    )
)
"""U_0 to U_4 of DLMF 10.41.10, the highest power first."""


def log_of_tail(tail: Tail, k: int, dim: int) -> float:
    """log |lambda_k| of the singular part alone; ValueError where its series converges too slowly."""
    cancelled = 0 if tail.t_star == 1 else max(0, -int(mpmath.log10(tail.t_star - 1)))
    with mpmath.workdps(30 + cancelled):
        steady = [wave for wave in tail.waves if wave.frequency == 0]
        if steady and (len(tail.waves) == 1 or tail.t_star == 1):
            return float(_closed(tail, mpmath.re(steady[0].amplitude), k, dim))
    return _summed(tail, k, dim)


def _closed(tail: Tail, a: Any, k: int, dim: int) -> Any:
    """a = S / Gamma(-gamma); c_kk = k! Gamma(dim/2) / (2^k Gamma(k + dim/2))."""
    t, gamma, half = tail.t_star, tail.gamma, mpmath.mpf(dim) / 2
    if t == 1:
        constant = constant_of(tail, dim)
        if constant is None:
            return mpmath.inf
        return mpmath.log(abs(constant * mpmath.gammaprod([k - gamma], [k + gamma + dim - 1])))
    rho = 1 / (t + mpmath.sqrt((t - 1) * (t + 1)))
    ratio = mpmath.gammaprod([k - gamma, half], [k + half])
    if k > FAR and dim < FAR and 1 - rho**2 > TERMS:
        series = _series(k - gamma, 1 - gamma - half, k + half, rho**2) * (2 * rho * t) ** -gamma
        return mpmath.log(abs(a * ratio * series)) + k * mpmath.log(rho)
    try:
        series = mpmath.hyp2f1((k - gamma) / 2, (k - gamma + 1) / 2, k + half, 1 / t**2)
    except (NoConvergence, ValueError):
        raise _too_slow(k) from None
    return mpmath.log(abs(a * ratio * series)) - k * mpmath.log(2 * t)


def _too_slow(k: int) -> ValueError:
    return ValueError(
        f"The curve's series at degree {k} converges too slowly: take the law with its constant, or compute the spectrum."
    )


def _series(a: Any, b: Any, c: Any, z: Any) -> Any:
    """2F1(a, b; c; rho^2) = (2 rho t)^gamma (2 rho t)^-k 2F1((k - gamma)/2, (k - gamma + 1)/2; k + half; 1/t^2), DLMF 15.8."""
    lost = int(max(0, -b) * mpmath.log10((1 + z) / (1 - z)))  # b < 0: the first terms alternate
    with mpmath.workdps(mpmath.mp.dps + lost):
        total = term = mpmath.mpf(1)
        n = 0
        while abs(term) > mpmath.eps * abs(total) or n < -b:
            term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z
            total, n = total + term, n + 1
        return total


def _summed(tail: Tail, k: int, dim: int) -> float:
    """sum_j a_j c_kj over j = k, k + 2, ..., by logarithms; c_k,j+2 / c_kj = (j+1)(j+2) / ((j-k+2)(j+k+dim))."""
    log_t, gamma = float(mpmath.log(tail.t_star)), float(tail.gamma)
    waves = [(complex(w.frequency), complex(w.amplitude)) for w in tail.waves]
    decay = waves[0][0].imag
    log_c = math.lgamma(k + 1) + math.lgamma(dim / 2) - k * math.log(2) - math.lgamma(k + dim / 2)
    logs, values, largest = [], [], -math.inf
    for j in range(k, k + 2 * LONGEST, 2):
        if j > 0:
            root = math.sqrt(j + 0.5)
            logs.append(log_c - j * log_t - (gamma + 1) * math.log(j) - decay * root)
            values.append(sum((a * cmath.exp(1j * w.real * root)).real for w, a in waves))
            largest = max(largest, logs[-1])
            if logs[-1] < largest - 40:
                break
        log_c += math.log((j + 1) * (j + 2) / ((j - k + 2) * (j + k + dim)))
    total = math.fsum(value * math.exp(log - largest) for value, log in zip(values, logs, strict=True))
    return largest + math.log(abs(total)) if total else -math.inf

"""Spectra of kernels by routes that share nothing with the predictions, and the laws measured on them.

K(t) is evaluated by the recursion with textbook duals, or a baseline's formula: on a circle in the complex t-plane in long
doubles, whose Fourier coefficients are the Taylor coefficients, for exponential decay; by Gauss-Legendre quadrature over the
angle in multiple precision for power laws. The law log lambda_k = c + k log(rho) + p log(x) + b_1 / x + ...,
x = k + dim/2 - 1, is then solved for at as many degrees as unknowns.

benchmarks/predicted_decay.py prints the table of docs/predicted-decay.md with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import scipy.fft

from derive.activation import Activation
from derive.hermite import hermite_coefficients
from derive.network import Dense
from derive.predict import predict_decay
from derive.prediction import Branch

LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")


# ---- cases


@dataclass(frozen=True)
class Reach:
    """Which degrees of one parity are solved at, geometrically from `low` to `high`, and points or nodes for their eigenvalues."""

    low: int
    high: int
    unknowns: int
    points: int


NEAR, FAR, FARTHEST = (
    Reach(110, 1350, 9, 1 << 15),
    Reach(450, 5400, 9, 1 << 17),
    Reach(7200, 86400, 9, 1 << 21),
)
"""For t* > 1; FAR holds ten times the degrees at which singularities apart by 1e-2 are told apart, FARTHEST by 1e-3."""
QUICK, ANGLES, ROOTS = Reach(18, 150, 9, 240), Reach(45, 500, 20, 700), Reach(60, 400, 18, 1000)
"""For t* = 1; points are Gauss-Legendre nodes, of which cos(k theta) needs k pi / 4, twice as many with `root` 2 (ROOTS),
and the digits the rest.
"""
DIGITS = 160
"""Of quadrature: lambda_500 in dim 50 is 1e-90 of K, and Gauss's nodes are as exact as their number allows."""


@dataclass(frozen=True, eq=False)
class Case:
    """What `predict_decay` is asked, and how the same kernel is computed: `network`, or a baseline with its `formula`."""

    name: str
    network: Any
    get: str = "ntk"
    q: float = 1.0
    parity: int = 0
    root: int = 1
    reach: Reach | None = None
    formula: Callable[[Any, Arithmetic], Any] | None = None

    def branch(self, dim: int) -> Branch:
        """The prediction for this case's degrees."""
        predicted = predict_decay(self.network, dim, self.q, self.get)
        return predicted.odd if self.parity else predicted.even

    def reach_at(self, t_star: float) -> Reach:
        """Degrees and points, unless the case has its own."""
        return self.reach or (FAR if t_star > 1 else ANGLES)


# ---- duals: kappa(rho) and kappa'(rho) / Q at variance Q, for arrays of complex long doubles or for mpmath numbers


@dataclass(frozen=True)
class Arithmetic:
    """sqrt, asin and exp of a number type, and pi."""

    sqrt: Callable[[Any], Any]
    asin: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    pi: Any


ARRAYS = Arithmetic(np.sqrt, np.arcsin, np.exp, PI)


def multiprecision() -> Arithmetic:
    """mpmath at its present precision."""
    return Arithmetic(mpmath.sqrt, mpmath.asin, mpmath.exp, mpmath.pi)


def _arccos(n: int, rho: Any, a: Arithmetic) -> Any:
    """E[relu(u)^n relu(v)^n] for unit variances (Cho and Saul)."""
    sine, angle = a.sqrt(1 - rho) * a.sqrt(1 + rho), a.pi / 2 + a.asin(rho)
    forms = [angle, sine + angle * rho, 3 * sine * rho + angle * (1 + 2 * rho * rho)]
    return forms[n] / (2 * a.pi)


def relu(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """max(x, 0)."""
    return Q * _arccos(1, rho, a), _arccos(0, rho, a)


def leaky_relu(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """relu(x) - slope relu(-x)."""
    slope = a.pi / a.pi / 100
    mixed = [
        (1 + slope**2) * _arccos(n, rho, a) - sign * 2 * slope * _arccos(n, -rho, a)
        for n, sign in ((1, 1), (0, -1))
    ]
    return Q * mixed[0], mixed[1]


def absolute(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """|x|."""
    return 2 * Q * (_arccos(1, rho, a) + _arccos(1, -rho, a)), 2 * (_arccos(0, rho, a) - _arccos(0, -rho, a))


def relu2(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """max(x, 0)^2."""
    return Q**2 * _arccos(2, rho, a), 4 * Q * _arccos(1, rho, a)


def sign(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """sign(x)."""
    return 2 / a.pi * a.asin(rho), 2 / a.pi / (Q * a.sqrt(1 - rho) * a.sqrt(1 + rho))


def erf(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """erf(x)."""
    D, c = 1 + 2 * Q, 2 * Q * rho
    return 2 / a.pi * a.asin(c / D), 4 / a.pi / (a.sqrt(D - c) * a.sqrt(D + c))


def gaussian(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """exp(-x^2 / 2)."""
    A, c = 1 + Q, Q * rho
    root = a.sqrt(A - c) * a.sqrt(A + c)
    return 1 / root, c / root**3


def gelu(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
    """x Phi(x)."""
    A, c = 1 + Q, Q * rho
    root, N = a.sqrt(A - c) * a.sqrt(A + c), Q * Q + c * c * (1 - Q) / A
    angle = (a.pi / 2 + a.asin(c / A)) / (2 * a.pi)
    slope = (2 * c * (1 - Q) / A / root + N * c / root**3 + c / root) / (2 * a.pi)
    return N / (2 * a.pi * root) + c * angle, slope + angle


def by_series(name: str, terms: int = 3000) -> Callable[..., tuple[Any, Any]]:
    """Mehler's series of any activation: coefficients are products' inputs here, not results."""

    def dual(Q: Any, rho: Any, a: Arithmetic) -> tuple[Any, Any]:
        with mpmath.workdps(25):
            variance = mpmath.mpf(str(np.format_float_positional(Q, unique=True))) if a is ARRAYS else Q
            squares = [
                LONG(mpmath.nstr(h * h, 22)) for h in hermite_coefficients(Activation(name), variance, terms)
            ]
        c = np.array(squares, LONG)
        value, slope = np.zeros_like(rho), np.zeros_like(rho)
        for j in range(terms, -1, -1):
            slope = slope * rho + value
            value = value * rho + c[j]
        return value, slope / Q

    return dual


DUALS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "abs": absolute,
    "relu2": relu2,
    "sign": sign,
    "erf": erf,
    "gaussian": gaussian,
    "gelu": gelu,
    "elu": by_series("elu"),
    "hardtanh": by_series("hardtanh"),
}


def kernel_of(case: Case, t: Any, q: Any, a: Arithmetic) -> Any:
    """K(t) by the moment recursion, or a baseline's formula."""
    if case.formula is not None:
        return case.formula(t, a)
    network = case.network

    def number(value: Any) -> Any:
        return (
            LONG(value.numerator) / LONG(value.denominator)
            if a is ARRAYS
            else mpmath.mpf(value.numerator) / value.denominator
        )

    Q, m, k, p = q, q * t, 0 * t, q * t
    for layer in network.layers:
        if isinstance(layer, Dense):
            W, b, r = number(layer.W_std) ** 2, number(layer.b_std) ** 2, number(layer.law.latent_fraction)
            own = (
                W * m / number(layer.law.second_moment) + b
                if network.parameterization == "latent"
                else r * W * m + b
            )
            k = r * W * k + (own if layer.trained else 0)
            Q, m, p = W * Q + b, r * W * m + b, W * p + b
        else:
            dual = DUALS[layer.name]
            value, slope = dual(Q, m / Q, a)
            m, k = value, slope * k
            p = dual(Q, p / Q, a)[0] if case.get == "rounding" else p
            Q = _moment(layer.name, Q, a)
    return {"ntk": k, "nngp": m, "rounding": p - m}[case.get]


def _moment(name: str, Q: Any, a: Arithmetic) -> Any:
    """kappa(1); the slope of sign's is infinite there."""
    if name == "sign":
        return Q / Q
    value = DUALS[name](Q, np.ones(1, np.clongdouble) if a is ARRAYS else mpmath.mpf(1), a)[0]
    return value[0].real if a is ARRAYS else value


# ---- spectra


def log_eigenvalues_of(case: Case, degrees: Sequence[int], dim: int, points: int, t_star: float) -> list[Any]:
    """log lambda_k: from Taylor coefficients where t* > 1, else by quadrature."""
    if t_star > 1:
        return log_eigenvalues(_log_taylor(case, t_star, points), degrees, dim)
    return log_eigenvalues_by_angle(case, degrees, dim, points)


@lru_cache(maxsize=2)
def _log_taylor(case: Case, t_star: float, points: int) -> Any:
    """log a_j for j < points / 10, by Fourier coefficients on the circle of radius t* exp(-40 / points)."""
    radius = LONG(t_star) * np.exp(LONG(-40) / points)
    angles = 2 * PI * np.arange(points // 2 + 1, dtype=LONG) / points
    t = radius * (np.cos(angles) + 1j * np.sin(angles))
    values = kernel_of(case, t, LONG(case.q), ARRAYS)
    # a_j radius^j = (1/n) sum K(radius e^{i theta}) e^{-i j theta}: K's values at conjugate points are conjugate
    a = scipy.fft.irfft(np.conj(values), points)[: points // 10]
    noise = 1e-18 * np.abs(a).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a > noise, np.log(np.maximum(a, noise)), -np.inf) - np.arange(len(a)) * np.log(radius)


def log_eigenvalues(log_a: Any, degrees: Sequence[int], dim: int) -> list[Any]:
    """log sum_j a_j c_kj."""
    found = []
    for k in degrees:
        i = np.arange(k, dtype=LONG)
        lead = np.sum(np.log((i + 1) / (2 * i + dim)))
        j = np.arange(k, len(log_a) - 2, 2, dtype=LONG)
        steps = np.log((j + 1) * (j + 2) / ((j - k + 2) * (j + k + dim)))
        log_c = lead + np.concatenate([[LONG(0)], np.cumsum(steps)])
        terms = log_a[k::2][: len(log_c)] + log_c
        top = terms.max()
        found.append(top + np.log(np.sum(np.exp(terms - top))))
    return found


def log_eigenvalues_by_angle(case: Case, degrees: Sequence[int], dim: int, nodes: int) -> list[Any]:
    """log |integral of K(cos theta) P_k(cos theta)| by Gauss-Legendre over theta^(1/root): K is analytic in it on [0, pi]."""
    with mpmath.workdps(DIGITS):
        angles, weights, cosines, values = _on_angles(case, nodes)
        mass = [w * mpmath.sin(angle) ** (dim - 2) for w, angle in zip(weights, angles, strict=True)]
        total = mpmath.fsum(mass)
        values = [w * value / total for w, value in zip(mass, values, strict=True)]
        found, wanted = {}, set(degrees)
        before, now = [mpmath.mpf(1)] * nodes, cosines
        for k in range(1, max(degrees) + 1):
            if k in wanted:
                found[k] = mpmath.log(abs(mpmath.fdot(values, now)))
            # P_k with P_k(1) = 1
            A, B = mpmath.mpf(2 * k + dim - 2) / (k + dim - 2), mpmath.mpf(k) / (k + dim - 2)
            before, now = now, [A * t * P - B * old for t, P, old in zip(cosines, now, before, strict=True)]
        return [found[k] for k in degrees]


@lru_cache(maxsize=2)
def _on_angles(case: Case, nodes: int) -> tuple[list[Any], ...]:
    """Angles, weights, cosines and K there."""
    points, weights = _legendre(nodes)
    angles = [mpmath.pi * ((1 + x) / 2) ** case.root for x in points]
    weights = [w * case.root * ((1 + x) / 2) ** (case.root - 1) for w, x in zip(weights, points, strict=True)]
    cosines = [mpmath.cos(angle) for angle in angles]
    a = multiprecision()
    return angles, weights, cosines, [kernel_of(case, t, mpmath.mpf(case.q), a) for t in cosines]


@lru_cache(maxsize=2)
def _legendre(n: int) -> tuple[list[Any], list[Any]]:
    """Nodes by Newton's method from double precision, and weights; they lie symmetrically, n even."""
    nodes, weights = [], []
    guess, _ = np.polynomial.legendre.leggauss(n)
    for x in map(mpmath.mpf, guess[: n // 2]):
        for _ in range(8):
            before, now = mpmath.mpf(1), x
            for k in range(2, n + 1):
                before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
            slope = n * (x * now - before) / (x * x - 1)
            step = now / slope
            x -= step
            if abs(step) < mpmath.mpf(10) ** (-DIGITS / 2 - 2):  # the next step would be below the last digit
                break
        slope -= step * 2 * x * slope / (1 - x * x)
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope**2))
    return [*nodes, *(-x for x in reversed(nodes))], [*weights, *reversed(weights)]


# ---- laws


@dataclass(frozen=True)
class Law:
    """log lambda_k = c + k log(rate) + power log(x) + b_1 / x + ..., solved for.

    doubt: by how much degrees 0.8 times as high change rate, power and constant, the power's relative to 1 at least.
    """

    rate: float
    power: float
    constant: float
    doubt: tuple[float, float, float]


def measured(case: Case, dim: int, reach: Reach | None = None) -> Law:
    """The law of a case's eigenvalues; of the prediction only t* is used: at which radius to look, or a power law to expect."""
    t_star = predict_decay(case.network, dim, case.q, case.get).singularity
    reach = reach or case.reach_at(t_star)
    grids = [
        [2 * round(k / 2) + case.parity for k in np.geomspace(f * reach.low, f * reach.high, reach.unknowns)]
        for f in (1, 0.8)
    ]
    every = sorted({k for grid in grids for k in grid})
    logs = dict(zip(every, log_eigenvalues_of(case, every, dim, reach.points, t_star), strict=True))
    laws = [solved(grid, [logs[k] for k in grid], dim, with_rate=t_star > 1) for grid in grids]
    (rate, power, constant), other = laws
    doubt = off(other[0], rate), abs(other[1] - power) / max(1, abs(power)), off(other[2], constant)
    return Law(rate, power, constant, doubt)


def off(found: float, expected: float) -> float:
    """Relative difference; the difference itself from 0."""
    return abs(found / expected - 1) if expected else abs(found)


def solved(
    degrees: Sequence[int], logs: Sequence[Any], dim: int, with_rate: bool
) -> tuple[float, float, float]:
    """Rate, power and constant from as many degrees as there are unknowns."""
    with mpmath.workdps(40):
        rows = []
        for k in degrees:
            x = k + mpmath.mpf(dim) / 2 - 1
            row = [mpmath.mpf(1), mpmath.log(x), *([mpmath.mpf(k)] if with_rate else [])]
            rows.append(row + [x**-i for i in range(1, len(degrees) - len(row) + 1)])
        values = [v if isinstance(v, mpmath.mpf) else mpmath.mpf(str(v)) for v in logs]
        solution = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(values))
        rate = mpmath.exp(solution[2]) if with_rate else 1
        return float(rate), float(solution[1]), float(mpmath.exp(solution[0]))

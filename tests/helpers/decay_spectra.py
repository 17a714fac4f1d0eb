"""Spectra of deep kernels by routes that share nothing with the predictions, and the laws measured on them.

K(t) is evaluated by the recursion with textbook duals: on a circle in the complex t-plane in long doubles, whose Fourier
coefficients are the Taylor coefficients, for exponential decay; by Gauss-Legendre quadrature over the angle in
multiple precision for power laws. The law log lambda_k = c + k log(rho) + p log(x) + b_1 / x + ..., x = k + dim/2 - 1, is
then solved for at as many degrees as unknowns.

    python tests/helpers/decay_spectra.py       the second table of docs/predicted-decay.md
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
from derive.network import Dense, Network, mlp
from derive.predict import predict_decay

LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")
POINTS = 1 << 15


# ---- duals: kappa(rho) and kappa'(rho) / Q at variance Q, for arrays of complex long doubles or for mpmath numbers


@dataclass(frozen=True)
class Arithmetic:
    """sqrt and asin of a number type, and pi."""

    sqrt: Callable[[Any], Any]
    asin: Callable[[Any], Any]
    pi: Any


ARRAYS = Arithmetic(np.sqrt, np.arcsin, PI)


def multiprecision() -> Arithmetic:
    """mpmath at its present precision."""
    return Arithmetic(mpmath.sqrt, mpmath.asin, mpmath.pi)


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


def kernel_of(network: Network, t: Any, q: Any, get: str, a: Arithmetic) -> Any:
    """K(t) by the moment recursion."""

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
            p = dual(Q, p / Q, a)[0] if get == "rounding" else p
            Q = _moment(layer.name, Q, a)
    return {"ntk": k, "nngp": m, "rounding": p - m}[get]


def _moment(name: str, Q: Any, a: Arithmetic) -> Any:
    """kappa(1); the slope of sign's is infinite there."""
    if name == "sign":
        return Q / Q
    value = DUALS[name](Q, np.ones(1, np.clongdouble) if a is ARRAYS else mpmath.mpf(1), a)[0]
    return value[0].real if a is ARRAYS else value


# ---- spectra


def log_taylor(network: Network, q: Any, get: str, t_star: float, count: int) -> Any:
    """log a_j for j < count, by Fourier coefficients on the circle of radius t* exp(-40 / POINTS)."""
    radius = LONG(t_star) * np.exp(LONG(-40) / POINTS)
    angles = 2 * PI * np.arange(POINTS // 2 + 1, dtype=LONG) / POINTS
    t = radius * (np.cos(angles) + 1j * np.sin(angles))
    values = kernel_of(network, t, LONG(q), get, ARRAYS)
    a = scipy.fft.irfft(np.conj(values), POINTS)[:count]
    # a_j radius^j = (1/n) sum K(radius e^{i theta}) e^{-i j theta}: K's values at conjugate points are conjugate
    a = np.real(a)
    noise = 1e-18 * np.abs(a).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a > noise, np.log(np.maximum(a, noise)), -np.inf) - np.arange(count) * np.log(radius)


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


def log_eigenvalues_by_angle(
    network: Network,
    q: Any,
    get: str,
    degrees: Sequence[int],
    dim: int,
    digits: int,
    nodes: int,
    power: int = 1,
) -> list[Any]:
    """log |integral of K(cos theta) P_k(cos theta)| by Gauss-Legendre over theta^(1/power): K is analytic in it on [0, pi]."""
    with mpmath.workdps(digits):
        points, weights = _legendre(nodes, digits)
        angles = [mpmath.pi * ((1 + x) / 2) ** power for x in points]
        weights = [w * power * ((1 + x) / 2) ** (power - 1) for w, x in zip(weights, points, strict=True)]
        a = multiprecision()
        cosines = [mpmath.cos(angle) for angle in angles]
        mass = [w * mpmath.sin(angle) ** (dim - 2) for w, angle in zip(weights, angles, strict=True)]
        total = mpmath.fsum(mass)
        values = [
            w * kernel_of(network, t, mpmath.mpf(q), get, a) / total
            for w, t in zip(mass, cosines, strict=True)
        ]
        found, wanted = {}, set(degrees)
        before, now = [mpmath.mpf(1)] * nodes, cosines
        for k in range(1, max(degrees) + 1):
            if k in wanted:
                found[k] = mpmath.log(abs(mpmath.fsum(v * P for v, P in zip(values, now, strict=True))))
            # P_k with P_k(1) = 1
            before, now = (
                now,
                [
                    ((2 * k + dim - 2) * t * P - k * earlier) / (k + dim - 2)
                    for t, P, earlier in zip(cosines, now, before, strict=True)
                ],
            )
        return [found[k] for k in degrees]


@lru_cache(maxsize=4)
def _legendre(n: int, digits: int) -> tuple[list[Any], list[Any]]:
    nodes, weights = [], []
    guess, _ = np.polynomial.legendre.leggauss(n)
    with mpmath.workdps(digits):
        for x in guess:
            x = mpmath.mpf(float(x))
            for _ in range(8):
                before, now = mpmath.mpf(1), x
                for k in range(2, n + 1):
                    before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
                slope = n * (x * now - before) / (x * x - 1)
                step = now / slope
                x -= step
                if abs(step) < mpmath.mpf(10) ** (2 - digits):
                    break
            nodes.append(x)
            weights.append(2 / ((1 - x * x) * slope**2))
    return nodes, weights


# ---- laws


@dataclass(frozen=True)
class Law:
    """log lambda_k = c + k log(rate) + power log(x) + b_1 / x + ..., solved for; doubt: by how much other degrees change it."""

    rate: float
    power: float
    constant: float
    doubt: tuple[float, float, float]


@dataclass(frozen=True)
class Case:
    """A network, and what is asked of it."""

    name: str
    network: Network
    get: str = "ntk"
    q: float = 1.0
    parity: int = 0
    root: int = 1


DEGREES = ((110, 180, 270, 400, 600, 900, 1350), (100, 150, 220, 330, 500, 750, 1100))
FEW = ((24, 34, 46, 60, 80, 108, 150), (18, 26, 36, 52, 72, 104, 146))


def measured(case: Case, dim: int) -> Law:
    """The law of a case's eigenvalues; only t* tells at which radius to look, and whether to expect a power law."""
    t_star = predict_decay(case.network, dim, case.q, case.get).singularity
    laws = []
    if t_star > 1:
        log_a = log_taylor(case.network, case.q, case.get, t_star, 3200)
    for degrees in DEGREES if t_star > 1 else FEW:
        k = [n + n % 2 + case.parity for n in degrees]
        if t_star > 1:
            logs = log_eigenvalues(log_a, k, dim)
        else:
            logs = log_eigenvalues_by_angle(
                case.network, case.q, case.get, k, dim, 60 + 4 * dim, 240, case.root
            )
        laws.append(solved(k, logs, dim, with_rate=t_star > 1))
    doubt = abs(laws[0][0] / laws[1][0] - 1), abs(laws[0][1] - laws[1][1]), abs(laws[0][2] / laws[1][2] - 1)
    return Law(*laws[0], doubt)


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
        solution = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([mpmath.mpf(str(v)) for v in logs]))
        rate = mpmath.exp(solution[2]) if with_rate else 1
        return float(rate), float(solution[1]), float(mpmath.exp(solution[0]))


def _chain(*layers: tuple[Any, ...] | str) -> Network:
    """Dense layers as (weights, W_std, b_std, trained), activations by name, and a real readout."""
    parts = [Activation(one) if isinstance(one, str) else Dense(*one) for one in layers]
    return Network([*parts, Dense("real")])


CASES = (
    Case("relu, binary", mlp("relu")),
    Case("relu, binary, 2 layers, b 0.5", mlp("relu", 2, b_std="0.5")),
    Case("relu, binary, 3 layers, odd degrees", mlp("relu", 3), parity=1),
    Case("relu, binary, 2 layers, b 0.3, nngp", mlp("relu", 2, b_std="0.3"), "nngp"),
    Case("relu, binary, 2 layers, b 0.3, latent", mlp("relu", 2, b_std="0.3", parameterization="latent")),
    Case("abs, binary, 2 layers", mlp("abs", 2)),
    Case("relu2, binary, 2 layers, b 0.5", mlp("relu2", 2, b_std="0.5")),
    Case("sign, binary, 2 layers, b 0.5", mlp("sign", 2, b_std="0.5")),
    Case("sign, binary, nngp, odd degrees", mlp("sign"), "nngp", parity=1),
    Case("leaky_relu, ternary, 3 layers, W 1.4, b 0.4", mlp("leaky_relu", 3, "ternary", "1.4", "0.4")),
    Case("elu, binary, even degrees", mlp("elu")),
    Case("elu, binary, odd degrees", mlp("elu"), parity=1),
    Case("elu, binary, 2 layers, b 0.5", mlp("elu", 2, b_std="0.5")),
    Case("erf, binary, odd degrees", mlp("erf"), parity=1),
    Case("erf, real, 3 layers, W 1.5, b 0.3", mlp("erf", 3, "real", "1.5", "0.3")),
    Case("gelu, binary, b 0.5", mlp("gelu", b_std="0.5", W_std="1.5")),
    Case("gelu, real, 2 layers, W 1.5, b 0.3", mlp("gelu", 2, "real", "1.5", "0.3")),
    Case("gaussian, real, 2 layers, W 1.5, b 0.3", mlp("gaussian", 2, "real", "1.5", "0.3")),
    Case("relu: binary, real, binary", _chain(("binary", "1.4"), "relu", ("real", "1.4"), "relu", ("binary", "1.4"), "relu")),
    Case("relu, binary, first layer untrained", _chain(("binary", 1, "0.5", False), "relu", ("binary", 1, "0.5"), "relu")),
    Case("real lift, relu, binary", _chain(("real",), ("binary", 1, "0.4"), "relu")),
    Case("relu, real", mlp("relu", 1, "real")),
    Case("relu, real, 3 layers, b 0.3", mlp("relu", 3, "real", b_std="0.3")),
    Case("relu, real, 2 layers, b 0.3, nngp", mlp("relu", 2, "real", b_std="0.3"), "nngp"),
    Case("relu, real, 2 layers, odd degrees", mlp("relu", 2, "real"), parity=1),
    Case("relu2, real, 2 layers, b 0.3", mlp("relu2", 2, "real", b_std="0.3")),
    Case("sign, real, 2 layers, b 0.3, nngp", mlp("sign", 2, "real", b_std="0.3"), "nngp", root=2),
    Case("relu real, erf binary", _chain(("real",), "relu", ("binary", 1, "0.5"), "erf")),
    Case("relu, binary, 2 layers, b 0.3, rounding", mlp("relu", 2, b_std="0.3"), "rounding"),
    Case("relu, real untrained, binary", _chain(("real", 1, "0.3", False), "relu", ("binary", 1, "0.5"), "relu")),
)  # fmt: skip


def main() -> None:
    """Print the table."""
    print("| network | dim | rate | off by | power | off by | C | off by |")
    print("|---|---|---|---|---|---|---|---|")
    for case in CASES:
        for dim in (3, 10):
            found, predicted = measured(case, dim), predict_decay(case.network, dim, case.q, case.get)
            branch = predicted.odd if case.parity else predicted.even
            off = (
                abs(found.rate / branch.rate - 1),
                abs(found.power - branch.power),
                abs(found.constant / branch.constant - 1),
            )
            print(
                f"| {case.name} | {dim} | {branch.rate:.9g} | {off[0]:.0e} | {branch.power:g} | {off[1]:.0e} | "
                f"{branch.constant:.6g} | {off[2]:.0e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

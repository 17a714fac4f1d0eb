"""Laws of decay: the logarithm of an eigenvalue up to a constant, by degree or by index (theory.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]
LONGEST = 12_000
"""Terms of a hypergeometric series."""
Box = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Law:
    """A family of shapes.

    Attributes
    ----------
    name : str
    shape : callable
        (k, shape parameters) -> log lambda_k up to a constant.
    starts : tuple of tuple
        Starting points of the fit, in shape parameters.
    bounds : callable
        Smallest k of the window -> lower and upper bounds of the shape parameters.
    report : callable
        Shape parameters -> the reported ones by name.
    """

    name: str
    shape: Shape
    starts: tuple[tuple[float, ...], ...]
    bounds: Callable[[float], Box]
    report: Callable[[Floats], dict[str, float]]


def law(name: str, dim: int | None, largest: float) -> Law:
    """The law of that name.

    Parameters
    ----------
    name : str
        One of `LAWS`.
    dim : int or None
        Dimension of the sphere for eigenvalues by degree; None for eigenvalues by index, or of unknown origin.
    largest : float
        The largest k, which scales rates by index.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name not in LAWS:
        raise ValueError(f"Unknown law {name!r}: use {', '.join(map(repr, LAWS))}.")
    return _MAKERS[name](dim, largest)


def _exponential(dim: int | None, largest: float) -> Law:
    """(1 - t/t*)^gamma: lambda_k ~ k^-(gamma + dim/2) rho^k; by index, k^-p rho^k."""
    if dim is None:
        return Law(
            "exponential",
            lambda k, at: -at[0] * np.log(k) - np.exp(at[1]) * k / largest,
            starts=tuple((p, rate) for p in (0.0, 2.0) for rate in (0.0, 3.0)),
            bounds=lambda _: ((-60.0, -9.0), (60.0, 8.0)),
            report=lambda at: {"rho": float(np.exp(-np.exp(at[1]) / largest)), "power": -float(at[0])},
        )

    def report(at: Floats) -> dict[str, float]:
        rho, t_star = _rate(at[1])
        return {"rho": rho, "t_star": t_star, "gamma": float(at[0]), "power": -float(at[0]) - dim / 2}

    return Law(
        "exponential",
        lambda k, at: _branch(k, at[0], at[1], dim),
        starts=tuple((gamma, u) for gamma in (-0.6, 0.6, 1.6) for u in (-3.0, -0.7, 0.7)),
        bounds=lambda first: ((max(-8.0, 0.01 - dim / 2), -9.0), (min(8.0, first - 0.5), 7.0)),
        report=report,
    )


def _exponential_root(dim: int | None, largest: float) -> Law:
    """Taylor coefficients t*^-j exp(-c' sqrt(j)): lambda_k ~ k^(1 - dim/2) rho^k exp(-c sqrt(k)); by index without the power of k."""
    if dim is None:
        return Law(
            "exponential-root",
            lambda k, at: -np.exp(at[0]) * k / largest - at[1] * np.sqrt(k / largest),
            starts=((0.0, 1.0), (2.0, 1.0), (2.0, 10.0)),
            bounds=lambda _: ((-9.0, 0.0), (8.0, 1e4)),
            report=lambda at: {
                "rho": float(np.exp(-np.exp(at[0]) / largest)),
                "stretch": float(at[1] / np.sqrt(largest)),
            },
        )
    return Law(
        "exponential-root",
        lambda k, at: _branch(k, -1.0, at[0], dim) - at[1] * np.sqrt(k),
        starts=((-3.0, 1.0), (-0.7, 1.0), (0.7, 1.0), (-0.7, 4.0)),
        bounds=lambda _: ((-9.0, 0.0), (7.0, 60.0)),
        report=lambda at: {"rho": _rate(at[0])[0], "t_star": _rate(at[0])[1], "stretch": float(at[1])},
    )


def _power(dim: int | None, largest: float) -> Law:
    """(1 - t)^gamma: lambda_k ~ k^-(2 gamma + dim - 1); by index, k^-p."""
    if dim is None:
        return Law(
            "power",
            lambda k, at: -at[0] * np.log(k),
            starts=((1.0,),),
            bounds=lambda _: ((-60.0,), (60.0,)),
            report=lambda at: {"power": -float(at[0])},
        )
    return Law(
        "power",
        lambda k, at: np.asarray(gammaln(k - at[0]) - gammaln(k + at[0] + dim - 1)),
        starts=((-0.4,), (0.6,), (1.6,)),
        bounds=lambda first: (((1.5 - dim) / 2,), (min(40.0, first - 0.5),)),
        report=lambda at: {"gamma": float(at[0]), "power": -(2 * float(at[0]) + dim - 1)},
    )


def _stretched(dim: int | None, largest: float) -> Law:
    """Taylor coefficients exp(-c' j^(s / (2 - s))): the sum is largest at j ~ k^(2 - s), where it has

    lambda_k ~ k^-((2 - s) (dim - 1) / 2) exp(-c k^s), 0 < s < 1; by index without the power of k.
    """

    def shape(k: Floats, at: Floats) -> Floats:
        decay = -np.exp(at[0]) * (k / largest) ** at[1]
        return np.asarray(
            decay if dim is None else decay - (2 - at[1]) * (dim - 1) / 2 * np.log(k + dim / 2 - 1)
        )

    return Law(
        "stretched",
        shape,
        starts=tuple((height, s) for height in (1.0, 3.0) for s in (0.25, 0.5, 0.75)),
        bounds=lambda _: ((-5.0, 0.1), (8.0, 0.95)),
        report=lambda at: {"stretch": float(np.exp(at[0]) / largest ** at[1]), "exponent": float(at[1])},
    )


def _super_exponential(dim: int | None, largest: float) -> Law:
    """Taylor coefficients s^j / j!^a: lambda_k ~ (s/2)^k / Gamma(k + dim/2)^a; a = 1 for a Gaussian kernel."""
    shift = 1.0 if dim is None else dim / 2
    return Law(
        "super-exponential",
        lambda k, at: np.asarray(-np.exp(at[0]) * gammaln(k + shift) + at[1] * k),
        starts=((0.0, 0.0), (-1.0, 0.0), (0.0, 3.0)),
        bounds=lambda _: ((-3.0, -60.0), (2.0, 60.0)),
        report=lambda at: {"order": float(np.exp(at[0])), "log_scale": float(at[1])},
    )


def _branch(k: Floats, gamma: float, u: float, dim: int) -> Floats:
    """log of the eigenvalues of (1 - t/t*)^gamma, t* = 1 + e^u:

    Gamma(k - gamma) / Gamma(k + dim/2) (2 t*)^-k 2F1((k - gamma)/2, (k - gamma + 1)/2; k + dim/2; 1/t*^2)
    = Gamma(k - gamma) / Gamma(k + dim/2) (2 t*)^-k ((1 + s)/2)^(gamma - k) (1 - w)^(2b - 1) 2F1(b, k + dim/2 - 1 + b; k + dim/2; w),

    s = sqrt(1 - 1/t*^2), w = rho^2, b = gamma + dim/2, by a quadratic transformation and Euler's.
    """
    rho, t_star = _rate(u)
    s, b, c = (1 - rho**2) / (1 + rho**2), gamma + dim / 2, k + dim / 2
    series = _log_hypergeometric(b, c - 1 + b, c, rho**2) + (2 * b - 1) * np.log1p(-(rho**2))
    return np.asarray(
        gammaln(k - gamma) - gammaln(c) - k * np.log(2 * t_star) - (k - gamma) * np.log((1 + s) / 2) + series
    )


def _log_hypergeometric(a: float, b: Floats, c: Floats, w: float) -> Floats:
    """log 2F1(a, b; c; w), 0 < w < 1, by its series: all terms are positive."""
    ratio = max(1.0, float(np.max(b / c))) * max(a, 1.0)
    count = int(min(40 + 40 / -np.log(w) + 2 * ratio * np.log(1 / (1 - w)) / (1 - w), LONGEST))
    n = np.arange(count)
    terms = np.cumsum(np.log((a + n) / (1 + n) * w) + np.log((b[:, None] + n) / (c[:, None] + n)), axis=1)
    return np.asarray(np.logaddexp(0, logsumexp(terms, axis=1)))


def _rate(u: float) -> tuple[float, float]:
    """rho = t* - sqrt(t*^2 - 1), and t* = 1 + e^u."""
    t_star = 1 + float(np.exp(min(u, 30.0)))
    return 1 / (t_star + float(np.sqrt((t_star - 1) * (t_star + 1)))), t_star


_MAKERS: dict[str, Callable[[int | None, float], Law]] = {
    "exponential": _exponential,
    "exponential-root": _exponential_root,
    "power": _power,
    "stretched": _stretched,
    "super-exponential": _super_exponential,
}
LAWS = tuple(_MAKERS)

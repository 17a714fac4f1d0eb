"""Laws of decay: the logarithm of an eigenvalue up to a constant, by degree or by index (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln

from derive.spelling import did_you_mean

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]
FADED, LONGEST = 18.0, 20_000
"""Degrees beyond the largest, until an error has faded by exp(-2 FADED); after LONGEST it was 1e-9 to begin with."""
NEAREST = -14.0
"""log(t* - 1) of the slowest rate, rho = 0.9987, of which 1000 degrees show a factor e."""
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
        raise ValueError(f"Unknown law {name!r}.{did_you_mean(str(name), LAWS)} Laws are {', '.join(LAWS)}.")
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
        bounds=lambda first: ((max(-8.0, 0.01 - dim / 2), NEAREST), (min(8.0, first - 0.5), 7.0)),
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
        bounds=lambda _: ((NEAREST, 0.0), (7.0, 60.0)),
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
    """log of the eigenvalues of (1 - t/t*)^gamma, t* = 1 + e^u, up to a constant, at whole k.

    From (t* - t) f' + gamma f = 0 in Gegenbauer polynomials, a = dim/2 - 1:

        (k - gamma - 1) lambda_{k-1} - 2 t* (k + a) lambda_k + (k + 2a + gamma + 1) lambda_{k+1} = 0,

    whose decaying solution has the ratios lambda_k / lambda_{k-1} of a continued fraction from far out, where they are those of constant
    coefficients: their error O(1/k^2) fades by rho^2 with every degree.
    """
    rho, t_star = _rate(u)
    first = max(np.floor(gamma) + 1, 0.0)
    logs = np.empty(int(k.max() - first) + 1)
    _log_values(first, int(min(FADED / -np.log(rho), LONGEST)), gamma, t_star, dim / 2 - 1, logs)
    return np.asarray(logs[(k - first).astype(int)])


@njit(cache=True, error_model="numpy")
def _log_values(first: Any, beyond: Any, gamma: Any, t_star: Any, a: Any, logs: Any) -> None:
    """logs[i] = log lambda_{first + i} - log lambda_first."""
    j = first + logs.size + beyond
    here, after = t_star * (j + a), j + 2 * a + gamma + 1
    ratio = (j - 1 - gamma) / (here + math.sqrt(here * here - (j - 1 - gamma) * after))
    for i in range(logs.size + beyond - 1, 0, -1):
        j = first + i
        ratio = (j - 1 - gamma) / (2 * t_star * (j + a) - (j + 2 * a + gamma + 1) * ratio)
        if i < logs.size:
            logs[i] = math.log(ratio)
    logs[0] = 0.0
    for i in range(1, logs.size):
        logs[i] += logs[i - 1]


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

"""Laws of decay: the logarithm of an eigenvalue up to a constant, by degree or by index (theory.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, hyp2f1

Floats = NDArray[np.float64]


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
    shape: Callable[[Floats, Floats], Floats]
    starts: tuple[tuple[float, ...], ...]
    bounds: Callable[[float], tuple[tuple[float, ...], tuple[float, ...]]]
    report: Callable[[Floats], dict[str, float]]


def law(name: str, dim: int | None) -> Law:
    """The law of that name; its shape uses dim where the spectrum knows it.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    laws = {"exponential": _exponential, "power": _power}
    if name not in laws:
        raise ValueError(f"Unknown law {name!r}: use {', '.join(map(repr, laws))}.")
    return laws[name](dim)


def _exponential(dim: int | None) -> Law:
    """(1 - t/t*)^gamma: lambda_k ~ k^-(gamma + dim/2) rho^k; by index, k^-p rho^k."""
    if dim is None:
        return Law(
            "exponential",
            lambda k, at: -at[0] * np.log(k) - np.exp(at[1]) * k,
            starts=tuple((p, rate) for p in (0.0, 2.0) for rate in (-4.0, -1.0)),
            bounds=lambda _: ((-60.0, -14.0), (60.0, 3.0)),
            report=lambda at: {"rho": float(np.exp(-np.exp(min(at[1], 30.0)))), "power": -float(at[0])},
        )

    def shape(k: Floats, at: Floats) -> Floats:
        gamma, t_star = at[0], 1 + np.exp(at[1])
        a, c = (k - gamma) / 2, k + dim / 2
        series = np.log(hyp2f1(a, a + 0.5, c, t_star**-2))
        return np.asarray(gammaln(k - gamma) - gammaln(c) - k * np.log(2 * t_star) + series)

    def report(at: Floats) -> dict[str, float]:
        t_star = 1 + float(np.exp(min(at[1], 30.0)))
        rho = 1 / (t_star + np.sqrt((t_star - 1) * (t_star + 1)))
        return {"rho": float(rho), "t_star": t_star, "gamma": float(at[0]), "power": -float(at[0]) - dim / 2}

    return Law(
        "exponential",
        shape,
        starts=tuple((gamma, u) for gamma in (-0.6, 0.6, 1.6) for u in (-3.0, -0.7, 0.7)),
        bounds=lambda first: ((-8.0, -14.0), (min(8.0, first - 0.5), 7.0)),
        report=report,
    )


def _power(dim: int | None) -> Law:
    """The same with t* = 1: lambda_k ~ k^-(2 gamma + dim - 1); by index, k^-p."""
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

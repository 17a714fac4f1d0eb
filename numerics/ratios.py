"""Ratios of eigenvalues by degree: computed, of predicted curves, and whether the two agree (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.prediction import Prediction
from numerics.zonal import Spectrum

Floats = NDArray[np.float64]
Laws = tuple[Prediction | None, Prediction | None]
CLOSE = 0.1
"""Share of the predicted curves' change, and change of the log-ratio, by which the measured one may differ and still bear it out."""
SETTLED = 0.05
"""Distance of the log-ratio from its limit that is no contradiction, whichever way it moves."""
PARITIES = ("even ", "odd ")


def ratio_of(a: Spectrum, b: Spectrum) -> tuple[Floats, Floats]:
    """log lambda_k(A) / lambda_k(B), shape (K + 1,), and the ratio's relative error, (1 + e_A) / (1 - e_B) - 1.

    -inf where A's eigenvalue vanishes, inf where B's does, nan where both do; an error of 1 and more of either counts as inf.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        log_ratio = np.asarray(a.log_eigenvalue - b.log_eigenvalue)
        error = (1 + a.rel_error) / (1 - b.rel_error) - 1
    return log_ratio, np.where(np.maximum(a.rel_error, b.rel_error) < 1, error, np.inf)


def sup_of(log_ratio: Floats, error: Floats) -> tuple[float, int | None]:
    """The largest ratio of known error, inf beyond 1e308, and the lowest degree that has it; nan and None if there is none."""
    known = np.isfinite(error) & ~np.isnan(log_ratio)
    if not known.any():
        return math.nan, None
    usable = np.where(known, log_ratio, -np.inf)
    with np.errstate(over="ignore"):
        return float(np.exp(usable.max())), int(np.flatnonzero(known & (log_ratio == usable.max()))[0])


def curve_of(laws: Laws, degrees: NDArray[np.int64]) -> Floats:
    """log lambda_k(A) - log lambda_k(B) of the predicted curves; nan where there is none."""
    return np.array([_curve(laws, int(k)) for k in degrees], dtype=np.float64)


def contradiction(
    limit: float | None, laws: Laws, log_ratio: Floats, error: Floats, parity: int
) -> Iterator[str]:
    """A sentence if the ratio moves away from its limit in the upper half of the degrees, and the predicted curves do not."""
    degrees = np.arange(len(log_ratio))
    usable = (degrees % 2 == parity) & (2 * degrees >= degrees[-1]) & np.isfinite(log_ratio) & (error < CLOSE)
    if limit is None or math.isnan(limit) or usable.sum() < 2:
        return
    ends = degrees[usable][[0, -1]]
    before, after = log_ratio[ends]
    if limit in (0, math.inf):
        away = after - before if limit == 0 else before - after
    else:
        distances = np.abs(log_ratio[ends] - math.log(limit))
        away = distances[1] - distances[0] if distances[1] > SETTLED else 0.0
    if away <= 2 * error[ends].sum():
        return
    expected = float(np.diff(curve_of(laws, ends))[0])
    if abs(after - before - expected) <= CLOSE * (1 + abs(expected)):
        return
    yield (
        f"log(A / B) goes from {before:.4g} at degree {ends[0]} to {after:.4g} at degree {ends[1]}, away from that limit: "
        "the laws have not set in there; ask for more degrees"
    )


def draw_ratio(
    axes: Any, degree: NDArray[np.int64], log_ratio: Floats, error: Floats, laws: Laws, title: str
) -> None:
    """Draw a ratio by degree with its errors, one marker per parity, and the predicted curves' as thin lines."""
    from numerics.plots import FIRST, GREY, STYLES, draw_values

    for parity, style in enumerate(STYLES[:2]):
        k, label = degree[parity::2], f"{PARITIES[parity]}degrees"
        draw_values(axes, k, log_ratio[parity::2], error[parity::2], style, label, full=parity == 0)
        later = k[k >= FIRST]
        axes.plot(later, curve_of(laws, later) / np.log(10), color=style[1], linewidth=0.8)
    if None not in laws:
        axes.plot([], [], color=GREY, linewidth=0.8, label="predicted laws")
    axes.set_xlabel("degree $k$")
    axes.set_ylabel(r"$\log_{10}\ \lambda_k(A)\,/\,\lambda_k(B)$")
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _curve(laws: Laws, k: int) -> float:
    try:
        a, b = (math.nan if law is None else law.log_eigenvalue(k) for law in laws)
    except ValueError:
        return math.nan
    return a - b if math.isfinite(a) and math.isfinite(b) else math.nan

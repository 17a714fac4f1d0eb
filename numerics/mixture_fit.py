"""Non-negative combinations of Poisson weights nearest to a power series (theory.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls
from scipy.special import gammainc

from derive.errors import NumericalError
from numerics.series import TaylorSeries

Floats = NDArray[np.float64]
LongDoubles = NDArray[np.longdouble]
SMALLEST, POINTS, FURTHER = 1e-3, 110, 16
"""The grid of scales, even in sqrt(s), which is how finely Poisson weights see them: from 0.1 % off a constant to the last coefficient,
and if the series goes on from there to FAR times that. Merged in pairs and with 0, at most 64 are left, as many as a mixture may have."""
FAR, MOST, LARGEST = 100, 64, 11_000.0
"""e^-s leaves long doubles beyond the largest."""
DENSE, SPARSE = 2, 100
"""Every coefficient up to twice the highest degree is fitted, and this many beyond, evenly in the logarithm."""
MATTERS = 1e-6
"""Share of K(1) in the coefficients beyond the last that is worth a row of its own: far below any mismatch."""
REACH = 3.0
"""How far log s and log w may move from the grid's solution, whose steps are 0.1 to 1."""
TIGHT: dict[str, Any] = {"x_scale": "jac", "xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14, "max_nfev": 400}
WORSE = 1.02
"""Ratio of residuals up to which fewer atoms are the better mixture."""
ROUNDING = 1e-12
"""A residual below which there is nothing to choose: n rows of long doubles, and weights in doubles."""

LEAST_TAIL = 8
"""Atoms from which on a tail density is fitted: 3 parameters to the upper half."""


@dataclass(frozen=True)
class TailDensity:
    """A density s^exponent exp(-rate s) of the mixing measure at large s; None where there is none."""

    exponent: float
    rate: float

    def __str__(self) -> str:
        fall = f" exp({-self.rate:.4g} s)" if self.rate else ""
        return f"s^{self.exponent:.4g}{fall}"


@dataclass(frozen=True)
class _Rows:
    """Taylor coefficients of these orders, K(1), and its share beyond the last order if it matters: each is to be met relatively."""

    order: NDArray[np.int64]
    a: LongDoubles
    log_factorial: LongDoubles
    total: float
    last: int
    rest: float

    def columns(self, s: Floats) -> Floats:
        """sum_j of e^-s s^j / j! over what it should be, shape (rows, n)."""
        ends = [np.full((1, len(s)), 1 / self.total)]
        ends += [gammainc(self.last + 1, s)[None] / self.rest] if self.rest else []
        return np.vstack([self._relative(s), *ends])

    def slopes(self, s: Floats) -> Floats:
        """The same, differentiated by log s."""
        relative = self._relative(s)
        ends = [np.zeros((1, len(s)))]
        with np.errstate(divide="ignore", under="ignore"):
            log_last = self.last * np.log(s) - s - float(self.log_factorial[-1])
            ends += [s * np.exp(log_last)[None] / self.rest] if self.rest else []
        return np.vstack([relative * (self.order[:, None] - s), *ends])

    def _relative(self, s: Floats) -> Floats:
        scales = s.astype(np.longdouble)
        with np.errstate(divide="ignore", invalid="ignore", under="ignore", over="ignore"):
            powers = np.where(self.order[:, None] == 0, 0, self.order[:, None] * np.log(scales))
            logs = powers - scales - self.log_factorial[self.order, None] - np.log(self.a)[:, None]
            return np.asarray(np.exp(logs), np.float64)


def fit_mixture(series: TaylorSeries, degrees: int) -> tuple[Floats, Floats, float]:
    """Scales s_i >= 0, ascending, and weights w_i > 0 of sum_i w_i e^-s_i s_i^j / j! nearest to a_j.

    Parameters
    ----------
    series : TaylorSeries
        a_0, a_1, ..., not all 0, and K(1).
    degrees : int
        Highest degree that matters.

    Returns
    -------
    scale, weight : ndarray, shape (n,), n <= 64
    residual : float
        Root mean square of the relative differences.

    Raises
    ------
    NumericalError
        If non-negative least squares does not end.
    """
    rows = _rows(series, degrees)
    top = min(float(rows.last), LARGEST)
    grid = np.linspace(np.sqrt(SMALLEST), np.sqrt(top), POINTS) ** 2
    further = np.geomspace(top, min(FAR * top, LARGEST), FURTHER + 1)[1 if rows.rest else FURTHER + 1 :]
    grid = np.concatenate([[0.0], grid, further])
    weights, coarse = _least(rows.columns(grid)), grid[::2]
    fewer = _improved(rows.columns, rows.slopes, *_merged(grid, weights))
    others = [(grid, weights), (coarse, _least(rows.columns(coarse)))]
    plain = [(s[w > 0], w[w > 0]) for s, w in others if np.count_nonzero(w) <= MOST]
    found = min(plain, key=lambda pair: _residual(rows, *pair))
    if _residual(rows, *fewer) <= WORSE * _residual(rows, *found) + ROUNDING:
        found = fewer
    return *found, _residual(rows, *found)


def tail_of(scale: Floats, weight: Floats) -> TailDensity | None:
    """log(w / distance) = c + exponent log s - rate s over the upper half, without the last two, which stand for all beyond."""
    if len(scale) < LEAST_TAIL:
        return None
    inner = slice(len(scale) // 2, len(scale) - 2)
    density = np.log(weight / np.gradient(scale))[inner]
    s = scale[inner]
    _, exponent, rate = np.linalg.lstsq(np.stack([np.ones_like(s), np.log(s), -s], 1), density)[0]
    return TailDensity(float(exponent), float(rate))


def poisson(s: Floats, last: int) -> LongDoubles:
    """e^-s s^j / j!, shape (last + 1, n); for s up to LARGEST."""
    scales = s.astype(np.longdouble)
    factors = scales / np.arange(1, last + 1, dtype=np.longdouble)[:, None]
    return np.asarray(np.cumprod(np.vstack([np.exp(-scales)[None], factors]), axis=0))


def _rows(series: TaylorSeries, degrees: int) -> _Rows:
    a, last = series.coefficients, len(series.coefficients) - 1
    order = np.arange(min(DENSE * degrees, last) + 1)
    if last > len(order):
        order = np.union1d(order, np.geomspace(len(order), last, SPARSE).astype(np.int64))
    order = order[a[order] > 0]
    logs = np.log(np.maximum(np.arange(last + 1, dtype=np.longdouble), 1))
    rest = series.total - float(a.sum())
    return _Rows(order, a[order], np.cumsum(logs), series.total, last, rest * (rest > MATTERS * series.total))


def _residual(rows: _Rows, scale: Floats, weight: Floats) -> float:
    return float(np.sqrt(np.mean((rows.columns(scale) @ weight - 1) ** 2)))


def _least(columns: Floats) -> Floats:
    """Weights >= 0 of the least sum of squares of columns @ w - 1; columns are scaled to one length."""
    peaks = columns.max(axis=0)
    usable = np.isfinite(peaks) & (peaks > 0)
    scaled = columns[:, usable] / peaks[usable]
    norms, weights = np.linalg.norm(scaled, axis=0), np.zeros(len(peaks))
    try:
        found, _ = nnls(scaled / norms, np.ones(len(columns)), maxiter=30 * len(peaks))
    except RuntimeError as error:
        raise NumericalError(f"No mixture was found: {error}. Ask for fewer degrees.") from None
    weights[usable] = found / norms / peaks[usable]
    return weights


def _merged(grid: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Neighbours on the grid in pairs: where a scale lies between two points, both have weight. A constant stays apart."""
    scale, weight, i = [], [], 0
    while i < len(grid):
        j = i + 2 if i and i + 1 < len(grid) and weights[i] and weights[i + 1] else i + 1
        if sum(pair := weights[i:j]) > 0:
            scale.append(float(np.average(grid[i:j], weights=pair)))
            weight.append(float(sum(pair)))
        i = j
    return np.array(scale), np.array(weight)


def _improved(
    columns: Callable[[Floats], Floats], slopes: Callable[[Floats], Floats], scale: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """Least squares in log s and log w from there on, if the rows determine them; a constant keeps s = 0."""
    steady, n = scale == 0, len(scale)
    if len(columns(scale)) < 2 * n:
        return scale, weight

    def at(x: Floats) -> tuple[Floats, Floats]:
        x = np.clip(x, start - REACH, start + REACH)
        return np.where(steady, 0, np.minimum(np.exp(x[:n]), LARGEST)), np.exp(x[n:])

    def residuals(x: Floats) -> Floats:
        s, w = at(x)
        return np.asarray(columns(s) @ w - 1)

    def jacobian(x: Floats) -> Floats:
        s, w = at(x)
        return np.hstack([slopes(s) * w, columns(s) * w])

    start = np.log(np.concatenate([np.where(steady, 1, scale), weight]))
    found = least_squares(residuals, start, jacobian, method="lm", **TIGHT)
    s, w = at(found.x)
    order = np.argsort(s)
    return s[order], w[order]

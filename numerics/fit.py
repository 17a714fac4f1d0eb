"""Fits of decay laws to eigenvalues. They see numbers only, never the network they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import t as student

from derive.errors import NumericalError
from numerics.harmonic_sums import EPS
from numerics.laws import Law, law
from numerics.verdict import judge
from numerics.zonal import Spectrum

Floats = NDArray[np.float64]
FLOOR = 0.05
"""Values whose relative error exceeds it are no data."""


@dataclass(frozen=True)
class LawFit:
    """One law's best parameters.

    Attributes
    ----------
    name : str
    parameters, interval : dict
        Value and (low, high) of each parameter: the regression's 95 % interval, widened to what the lower and
        the upper half of the window give alone, since neighbouring degrees do not err independently.
    aicc : float
        Corrected Akaike criterion; smaller is better, differences below 10 are no evidence.
    residual : float
        Root mean square of log lambda_k minus the law.
    """

    name: str
    parameters: dict[str, float]
    interval: dict[str, tuple[float, float]]
    aicc: float
    residual: float


@dataclass(frozen=True)
class DecayFit:
    """Fitted laws and what they amount to.

    Attributes
    ----------
    best : LawFit or None
        The law of the verdict; None where that is "undecided".
    laws : tuple of LawFit
    window : tuple of float
        Smallest and largest degree or index that was used.
    points : int
    verdict : str
        "exponential", "power" or "undecided".
    reason : str
    """

    best: LawFit | None
    laws: tuple[LawFit, ...]
    window: tuple[float, float]
    points: int
    verdict: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; what is not finite is None."""
        return {
            **asdict(self),
            "laws": [_finite(asdict(fit)) for fit in self.laws],
            "best": _finite(asdict(self.best)) if self.best else None,
        }

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict} ({self.reason})"]
        for fit in self.laws:
            values = ", ".join(
                f"{name} = {value:.6g} [{fit.interval[name][0]:.6g}, {fit.interval[name][1]:.6g}]"
                for name, value in fit.parameters.items()
            )
            lines.append(f"{fit.name:12} {values}; rms residual {fit.residual:.1e}, AICc {fit.aicc:.1f}")
        low, high = self.window
        return "\n".join([*lines, f"window       {low:g} to {high:g}, {self.points} values"])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"


def fit_decay(
    spectrum: Spectrum | Mapping[str, Any] | Any,
    laws: tuple[str, ...] = ("exponential", "power"),
    window: tuple[float, float] | None = None,
) -> DecayFit:
    """Fit laws of decay and judge which one the numbers carry.

    Parameters
    ----------
    spectrum : Spectrum, mapping or array
        Eigenvalues by degree; a mapping needs "degree" and "eigenvalue" and may give "dim" and "rel_error"; an
        array is taken as eigenvalues in descending order, fitted by index 1, 2, ...
    laws : tuple of str
    window : (low, high), optional
        Degrees or indices to use; by default the upper five sixths. Exact zeros and values below their error
        floor are never used. Even and odd degrees get a constant each where both are there.

    Returns
    -------
    DecayFit

    Raises
    ------
    ValueError
        If the input is none of these, or a law is unknown.
    NumericalError
        If fewer than three values are left.

    Notes
    -----
    Cost: 0.1 to 0.5 s.
    """
    k, log_value, dim = _data(spectrum)
    low, high = window if window is not None else (k.max(initial=0) / 6, k.max(initial=0))
    used = (k >= low) & (k <= high)
    k, log_value = k[used], log_value[used]
    shapes = [law(name, dim) for name in laws]
    if len(k) < 3:
        raise NumericalError(f"Only {len(k)} usable values lie in the window {low:g} to {high:g}: widen it.")
    fits = tuple(_fit(shape, k, log_value) for shape in shapes)
    halves = [tuple(_regress(s, k[part], log_value[part])[1] for s in shapes) for part in _halves(k)]
    verdict, reason = judge(fits, halves, k)
    best = next((fit for fit in fits if fit.name == verdict), None)
    return DecayFit(best, fits, (float(k.min()), float(k.max())), len(k), verdict, reason)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _data(spectrum: Any) -> tuple[Floats, Floats, int | None]:
    """Usable degrees (or indices), log-eigenvalues, and dim where it is known."""
    if isinstance(spectrum, Spectrum):
        usable = np.isfinite(spectrum.log_eigenvalue) & (spectrum.rel_error < FLOOR) & (spectrum.degree > 0)
        return spectrum.degree[usable].astype(np.float64), spectrum.log_eigenvalue[usable], spectrum.dim
    mapping = spectrum if isinstance(spectrum, Mapping) else None
    if mapping is not None and not {"degree", "eigenvalue"} <= mapping.keys():
        raise ValueError(f"A mapping needs 'degree' and 'eigenvalue', got {', '.join(map(repr, mapping))}.")
    values = np.asarray(mapping["eigenvalue"] if mapping is not None else spectrum, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            f"Eigenvalues must be a one-dimensional array of finite numbers, got shape {values.shape}."
        )
    if mapping is not None:
        k = np.asarray(mapping["degree"], dtype=float)
        error = np.asarray(mapping.get("rel_error", np.zeros_like(values)), dtype=float)
        usable = (values > 0) & (k > 0) & (error < FLOOR)
        return k[usable], np.log(values[usable]), mapping.get("dim")
    values = np.sort(values)[::-1]
    usable = values > len(values) * EPS * values.max(initial=0) / FLOOR
    return np.flatnonzero(usable) + np.float64(1), np.log(values[usable]), None


def _halves(k: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    middle = np.median(k)
    return k <= middle, k > middle


def _fit(shape: Law, k: Floats, log_value: Floats) -> LawFit:
    solution, residual, spread = _regress(shape, k, log_value)
    parameters = shape.report(solution)
    ends = [_ends(shape, solution, spread)]
    ends += [[shape.report(_regress(shape, k[p], log_value[p])[0])] for p in _halves(k) if p.sum() > 4]
    reports = [report for group in ends for report in group]
    interval = {
        name: (min(r[name] for r in [parameters, *reports]), max(r[name] for r in [parameters, *reports]))
        for name in parameters
    }
    n, count = len(k), len(solution) + len(_parities(k)) + 1
    rms = max(residual, 1e-15)
    correction = 2 * count * (count + 1) / (n - count - 1) if n > count + 1 else math.inf
    return LawFit(shape.name, parameters, interval, 2 * n * math.log(rms) + 2 * count + correction, residual)


def _ends(shape: Law, solution: Floats, spread: Floats) -> list[dict[str, float]]:
    """Reported parameters at the ends of every shape parameter's own interval."""
    steps = [sign * spread * unit for unit in np.eye(len(solution)) for sign in (-1, 1)]
    return [shape.report(solution + step) for step in steps]


def _parities(k: Floats) -> list[NDArray[np.bool_]]:
    """Masks of the constants: one for each parity where both have enough members, else one for all."""
    odd = k % 2 == 1
    return [odd, ~odd] if min(odd.sum(), (~odd).sum()) >= 3 else [np.ones(len(k), bool)]


def _regress(shape: Law, k: Floats, log_value: Floats) -> tuple[Floats, float, Floats]:
    """Least squares in log space, the constants projected out: parameters, rms residual, 95 % half-widths."""
    masks = _parities(k)

    def residuals(at: Floats) -> Floats:
        difference = log_value - shape.shape(k, at)
        for mask in masks:
            difference[mask] -= difference[mask].mean()
        return np.nan_to_num(difference, nan=1e6, posinf=1e6, neginf=-1e6)

    low, high = (np.array(bound) for bound in shape.bounds(float(k.min())))
    starts = [np.clip(start, low + 1e-6, high - 1e-6) for start in shape.starts]
    solutions = [
        least_squares(residuals, start, bounds=(low, high), x_scale="jac", xtol=1e-12, ftol=1e-12)
        for start in starts
    ]
    best = min(solutions, key=lambda s: s.cost)
    rms = math.sqrt(2 * best.cost / len(k))
    freedom = max(len(k) - len(best.x) - len(masks), 1)
    jacobian = np.asarray(best.jac)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * 2 * best.cost / freedom
    return best.x, rms, student.ppf(0.975, freedom) * np.sqrt(np.diag(covariance))

"""What a fit of decay found, for people and programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.columns import aligned
from derive.notebook import displayed, html_table, latex_number, latex_word

Floats = NDArray[np.float64]
HEAD = ("law", "parameter", "value", "95 % interval", "residual", "outside", "AICc")


@dataclass(frozen=True)
class LawFit:
    """One law's best parameters.

    Attributes
    ----------
    name : str
    parameters, interval : dict
        Value and (low, high) of each parameter: the hull of the 95 % intervals of the bootstrap over degrees and of the profile
        likelihood, of the law with a factor exp(b / k) beside it, and of what the halves of the window give alone: neighbouring degrees do not err
        independently. Of laws other than the verdict's (or the first), without the profile and the factor.
    aicc : float
        Corrected Akaike criterion; smaller is better, differences below 10 are no evidence.
    residual : float
        Root mean square of log lambda_k minus the law.
    outside : float
        The same on the last third of the window, of the law fitted to the first two.
    log_law : ndarray
        The law at every usable k, in the window and outside; no part of `to_dict`.
    """

    name: str
    parameters: dict[str, float]
    interval: dict[str, tuple[float, float]]
    aicc: float
    residual: float
    outside: float
    log_law: Floats = field(repr=False, compare=False)


@dataclass(frozen=True)
class DecayFit:
    """Fitted laws and what they amount to.

    Attributes
    ----------
    best : LawFit or None
        The law of the verdict; None where that is "undecided" or "finite-rank".
    laws : tuple of LawFit
        The verdict's first, then from the smallest `aicc` on.
    window : tuple of float
        Smallest and largest degree or index that was used.
    points : int
    by : str
        "degree" or "index".
    verdict : str
        "exponential", "power", "stretched", "super-exponential", "finite-rank" or "undecided".
    reason : str
    warning : str
        Where the verdict or the rate changes with the window; empty where they do not.
    rank : int or None
        The last degree or index with an eigenvalue, of a finite rank.
    k, log_eigenvalue : ndarray
        All usable values, in the window and outside; no part of `to_dict`.
    """

    best: LawFit | None
    laws: tuple[LawFit, ...]
    window: tuple[float, float]
    points: int
    by: str
    verdict: str
    reason: str
    warning: str
    rank: int | None
    k: Floats = field(repr=False, compare=False)
    log_eigenvalue: Floats = field(repr=False, compare=False)

    @property
    def rate(self) -> tuple[float, float, float] | None:
        """rho of lambda_k ~ rho^k and the ends of its interval; 1 for slower laws, 0 for faster ones; None where undecided."""
        if self.best is not None and "rho" in self.best.parameters:
            return self.best.parameters["rho"], *self.best.interval["rho"]
        fixed = {"power": 1.0, "stretched": 1.0, "super-exponential": 0.0, "finite-rank": 0.0}.get(
            self.verdict
        )
        return None if fixed is None else (fixed, fixed, fixed)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; what is not finite is None."""
        return _finite(asdict(self))  # type: ignore[no-any-return]  # a dictionary stays one

    def plot(self, ax: Any = None) -> Any:
        """Draw eigenvalues with window and laws, and beside them what the laws miss.

        Parameters
        ----------
        ax : two matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.fit_plots import draw_fit
        from numerics.plots import panels

        left, right = axes = panels(ax, 2, 10.4, 3.9)
        draw_fit(left, right, self)
        return axes

    def __repr__(self) -> str:
        law = "" if self.best is None else f": {_parameters(self.best)}"
        return f"<DecayFit: {self.verdict}{law}; {self.by} {self.window[0]:g} to {self.window[1]:g}>"

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict} ({self.reason})"]
        if self.warning:
            lines.append(f"warning: {self.warning}")
        low, high = self.window
        lines.append(f"window:  {self.by} {low:g} to {high:g}, {self.points} values")
        if self.laws:
            lines += ["", *aligned([HEAD, *(row for fit in self.laws for row in _rows(fit))], "<<><>>>")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = (row for fit in self.laws for row in _rows(fit))
        low, high = self.window
        warning = [f"Warning: {self.warning}"] if self.warning else []
        lines = [f"Verdict: {self.verdict}", self.reason, *warning]
        lines.append(f"Window: {self.by} {low:g} to {high:g}, {self.points} values")
        return html_table(lines, HEAD, rows)

    def _repr_latex_(self) -> str:
        if self.best is None:
            return displayed([latex_word(self.verdict)])
        ends = self.best.interval.values()
        values = r",\; ".join(
            rf"{latex_word(name)} = {_number(value)} \in [{_number(low)}, {_number(high)}]"
            for (name, value), (low, high) in zip(self.best.parameters.items(), ends, strict=True)
        )
        return displayed([rf"{latex_word(self.best.name)}:\; {values}"])


def _number(value: float) -> str:
    return latex_number(f"{value:.5g}")


def _rows(fit: LawFit) -> Iterator[tuple[str, ...]]:
    """A line for each parameter under HEAD, the law and its figures in the first."""
    figures: tuple[str, ...] = (f"{fit.residual:.1e}", f"{fit.outside:.1e}", f"{fit.aicc:.1f}")
    law = fit.name
    for name, value in fit.parameters.items():
        low, high = fit.interval[name]
        yield law, name, f"{value:.6g}", f"[{low:.6g}, {high:.6g}]" if low < high else "a bound", *figures
        law, figures = "", ("", "", "")


def _parameters(fit: LawFit) -> str:
    """Values and intervals; one without a width is a bound of the law's parameters."""
    texts = []
    for name, value in fit.parameters.items():
        low, high = fit.interval[name]
        known = f"[{low:.6g}, {high:.6g}]" if low < high else "(a bound)"
        texts.append(f"{name} = {value:.6g} {known}")
    return ", ".join(texts)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items() if not isinstance(item, np.ndarray)}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

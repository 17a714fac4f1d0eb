"""Pictures of fits: needs the extra `report` (matplotlib)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from numerics.decay_fit import DecayFit, LawFit
from numerics.plots import STYLES, check_path, figure, saved

SHOWN = 3
"""Laws drawn: the verdict's and its nearest rivals."""


def plot_fits(fits: Mapping[str, DecayFit], path: str | os.PathLike[str] | None = None) -> Any:
    """Draw fits, one row each: eigenvalues, window and laws on the left, what the laws miss in the window on the right.

    Returns a matplotlib figure, saved to `path` if given; errors as `numerics.plots.check_path` says.
    """
    check_path(path)
    drawing, rows = figure(10.4, 3.9 * len(fits), columns=2, rows=len(fits))
    for (label, fit), (left, right) in zip(fits.items(), rows, strict=True):
        _draw_values(left, label, fit)
        _draw_misses(right, fit)
    drawing.tight_layout()
    return saved(drawing, path)


def _draw_values(axes: Any, label: str, fit: DecayFit) -> None:
    axes.axvspan(*fit.window, color="#eeeeee", label=f"window, {fit.points} values")
    axes.plot(
        fit.k, fit.log_eigenvalue / np.log(10), "o", color=STYLES[0][1], markersize=3, label="eigenvalues"
    )
    for law, (_, color) in zip(_shown(fit), STYLES[1:], strict=False):
        axes.plot(
            fit.k, _at_least(law.log_law, fit) / np.log(10), color=color, linewidth=1, label=_legend(law)
        )
    axes.set(xlabel=f"{fit.by} $k$", ylabel=r"$\log_{10}\ \lambda_k$")
    axes.set_title(f"{label}: {fit.verdict}", fontsize=10)
    axes.legend(frameon=False, fontsize=7)


def _draw_misses(axes: Any, fit: DecayFit) -> None:
    low, high = fit.window
    inside = (fit.k >= low) & (fit.k <= high)
    for law, (marker, color) in zip(_shown(fit), STYLES[1:], strict=False):
        miss = (fit.log_eigenvalue - law.log_law)[inside]
        axes.plot(
            fit.k[inside],
            miss,
            marker,
            color=color,
            markersize=3,
            label=f"{law.name}, rms {law.residual:.1e}",
        )
    axes.axhline(0, color="#555555", linewidth=0.8)
    axes.set(xlabel=f"{fit.by} $k$", ylabel=r"$\log\ \lambda_k$ minus the law")
    if fit.laws:
        axes.legend(frameon=False, fontsize=7)


def _shown(fit: DecayFit) -> list[LawFit]:
    """The verdict's law first."""
    return sorted(fit.laws, key=lambda law: law is not fit.best)[:SHOWN]


def _at_least(log_law: Any, fit: DecayFit) -> Any:
    """A law that leaves the picture below is cut there."""
    return np.where(log_law < fit.log_eigenvalue.min() - 5, np.nan, log_law)


def _legend(law: LawFit) -> str:
    name, value = next(iter(law.parameters.items()))
    low, high = law.interval[name]
    return f"{law.name}: {name} = {value:.5g} [{low:.5g}, {high:.5g}]"

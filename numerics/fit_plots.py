"""Pictures of fits: needs the extra `report` (matplotlib)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.decay_fit import DecayFit, LawFit
from numerics.plots import GREY, STYLES, short

SHOWN = 3
"""Laws drawn: the verdict's and its nearest rivals."""


def draw_fit(left: Any, right: Any, fit: DecayFit, label: str = "eigenvalues") -> None:
    """Eigenvalues, window and laws into the left axes, what the laws miss in the window into the right ones."""
    _draw_values(left, label, fit)
    _draw_misses(right, fit)


def _draw_values(axes: Any, label: str, fit: DecayFit) -> None:
    axes.axvspan(*fit.window, color=GREY, alpha=0.12, linewidth=0, label=f"window, {fit.points} values")
    axes.plot(
        fit.k, fit.log_eigenvalue / np.log(10), "o", color=STYLES[0][1], markersize=3, label="eigenvalues"
    )
    for law, (_, color) in zip(_shown(fit), STYLES[1:], strict=False):
        axes.plot(
            fit.k, _at_least(law.log_law, fit) / np.log(10), color=color, linewidth=1, label=_legend(law)
        )
    axes.set(xlabel=f"{fit.by} $k$", ylabel=r"$\log_{10}\ \lambda_k$")
    axes.set_title(f"{short(label)}: {fit.verdict}", fontsize=10)
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
    axes.axhline(0, color=GREY, linewidth=0.8)
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

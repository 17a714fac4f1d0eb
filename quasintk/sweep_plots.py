"""Pictures of sweeps: needs the extra `report` (matplotlib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np

from numerics.plots import STYLES
from quasintk.sweep_points import Point
from quasintk.sweeps import Sweep

WIDTH, HEIGHT = 10.8, 4.4
"""Of a figure, in inches."""
COLORS = "viridis"
GAP = 1.5
"""Between the finest grid and real weights on the axis of bits, whose place is infinity."""
DARK = 0.6
"""Rates below which the map is dark and its text white."""


def draw_sweep(left: Any, right: Any, sweep: Sweep) -> None:
    """Draw a sweep into two axes."""
    draw = _weights if sweep.kind == "weights" else _phase
    draw(left, right, sweep)


def _weights(left: Any, right: Any, sweep: Sweep) -> None:
    """Rate by bits, predicted and fitted with intervals; and the spectra behind it."""
    bits = np.array([one.bits for one in sweep.points], dtype=float)
    last = bits[np.isfinite(bits)].max()
    place = np.where(np.isfinite(bits), bits, last + GAP)
    _lines(left, place, sweep.points)
    ticks = [*range(1, round(last) + 1), last + GAP]
    left.set_xticks(ticks, [*map(str, ticks[:-1]), "real"])
    left.set(
        xlabel="bits of a weight", ylabel=r"decay rate $\rho$ of $\lambda_k \sim \rho^k$", ylim=(0, 1.05)
    )
    left.legend(frameon=False, fontsize=8)
    left.set_title(fill(sweep.title, 60), fontsize=10)
    _spectra(right, sweep.points)
    right.set_title("Eigenvalues", fontsize=10)


def _lines(axes: Any, place: Any, points: Sequence[Point]) -> None:
    (_, blue), (square, orange), *_ = STYLES
    predicted = [math.nan if one.predicted_rate is None else one.predicted_rate for one in points]
    axes.plot(place[:-1], predicted[:-1], "-", color=blue, linewidth=1, label="predicted")
    axes.plot(place[-1:], predicted[-1:], "_", color=blue, markersize=14)
    found = [
        (x, one.fitted_rate) for x, one in zip(place, points, strict=True) if one.fitted_rate is not None
    ]
    if found:
        value, low, high = np.array([rate for _, rate in found]).T
        axes.errorbar(
            [x for x, _ in found],
            value,
            [value - low, high - value],
            fmt=square,
            color=orange,
            markersize=4,
            capsize=3,
            label="fitted, 95 %",
        )
    for x, one in zip(place, points, strict=True):
        if one.fitted_rate is None:
            axes.annotate("undecided", (x, 0.02), rotation=90, fontsize=7, ha="center", color=orange)


def _spectra(axes: Any, points: Sequence[Point]) -> None:
    from matplotlib import colormaps

    shades = colormaps[COLORS](np.linspace(0, 0.92, len(points)))
    for one, shade in zip(points, shades, strict=True):
        found = one.decay.spectrum
        shown = np.isfinite(found.log_eigenvalue)
        heights = found.log_eigenvalue[shown] / np.log(10)
        axes.plot(
            found.degree[shown],
            heights,
            ".-",
            color=shade,
            markersize=3,
            linewidth=0.8,
            label=one.decay.label,
        )
    axes.set(xlabel="degree $k$", ylabel=r"$\log_{10}\ \lambda_k$")
    axes.legend(frameon=False, fontsize=7, ncols=2)


def _phase(left: Any, right: Any, sweep: Sweep) -> None:
    """Maps of the predicted and of the fitted rate over r and b_std."""
    fractions = list(dict.fromkeys(one.law.latent_fraction for one in sweep.points))
    biases = list(dict.fromkeys(one.b_std for one in sweep.points))
    shape = len(biases), len(fractions)
    predicted = [_number(one.predicted_rate) for one in sweep.points]
    fitted = [_number(one.fitted_rate and one.fitted_rate[0]) for one in sweep.points]
    for axes, rates, title in ((left, predicted, "predicted"), (right, fitted, "fitted")):
        table = np.array(rates).reshape(shape)
        image = axes.imshow(table, origin="lower", aspect="auto", vmin=0, vmax=1, cmap=COLORS)
        axes.grid(visible=False)
        for (row, column), rate in np.ndenumerate(table):
            text = "?" if math.isnan(rate) else f"{rate:.2f}" if rate < 0.995 or rate == 1 else f"{rate:.3f}"
            color = "black" if math.isnan(rate) or rate > DARK else "white"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
        axes.set_xticks(range(len(fractions)), [f"{float(r):.3g}" for r in fractions], fontsize=8)
        axes.set_yticks(range(len(biases)), [f"{float(b):g}" for b in biases], fontsize=8)
        axes.set(xlabel="latent fraction $r$", ylabel="b_std")
        axes.set_title(f"{title} rate", fontsize=10)
    left.set_title(f"{fill(sweep.title, 60)}\npredicted rate", fontsize=10)
    right.figure.colorbar(image, ax=right, label=r"decay rate $\rho$")


def _number(rate: float | None) -> float:
    return math.nan if rate is None else rate

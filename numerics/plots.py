"""Pictures, readable in print: needs the extra `report` (matplotlib)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from derive.prediction import Prediction
    from numerics.fit import DecayFit
    from numerics.zonal import Spectrum

STYLES = (("o", "#0b5394"), ("s", "#b45f06"), ("^", "#38761d"), ("D", "#741b47"), ("v", "#555555"))

FIRST = 4
"""Degree from which on an asymptotic law is drawn."""


def plot_spectra(
    spectra: Mapping[str, Spectrum],
    path: str | os.PathLike[str] | None,
    fits: Sequence[DecayFit] = (),
    predictions: Sequence[Prediction | None] = (),
) -> Any:
    """Draw eigenvalues by degree on a logarithmic axis, one marker per spectrum, and save the figure.

    Predicted laws are thin lines of the spectrum's colour, from the degree on where they mean something.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawing, axes = figure(6.4, 4.2)
    draw_spectra(axes, spectra, fits, predictions)
    drawing.tight_layout()
    if path is not None:
        drawing.savefig(path, dpi=160)
    return drawing


def draw_spectra(
    axes: Any,
    spectra: Mapping[str, Spectrum],
    fits: Sequence[DecayFit] = (),
    predictions: Sequence[Prediction | None] = (),
) -> None:
    """Draw spectra into existing axes; exact zeros are left out."""
    for position, (label, values) in enumerate(spectra.items()):
        marker, color = STYLES[position % len(STYLES)]
        shown = np.isfinite(values.log_eigenvalue)
        law = f": {_law_text(fits[position])}" if position < len(fits) else ""
        axes.plot(
            np.asarray(values.degree)[shown],
            np.asarray(values.log_eigenvalue)[shown] / np.log(10),
            marker,
            color=color,
            markersize=3.5,
            fillstyle="none" if position % 2 else "full",
            label=f"{label}{law}",
        )
    for position, (prediction, values) in enumerate(zip(predictions, spectra.values(), strict=False)):
        for degrees, heights in _curves(prediction, values):
            axes.plot(degrees, heights, color=STYLES[position % len(STYLES)][1], linewidth=0.8)
    if any(predictions):
        axes.plot([], [], color="#555555", linewidth=0.8, label="predicted laws")
    first = next(iter(spectra.values()))
    axes.set_xlabel("degree $k$")
    axes.set_ylabel(r"$\log_{10}\lambda_k$")
    axes.set_title(f"Eigenvalues on the sphere in dimension {first.dim}", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _curves(prediction: Prediction | None, values: Spectrum) -> Iterator[tuple[list[int], list[float]]]:
    """The predicted curve on even and on odd degrees, where it has one and lambda_k > 0; from degree 4 on."""
    for parity in (0, 1) if prediction is not None else ():
        degrees = [
            int(k)
            for k in values.degree
            if k % 2 == parity and k >= FIRST and np.isfinite(values.log_eigenvalue[k])
        ]
        try:
            heights = [prediction.log_eigenvalue(k) / np.log(10) for k in degrees]  # type: ignore[union-attr]  # not None here
        except ValueError:
            continue
        kept = [(k, height) for k, height in zip(degrees, heights, strict=True) if np.isfinite(height)]
        if kept:
            yield [k for k, _ in kept], [height for _, height in kept]


def _law_text(fit: DecayFit) -> str:
    if fit.best is None:
        return "no law decided"
    if fit.best.name == "exponential":
        return rf"exponential, $\rho$ = {fit.best.parameters['rho']:.3f}"
    return rf"power, $k^{{{fit.best.parameters['power']:.1f}}}$"


def figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """An empty figure with axes, without a display; raises ImportError with the remedy where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("Pictures need matplotlib: pip install 'quasintk[report]'.") from None
    drawing = Figure(figsize=(width, height))
    FigureCanvasAgg(drawing)
    axes = drawing.subplots(1, columns)
    for one in np.atleast_1d(axes):
        one.grid(True, which="major", color="#dddddd", linewidth=0.6)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    return drawing, axes

"""Pictures, readable in print: needs the extra `report` (matplotlib)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from derive.prediction import Prediction
    from numerics.decay_fit import DecayFit
    from numerics.zonal import Spectrum

STYLES = (("o", "#0b5394"), ("s", "#b45f06"), ("^", "#38761d"), ("D", "#741b47"), ("v", "#555555"))

ENDINGS = (".png", ".pdf", ".svg")
MISSING = "Pictures need matplotlib: pip install 'quasintk[report]'."

FIRST = 4
"""Degree from which on an asymptotic law is drawn."""


def plot_spectra(
    spectra: Mapping[str, Spectrum],
    path: str | os.PathLike[str] | None,
    fits: Sequence[DecayFit | None] = (),
    predictions: Sequence[Prediction | None] = (),
) -> Any:
    """Draw eigenvalues by degree on a logarithmic axis, one marker per spectrum, and save the figure.

    Predicted laws are thin lines of the spectrum's colour, from the degree on where they mean something.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, OSError, ImportError
        As `check_path` says.
    """
    check_path(path)
    drawing, axes = figure(6.4, 4.2)
    draw_spectra(axes, spectra, fits, predictions)
    drawing.tight_layout()
    return saved(drawing, path)


def check_path(path: str | os.PathLike[str] | None) -> None:
    """Whether a picture can be drawn and saved there, before anything is computed for it; None is nowhere, and can.

    Raises
    ------
    ValueError
        If the name does not end in .png, .pdf or .svg.
    FileNotFoundError, PermissionError, IsADirectoryError
        If the folder does not exist, may not be written to, or a folder bears the name.
    ImportError
        If matplotlib is missing; the message has the command that installs it.
    """
    if path is None:
        return
    check_target(path, ENDINGS, "A picture's")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(MISSING)


def check_target(path: str | os.PathLike[str], endings: tuple[str, ...], what: str) -> None:
    """Whether a file may be written there under a name with one of the endings.

    Raises
    ------
    ValueError
        If the name has another ending.
    FileNotFoundError, PermissionError, IsADirectoryError
        If the folder does not exist, may not be written to, or a folder bears the name.
    """
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise ValueError(f"{what} name ends in {', '.join(endings)}, got {str(path)!r}.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.parent} for {str(path)!r}: make it first.")
    if target.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: choose another name.")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise PermissionError(f"{str(path)!r} may not be written: choose another folder.")


def saved(drawing: Any, path: str | os.PathLike[str] | None) -> Any:
    """The figure, written to the path if there is one."""
    if path is not None:
        drawing.savefig(path, dpi=160)
    return drawing


def draw_spectra(
    axes: Any,
    spectra: Mapping[str, Spectrum],
    fits: Sequence[DecayFit | None] = (),
    predictions: Sequence[Prediction | None] = (),
) -> None:
    """Draw spectra into existing axes; exact zeros are left out."""
    for position, (label, values) in enumerate(spectra.items()):
        marker, color = STYLES[position % len(STYLES)]
        shown = np.isfinite(values.log_eigenvalue)
        fit = fits[position] if position < len(fits) else None
        law = "" if fit is None else f": {_law_text(fit)}"
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
    if fit.verdict == "finite-rank":
        return f"finite rank, {fit.by} {fit.rank}"
    if fit.best is None:
        return "no law decided"
    at = fit.best.parameters
    shown = {
        "exponential": rf"exponential, $\rho$ = {at.get('rho', 0):.3f}",
        "exponential-root": rf"stretched, $\rho$ = {at.get('rho', 0):.3f}",
        "power": rf"power, $k^{{{at.get('power', 0):.1f}}}$",
        "stretched": rf"stretched, $\exp(-{at.get('stretch', 0):.2f} k^{{{at.get('exponent', 0):.2f}}})$",
    }
    return shown.get(fit.best.name, fit.verdict)


def figure(width: float, height: float, columns: int = 1, rows: int | None = None) -> tuple[Any, Any]:
    """An empty figure with axes, an array (rows, columns) of them if rows are given, without a display; raises ImportError with the remedy where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(MISSING) from None
    drawing = Figure(figsize=(width, height))
    FigureCanvasAgg(drawing)
    axes = drawing.subplots(rows or 1, columns, squeeze=rows is None)
    for one in np.atleast_1d(axes).flat:
        one.grid(True, which="major", color="#dddddd", linewidth=0.6)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    return drawing, axes

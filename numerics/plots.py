"""Pictures of spectra, readable in print and without colours: needs the extra `report` (matplotlib)."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics import files

if TYPE_CHECKING:
    from derive.prediction import Prediction
    from numerics.decay_fit import DecayFit
    from numerics.gram_eigenvalues import GramSpectrum
    from numerics.sphere import OnSphere
    from numerics.zonal import Spectrum

STYLES = (("o", "#0072B2"), ("s", "#D55E00"), ("^", "#009E73"), ("D", "#CC79A7"), ("v", "#555555"))
"""Markers, and colours that the colour-blind tell apart (Okabe and Ito)."""
GREY = "#555555"
ENDINGS = (".png", ".pdf", ".svg")
MISSING = "Pictures need matplotlib: pip install 'quasintk[report]'."

FIRST = 4
"""Degree from which on an asymptotic law is drawn."""
VISIBLE = 0.02
"""Relative error from which on a bar is longer than its marker."""
CURVE = 401
"""Points of a curve."""
LINE = 52
"""Characters of a label's line."""


def draw_spectra(
    axes: Any,
    spectra: Mapping[str, Spectrum],
    fits: Sequence[DecayFit | None] = (),
    predictions: Sequence[Prediction | None] = (),
) -> None:
    """Draw eigenvalues by degree on a logarithmic axis, one marker per spectrum, with their errors; exact zeros are left out.

    Predicted laws are thin lines of the spectrum's colour, from the degree on where they mean something. Styles go on
    from those of the spectra that the axes hold already.
    """
    before = sum(line.get_gid() == "spectrum" for line in axes.lines)
    for position, (label, values) in enumerate(spectra.items()):
        style, full = STYLES[(before + position) % len(STYLES)], (before + position) % 2 == 0
        fit = fits[position] if position < len(fits) else None
        law = "" if fit is None else f": {_law_text(fit)}"
        draw_values(
            axes, values.degree, values.log_eigenvalue, values.rel_error, style, f"{short(label)}{law}", full
        )
        prediction = predictions[position] if position < len(predictions) else None
        for degrees, heights in _curves(prediction, values):
            axes.plot(degrees, heights, color=style[1], linewidth=0.8)
    if any(prediction is not None for prediction in predictions):
        _last_in_legend(axes, "predicted laws", color=GREY, linewidth=0.8)
    dims = {values.dim for values in spectra.values()}
    axes.set_xlabel("degree $k$")
    axes.set_ylabel(r"$\log_{10}\ \lambda_k$")
    axes.set_title(f"Eigenvalues on the sphere in dimension {', '.join(map(str, sorted(dims)))}", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def draw_gram_spectrum(axes: Any, found: GramSpectrum, label: str) -> None:
    """Draw eigenvalues by index on logarithmic axes with their bounds, and the floor of rounding."""
    position = sum(line.get_gid() == "spectrum" for line in axes.lines)
    style, index, value = STYLES[position % len(STYLES)], np.arange(1, len(found.value) + 1), found.value
    positive = value > 0
    log_value = np.log(np.where(positive, value, 1.0), where=positive, out=np.full(len(value), -np.inf))
    error = np.divide(found.bound, value, where=positive, out=np.full(len(value), np.inf))
    draw_values(axes, index, log_value, error, style, short(label), position % 2 == 0)
    if found.floor > 0:
        axes.axhline(np.log10(found.floor), color=style[1], linewidth=0.8, linestyle="--")
        _last_in_legend(axes, "rounding", color=GREY, linewidth=0.8, linestyle="--")
    axes.set(xlabel="index $i$", ylabel=r"$\log_{10}\ \lambda_i$", xscale="log")
    axes.set_title(f"Eigenvalues of a Gram matrix of {found.n} rows", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def draw_cosines(axes: Any, kernel: OnSphere, label: str) -> None:
    """Draw K(t), finely where it is steep: at t = +-1."""
    _, color = STYLES[sum(line.get_gid() == "kernel" for line in axes.lines) % len(STYLES)]
    cosine = np.cos(np.linspace(np.pi, 0, CURVE))
    axes.plot(cosine, kernel(cosine), color=color, linewidth=1.2, label=short(label), gid="kernel")
    axes.set(xlabel="cosine $t$", ylabel="$K(t)$")
    axes.legend(frameon=False, fontsize=8)


def draw_values(
    axes: Any,
    k: Any,
    log_values: Any,
    rel_error: Any,
    style: tuple[str, str],
    label: str,
    full: bool = True,
) -> None:
    """Markers at log10 of values; bars where errors show; hollow and faint where an error reaches the value itself."""
    marker, color = style
    heights, error = np.asarray(log_values) / np.log(10), np.asarray(rel_error)
    shown = np.isfinite(heights)
    sure, unsure = shown & (error < 1), shown & ~(error < 1)
    how = {"color": color, "markersize": 3.5, "linestyle": "none"}
    inside = "full" if full else "none"
    axes.plot(k[sure], heights[sure], marker, label=label, fillstyle=inside, gid="spectrum", **how)
    if unsure.any():
        axes.plot(k[unsure], heights[unsure], marker, fillstyle="none", alpha=0.35, **how)
        _last_in_legend(axes, "error above 100 %", marker="o", fillstyle="none", alpha=0.35, **how)
    barred = sure & (error > VISIBLE)
    if barred.any():
        ends = np.abs(np.log10(1 + np.array([[-1.0], [1.0]]) * error[barred]))
        axes.errorbar(k[barred], heights[barred], ends, fmt="none", ecolor=color, elinewidth=0.8, capsize=1.5)


def panels(ax: Any, count: int, width: float, height: float) -> Any:
    """The axes to draw in: those given, or new ones side by side in a pyplot figure, which a notebook displays.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (count,)

    Raises
    ------
    TypeError, ValueError
        If `ax` is no Axes, or not `count` of them.
    ImportError
        If matplotlib is missing; the message has the command that installs it.
    """
    require_matplotlib()
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        drawing = pyplot.figure(figsize=(width, height), layout="constrained")
        return _styled(drawing.subplots(1, count, squeeze=False))[0]
    given = np.array([ax] if isinstance(ax, Axes) else ax, dtype=object).ravel()
    wrong = next((one for one in given if not isinstance(one, Axes)), None)
    if wrong is not None:
        raise TypeError(
            f"ax must be matplotlib Axes, got {type(wrong).__name__}: leave it out, or give what plt.subplots() returns."
        )
    if len(given) != count:
        raise ValueError(f"This picture needs {count} Axes, got {len(given)}: plt.subplots(1, {count})[1].")
    return given


def figure(width: float, height: float, columns: int = 1, rows: int | None = None) -> tuple[Any, Any]:
    """An empty figure with axes, an array (rows, columns) of them if rows are given, without a display and unknown to pyplot.

    Raises
    ------
    ImportError
        If matplotlib is missing; the message has the command that installs it.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing, _styled(drawing.subplots(rows or 1, columns, squeeze=rows is None))


def save(drawing: Any, path: str | os.PathLike[str]) -> None:
    """Write a picture that `check_path` has passed, whole or not at all."""
    picture, target = io.BytesIO(), Path(path)
    drawing.savefig(picture, dpi=160, format=target.suffix[1:].lower())
    files.write_or_leave_nothing(target, picture.getbuffer())


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
    require_matplotlib()


def require_matplotlib() -> None:
    """Raise ImportError with the command that installs it, if it is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(MISSING)


def short(label: str) -> str:
    """A label that fits into a legend: two lines, of a kernel its network."""
    return fill(label.replace("<Kernel of ", "").removesuffix(">"), LINE, max_lines=2, placeholder=" ...")


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


def _last_in_legend(axes: Any, label: str, **style: Any) -> None:
    """One entry, however often it is asked for."""
    for line in [line for line in axes.lines if line.get_label() == label]:
        line.remove()
    axes.plot([], [], label=label, **style)


def _styled(axes: Any) -> Any:
    for one in np.atleast_1d(axes).flat:
        one.grid(True, which="major", color="#dddddd", linewidth=0.6)
        one.set_axisbelow(True)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    return axes


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

"""quasintk eigen."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import click

from derive.errors import QuasintkError
from derive.predict import predict_decay
from derive.prediction import Prediction
from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.kernel import Kernel
from numerics.plots import check_path
from numerics.zonal import Spectrum, spectrum
from quasintk.baselines import BASELINES, NETWORKS, baseline
from quasintk.cli.kernels import kernel_of, names_of
from quasintk.cli.options import (
    ExpressionCommand,
    WeightsType,
    expression_argument,
    get_option,
    network_options,
    write_text,
)

ROUNDING = 1e-12
"""Share of K(1) that the eigenvalues' errors and their sum leave open."""
HALF = 0.5
"""Of K(1): with less, the eigenvalues shown say little about the kernel."""


@dataclass(frozen=True)
class _Entry:
    """One column: a kernel's spectrum with what was fitted and predicted of it."""

    label: str
    spectrum: Spectrum
    fit: DecayFit | str | None
    prediction: Prediction | str | None
    """What is fitted and predicted, or why nothing is."""


def _writable(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """Refuse before anything is computed what cannot be drawn."""
    if path is not None:
        try:
            check_path(path)
        except (ValueError, OSError, ImportError) as error:
            raise click.BadParameter(str(error), context, option) from None
    return path


@click.command("eigen", cls=ExpressionCommand)
@expression_argument
@network_options
@click.option("--dim", default=10, show_default=True, type=click.IntRange(2), help="Dimension of the inputs.")
@click.option(
    "--degrees", default=60, show_default=True, type=click.IntRange(0, 1000), help="Highest degree."
)
@click.option("--q", default="1", show_default=True, help="|x|^2 / dim of the inputs.")
@get_option
@click.option(
    "--compare",
    default="",
    help="Other weights and classical kernels side by side, such as real,16,gaussian,matern(3/2),real_nngp.",
)
@click.option("--fit", is_flag=True, help="Fit laws of decay.")
@click.option("--predict", is_flag=True, help="Predict the law of decay from the network alone.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    callback=_writable,
    help="Picture with the predicted laws (.png, .pdf, .svg).",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(
    expression: str,
    dim: int,
    degrees: int,
    q: str,
    get: str,
    compare: str,
    fit: bool,
    predict: bool,
    plot: str | None,
    as_json: bool,
    **network: Any,
) -> None:
    """Eigenvalues of the kernel of EXPR (or KERNEL.json) on the sphere |x|^2 = q dim, by degree.

    \b
    quasintk eigen relu --depth 2 --dim 10 --compare real,gaussian,laplace --fit --plot decay.png
    """
    kernels = _kernels(expression, names_of(compare), network, get)
    entries = []
    for label, (kernel, output) in kernels.items():
        found = spectrum(kernel, dim=dim, degrees=degrees, get=output, q=q)
        fitted = _fitted(found) if fit else None
        predicted = _predicted(kernel, dim, q, output) if predict or plot else None
        entries.append(_Entry(label, found, fitted, predicted))
    if plot is not None:
        from numerics.plots import plot_spectra

        curves = [entry.prediction if isinstance(entry.prediction, Prediction) else None for entry in entries]
        fits = [entry.fit if isinstance(entry.fit, DecayFit) else None for entry in entries]
        plot_spectra({entry.label: entry.spectrum for entry in entries}, plot, fits, curves)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        write_text(json.dumps({"spectra": [_as_dict(entry, predict) for entry in entries]}, indent=1), None)
    else:
        write_text(_as_table(entries, predict), None)


def _kernels(
    expression: str, names: list[str], network: dict[str, Any], get: str
) -> dict[str, tuple[Kernel, str]]:
    """The kernels to show and which of their outputs, by label."""
    stored = expression.endswith(".json")
    label = expression if stored else _law_label(network["weights"])
    kernels = {label: (kernel_of(expression, network, get), get)}
    for name in names:
        head = name.partition("(")[0].strip()
        if name in NETWORKS and not stored:
            like = {key: network[key] for key in ("depth", "W_std", "b_std")}
            kernels[name] = NETWORKS[name](expression, **like), "ntk"
        elif head in BASELINES and name not in NETWORKS:
            kernels[name] = baseline(name), "ntk" if head in NETWORKS else get
        elif stored:
            raise click.UsageError(
                f"{expression} fixes the network: --compare takes {', '.join(BASELINES)} with it, the networks among "
                "them with their arguments, such as real_ntk(relu, 2)."
            )
        else:
            law = _weights(name)
            kernels[_law_label(law)] = kernel_of(expression, {**network, "weights": law}, get), get
    return kernels


def _weights(name: str) -> Any:
    try:
        return WeightsType().convert(name, None, None)
    except click.BadParameter as error:
        raise click.BadParameter(
            f"{name!r} is neither weights ({error.message.rstrip('.')}) nor one of {', '.join(BASELINES)}.",
            param_hint="--compare",
        ) from None


def _fitted(found: Spectrum) -> DecayFit | str:
    try:
        return fit_decay(found)
    except QuasintkError as error:
        return f"nothing is fitted: {error}"


def _predicted(kernel: Kernel, dim: int, q: str, get: str) -> Prediction | str:
    try:
        return predict_decay(kernel, dim, q=q, get=get)
    except (QuasintkError, TypeError) as error:
        return f"nothing is predicted: {error}"


def _law_label(law: Any) -> str:
    if isinstance(law, str):
        return law
    return f"{law.levels} levels" if law.latent == "uniform" else f"r={float(law.latent_fraction):g}"


def _as_dict(entry: _Entry, predict: bool) -> dict[str, Any]:
    result = {"weights": entry.label, **entry.spectrum.to_dict(), "held": _held(entry.spectrum)}
    if entry.fit is not None:
        result["fit"] = {"note": entry.fit} if isinstance(entry.fit, str) else entry.fit.to_dict()
    if predict:
        known = isinstance(entry.prediction, Prediction)
        result["prediction"] = entry.prediction.to_dict() if known else {"note": entry.prediction}  # type: ignore[union-attr]  # known
    return result


def _as_table(entries: list[_Entry], predict: bool) -> str:
    width = max(14, *(len(entry.label) for entry in entries))
    head = "degree  multiplicity" + "".join(
        f"  {entry.label:>{width}} {'rel. error':>10}" for entry in entries
    )
    lines, first = [head], entries[0].spectrum
    for k, degree in enumerate(first.degree):
        cells = (
            f"  {_value(entry.spectrum, k):>{width}} {entry.spectrum.rel_error[k]:10.1e}" for entry in entries
        )
        lines.append(f"{degree:6d}  {first.multiplicity[k]:12.6g}" + "".join(cells))
    lines += ["", *(f"{entry.label}: {_held_text(entry.spectrum)}" for entry in entries)]
    for entry in entries:
        if entry.fit is not None:
            lines += ["", f"{entry.label}, fitted:", str(entry.fit)]
        if predict:
            lines += ["", f"{entry.label}, predicted:", str(entry.prediction)]
    return "\n".join(lines)


def _held(values: Spectrum) -> float | None:
    """Share of K(1) in the degrees shown; None of a kernel that vanishes."""
    return 1 - values.remainder if values.trace else None


def _held_text(values: Spectrum) -> str:
    """Two decimals, but never "100.00 %" of less, and a warning where most is missing."""
    last, held = values.degree[-1], _held(values)
    shown = f"degrees 0-{last} hold" if last else "degree 0 holds"
    if held is None:
        return "K(1) is 0"
    if held > 1 - ROUNDING:
        return f"{shown} all of K(1)"
    if held > 1 - 5e-5:
        return f"{shown} all but {100 * (1 - held):.2g} % of K(1)"
    share = f"{shown} {100 * held:.2{'f' if held > 5e-5 else 'g'}} % of K(1)"
    return share if held > HALF else f"{share}: raise --degrees"


def _value(values: Spectrum, k: int) -> str:
    """The eigenvalue, also where it lies below 1e-308."""
    log10 = values.log_eigenvalue[k] / math.log(10)
    if values.eigenvalue[k] > 1e-300 or log10 == -float("inf"):
        return f"{values.eigenvalue[k]:.6e}"
    power = int(log10 // 1)
    return f"{10 ** (log10 - power):.6f}e{power}"

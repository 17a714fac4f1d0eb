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
from numerics.fit import DecayFit, fit_decay
from numerics.kernel import Kernel
from numerics.zonal import Spectrum, spectrum
from quasintk.baselines import BASELINES, baseline
from quasintk.cli.kernels import kernel_of, names_of
from quasintk.cli.options import (
    ExpressionCommand,
    WeightsType,
    expression_argument,
    get_option,
    network_options,
    write_text,
)
from quasintk.pipeline import kernel as derive_kernel


@dataclass(frozen=True)
class _Entry:
    """One column: a kernel's spectrum with what was fitted and predicted of it."""

    label: str
    spectrum: Spectrum
    fit: DecayFit | None
    prediction: Prediction | str | None
    """What is predicted, or why nothing is."""


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
    help="Other weights and classical kernels side by side, such as real,16,gaussian,laplace,matern(3/2).",
)
@click.option("--fit", is_flag=True, help="Fit laws of decay.")
@click.option("--predict", is_flag=True, help="Predict the law of decay from the network alone.")
@click.option(
    "--plot", type=click.Path(dir_okay=False), help="Picture with the predicted laws (.png, .pdf, .svg)."
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
    kernels = _kernels(expression, names_of(compare), network)
    entries = []
    for label, kernel in kernels.items():
        found = spectrum(kernel, dim=dim, degrees=degrees, get=get, q=q)
        fitted = fit_decay(found) if fit else None
        predicted = _predicted(kernel, dim, q, get) if predict or plot else None
        entries.append(_Entry(label, found, fitted, predicted))
    if plot is not None:
        from numerics.plots import plot_spectra

        curves = [entry.prediction if isinstance(entry.prediction, Prediction) else None for entry in entries]
        fits = [entry.fit for entry in entries if entry.fit is not None]
        plot_spectra({entry.label: entry.spectrum for entry in entries}, plot, fits, curves)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        write_text(json.dumps({"spectra": [_as_dict(entry, predict) for entry in entries]}, indent=1), None)
    else:
        write_text(_as_table(entries, predict), None)


def _kernels(expression: str, names: list[str], network: dict[str, Any]) -> dict[str, Kernel]:
    """The kernels to show, by label."""
    kernels = {_law_label(network["weights"]): kernel_of(expression, network)}
    if expression.endswith(".json"):
        kernels = {expression: next(iter(kernels.values()))}
    for name in names:
        if name.partition("(")[0].strip() in BASELINES:
            kernels[name] = baseline(name)
        elif expression.endswith(".json"):
            raise click.UsageError(
                f"{expression} fixes the weights: --compare takes {', '.join(BASELINES)} with it."
            )
        else:
            law = _weights(name)
            kernels[_law_label(law)] = derive_kernel(expression, **{**network, "weights": law})
    return kernels


def _weights(name: str) -> Any:
    try:
        return WeightsType().convert(name, None, None)
    except click.BadParameter as error:
        raise click.BadParameter(
            f"{name!r} is neither weights ({error.message.rstrip('.')}) nor one of {', '.join(BASELINES)}.",
            param_hint="--compare",
        ) from None


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
    result = {"weights": entry.label, **entry.spectrum.to_dict()}
    if entry.fit is not None:
        result["fit"] = entry.fit.to_dict()
    if predict:
        known = isinstance(entry.prediction, Prediction)
        result["prediction"] = entry.prediction.to_dict() if known else {"note": entry.prediction}  # type: ignore[union-attr]  # known
    return result


def _as_table(entries: list[_Entry], predict: bool) -> str:
    head = "degree  multiplicity" + "".join(f"  {entry.label:>14} {'rel. error':>10}" for entry in entries)
    lines, first = [head], entries[0].spectrum
    for k, degree in enumerate(first.degree):
        cells = (
            f"  {_value(entry.spectrum, k):>14} {entry.spectrum.rel_error[k]:10.1e}" for entry in entries
        )
        lines.append(f"{degree:6d}  {first.multiplicity[k]:12.6g}" + "".join(cells))
    for entry in entries:
        if entry.fit is not None:
            lines += ["", f"{entry.label}, fitted:", str(entry.fit)]
        if predict:
            lines += ["", f"{entry.label}, predicted:", str(entry.prediction)]
    return "\n".join(lines)


def _value(values: Spectrum, k: int) -> str:
    """The eigenvalue, also where it lies below 1e-308."""
    log10 = values.log_eigenvalue[k] / math.log(10)
    if values.eigenvalue[k] > 1e-300 or log10 == -float("inf"):
        return f"{values.eigenvalue[k]:.6e}"
    power = int(log10 // 1)
    return f"{10 ** (log10 - power):.6f}e{power}"

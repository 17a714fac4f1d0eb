"""quasintk eigen."""

from __future__ import annotations

import json
from typing import Any

import click

from numerics.fit import DecayFit, fit_decay
from numerics.zonal import Spectrum, spectrum
from quasintk.cli.options import (
    ExpressionCommand,
    WeightsType,
    expression_argument,
    get_option,
    network_options,
    write_text,
)
from quasintk.pipeline import kernel as derive_kernel


@click.command("eigen", cls=ExpressionCommand)
@expression_argument
@network_options
@click.option("--dim", default=10, show_default=True, type=click.IntRange(2), help="Dimension of the inputs.")
@click.option(
    "--degrees", default=60, show_default=True, type=click.IntRange(0, 1000), help="Highest degree."
)
@click.option("--q", default="1", show_default=True, help="|x|^2 / dim of the inputs.")
@get_option
@click.option("--compare", default="", help="Other weights, such as real,ternary,16, side by side.")
@click.option("--fit", is_flag=True, help="Fit laws of decay.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Picture of the spectra (.png, .pdf, .svg).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(
    expression: str,
    dim: int,
    degrees: int,
    q: str,
    get: str,
    compare: str,
    fit: bool,
    plot: str | None,
    as_json: bool,
    weights: Any,
    **network: Any,
) -> None:
    """Eigenvalues of the kernel of EXPR on the sphere |x|^2 = q dim, by degree.

    \b
    quasintk eigen relu --depth 2 --dim 10 --compare real --fit --plot decay.png
    """
    laws = [
        weights,
        *(WeightsType().convert(name.strip(), None, None) for name in compare.split(",") if name.strip()),
    ]
    labels = [law if isinstance(law, str) else _law_label(law) for law in laws]
    kernels = [derive_kernel(expression, weights=law, **network) for law in laws]
    spectra = [spectrum(kernel, dim=dim, degrees=degrees, get=get, q=q) for kernel in kernels]
    fits = [fit_decay(values) for values in spectra] if fit else []
    if plot is not None:
        from numerics.plots import plot_spectra

        plot_spectra(dict(zip(labels, spectra, strict=True)), plot, fits)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        write_text(json.dumps(_as_dict(labels, spectra, fits), indent=1), None)
    else:
        write_text(_as_table(labels, spectra, fits), None)


def _law_label(law: Any) -> str:
    return f"{law.levels} levels" if law.latent == "uniform" else f"r={float(law.latent_fraction):g}"


def _as_dict(labels: list[str], spectra: list[Spectrum], fits: list[DecayFit]) -> dict[str, Any]:
    entries = [{"weights": label, **values.to_dict()} for label, values in zip(labels, spectra, strict=True)]
    for entry, fitted in zip(entries, fits, strict=False):
        entry["fit"] = fitted.to_dict()
    return {"spectra": entries}


def _as_table(labels: list[str], spectra: list[Spectrum], fits: list[DecayFit]) -> str:
    head = "degree  multiplicity" + "".join(f"  {label:>14} {'rel. error':>10}" for label in labels)
    lines = [head]
    for k, degree in enumerate(spectra[0].degree):
        cells = (f"  {values.eigenvalue[k]:14.6e} {values.rel_error[k]:10.1e}" for values in spectra)
        lines.append(f"{degree:6d}  {spectra[0].multiplicity[k]:12.6g}" + "".join(cells))
    for label, fitted in zip(labels, fits, strict=False):
        lines += ["", f"{label}:", str(fitted)]
    return "\n".join(lines)

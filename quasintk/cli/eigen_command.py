"""quasintk eigen."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import click

from derive.columns import aligned
from derive.spelling import did_you_mean
from derive.weights import NAMED, WeightLaw, weight_law
from numerics.kernel import Kernel
from numerics.plots import figure, save
from numerics.progress import progress, terminal
from numerics.zonal import ROUNDING, Spectrum
from quasintk.baselines import BASELINES, NETWORKS, baseline
from quasintk.cli.command import ExpressionCommand
from quasintk.cli.config import was_given
from quasintk.cli.kernels import kernel_of, names_of
from quasintk.cli.options import (
    expression_argument,
    get_option,
    network_options,
    writable,
    write_text,
)
from quasintk.decay import Decay, decay_of
from quasintk.sweep_plots import HEIGHT, WIDTH
from quasintk.sweeps import name_of, sweep

SHOWN = 60
"""Highest degree of a table by default; rates take more (`quasintk.sweeps.sweep`)."""
HALF = 0.5
"""Of K(1): with less, the eigenvalues shown say little about the kernel."""


EXAMPLES = (
    "quasintk eigen relu --depth 2 --dim 10 --compare real,gaussian,laplace --fit --predict --plot decay.png",
    "quasintk eigen relu --depth 2 --dim 10 --json | quasintk fit -",
    "quasintk eigen relu --depth 2 --b-std 0.3 --sweep weights --plot bits.png",
)


@click.command("eigen", cls=ExpressionCommand, examples=EXAMPLES)
@expression_argument
@network_options
@click.option("--dim", default=10, show_default=True, type=click.IntRange(2), help="Dimension of the inputs.")
@click.option(
    "--degrees",
    type=click.IntRange(0, 1000),
    show_default="60, and 200 with --sweep",
    help="Highest degree.",
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
    "--sweep",
    "over",
    type=click.Choice(["weights", "phase"]),
    help="Decay rates, predicted and fitted, from binary to real weights, or over latent fraction and b_std.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    callback=writable,
    help="Picture with the predicted laws, or of the sweep (.png, .pdf, .svg).",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(
    expression: str,
    dim: int,
    degrees: int | None,
    q: str,
    get: str,
    compare: str,
    fit: bool,
    predict: bool,
    over: str | None,
    plot: str | None,
    as_json: bool,
    **network: Any,
) -> None:
    """Eigenvalues of the kernel of EXPR (or KERNEL.json) on the sphere |x|^2 = q dim, by degree."""
    if over is not None:
        asked = {"dim": dim, "q": q, "get": get, **({} if degrees is None else {"degrees": degrees})}
        _sweep(expression, over, plot, as_json, asked, network)
        return
    kernels = _kernels(expression, names_of(compare), network, get)
    entries = [
        decay_of(
            label,
            kernel,
            dim,
            SHOWN if degrees is None else degrees,
            q,
            output,
            fit,
            predict or plot is not None,
        )
        for label, (kernel, output) in kernels.items()
    ]
    if plot is not None:
        drawing, axes = figure(6.4, 4.2)
        for entry in entries:
            entry.plot(axes)
        save(drawing, plot)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        write_text(json.dumps({"spectra": [_as_dict(entry, predict) for entry in entries]}, indent=1), None)
    else:
        write_text(_as_table(entries, predict), None)


def _sweep(
    expression: str,
    over: str,
    plot: str | None,
    as_json: bool,
    asked: dict[str, Any],
    network: dict[str, Any],
) -> None:
    idle = {"weights": "--weights", "compare": "--compare", "fit": "--fit", "predict": "--predict"}
    if over == "phase":
        idle["b_std"] = "--b-std"
    if given := [option for name, option in idle.items() if was_given(name)]:
        raise click.UsageError(
            f"--sweep {over} varies or contains what {', '.join(given)} asks for: leave it out."
        )
    if expression.endswith(".json"):
        raise click.UsageError(f"{expression} fixes the weights: give --sweep the activation instead.")
    fixed = {name: value for name, value in network.items() if name not in idle}
    with progress(screen=terminal()) as report:
        found = sweep(expression, over, report=report, **asked, **fixed)
    if plot is not None:
        drawing, axes = figure(WIDTH, HEIGHT, columns=2)
        found.plot(axes)
        save(drawing, plot)
        click.echo(f"Wrote {plot}", err=True)
    write_text(json.dumps(found.to_dict(), indent=1) if as_json else str(found), None)


def _kernels(
    expression: str, names: list[str], network: dict[str, Any], get: str
) -> dict[str, tuple[Kernel, str]]:
    """The kernels to show and which of their outputs, by label."""
    stored = expression.endswith(".json")
    label = expression if stored else name_of(weight_law(network["weights"]))
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
            law = _law(name)
            kernels[name_of(law)] = kernel_of(expression, {**network, "weights": law}, get), get
    return kernels


def _law(name: str) -> WeightLaw:
    try:
        return weight_law(name)
    except ValueError as error:
        raise click.BadParameter(
            f"{name!r} is neither weights ({str(error).rstrip('.')}) nor one of {', '.join(BASELINES)}."
            + did_you_mean(name, [*BASELINES, *NAMED]),
            param_hint="--compare",
        ) from None


def _as_dict(entry: Decay, predict: bool) -> dict[str, Any]:
    result = entry.to_dict() | {"held": _held(entry.spectrum)}
    if not predict:
        result.pop("prediction", None)
    return result


def _as_table(entries: list[Decay], predict: bool) -> str:
    first = entries[0].spectrum
    rows = [("degree", "multiplicity", *(cell for entry in entries for cell in (entry.label, "rel. error")))]
    for k, degree in enumerate(first.degree):
        cells = (
            (one.eigenvalue_text(k), f"{one.rel_error[k]:.1e}")
            for one in (entry.spectrum for entry in entries)
        )
        rows.append((str(degree), f"{first.multiplicity[k]:.6g}", *chain.from_iterable(cells)))
    lines = aligned(rows, ">" * len(rows[0]))
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

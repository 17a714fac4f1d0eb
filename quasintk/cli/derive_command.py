"""quasintk derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from derive.dual import DualActivation, dual_activation
from derive.ir import OUTPUTS
from derive.network import Network
from derive.printing import expression_text
from numerics.kernel import Kernel
from quasintk.cli.options import ExpressionCommand, expression_argument, network_options, write_text
from quasintk.pipeline import kernel as derive_kernel

FORMATS = ("text", "latex", "json", "numba", "numpy")


@click.command("derive", cls=ExpressionCommand)
@expression_argument
@network_options
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(FORMATS))
@click.option("--require-closed", is_flag=True, help="Exit with 3 unless every dual has a closed form.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to a file instead of stdout.")
def command(expression: str, form: str, require_closed: bool, output: str | None, **network: Any) -> None:
    """Derive the kernel of EXPR, an activation by name or as an expression in x.

    \b
    quasintk derive relu --depth 3 --weights binary
    quasintk derive "max(x, 0)**2" --format numba -o relu2.py
    """
    kernel = derive_kernel(expression, **network)
    writers: dict[str, Callable[[Kernel], str]] = {
        "text": as_text,
        "latex": Kernel.latex,
        "json": Kernel.to_json,
        "numba": lambda kernel: kernel.source("numba", OUTPUTS),
        "numpy": lambda kernel: kernel.source("numpy", OUTPUTS),
    }
    write_text(writers[form](kernel).rstrip("\n"), output)


def as_text(kernel: Kernel) -> str:
    """The derivation as a person reads it: the dual activations, then the recursion layer by layer."""
    network: Network = kernel.network
    activations = dict.fromkeys(layer for layer in network.layers if not hasattr(layer, "law"))
    lines = [repr(kernel).strip("<>"), "", kernel.conventions, ""]
    for activation in activations:
        lines += [*_dual_lines(dual_activation(activation)), ""]
    for layer in kernel.trace:
        lines.append(layer.title)
        width = max((len(str(e.symbol)) for e in layer.equations), default=0)
        lines += [f"    {e.symbol!s:{width}} = {expression_text(e.value)}" for e in layer.equations]
    last = kernel.trace[-1].moments
    lines += ["", f"ntk = {last.k}, nngp = {last.m}, rounding = {last.p - last.m}"]
    return "\n".join(lines)


def _dual_lines(dual: DualActivation) -> list[str]:
    certificate = dual.certificate
    return [
        f"phi(x) = {dual.activation.text}, (u, v) Gaussian with variances var1, var2 and covariance cov12",
        f"    kappa     = E[phi(u) phi(v)]   = {expression_text(dual.phi)}",
        f"    kappa_dot = E[phi'(u) phi'(v)] = {expression_text(dual.dphi)}",
        f"    E[phi(u)^2] = {expression_text(dual.phi_diagonal)} for variance q",
        "    Sine = sqrt(var1 var2 - cov12^2), Angle = arccos(cov12 / sqrt(var1 var2))",
        f"    certificate: {certificate.digits:.0f} digits against independent quadrature "
        f"at {certificate.points} random covariances",
    ]

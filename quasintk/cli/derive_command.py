"""quasintk derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from derive.dual import DualActivation
from derive.functions import FUNCTIONS
from derive.ir import OUTPUTS
from derive.library import NAMED as ACTIVATIONS
from derive.printing import expression_text
from derive.series import SeriesDual
from derive.special import NAMES
from numerics.kernel import Kernel
from quasintk.cli.command import ExpressionCommand
from quasintk.cli.options import (
    expression_argument,
    kernel_option,
    network_options,
    write_text,
)
from quasintk.pipeline import kernel as derive_kernel

FORMATS = ("text", "latex", "json", "numba", "numpy")


EXAMPLES = (
    "quasintk derive relu --depth 3 --weights ternary",
    'quasintk derive "x*(1+erf(x/sqrt(2)))/2" --format latex',
    'quasintk derive "max(x, 0)**2" --format numba -o relu2.py',
    "quasintk derive gelu --depth 2 --format json -o kernel.json",
)


LANGUAGE = (
    f"Activations by name: {', '.join(ACTIVATIONS)}; parameters may be given, as in prelu(0.1).\n\n"
    f"Expressions in x: + - * / **, a if c else b, < <= > >=, and, or, not, pi, e, {', '.join(FUNCTIONS)}."
)


@click.command("derive", cls=ExpressionCommand, epilog=LANGUAGE, examples=EXAMPLES)
@expression_argument
@network_options
@kernel_option
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(FORMATS))
@click.option("--require-closed", is_flag=True, help="Exit with 3 unless every dual has a closed form.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to a file instead of stdout.")
def command(
    expression: str, get: str, form: str, require_closed: bool, output: str | None, **network: Any
) -> None:
    """Derive the kernel of EXPR, an activation by name or as an expression in x."""
    kernel = derive_kernel(expression, get=get, **network)
    if require_closed:
        kernel.require_closed()
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
    lines = [repr(kernel).strip("<>"), "", kernel.conventions, ""]
    for dual in kernel.duals:
        lines += [*(_series_lines(dual) if isinstance(dual, SeriesDual) else _dual_lines(dual)), ""]
    layers = kernel.layers
    for layer in layers:
        lines.append(layer.title)
        width = max((len(str(e.symbol)) for e in layer.equations), default=0)
        lines += [f"    {e.symbol!s:{width}} = {expression_text(e.value)}" for e in layer.equations]
    last = layers[-1].moments
    lines += ["", f"ntk = {last.k}, nngp = {last.m}, rounding = {last.p} - {last.m}"]
    return "\n".join(lines)


def _dual_lines(dual: DualActivation) -> list[str]:
    certificate = dual.certificate
    return [
        f"phi(x) = {dual.activation.text}, (u, v) Gaussian with variances var1, var2 and covariance cov12",
        f"    kappa     = E[phi(u) phi(v)]   = {expression_text(dual.phi)}",
        f"    kappa_dot = E[phi'(u) phi'(v)] = {expression_text(dual.dphi)}",
        f"    E[phi(u)^2] = {expression_text(dual.phi_diagonal)} for variance q",
        *(f"    {line}" for line in _meanings(dual)),
        f"    certificate: {certificate.digits:.0f} digits against independent quadrature "
        f"at {certificate.points} random covariances",
    ]


def _series_lines(dual: SeriesDual) -> list[str]:
    certificate, edges = dual.certificate, len(dual.rule.edges) + 1
    return [
        f"phi(x) = {dual.activation.text}: no closed form; (u, v) Gaussian with variances var1, var2 and covariance cov12",
        "    Kappa(l, var1, var2, cov12)    = E[phi(u) phi(v)],   phi in activation layer l",
        "    KappaDot(l, var1, var2, cov12) = E[phi'(u) phi'(v)], both by Mehler's series sum_j h_j(var1) h_j(var2) rho^j",
        "    KappaDiagonal(l, side, var)    = E[phi(u)^2], side 0 for x and 1 for y; KappaDotDiagonal with phi'",
        f"    h_j by Gauss-Legendre rules on {edges} panels, for variances from {float(dual.rule.smallest):g} to {float(dual.rule.largest):g}",
        f"    certificate: {certificate.digits:.0f} digits against independent quadrature "
        f"at {certificate.points} random variances",
    ]


_MEANINGS = {
    "Sine": "Sine(a, b, c) = sqrt(a b - c^2)",
    "Angle": "Angle(a, b, c) = arccos(c / sqrt(a b))",
    "Arcsine": "Arcsine(a, b, c) = arcsin(c / sqrt(a b))",
    "Tail": "Tail(h, var, shift) = exp(shift) P(z > h), z ~ N(0, var)",
    "Quadrant": "Quadrant(h, k, a, b, c, shift) = exp(shift) P(u > h, v > k), (u, v) ~ N(0, [[a, c], [c, b]])",
    "SinhScaled": "SinhScaled(z, shift) = exp(shift) sinh(z)",
}


def _meanings(dual: DualActivation) -> list[str]:
    """What the special functions in the formulas are."""
    used = {type(f).__name__ for form in (dual.phi, dual.dphi, dual.phi_diagonal) for f in form.atoms(*NAMES)}
    return [text for name, text in _MEANINGS.items() if name in used]

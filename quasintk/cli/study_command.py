"""quasintk study."""

from __future__ import annotations

from typing import Any

import click

from derive.errors import VerificationFailed
from quasintk.cli.command import ExpressionCommand
from quasintk.cli.options import expression_argument, kernel_option, network_options, refused_early
from quasintk.page import check_page, study_of, write
from verify.check import seconds_of
from verify.report import Certificate

EXAMPLES = (
    "quasintk study relu --depth 2 -o report.html",
    'quasintk study "max(x, 0)**2" --weights ternary --b-std 0.3 -o square.html',
)


@click.command("study", cls=ExpressionCommand, examples=EXAMPLES)
@expression_argument
@network_options
@kernel_option
@click.option("--dim", default=10, show_default=True, type=click.IntRange(2), help="Dimension of the inputs.")
@click.option(
    "--degrees", default=60, show_default=True, type=click.IntRange(8, 1000), help="Highest degree."
)
@click.option(
    "--budget",
    default="10s",
    show_default=True,
    callback=refused_early(seconds_of),
    help="Time to spend on sampled checks.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Of all that is sampled."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    callback=refused_early(check_page),
    help="The page, such as report.html.",
)
def command(expression: str, output: str, **options: Any) -> None:
    """Write one self-contained page about the kernel of EXPR.

    Its derivation with proof and certificate, its eigenvalues for several precisions and depths with fitted and predicted laws, its function
    space beside classical kernels', and the quasi network beside rounded ones. Takes about a minute. Exits with 4 if a check fails; the
    page is written and says so.
    """
    if expression.endswith(".json"):
        raise click.UsageError(
            f"{expression} fixes the weights and the depth, which a page varies: give the activation instead."
        )
    found = study_of(expression, watch=lambda doing: click.echo(f"{doing} ...", err=True), **options)
    write(found, output)
    click.echo(f"Wrote {output}", err=True)
    certificate = found.certificate
    if isinstance(certificate, Certificate) and certificate.status == "FAIL":
        raise VerificationFailed(f"{certificate.attained}, first {certificate.failed[0].name}; see {output}.")

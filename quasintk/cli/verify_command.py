"""quasintk verify."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from derive.errors import NumericalError, VerificationFailed
from quasintk.cli.command import ExpressionCommand
from quasintk.cli.kernels import kernel_of
from quasintk.cli.options import (
    arguments_of,
    expression_argument,
    kernel_option,
    network_options,
    write_text,
)
from verify.check import verify
from verify.render import percent
from verify.report import Certificate
from verify.rerun import rerun

WRITERS: dict[str, Callable[[Certificate], str]] = {
    "text": str,
    "json": Certificate.to_json,
    "markdown": Certificate.to_markdown,
    "html": Certificate.to_html,
}


class MarginType(click.ParamType[float]):
    """0.005 or 0.5%."""

    name = "margin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of a text."""
        text = str(value).strip()
        try:
            return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is no number such as 0.005 or 0.5%.", param, ctx)


EXAMPLES = (
    "quasintk verify relu --depth 2 --budget 60s --margin 1%",
    "quasintk verify gelu --format html -o certificate.html",
)


@click.command("verify", cls=ExpressionCommand, examples=EXAMPLES)
@expression_argument
@network_options
@kernel_option
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the sampled networks.")
@click.option("--budget", default="20s", show_default=True, help="Time to spend, such as 20s or 2m.")
@click.option(
    "--margin",
    type=MarginType(),
    help="Deviation to exclude, of sqrt(K(x,x)K(y,y)), such as 0.5%.  [default: 0.5%, or what the budget allows]",
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Sample on local:N, tcp://host:port or file:scheduler.json."
)
@click.option("--format", "form", type=click.Choice(list(WRITERS)), help="[default: text]")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to a file instead of stdout.")
def command(
    expression: str,
    get: str,
    seed: int,
    budget: str,
    margin: float | None,
    cluster: str | None,
    form: str | None,
    as_json: bool,
    output: str | None,
    **network: Any,
) -> None:
    """Check the kernel of EXPR, or of a KERNEL.json, against its own digits and sampled networks.

    Exits with 4 if a check fails, and with 5 if the budget ends before every check is decided.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other: drop one of them.")
    stored = expression.endswith(".json")
    if stored and get != "ntk":
        raise click.UsageError(f"{expression} fixes the network: drop --get.")
    kernel = kernel_of(expression, network, get)
    certificate = verify(kernel, seed=seed, budget=budget, margin=margin, cluster=cluster)

    def again(budget: str) -> str:
        if not stored and get == "ntk":
            return rerun(kernel, None, seed, budget, margin)
        options = [] if stored else [*arguments_of(network), "--get", get]
        options += ["--seed", str(seed), "--budget", budget]
        options += [] if margin is None else ["--margin", str(margin)]
        return shlex.join(["quasintk", "verify", expression, *options])

    certificate = replace(certificate, rerun=again(budget))
    write_text(WRITERS["json" if as_json else form or "text"](certificate), output)
    if certificate.status == "FAIL":
        raise VerificationFailed(f"{certificate.attained}, first {certificate.failed[0].name}.")
    if certificate.status != "PASS":
        raise NumericalError(_undecided(certificate, budget, again(_doubled(budget))))


def _undecided(certificate: Certificate, budget: str, command: str) -> str:
    worst = certificate.undecided[0]
    if not worst.samples:
        return (
            f"{worst.name!r} cannot be sampled: no budget decides it; everything else is in the certificate."
        )
    limit = percent(certificate.detectable)
    attained = f"precision {limit} attained" if limit else "no precision attained"
    return (
        f"the budget of {budget} ended before every check was decided: {attained}, "
        f"{percent(worst.margin)} asked. Half the error takes four times as long. Next: {command}"
    )


def _doubled(budget: str) -> str:
    """20s to 40s."""
    number, unit = re.fullmatch(r"\s*([\d.]+)\s*(\w*)\s*", budget, re.ASCII).groups()  # type: ignore[union-attr]  # read before
    return f"{2 * float(number):g}{unit}"

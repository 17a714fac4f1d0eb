"""quasintk verify."""

from __future__ import annotations

import json
from typing import Any

import click

from derive.errors import NumericalError, VerificationFailed
from quasintk.cli.options import ExpressionCommand, expression_argument, network_options, write_text
from quasintk.pipeline import kernel as derive_kernel
from verify.check import verify


@click.command("verify", cls=ExpressionCommand)
@expression_argument
@network_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the sampled networks.")
@click.option("--budget", default="20s", show_default=True, help="Time to spend, such as 20s or 2m.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(expression: str, seed: int, budget: str, as_json: bool, **network: Any) -> None:
    """Check the kernel of EXPR against independently rounded finite networks.

    Exits with 4 if a check fails, and with 5 if the budget ends before every check is decided.
    """
    certificate = verify(derive_kernel(expression, **network), seed=seed, budget=budget)
    write_text(json.dumps(certificate.to_dict(), indent=1) if as_json else str(certificate), None)
    if certificate.status == "FAIL":
        raise VerificationFailed("sampled networks contradict the kernel (see the failed checks above).")
    if certificate.status != "PASS":
        raise NumericalError(f"the budget of {budget} ended before every check was decided: raise --budget.")

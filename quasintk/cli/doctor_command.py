"""quasintk doctor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from quasintk.cli.command import Command
from quasintk.health import examine, examine_store

EXAMPLES = (
    "quasintk doctor",
    "quasintk doctor G.zarr",
)


@click.command("doctor", cls=Command, examples=EXAMPLES)
@click.argument("store", required=False, type=click.Path(exists=True))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(store: str | None, as_json: bool) -> None:
    """Report the installation's health: packages, versions, extras, cores, memory.

    Of a STORE, such as G.zarr, report missing and damaged tiles, and exit with 6 if there are any.
    """
    findings = examine() if store is None else examine_store(Path(store))
    if as_json:
        click.echo(json.dumps([finding.to_dict() for finding in findings], indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            state = click.style("ok ", fg="green") if finding.ok else click.style("BAD", fg="red", bold=True)
            click.echo(f"{state}  {finding.name:{width}}  {finding.detail}")
    if not all(finding.ok for finding in findings):
        sys.exit(1 if store is None else 6)

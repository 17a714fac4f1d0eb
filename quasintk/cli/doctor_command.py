"""quasintk doctor."""

from __future__ import annotations

import json
import sys

import click

from quasintk.health import examine


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(as_json: bool) -> None:
    """Report the installation's health: packages, versions, extras, cores, memory."""
    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.to_dict() for finding in findings], indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.name:{width}}  {finding.detail}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)

"""quasintk cite."""

from __future__ import annotations

import click

from quasintk.citation import bibtex, words
from quasintk.cli.command import Command

WRITERS = {"bibtex": bibtex, "text": words}


@click.command(
    "cite", cls=Command, examples=("quasintk cite >> references.bib", "quasintk cite --format text")
)
@click.option("--format", "form", type=click.Choice(list(WRITERS)), default="bibtex", show_default=True)
def command(form: str) -> None:
    """Print what to cite: this software, and the paper whose construction it implements."""
    click.echo(WRITERS[form]())

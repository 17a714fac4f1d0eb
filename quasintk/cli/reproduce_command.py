"""quasintk reproduce."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from derive.spelling import did_you_mean
from numerics.progress import Report, progress, terminal
from quasintk.cli.command import Command
from quasintk.cli.kernels import names_of
from quasintk.studies.datasets import NEEDED
from quasintk.studies.paper import STUDIES, conditions, paper_studies
from quasintk.studies.runner import Outcome, done_cells, run_studies
from quasintk.studies.study import Study

EVERY = 10.0
"""Seconds between lines of progress where there is no terminal."""


class StudiesType(click.ParamType[list[str]]):
    """approximation,gap."""

    name = "studies"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The names of a list."""
        names = value if isinstance(value, list) else names_of(value)
        unknown = [name for name in names if name not in STUDIES]
        if unknown:
            hint = did_you_mean(unknown[0], STUDIES)
            self.fail(f"{', '.join(unknown)} is no study: they are {', '.join(STUDIES)}.{hint}", param, ctx)
        if not names:
            self.fail(f"it is empty: name some of {', '.join(STUDIES)}.", param, ctx)
        return names


EXAMPLES = (
    "quasintk reproduce paper --quick -o paper",
    "quasintk reproduce paper --quick --only decay -o decay",
    "quasintk reproduce paper --quick -o paper --resume",
)


@click.command("reproduce", cls=Command, examples=EXAMPLES)
@click.argument("what", metavar="paper", type=click.Choice(["paper"]))
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Where tables and pictures go.",
)
@click.option("--quick", is_flag=True, help="Smaller settings: 2 minutes in all instead of about 20 minutes.")
@click.option(
    "--only", metavar="NAMES", type=StudiesType(), help=f"Some of {','.join(STUDIES)}.  [default: all]"
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31), help="Of everything that is drawn."
)
@click.option(
    "--openml", is_flag=True, help="Gap and kernel machines on UCI's tables too, fetched from OpenML."
)
@click.option("--resume", is_flag=True, help="Complete what is there.")
def command(
    what: str, output: Path, quick: bool, only: list[str] | None, seed: int, openml: bool, resume: bool
) -> None:
    """Run the experiments of the source paper, arXiv:2206.05916, again.

    \b
    approximation  sampled binary networks against the quasi network, by width
    decay          eigenvalues: binary, real, Gaussian, Laplace; who contains whom
    gap            generalisation gap of trained networks, binary against real
    kernels        kernel machines: quasi NTK, real NTK, Gaussian, Laplace
    precision      gap and decay rate against the bits of a weight

    DIR gets summary.md, and for every study tables as .csv, all of it as .json, and a picture. Interrupted, even killed, a
    run is completed by the same command and --resume, with the tables that an undisturbed run gives.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise click.UsageError(NEEDED)
    if openml and not {"gap", "kernels"} & set(only or STUDIES):
        raise click.UsageError("--openml adds tables to gap and kernels, which --only leaves out: drop one.")
    studies = paper_studies(only or STUDIES, quick, seed, openml)
    with _progress(studies, output) as report:
        outcome = run_studies(studies, output, conditions(), resume, report)
    click.echo(_text(outcome))
    for note in outcome.notes:
        click.echo(f"No pictures: {note}", err=True)
    click.echo(
        f"Wrote {output / 'summary.md'}, and tables{'' if outcome.notes else ' and pictures'} beside it.",
        err=True,
    )


def _text(outcome: Outcome) -> str:
    parts = (
        "\n".join([f"{study.name}: {study.title}", *(f"  - {finding}" for finding in findings)])
        for study, findings in outcome.findings
    )
    return "\n\n".join(parts)


@contextmanager
def _progress(studies: Sequence[Study], folder: Path) -> Iterator[Report]:
    """A bar on a terminal's stderr, else a line now and then; after an interrupt, what is there and how to go on."""
    try:
        with progress(screen=terminal() or _Lines()) as report:
            yield report
    except KeyboardInterrupt:
        done, total = done_cells(folder, studies)
        click.echo(
            f"{done} of {total} parts are on the disk: the same command with --resume goes on.", err=True
        )
        raise


class _Lines:
    """Progress where there is no terminal."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def show(self, share: float | None, text: str) -> None:
        if time.monotonic() - self.last > EVERY:
            self.last = time.monotonic()
            click.echo(f"{100 * (share or 0.0):3.0f} %  {text}", err=True)

    def clear(self) -> None:
        """Lines stay."""

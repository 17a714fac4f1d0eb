"""quasintk gram."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from numerics.arrays import as_rows, load_array
from numerics.gram import gram
from numerics.job import estimate, job_of
from numerics.memory import parse_bytes
from numerics.progress import Report, progress, terminal
from quasintk.cli.command import ExpressionCommand
from quasintk.cli.kernels import kernel_of
from quasintk.cli.options import expression_argument, get_option, network_options


class ShardType(click.ParamType[tuple[int, int]]):
    """2/8."""

    name = "shard"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The numbers of a text."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value))
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r} is no shard I/N, such as 1/3, 2/3 and 3/3 of three.", param, ctx)
        return int(match[1]), int(match[2])


EXAMPLES = (
    "quasintk gram relu X.npy -o G.npy --depth 3",
    "quasintk gram relu X.npy -o G.zarr --dry-run",
    "quasintk gram relu X.npy -o G.zarr --memory 1GB",
    "quasintk gram relu X.npy -o G.zarr --memory 1GB --resume",
    "quasintk derive relu --format json -o kernel.json && quasintk gram kernel.json X.npy -o H.npy",
)


@click.command("gram", cls=ExpressionCommand, examples=EXAMPLES)
@expression_argument
@click.argument("data", metavar="X.npy", type=click.Path(exists=True, dir_okay=False))
@network_options
@get_option
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="Where the matrix goes: .npy or .zarr."
)
@click.option(
    "--dtype", type=click.Choice(["float32", "float64"]), help="[default: the data's, else float64]"
)
@click.option("--memory", default="4GB", show_default=True, help="The most that tiles may take.")
@click.option("--tile", type=click.IntRange(256), help="Rows of a tile, a multiple of 256.  [default: 2048]")
@click.option("--full", is_flag=True, help="Both triangles in a .zarr store.")
@click.option("--resume", is_flag=True, help="Complete what is there.")
@click.option(
    "--shard", metavar="I/N", type=ShardType(), help="Compute every N-th tile, for jobs side by side."
)
@click.option("--cluster", metavar="ADDRESS", help="local:N, tcp://host:port or file:scheduler.json (dask).")
@click.option("--dry-run", is_flag=True, help="Print tiles, bytes and time, and write nothing.")
def command(
    expression: str,
    data: str,
    get: str,
    output: str,
    dtype: str | None,
    memory: str,
    dry_run: bool,
    **options: Any,
) -> None:
    """Gram matrix of the rows of X.npy under the kernel of EXPR, or under a KERNEL.json.

    The matrix may be larger than memory. Interrupted, even killed, a run is completed by the same command and --resume.
    """
    writing = {name: options.pop(name) for name in ("tile", "full", "resume", "shard", "cluster")}
    kernel = kernel_of(expression, options, get)
    if os.path.realpath(output) == os.path.realpath(data):
        raise click.UsageError(f"The output {output} is the data file.")
    if dry_run:
        _tell_estimate(kernel, data, output, dtype, memory, get, writing)
        return
    with _progress() as report:
        result = gram(
            kernel,
            data,
            out=output,
            dtype=dtype,
            memory=parse_bytes(memory),
            get=get,
            report=report,
            **writing,
        )
    if result is None:
        click.echo(f"This shard of {output} is done; the last one to end completes the file.", err=True)
    else:
        click.echo(f"Wrote {output}: {result.shape[0]} x {result.shape[1]}, {result.dtype}", err=True)


def _tell_estimate(
    kernel: Any, data: str, output: str, dtype: str | None, memory: str, get: str, writing: dict[str, Any]
) -> None:
    rows, natural = as_rows(load_array(Path(data)))
    job = job_of(
        kernel, rows, Path(output), np.dtype(dtype or natural), memory=parse_bytes(memory), get=get,
        resume=writing["resume"], tile=writing["tile"], full=writing["full"],
    )  # fmt: skip
    found = estimate(job)
    there = f", {found.done} of them there already" if found.done else ""
    click.echo(
        f"{found.tiles} tiles of {job.plan.tile} rows{there}, {found.bytes / 1e9:.3g} GB, about {found.seconds:.2g} s of arithmetic "
        f"on {len(os.sched_getaffinity(0))} cores; nothing written."
    )


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on a terminal's stderr; after an interrupt, what is there and how to go on."""
    last = [""]
    try:
        with progress(screen=terminal()) as shown:

            def report(done: float, total: float, what: str) -> None:
                last[0] = what
                shown(done, total, what)

            yield report
    except KeyboardInterrupt:
        if last[0]:
            click.echo(f"{last[0]}: the same command with --resume goes on.", err=True)
        raise

"""quasintk gram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from numerics.gram import gram
from quasintk.cli.arrays import load_array
from quasintk.cli.kernels import kernel_of
from quasintk.cli.options import ExpressionCommand, expression_argument, get_option, network_options


@click.command("gram", cls=ExpressionCommand)
@expression_argument
@click.argument("data", metavar="X.npy", type=click.Path(exists=True, dir_okay=False))
@network_options
@get_option
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="Where the matrix goes (.npy)."
)
@click.option("--memory", default="4GB", show_default=True, help="The most that the matrix may take.")
def command(expression: str, data: str, get: str, output: str, memory: str, **network: Any) -> None:
    """Gram matrix of the rows of X.npy under the kernel of EXPR, or under a KERNEL.json.

    \b
    quasintk gram relu X.npy -o G.npy --depth 3
    quasintk derive relu --format json -o kernel.json && quasintk gram kernel.json X.npy -o G.npy
    """
    kernel = kernel_of(expression, network, get)
    rows = load_array(Path(data))
    if Path(output).resolve() == Path(data).resolve():
        raise click.UsageError(f"The output {output} is the data file.")
    result = gram(kernel, rows, out=output, memory=memory, get=get)
    click.echo(f"Wrote {output}: {result.shape[0]} x {result.shape[1]}, {result.dtype}", err=True)

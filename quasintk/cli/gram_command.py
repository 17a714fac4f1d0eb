"""quasintk gram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from derive.errors import NotEnoughMemory
from numerics.gram import gram
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
    rows = _load(Path(data))
    if Path(output).resolve() == Path(data).resolve():
        raise click.UsageError(f"The output {output} is the data file.")
    result = gram(kernel, rows, out=output, memory=memory, get=get)
    click.echo(f"Wrote {output}: {result.shape[0]} x {result.shape[1]}, {result.dtype}", err=True)


def _load(path: Path) -> np.ndarray[Any, Any]:
    """Read a .npy file; its declared size is checked against the file's before anything is allocated."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
                version
            ]
            shape, _, dtype = read(file)
            declared = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject:
            raise TypeError(f"{path} holds Python objects: save an array of numbers.")
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers: {error}") from None
    if declared != path.stat().st_size:
        raise ValueError(
            f"{path} is damaged: its header declares {declared} bytes, it has {path.stat().st_size}."
        )
    try:
        array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except MemoryError:
        raise NotEnoughMemory(f"{path} with shape {shape} does not fit into memory.") from None
    return array

"""A command's kernel: derived from an expression and the network's options, or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from derive.errors import BadKernelFile
from numerics.kernel import Kernel
from quasintk.baselines import split
from quasintk.cli.config import was_given
from quasintk.pipeline import kernel as derive_kernel


def kernel_of(expression: str, network: dict[str, Any], get: str = "ntk") -> Kernel:
    """The kernel of an EXPR or a KERNEL.json; options beside a file are refused.

    An EXPR's has the outputs that `get` asks for: where that is no NTK, none is derived, which may be infinite.
    """
    if not expression.endswith(".json"):
        return derive_kernel(expression, get="ntk" if get == "ntk" else "nngp", **network)
    given = [name for name in network if was_given(name)]
    if given:
        raise click.UsageError(
            f"{expression} fixes the network: drop {', '.join('--' + n.replace('_', '-') for n in given)}."
        )
    try:
        text = Path(expression).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadKernelFile(
            f"{expression} is no text: write one with quasintk derive EXPR --format json -o FILE."
        ) from None
    return Kernel.from_json(text)


def names_of(text: str) -> list[str]:
    """The names of a list such as "real, gaussian, matern(3/2, 0.5)": commas in brackets belong to a name."""
    return [name for name in split(text) if name]

"""What the commands have in common: the expression, the network's options, and how files are read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from derive.library import NAMED
from derive.spelling import did_you_mean
from derive.weights import NAMED as LAWS
from derive.weights import WeightLaw, weight_law
from numerics.plots import check_path
from verify.rerun import law_text

F = TypeVar("F", bound=Callable[..., Any])


class WeightsType(click.ParamType[str | WeightLaw]):
    """real, binary, ternary, a number of levels, or r=0.4."""

    name = "weights"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | WeightLaw:
        """The law of a text; a name stays one."""
        try:
            return value if value in LAWS else weight_law(value)
        except ValueError as error:
            self.fail(f"{error}{did_you_mean(str(value), LAWS)}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The named laws."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in (*LAWS, "16") if name.startswith(incomplete)]


def network_options(command: F) -> F:
    """--depth, --weights, --W-std, --b-std, --parameterization."""
    options = (
        click.option(
            "--depth", default=1, show_default=True, type=click.IntRange(1, 64), help="Hidden layers."
        ),
        click.option(
            "--weights",
            default="binary",
            show_default=True,
            type=WeightsType(),
            help="real, binary, ternary, a number of levels, or r=0.4.",
        ),
        click.option(
            "--W-std", "W_std", default="1", show_default=True, help="Standard deviation of the weights."
        ),
        click.option(
            "--b-std", "b_std", default="0", show_default=True, help="Standard deviation of the biases."
        ),
        click.option(
            "--parameterization",
            default="ntk",
            show_default=True,
            type=click.Choice(["ntk", "latent"]),
            help="What the NTK's gradients are taken with respect to.",
        ),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _activations(context: click.Context, argument: click.Parameter, incomplete: str) -> list[Any]:
    """The named activations, and files of kernels where the command takes them, for a shell's completion."""
    from click.shell_completion import CompletionItem

    names = [
        CompletionItem(name, help=named.text) for name, named in NAMED.items() if name.startswith(incomplete)
    ]
    return names or [CompletionItem(incomplete, type="file")]


expression_argument = click.argument("expression", metavar="EXPR", shell_complete=_activations)
get_option = click.option(
    "--get",
    default="ntk",
    show_default=True,
    type=click.Choice(["ntk", "nngp", "rounding"]),
    help="Which kernel.",
)


kernel_option = click.option(
    "--get",
    default="ntk",
    show_default=True,
    type=click.Choice(["ntk", "nngp"]),
    help="nngp: of the network whose readout alone is trained, for activations whose NTK is infinite.",
)


def arguments_of(network: dict[str, Any]) -> list[str]:
    """The options of `network_options` as they are typed."""
    law = network["weights"]
    if not isinstance(law, str):
        law = law_text(law)
    pairs = ((f"--{name.replace('_', '-')}", value) for name, value in {**network, "weights": law}.items())
    return [str(part) for pair in pairs for part in pair]


def refused_early(check: Callable[[Any], object]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """An option's callback that refuses a value before anything is computed, where `check` raises."""

    def callback(context: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            check(value)
        except (ValueError, OSError, ImportError) as error:
            raise click.BadParameter(str(error), context, option) from None
        return value

    return callback


writable = refused_early(check_path)


def write_text(text: str, path: str | None) -> None:
    """To stdout, or to a new file that is written whole or not at all."""
    if path is None:
        click.echo(text)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.part")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    click.echo(f"Wrote {target}", err=True)

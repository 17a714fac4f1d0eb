"""The commands' common frame: examples below the help, options from a file, an expression that may begin with a minus sign.

Nothing of the lower packages is imported before it is needed: `quasintk doctor` runs where another package hides them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from quasintk.cli.config import META, config_option

SHOWN = 76
"""Characters of an expression that an error shows, with a mark below."""
_COLUMN = re.compile(r"column (\d+):")


class Formatter(click.HelpFormatter):
    """Help with headings that stand out on a terminal."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line of usage."""
        super().write_usage(prog, args, prefix or click.style("Usage: ", bold=True))

    def write_heading(self, heading: str) -> None:
        """A section's name."""
        super().write_heading(click.style(heading, bold=True))


class Context(click.Context):
    """A context whose help is written by `Formatter`."""

    formatter_class = Formatter


class Command(click.Command):
    """A command with examples and --config.

    Parameters
    ----------
    examples : sequence of str
        Command lines, shown as they stand; a test runs each.
    """

    context_class = Context

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params.append(config_option)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, whose lines are not broken."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the file where its value is the bad one."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name = error.param.name if error.param is not None else None
            if name and ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP:
                raise click.BadParameter(
                    f"{ctx.meta[META]}: {error.message}", ctx, error.param, error.param_hint
                ) from None
            raise


class ExpressionCommand(Command):
    """A command whose first argument is an expression, which may begin with a minus sign.

    A token that begins with one minus, is neither an option of the command nor an option's value, and parses as an
    expression is an argument; behind `--` everything is.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the arguments behind `--`, where click leaves them alone."""
        known = {
            name: option for option in self.get_params(ctx) for name in option.opts if name.startswith("-")
        }
        options: list[str] = []
        arguments: list[str] = []
        tokens = iter(args)
        for token in tokens:
            option = known.get(token.partition("=")[0])
            if token == "--":
                arguments += tokens
            elif option is not None:
                options.append(token)
                if not getattr(option, "is_flag", False) and "=" not in token:
                    options += [value for value in (next(tokens, None),) if value is not None]
            elif token.startswith("-") and (token.startswith("--") or not _is_expression(token)):
                options.append(token)
            else:
                arguments.append(token)
        return super().parse_args(ctx, [*options, "--", *arguments])

    def invoke(self, ctx: click.Context) -> Any:
        """Show below a refused expression where it cannot be read."""
        from derive.errors import BadExpression

        try:
            return super().invoke(ctx)
        except BadExpression as error:
            place, expression = _COLUMN.match(str(error)), str(ctx.params.get("expression"))
            if place is None or len(expression) > SHOWN or not expression.isprintable():
                raise
            raise BadExpression(f"{error}\n\n    {expression}\n    {'^':>{int(place[1])}}") from None


def _is_expression(token: str) -> bool:
    from derive.errors import BadExpression
    from derive.parse import parse_expression

    try:
        parse_expression(token)
    except BadExpression:
        return False
    return True

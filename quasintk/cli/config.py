"""Options from a file: `--config run.toml`.

    depth = 3                 # every command that has the option
    weights = "ternary"

    [eigen]                   # one command
    dim = 20
    compare = ["real", "gaussian"]
    fit = true

The command line wins over the file, a command's table over the lines before the first table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

LARGEST = 1_000_000
"""Bytes of a file that are read."""
META = "quasintk.config"
"""Where the path is kept among a context's notes, for `quasintk --config FILE COMMAND`."""


def apply_config(context: click.Context, option: click.Parameter, path: str | None) -> None:
    """Make a file's values the defaults of a command; an option's callback.

    Raises
    ------
    click.UsageError
        If the file cannot be read, or has a table, an option or a value that no command has.
    """
    if path is not None:
        context.meta[META] = path
    path = context.meta.get(META)
    if path is None or isinstance(context.command, click.Group) or context.resilient_parsing:
        return
    name, root = str(context.info_name), context.find_root()
    group = root.command
    commands = group.list_commands(root) if isinstance(group, click.Group) else [name]
    content = _read(path)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    common = {key: value for key, value in content.items() if key not in tables}
    for key in tables:
        if key not in commands:
            raise click.UsageError(
                f"{path}: [{key}] is no command.{_hint(key, commands)} They are {', '.join(commands)}."
            )
    for table in (common, *tables.values()):
        if len({_key(key) for key in table}) < len(table):
            raise click.UsageError(
                f"{path}: an option stands twice, with - and with _: keep one of {', '.join(table)}."
            )
    own = _options(context.command)
    _refuse_unknown(path, f"quasintk {name}", tables.get(name, {}), own)
    if any(_key(key) not in own for key in common):
        _refuse_unknown(path, "any command", common, _options(*_commands(root)))
    chosen = {**common, **tables.get(name, {})}
    context.default_map = {
        str(own[_key(key)].name): _value(path, key, value, own[_key(key)])
        for key, value in chosen.items()
        if _key(key) in own
    }


def was_given(name: str) -> bool:
    """Whether the present command's parameter stands on its command line or in its file."""
    source = click.get_current_context().get_parameter_source(name)
    return source in (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)


config_option = click.Option(
    ["--config"],
    metavar="FILE.toml",
    type=click.Path(exists=True, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=apply_config,
    help="Options from a file; the command line wins.",
)


def _read(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise click.UsageError(f"{path} is no file: write the options into one.")
    with Path(path).open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise click.UsageError(f"{path} has more than {LARGEST:,} bytes: a few lines of options are needed.")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(
            f"{path} is no TOML ({error}): write lines such as depth = 3, and [eigen] above those of one command."
        ) from None


def _commands(root: click.Context) -> list[click.Command]:
    group = root.command
    if not isinstance(group, click.Group):
        return [group]
    found = (group.get_command(root, name) for name in group.list_commands(root))
    return [command for command in found if command is not None]


def _options(*commands: click.Command) -> dict[str, click.Option]:
    """Options by their keys in a file."""
    return {
        _key(name): option
        for command in commands
        for option in command.params
        if isinstance(option, click.Option) and option is not config_option
        for name in option.opts
        if name.startswith("--")
    }


def _hint(name: str, known: Iterable[str]) -> str:
    from derive.spelling import did_you_mean

    return did_you_mean(name, known)


def _key(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


def _refuse_unknown(
    path: str, where: str, given: Mapping[str, Any], known: Mapping[str, click.Option]
) -> None:
    for name in given:
        if _key(name) not in known:
            raise click.UsageError(
                f"{path}: {name!r} is no option of {where}.{_hint(_key(name), known)} They are {', '.join(known)}."
            )


def _value(path: str, name: str, value: Any, option: click.Option) -> Any:
    """The value as the command line would have it: a flag's truth, else text; a list is joined by commas."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"{path}: {name} is on or off: write {name} = true.")
        return value
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(
        isinstance(part, str | int | float) and part is not True and part is not False for part in parts
    ):
        raise click.UsageError(
            f"{path}: {name} needs a number, a text, or a list of them, got {str(value)[:60]}."
        )
    return ",".join(map(str, parts))

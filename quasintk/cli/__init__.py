"""The command line. Results go to stdout, everything else to stderr; errors have the exit codes of `main`."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from typing import Any

import click

from quasintk import _siblings
from quasintk.cli.command import Context
from quasintk.cli.config import config_option

COMMANDS = {
    "derive": "derive_command",
    "eigen": "eigen_command",
    "fit": "fit_command",
    "gram": "gram_command",
    "verify": "verify_command",
    "study": "study_command",
    "reproduce": "reproduce_command",
    "doctor": "doctor_command",
    "cite": "cite_command",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that `--help` stays quick."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"quasintk.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a command where there is none of that name."""
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from derive.spelling import did_you_mean

        raise click.UsageError(f"There is no command {name[:60]!r}.{did_you_mean(name, COMMANDS)}", ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The commands with their summaries, without importing them."""
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=text) for name, text in SUMMARIES.items() if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


SUMMARIES = {
    "derive": "Derive a kernel: its recursion, LaTeX, JSON or generated code.",
    "eigen": "Eigenvalues on the sphere, compared and fitted.",
    "fit": "Fit laws of decay to eigenvalues of any origin.",
    "gram": "Gram matrix of the rows of a .npy file.",
    "verify": "Check a kernel against sampled finite networks.",
    "study": "One page about a kernel: derivation, spectrum, comparison, checks.",
    "reproduce": "Run the source paper's experiments again.",
    "doctor": "Report the installation's health.",
    "cite": "Print what to cite, as BibTeX or in words.",
}

EPILOG = (
    "In bash, the tab key completes commands, options and activations after\n\n\b\n"
    '  eval "$(_QUASINTK_COMPLETE=bash_source quasintk)"\n\n'
    "and likewise with zsh_source and fish_source. NO_COLOR=1 turns colours off.\n\n"
    "Exit codes: 0 ok, 1 internal error, 2 usage or bad input, 3 no closed form, 4 verification failed, "
    "5 numerical failure, 6 store or data mismatch, 75 store locked by another writer, 130 interrupted."
)


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    params=[config_option],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="quasintk")
def app() -> None:
    """Kernels of infinitely wide networks with rounded weights: derive, compute, verify."""


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run())


def color() -> bool | None:
    """Whether output is coloured: never with NO_COLOR, always with FORCE_COLOR, else (None) on terminals."""
    return False if os.environ.get("NO_COLOR") else True if os.environ.get("FORCE_COLOR") else None


def run() -> int:
    """Run the command line; every known error becomes one message on stderr and an exit code."""
    try:
        if sys.argv[1:2] != ["doctor"]:
            _siblings.check()
        app(prog_name="quasintk", standalone_mode=False, color=color())
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        if context is not None:
            click.echo(
                f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n",
                err=True,
                color=color(),
            )
        return _tell(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _tell("Interrupted; no output file was left half written.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except ImportError as error:
        return _tell(str(error), 1)
    except SystemExit as stop:
        return int(stop.code or 0)
    except Exception as error:
        return _known(error)
    return 0


def _known(error: Exception) -> int:
    """Message and code of an error that this program raises on purpose; anything else is internal."""
    from derive import errors

    codes: tuple[tuple[type[Exception], int], ...] = (
        (errors.NoClosedForm, 3),
        (errors.VerificationFailed, 4),
        (errors.NumericalError, 5),
        (errors.CertificateError, 1),
        (errors.StoreMismatch, 6),
        (errors.StoreLocked, 75),
        (errors.QuasintkError, 2),
    )
    for kind, code in codes:
        if isinstance(error, kind):
            return _tell(str(error), code)
    if isinstance(error, OSError):
        return _tell(_of_a_file(error), 2)
    if isinstance(error, ValueError | TypeError) and _raised_by_us(error):
        return _tell(str(error), 2)
    traceback.print_exception(error)
    return _tell(f"internal: {type(error).__name__}: {error}. Please report it with the lines above.", 1)


REMEDIES = {
    errno.EEXIST: "something else stands there; remove it, or choose another path",
    errno.ENOENT: "it, or a folder on the way, is missing; look at the path",
    errno.EACCES: "ask for the right to write there, or choose another path",
    errno.EROFS: "choose a path on another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "free some room; a matrix on the disk goes on with --resume",
    errno.EIO: "look after the disk; a matrix on it goes on with --resume",
}


def _of_a_file(error: OSError) -> str:
    """What the system says of a file, and what to do; other messages are whole."""
    if error.filename is None or error.errno is None:
        return error.strerror or str(error)
    what = f"{error.filename}: {error.strerror}"
    return f"{what}: {REMEDIES[error.errno]}." if error.errno in REMEDIES else f"{what}."


def _tell(message: str, code: int) -> int:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True, color=color())
    return code


def _raised_by_us(error: BaseException) -> bool:
    """Whether our own code raised it on purpose, rather than a library under it."""
    last: Any = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    package = str(last.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ("derive", "numerics", "verify", "quasintk")

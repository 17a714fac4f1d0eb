"""quasintk fit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from numerics.arrays import load_array
from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.fit_plots import draw_fit
from numerics.laws import LAWS
from numerics.plots import figure, save
from quasintk.cli.command import Command
from quasintk.cli.config import was_given
from quasintk.cli.options import writable, write_text

COLUMNS = ("degree", "eigenvalue", "log_eigenvalue", "multiplicity", "rel_error")
UNNAMED = ("degree", "eigenvalue", "multiplicity", "rel_error")
"""Columns of a file without a header."""
LARGEST = 20_000_000
"""Characters that are read."""


class _Window(click.ParamType[tuple[float, float]]):
    name = "LOW,HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Two numbers."""
        try:
            low, high = map(float, str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers such as 20,60.", param, ctx)
        return low, high


EXAMPLES = (
    "quasintk eigen relu --depth 2 --degrees 100 --json > spectrum.json",
    "quasintk fit spectrum.json --window 20,60 --plot fit.png",
    "quasintk fit eigenvalues.npy --laws exponential,power --json",
)


@click.command("fit", cls=Command, examples=EXAMPLES)
@click.argument("file", metavar="FILE")
@click.option("--laws", default=",".join(LAWS), show_default=True, help="Laws to fit.")
@click.option("--window", type=_Window(), help="Degrees or indices to use, such as 20,60.")
@click.option("--by", type=click.Choice(["degree", "index"]), default="degree", show_default=True)
@click.option("--dim", type=click.IntRange(2), help="Dimension of the inputs, where FILE does not say it.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    callback=writable,
    help="Picture of laws, window and misses (.png, .pdf, .svg).",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def command(
    file: str,
    laws: str,
    window: tuple[float, float] | None,
    by: str,
    dim: int | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Fit laws of decay to eigenvalues, and judge which one they carry.

    FILE is what `quasintk eigen --json` prints, a CSV with the columns degree, eigenvalue and perhaps multiplicity and rel_error, one
    column or a .npy file with the eigenvalues of one matrix (fitted by index), or - for standard input.
    """
    names = tuple(name.strip() for name in laws.split(",") if name.strip())
    fits = {}
    for label, table in _sources(file, dim).items():
        whole = not isinstance(table, dict)
        if whole and (dim is not None or (by == "degree" and was_given("by"))):
            raise click.UsageError(
                f"{label} holds the eigenvalues of one matrix, by index: leave out --dim and --by degree."
            )
        fits[label] = fit_decay(table, names, window, "index" if whole else by)
    if plot is not None:
        drawing, rows = figure(10.4, 3.9 * len(fits), columns=2, rows=len(fits))
        for (label, fit), (left, right) in zip(fits.items(), rows, strict=True):
            draw_fit(left, right, fit, label)
        save(drawing, plot)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        results = [{"label": label, **fit.to_dict()} for label, fit in fits.items()]
        write_text(json.dumps({"fits": results}, indent=1), None)
    else:
        write_text("\n\n".join(_titled(label, fit, len(fits)) for label, fit in fits.items()), None)


def _titled(label: str, fit: DecayFit, count: int) -> str:
    return str(fit) if count == 1 else f"{label}:\n{fit}"


def _sources(file: str, dim: int | None) -> dict[str, Any]:
    """What to fit, by label."""
    if file.endswith(".npy"):
        return {file: load_array(Path(file))}
    if file == "-":
        text = sys.stdin.read(LARGEST + 1)
    else:
        with Path(file).open(encoding="utf-8-sig", errors="replace") as lines:
            text = lines.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise click.UsageError(f"{file} has more than {LARGEST:,} characters: spectra are short.")
    if not text.strip():
        raise click.UsageError(f"{file} is empty: give the output of quasintk eigen --json, or a CSV.")
    tables = _of_json(text, file) if text.lstrip()[:1] in "{[" else {file: _of_csv(text, file)}
    for table in tables.values():
        if dim is not None and isinstance(table, dict):
            table["dim"] = dim
    return tables


def _of_json(text: str, file: str) -> dict[str, Any]:
    """The spectra of `quasintk eigen --json`; one spectrum; or a list of the eigenvalues of one matrix."""
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise click.UsageError(f"{file} is no JSON: {error}.") from None
    if isinstance(found, list):
        return {file: found}
    spectra = found.get("spectra", [found])
    if not (isinstance(spectra, list) and spectra and all(isinstance(one, dict) for one in spectra)):
        raise click.UsageError(f"{file} holds no spectra: give what quasintk eigen --json prints.")
    return {str(one.get("weights", f"{file} {i}")): one for i, one in enumerate(spectra)}


def _of_csv(text: str, file: str) -> Any:
    """Columns by name, separated by commas, semicolons, tabs or blanks; without a header those of COLUMNS, one alone holds eigenvalues."""
    lines = [
        (i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"
    ]
    first = lines[0][1] if lines else ""
    separator = next((mark for mark in ",;\t" if mark in first), None)
    rows = [(i, [cell.strip() for cell in line.split(separator)]) for i, line in lines]
    header = [cell.strip('"').lower() for cell in rows[0][1]] if rows else []
    if header and all(map(_is_number, header)):
        header, rows = list(UNNAMED[: len(header)]) if len(header) > 1 else ["eigenvalue"], [(0, []), *rows]
    if (
        not header
        or len(set(header)) < len(header)
        or not set(header) <= set(COLUMNS)
        or not (len(header) > 1 or header == ["eigenvalue"])
    ):
        raise click.UsageError(
            f"{file}: columns are {', '.join(COLUMNS)}, each once, got {', '.join(header)[:80] or 'none'}."
        )
    columns: dict[str, Any] = {name: [] for name in header}
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise click.UsageError(
                f"{file}, line {number}: {len(row)} cells, but {len(header)} columns ({', '.join(header)})."
            )
        for name, cell in zip(header, row, strict=True):
            if not _is_number(cell):
                raise click.UsageError(f"{file}, line {number}, column {name}: {cell[:40]!r} is no number.")
            columns[name].append(float(cell))
    return columns["eigenvalue"] if header == ["eigenvalue"] else columns


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""quasintk fit."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import click

from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.laws import LAWS
from quasintk.cli.arrays import load_array
from quasintk.cli.options import writable, write_text

COLUMNS = ("degree", "eigenvalue", "log_eigenvalue", "multiplicity", "rel_error")
LARGEST = 50_000_000
"""Bytes of text that are read."""


class _Window(click.ParamType[tuple[float, float]]):
    name = "LOW,HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Two numbers."""
        try:
            low, high = map(float, str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers such as 20,60.", param, ctx)
        return low, high


@click.command("fit")
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

    FILE is what `quasintk eigen --json` prints, a CSV with the columns degree, eigenvalue and perhaps multiplicity and rel_error, a
    .npy file with the eigenvalues of one matrix (fitted by index), or - for standard input.

    \b
    quasintk eigen relu --depth 2 --dim 10 --degrees 100 --json | quasintk fit -
    quasintk fit spectrum.csv --dim 10 --window 20,60 --plot fit.png
    """
    names = tuple(name.strip() for name in laws.split(",") if name.strip())
    fits = {
        label: fit_decay(source, names, window, by if isinstance(source, dict) else "index")
        for label, source in _sources(file, dim).items()
    }
    if plot is not None:
        from numerics.fit_plots import plot_fits

        plot_fits(fits, plot)
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
        text = Path(file).read_bytes()[: LARGEST + 1].decode("utf-8", errors="replace")
    if len(text) > LARGEST:
        raise click.UsageError(f"{file} has more than {LARGEST} characters: spectra are short.")
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


def _of_csv(text: str, file: str) -> dict[str, Any]:
    """Columns by name; without a header degree, eigenvalue and perhaps multiplicity."""
    rows = [row for row in csv.reader(text.splitlines()) if row and not row[0].lstrip().startswith("#")]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not set(header) & set(COLUMNS):
        header, rows = ["degree", "eigenvalue", "multiplicity"][: len(header)], [[], *rows]
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(header) < 2:
        raise click.UsageError(
            f"{file}: columns are {', '.join(COLUMNS)}, got {', '.join(header) or 'none'}."
        )
    columns: dict[str, Any] = {name: [] for name in header}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise click.UsageError(f"{file}, row {number}: {len(row)} cells, the header has {len(header)}.")
        for name, cell in zip(header, row, strict=True):
            try:
                columns[name].append(float(cell))
            except ValueError:
                raise click.UsageError(
                    f"{file}, row {number}, column {name}: {cell!r} is no number."
                ) from None
    return columns

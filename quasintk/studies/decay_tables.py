"""Tables, findings and picture of the study of the decay."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from quasintk.studies.study import Row, Rows, Summary, Table

KERNELS = ("binary", "real", "Gaussian", "Laplace")
SPHERE, GRAM, INCLUSION = "sphere", "gram", "inclusion"


def summary(rows: Rows) -> Summary:
    """What the cells' rows of `quasintk.studies.decay` amount to."""
    captions = {
        SPHERE: "Laws of the eigenvalues by degree on the sphere: fitted (95 % intervals) to the numbers alone, and predicted of the network alone (exact).",
        GRAM: "Laws fitted to the eigenvalues of the Gram matrix by index (95 % intervals).",
        INCLUSION: "What A's function space is to B's, on the sphere; and the limit of the eigenvalues' ratio.",
    }
    tables = [Table(kind, text, tuple(_lines(rows, kind))) for kind, text in captions.items()]
    tables += [
        Table(
            f"{kind}-values",
            f"Eigenvalues of {text}, with their relative errors.",
            tuple(_values(rows, kind)),
        )
        for kind, text in ((SPHERE, "chosen degrees"), (GRAM, "the Gram matrix over n, by chosen index"))
    ]
    return Summary(tuple(tables), tuple(_findings(*tables[:3])), partial(_draw, rows))


def _lines(rows: Rows, kind: str) -> Iterator[Row]:
    for row in rows:
        if row["kind"] == kind:
            yield {name: value for name, value in row.items() if name != "kind"}


def _values(rows: Rows, kind: str) -> Iterator[Row]:
    """1, 2, 5, 10, ... across kernels."""
    found: dict[Any, dict[str, Any]] = {}
    for row in _lines(rows, f"{kind} value"):
        if str(row["at"]).rstrip("0") in ("1", "2", "5"):
            value = row["log10"]
            text = "0" if value is None else f"{_power_of_ten(float(value))} +- {row['relative error']:.0e}"
            found.setdefault(row["at"], {"at": row["at"]})[str(row["kernel"])] = text
    yield from found.values()


def _power_of_ten(exponent: float) -> str:
    """Five digits, also below 1e-308."""
    whole = math.floor(exponent)
    return f"{10 ** (exponent - whole):.4f}e{whole}"


def _findings(sphere: Table, gram: Table, inclusion: Table) -> Iterator[str]:
    for row in sphere.rows:
        rate = "" if row["predicted rho"] is None else f", rho {row['predicted rho']:.6g}"
        yield f"On the sphere, {row['kernel']}: fitted {_fitted(row)}; predicted {row['predicted']}{rate}."
    for row in gram.rows:
        yield f"Gram matrix, {row['kernel']}: fitted {_fitted(row)}."
    for row in inclusion.rows:
        yield f"The function space of {row['A']} against that of {row['B']}: {row['A is']}."


def _fitted(row: Row) -> str:
    """The law, its parameters, and what casts doubt on it."""
    parameters = f" ({row['parameters']})" if row["parameters"] else ""
    doubt = f" [{row['doubt']}]" if row["doubt"] else ""
    return f"{row['fitted']}{parameters}{doubt}"


def _draw(rows: Rows) -> Any:
    """Eigenvalues by degree and by index."""
    from numerics.plots import STYLES, figure

    drawing, (left, right) = figure(10.4, 4.2, columns=2)
    for name, (marker, color) in zip(KERNELS, STYLES, strict=False):
        for axes, kind in ((left, SPHERE), (right, GRAM)):
            at, height = _points(rows, kind, name)
            axes.plot(at, height, marker, color=color, markersize=2.5, label=name)
    left.set(xlabel="degree $k$", ylabel=r"$\log_{10} \lambda_k$", ylim=(-60, 2))
    left.set_title("On the sphere", fontsize=10)
    right.set(xlabel="index", ylabel=r"$\log_{10}$ of eigenvalue / n", xscale="log")
    right.set_title("Gram matrix", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    return drawing


def _points(rows: Rows, kind: str, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
    shown = [
        row for row in _lines(rows, f"{kind} value") if row["kernel"] == name and row["log10"] is not None
    ]
    return [row["at"] for row in shown], [row["log10"] for row in shown]

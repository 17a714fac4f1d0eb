"""Tables as CSV, as JSON and as a person reads them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from quasintk.studies.study import Row, Rows, Study, Summary, Table, Value

ENDS = ("_low", "_high")


def as_markdown(study: Study, summary: Summary, drawn: bool = True) -> str:
    """A study's findings and tables, intervals beside their values; its picture where one was drawn."""
    picture = f"![{study.title}]({study.name}.png)" if drawn else ""
    parts = [
        f"## {study.name}: {study.title}",
        picture,
        "\n".join(f"- {finding}" for finding in summary.findings),
    ]
    for table in summary.tables:
        parts += [f"{table.caption}", _grid(table)]
    return "\n\n".join(part for part in parts if part)


def as_line(study: Study, run: Mapping[str, Any]) -> str:
    """What was run, in one line."""
    return f"Run with `{json.dumps({**study.settings, **run})}`."


def as_csv(rows: Rows) -> str:
    """Every column that any row has, in the order of their first appearance; floats with all digits."""
    names = columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        [repr(float(value)) if isinstance(value := row.get(name), float) else value for name in names]
        for row in rows
    )
    return out.getvalue()


def as_json(study: Study, summary: Summary, run: Mapping[str, Any]) -> str:
    """Settings, findings and tables of a study."""
    content = {
        "study": study.name,
        "title": study.title,
        "run": run,
        "settings": study.settings,
        "findings": summary.findings,
        "tables": {table.name: {"caption": table.caption, "rows": table.rows} for table in summary.tables},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def columns(rows: Rows) -> list[str]:
    """The names of all columns, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def interval(row: Row, name: str) -> str:
    """A value with its interval, as text."""
    value, low, high = (row.get(name + end) for end in ("", *ENDS))
    if value is None or name + ENDS[0] not in row:
        return _text(value)
    if low is None or high is None:
        return f"{_text(value)} (no interval)"
    return f"{_text(value)} [{_text(low)}, {_text(high)}]"


def _grid(table: Table) -> str:
    names = [name for name in columns(table.rows) if not name.endswith(ENDS)]
    lines = [names, ["---"] * len(names)]
    lines += [[interval(row, name) for name in names] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

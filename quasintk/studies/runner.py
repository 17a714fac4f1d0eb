"""Runs studies: checkpoints, resuming, progress, and the files that are left (decision 15)."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from derive.errors import StoreMismatch
from numerics import files
from numerics.layouts import digest
from numerics.plots import MISSING
from numerics.pool import one_blas_thread
from numerics.progress import Report
from quasintk.studies.study import Cell, Row, Rows, Study, Summary
from quasintk.studies.tables import as_csv, as_json, as_line, as_markdown

CELLS = "cells"
LOCK = ".lock"
PLAN = "plan.json"


def run_studies(
    studies: Sequence[Study],
    folder: Path,
    run: Mapping[str, Any],
    resume: bool,
    report: Report = lambda done, total, what: None,
) -> Outcome:
    """Compute every cell that is not on the disk yet, and write tables, pictures and the summary.

    Parameters
    ----------
    studies : sequence of Study
    folder : Path
        Made if it is not there; must be empty unless `resume`.
    run : mapping
        JSON-safe: what the rows depend on beside a study's settings, such as versions. Compared when a run resumes.
    resume : bool
    report : callable, optional
        Called with the work that is done and all of it, in the seconds that it took elsewhere, and the cell that begins.

    Returns
    -------
    Outcome

    Raises
    ------
    FileExistsError
        If the folder holds something and `resume` is not given.
    StoreMismatch
        If what is there was begun with other settings, or is damaged.
    StoreLocked
        If another process writes there.
    """
    if (folder / LOCK).exists():
        with files.lock(folder / LOCK, folder):
            pass
    _open(folder, resume)
    with files.lock(folder / LOCK, folder):
        plans = {study.name: json.loads(json.dumps({**run, **study.settings})) for study in studies}
        for study in studies:
            _compare(folder, study, plans[study.name])
        for study in studies:
            _put(folder / CELLS / study.name / PLAN, json.dumps(plans[study.name], indent=1))
        found = _computed(studies, folder, plans, report)
        summaries = [study.summarise(found[study.name]) for study in studies]
        undrawn = [
            note
            for study, summary in zip(studies, summaries, strict=True)
            for note in _write(folder, study, summary, found[study.name], run)
        ]
        names = sorted(path.name for path in (folder / CELLS).iterdir())
        pages = [files.read(folder / f"{name}.md") or b"" for name in names]
        _put(folder / "summary.md", "\n".join(page.decode() for page in pages if page))
    findings = tuple((study, summary.findings) for study, summary in zip(studies, summaries, strict=True))
    return Outcome(findings, tuple(dict.fromkeys(undrawn)))


@dataclass(frozen=True)
class Outcome:
    """What each study found, and what could not be written."""

    findings: tuple[tuple[Study, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def done_cells(folder: Path, studies: Sequence[Study]) -> tuple[int, int]:
    """How many cells are on the disk, and of how many."""
    paths = [_cell_path(folder, study, cell) for study in studies for cell in study.cells]
    return sum(path.exists() for path in paths), len(paths)


def _open(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: give a folder with -o.")
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        raise FileExistsError(
            f"{folder} is not empty: give another folder with -o, or complete what is there with --resume."
        )
    if folder.is_dir() and set(folder.iterdir()) - {folder / LOCK} and not (folder / CELLS).is_dir():
        raise FileExistsError(
            f"{folder} holds something else than a run to resume: give another folder with -o."
        )
    files.make_folder(folder)


def _compare(folder: Path, study: Study, plan: Mapping[str, Any]) -> None:
    """Hold what a study's cells depend on against what they were begun with, before anything is computed or written.

    A checkpoint holds the hash of its rows, its name and its study's plan: one that is damaged, or another's, is told.
    """
    path = folder / CELLS / study.name / PLAN
    files.make_folder(path.parent)
    known = _parsed(path) if _is_there(path) else plan
    for name in [*plan, *known]:
        if plan.get(name) != known.get(name):
            raise StoreMismatch(
                f"{folder} was begun with other {name} of the study {study.name} ({_short(known.get(name))}, now {_short(plan.get(name))}): "
                "resume with the same options and versions, or give another folder with -o."
            )
    for cell in study.cells:
        if _is_there(there := _cell_path(folder, study, cell)):
            _rows(there, cell, plan)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def _computed(
    studies: Sequence[Study], folder: Path, plans: Mapping[str, Any], report: Report
) -> dict[str, Rows]:
    """All rows, read back from their checkpoints: an undisturbed run and a resumed one see the same."""
    work = [(study, cell, _cell_path(folder, study, cell)) for study in studies for cell in study.cells]
    missing = [(study, cell, path) for study, cell, path in work if not _is_there(path)]
    total, done = sum(cell.cost for _, cell, _ in missing), 0.0
    for study, cell, path in missing:
        report(done, total, f"{study.name} {cell.key}")
        with one_blas_thread():  # the same bits whatever else runs
            start = time.perf_counter()
            rows = [dict(row) for row in cell.compute()]
        content = {
            "seconds": round(time.perf_counter() - start, 3),
            "sha256": _hash(rows, cell, plans[study.name]),
            "rows": rows,
        }
        files.write_whole(path, json.dumps(content).encode())
        done += cell.cost
    report(total, total, "tables and pictures")
    rows_of: dict[str, list[Row]] = {study.name: [] for study in studies}
    for study, cell, path in work:
        rows_of[study.name] += _rows(path, cell, plans[study.name])
    return dict(rows_of)


def _rows(path: Path, cell: Cell, plan: Mapping[str, Any]) -> Rows:
    found = _parsed(path, "rows", "sha256")
    if found["sha256"] != _hash(found["rows"], cell, plan):
        raise _damaged(path)
    rows: Rows = found["rows"]
    return rows


def _hash(rows: object, cell: Cell, plan: Mapping[str, Any]) -> str:
    return digest(json.dumps([rows, cell.key, plan], sort_keys=True).encode())


def _write(folder: Path, study: Study, summary: Summary, rows: Rows, run: Mapping[str, Any]) -> Iterator[str]:
    """A study's files; yields what could not be written and why."""
    _put(folder / f"{study.name}.csv", as_csv(rows))
    for table in summary.tables:
        _put(folder / f"{study.name}-{table.name}.csv", as_csv(table.rows))
    _put(folder / f"{study.name}.json", as_json(study, summary, run))
    drawn = True
    try:
        picture = io.BytesIO()
        summary.draw().savefig(picture, format="png", dpi=110)
        files.write_whole(folder / f"{study.name}.png", picture.getbuffer())
    except ImportError:
        drawn = False
        yield MISSING
    _put(folder / f"{study.name}.md", f"{as_markdown(study, summary, drawn)}\n\n{as_line(study, run)}\n")


def _is_there(path: Path) -> bool:
    """Whatever it is."""
    return path.is_symlink() or path.exists()


def _parsed(path: Path, *names: str) -> dict[str, Any]:
    """A file's dictionary, which must have these names."""
    try:
        found = json.loads(files.read(path) or b"")
    except (ValueError, RecursionError, files.NotAFile, IsADirectoryError):
        found = None
    if not isinstance(found, dict) or not found.keys() >= set(names):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> StoreMismatch:
    return StoreMismatch(f"{path} is damaged, or of another run: remove it, and resume.")


def _put(path: Path, text: str) -> None:
    files.write_whole(path, text.encode())


def _cell_path(folder: Path, study: Study, cell: Cell) -> Path:
    return folder / CELLS / study.name / f"{cell.key}.json"

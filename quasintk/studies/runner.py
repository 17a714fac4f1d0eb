"""Runs studies: checkpoints, resuming, progress, and the files that are left (decision 15)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from derive.errors import StoreMismatch
from numerics import files
from numerics.plots import MISSING
from quasintk.studies.study import Cell, Row, Rows, Study, Summary
from quasintk.studies.tables import as_csv, as_json, as_markdown

Report = Callable[[str, float, float], None]
"""Called with the cell that begins, the share of the work that is done, and the seconds that have passed."""
CELLS = "cells"
LOCK = ".lock"
PLAN = "plan.json"


def run_studies(
    studies: Sequence[Study],
    folder: Path,
    run: Mapping[str, Any],
    resume: bool,
    report: Report = lambda cell, share, seconds: None,
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
    _open(folder, resume)
    with files.lock(folder / LOCK, folder):
        for study in studies:
            _claim(folder, study, run)
        found = _computed(studies, folder, report)
        summaries = [study.summarise(found[study.name]) for study in studies]
        undrawn = [
            note
            for study, summary in zip(studies, summaries, strict=True)
            for note in _write(folder, study, summary, found[study.name], run)
        ]
        text = "\n\n".join(
            as_markdown(study, summary) for study, summary in zip(studies, summaries, strict=True)
        )
        _put(folder / "summary.md", text + "\n")
        _put(folder / "run.json", json.dumps(_seconds(studies, folder), indent=1) + "\n")
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


def _claim(folder: Path, study: Study, run: Mapping[str, Any]) -> None:
    """Write down what a study's cells depend on, or compare it with what is written."""
    path = folder / CELLS / study.name / PLAN
    files.make_folder(path.parent)
    plan = json.loads(json.dumps({**run, **study.settings}))
    kept = files.read(path)
    if kept is None:
        files.write_whole(path, json.dumps(plan, indent=1).encode())
        return
    known = _parsed(kept, path)
    for name in [*plan, *known]:
        if plan.get(name) != known.get(name):
            raise StoreMismatch(
                f"{folder} was begun with another {name} of the study {study.name} ({known.get(name)}, now {plan.get(name)}): "
                "resume with the same options and versions, or give another folder with -o."
            )


def _computed(studies: Sequence[Study], folder: Path, report: Report) -> dict[str, Rows]:
    """All rows, read back from their checkpoints: an undisturbed run and a resumed one see the same."""
    work = [(study, cell, _cell_path(folder, study, cell)) for study in studies for cell in study.cells]
    missing = [(study, cell, path) for study, cell, path in work if not path.exists()]
    total, done, began = sum(cell.cost for _, cell, _ in missing), 0.0, time.monotonic()
    for study, cell, path in missing:
        report(f"{study.name} {cell.key}", done / total, time.monotonic() - began)
        with _single_threaded():
            start = time.perf_counter()
            rows = [dict(row) for row in cell.compute()]
        content = {"seconds": round(time.perf_counter() - start, 3), "rows": rows}
        files.write_whole(path, json.dumps(content).encode())
        done += cell.cost
    report("", 1.0, time.monotonic() - began)
    rows_of: dict[str, list[Row]] = {study.name: [] for study in studies}
    for study, _, path in work:
        rows_of[study.name] += _parsed(files.read(path), path, "rows")["rows"]
    return dict(rows_of)


def _seconds(studies: Sequence[Study], folder: Path) -> dict[str, Any]:
    """What no table may hold, since it differs from run to run: the seconds that every cell took."""
    seconds = {
        study.name: {
            cell.key: _parsed(files.read(path), path, "seconds")["seconds"]
            for cell in study.cells
            for path in (_cell_path(folder, study, cell),)
        }
        for study in studies
    }
    return {"seconds": seconds, "total": {name: round(sum(of.values()), 1) for name, of in seconds.items()}}


def _write(folder: Path, study: Study, summary: Summary, rows: Rows, run: Mapping[str, Any]) -> Iterator[str]:
    """A study's files; yields what could not be written and why."""
    _put(folder / f"{study.name}.csv", as_csv(rows))
    for table in summary.tables:
        _put(folder / f"{study.name}-{table.name}.csv", as_csv(table.rows))
    _put(folder / f"{study.name}.json", as_json(study, summary, run))
    try:
        summary.draw().savefig(folder / f"{study.name}.png", dpi=110)
    except ImportError:
        yield MISSING


@contextmanager
def _single_threaded() -> Iterator[None]:
    """One BLAS thread: the same bits whatever else runs."""
    with threadpool_limits(1, user_api="blas"):
        yield


def _parsed(content: bytes | None, path: Path, *names: str) -> dict[str, Any]:
    """A file's dictionary, which must have these names."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= set(names):
        raise StoreMismatch(f"{path} is damaged: remove it, and resume.")
    return found


def _put(path: Path, text: str) -> None:
    files.write_whole(path, text.encode())


def _cell_path(folder: Path, study: Study, cell: Cell) -> Path:
    return folder / CELLS / study.name / f"{cell.key}.json"

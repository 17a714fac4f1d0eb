"""`quasintk reproduce`: files, checkpoints, resuming, refusals, exit codes; every study at tiny size."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import quasintk.studies.runner as runner
from numerics import files
from quasintk.studies import approximation, decay, gap, kernels, paper, precision
from quasintk.studies.study import Cell, Study, Summary, Table, seed_of
from quasintk.studies.tables import as_csv, interval

TRAINING = replace(gap.QUICK, data=("iris",), folds=2, width=8, steps=5, rates=(0.03, 0.1), roundings=2)
TINY = {
    approximation: replace(
        approximation.QUICK, roundings={8: 16, 16: 16, 32: 16}, trained={8: 16}, draws=2, inputs=4, steps=3
    ),
    decay: replace(decay.QUICK, degrees=40, most=60),
    gap: replace(TRAINING, data=("iris", "diabetes"), most=60),
    kernels: replace(
        kernels.QUICK, data=("iris", "diabetes"), folds=2, depths=(1,), scales=(1.0, 2.0), most=60
    ),
    precision: replace(
        precision.QUICK, weights=("binary", "16", "real"), data=("iris",), training=TRAINING, degrees=40
    ),
}


@pytest.fixture
def tiny(monkeypatch):
    for module, settings in TINY.items():
        monkeypatch.setattr(module, "QUICK", settings)


def contents(folder):
    """All files but checkpoints."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_every_study_leaves_tables_and_a_picture(tiny, run, tmp_path):
    code, out, err = run("reproduce", "paper", "--quick", "-o", "paper")
    assert code == 0, err
    folder = tmp_path / "paper"
    summary = (folder / "summary.md").read_text()
    for name in paper.STUDIES:
        content = json.loads((folder / f"{name}.json").read_text())
        assert content["settings"]["seed"] == 0
        assert "numpy" in content["run"]["versions"]
        assert (folder / f"{name}.csv").read_text().count("\n") > 2
        assert (folder / f"{name}.png").stat().st_size > 10_000
        for table, found in content["tables"].items():
            assert found["rows"], table
            assert (folder / f"{name}-{table}.csv").exists()
        assert content["findings"]
        for finding in content["findings"]:
            assert f"- {finding}\n" in summary
            assert finding in out
    before = contents(folder)
    assert run("reproduce", "paper", "--quick", "--only", "gap", "-o", "paper", "--resume")[0] == 0
    assert contents(folder) == before  # the other studies stay in the summary


def test_an_interrupted_run_resumed_gives_the_same_files(tiny, run, tmp_path, monkeypatch):
    """The interrupt comes in the middle of the fourth cell that is trained."""
    arguments = ("reproduce", "paper", "--quick", "--only", "gap,precision", "-o")
    assert run(*arguments, "whole")[0] == 0
    calls = []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return train(*given)

    train = gap.train
    monkeypatch.setattr(gap, "train", interrupted)
    code, _, err = run(*arguments, "torn")
    assert code == 130
    assert "of 9 parts are on the disk: the same command with --resume goes on." in err
    kept = {path: path.read_bytes() for path in (tmp_path / "torn" / "cells").rglob("*-*.json")}
    assert 0 < len(kept) < 9
    assert run(*arguments, "torn", "--resume")[0] == 0
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_killed_process_is_resumed(tmp_path):
    """A real run, killed once the first cells are there."""
    command = [
        sys.executable,
        "-m",
        "quasintk",
        "reproduce",
        "paper",
        "--quick",
        "--only",
        "gap",
        "-o",
        "paper",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cells = tmp_path / "paper" / "cells" / "gap"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(cells.glob("*-*.json"))) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in cells.glob("*-*.json")}
    assert len(kept) >= 2
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(cells.glob("*-*.json"))) == 15
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert "binary minus real" in done.stdout


def test_refusals(tiny, run, tmp_path):
    arguments = ("reproduce", "paper", "--quick", "--only", "gap", "-o", "paper")
    assert run(*arguments)[0] == 0
    code, _, err = run(*arguments)
    assert code == 2
    assert "--resume" in err
    code, _, err = run(*arguments, "--resume", "--seed", "1")
    assert code == 6
    assert "other seed of the study gap (0, now 1)" in err
    both = (*arguments[:4], "decay,gap", *arguments[5:], "--resume")
    assert run(*both, "--seed", "1")[0] == 6
    assert not (
        tmp_path / "paper" / "cells" / "decay" / "plan.json"
    ).exists()  # nothing was begun with that seed
    code, _, err = run("reproduce", "paper", "--only", "gap", "-o", "paper", "--resume")
    assert code == 6
    assert "of the study gap" in err
    cell = tmp_path / "paper" / "cells" / "gap" / "iris-0-1.json"
    text = cell.read_text()
    other = cell.with_name("iris-0-0.json").read_text()
    for damaged in (text[:50], "{}", text.replace('"test": 0', '"test": 1'), other, "[" * 100_000):
        assert damaged != text
        cell.write_text(damaged)
        code, _, err = run(*arguments, "--resume")
        assert code == 6
        assert "iris-0-1.json is damaged, or of another run: remove it, and resume" in err
    cell.unlink()
    cell.mkdir()
    assert run(*arguments, "--resume")[0] == 6
    cell.rmdir()
    assert run(*arguments, "--resume")[0] == 0
    assert cell.read_text().partition("rows")[2] == text.partition("rows")[2]
    (cell.parent / "plan.json").unlink()
    assert run(*arguments, "--resume", "--seed", "1")[0] == 6  # each cell knows its plan
    assert run(*arguments, "--resume")[0] == 0
    with files.lock(tmp_path / "paper" / ".lock", tmp_path / "paper"):
        assert run(*arguments, "--resume")[0] == 75
    (tmp_path / "file").write_text("")
    assert run(*arguments[:-1], "file")[0] == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    assert "something else" in run(*arguments[:-1], "other", "--resume")[2]
    assert os.listdir(tmp_path / "other") == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paper", "--only", "gap,width", "-o", "d"], "width is no study: they are approximation, decay, gap, kernels, precision"),
        (["paper", "--only", ",", "-o", "d"], "name some of approximation"),
        (["paper", "--seed", "-1", "-o", "d"], "--seed"),
        (["paper", "--quick"], "-o"),
        (["book", "-o", "d"], "paper"),
    ],
)  # fmt: skip
def test_bad_arguments(run, tmp_path, arguments, message):
    code, _, err = run("reproduce", *arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert os.listdir(tmp_path) == []


def test_without_scikit_learn_nothing_begins(run, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run("reproduce", "paper", "--quick", "-o", "paper")
    assert code == 2
    assert "pip install 'quasintk[experiments]'" in err
    assert os.listdir(tmp_path) == []


def test_without_matplotlib_tables_are_written(tiny, run, tmp_path, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = run("reproduce", "paper", "--quick", "--only", "gap", "-o", "paper")
    assert code == 0
    assert "binary minus real" in out
    assert "pip install 'quasintk[report]'" in err
    assert (tmp_path / "paper" / "gap-scores.csv").exists()
    assert not (tmp_path / "paper" / "gap.png").exists()


def test_openml_adds_tables_to_gap_and_kernels_alone():
    plain, more = paper.paper_studies(), paper.paper_studies(openml=True)
    grown = [a.name for a, b in zip(plain, more, strict=True) if len(b.cells) > len(a.cells)]
    assert grown == ["gap", "kernels"]
    assert len({cell.key for cell in more[2].cells}) == len(more[2].cells)


def study_of(cells, name="fake"):
    return Study(name, "", {}, tuple(cells), lambda rows: Summary((Table("t", "", rows),), (), lambda: None))


def test_cells_are_reported_with_the_share_that_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_write", lambda *given: ())
    cells = [Cell(name, cost, lambda: [{"x": 0.1}]) for name, cost in (("a", 1.0), ("b", 3.0))]
    seen = []
    runner.run_studies([study_of(cells)], tmp_path, {}, False, lambda *given: seen.append(given))
    assert seen == [(0.0, 4.0, "fake a"), (1.0, 4.0, "fake b"), (4.0, 4.0, "tables and pictures")]


def test_a_failing_cell_leaves_the_others(tmp_path):
    def fail():
        raise OSError("no answer")

    with pytest.raises(OSError, match="no answer"):
        runner.run_studies(
            [study_of([Cell("a", 1, lambda: [{"x": 1}]), Cell("b", 1, fail)])], tmp_path, {}, False
        )
    assert sorted(path.name for path in (tmp_path / "cells" / "fake").iterdir()) == ["a.json", "plan.json"]


def test_numbers_survive_and_intervals_stand_beside_their_values():
    rows = [
        {"x": 0.1 + 0.2, "x_low": None, "x_high": None},
        {"x": 1.0, "x_low": 0.5, "x_high": 2.0, "y": "a,b"},
    ]
    assert as_csv(rows) == 'x,x_low,x_high,y\n0.30000000000000004,,,\n1.0,0.5,2.0,"a,b"\n'
    assert [interval(row, "x") for row in rows] == ["0.3 (no interval)", "1 [0.5, 2]"]


def test_seeds_are_of_their_own():
    seeds = {seed_of(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert seed_of(1, 2) == seed_of(1, 2)

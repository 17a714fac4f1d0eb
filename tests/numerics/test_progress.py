"""Progress: who sees it, when, and that nothing stays of it or depends on it."""

import io
import os
import pty
import subprocess
import sys
import threading

import numpy as np
import pytest

import quasintk as qn
from numerics import progress as module
from numerics.progress import progress, terminal


class Screen:
    def __init__(self, fails=False):
        self.seen, self.cleared, self.fails = [], 0, fails

    def show(self, share, text):
        self.seen.append((share, text))
        if self.fails:
            raise BrokenPipeError

    def clear(self):
        self.cleared += 1


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(module, "DELAY", 0.0)
    monkeypatch.setattr(module, "EVERY", 0.0)


@pytest.fixture
def now(monkeypatch):
    """A clock that is set by hand."""
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return clock


def test_a_line_appears_late_and_not_too_often(now):
    screen = Screen()
    with progress(screen=screen) as report:
        for now[0], done in ((0.1, 1), (1.4, 2), (1.6, 4), (1.7, 5), (1.9, 6), (10.0, 10)):
            report(done, 10, f"{done} of 10")
        report(0, 0, "more")
        now[0] = 30.0
        report(0, 0, "more")
    assert screen.seen == [
        (0.4, "4 of 10, about 2 s left"),
        (0.6, "6 of 10, about 1 s left"),
        (1.0, "10 of 10, about 0 s left"),
        (None, "more, 30 s"),
    ]
    assert screen.cleared == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_is_cleared_however_the_call_ends(at_once, error):
    screen = Screen()

    def call():
        with progress(screen=screen) as report:
            report(1, 2, "half")
            raise error

    with pytest.raises(error):
        call()
    assert (len(screen.seen), screen.cleared) == (1, 1)


def test_where_it_cannot_be_shown_the_call_goes_on(at_once):
    screen = Screen(fails=True)
    with progress(screen=screen) as report:
        for k in range(5):
            report(k, 5, "on")
    assert (len(screen.seen), screen.cleared) == (1, 0)


def test_the_caller_s_own_function_is_told_at_once(at_once):
    seen = []
    with progress(lambda *told: seen.append(told)) as report:
        report(1, 2, "half")
    assert seen == [(1, 2, "half")]


def test_programs_tests_and_threads_have_no_line(monkeypatch, at_once):
    assert module._of_session() is None
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert module._of_session() is terminal() is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert module._of_session() is not None
    found = []
    thread = threading.Thread(target=lambda: found.append(module._of_session()))
    thread.start()
    thread.join()
    assert found == [None]
    monkeypatch.setattr(sys, "stderr", None)
    assert terminal() is None


SESSION = """
import sys, numerics.progress as p
p.DELAY = p.EVERY = 0.0
sys.ps1 = ">>> "
with p.progress() as report:
    report(0, 0, "[bold]begin")
    report(1, 2, "half")
print("end", file=sys.stderr)
"""


def test_on_a_terminal_the_line_is_taken_away():
    """Standard error of a process is a pseudo-terminal; what a person sees last is what follows the line."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    process = subprocess.Popen([sys.executable, "-c", SESSION], stderr=follower, env=environment)
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(leader)
    assert process.wait() == 0
    assert b"[bold]begin" in written or b"half" in written
    assert written.rstrip().endswith(b"end")
    assert b"\x1b[2K" in written  # lines are erased


def test_gram_matrices_report_and_their_bytes_do_not_change(tmp_path):
    X, seen = np.random.default_rng(0).normal(size=(700, 5)), []
    for kernel in (qn.kernel("relu"), qn.kernel("relu", b_std=0.5)):
        seen.clear()
        K = qn.gram(kernel, X, report=lambda *told: seen.append(told))
        np.testing.assert_array_equal(K, qn.gram(kernel, X))
        assert {what for *_, what in seen} == {"Gram matrix"}
        shares = [done / total for done, total, _ in seen]
        assert shares == sorted(shares)
        assert shares[-1] == 1
    seen.clear()
    qn.gram(kernel, X, out=tmp_path / "G.zarr", tile=256, report=lambda *told: seen.append(told))
    assert seen[0] == (0, 6, "0 of 6 tiles are on the disk")
    assert seen[-1] == (6, 6, "6 of 6 tiles are on the disk")


def test_an_interrupt_from_within_the_report_ends_a_gram_matrix():
    def report(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        qn.gram(qn.kernel("relu"), np.random.default_rng(0).normal(size=(700, 5)), report=report)


def test_eigenvalues_report_passes():
    X = np.random.default_rng(0).normal(size=(1100, 5))
    seen = []
    found = qn.gram_spectrum(qn.kernel("relu"), X, top=5, report=lambda *told: seen.append(told))
    passes = [what for *_, what in seen if what.startswith("pass")]
    assert passes == [f"pass {k} over the matrix for 5 eigenvalues" for k in range(1, found.passes + 1)]

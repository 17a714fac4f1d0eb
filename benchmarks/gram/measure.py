"""One line of the table: everything that is timed and compared for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

import quasintk as qn
from benchmarks.gram.agreement import apart, error, sampled
from benchmarks.gram.limits import limits
from benchmarks.gram.lines import Line
from benchmarks.gram.machine import growth
from benchmarks.gram.peers import NoPeer, Peer
from benchmarks.gram.timing import Seconds, clocked, interleaved, ratio
from quasintk.errors import NoClosedForm

FEW = 300
"""Rows of the call that compiles: more than one block."""
SLOW = 5.0
"""Seconds from which on a kernel is timed in one round: other load matters less, and the run would take an hour."""


@dataclass(frozen=True)
class Row:
    """Seconds of every system and round, and what was compared.

    `seconds` has "out" and "fresh" (ours), "gemm", "syrk", "write", and "peer" unless `absent` says why not. `extra` is
    the memory, in bytes, that the fresh call took beyond its result; `series` whether the interpreter sums Hermite
    series.
    """

    kernel: str
    n: int
    d: int
    dtype: str
    peer: str
    absent: str
    seconds: Seconds
    extra: int
    apart: float | None
    error: float
    series: bool

    def median(self, name: str) -> float:
        """Of one system's seconds."""
        return median(self.seconds[name])

    def peer_to(self, name: str) -> float | None:
        """The peer's time by ours, "out" or "fresh"."""
        return ratio(self.seconds["peer"], self.seconds[name]) if "peer" in self.seconds else None

    @property
    def to_limit(self) -> float:
        """Our time, into a warm array, by that of the triangular product and one write."""
        return ratio(self.seconds["out"], self.seconds["syrk"], self.seconds["write"])


def measured(line: Line, peer: Peer, rounds: int) -> Row:
    """Compile, compare, then time in turns.

    Parameters
    ----------
    line : Line
    peer : Peer
        If it is missing or has no such kernel the row says so, and is measured without it.
    rounds : int
    """
    kernel, X = line.subject.build(), line.rows()
    qn.gram(kernel, X[:FEW])
    start = time.perf_counter()
    grown, result = growth(lambda: qn.gram(kernel, X))
    rounds = rounds if time.perf_counter() - start < SLOW else 1
    pairs, absent, difference = sampled(line.n), "", None
    try:
        peer.load(line.subject.told, X)
        difference, where = apart(result, peer.matrix())
        pairs.append(where)
    except NoPeer as reason:
        absent = str(reason)
    own_error = error(kernel, X, result, pairs)
    extra = grown - result.nbytes
    K, result = np.zeros_like(result), None
    systems = _systems(kernel, X, K)
    try:
        seconds = interleaved(systems if absent else {**systems, "peer": peer.seconds}, rounds)
    except NoPeer as reason:
        absent, seconds = str(reason), interleaved(systems, rounds)
    return Row(
        line.subject.name, line.n, line.d, line.dtype, line.subject.peer, absent, seconds, extra, difference, own_error,
        _has_series(kernel),
    )  # fmt: skip


def _systems(kernel: qn.Kernel, X: np.ndarray, K: np.ndarray) -> dict[str, Callable[[], float]]:
    """Ours and the limits, each run once so that it is warm."""
    runs: dict[str, Callable[[], object]] = {"out": lambda: qn.gram(kernel, X, out=K), **limits(X, K)}
    for run in runs.values():
        run()
    return {name: clocked(run) for name, run in (runs | {"fresh": lambda: qn.gram(kernel, X)}).items()}


def _has_series(kernel: qn.Kernel) -> bool:
    try:
        kernel.require_closed()
    except NoClosedForm:
        return True
    return False

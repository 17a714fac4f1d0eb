"""Largest eigenvalues of Gram matrices: ours against SciPy's eigsh and LAPACK, side by side in one run.

python benchmarks/gram_spectrum.py [--rows 6000] [--top 200] [--turns 3] [--large] [--json FILE]

Ours and eigsh (default tolerance) take turns on the same stored matrix, with the same number of threads; the
table shows the least time of each, which background load disturbs least. LAPACK's eigh runs once and says how
far the values are from its own, in units of their stated bounds. `--large` does 20,000 rows instead: without
storing the matrix, then with it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

import quasintk as qn

KERNELS = (("binary", 20), ("real", 20), ("binary", 10), ("real", 10))
LARGE = 20_000


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 6000), ("top", 200), ("turns", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    print(f"ReLU, depth 2, normal data; {machine()}")
    rows = large(arguments.top) if arguments.large else small(arguments.rows, arguments.top, arguments.turns)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "arguments": vars(arguments), "rows": rows}, file, indent=1)


def small(n: int, top: int, turns: int) -> list[dict[str, Any]]:
    """Seconds of three solvers, the largest bound, and the largest distance from eigh in bounds (at most 1)."""
    print("weights   d      n    k   ours  eigsh   eigh  eigsh/ours  passes  largest bound  error / bound")
    rows = []
    for weights, d in KERNELS:
        K = qn.kernel("relu", depth=2, weights=weights)(data(n, d))
        seconds = {"ours": float("inf"), "eigsh": float("inf")}
        for _ in range(turns):
            took, found = timed(lambda K=K: qn.gram_spectrum(K, top=top))
            seconds["ours"] = min(seconds["ours"], took)
            took, _ = timed(lambda K=K: eigsh(K, k=top, which="LA"))
            seconds["eigsh"] = min(seconds["eigsh"], took)
        seconds["eigh"], (exact, _) = timed(lambda K=K: eigh(K, subset_by_index=[n - top, n - 1]))
        ratio = seconds["eigsh"] / seconds["ours"]
        error = float(np.max(np.abs(found.value - exact[::-1]) / found.bound))
        print(
            f"{weights:7} {d:3} {n:6} {top:4} {seconds['ours']:6.2f} {seconds['eigsh']:6.2f} {seconds['eigh']:6.2f} "
            f"{ratio:10.1f}x {found.passes:7} {found.bound.max():14.1e} {error:14.1e}",
            flush=True,
        )
        assert error <= 1, "a value lies farther from LAPACK's than its bound"
        rows.append(
            {"weights": weights, "d": d, **seconds, "error": error, "bound": float(found.bound.max())}
        )
    return rows


def large(top: int) -> list[dict[str, Any]]:
    """Seconds and growth of memory, for K computed at each pass and for K stored; and whether they agree."""
    print("weights   d      n    k  K is      seconds  passes   growth  K itself  largest bound")
    kernel, X = qn.kernel("relu", depth=2, weights="binary"), data(LARGE, 20)
    qn.gram_spectrum(kernel, X[:1200], top=top, memory="1MB")  # compiles
    rows, results = [], []
    for label, memory in (("computed", "1GB"), ("stored", "4GB")):
        before = resident()
        seconds, found = timed(lambda memory=memory: qn.gram_spectrum(kernel, X, top=top, memory=memory))
        growth = peak() - before
        print(
            f"binary   20 {LARGE:6} {top:4}  {label:8} {seconds:8.1f} {found.passes:7} {growth / 1e9:5.2f} GB "
            f"{8 * LARGE**2 / 1e9:6.2f} GB {found.bound.max():14.1e}",
            flush=True,
        )
        results.append(found)
        rows.append({"K": label, "seconds": seconds, "passes": found.passes, "growth": growth})
    one, other = results
    apart = float(np.max(np.abs(one.value - other.value) / (one.bound + other.bound)))
    print(f"The two lie apart by {apart:.1e} of their bounds.")
    assert apart <= 1, "the stored and the computed matrix disagree"
    return rows


def data(n: int, d: int) -> np.ndarray:
    """Standard normal rows."""
    return np.random.default_rng(0).normal(size=(n, d))


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def peak() -> int:
    """The most memory that this process has held, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident() -> int:
    """The memory that this process holds now, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def machine() -> str:
    """Processor, cores and library versions."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, NumPy {np.__version__}"


if __name__ == "__main__":
    main()

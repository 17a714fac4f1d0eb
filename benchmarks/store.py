"""A Gram matrix larger than memory, written to the disk: time and memory against the disk's plain write speed.

    python -m benchmarks.store [-n 50000] [-d 32] [--folder FOLDER]

Writes the upper triangle of a real three-layer ReLU NTK in float32 to FOLDER/bench.zarr, then as many bytes of zeros to
files of the same size, each synced, then the other way round once more; removes all of it. Memory is what the process's
peak has grown by since before the run.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import quasintk as qn


def main() -> None:
    """Print one line for each of two rounds."""
    parser = argparse.ArgumentParser(
        "benchmarks.store", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-n", type=int, default=50_000)
    parser.add_argument("-d", type=int, default=32)
    parser.add_argument("--folder", type=Path, default=Path("build"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    X = np.random.default_rng(0).normal(size=(options.n, options.d)).astype(np.float32)
    kernel = qn.kernel("relu", depth=3, weights="real", W_std=2**0.5)
    qn.gram(kernel, X[:1000])
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        before = _peak()
        for first in ("ours", "plain"):
            runs = {"ours": lambda: _ours(kernel, X, Path(folder)), "plain": lambda: _plain(X, Path(folder))}
            seconds = {name: runs[name]() for name in sorted(runs, key=lambda name: name != first)}
            size = _bytes(len(X))
            print(
                f"n = {len(X)}, d = {options.d}: {size / 1e9:.2f} GB; ours {seconds['ours']:.1f} s, {size / 1e6 / seconds['ours']:.0f} MB/s; "
                f"plain {seconds['plain']:.1f} s, {size / 1e6 / seconds['plain']:.0f} MB/s; ours at {seconds['plain'] / seconds['ours']:.0%} of it; "
                f"memory {(_peak() - before) / 1e6:.0f} MB",
                flush=True,
            )


def _ours(kernel: qn.Kernel, X: np.ndarray, folder: Path) -> float:
    return _timed(lambda: qn.gram(kernel, X, out=folder / "bench.zarr"), folder / "bench.zarr")


def _plain(X: np.ndarray, folder: Path) -> float:
    """Files of zeros, of a tile's size, one after another."""
    tile, target = bytes(2048**2 * 4), folder / "plain"

    def write() -> None:
        target.mkdir()
        for k in range(_bytes(len(X)) // len(tile)):
            with (target / str(k)).open("wb") as file:
                file.write(tile)
                file.flush()
                os.fsync(file.fileno())

    return _timed(write, target)


def _timed(run: Callable[[], object], written: Path) -> float:
    os.sync()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    shutil.rmtree(written)
    return seconds


def _bytes(n: int) -> int:
    count = -(-n // 2048)
    return count * (count + 1) // 2 * 2048**2 * 4


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()

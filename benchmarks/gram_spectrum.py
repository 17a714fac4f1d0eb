"""The 200 largest eigenvalues of Gram matrices: block Krylov against SciPy's eigsh, side by side in one run.

python benchmarks/gram_spectrum.py [--rows 6000] [--top 200]
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np
from scipy.sparse.linalg import eigsh

import quasintk as qn


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--top", type=int, default=200)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(
        f"{arguments.rows} rows, top {arguments.top}; {cores} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    print(f"{'kernel':12} {'features':>8} {'ours':>8} {'eigsh':>8} {'ratio':>6} {'difference / bound':>19}")
    for weights in ("binary", "real"):
        for features in (10, 20):
            X = np.random.default_rng(0).normal(size=(arguments.rows, features))
            K = qn.kernel("relu", depth=2, weights=weights)(X)
            start = time.perf_counter()
            found = qn.gram_spectrum(K, top=arguments.top)
            ours = time.perf_counter() - start
            start = time.perf_counter()
            peer = np.sort(eigsh(K, k=arguments.top, which="LA", return_eigenvectors=False))[::-1]
            seconds = time.perf_counter() - start
            worst = float(np.max(np.abs(found.value - peer) / (found.bound + found.floor)))
            print(
                f"{weights:12} {features:8} {ours:7.2f}s {seconds:7.2f}s {seconds / ours:6.1f} {worst:19.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""A million inputs: a low-rank factor of their Gram matrix, and ridge regression with it.

    python -m benchmarks.lowrank [-n 1000000] [--dim 5] [--rank 500]

Data are normal, targets a smooth function with noise of 0.1. Prints time, memory and trace error for binary and real
ReLU networks of two layers, and the error of the fit on new inputs (relative to the function's deviation).
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import quasintk as qn


def main() -> None:
    """Print one line for each kernel."""
    parser = argparse.ArgumentParser(
        "benchmarks.lowrank", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=5)
    parser.add_argument("--rank", type=int, default=500)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(options.n, options.dim)), rng.normal(size=(2000, options.dim))
    y = _function(X) + 0.1 * rng.normal(size=options.n)
    for weights in ("binary", "real"):
        kernel = qn.kernel("relu", depth=2, weights=weights)
        kernel(X[:1000])
        start = time.perf_counter()
        low = qn.lowrank.cholesky(kernel, X, options.rank)
        factored = time.perf_counter() - start
        error, pivots = low.error, len(low.pivots)
        del low
        start = time.perf_counter()
        fit = qn.lowrank.ridge(kernel, X, y, penalty=1e-2, rank=options.rank)
        solved = time.perf_counter() - start
        off = np.sqrt(np.mean((fit.predict(new) - _function(new)) ** 2) / np.var(_function(new)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            f"{weights}: n = {options.n}, dim {options.dim}, {pivots} columns in {factored:.1f} s, trace error {error:.2e}; "
            f"factor and ridge {solved:.1f} s, residual {fit.residual:.1e}, off by {off:.1%} on new inputs; peak {peak / 1e9:.1f} GB",
            flush=True,
        )
        del fit


def _function(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) * X[:, 2])


if __name__ == "__main__":
    main()

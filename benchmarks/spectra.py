"""Eigenvalues on the sphere: ours against mpmath's quadrature, measured side by side in one run.

python benchmarks/spectra.py [--dim 10] [--json FILE]

The peer is what one would write: `mpmath.quad` of K(cos a) P_k(cos a) sin^(dim-2)(a), K the arc-cosine recursion, with as many
digits as lambda_60 / lambda_0 cancels and 15 more, one integral a degree. It is timed at every twentieth degree. Imports and
derivations come first; the kernels' Hermite coefficients are not kept from run to run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from fractions import Fraction
from typing import Any

import mpmath

import quasintk as qn

DEPTH, DEGREES, EVERY = 3, 60, 20
PRECISIONS: dict[str, Any] = {
    "binary": "binary", "ternary": "ternary", "4 bits": qn.Levels(16), "8 bits": qn.Levels(256), "real": "real"
}  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dim", type=int, default=10)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = [measured(name, arguments.dim) for name in PRECISIONS]
    print(f"relu, depth {DEPTH}, dim {arguments.dim}, {DEGREES + 1} degrees, NTK; {machine()}")
    print(f"{'weights':10} {'ours':>8} {'mpmath':>10} {'ratio':>7} {'stated error':>13} {'difference':>11}")
    for row in rows:
        print(
            f"{row['weights']:10} {row['ours']:7.2f}s {row['mpmath']:9.1f}s {row['mpmath'] / row['ours']:7.0f} "
            f"{row['stated']:13.1e} {row['difference']:11.1e}"
        )
    others = [
        timed("gelu", 2, "binary", 60),
        timed("tanh", 2, "binary", 60),
        timed("tanh", 1, "real", 60),
        timed("relu", 2, "binary", 1000),
    ]
    for row in others:
        print(
            f"{row['what']:44} {row['seconds']:6.2f}s  stated error {row['stated']:.1e}, log10 of the last {row['last']:.1f}"
        )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "against_mpmath": rows, "others": others}, file, indent=1)


def measured(name: str, dim: int) -> dict[str, Any]:
    """One precision: seconds of both, for all degrees, and how far they differ where both were computed."""
    kernel = qn.kernel("relu", depth=DEPTH, weights=PRECISIONS[name])
    start = time.perf_counter()
    found = qn.spectrum(kernel, dim=dim, degrees=DEGREES)
    ours = time.perf_counter() - start
    last = max(found.log_eigenvalue[-2:])
    digits = 15 - int((last - found.log_eigenvalue[0]) / mpmath.log(10))
    share = Fraction(kernel.parameters.get("latent_fraction", 1))
    start = time.perf_counter()
    values = {k: integral(k, dim, share, digits) for k in range(0, DEGREES + 1, EVERY)}
    peer = (time.perf_counter() - start) / len(values) * (DEGREES + 1)
    difference = max(abs(float(found.eigenvalue[k] / value - 1)) for k, value in values.items())
    return {
        "weights": name,
        "ours": ours,
        "mpmath": peer,
        "stated": float(found.rel_error.max()),
        "difference": difference,
    }


def integral(k: int, dim: int, share: Fraction, digits: int) -> Any:
    """lambda_k by mpmath.quad on eight panels that shrink towards the ends."""
    with mpmath.workdps(digits):
        half, fraction = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(share.numerator) / share.denominator
        scale = mpmath.gegenbauer(k, half, 1)

        def integrand(angle: Any) -> Any:
            t = mpmath.cos(angle)
            return ntk(t, fraction) * mpmath.gegenbauer(k, half, t) * mpmath.sin(angle) ** (dim - 2)

        ends = [mpmath.pi / 2**i for i in (1, 2, 4, 8)]
        edges = [0, *ends[::-1], *(mpmath.pi - end for end in ends[1:]), mpmath.pi]
        return mpmath.quad(integrand, edges) / scale / mpmath.beta(half + 0.5, 0.5)


def ntk(t: Any, fraction: Any) -> Any:
    """NTK of DEPTH ReLU layers at q = 1, W_std = 1 (Cho & Saul 2009; theory.md, section 3)."""
    q, m, k = mpmath.mpf(1), t, mpmath.mpf(0)
    for _ in range(DEPTH):
        M = fraction * m
        K = fraction * k + M
        sine = mpmath.sqrt(max((q - M) * (q + M), 0))
        theta = mpmath.atan2(sine, M)
        m, k = (sine + (mpmath.pi - theta) * M) / (2 * mpmath.pi), (mpmath.pi - theta) / (2 * mpmath.pi) * K
        q = q / 2
    return k + m


def timed(activation: str, depth: int, weights: str, degrees: int) -> dict[str, Any]:
    """One spectrum in 10 dimensions."""
    kernel = qn.kernel(activation, depth=depth, weights=weights)
    start = time.perf_counter()
    found = qn.spectrum(kernel, dim=10, degrees=degrees)
    seconds = time.perf_counter() - start
    last = float(max(found.log_eigenvalue[-2:])) / math.log(10)
    what = f"{activation}, depth {depth}, {weights}, {degrees + 1} degrees"
    return {"what": what, "seconds": seconds, "stated": float(found.rel_error.max()), "last": last}


def machine() -> str:
    """The cores used, and what they are."""
    return f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()

"""Predicted rates, powers and constants of eigenvalue decay against computed spectra.

python benchmarks/predicted_decay.py [--dims 3,10,50] [--json FILE]

Rate, power and constant are solved for from eigenvalues by routes that share nothing with the predictions
(tests/helpers/decay_spectra.py); none of them is given. "doubt" is the largest change of the three with degrees 0.8 times as high, and
"spectrum" how far `qn.spectrum` is from the same routes at degree 60 or 61. The exit code is 1 if any of them exceeds 0.1 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import quasintk as qn
from quasintk import baselines

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from decay_spectra import (  # found by the line above
    FARTHEST,
    NEAR,
    ROOTS,
    Arithmetic,
    Case,
    log_eigenvalues_of,
    measured,
    off,
)

DIMS = (3, 10, 50)
ALLOWED = 1e-3
"""Largest relative difference of rate, power and constant."""
DEGREE = 60


def chain(*layers: tuple[Any, ...] | str) -> qn.Network:
    """Dense layers as (weights, W_std, b_std, trained), activations by name, and a real readout."""
    parts = [qn.Activation(one) if isinstance(one, str) else qn.Dense(*one) for one in layers]
    return qn.Network([*parts, qn.Dense("real")])


def laplace(t: Any, a: Arithmetic) -> Any:
    """Of length scale 2, D = 2 (1 - t)."""
    return a.exp(-a.sqrt(2 * (1 - t)) / 2)


def matern(t: Any, a: Arithmetic) -> Any:
    """nu = 5/2, length scale 2: (1 + u + u^2 / 3) exp(-u), u = sqrt(5 D) / 2."""
    u = a.sqrt(10 * (1 - t)) / 2
    return (1 + u + u * u / 3) * a.exp(-u)


def rational_quadratic(t: Any, a: Arithmetic) -> Any:
    """alpha = 5/2, length scale 1/2: (1 + D / (2 alpha l^2))^-alpha = 1 / (w^2 sqrt(w))."""
    w = 1 + 8 * (1 - t) / 5
    return 1 / (w * w * a.sqrt(w))


mlp = qn.mlp
UNTRAINED = ("real", 1, "0.3", False)
"""Behind sign no gradient is finite; the NNGP does not see it."""
CASES = (
    Case("relu, binary", mlp("relu")),
    Case("relu, binary, 2 layers, b 0.5", mlp("relu", 2, b_std="0.5")),
    Case("relu, 5 levels, 2 layers, b 0.5", mlp("relu", 2, qn.Levels(5), b_std="0.5")),
    Case("relu, binary, 3 layers, odd degrees", mlp("relu", 3), parity=1),
    Case("relu, binary, 2 layers, b 0.3, nngp", mlp("relu", 2, b_std="0.3"), "nngp"),
    Case("relu, binary, 2 layers, b 0.3, latent", mlp("relu", 2, b_std="0.3", parameterization="latent")),
    Case("abs, binary, 2 layers", mlp("abs", 2)),
    Case("relu2, binary, 2 layers, b 0.5", mlp("relu2", 2, b_std="0.5")),
    Case("sign, binary, 2 layers, b 0.5", mlp("sign", 2, b_std="0.5")),
    Case("sign, binary, nngp, odd degrees", mlp("sign"), "nngp", parity=1),
    Case("leaky_relu, ternary, 3 layers, W 1.4, b 0.4", mlp("leaky_relu", 3, "ternary", "1.4", "0.4")),
    Case("elu, binary, even degrees", mlp("elu"), reach=NEAR),
    Case("elu, binary, odd degrees", mlp("elu"), parity=1, reach=NEAR),
    Case("elu, binary, 2 layers, b 0.5", mlp("elu", 2, b_std="0.5"), reach=NEAR),
    Case("erf, binary, odd degrees", mlp("erf"), parity=1),
    Case("erf, real, 3 layers, W 1.5, b 0.3", mlp("erf", 3, "real", "1.5", "0.3")),
    Case("gelu, binary, b 0.5", mlp("gelu", b_std="0.5", W_std="1.5")),
    Case("gelu, ternary, 2 layers", mlp("gelu", 2, "ternary"), reach=FARTHEST),
    Case("gelu, real, 2 layers, W 1.5, b 0.3", mlp("gelu", 2, "real", "1.5", "0.3")),
    Case("gaussian, real, 2 layers, W 1.5, b 0.3", mlp("gaussian", 2, "real", "1.5", "0.3")),
    Case("relu: binary, real, binary", chain(("binary", "1.4"), "relu", ("real", "1.4"), "relu", ("binary", "1.4"), "relu")),
    Case("relu, binary, first layer untrained", chain(("binary", 1, "0.5", False), "relu", ("binary", 1, "0.5"), "relu")),
    Case("real lift, relu, binary", chain(("real",), ("binary", 1, "0.4"), "relu")),
    Case("relu, real", mlp("relu", 1, "real")),
    Case("relu, real, 3 layers, b 0.3", mlp("relu", 3, "real", b_std="0.3")),
    Case("relu, real, 2 layers, b 0.3, nngp", mlp("relu", 2, "real", b_std="0.3"), "nngp"),
    Case("relu, real, 2 layers, odd degrees", mlp("relu", 2, "real"), parity=1),
    Case("relu2, real, 2 layers, b 0.3", mlp("relu2", 2, "real", b_std="0.3")),
    Case("sign, real, 2 layers, b 0.3, nngp", chain(UNTRAINED, "sign", UNTRAINED, "sign"), "nngp", root=2, reach=ROOTS),
    Case("relu real, erf binary", chain(("real",), "relu", ("binary", 1, "0.5"), "erf")),
    Case("relu, binary, 2 layers, b 0.3, rounding", mlp("relu", 2, b_std="0.3"), "rounding"),
    Case("relu, real untrained, binary", chain(("real", 1, "0.3", False), "relu", ("binary", 1, "0.5"), "relu")),
    Case("laplace(2)", baselines.laplace(2), formula=laplace),
    Case("matern(5/2, 2)", baselines.matern("5/2", 2), formula=matern),
    Case("rational_quadratic(5/2, 1/2)", baselines.rational_quadratic("5/2", "1/2"), formula=rational_quadratic),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One case in one dimension: what is predicted, the relative differences of what was measured, and how sure that is."""

    case: str
    dim: int
    rate: float
    power: float
    constant: float
    off: tuple[float, float, float]
    doubt: float
    spectrum: float
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether all differences are allowed."""
        return max(*self.off, self.doubt, self.spectrum) <= ALLOWED

    def __str__(self) -> str:
        rate, power, constant = (f"{difference:.0e}" for difference in self.off)
        return (
            f"| {self.case} | {self.dim} | {self.rate:.9g} | {rate} | {self.power:g} | {power} | "
            f"{self.constant:.6g} | {constant} | {self.doubt:.0e} | {self.spectrum:.0e} |"
        )


def row(case: Case, dim: int) -> Row:
    """Predict, measure, compare."""
    start, branch, found = time.perf_counter(), case.branch(dim), measured(case, dim)
    assert branch.rate is not None
    assert branch.power is not None
    assert branch.constant is not None
    expected = (branch.rate, branch.power, branch.constant)
    differences = [
        off(*pair) for pair in zip((found.rate, found.power, found.constant), expected, strict=True)
    ]
    return Row(
        case.name,
        dim,
        *expected,
        (differences[0], differences[1], differences[2]),
        max(found.doubt),
        computed(case, dim),
        time.perf_counter() - start,
    )


def computed(case: Case, dim: int) -> float:
    """Relative difference of `qn.spectrum`'s eigenvalue from the independent one."""
    kernel = qn.kernel(case.network) if isinstance(case.network, qn.Network) else case.network
    k = DEGREE + case.parity
    ours = qn.spectrum(kernel, dim, k, case.get, case.q).log_eigenvalue[k]
    t_star = qn.predict_decay(case.network, dim, case.q, case.get).singularity
    (theirs,) = log_eigenvalues_of(case, [k], dim, case.reach_at(t_star).points, t_star)
    return abs(float(np.expm1(float(ours - float(theirs)))))


def main() -> int:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", default=",".join(map(str, DIMS)))
    parser.add_argument("--json")
    arguments = parser.parse_args()
    dims = [int(dim) for dim in arguments.dims.split(",")]
    print("| kernel | dim | rate | off by | power | off by | C | off by | doubt | spectrum |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for case in CASES:
        for dim in dims:
            rows.append(row(case, dim))
            print(rows[-1], flush=True)
    failed = [one for one in rows if not one.agrees]
    print(f"\n{len(rows)} rows, {len(failed)} off by more than {ALLOWED:g}.")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(one) for one in rows], indent=1), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

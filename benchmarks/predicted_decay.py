"""Predicted rates and powers of eigenvalue decay against computed spectra.

python benchmarks/predicted_decay.py [--json FILE]

log lambda_k = c + k log rho + p log x + b_1 / x + ... + b_n / x^n, x = k + dim / 2 - 1, is solved for at degrees of one parity, evenly
spaced from 400 to 1000 (power laws: 60 to 180): neither rho nor p is given. The difference to one unknown less is shown as its doubt.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import mpmath
import numpy as np

import quasintk as qn

DIMS = (3, 10, 50)
CASES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("relu", {"weights": "binary"}, "ntk"),
    ("relu", {"weights": "binary", "depth": 2, "b_std": "0.5"}, "ntk"),
    ("relu", {"weights": "binary", "depth": 3, "W_std": "1.4"}, "ntk"),
    ("relu", {"weights": "binary", "depth": 2}, "nngp"),
    ("relu", {"weights": "ternary", "depth": 2, "b_std": "0.3"}, "ntk"),
    ("leaky_relu", {"weights": "binary", "depth": 2}, "ntk"),
    ("abs", {"weights": "binary", "b_std": "0.5"}, "ntk"),
    ("relu2", {"weights": "binary"}, "ntk"),
    ("relu2", {"weights": "ternary"}, "nngp"),
    ("sign", {"weights": "binary"}, "ntk"),
    ("sign", {"weights": "binary", "depth": 2, "b_std": "0.5"}, "nngp"),
    ("elu", {"weights": "binary", "b_std": "0.5"}, "ntk"),
    ("erf", {"weights": "binary", "W_std": "2", "b_std": "0.5"}, "ntk"),
    ("erf", {"weights": "real", "W_std": "1.5", "b_std": "0.3"}, "nngp"),
    ("gelu", {"weights": "binary", "W_std": "1.5"}, "ntk"),
    ("gelu", {"weights": "real", "b_std": "0.3"}, "nngp"),
    ("gaussian", {"weights": "binary", "b_std": "0.3"}, "ntk"),
    ("gaussian", {"weights": "ternary"}, "nngp"),
    ("relu", {"weights": "real"}, "ntk"),
    ("relu", {"weights": "real", "depth": 2, "b_std": "0.5"}, "nngp"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One case in one dimension: what is predicted, what was measured, and how sure that is."""

    case: str
    dim: int
    rate: float
    power: float
    measured_rate: float
    measured_power: float
    doubt: float
    seconds: float

    @property
    def off(self) -> tuple[float, float]:
        """Relative differences of rate and power."""
        return abs(self.measured_rate / self.rate - 1), abs(self.measured_power / self.power - 1)


def row(name: str, options: dict[str, Any], get: str, dim: int) -> Row:
    """Predict, compute, compare."""
    kernel = qn.kernel(name, **options)
    predicted = qn.predict_decay(kernel, dim, get=get)
    branch = max((predicted.even, predicted.odd), key=lambda one: (one.rate or 0.0, one.power or -np.inf))
    assert branch.rate is not None
    assert branch.power is not None
    start = time.perf_counter()
    power_law = branch.rate == 1
    low, high = (60, 180) if power_law else (400, 1000)
    found = qn.spectrum(kernel, dim=dim, degrees=high, get=get)
    rates, powers = zip(
        *(measured(found, dim, branch is predicted.odd, low, high, n, power_law) for n in (8, 7)), strict=True
    )
    doubt = max(abs(rates[0] / rates[1] - 1), abs(powers[0] / powers[1] - 1))
    text = f"{name}, {', '.join(f'{k} {v}' for k, v in options.items())}, {get}"
    return Row(text, dim, branch.rate, branch.power, rates[0], powers[0], doubt, time.perf_counter() - start)


def measured(
    found: Any, dim: int, odd: bool, low: int, high: int, corrections: int, power_law: bool
) -> tuple[float, float]:
    """Rate and power from as many degrees of one parity as there are unknowns."""
    count = corrections + (2 if power_law else 3)
    degrees = [2 * round(k / 2) - int(odd) for k in np.linspace(low, high, count)]
    with mpmath.workdps(40):
        x = [mpmath.mpf(k) + mpmath.mpf(dim) / 2 - 1 for k in degrees]
        columns = [
            [1, mpmath.log(y), *(y**-i for i in range(1, corrections + 1)), *([] if power_law else [k])]
            for k, y in zip(degrees, x, strict=True)
        ]
        values = [mpmath.mpf(float(found.log_eigenvalue[k])) for k in degrees]
        solution = mpmath.lu_solve(mpmath.matrix(columns), mpmath.matrix(values))
        return 1.0 if power_law else float(mpmath.exp(solution[count - 1])), float(solution[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = [row(*case, dim) for case in CASES for dim in DIMS]
    print("| kernel | dim | rate predicted | off by | power predicted | off by | doubt |")
    print("|---|---|---|---|---|---|---|")
    for one in rows:
        rate, power = one.off
        print(
            f"| {one.case} | {one.dim} | {one.rate:.9g} | {rate:.0e} | {one.power:g} | {power:.0e} | {one.doubt:.0e} |",
            flush=True,
        )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([asdict(one) for one in rows], file, indent=1)


if __name__ == "__main__":
    main()

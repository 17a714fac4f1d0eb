"""Blind test of fit_decay: spectra of known law with noise and floors; verdicts, and whether intervals hold the truth.

    python benchmarks/blind_fits.py [--count 200] [--seed 1] [--list] [-o docs/blind-fits.md]

Half of the spectra are by degree, summed from Taylor coefficients of known law in dimensions 3 to 50, half by index. A fifth has no noise;
others have 0.1 to 3 % of it, told or not; all have a floor, at 1e-12, 1e-30 or 1e-300 of the largest value.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import gammaln

from derive.errors import NumericalError
from numerics.fit import fit_decay
from numerics.zonal import zonal_eigenvalues

TRUTHS = ("exponential", "power", "stretched", "super-exponential", "finite-rank")
VERDICTS = (*TRUTHS, "undecided")
RIGHT = {"exponential-root": ("exponential", "stretched")}
"""rho^k exp(-c sqrt(k)) is exponential, and stretched where that factor shows."""


@dataclass(frozen=True)
class Case:
    """Numbers for the fit, and what is true of them."""

    truth: str
    source: Any
    parameters: dict[str, float]
    text: str


def main() -> None:
    """Print the report, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="show every spectrum")
    parser.add_argument("-o", dest="path", help="file for the report")
    options = parser.parse_args()
    start = time.perf_counter()
    text = "\n".join(report(options.count, options.seed, options.list))
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if options.path:
        Path(options.path).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def report(count: int, seed: int, listed: bool = False) -> Iterator[str]:
    """The confusion matrix, the wrong verdicts and the coverage of the intervals, as Markdown."""
    table, cover, wrong = Counter(), Counter(), []
    for number in range(count):
        one = case(np.random.default_rng([seed, number]), TRUTHS[number % len(TRUTHS)], number // 5 % 2 == 0)
        try:
            fit = fit_decay(one.source)
        except NumericalError:  # fewer than three values above the floor
            table[one.truth, "undecided"] += 1
            continue
        table[one.truth, fit.verdict] += 1
        for name, value in one.parameters.items() if fit.best else ():
            if name in fit.best.interval:
                low, high = fit.best.interval[name]
                cover[name, bool(low <= value <= high)] += 1
        if fit.verdict not in (*RIGHT.get(one.truth, (one.truth,)), "undecided"):
            wrong.append(f"{number}: {one.text}: {fit.verdict} ({fit.reason})")
        if listed:
            print(number, one.text, "->", fit.verdict, fit.reason, fit.warning, sep=" | ", file=sys.stderr)
    yield f"# Blind test of fits: {count} spectra, seed {seed}\n"
    yield f"Written by `python benchmarks/blind_fits.py --count {count} --seed {seed} -o docs/blind-fits.md`; rows are the truth.\n"
    yield "| truth | " + " | ".join(VERDICTS) + " |\n|---|" + "---:|" * len(VERDICTS)
    for truth in (*TRUTHS, "exponential-root"):
        yield f"| {truth} | " + " | ".join(str(table[truth, verdict]) for verdict in VERDICTS) + " |"
    undecided = sum(table[truth, "undecided"] for truth in (*TRUTHS, "exponential-root"))
    yield f"\nWrong: {len(wrong)} of {count} ({100 * len(wrong) / count:.1f} %); undecided: {undecided}.\n"
    yield from (f"- {line}" for line in wrong)
    yield "95 % intervals of verdicts other than undecided:\n"
    for name in sorted({name for name, _ in cover}):
        held = cover[name, True]
        yield f"- {name}: the truth in {held} of {held + cover[name, False]}"


def case(rng: np.random.Generator, truth: str, by_degree: bool) -> Case:
    """One spectrum."""
    return _by_degree(rng, truth) if by_degree else _by_index(rng, truth)


def _by_degree(rng: np.random.Generator, truth: str) -> Case:
    dim, degrees = int(rng.choice([3, 5, 10, 20, 50])), int(rng.choice([40, 60, 100, 200]))
    k, j = np.arange(degrees + 1), np.arange(4000, dtype=np.longdouble)
    parameters: dict[str, float] = {}
    if truth == "power":
        gamma, correction = rng.uniform(0.2, 2.3), rng.uniform(-1, 1)
        first = np.maximum(k, gamma + 0.5)
        logs = gammaln(first - gamma) - gammaln(first + gamma + dim - 1) + np.log1p(correction / (first + 2))
        parameters, detail = {"gamma": gamma}, f"gamma {gamma:.2f}"
    else:
        if truth == "exponential":
            gamma, t_star = rng.uniform(-1.6, 2.0), 1 + 10 ** rng.uniform(-1.2, 0.7)
            a = (j + 1) ** -(gamma + 1) * (1 + rng.uniform(-0.5, 1) / (j + 1)) * t_star**-j
            rho = t_star - np.sqrt(t_star**2 - 1)
            parameters, detail = {"rho": rho}, f"gamma {gamma:.2f}, rho {rho:.3f}"
        elif truth == "stretched":
            c, t_star = rng.uniform(1.0, 6.0), 1 + (10 ** rng.uniform(-1.2, 0.7) if rng.random() < 0.5 else 0)
            a = np.exp(-c * np.sqrt(j)) * t_star**-j
            detail = f"c {c:.2f}, t* {t_star:.3f}"
            truth = "stretched" if t_star == 1 else "exponential-root"
        elif truth == "super-exponential":
            order, s = rng.uniform(0.5, 1.5), 10 ** rng.uniform(-1, 1.3)
            a = np.exp(j * np.log(np.longdouble(s)) - order * gammaln((j + 1).astype(float)))
            detail = f"order {order:.2f}, s {s:.2f}"
        else:
            last = int(rng.integers(2, degrees // 2))
            a = np.where(
                j <= last, rng.uniform(0.1, 1, len(j)) * 10 ** (-rng.uniform(0, 0.5) * np.minimum(j, 100)), 0
            )
            detail = f"last degree {last}"
        a = np.where(a > 1e-4900, a, 0)
        if rng.random() < 0.4:
            a[1::2] *= rng.choice([0.3, 0.03, 0.0])
        sums = zonal_eigenvalues(a, dim, degrees, float(a.sum()), np.full(len(a), 1e-19))
        logs = sums.log_eigenvalue
    values, errors, noise = _noisy(rng, logs)
    source = {"degree": k, "log_eigenvalue": values, "rel_error": errors, "dim": dim}
    return Case(
        truth, source, parameters, f"{truth} by degree, dim {dim}, {degrees} degrees, {detail}, {noise}"
    )


def _by_index(rng: np.random.Generator, truth: str) -> Case:
    n = int(rng.choice([60, 150, 500]))
    i, parameters = np.arange(1.0, n + 1), {}
    if truth == "power":
        p = rng.uniform(1, 6)
        logs, parameters, detail = -p * np.log(i), {"power": -p}, f"power {p:.2f}"
    elif truth == "exponential":
        rate, p = 10 ** rng.uniform(-1.3, 0.3), rng.uniform(-3, 1)
        logs = p * np.log(i) - rate * i
        parameters, detail = {"rho": np.exp(-rate)}, f"rho {np.exp(-rate):.3f}, power {p:.2f}"
    elif truth == "stretched":
        s, c = rng.uniform(0.25, 0.75), rng.uniform(1, 6)
        logs, detail = -c * i**s, f"c {c:.2f}, exponent {s:.2f}"
    elif truth == "super-exponential":
        order, b = rng.uniform(0.5, 1.5), rng.uniform(-1, 0.3)
        logs, detail = b * i - order * gammaln(i + 1), f"order {order:.2f}"
    else:
        last = int(rng.integers(3, n // 2))
        logs = np.where(i <= last, -rng.uniform(0.5, 1.5) * np.log(i), -np.inf)
        detail = f"rank {last}"
    values, _, noise = _noisy(rng, logs, floors=(1e-15,))
    return Case(truth, np.exp(values), parameters, f"{truth} by index, {n} values, {detail}, {noise}")


def _noisy(
    rng: np.random.Generator, logs: Any, floors: tuple[float, ...] = (1e-12, 1e-30, 1e-300)
) -> tuple[Any, Any, str]:
    """Logarithms with noise and a floor, and relative errors as a computation would state them."""
    sigma, floor = rng.choice([0.0, 1e-3, 1e-2, 3e-2]), rng.choice(floors)
    told = rng.random() < 0.5
    level = np.max(logs) + np.log(floor)
    with np.errstate(invalid="ignore"):
        noisy = np.asarray(logs + sigma * rng.normal(size=len(logs)), np.float64)
    exact = np.isneginf(logs) & (floor < 1e-20)
    below = ~exact & (noisy < level + 3)
    noisy[below] = level - rng.exponential(size=int(below.sum()))
    error = np.full(len(logs), max(sigma, 1e-15) if told else 1e-15)
    error[~exact] += np.exp(np.minimum(level - noisy[~exact], 2.0))
    return noisy, error, f"noise {sigma:g} {'told' if told else 'untold'}, floor {floor:g}"


if __name__ == "__main__":
    main()

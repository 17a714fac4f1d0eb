"""Study 4: quasi NTK, real NTK, Gaussian and Laplace in kernel machines. Is binary to real as Gaussian to Laplace?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.kernel import Kernel
from quasintk import baselines
from quasintk.pipeline import kernel as derive_kernel
from quasintk.studies.comparison import MEASURES, TITLES, by_data_set, compared, overall, sentence, values_of
from quasintk.studies.datasets import BUNDLED, Split, load
from quasintk.studies.difference_plot import draw_differences
from quasintk.studies.machines import MACHINES
from quasintk.studies.statistics import mean_over, named, side
from quasintk.studies.study import Cell, Rows, Study, Summary, Table, seed_of

NETWORKS = {"quasi NTK": "binary", "real NTK": "real"}
BASELINES = {"Gaussian": baselines.gaussian, "Laplace": baselines.laplace}
LEFT, RIGHT = ("quasi NTK", "real NTK"), ("Gaussian", "Laplace")


@dataclass(frozen=True)
class Settings:
    """Data, splits, and the candidates among which an inner cross-validation chooses; as many for every kernel.

    Attributes
    ----------
    data : tuple of str
    folds, inner, repetitions : int
    depths, biases : tuples
        Of ReLU networks.
    scales : tuple of float
        Length scales of Gaussian and Laplace.
    strengths : mapping from machine to tuple of float
        Ridges in units of the kernel's mean diagonal, and C of support vector machines on the kernel over that.
    most : int or None
        Rows kept of each data set.
    """

    data: tuple[str, ...] = BUNDLED
    folds: int = 5
    inner: int = 3
    repetitions: int = 1
    depths: tuple[int, ...] = (1, 2, 3)
    biases: tuple[float, ...] = (0.1, 1.0)
    scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    ridges: tuple[float, ...] = (10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6)
    costs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0)
    most: int | None = None


FULL = Settings()
QUICK = replace(
    FULL, folds=3, inner=2, depths=(1, 2), biases=(0.1, 1.0), scales=(0.5, 1.0, 2.0, 4.0),
    ridges=(1.0, 0.1, 1e-2, 1e-4), costs=(1.0, 10.0, 100.0), most=300,
)  # fmt: skip


def kernels_study(settings: Settings, seed: int) -> Study:
    """Four kernels in two machines on tables, cell by cell a split of a data set."""
    rows = {"digits": 1797, "breast_cancer": 569, "diabetes": 442}
    cells = [
        Cell(
            key=f"{name.replace('/', '-')}-{repetition}-{fold}",
            cost=0.5 + 20 * (min(rows.get(name, 200), settings.most or 10**6) / 1797) ** 2,
            compute=partial(_cell, settings, seed, name, repetition, fold),
        )
        for name in settings.data
        for repetition in range(settings.repetitions)
        for fold in range(settings.folds)
    ]
    return Study(
        "kernels",
        "kernel machines with quasi NTK, real NTK, Gaussian and Laplace",
        {"seed": seed, **asdict(settings)},
        tuple(cells),
        partial(_summary, settings),
    )


def _cell(settings: Settings, seed: int, name: str, repetition: int, fold: int) -> Rows:
    data = load(name, settings.most)
    train, test = data.splits(settings.folds, seed_of(seed, repetition))[fold]
    split = Split.of(data, train, test)
    inner = replace(data, X=data.X[train], y=data.y[train]).splits(
        settings.inner, seed_of(seed, repetition, fold)
    )
    X = np.concatenate((split.train.X, split.test.X))
    found: list[dict[str, Any]] = []
    for kind in (*NETWORKS, *BASELINES):
        grams = {text: _gram(one, X) for text, one in _candidates(settings, kind)}
        for machine, strengths in (("ridge", settings.ridges), ("SVM", settings.costs)):
            train_score, test_score, chosen = _nested(MACHINES[machine], grams, strengths, split, inner)
            method = f"{kind}, {machine}"
            scores = {"train": train_score, "test": test_score, "chosen": chosen}
            line = {**data.described(), "split": f"{repetition}-{fold}", "method": method, **scores}
            found.append(line)
    return found


def _nested(
    machine: Any,
    grams: dict[str, NDArray[np.float64]],
    strengths: Sequence[float],
    split: Split,
    inner: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[float, float, str]:
    """Training and test score of the candidate that is best on the inner folds; of equals the first."""
    n = len(split.train.X)
    best: tuple[float, str, int] = (-np.inf, "", 0)
    for text, K in grams.items():
        scores = np.zeros(len(strengths))
        for kept, held in inner:
            guesses = machine(
                K[np.ix_(kept, kept)], split.train.Y[kept], K[np.ix_(held, kept)], strengths, split.regression
            )
            scores += [split.score(guess, split.train.Y[held]) for guess in guesses]
        at = int(np.argmax(scores))
        if scores[at] > best[0]:
            best = float(scores[at]), text, at
    _, text, at = best
    (guess,) = machine(
        grams[text][:n, :n], split.train.Y, grams[text][:, :n], strengths[at : at + 1], split.regression
    )
    chosen = f"{text}, {strengths[at]:g}"
    return split.score(guess[:n], split.train.Y), split.score(guess[n:], split.test.Y), chosen


def _candidates(settings: Settings, kind: str) -> Iterator[tuple[str, Kernel]]:
    if kind in BASELINES:
        for scale in settings.scales:
            yield f"length scale {scale:g}", BASELINES[kind](scale)
        return
    for depth, bias in product(settings.depths, settings.biases):
        network = _network(NETWORKS[kind], depth)
        yield f"depth {depth}, b_std {bias:g}", network.with_parameters(b_std=bias)


@cache
def _network(weights: str, depth: int) -> Kernel:
    return derive_kernel("relu", depth=depth, weights=weights, W_std=2**0.5, b_std=1)


def _gram(kernel: Kernel, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """In units of the mean diagonal."""
    K = np.asarray(kernel(X), float)
    scaled: NDArray[np.float64] = K / np.mean(np.diag(K))
    return scaled


def _summary(settings: Settings, rows: Rows) -> Summary:
    pairs = [(f"{a}, {machine}", f"{b}, {machine}") for machine in MACHINES for a, b in (LEFT, RIGHT)]
    test_share = 1 / (settings.folds - 1)
    tables = compared(rows, pairs, test_share)
    analogy = _analogy(rows, tables[2], test_share)
    findings = [
        say(tables[2], pair, measure, what)
        for pair in pairs
        for measure, what in TITLES.items()
        for say in (sentence, by_data_set)
    ]
    findings += [
        f"{row['machine']}, {row['measure']}: whether binary : real is as Gaussian : Laplace: {row['verdict']}."
        for row in analogy.rows
    ]
    return Summary((*tables, analogy), tuple(findings), partial(draw_differences, tables[2], pairs))


def _analogy(rows: Rows, differences: Table, test_share: float) -> Table:
    """Both differences over all data sets, and the difference between the two."""
    sets = list(dict.fromkeys(str(row["data"]) for row in rows))
    lines = []
    for machine, measure in product(MACHINES, MEASURES):
        left, right = (tuple(f"{name}, {machine}" for name in pair) for pair in (LEFT, RIGHT))
        apart = [
            np.subtract(*(values_of(rows, name, method, measure) for method in left)).mean()
            - np.subtract(*(values_of(rows, name, method, measure) for method in right)).mean()
            for name in sets
        ]
        line: dict[str, Any] = {"machine": machine, "measure": measure}
        sides = []
        for title, pair in (("quasi minus real", left), ("Gaussian minus Laplace", right)):
            row = overall(differences, (pair[0], pair[1]), measure)
            line |= {f"{title}{end}": row[f"{measure}{end}"] for end in ("", "_low", "_high")}
            sides.append(side(line[f"{title}_low"], line[f"{title}_high"]))
        lines.append(line | named("apart", mean_over(apart)) | {"verdict": _verdict(*sides)})
    caption = (
        "Binary to real, and Gaussian to Laplace: differences over all data sets, and how far the two are apart (Student's t over data "
        "sets). Alike: both differences are decided and have one sign."
    )
    return Table("analogy", caption, tuple(lines))


def _verdict(left: str, right: str) -> str:
    if "undecided" in (left, right):
        return "undecided"
    return "alike" if left == right else "unlike"

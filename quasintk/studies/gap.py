"""Study 3: have networks with binary weights a lower generalisation gap than real ones of the same shape and budget?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from derive.network import mlp
from derive.weights import weight_law
from quasintk.studies.comparison import TITLES, by_data_set, compared, sentence
from quasintk.studies.datasets import BUNDLED, Split, load
from quasintk.studies.difference_plot import draw_differences
from quasintk.studies.study import Cell, Rows, Study, Summary, seed_of
from quasintk.studies.training import Recipe, Trainable, initial, outputs_of, rounded, train

PAIRS = (("binary", "real"), ("binary averaged", "real"), ("binary averaged", "binary"))


@dataclass(frozen=True)
class Settings:
    """Shape, budget and splits, the same for all weights.

    Attributes
    ----------
    data : tuple of str
    folds, repetitions : int
        Of cross-validation.
    depth, width, steps, batch : int
    rates : tuple of float
        Adam's, chosen by an inner split of the training rows.
    roundings : int
        By which a rounded network is judged.
    most : int or None
        Rows kept of each data set.
    """

    data: tuple[str, ...] = BUNDLED
    folds: int = 5
    repetitions: int = 2
    depth: int = 2
    width: int = 128
    steps: int = 1000
    batch: int = 64
    rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    roundings: int = 32
    most: int | None = None
    W_std: float = 1.4142
    b_std: float = 0.1


FULL = Settings()
QUICK = replace(FULL, folds=3, repetitions=1, width=64, steps=200, rates=(0.03, 0.1), roundings=16, most=600)


def gap_study(settings: Settings, seed: int) -> Study:
    """Binary against real networks on tables, cell by cell a split of a data set."""
    cells = [
        Cell(
            key=f"{name.replace('/', '-')}-{repetition}-{fold}",
            cost=2 * (len(settings.rates) + 1) * settings.steps * settings.width / 3e5,
            compute=partial(_cell, settings, seed, name, repetition, fold),
        )
        for name in settings.data
        for repetition in range(settings.repetitions)
        for fold in range(settings.folds)
    ]
    return Study(
        "gap",
        "the generalisation gap of binary and of real networks",
        {"seed": seed, **asdict(settings)},
        tuple(cells),
        partial(_summary, settings),
    )


def trained_scores(settings: Settings, weights: str, split: Split, seed: int) -> Iterator[dict[str, Any]]:
    """Method, training and test score of one kind of weights: of rounded networks on average, and of their averaged output."""
    rate = _rate(settings, weights, split, seed)
    found = _trained(settings, weights, split.train.X, split.train.Y, rate, seed)
    rng = np.random.default_rng(seed + 1)
    count = settings.roundings if weight_law(weights).rounded else 1
    outputs = [
        (outputs_of(found, W, split.train.X), outputs_of(found, W, split.test.X))
        for W in (rounded(found, rng) for _ in range(count))
    ]
    single = [(split.score(a, split.train.Y), split.score(b, split.test.Y)) for a, b in outputs]
    scores = {weights: np.mean(single, axis=0).tolist()}
    if count > 1:
        a, b = (np.mean(side, axis=0) for side in zip(*outputs, strict=True))
        scores[f"{weights} averaged"] = [split.score(a, split.train.Y), split.score(b, split.test.Y)]
    for method, (training, test) in scores.items():
        yield {"method": method, "train": training, "test": test, "rate": rate}


def _cell(settings: Settings, seed: int, name: str, repetition: int, fold: int) -> Rows:
    data = load(name, settings.most)
    split = Split.of(data, *data.splits(settings.folds, seed_of(seed, repetition))[fold])
    return [
        {**data.described(), "split": f"{repetition}-{fold}", **scores}
        for weights in ("real", "binary")
        for scores in trained_scores(settings, weights, split, seed_of(seed, repetition, fold))
    ]


def _rate(settings: Settings, weights: str, split: Split, seed: int) -> float:
    """The rate whose network has the smallest squared error on a fifth of the training rows, averaged over roundings."""
    if len(settings.rates) == 1:
        return settings.rates[0]
    order = np.random.default_rng(seed).permutation(len(split.train.X))
    held, kept = np.split(order, [len(order) // 5])
    errors = []
    for rate in settings.rates:
        found = _trained(settings, weights, split.train.X[kept], split.train.Y[kept], rate, seed)
        rng = np.random.default_rng(seed + 2)
        guesses = (outputs_of(found, rounded(found, rng), split.train.X[held]) for _ in range(8))
        errors.append(np.mean([np.mean((guess - split.train.Y[held]) ** 2) for guess in guesses]))
    return settings.rates[int(np.argmin(errors))]


def _trained(settings: Settings, weights: str, X: Any, Y: Any, rate: float, seed: int) -> Trainable:
    network = mlp("relu", settings.depth, weights, settings.W_std, settings.b_std)
    start = initial(network, X.shape[1], settings.width, Y.shape[1], seed)
    return train(start, X, Y, Recipe(settings.steps, settings.batch, rate, seed))


def _summary(settings: Settings, rows: Rows) -> Summary:
    tables = compared(rows, PAIRS, 1 / (settings.folds - 1))
    differences = tables[2]
    findings = [
        say(differences, pair, measure, what)
        for pair in PAIRS[:2]
        for measure, what in TITLES.items()
        for say in (sentence, by_data_set)
    ]
    return Summary(tables, tuple(findings), partial(draw_differences, differences, PAIRS[:2]))

"""Study 5: the generalisation gap of trained networks and the decay rate of their kernels, against the bits of a weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from derive.weights import weight_law
from quasintk.decay import decay_of
from quasintk.pipeline import kernel as derive_kernel
from quasintk.studies import gap
from quasintk.studies.comparison import grouped, values_of
from quasintk.studies.datasets import Split, data_table, load
from quasintk.studies.gap import trained_scores
from quasintk.studies.statistics import mean_over_splits, named, side
from quasintk.studies.study import Cell, Row, Rows, Study, Summary, Table, seed_of
from quasintk.sweep_points import Point

REAL = "real"
RATE = "decay"
TRAINING = replace(gap.FULL, repetitions=1)


@dataclass(frozen=True)
class Settings:
    """Weights, data and networks.

    Attributes
    ----------
    weights : tuple of str
        As the command line names them: a number is that of the levels.
    data : tuple of str
    training : gap.Settings
        Shape, budget and splits; its data are not used.
    dim, degrees : int
        Of the spectrum.
    """

    weights: tuple[str, ...] = ("binary", "ternary", "4", "8", "16", "256", REAL)
    data: tuple[str, ...] = ("digits", "breast_cancer", "diabetes")
    training: gap.Settings = TRAINING
    dim: int = 10
    degrees: int = 200


FULL = Settings()
QUICK = replace(
    FULL,
    weights=("binary", "ternary", "4", "16", REAL),
    data=("breast_cancer", "diabetes"),
    training=gap.QUICK,
    degrees=80,
)


def precision_study(settings: Settings, seed: int) -> Study:
    """Trained networks cell by cell a split, and spectra cell by cell a kind of weights."""
    training = settings.training
    cells = [
        Cell(f"{RATE}-{weights}", 1.0, partial(_decay, settings, weights)) for weights in settings.weights
    ]
    cells += [
        Cell(
            key=f"gap-{name}-{repetition}-{fold}",
            cost=len(settings.weights) * (len(training.rates) + 1) * training.steps * training.width / 3e5,
            compute=partial(_gaps, settings, seed, name, repetition, fold),
        )
        for name in settings.data
        for repetition in range(training.repetitions)
        for fold in range(training.folds)
    ]
    return Study(
        "precision",
        "generalisation gap and decay rate against the bits of a weight",
        {"seed": seed, **asdict(settings)},
        tuple(cells),
        partial(_summary, settings),
    )


def _decay(settings: Settings, weights: str) -> Rows:
    law, of = weight_law(weights), settings.training
    kernel = derive_kernel("relu", depth=of.depth, weights=law, W_std=of.W_std, b_std=of.b_std)
    point = Point(
        law, kernel.parameters["b_std"], decay_of(weights, kernel, settings.dim, settings.degrees, 1, "ntk")
    )
    rate = point.fitted_rate
    return [
        {
            "kind": RATE, "weights": weights, "bits": _bits(weights), "latent fraction": float(law.latent_fraction),
            "predicted rho": point.predicted_rate, "fitted": "none" if point.decay.fitted is None else point.decay.fitted.verdict,
            **named("fitted rho", (np.nan,) * 3 if rate is None else rate),
        }
    ]  # fmt: skip


def _gaps(settings: Settings, seed: int, name: str, repetition: int, fold: int) -> Rows:
    """Scores of rounded networks; those of their averages are left to the study of the gap."""
    training = settings.training
    data = load(name, training.most)
    split = Split.of(data, *data.splits(training.folds, seed_of(seed, repetition))[fold])
    found = []
    for weights in settings.weights:
        scores = next(trained_scores(training, weights, split, seed_of(seed, repetition, fold)))
        found.append({**data.described(), "kind": "gap", "split": f"{repetition}-{fold}", **scores})
    return found


def _bits(weights: str) -> float | None:
    levels = weight_law(weights).levels
    return None if levels is None else float(np.log2(levels))


def _summary(settings: Settings, rows: Rows) -> Summary:
    scores = [row for row in rows if row["kind"] == "gap"]
    rates = {str(row["weights"]): row for row in rows if row["kind"] == RATE}
    lines = tuple(_lines(settings, scores, rates))
    caption = (
        "Decay rate rho of the NTK's eigenvalues on the sphere (predicted: exact; fitted: 95 % interval, nothing where undecided), training score, test score and gap of "
        "trained networks (corrected resampled t), and the gap's paired difference to real weights."
    )
    table = Table("bits", caption, lines)
    return Summary((data_table(scores), table), tuple(_findings(lines)), partial(_draw, lines))


def _lines(settings: Settings, scores: Rows, rates: Mapping[str, Row]) -> Iterator[Row]:
    share = 1 / (settings.training.folds - 1)
    for name in settings.data:
        for weights in settings.weights:
            line: dict[str, Any] = {"data": name, "weights": weights}
            line |= {key: value for key, value in rates[weights].items() if key not in ("kind", "weights")}
            for measure in ("train", "test", "gap"):
                line |= named(
                    measure, mean_over_splits(values_of(scores, name, weights, measure).tolist(), share)
                )
            if weights != REAL:
                apart = values_of(scores, name, weights, "gap") - values_of(scores, name, REAL, "gap")
                found = mean_over_splits(apart.tolist(), share)
                line |= named("gap minus real", found) | {"gap is": side(*found[1:])}
            yield line


def _findings(lines: Sequence[Row]) -> Iterator[str]:
    for name in dict.fromkeys(row["data"] for row in lines):
        rounded = [row for row in lines if row["data"] == name and row["weights"] != REAL]
        found = grouped({str(row["weights"]): str(row["gap is"]) for row in rounded})
        yield f"Gap on {name} against real weights, by weights: {found}."


def _draw(lines: Sequence[Row]) -> Any:
    """Gaps on the left axis and rates on the right one, over bits; real weights stand at the end."""
    from numerics.plots import STYLES, figure

    drawing, axes = figure(7.2, 4.6)
    right = axes.twinx()
    right.spines["top"].set_visible(False)
    names = list(dict.fromkeys(row["data"] for row in lines))
    weights = [str(row["weights"]) for row in lines if row["data"] == names[0]]
    place = np.arange(len(weights))
    for k, name in enumerate(names):
        rows = [row for row in lines if row["data"] == name]
        value, low, high = (
            np.array([row[f"gap{end}"] for row in rows], float) for end in ("", "_low", "_high")
        )
        marker, color = STYLES[k]
        axes.errorbar(
            place + 0.08 * (k - 1), value, np.stack((value - low, high - value)), fmt=f"{marker}-", color=color, markersize=4, capsize=2,
            linewidth=0.8, label=f"gap, {str(name).replace('_', ' ')}",
        )  # fmt: skip
    rates = [row["predicted rho"] for row in lines if row["data"] == names[0]]
    right.plot(
        place,
        np.array(rates, float),
        "k--",
        marker="x",
        markersize=5,
        linewidth=0.9,
        label=r"decay rate $\rho$, predicted",
    )
    right.set(ylabel=r"decay rate $\rho$", ylim=(0, 1.05))
    axes.set_xticks(place, [_tick(row) for row in lines if row["data"] == names[0]])
    axes.set(xlabel="bits of a weight", ylabel="gap (train - test)")
    handles = [one for part in (axes, right) for one in part.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left")
    return drawing


def _tick(row: Row) -> str:
    bits = row["bits"]
    return REAL if bits is None else f"{bits:.3g}"

"""Methods compared on the same splits of the same data: scores, gaps, paired differences, ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quasintk.studies.datasets import data_table, regressions
from quasintk.studies.statistics import (
    ROUNDING,
    Interval,
    mean_over,
    mean_over_splits,
    named,
    ranks,
    share,
    side,
)
from quasintk.studies.study import Row, Rows, Table

Floats = NDArray[np.float64]
ALL = "all"
"""The line over all data sets."""
CLOSE = (0.90, 0.95)
"""P90 and P95: on how many data sets a method reaches this share of the best accuracy."""
MEASURES = ("test", "gap")
TITLES = {"gap": "Generalisation gap", "test": "Test score"}


def compared(rows: Rows, pairs: Sequence[tuple[str, str]], test_share: float) -> tuple[Table, ...]:
    """Tables of data, scores, paired differences and ranks.

    Parameters
    ----------
    rows : sequence of mappings
        `data`, `classes`, `method`, `split`, `train`, `test` and what describes the data; every method on every split.
    pairs : sequence of (method, method)
        Whose differences are shown, first minus second.
    test_share : float
        n_test / n_train of a split.
    """
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    sets = list(dict.fromkeys(str(row["data"]) for row in rows))
    scores = Table(
        "scores",
        "Score on training and on test rows, and the gap between the two: means over the splits with 95 % intervals (corrected "
        "resampled t).",
        tuple(_score(rows, name, method, test_share) for name in sets for method in methods),
    )
    differences = Table(
        "differences",
        "Paired differences over the same splits (corrected resampled t), and over the data sets' means (Student's t).",
        tuple(one for pair in pairs for one in _differences(rows, sets, pair, test_share)),
    )
    return data_table(rows), scores, differences, _ranking(rows, sets, methods)


def values_of(rows: Rows, name: str, method: str, measure: str) -> Floats:
    """Test score, training score or gap of each split, in the splits' order."""
    found = [row for row in rows if row["data"] == name and row["method"] == method]
    found.sort(key=lambda row: str(row["split"]))
    return np.array([measured(row, measure) for row in found])


def measured(row: Row, measure: str) -> float:
    """One of a row's scores, or its gap."""
    train, test = float(row["train"] or 0), float(row["test"] or 0)
    return {"train": train, "test": test, "gap": train - test}[measure]


def overall(table: Table, pair: tuple[str, str], measure: str) -> Row:
    """A pair's line over all data sets."""
    wanted = {"data": ALL, "first": pair[0], "second": pair[1]}
    return next(row for row in table.rows if all(row[name] == value for name, value in wanted.items()))


def sentence(table: Table, pair: tuple[str, str], measure: str, what: str) -> str:
    """What the line over all data sets says of a pair."""
    row = overall(table, pair, measure)
    mean, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
    verdict = side(low, high)  # type: ignore[arg-type]  # numbers or None
    said = "no difference is decided" if verdict == "undecided" else f"{pair[0]} is {verdict}"
    return (
        f"{what}, {pair[0]} minus {pair[1]}, over all data sets: {mean:+.4f} [{low:+.4f}, {high:+.4f}], lower on "
        f"{row[f'{measure} lower on']}: {said}."
    )


def by_data_set(table: Table, pair: tuple[str, str], measure: str, what: str) -> str:
    """On which data sets a pair's difference is decided, and which way."""
    lines = [row for row in table.rows if (row["first"], row["second"]) == pair and row["data"] != ALL]
    found = grouped({str(row["data"]): str(row[f"{measure} is"]) for row in lines})
    return f"{what}, {pair[0]} minus {pair[1]}, by data set: {found}."


def grouped(verdicts: Mapping[str, str]) -> str:
    """The names under each verdict."""
    groups = (
        (verdict, [name for name, one in verdicts.items() if one == verdict])
        for verdict in ("lower", "higher", "undecided")
    )
    return "; ".join(f"{verdict}: {', '.join(names) or 'none'}" for verdict, names in groups)


def _score(rows: Rows, name: str, method: str, test_share: float) -> Row:
    line: dict[str, Any] = {"data": name, "method": method}
    for measure in ("train", *MEASURES):
        values = values_of(rows, name, method, measure)
        line |= named(measure, mean_over_splits(values.tolist(), test_share))
    return line | {"splits": len(values)}


def _differences(
    rows: Rows, sets: Sequence[str], pair: tuple[str, str], test_share: float
) -> Iterable[dict[str, Any]]:
    first, second = pair
    means: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for name in sets:
        line: dict[str, Any] = {"data": name, "first": first, "second": second}
        for measure in MEASURES:
            apart = values_of(rows, name, first, measure) - values_of(rows, name, second, measure)
            found = mean_over_splits(apart.tolist(), test_share)
            means[measure].append(found[0])
            line |= _judged(measure, found)
        yield line
    total: dict[str, Any] = {"data": ALL, "first": first, "second": second}
    for measure in MEASURES:
        lower = sum(one < -ROUNDING for one in means[measure])
        total |= _judged(measure, mean_over(means[measure])) | {
            f"{measure} lower on": f"{lower} of {len(sets)}"
        }
    yield total


def _judged(measure: str, found: Interval) -> dict[str, Any]:
    return {**named(measure, found), f"{measure} is": side(found[1], found[2])}


def _ranking(rows: Rows, sets: Sequence[str], methods: Sequence[str]) -> Table:
    """Friedman's mean ranks over all data sets; P90 and P95 over those with an accuracy."""
    test = np.array([[values_of(rows, name, method, "test").mean() for method in methods] for name in sets])
    accuracy = test[[name not in regressions(rows) for name in sets]]
    place = ranks(test)
    lines = []
    for k, method in enumerate(methods):
        line: dict[str, Any] = {"method": method, **named("mean rank", mean_over(place[:, k].tolist()))}
        for level in CLOSE if len(accuracy) else ():
            hits = int(np.sum(accuracy[:, k] >= level * accuracy.max(axis=1)))
            line |= named(f"P{100 * level:.0f}", share(hits, len(accuracy)))
        lines.append(line)
    caption = (
        f"Mean rank of the test score over {len(sets)} data sets (1 is the best; Student's t), and the share of the {len(accuracy)} data sets with "
        "classes where a method reaches 90 % or 95 % of the best accuracy (Clopper and Pearson)."
    )
    return Table("ranking", caption, tuple(lines))

"""The picture of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from quasintk.studies.comparison import ALL, MEASURES
from quasintk.studies.study import Row, Table


def draw_differences(differences: Table, pairs: Sequence[tuple[str, str]]) -> Any:
    """Paired differences of test score and gap with their intervals, data set by data set."""
    from numerics.plots import GREY, STYLES, figure

    sets = list(dict.fromkeys(str(row["data"]) for row in differences.rows))
    drawing, panels = figure(10.4, max(4.6, 1.5 + 0.4 * len(sets)), columns=2)
    for axes, measure in zip(panels, MEASURES, strict=True):
        for k, pair in enumerate(pairs):
            lines = [row for row in differences.rows if (row["first"], row["second"]) == pair]
            places = [sets.index(str(row["data"])) + 0.2 * (k - (len(pairs) - 1) / 2) for row in lines]
            _points(axes, places, lines, measure, STYLES[k], " minus ".join(pair))
        axes.axvline(0, color=GREY, linewidth=0.8)
        names = ["all data sets" if name == ALL else name.replace("_", " ") for name in sets]
        axes.set_yticks(range(len(sets)), names)
        axes.set_ylim(len(sets) - 0.4, -0.6)
        axes.set_xlabel(
            {"test": "difference of test scores", "gap": "difference of gaps (train - test)"}[measure]
        )
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, frameon=False, fontsize=8, ncols=2, loc="outside upper center")
    return drawing


def _points(
    axes: Any, places: Sequence[float], lines: Sequence[Row], measure: str, style: tuple[str, str], label: str
) -> None:
    value = np.array([row[measure] for row in lines], float)
    ends = np.array([[row[f"{measure}_low"], row[f"{measure}_high"]] for row in lines], float).T
    axes.errorbar(
        value, places, xerr=np.abs(ends - value), fmt=style[0], color=style[1], markersize=3.5, capsize=2, linewidth=1, label=label
    )  # fmt: skip

"""Tables, findings and picture of the study of the approximation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from quasintk.studies.statistics import Interval, mean_over, named, rate
from quasintk.studies.study import Row, Rows, Summary, Table
from quasintk.studies.tables import interval

STATES = ("at initialisation", "after training")
QUANTITIES = ("nu", "sig2", "mu", "tau")
OUTPUT = "output"
"""Of the last hidden layer's mu: the error of the output, its root mean square over random readouts of that layer."""


def summary(depth: int, rows: Rows) -> Summary:
    """What the cells' rows of `quasintk.studies.approximation` amount to, for networks of so many hidden layers."""
    lines = [
        (state, layer, quantity)
        for state, layer, quantity in product(STATES, range(1, depth + 2), QUANTITIES)
        if any(row["state"] == state for row in rows)
    ]
    errors = [_errors(rows, *line) for line in lines]
    outputs = [
        {**line, "layer": None, "quantity": OUTPUT}
        for line in errors
        if (line["layer"], line["quantity"]) == (depth, "mu")
    ]
    everything = tuple(outputs + errors)
    caption = (
        "Root mean square errors of the quasi network by width, 95 % intervals over the draws of latents; 0 where the noise hides it. Units: "
        "nu in sig, sig2 in itself, mu in the root of the mean of tau, tau in that mean; output: over random readouts of the last hidden "
        "layer, in its standard deviation. rate: the exponent of the width, fitted to the squares with their errors."
    )
    distances = Table(
        "distances",
        "Kolmogorov distance of the sampled pre-activations to N(nu, sig2), averaged over neurons and inputs, beside its mean for as many "
        "Gaussian samples; excess: the difference (95 % intervals over the draws).",
        tuple(_distances(rows)),
    )
    accuracy = Table(
        "training", "Accuracy of the trained networks on their training rows.", tuple(_accuracy(rows))
    )
    tables = (Table("errors", caption, everything), distances, *([accuracy] if accuracy.rows else []))
    return Summary(tables, tuple(_findings(everything, depth, distances)), partial(_draw, everything, depth))


def _squares(rows: Rows, state: str, layer: int, quantity: str) -> dict[int, list[float]]:
    """The squares of all draws, by width."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row["state"] == state and row["layer"] == layer:
            found.setdefault(int(row["width"] or 0), []).append(float(row[quantity] or 0))
    return found


def _errors(rows: Rows, state: str, layer: int, quantity: str) -> dict[str, Any]:
    squares = _squares(rows, state, layer, quantity)
    line: dict[str, Any] = {"state": state, "layer": layer, "quantity": quantity}
    for width, values in squares.items():
        line |= named(str(width), _root(mean_over(values)))
    means = np.array([np.mean(values) for values in squares.values()])
    errors = np.array([np.std(values, ddof=1) / np.sqrt(len(values)) for values in squares.values()])
    found = rate(np.array(list(squares), float), means, errors, min(map(len, squares.values())))
    return line | named("rate", found) | {"error": _course(found)}


def _course(rate: Interval) -> str:
    """What an error does as the width grows; undecided where the rate's interval, be it open, holds 0."""
    if rate[1] <= 0 <= rate[2]:
        return "undecided"
    return "falls" if rate[2] < 0 else "grows"


def _root(squares: Interval) -> Interval:
    """Of a mean square and its interval; what is below 0 counts as 0."""
    value, low, high = (float(np.sqrt(max(end, 0.0))) for end in squares)
    return value, low, high


def _distances(rows: Rows) -> Iterator[Row]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["state"], row["layer"], row["width"], row["roundings"]), []).append(row)
    for (state, layer, width, roundings), group in sorted(
        groups.items(), key=lambda one: (STATES.index(one[0][0]), one[0][1:3])
    ):
        seen = [float(row["distance"] or 0) for row in group]
        expected = [float(row["gaussian"] or 0) for row in group]
        yield {
            "state": state, "layer": layer, "width": width, "roundings": roundings,
            **named("distance", mean_over(seen)), "Gaussian samples": expected[0],
            **named("excess", mean_over(np.subtract(seen, expected).tolist())),
        }  # fmt: skip


def _accuracy(rows: Rows) -> Iterator[Row]:
    found: dict[Any, list[float]] = {}
    for row in rows:
        if row["accuracy"] is not None and row["layer"] == 1:
            found.setdefault(row["width"], []).append(float(row["accuracy"]))
    for width, values in found.items():
        yield {"width": width, **named("accuracy", mean_over(values))}


def _findings(errors: Sequence[Row], depth: int, distances: Table) -> Iterator[str]:
    named_lines = {
        (None, OUTPUT): "Output error",
        (depth, "sig2"): f"Relative error of variances, layer {depth}",
        (depth + 1, "sig2"): "Relative error of the variance of the one readout",
    }
    for row in errors:
        title = named_lines.get((row["layer"], row["quantity"]))  # type: ignore[arg-type]  # any value may be asked for
        if title is not None:
            widths = [name for name in row if name.isdigit()]
            first, last = widths[0], widths[-1]
            exponent = f"{row['rate']:+.3f} [{row['rate_low']:+.3f}, {row['rate_high']:+.3f}]"
            decided = "; whether it falls is undecided" if row["error"] == "undecided" else ""
            yield (
                f"{title} {row['state']}: {interval(row, first)} at width {first}, {interval(row, last)} at {last}; exponent of the "
                f"width {exponent}{decided}."
            )
    for state in dict.fromkeys(row["state"] for row in distances.rows):
        lines = [row for row in distances.rows if row["state"] == state]
        beyond = sum(isinstance(low := row["excess_low"], float) and low > 0 for row in lines)
        yield (
            f"Pre-activations {state}: in {beyond} of {len(lines)} lines (layer, width) the Kolmogorov distance exceeds that of Gaussian "
            "samples with 95 % confidence each."
        )


def _draw(rows: Sequence[Row], depth: int) -> Any:
    """Errors by width, of the output and of variances, for each state."""
    from numerics.plots import STYLES, figure

    shown = {
        (None, OUTPUT): "output",
        (depth, "sig2"): f"variances, layer {depth}",
        (depth + 1, "sig2"): "variance of one readout",
    }
    drawing, panels = figure(10.4, 4.4, columns=2)
    for axes, state in zip(panels, dict.fromkeys(row["state"] for row in rows), strict=False):
        lines = [row for row in rows if row["state"] == state and (row["layer"], row["quantity"]) in shown]
        for k, row in enumerate(lines):
            _line(axes, row, list(shown.values())[k], STYLES[k], 1.05 ** (k - 1))
        widths = [int(name) for name in lines[0] if name.isdigit()]
        axes.set(xscale="log", yscale="log", xlabel="width", ylabel="root mean square error")
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.set_title(f"Quasi network {state}", fontsize=10)
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return drawing


def _line(axes: Any, row: Row, label: str, style: tuple[str, str], shift: float) -> None:
    """Values with intervals; an arrow down from the upper end where the lower one is 0."""
    names = [name for name in row if name.isdigit()]
    width = np.array([shift * int(name) for name in names])
    value, low, high = (np.array([row[name + end] for name in names], float) for end in ("", "_low", "_high"))
    sure = low > 0
    bars = np.abs(np.stack((low, high)) - value)[:, sure]
    rate = f"{row['rate']:.2f} [{row['rate_low']:.2f}, {row['rate_high']:.2f}]"
    text = f"{label}: {f'exponent {rate}' if row['error'] != 'undecided' else 'no exponent decided'}"
    axes.errorbar(
        width[sure], value[sure], bars, fmt=style[0], color=style[1], markersize=4, capsize=2, label=text
    )
    axes.errorbar(
        width[~sure], high[~sure], 0.25 * high[~sure], fmt="_", color=style[1], uplims=True, markersize=6
    )

"""The table, the file and the plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gram.growth import Curve
from benchmarks.gram.measure import Row
from benchmarks.gram.targets import LIMIT, Target

HEAD = (
    "| kernel | n | d | dtype | ours, out= (ms) | ours, fresh (ms) | peer (ms) | peer / out= | peer / fresh "
    "| gemm | syrk | write | ours / (syrk + write) | apart | error |\n" + "|---|" + "---:|" * 2 + "---|" + "---:|" * 11
)  # fmt: skip


def line(row: Row) -> str:
    """One line of the table."""
    cells = [
        row.kernel, row.n, row.d, row.dtype,
        _spread(row, "out"), _spread(row, "fresh"), _spread(row, "peer") if "peer" in row.seconds else "none",
        _number(row.peer_to("out")), _number(row.peer_to("fresh")),
        *(_milliseconds(row.median(name)) for name in ("gemm", "syrk", "write")),
        f"{row.to_limit:.2f}", "-" if row.apart is None else f"{row.apart:.0e}", f"{row.error:.0e}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def absences(rows: Sequence[Row]) -> list[str]:
    """Why peers are missing: each reason once, with its kernels."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.absent:
            reasons.setdefault(f"{row.peer}: {row.absent}", {})[row.kernel] = None
    return [f"no {reason} ({'; '.join(kernels)})" for reason, kernels in reasons.items()]


def verdicts(targets: Sequence[Target]) -> list[str]:
    """Every target that was measured, and how many were not."""
    unmeasured = sum(target.met is None for target in targets)
    told = [str(target) for target in targets if target.met is not None]
    return [
        *told,
        f"{unmeasured} targets not measured: their sizes or peers took no part (all are in the file)",
    ]


def growth(curves: Sequence[Curve]) -> str:
    """A line for every curve."""
    lines = ["| kernel | over | at | ms (time by the one before) |", "|---|---|---|---|"]
    for curve in curves:
        medians = curve.medians
        steps = [f"{curve.values[0]}: {_milliseconds(medians[0])}"]
        for value, before, after in zip(curve.values[1:], medians, medians[1:], strict=False):
            steps.append(f"{value}: {_milliseconds(after)} ({after / before:.2f})")
        lines.append(f"| {curve.kernel} | {curve.over} | {curve.fixed} | {', '.join(steps)} |")
    return "\n".join(lines)


def extremes(rows: Sequence[Row]) -> list[str]:
    """The best and the worst line, by peer / ours."""
    compared = sorted((row for row in rows if "peer" in row.seconds), key=lambda row: row.peer_to("out") or 0)
    if not compared:
        return ["no line was compared with a peer"]
    return [f"{name} line: {_named(row)}" for name, row in (("best", compared[-1]), ("worst", compared[0]))]


def write_json(
    path: Path,
    machine: dict[str, Any],
    rows: Sequence[Row],
    curves: Sequence[Curve],
    targets: Sequence[Target],
) -> None:
    """Everything that was measured: seconds of every round."""
    content = {
        "machine": machine,
        "rows": [asdict(row) for row in rows],
        "growth": [asdict(curve) for curve in curves],
        "targets": [{**asdict(target), "met": target.met} for target in targets],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def plot(path: Path, rows: Sequence[Row], curves: Sequence[Curve]) -> None:
    """Ratios at the largest n and growth, with matplotlib (extra `report`)."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update(
        {"svg.hashsalt": "quasintk", "svg.fonttype": "none"}
    )  # the same bytes from the same numbers
    from matplotlib import pyplot as plt

    largest = [row for row in rows if row.n == max(row.n for row in rows)]
    layout = [["ratios", over] for over in ("n", "d", "depth")]
    figure, axes = plt.subplot_mosaic(layout, figsize=(12, 5 + 0.18 * len(largest)), layout="constrained")
    _plot_ratios(axes["ratios"], largest)
    for curve in curves:
        milliseconds = [1e3 * value for value in curve.medians]
        axes[curve.over].plot(curve.values, milliseconds, "o-", label=f"{curve.kernel}, {curve.fixed}")
    for over in {curve.over for curve in curves}:
        axes[over].set(xscale="log", yscale="log", xlabel=over, ylabel="ms, float64, out=")
        axes[over].legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _plot_ratios(axis: Any, rows: Sequence[Row]) -> None:
    """One row of marks for every line of the table."""
    for mark, label, values in (
        ("o", "peer / ours, out=", [row.peer_to("out") for row in rows]),
        ("^", "peer / ours, fresh memory", [row.peer_to("fresh") for row in rows]),
        ("x", "ours / (syrk + write)", [row.to_limit for row in rows]),
    ):
        there = [(value, i) for i, value in enumerate(values) if value is not None]
        axis.plot([value for value, _ in there], [i for _, i in there], mark, label=label)
    labels = [f"{row.kernel}, d = {row.d}, {row.dtype}" for row in rows]
    axis.axvline(LIMIT, color="0.7", linewidth=1)
    axis.set(
        xscale="log", xlabel="ratio", title=f"n = {rows[0].n}", yticks=range(len(labels)), yticklabels=labels
    )
    axis.invert_yaxis()
    axis.legend()


def _named(row: Row) -> str:
    return (
        f"{row.kernel}, n = {row.n}, d = {row.d}, {row.dtype}: {row.peer} / ours {_number(row.peer_to('out'))}, "
        f"with fresh memory {_number(row.peer_to('fresh'))}; ours / (syrk + write) {row.to_limit:.2f}"
    )


def _spread(row: Row, name: str) -> str:
    seconds = row.seconds[name]
    return f"{_milliseconds(row.median(name))} ({_milliseconds(min(seconds))}-{_milliseconds(max(seconds))})"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.0f}" if seconds >= 0.01 else f"{1e3 * seconds:.2g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"

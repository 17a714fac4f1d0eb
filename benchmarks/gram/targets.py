"""What the table has to show, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from benchmarks.gram.growth import Curve
from benchmarks.gram.measure import Row

N = 8000
"""Rows that the targets are stated for."""
OUT = {(784, "float64"): 8.0, (784, "float32"): 12.0, (32, "float64"): 18.0, (32, "float32"): 35.0}
"""neural-tangents by ours into a warm array, real ReLU."""
FRESH = {(784, "float64"): 4.0, (784, "float32"): 4.0, (32, "float64"): 4.0, (32, "float32"): 3.0}
"""The same where ours takes new memory, which the system may hand out at 0.4 GB/s."""
GENERAL = 4.0
"""neural-tangents by ours with biases, unequal norms and no homogeneity."""
LIMIT = 1.3
"""Ours by the triangular product and one write, ReLU, real and rounded."""
DOUBLING = 4.2
"""Time at 2 n by time at n: 4, and overheads."""
DOUBLING_FROM = 1000
"""Below it, calls are over before they can be timed."""
EXTRA = 200e6
"""Bytes that a call may take beyond its result."""
ERROR = {"float64": 1e-12, "float32": 1e-5}
"""Largest relative error; the same result is what is compared."""
SERIES_ERROR = {"float64": 1e-11, "float32": 1e-5}
"""The same for Hermite series, which the interpreter itself has to 1e-11 (docs/decisions/0008-hermite-series.md)."""


@dataclass(frozen=True)
class Target:
    """A value, None where it was not measured, and its bound: the most, or the least."""

    text: str
    value: float | None
    bound: float
    least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is; None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.least else self.value <= self.bound

    def __str__(self) -> str:
        verdict = {None: "not measured", True: "met", False: "MISSED"}[self.met]
        value = "" if self.value is None else f": {self.value:.3g}"
        return f"{verdict:12} {self.text}{value} (at {'least' if self.least else 'most'} {self.bound:g})"


def targets(rows: Sequence[Row], curves: Sequence[Curve]) -> list[Target]:
    """All targets, in the order of the table."""
    return [*_ratios(rows), *_of_lines(rows), *_doublings(curves)]


def _ratios(rows: Sequence[Row]) -> Iterator[Target]:
    """Those stated for n = N, measured or not."""
    found = {(row.kernel, row.d, row.dtype): row for row in rows if row.n == N}
    for (d, dtype), bound in OUT.items():
        row, where = found.get(("relu, real", d, dtype)), f"n = {N}, d = {d}, {dtype}"
        out, fresh = (row.peer_to("out"), row.peer_to("fresh")) if row else (None, None)
        yield Target(f"peer / ours, relu, real, {where}", out, bound, least=True)
        yield Target(f"peer / ours in fresh memory, relu, real, {where}", fresh, FRESH[d, dtype], least=True)
        for name in ("relu, real", "relu, binary", "relu, 4 bits"):
            row = found.get((name, d, dtype))
            yield Target(f"ours / (syrk + write), {name}, {where}", row.to_limit if row else None, LIMIT)
        for name in ("erf, bias, norms", "gelu, bias, norms"):
            row = found.get((name, d, dtype))
            yield Target(
                f"peer / ours, {name}, {where}", row.peer_to("out") if row else None, GENERAL, least=True
            )


def _of_lines(rows: Sequence[Row]) -> Iterator[Target]:
    """Those that every line has to meet: the worst line of each."""
    for series, bounds in ((False, ERROR), (True, SERIES_ERROR)):
        for dtype, bound in bounds.items():
            group = [row for row in rows if (row.series, row.dtype) == (series, dtype)]
            if group:
                row = max(group, key=lambda row: (isnan(row.error), row.error))
                where = f"{row.kernel}, n = {row.n}, d = {row.d}"
                yield Target(f"error, {'series, ' * series}{dtype}, worst line ({where})", row.error, bound)
    if rows:
        row = max(rows, key=lambda row: row.extra)
        where = f"{row.kernel}, n = {row.n}, d = {row.d}, {row.dtype}"
        yield Target(f"MB beyond the result, worst line ({where})", row.extra / 1e6, EXTRA / 1e6)


def _doublings(curves: Sequence[Curve]) -> Iterator[Target]:
    """Every doubling of n."""
    for curve in (one for one in curves if one.over == "n"):
        for n, value in curve.doublings().items():
            if n >= DOUBLING_FROM:
                yield Target(f"time at n = {2 * n} / at {n}, {curve.kernel}, {curve.fixed}", value, DOUBLING)

"""Gram matrices pair by pair: the emitted recursion of every pair of rows, in blocks on all cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import DerivationError, NumericalError
from numerics import blocks
from numerics.emit_fill import split
from numerics.mehler import ACCEPTED, ORDER
from numerics.memory import guard
from numerics.mirror import write_mirrored
from numerics.pool import on_all_cores
from numerics.progress import GRAM, Report
from numerics.rules import has_series

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]


def pair_route(
    kernel: Kernel, outputs: tuple[str, ...], dtype: np.dtype[Any], rows: Floats, others: Floats | None = None
) -> PairRoute:
    """The route for one data set or two, whose results go into arrays of a dtype.

    Raises
    ------
    DerivationError
        Where the kernel is infinite at a row.
    NumericalError
        Where it may exceed float32: |K(x, y)|^2 <= K(x, x) K(y, y).
    """
    code = _Code.of(kernel, outputs)
    left = _prepare(code, rows, "X")
    route = PairRoute(code, left, left if others is None else _prepare(code, others, "Y"))
    if dtype == np.float32:
        largest = np.sqrt(_diagonal(code, route.left).max(initial=0)) * np.sqrt(
            _diagonal(code, route.right).max(initial=0)
        )
        if largest > np.finfo(dtype).max:
            raise NumericalError(
                f"The kernel reaches {largest:.3g}: it exceeds the range of float32. Rescale the data, lower W_std, or give float64."
            )
    return route


@dataclass(frozen=True)
class PairRoute:
    """All pairs of prepared rows, in float64."""

    code: _Code
    left: _Rows
    right: _Rows
    _rooms: list[_Room] = field(default_factory=list, repr=False, compare=False)

    def symmetric(self, result: NDArray[Any], report: Report | None = None) -> None:
        """Fill result (outputs, n, n): blocks on and below the diagonal are computed and mirrored."""

        def block(pair: tuple[slice, slice]) -> None:
            low, high = pair
            with self._room() as room:
                for values, matrix in zip(_block(self, low, high, room), result, strict=True):
                    write_mirrored(values, low.start, len(values), high.start, values.shape[1], matrix)

        parts = list(blocks.ranges(len(self.left.q)))
        pairs = [(low, high) for i, low in enumerate(parts) for high in parts[: i + 1]]
        on_all_cores(
            block, pairs, report=None if report is None else lambda done, all_: report(done, all_, GRAM)
        )

    def block(self, low: slice, high: slice, result: NDArray[Any]) -> None:
        """Fill result (outputs, rows, columns): rows `low` of the first data set with rows `high` of the last; both begin at a multiple of SIDE."""

        def block(pair: tuple[slice, slice]) -> None:
            rows, columns = (
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(pair, (low, high), strict=True)
            )
            with self._room() as room:
                result[:, rows, columns] = _block(self, *pair, room)

        columns = list(blocks.ranges(high.stop, start=high.start))
        on_all_cores(
            block, [(some, others) for some in blocks.ranges(low.stop, start=low.start) for others in columns]
        )

    def diagonal(self) -> Floats:
        """K(x, x) of every row, shape (outputs, n)."""
        return _diagonal(self.code, self.left)

    @contextmanager
    def _room(self) -> Iterator[_Room]:
        """For one block; kept for the next: fresh pages cost as much as the arithmetic."""
        room = self._rooms.pop() if self._rooms else _Room.of(self.code.outputs)
        try:
            yield room
        finally:
            self._rooms.append(room)


def of_cosines(kernel: Kernel, q: float, cosines: Floats, output: str) -> Floats:
    """K of pairs with |x|^2 = |y|^2 = q d and these cosines (n,)."""
    code = _Code.of(kernel, (output,))
    norms = np.full(1, q)
    tables, margin = code.known(norms)
    if margin is not None and not margin[0] > 0:
        raise DerivationError(outside(kernel, f"|x|^2 / d = {q:.6g}"))
    nothing = np.empty((1, 0))
    one = _Rows.of(code, nothing, nothing, norms, np.zeros(1, np.int64), tables)
    values = np.empty((1, 1, len(cosines)))
    for part in blocks.ranges(len(cosines)):
        count = len(cosines[part])
        right = one.q.repeat(count), one.alone.repeat(count, axis=one.axis)
        out = np.empty((1, 1, count))
        code.module.fill(
            cosines[None, part] * q, *one.part(slice(1)), *right, code.parameters, out, *code.activations
        )
        values[:, :, part] = out
    result: Floats = values[0, 0]
    return result


@dataclass(frozen=True)
class _Code:
    """A kernel's compiled functions for some outputs, with what they are called with; `activations` is the pointer that series take."""

    kernel: Kernel
    module: Any
    parameters: Floats
    outputs: int
    count: int
    """Values of one row alone."""
    activations: tuple[Any, ...]

    @staticmethod
    def of(kernel: Kernel, outputs: tuple[str, ...]) -> _Code:
        parts = split(kernel.ir.pair.restricted(*outputs))
        count = len(parts.row.outputs)
        module = kernel.compiled(outputs)
        activations = (module.f,) if has_series(kernel.ir) else ()
        return _Code(kernel, module, kernel.parameter_values, len(outputs), count, activations)

    def known(self, q: Floats) -> tuple[Floats | None, Floats | None]:
        """Hermite coefficients of every row, where the kernel has series; and its margins, positive in its domain, where that ends."""
        if not has_series(self.kernel.ir):
            return None, self.kernel.margin(q)
        shape = (len(q), len(self.kernel.ir.functions), 2, ORDER + 3)
        guard(int(np.prod(shape)), 8, None, f"The Hermite coefficients of {len(q)} rows")
        found, margins = np.empty(shape), np.empty(len(q))

        def some(part: slice) -> None:
            self.module.tables(q[part], self.parameters, found[part], margins[part], *self.activations)

        on_all_cores(some, blocks.ranges(len(q)))
        return found, np.where(np.isfinite(margins), margins, -1.0)


@dataclass(frozen=True)
class _Rows:
    """Rows scaled by powers of two, x = 2^exponent scaled; q, sqrt(q) and the unit rows of the scaled ones.

    `alone` holds what the recursion needs of one row alone: Hermite coefficients, shape (n, ...), or the values of `row`, shape
    (values, n); `axis` is that of the rows.
    """

    scaled: Floats
    unit: Floats
    q: Floats
    root: Floats
    exponent: NDArray[np.int64]
    alone: Floats
    axis: int

    @staticmethod
    def of(
        code: _Code,
        scaled: Floats,
        unit: Floats,
        q: Floats,
        exponent: NDArray[np.int64],
        tables: Floats | None,
    ) -> _Rows:
        own = scaled, unit, q, np.sqrt(q), exponent
        if tables is not None:
            return _Rows(*own, tables, 0)
        values = np.empty((code.count, len(q)))
        if code.count:
            code.module.rows(q, code.parameters, values)
        return _Rows(*own, values, 1)

    def part(self, part: slice) -> tuple[Floats, Floats]:
        """What compiled code takes for these rows."""
        alone = self.alone[part] if self.axis == 0 else np.ascontiguousarray(self.alone[:, part])
        return self.q[part], alone

    def block(self, part: slice) -> Floats:
        """The unit rows of a part, filled up to a block."""
        return self.unit[part.start : part.start + blocks.SIDE]


@dataclass(frozen=True)
class _Room:
    """A block's cosines, inner products, values, and whether these are finite."""

    cosines: Floats
    dots: Floats
    values: Floats
    finite: NDArray[np.bool_]

    @staticmethod
    def of(outputs: int) -> _Room:
        square = blocks.SIDE, blocks.SIDE
        shape = (outputs, *square)
        return _Room(np.empty(square), np.empty(square), np.empty(shape), np.empty(shape, np.bool_))


def _prepare(code: _Code, rows: Floats, name: str) -> _Rows:
    with np.errstate(over="ignore", under="ignore"):
        q = blocks.squared_norms(rows)
    extreme = ~((q > 1e-140) & (q < 1e140)) & rows.any(axis=1)
    exponent = np.zeros(len(rows), np.int64)
    if extreme.any() and code.kernel.homogeneous:
        exponent[extreme] = np.frexp(np.abs(rows[extreme]).max(axis=1))[1]
        rows = np.ldexp(rows, -exponent[:, None])
        q = blocks.squared_norms(rows)
    if not np.isfinite(q).all():
        row = int(np.argmin(np.isfinite(q)))
        raise ValueError(f"|x|^2 of {name}'s row {row} exceeds the range of float64: rescale the data.")
    tables, margin = code.known(q)
    if margin is not None and not (margin > 0).all():
        row = int(np.argmin(margin > 0))
        raise DerivationError(outside(code.kernel, f"row {row} of {name}, |x|^2 / d = {q[row]:.6g}"))
    return _Rows.of(code, rows, blocks.unit_rows(rows, q), q, exponent, tables)


def _diagonal(code: _Code, data: _Rows) -> Floats:
    values = np.empty((code.outputs, len(data.q)))
    code.module.fill_diagonal(*data.part(slice(None)), code.parameters, values, *code.activations)
    return _scaled(code, values, 2 * data.exponent)


def outside(kernel: Kernel, where: str) -> str:
    """The message for an input outside a kernel's domain."""
    rules = {f.text: f.series for f in kernel.ir.functions if f.series is not None}
    if not rules:
        return (
            f"E[phi(u)^2] is infinite for {where}: the activation grows too fast for its W_std^2 q + b_std^2. "
            "Scale the data down, lower W_std, or use a bounded activation."
        )
    listed = ", ".join(
        f"{text} from {float(rule.smallest):g} to {float(rule.largest):g}" for text, rule in rules.items()
    )
    return (
        f"A variance W_std^2 q + b_std^2 lies outside its certified interval for {where}; Hermite series are certified for "
        f"{listed}. Scale the data, or change W_std."
    )


def _block(route: PairRoute, low: slice, high: slice, room: _Room) -> Floats:
    code, left, right = route.code, route.left, route.right
    shape = low.stop - low.start, high.stop - high.start
    dots, values, finite = room.dots, room.values, room.finite
    if shape != dots.shape:
        dots, values, finite = (
            np.empty((*array.shape[:-2], *shape), array.dtype) for array in (dots, values, finite)
        )
    rows = left.scaled[low], right.scaled[high]
    blocks.inner_products(
        left.block(low), right.block(high), *rows, left.root[low], right.root[high], room.cosines, dots
    )
    code.module.fill(dots, *left.part(low), *right.part(high), code.parameters, values, *code.activations)
    values = _scaled(code, values, left.exponent[low, None] + right.exponent[high])
    if not np.isfinite(values, out=finite).all():
        _, i, j = np.argwhere(~np.isfinite(values))[0]
        if np.isnan(values[:, i, j]).any() and has_series(code.kernel.ir):
            raise NumericalError(
                f"The kernel of rows {low.start + i} and {high.start + j} could not be computed to {ACCEPTED:g}: neither the "
                "Hermite series nor direct quadrature is sure there. Scale the data or W_std down."
            )
        raise NumericalError(
            f"The kernel of rows {low.start + i} and {high.start + j} is {values[:, i, j][0]}: "
            "it exceeds the range of float64. Rescale the data or lower W_std."
        )
    return values


def _scaled(code: _Code, values: Floats, exponent: NDArray[np.int64]) -> Floats:
    if not exponent.any():
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, (code.kernel.ir.homogeneity or 0) * exponent)

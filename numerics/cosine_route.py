"""Gram matrices of kernels that are one function of the cosine: on a sphere, or homogeneous (theory.md, section 2)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numerics import blocks
from numerics.chebyshev import CosinePolynomial, cosine_polynomial
from numerics.cosine_pass import at_gap, rectangular_band, symmetric_band
from numerics.pool import on_all_cores
from numerics.progress import GRAM, Report

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
_lock = threading.Lock()
"""mpmath's precision is one for all threads: two that change it would certify what they did not compute."""
MANY = 512
"""Rows from which on a polynomial for one sphere pays: 0.3 s, with Hermite series 1 to 3 s."""
SAME = 16 * np.finfo(np.float64).eps
"""Relative difference of |x|^2 up to which rows lie on one sphere: normalised rows differ by rounding."""
SMALLEST, LARGEST = 1e-140, 1e140
"""|x|^2 / d whose powers are sure to be normal numbers; beyond, rows are scaled one by one (`pair_route`)."""
NEAR = {np.dtype(np.float64): blocks.NEAR, np.dtype(np.float32): 2e-3}
"""1 - |t| below which rounding of t, 2e-16 and 1e-7, may move sqrt(1 - |t|) by more than 1e-13 and 2e-6."""


@dataclass(frozen=True)
class CosineRoute:
    """K(x, y) = (q_x q_y)^(power/2) P(t) with one polynomial for each output, for one data set or two."""

    polynomials: tuple[CosinePolynomial, ...]
    power: int
    dtype: np.dtype[Any]
    data: tuple[Floats, ...]
    norms: tuple[Floats, ...]
    """|x|^2 / d of every row of each data set."""

    def symmetric(self, result: NDArray[Any], report: Report | None = None) -> None:
        """Fill result (outputs, n, n): all pairs of rows of the first data set."""
        unit, weights = self._prepared[0]
        arguments, near = self._arguments, self._near
        bands = range((len(self.data[0]) - 1) // blocks.SIDE * blocks.SIDE, -1, -blocks.SIDE)
        stopped = np.zeros(1, np.bool_)
        on_all_cores(
            lambda first: symmetric_band(unit, weights, near, arguments, first, result, stopped),
            bands,
            stopped,
            None if report is None else lambda done, all_: report(done * (2 * all_ - done), all_**2, GRAM),
        )

    def block(self, low: slice, high: slice, result: NDArray[Any]) -> None:
        """Fill result (outputs, rows, columns): rows `low` of the first data set with rows `high` of the last; both begin at a multiple of SIDE."""
        left, right = _part(self._prepared[0], low), _part(self._prepared[-1], high)
        arguments, near = self._arguments, self._near
        bands = range(0, low.stop - low.start, blocks.SIDE)
        stopped = np.zeros(1, np.bool_)
        on_all_cores(
            lambda first: rectangular_band(*left, *right, near, arguments, first, result, stopped),
            bands,
            stopped,
        )

    def diagonal(self) -> NDArray[Any]:
        """K(x, x) of every row, shape (outputs, n): what `symmetric` has on its diagonal."""
        q, gap = self.norms[0], self.dtype.type(0)
        weights = self._weights(q) if self.power else np.ones(len(q), self.dtype)
        ends = [at_gap(gap, True, *polynomial.arguments) for polynomial in self.polynomials]
        return np.array([end * (weights * weights) for end in ends], self.dtype).reshape(len(ends), len(q))

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return tuple(polynomial.arguments for polynomial in self.polynomials)

    @property
    def _near(self) -> Any:
        return self.dtype.type(1 - NEAR[self.dtype])

    def _weights(self, q: Floats) -> NDArray[Any]:
        return np.asarray(q ** (self.power / 2), self.dtype)

    @cached_property
    def _prepared(self) -> tuple[tuple[NDArray[Any], NDArray[Any]], ...]:
        """Unit rows of each data set with zeros behind them, and q^(power/2) if rows are scaled."""
        return tuple(map(self._scaled, self.data, self.norms))

    def _scaled(self, rows: Floats, q: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
        unit = blocks.unit_rows(rows, q, self.dtype)
        weights = np.zeros(len(unit) if self.power else 0, self.dtype)
        weights[: len(q)] = self._weights(q)[: len(weights)]
        return unit, weights


def cosine_route(
    kernel: Kernel, outputs: tuple[str, ...], dtype: np.dtype[Any], *data: Floats
) -> CosineRoute | None:
    """The route for these data sets, or None where the kernel is not one function of the cosine there.

    It depends on the data as a whole, not on which rows are asked for: a homogeneous kernel without biases always has it, others
    where all rows lie on one sphere and are many.
    """
    power = kernel.ir.homogeneity if kernel.homogeneous else None
    sizes = [len(rows) for rows in data]
    if not min(sizes) or not (power or max(sizes) >= MANY):
        return None
    with np.errstate(over="ignore", under="ignore"):
        norms = tuple(map(blocks.squared_norms, data))
    q = np.concatenate(norms)
    known = q[q > 0]
    if not known.size or not (known.min() > SMALLEST and known.max() < LARGEST):
        return None
    sphere = 1.0
    if not power:
        power, sphere = 0, float(q.max())
        if q.min() < sphere * (1 - SAME):
            return None
    found = [_polynomial(kernel, sphere, output, dtype.str) for output in outputs]
    polynomials = tuple(one for one in found if one is not None)
    if len(polynomials) < len(found):
        return None
    largest = max(float(np.abs(one.coefficients).max()) for one in polynomials) * known.max() ** power
    return (
        CosineRoute(polynomials, power, dtype, data, norms) if largest < np.finfo(dtype).max / 1e3 else None
    )


@lru_cache(maxsize=256)
def _polynomial(kernel: Kernel, q: float, output: str, dtype: str) -> CosinePolynomial | None:
    with _lock:
        return cosine_polynomial(kernel, q, output, np.dtype(dtype))


def _part(prepared: tuple[NDArray[Any], NDArray[Any]], part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
    """Whole blocks that hold these rows."""
    whole = slice(part.start, part.start + blocks.whole(part.stop - part.start))
    return prepared[0][whole], prepared[1][whole]

"""Gram matrices as operators: K V for a block of vectors, a strip of rows of K at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from numerics import blocks
from numerics.arrays import as_output, as_rows, require_kernel, through_reals
from numerics.gram_route import gram_route

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
STRIP = 2**27
"""Bytes of the rows of K that exist at a time."""


class GramOperator(LinearOperator):
    """K(X, X) as a symmetric `scipy.sparse.linalg.LinearOperator` in float64 that never holds the matrix.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    get : {"ntk", "nngp", "rounding"}

    Notes
    -----
    Each product computes half of K anew: O(n^2 (d + layers)), whatever the number of vectors. Give it blocks
    (`operator @ V`) rather than vectors one by one. Memory: 2^27 bytes, or 256 rows of K, beside V and K V.
    """

    def __init__(self, kernel: Kernel, X: object, get: str = "ntk") -> None:
        require_kernel(kernel)
        rows, _ = as_rows(X)
        self._route = gram_route(kernel, (as_output(get),), np.dtype(np.float64), rows)
        super().__init__(np.dtype(np.float64), (len(rows), len(rows)))  # type: ignore[call-arg]  # __new__ hides it

    def diagonal(self) -> Floats:
        """K(x, x) of every row, shape (n,)."""
        return np.asarray(self._route.diagonal()[0], np.float64)

    def _matmat(self, V: Any) -> NDArray[Any]:
        return through_reals(self._product, V)

    def _product(self, V: Floats) -> Floats:
        """By strips of K's lower half: a strip S of rows gives S V, and S^T V of the columns before it."""
        parts = list(strips(self.shape[0]))
        buffer = np.empty((1, max((part.stop - part.start for part in parts), default=0), self.shape[0]))
        product = np.zeros(V.shape)
        for part in parts:
            start, stop = part.start, part.stop
            strip = buffer[:, : stop - start, :stop]
            self._route.block(part, slice(0, stop), strip)
            product[part] += strip[0] @ V[:stop]
            product[:start] += strip[0, :, :start].T @ V[part]
        return product

    def _matvec(self, v: Any) -> NDArray[Any]:
        return self._matmat(np.reshape(v, (-1, 1)))[:, 0]

    def _adjoint(self) -> GramOperator:
        return self

    _transpose = _adjoint


def strips(n: int, columns: int | None = None) -> Iterator[slice]:
    """The partition of n rows of K, with n columns or as many as given, into strips of whole blocks."""
    width = 8 * max(n if columns is None else columns, 1)
    return blocks.ranges(n, max(blocks.SIDE, STRIP // width // blocks.SIDE * blocks.SIDE))

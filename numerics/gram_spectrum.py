"""Eigenvalues of Gram matrices, with a bound on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from numerics.memory import guard

Floats = NDArray[np.float64]
LARGEST = 20_000
"""Rows of a dense eigenvalue problem: 3.2 GB a copy."""


@dataclass(frozen=True)
class GramSpectrum:
    """The largest eigenvalues of a Gram matrix.

    Attributes
    ----------
    value : ndarray, shape (top,)
        Descending.
    bound : ndarray, shape (top,)
        |K v - lambda v| for the unit eigenvector v: a true eigenvalue lies within this distance.
    floor : float
        n eps lambda_max: what rounding of K's entries alone may move an eigenvalue by.
    n : int
    trace : float
    """

    value: Floats
    bound: Floats
    floor: float
    n: int
    trace: float

    @property
    def above_floor(self) -> NDArray[np.bool_]:
        """Which values are more than rounding noise."""
        return np.asarray(self.value > self.floor)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary."""
        return {
            "value": self.value.tolist(),
            "bound": self.bound.tolist(),
            "floor": self.floor,
            "n": self.n,
            "trace": self.trace,
        }

    def _repr_html_(self) -> str:
        rows = zip(self.value, self.bound, strict=True)
        cells = "".join(
            f"<tr><td>{i}</td><td>{v:.6e}</td><td>{b:.0e}</td></tr>" for i, (v, b) in enumerate(rows, 1)
        )
        return f"<table><tr><th>index</th><th>eigenvalue</th><th>within</th></tr>{cells}</table>"


def gram_spectrum(kernel_or_K: object, X: object = None, top: int = 200) -> GramSpectrum:
    """The `top` largest eigenvalues of a kernel's Gram matrix.

    Parameters
    ----------
    kernel_or_K : Kernel, or symmetric array of shape (n, n)
    X : array, shape (n, d), optional
        The data, where a kernel is given.
    top : int

    Returns
    -------
    GramSpectrum

    Raises
    ------
    TypeError, ValueError
        If there is no symmetric finite matrix of at most 20,000 rows.

    Notes
    -----
    Cost O(n^3): 0.5 s for n = 1797 on two cores.
    """
    K = _matrix(kernel_or_K, X)
    n = len(K)
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ValueError(f"top must be a positive integer, got {top!r}.")
    guard(2 * n * n, 8, None, f"The eigenvalue problem of {n} rows")
    count = min(int(top), n)
    values, vectors = eigh(K, subset_by_index=[n - count, n - 1])
    bound = np.linalg.norm(K @ vectors - vectors * values, axis=0)
    largest = float(np.abs(values).max())
    return GramSpectrum(
        values[::-1], bound[::-1], n * float(np.finfo(float).eps) * largest, n, float(np.trace(K))
    )


def _matrix(kernel_or_K: object, X: object) -> Floats:
    if callable(kernel_or_K):
        if X is None:
            raise TypeError("A kernel needs data: gram_spectrum(kernel, X).")
        kernel_or_K = kernel_or_K(X)
    K = np.asarray(kernel_or_K)
    if K.dtype.kind not in "fiu":
        raise TypeError(f"A Gram matrix holds real numbers, got dtype {K.dtype}.")
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) == 0:
        raise ValueError(f"A Gram matrix is square and not empty, got shape {K.shape}.")
    if len(K) > LARGEST:
        raise ValueError(
            f"{len(K)} rows: dense eigenvalues are computed up to {LARGEST}. Take a subset of the rows."
        )
    K = K.astype(np.float64)
    if not np.isfinite(K).all():
        raise ValueError(
            f"The Gram matrix holds NaN or infinity in row {int(np.argmin(np.isfinite(K).all(axis=1)))}."
        )
    gap = np.abs(K - K.T)
    if gap.max() > 1e-6 * np.abs(K).max():
        i, j = np.unravel_index(int(gap.argmax()), gap.shape)
        raise ValueError(
            f"The matrix is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ by {gap.max():.1e}."
        )
    return K

"""Kernel machines on a Gram matrix, for many regularisations at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Floats = NDArray[np.float64]
Machine = Callable[[Floats, Floats, Floats, Sequence[float], bool], Iterator[Floats]]


def ridge(K: Floats, Y: Floats, K_new: Floats, ridges: Sequence[float], regression: bool) -> Iterator[Floats]:
    """Kernel ridge regression of the targets, K_new (K + ridge I)^-1 Y, for each ridge.

    Parameters
    ----------
    K : ndarray, shape (n, n)
    Y : ndarray, shape (n, outputs)
    K_new : ndarray, shape (m, n)
    ridges : sequence of float
    regression : bool
        Makes no difference.

    Yields
    ------
    ndarray, shape (m, outputs)
    """
    values, vectors = eigh(K)
    left, right = K_new @ vectors, vectors.T @ Y
    for one in ridges:
        yield left @ (right / (np.maximum(values, 0) + one)[:, None])


def support_vectors(
    K: Floats, Y: Floats, K_new: Floats, costs: Sequence[float], regression: bool
) -> Iterator[Floats]:
    """Support vector classification, one class against another, or regression, for each C; shapes as in `ridge`."""
    from sklearn.svm import SVC, SVR

    for cost in costs:
        machine: Any = SVR(kernel="precomputed", C=cost) if regression else SVC(kernel="precomputed", C=cost)
        if regression:
            yield machine.fit(K, Y[:, 0]).predict(K_new)[:, None]
        else:
            labels = machine.fit(K, Y.argmax(axis=1)).predict(K_new)
            yield 2.0 * (labels[:, None] == np.arange(Y.shape[1])) - 1.0


MACHINES: dict[str, Machine] = {"ridge": ridge, "SVM": support_vectors}

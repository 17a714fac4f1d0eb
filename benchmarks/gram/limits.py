"""What no kernel can beat: the product, half of it, and writing the result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit, prange
from scipy.linalg import blas


def limits(X: np.ndarray, K: np.ndarray) -> dict[str, Callable[[], object]]:
    """Runs by name, all into the warm array K (n, n).

    Parameters
    ----------
    X : array, shape (n, d)
        float32 or float64, in C order.
    K : array, shape (n, n)
        Of the same dtype, in C order.
    """
    other = X.copy()  # np.dot(X, X.T) would be a symmetric product
    syrk = blas.dsyrk if X.dtype == np.float64 else blas.ssyrk
    return {
        "gemm": lambda: np.dot(X, other.T, out=K),
        "syrk": lambda: syrk(1.0, X.T, trans=1, c=K.T, overwrite_c=1, lower=0),
        "write": lambda: _fill(K),
    }


@njit(parallel=True)
def _fill(K: np.ndarray) -> None:
    for i in prange(K.shape[0]):
        K[i, :] = 1.0

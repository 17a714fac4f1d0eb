"""Rows of data: what is accepted as an array of inputs, and what the errors say otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def require_kernel(value: object) -> None:
    """Raise TypeError where something else stands in a kernel's place."""
    if not hasattr(value, "on_sphere"):
        raise TypeError(
            f"A kernel is needed, got {type(value).__name__}: make one with quasintk.kernel(...)."
        )


def as_rows(X: object, name: str = "X") -> tuple[NDArray[np.float64], np.dtype[Any]]:
    """The data as a C-contiguous float64 array (n, d), and the dtype that results should have.

    Integers, float16 and any byte order are converted; float32 stays the results' dtype.

    Raises
    ------
    TypeError
        If the data are complex, text, objects, masked or sparse.
    ValueError
        If they are not two-dimensional, have no columns, or hold NaN or infinity (the first row is named).
    """
    if np.ma.isMaskedArray(X):
        raise TypeError(f"{name} is a masked array: fill or drop the masked entries first.")
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} is a sparse matrix: pass {name}.toarray().")
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} is no rectangular array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}: real numbers are needed.")
    if array.ndim != 2:
        hint = f"; one row is {name}[None, :]" if array.ndim == 1 else ""
        raise ValueError(f"{name} has shape {array.shape}: rows of features, (n, d), are needed{hint}.")
    if array.shape[1] == 0:
        raise ValueError(f"{name} has shape {array.shape}: at least one feature is needed.")
    rows = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        column = int(np.argmax(~np.isfinite(rows[row])))
        raise ValueError(f"{name} holds {rows[row, column]} in row {row}, column {column}: drop or fill it.")
    return rows, array.dtype if array.dtype == np.float32 else np.dtype(np.float64)

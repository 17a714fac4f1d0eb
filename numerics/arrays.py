"""Rows of data: what is accepted as an array of inputs, and what the errors say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import NotEnoughMemory
from derive.ir import OUTPUTS


def require_kernel(value: object) -> None:
    """Raise TypeError where something else stands in a kernel's place."""
    if not hasattr(value, "on_sphere"):
        raise TypeError(
            f"A kernel is needed, got {type(value).__name__}: make one with quasintk.kernel(...)."
        )


def as_output(get: object) -> str:
    """The name of an output; raises ValueError where it is none."""
    if not isinstance(get, str) or get not in OUTPUTS:
        raise ValueError(f"get must be one of {', '.join(map(repr, OUTPUTS))}, got {get!r}.")
    return get


def as_dtype(dtype: object) -> np.dtype[Any]:
    """float32 or float64; raises ValueError where it is neither."""
    with suppress(TypeError):
        for known in (np.dtype(np.float32), np.dtype(np.float64)):
            if np.dtype(dtype) == known:  # type: ignore[call-overload]  # any object
                return known
    raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")


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
        hint = f"; {name}.astype(float) makes them" if array.dtype == object else ""
        raise TypeError(f"{name} has dtype {array.dtype}: real numbers are needed{hint}.")
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


def load_array(path: Path) -> np.ndarray[Any, Any]:
    """Read a .npy file; its declared size is checked against the file's before anything is allocated."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
                version
            ]
            shape, _, dtype = read(file)
            declared = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject:
            raise TypeError(f"{path} holds Python objects: save an array of numbers.")
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers: {error}") from None
    if declared != path.stat().st_size:
        raise ValueError(
            f"{path} is damaged: its header declares {declared} bytes, it has {path.stat().st_size}."
        )
    try:
        array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except MemoryError:
        raise NotEnoughMemory(f"{path} with shape {shape} does not fit into memory.") from None
    return array


def through_reals(product: Callable[[NDArray[np.float64]], NDArray[np.float64]], V: object) -> NDArray[Any]:
    """A real matrix's product with vectors (n,) or (n, k); complex ones as real and imaginary parts side by side."""
    vectors = np.asarray(V)
    if not np.iscomplexobj(vectors):
        return product(vectors.astype(np.float64, copy=False))
    parts = np.ascontiguousarray(vectors, np.complex128).reshape(len(vectors), -1).view(np.float64)
    return np.ascontiguousarray(product(parts)).view(np.complex128).reshape(vectors.shape)

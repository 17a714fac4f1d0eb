"""Gram matrices: the kernel of all pairs of rows, block by block on all cores."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numerics import pair_route
from numerics.arrays import as_rows, require_kernel
from numerics.cosine_route import cosine_route
from numerics.memory import guard

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]


def gram(
    kernel: Kernel,
    X: object,
    out: NDArray[Any] | str | os.PathLike[str] | None = None,
    dtype: object = None,
    memory: str | int | None = "4GB",
    get: str = "ntk",
) -> NDArray[Any]:
    """Gram matrix of a data set.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    out : ndarray (n, n) or path ending in ".npy", optional
        Where the result goes: an array of the result's dtype, or a file, written whole or not at all.
    dtype : float32 or float64, optional
        By default float32 for float32 data, else float64. Polynomials of the cosine are evaluated in this dtype, recursions in float64.
    memory : str or int
        The most that the result may take in memory.
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    ndarray, shape (n, n)
        Symmetric to the last bit; equal rows of X give equal rows.

    Raises
    ------
    TypeError, ValueError
        If X, out or dtype is not of the kind stated.
    NotEnoughMemory
        If the result exceeds `memory`, or 80 % of what is available.

    Notes
    -----
    Cost O(n^2 (d + layers)); the same bits for any number of threads.
    """
    require_kernel(kernel)
    rows, natural = as_rows(X)
    result_dtype = natural if dtype is None else np.dtype(dtype)  # type: ignore[call-overload]  # checked below
    if result_dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {result_dtype}.")
    shape = (1, len(rows), len(rows))
    if isinstance(out, np.ndarray):
        _check_out(out, shape[1:], result_dtype)
        symmetric(kernel, rows, (get,), out[None])
        return out
    path = _npy_path(out) if out is not None else None
    guard(len(rows) ** 2, result_dtype.itemsize, memory, f"The Gram matrix of {len(rows)} rows")
    result: NDArray[Any] = symmetric(kernel, rows, (get,), np.empty(shape, result_dtype))[0]
    if path is not None:
        _write_npy(path, result)
    return result


def symmetric(kernel: Kernel, rows: Floats, outputs: tuple[str, ...], result: NDArray[Any]) -> NDArray[Any]:
    """Fill result (outputs, n, n) by the route that the kernel and the data allow."""
    route = cosine_route(kernel, outputs, result.dtype, rows)
    if route is not None:
        route.symmetric(rows, result)
    else:
        pair_route.symmetric(kernel, rows, outputs, result)
    return result


def rectangular(
    kernel: Kernel, rows: Floats, others: Floats, outputs: tuple[str, ...], result: NDArray[Any]
) -> NDArray[Any]:
    """Fill result (outputs, n, m) for two data sets, by the same route as all of the rows together."""
    route = cosine_route(kernel, outputs, result.dtype, rows, others)
    if route is not None:
        route.rectangular(rows, others, result)
    else:
        pair_route.rectangular(kernel, rows, others, outputs, result)
    return result


def diagonal(kernel: Kernel, rows: Floats, outputs: tuple[str, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """K(x, x) of every row, shape (outputs, n): what `symmetric` has on its diagonal."""
    route = cosine_route(kernel, outputs, dtype, rows)
    if route is not None:
        return route.diagonal()
    return pair_route.diagonal(kernel, rows, outputs).astype(dtype)


def _check_out(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable array of shape {shape} and dtype {dtype}, got {out.shape}, {out.dtype}."
        )


def _npy_path(out: str | os.PathLike[str]) -> Path:
    if not isinstance(out, str | os.PathLike):
        raise TypeError(f"out must be an array or a path ending in .npy, got {type(out).__name__}.")
    path = Path(out)
    if path.suffix != ".npy":
        raise ValueError(f"out must be an array or a path ending in .npy, got {str(out)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} of out does not exist: make it first.")
    return path


def _write_npy(path: Path, result: NDArray[Any]) -> None:
    """Write beside the target, then rename: an interrupted run leaves no half file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, result, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

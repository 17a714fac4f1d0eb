"""Gram matrices: the kernel of all pairs of rows, in memory or on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numerics.arrays import as_dtype, as_output, as_rows, load_array, require_kernel
from numerics.cluster import on_cluster
from numerics.gram_route import gram_route
from numerics.job import job_of
from numerics.memory import guard
from numerics.progress import Report, progress
from numerics.stored import open_gram
from numerics.tiles import write_gram

if TYPE_CHECKING:
    from numerics.kernel import Kernel


def gram(
    kernel: Kernel,
    X: object,
    out: NDArray[Any] | str | os.PathLike[str] | None = None,
    dtype: object = None,
    memory: str | int | None = "4GB",
    cluster: str | None = None,
    resume: bool = False,
    *,
    get: str = "ntk",
    tile: int | None = None,
    full: bool = False,
    shard: tuple[int, int] | None = None,
    report: Report | None = None,
) -> Any:
    """Gram matrix of a data set: in memory, or on the disk.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d), or path of a .npy file of it
    out : ndarray (n, n) or path ending in ".npy" or ".zarr", optional
        Where the result goes: an array of the result's dtype, or a file or store, which may be larger than memory.
    dtype : float32 or float64, optional
        By default float32 for float32 data, else float64. Polynomials of the cosine are evaluated in this dtype, recursions in float64.
    memory : str or int
        The most that the result, or what writing to the disk needs of it at a time, may take in memory.
    cluster : "local:N", "tcp://host:port" or "file:scheduler.json", optional
        Where tiles are computed (numerics.cluster); `out` must then lie on a disk that all workers see.
    resume : bool
        Whether to complete what is at `out`: tiles that are there are read and checked, the others computed.
    get : {"ntk", "nngp", "rounding"}
    tile : int, optional
        Rows of a tile on the disk, a multiple of 256; by default 2048, or what `memory` allows.
    full : bool
        Whether a store keeps both triangles; by default the upper one, and reading mirrors it.
    shard : (i, N), optional
        Compute every N-th tile only, from the i-th: N processes, each with its own i, share the work without knowing one another.
    report : callable, optional
        Called with how much is done, how much there is, and a text: on the disk the tiles, whenever one is there. By default
        a line in a notebook or an interactive session, of calls that last (numerics.progress).

    Returns
    -------
    ndarray, shape (n, n), or StoredGram
        Symmetric to the last bit; equal rows of X give equal rows. For a path the file, mapped, or the opened store;
        None where other shards are not done.

    Raises
    ------
    TypeError, ValueError
        If X, out or an option is not of the kind stated.
    NotEnoughMemory
        If the result exceeds `memory`, or 80 % of what is available.
    FileExistsError
        If a store, or the beginning of a file, is there and not to be resumed.
    StoreMismatch
        If it was begun with another kernel, data, dtype or tile, or on another kind of machine.
    StoreLocked
        If another process is writing it.

    Notes
    -----
    Cost O(n^2 (d + layers)). The same bytes for any number of threads, in memory or on the disk, whatever the tile. A .npy file
    appears under its name when it is whole; tiles wait in NAME.npy.progress.
    """
    require_kernel(kernel)
    source = Path(X) if isinstance(X, str | os.PathLike) else None
    rows, natural = as_rows(X if source is None else load_array(source))
    result_dtype = natural if dtype is None else as_dtype(dtype)
    if isinstance(out, str | os.PathLike):
        job = job_of(
            kernel,
            rows,
            Path(out),
            result_dtype,
            memory=memory,
            resume=resume,
            get=as_output(get),
            tile=tile,
            full=full,
            source=source,
        )
        run = None if cluster is None else on_cluster(cluster)
        with progress(report) as told:
            write_gram(job, resume=resume, shard=shard, run=run, report=told)
        return _opened(job.path, rest=shard is not None)
    if cluster is not None or resume or tile is not None or full or shard is not None:
        raise ValueError(
            "cluster, resume, tile, full and shard are for matrices on the disk: give out=, a path."
        )
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise TypeError(
                f"out must be an array, or a path ending in .npy or .zarr, got {type(out).__name__}."
            )
        _check_out(out, (len(rows), len(rows)), result_dtype)
        _fill(kernel, as_output(get), rows, out, report)
        return out
    guard(len(rows) ** 2, result_dtype.itemsize, memory, f"The Gram matrix of {len(rows)} rows")
    result = np.empty((len(rows), len(rows)), result_dtype)
    _fill(kernel, as_output(get), rows, result, report)
    return result


def _fill(
    kernel: Kernel, output: str, rows: NDArray[np.float64], result: NDArray[Any], report: Report | None
) -> None:
    with progress(report) as told:
        gram_route(kernel, (output,), result.dtype, rows).symmetric(result[None], told)


def _opened(path: Path, rest: bool) -> Any:
    """What was written; None where the `rest` of it is other processes'."""
    if path.suffix == ".zarr":
        stored = open_gram(path)
        return stored if stored.complete or not rest else None
    return np.load(path, mmap_mode="r") if path.exists() else None


def _check_out(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"out must be an array of shape {shape} and dtype {dtype}, got {out.shape}, {out.dtype}."
        )
    if not out.flags.writeable:
        raise ValueError("out is read-only: take a copy, or out.setflags(write=True).")
    inner, outer = sorted(zip(map(abs, out.strides), out.shape, strict=True))
    if out.size and not (inner[0] >= out.itemsize and outer[0] >= inner[0] * inner[1]):
        raise ValueError(f"out's entries share memory, with strides {out.strides}: take an array of its own.")

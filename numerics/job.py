"""A matrix to be written to the disk, as any process computes any tile of it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import StoreMismatch
from numerics.arrays import as_rows, load_array
from numerics.blocks import SIDE
from numerics.gram_route import GramRoute, gram_route
from numerics.layouts import Digests, Npy, Tile, tiles_of
from numerics.memory import available_bytes, guard, parse_bytes
from numerics.plan import Plan, machine
from numerics.storage import Store, begun_tile, layout_of

if TYPE_CHECKING:
    from numerics.kernel import Kernel

TILE = 2048
"""Rows of a tile, where memory allows."""
COPIES = 8
"""Tiles that memory has to hold: the buffers, and what writing copies of them."""


def job_of(
    kernel: Kernel,
    rows: NDArray[np.float64],
    path: Path,
    dtype: np.dtype[Any],
    *,
    memory: str | int | None = "4GB",
    resume: bool = False,
    get: str = "ntk",
    tile: int | None = None,
    full: bool = False,
    source: Path | None = None,
) -> Job:
    """What `gram` would compute to write a path: to be written, or estimated."""
    if path.suffix not in (".npy", ".zarr"):
        raise ValueError(f"out must be an array, or a path ending in .npy or .zarr, got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} of out does not exist: make it first.")
    if path.suffix == ".npy" and path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: choose another path.")
    if not len(rows):
        raise ValueError("X has no rows: there is nothing to store.")
    if tile is None:
        tile = (begun_tile(path) if resume else None) or tile_size(memory, dtype.itemsize)
    elif isinstance(tile, bool) or not isinstance(tile, int) or tile < SIDE or tile % SIDE:
        raise ValueError(f"tile must be a multiple of {SIDE}, got {tile!r}.")
    else:
        guard(COPIES * tile**2, dtype.itemsize, memory, f"Writing tiles of {tile} rows")
    return Job.of(kernel, rows, path, dtype, get, tile, full, source)


@dataclass(frozen=True)
class Job:
    """A matrix to be computed: all that a process needs to compute any tile of it."""

    kernel: Kernel
    rows: NDArray[np.float64] = field(repr=False)
    path: Path
    plan: Plan
    source: Path | None
    """A .npy file of the rows, from which another process may read them."""

    @staticmethod
    def of(
        kernel: Kernel,
        rows: NDArray[np.float64],
        path: Path,
        dtype: np.dtype[Any],
        get: str,
        tile: int,
        full: bool,
        source: Path | None = None,
    ) -> Job:
        """The job with its plan."""
        processor, blas, versions = machine()
        plan = Plan(
            n=len(rows),
            features=rows.shape[1],
            dtype=dtype.name,
            tile=tile,
            full=full or path.suffix == ".npy",
            kernel=hashlib.sha256(kernel.to_json().encode()).hexdigest(),
            get=get,
            data=hashlib.sha256(rows.data).hexdigest(),
            processor=processor,
            blas=blas,
            versions=versions,
        )
        return Job(kernel, rows, path.absolute(), plan, source and source.absolute())

    def __reduce__(self) -> tuple[Any, ...]:
        data = self.rows if self.source is None else self.source
        return _received, (self.kernel, data, self.path, self.plan)

    @cached_property
    def route(self) -> GramRoute:
        """How pairs are computed: the same for every tile."""
        return gram_route(self.kernel, (self.plan.get,), np.dtype(self.plan.dtype), self.rows)

    def values(self, tile: Tile, buffer: NDArray[Any]) -> NDArray[Any]:
        """The tile, in a buffer (1, T, T)."""
        size, n = self.plan.tile, self.plan.n
        rows, columns = (slice(k * size, min(k * size + size, n)) for k in tile)
        values: NDArray[Any] = buffer[:, : rows.stop - rows.start, : columns.stop - columns.start]
        self.route.block(rows, columns, values)
        tile_values: NDArray[Any] = values[0]
        return tile_values

    def buffer(self) -> NDArray[Any]:
        """Room for a tile."""
        return np.empty((1, self.plan.tile, self.plan.tile), self.plan.dtype)

    def write(self, tile: Tile) -> Digests:
        """Compute a tile and put it on the disk, without a line in a manifest."""
        return layout_of(self.path, self.plan).write(tile, self.values(tile, self.buffer()))


@dataclass(frozen=True)
class Estimate:
    """What a run will take: tiles, bytes on the disk, and seconds of arithmetic, from a timed tile; and the tiles there are already."""

    tiles: int
    bytes: int
    seconds: float
    done: int


def estimate(job: Job) -> Estimate:
    """Of the whole run, or of its rest: one tile is computed twice, and the second time counts."""
    tiles = list(tiles_of(job.plan.n, job.plan.tile))
    done = len(Store(job.plan, layout_of(job.path, job.plan)).committed())
    buffer, itemsize = job.buffer(), np.dtype(job.plan.dtype).itemsize
    tile = tiles[min(1, len(tiles) - 1)]
    for _ in range(2):
        start = time.perf_counter()
        job.values(tile, buffer)
        seconds = time.perf_counter() - start
    if isinstance(layout_of(job.path, job.plan), Npy):
        size = job.plan.n**2
    else:
        size = (
            2 * len(tiles) - -(-job.plan.n // job.plan.tile) if job.plan.full else len(tiles)
        ) * job.plan.tile**2
    return Estimate(len(tiles), size * itemsize, (len(tiles) - done) * seconds, done)


def tile_size(memory: str | int | None, itemsize: int) -> int:
    """Rows of a tile of which `memory` holds what a run needs; raises NotEnoughMemory where it holds none."""
    guard(COPIES * SIDE**2, itemsize, memory, f"Writing tiles of {SIDE} rows")
    allowed = available_bytes() // 2 if memory is None else parse_bytes(memory)
    side = int((allowed / (COPIES * itemsize)) ** 0.5) // SIDE * SIDE
    return max(SIDE, min(TILE, side))


def _received(kernel: Kernel, data: NDArray[np.float64] | Path, path: Path, plan: Plan) -> Job:
    """A job in another process, which reads the rows for itself where there is a file."""
    if not isinstance(data, Path):
        return Job(kernel, data, path, plan, None)
    rows, _ = as_rows(load_array(data))
    if hashlib.sha256(rows.data).hexdigest() != plan.data:
        raise StoreMismatch(f"{data} holds other rows than those the run began with.")
    return Job(kernel, rows, path, plan, data)

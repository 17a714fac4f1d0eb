"""Gram matrices larger than memory: tile by tile to the disk, computed while the one before is written."""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
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
from numerics.storage import Plan, Store, layout_of, machine, writing

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Report = Callable[[int, int], None]
"""Called with the tiles that are on the disk, and all of them."""
TILE = 2048
"""Rows of a tile, where memory allows."""
BUFFERS = 3
"""Tiles in memory: one is computed, two are written."""
COPIES = 8
"""Tiles that memory has to hold: the buffers, and what writing copies of them."""
WRITERS = 2


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
    """What a run will take: tiles, bytes on the disk, and seconds of arithmetic, from a timed tile."""

    tiles: int
    bytes: int
    seconds: float


def _received(kernel: Kernel, data: NDArray[np.float64] | Path, path: Path, plan: Plan) -> Job:
    """A job in another process, which reads the rows for itself where there is a file."""
    if not isinstance(data, Path):
        return Job(kernel, data, path, plan, None)
    rows, _ = as_rows(load_array(data))
    if hashlib.sha256(rows.data).hexdigest() != plan.data:
        raise StoreMismatch(f"{data} holds other rows than those the run began with.")
    return Job(kernel, rows, path, plan, data)


Runner = Callable[[Job, list[Tile]], Generator[tuple[Tile, Digests], None, None]]
"""Puts tiles on the disk, in any order, and says which."""


def write_gram(
    job: Job,
    *,
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    run: Runner | None = None,
    report: Report = lambda done, total: None,
) -> None:
    """Compute all tiles that are not on the disk yet; on return they are.

    Raises
    ------
    OSError
        If the disk is full (before anything is computed) or fails.
    FileExistsError, StoreMismatch, StoreLocked
        As `storage.writing` says.

    Notes
    -----
    Resuming reads what is there, and computes what is missing or damaged. A shard (i, N) computes every N-th tile; the
    last one to end finishes the file.
    """
    with writing(job.path, job.plan, resume=resume, shard=shard) as store:
        all_tiles = list(tiles_of(job.plan.n, job.plan.tile))
        mine = all_tiles if shard is None else all_tiles[shard[0] - 1 :: shard[1]]
        done = store.whole(mine)
        todo = [tile for tile in mine if tile not in done]
        _reserve(store, todo)
        report(len(done), len(mine))
        with closing((run or in_process)(job, todo)) as written:
            for count, (tile, digests) in enumerate(written, len(done) + 1):
                store.commit(tile, digests)
                report(count, len(mine))
        store.finish()


def in_process(job: Job, tiles: Iterable[Tile]) -> Generator[tuple[Tile, Digests], None, None]:
    """Compute on all cores of this process while two threads write."""
    layout = layout_of(job.path, job.plan)
    free: queue.Queue[NDArray[Any]] = queue.Queue()
    for _ in range(BUFFERS):
        free.put(job.buffer())

    def write(tile: Tile, values: NDArray[Any], buffer: NDArray[Any]) -> tuple[Tile, Digests]:
        try:
            return tile, layout.write(tile, values)
        finally:
            free.put(buffer)

    pending: list[Future[tuple[Tile, Digests]]] = []
    with ThreadPoolExecutor(WRITERS) as writers:
        try:
            for tile in tiles:
                buffer = free.get()
                pending.append(writers.submit(write, tile, job.values(tile, buffer), buffer))
                while pending and pending[0].done():
                    yield pending.pop(0).result()
            for future in pending:
                yield future.result()
        except BaseException:
            writers.shutdown(wait=True, cancel_futures=True)
            raise


def estimate(job: Job) -> Estimate:
    """Of the whole run: one tile is computed twice, and the second time counts."""
    tiles = list(tiles_of(job.plan.n, job.plan.tile))
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
    return Estimate(len(tiles), size * itemsize, len(tiles) * seconds)


def tile_size(memory: str | int | None, itemsize: int) -> int:
    """Rows of a tile of which `memory` holds what a run needs; raises NotEnoughMemory where it holds none."""
    guard(COPIES * SIDE**2, itemsize, memory, f"Writing tiles of {SIDE} rows")
    allowed = available_bytes() // 2 if memory is None else parse_bytes(memory)
    side = int((allowed / (COPIES * itemsize)) ** 0.5) // SIDE * SIDE
    return max(SIDE, min(TILE, side))


def _reserve(store: Store, tiles: list[Tile]) -> None:
    """Find out before computing that the disk is full."""
    try:
        store.layout.reserve(tiles)
    except OSError as error:
        store.layout.release(tiles)
        raise OSError(
            error.errno,
            f"There is no room for {len(tiles)} tiles of {store.layout.path}: {error.strerror}. Free some, or take float32.",
        ) from error

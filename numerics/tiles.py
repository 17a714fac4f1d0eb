"""Gram matrices larger than memory: tile by tile to the disk, computed while the one before is written."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from numpy.typing import NDArray

from numerics.job import Job
from numerics.layouts import Digests, Tile, tiles_of
from numerics.progress import Report
from numerics.storage import Store, layout_of, writing

BUFFERS = 4
"""Tiles in memory: one is computed, two are written."""
WRITERS = 3


Runner = Callable[[Job, list[Tile]], Generator[tuple[Tile, Digests], None, None]]
"""Puts tiles on the disk, in any order, and says which."""


def write_gram(
    job: Job,
    *,
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    run: Runner | None = None,
    report: Report = lambda done, total, what: None,
) -> None:
    """Compute all tiles that are not on the disk yet; on return they are.

    Raises
    ------
    ValueError
        If the shard is none of (1, N), ..., (N, N).
    OSError
        If the disk is full (before anything is computed) or fails.
    FileExistsError, StoreMismatch, StoreLocked
        As `storage.writing` says.

    Notes
    -----
    Resuming reads what is there, and computes what is missing or damaged. A shard (i, N) computes every N-th tile; the
    last one to end finishes the file.
    """
    _check_shard(shard)
    with writing(job.path, job.plan, resume=resume, shard=shard) as store:
        all_tiles = list(tiles_of(job.plan.n, job.plan.tile))
        mine = all_tiles if shard is None else all_tiles[shard[0] - 1 :: shard[1]]
        done = store.whole(mine)
        todo = [tile for tile in mine if tile not in done]
        _reserve(store, todo)
        report(len(done), len(mine), _told(len(done), len(mine)))
        with closing((run or in_process)(job, todo)) as written:
            for count, (tile, digests) in enumerate(written, len(done) + 1):
                store.commit(tile, digests)
                report(count, len(mine), _told(count, len(mine)))
        store.finish()


def _told(done: int, total: int) -> str:
    return f"{done} of {total} tiles are on the disk"


def in_process(job: Job, tiles: Iterable[Tile]) -> Generator[tuple[Tile, Digests], None, None]:
    """Compute on all cores of this process while two threads write."""
    layout = layout_of(job.path, job.plan)
    free: queue.SimpleQueue[NDArray[Any]] = queue.SimpleQueue()  # which no interrupt leaves locked
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


def _check_shard(shard: object) -> None:
    match shard:
        case None:
            return
        case (int(i), int(count)) if 1 <= i <= count:
            return
    raise ValueError(f"shard must be (i, N) with i from 1 to N, got {shard!r}.")

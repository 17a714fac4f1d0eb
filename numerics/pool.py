"""Tasks on all cores of this process, with BLAS on one thread inside each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numba import config
from numpy.typing import NDArray
from threadpoolctl import OpenBLASController, ThreadpoolController

_lock = threading.Lock()
_inside: list[tuple[int, ...]] = []
"""One entry for everyone inside `one_blas_thread`: the numbers of threads that come back when the last has left."""


def on_all_cores(
    task: Callable[[Any], None], items: Iterable[Any], stopped: NDArray[np.bool_] | None = None
) -> None:
    """Run `task` on every item, one thread for each of its `cores`; the first error cancels what has not begun.

    Tasks that release the GIL run side by side. An interrupt waits for those that have begun, which may look at `stopped`:
    its one element is then true.
    """
    items = list(items)
    if len(items) == 1:
        with one_blas_thread():
            task(items[0])
        return
    with one_blas_thread(), ThreadPoolExecutor(cores()) as pool:
        futures = [pool.submit(task, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            if stopped is not None:
                stopped[0] = True
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def cores() -> int:
    """Threads that this process may use: its affinity, or NUMBA_NUM_THREADS where that is less."""
    settings: Any = config
    return min(len(os.sched_getaffinity(0)), int(settings.NUMBA_NUM_THREADS))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS on one thread while anyone is inside, whichever thread: its bits depend on the number of threads.

    The limit is set by the first and lifted by the last: OpenBLAS must not be told while it computes.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else tuple(library.num_threads for library in _libraries()))
        if len(_inside) == 1:
            _limit([1] * len(_inside[0]))
    try:
        yield
    finally:
        with _lock:
            counts = _inside.pop()
            if not _inside:
                _limit(counts)


def _limit(counts: Sequence[int]) -> None:
    for library, count in zip(_libraries(), counts, strict=True):
        OpenBLASController.clear_controlling_thread(
            force=True
        )  # else only the first thread that ever set a limit may
        library.set_num_threads(count)


@cache
def _libraries() -> tuple[Any, ...]:
    import scipy.linalg  # noqa: F401  # loads the BLAS that compiled code calls

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)

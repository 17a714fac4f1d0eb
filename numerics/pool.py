"""Tasks on all cores of this process, with BLAS on one thread inside each."""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
from numba import config
from numpy.typing import NDArray
from threadpoolctl import OpenBLASController, ThreadpoolController

POLL = 0.05
"""Seconds after which a wake-up that an interrupt swallowed is noticed."""
_lock = threading.Lock()
_inside: list[tuple[int, ...]] = []
"""One entry for everyone inside `one_blas_thread`: the numbers of threads that come back when the last has left."""


def on_all_cores(
    task: Callable[[Any], None],
    items: Iterable[Any],
    stopped: NDArray[np.bool_] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Run `task` on every item, one thread for each of its `cores`; the first error cancels what has not begun.

    Tasks that release the GIL run side by side. An interrupt waits for those that have begun, which may look at `stopped`:
    its one element is then true. This thread reports how many items are done, of how many, every POLL seconds.
    """
    items = list(items)
    with one_blas_thread():
        if len(items) > 1:
            flag = np.zeros(1, np.bool_) if stopped is None else stopped
            _on_threads(task, items, flag, report or (lambda done, total: None))
        else:
            for item in items:
                task(item)


def _on_threads(
    task: Callable[[Any], None],
    items: Sequence[Any],
    stopped: NDArray[np.bool_],
    report: Callable[[int, int], None],
) -> None:
    """Without `threading` or `concurrent.futures`: an interrupt between two of their lines leaves a lock held, and all wait for ever.

    An interrupt reaches this thread between bytecodes. All threads start within one, and waiting for them may begin anew.
    """
    pending = iter(enumerate(items))
    failed: dict[int, BaseException] = {}
    wake, ended, done = allocate_lock(), deque[None](), deque[None]()
    wake.acquire()

    def work() -> None:
        try:
            for number, item in pending:  # the next one is taken under the GIL
                if stopped[0]:
                    break
                try:
                    task(item)
                except BaseException as error:
                    failed[number] = error
                    stopped[0] = True
                done.append(None)
        finally:
            ended.append(None)
            with suppress(RuntimeError):  # another one has just rung
                wake.release()

    started = deque[int]()
    count = min(cores(), len(items))
    try:
        started.extend(map(start_new_thread, repeat(work), repeat((), count)))
        _wait(started, ended, wake, lambda: report(len(done), len(items)))
        report(len(done), len(items))
    except BaseException:
        stopped[0] = True
        _wait(started, ended, wake, lambda: None)
        raise
    if failed:
        raise failed[min(failed)]


def _wait(started: deque[int], ended: deque[None], wake: Any, tick: Callable[[], None]) -> None:
    while len(ended) < len(started):
        wake.acquire(timeout=POLL)
        tick()


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

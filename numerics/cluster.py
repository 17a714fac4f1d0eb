"""Tasks on a cluster of dask workers: somebody else's engine, our functions.

An address is "local:N" (N workers started here, stopped at the end), "tcp://host:port" or "file:scheduler.json" (a cluster
that runs already, on machines that have quasintk). dask sends functions and data as pickles: join only clusters whose members
you trust, over TLS where the network is not yours (docs/scale.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from derive.errors import ClusterError
from numerics.job import Job
from numerics.layouts import Digests, Tile
from numerics.pool import cores
from numerics.tiles import Runner

if TYPE_CHECKING:
    from distributed import Client

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
PATIENCE = 30
"""Seconds to wait for a scheduler, and for its first worker."""
TRIES = 3
"""Workers that an item may take with it before it is given up."""


def on_cluster(address: str) -> Runner:
    """A runner of tiles for `numerics.tiles.write_gram`."""
    _require_dask()

    def run(job: Job, tiles: list[Tile]) -> Generator[tuple[Tile, Digests], None, None]:
        yield from on_workers(address, _write, job, tiles)

    return run


def on_workers(
    address: str, function: Callable[[S, T], R], shared: S, items: Sequence[T]
) -> Generator[tuple[T, R], None, None]:
    """function(shared, item) for every item, in the order in which workers finish.

    Parameters
    ----------
    address : str
    function : callable
        Of a module that workers can import.
    shared
        Sent once; workers pass it on.
    items : sequence
        One task each.

    Raises
    ------
    ClusterError
        If the cluster cannot be reached or is lost; or, when all others are done, if an item failed or took TRIES workers with it.
    """
    if not items:
        return
    from distributed import CancelledError, as_completed

    completed: Any = as_completed
    failed: list[tuple[T, str]] = []
    with _joined(address) as client:
        engine: Any = client  # dask is typed in part
        data = engine.submit(
            _same, shared, pure=False
        )  # a task, which dask repeats where a worker dies with its result

        tries: Counter[T] = Counter()
        futures: dict[Any, T] = {}

        def submit(item: T) -> Any:
            tries[item] += 1
            future = engine.submit(function, data, item, pure=False)
            futures[future] = item
            return future

        done = completed([submit(item) for item in items], loop=client.loop)
        for future in done:
            item = futures.pop(future)
            if future.status == "error":
                failed.append((item, _reason(future.exception())))
                continue
            with suppress(CancelledError):  # its worker died before it was asked
                result = future.result()
                yield item, result
                continue
            if client.status != "running":
                raise ClusterError(
                    f"The scheduler at {address} was lost with {len(futures) + 1} tasks to go: start one, and run the same command with --resume."
                )
            if tries[item] < 2 * TRIES:
                done.add(submit(item))
            else:
                failed.append((item, f"its result was lost {tries[item]} times"))
    if failed:
        item, reason = failed[0]
        raise ClusterError(
            f"{len(failed)} of {len(items)} tasks failed, first {item}: {reason}. The others are done: resume to try these once more."
        )


def _same(shared: S) -> S:
    return shared


def _write(job: Job, tile: Tile) -> Digests:
    return job.write(tile)


def _reason(error: Any) -> str:
    if type(error).__name__ == "KilledWorker":
        return f"{TRIES} workers died while they computed it"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _joined(address: str) -> Iterator[Client]:
    import dask
    from distributed import Client

    settings = {
        "distributed.scheduler.allowed-failures": TRIES,
        "distributed.comm.timeouts.connect": f"{PATIENCE}s",
        "distributed.admin.large-graph-warning-threshold": "1TB",
    }
    kind, _, rest = address.partition(":")
    with dask.config.set(settings):
        if kind == "local" and rest.isdigit() and int(rest) > 0:
            with _local(int(rest)) as file, _client(Client, address, scheduler_file=str(file)) as client:
                yield client
        elif kind == "file" and rest:
            if not Path(rest).is_file():
                raise ClusterError(
                    f"There is no scheduler file {rest!r}: dask scheduler --scheduler-file {rest} writes it."
                )
            with _client(Client, address, scheduler_file=rest) as client:
                yield client
        elif kind in ("tcp", "tls") and rest.startswith("//"):
            with _client(Client, address, address=address) as client:
                yield client
        else:
            raise ValueError(
                f"A cluster is local:N, tcp://host:port or file:scheduler.json, got {address!r}."
            )


@contextmanager
def _client(make: Any, name: str, **where: Any) -> Iterator[Client]:
    try:
        client = make(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ClusterError(
            f"No scheduler answers at {name} within {PATIENCE} s ({error}): start one with `dask scheduler`."
        ) from None
    try:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ClusterError(
                f"The scheduler at {name} has no worker after {PATIENCE} s: start one with `dask worker`."
            ) from None
        yield client
    finally:
        client.close(timeout=2)


@contextmanager
def _local(count: int) -> Iterator[Path]:
    """A scheduler and workers as processes of this user, on this machine's loopback; the scheduler's file."""
    threads = str(max(1, cores() // count))
    environment = {**os.environ, "NUMBA_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt is ours to handle
            )
        )

    with tempfile.TemporaryDirectory(prefix="quasintk-") as folder:
        file = Path(folder) / "scheduler.json"
        try:
            start(
                "distributed.cli.dask_scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                str(file),
            )
            for _ in range(count):
                start(
                    "distributed.cli.dask_worker",
                    "--scheduler-file",
                    str(file),
                    "--nthreads",
                    "1",
                    "--no-dashboard",
                    "--local-directory",
                    folder,
                    "--death-timeout",
                    str(PATIENCE),
                )
            deadline = time.monotonic() + PATIENCE
            while not file.exists():
                if started[0].poll() is not None or time.monotonic() > deadline:
                    raise ClusterError("The local scheduler did not start: try `dask scheduler` by hand.")
                time.sleep(0.05)
            yield file
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ImportError("A cluster needs dask: pip install 'quasintk[scale]'.") from None

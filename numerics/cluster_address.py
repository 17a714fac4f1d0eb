"""Where a cluster is: a scheduler to join, or one that is started here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from derive.errors import ClusterError
from numerics.pool import cores

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 30
"""Seconds to wait for a scheduler, and for its first worker."""
TRIES = 3
"""Workers that a task may take with it before it is given up."""


@contextmanager
def joined(address: str) -> Iterator[Client]:
    """A client of the cluster at an address of `numerics.cluster`.

    Raises
    ------
    ImportError, ValueError, ClusterError
        Without dask; if the address is none; if nobody answers there, or has a worker.
    """
    require_dask()
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
        elif kind in ("tcp", "tls") and rest.startswith("//") and _has_port(address):
            with _client(Client, address, address=address) as client:
                yield client
        else:
            raise ValueError(
                f"A cluster is local:N, tcp://host:port or file:scheduler.json, got {address!r}."
            )


def _has_port(address: str) -> bool:
    try:
        return urlsplit(address).port is not None
    except ValueError:
        return False


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


def require_dask() -> None:
    """Raise ImportError with what to install."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ImportError("A cluster needs dask: pip install 'quasintk[scale]'.") from None

"""Tasks on a cluster of dask workers: somebody else's engine, our functions.

An address is "local:N" (N workers started here, stopped at the end), "tcp://host:port" or "file:scheduler.json" (a cluster
that runs already, on machines that have quasintk). dask sends functions and data as pickles: join only clusters whose members
you trust, over TLS where the network is not yours (docs/scale.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from derive.errors import ClusterError
from numerics.cluster_address import TRIES, joined, require_dask
from numerics.job import Job
from numerics.layouts import Digests, Tile
from numerics.tiles import Runner

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def workers(address: str) -> Iterator[Workers]:
    """The workers of a cluster; raises ImportError, ValueError or ClusterError where there are none."""
    with joined(address) as client:
        yield Workers(client, address)


@dataclass(frozen=True)
class Workers:
    """A cluster that has been joined; `client` is dask's, which is typed in part."""

    client: Any
    address: str

    def __len__(self) -> int:
        """How many there are now."""
        return len(self.client.nthreads())

    def share(self, value: object) -> Any:
        """Send a value once, for `run`; dask makes it again where a worker dies with it."""
        return self.client.submit(_same, value, pure=False)

    def run(
        self, function: Callable[[S, T], R], shared: Any, items: Sequence[T]
    ) -> Generator[tuple[T, R], None, None]:
        """function(value, item) for every item, in the order in which workers finish.

        Parameters
        ----------
        function : callable
            Of a module that workers can import.
        shared
            What `share` gave for the value.
        items : sequence of hashable
            One task each.

        Raises
        ------
        ClusterError
            If the cluster is lost; or, when all others are done, if an item failed or took TRIES workers with it.
        """
        from distributed import CancelledError, as_completed

        completed: Any = as_completed
        failed: list[tuple[T, str]] = []
        suspects: list[T] = []
        alone: set[T] = set()
        tries: Counter[T] = Counter()
        futures: dict[Any, T] = {}

        def submit(item: T) -> Any:
            tries[item] += 1
            future = self.client.submit(function, shared, item, pure=False)
            futures[future] = item
            return future

        done = completed([submit(item) for item in items], loop=self.client.loop)
        for future in done:
            item = futures.pop(future)
            if future.status == "error":
                if _is_killed(future.exception()) and item not in alone:
                    suspects.append(item)
                else:
                    failed.append((item, _reason(future.exception())))
            else:
                with suppress(CancelledError):  # its worker died before it was asked
                    yield item, future.result()
                    tries.pop(item)
                if item in tries:
                    self._check_alive(len(futures) + 1)
                    if tries[item] < 2 * TRIES:
                        done.add(submit(item))
                    else:
                        failed.append((item, f"its result was lost {tries[item]} times"))
            if suspects and not futures:  # dask blames all that its worker held: alone, it is the one
                alone.add(suspects[-1])
                done.add(submit(suspects.pop()))
        if failed:
            item, reason = failed[0]
            raise ClusterError(
                f"{len(failed)} of {len(items)} tasks failed, first {item}: {reason}. The others are done: resume to try these once more."
            )

    def _check_alive(self, left: int) -> None:
        if self.client.status != "running":
            raise ClusterError(
                f"The scheduler at {self.address} was lost with {left} tasks to go: start one, and run the same command with "
                "--resume."
            )


def on_cluster(address: str) -> Runner:
    """A runner of tiles for `numerics.tiles.write_gram`."""
    require_dask()

    def run(job: Job, tiles: list[Tile]) -> Generator[tuple[Tile, Digests], None, None]:
        if tiles:
            with workers(address) as found:
                yield from found.run(_write, found.share(job), tiles)

    return run


def _same(shared: S) -> S:
    return shared


def _write(job: Job, tile: Tile) -> Digests:
    return job.write(tile)


def _is_killed(error: Any) -> bool:
    return type(error).__name__ == "KilledWorker"


def _reason(error: Any) -> str:
    if _is_killed(error):
        return f"{TRIES} workers died while they computed it"
    return f"{type(error).__name__}: {error}"

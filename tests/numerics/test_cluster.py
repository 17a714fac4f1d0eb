"""The same bytes from two local workers, from a cluster joined over tcp, and after a worker has died; tasks that fail."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import quasintk as qn
from derive.errors import ClusterError
from numerics.cluster import workers
from numerics.gram import gram

X = np.random.default_rng(0).normal(size=(1500, 5))
KERNEL = qn.kernel("relu", depth=2)
WHOLE = gram(KERNEL, X)


def fails_on_seven(shared, item):
    """A task that workers import from this file's folder."""
    if item == 7:
        raise ValueError(f"{shared} {item}")
    return shared, item**2


def kills(shared, item):
    """A task that takes its worker with it."""
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def slow(shared, item):
    """Says which worker it runs on, and takes a while."""
    (Path(shared) / f"{os.getpid()}").touch()
    time.sleep(0.2)
    return item


def on_workers(where, function, shared, items):
    with workers(where) as found:
        yield from found.run(function, found.share(shared), items)


@pytest.fixture
def importable(monkeypatch):
    """Workers started by a test find this file as a module."""
    folder = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", folder)
    monkeypatch.syspath_prepend(folder)
    import importlib

    return importlib.import_module("test_cluster")


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """A scheduler and two workers, started by the commands of docs/scale.md; their processes, the scheduler first."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    file, binary = tmp_path / "scheduler.json", Path(sys.executable).parent / "dask"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen(
            [
                binary,
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                file,
            ],
            **quiet,
        )
    ]
    for _ in range(2):
        command = [
            binary,
            "worker",
            "--scheduler-file",
            file,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--no-nanny",
            "--local-directory",
            tmp_path,
        ]
        processes.append(subprocess.Popen(command, **quiet))
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def address(tmp_path):
    import json

    return json.loads((tmp_path / "scheduler.json").read_text())["address"]


def test_two_local_workers(tmp_path):
    found = gram(KERNEL, X, out=tmp_path / "G.zarr", tile=256, cluster="local:2")
    assert np.array_equal(found[:], WHOLE)


def test_joined_over_tcp_and_by_file(tmp_path, scheduler):
    np.save(tmp_path / "X.npy", X)
    joined = gram(KERNEL, tmp_path / "X.npy", out=tmp_path / "G.npy", tile=256, cluster=address(tmp_path))
    assert joined.tobytes() == WHOLE.tobytes()
    found = gram(
        KERNEL, X, out=tmp_path / "G.zarr", tile=512, full=True, cluster=f"file:{tmp_path / 'scheduler.json'}"
    )
    assert np.array_equal(found[:], WHOLE)


def test_a_dead_worker_costs_time_alone(tmp_path, scheduler, monkeypatch):
    import importlib

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module, folder = importlib.import_module("test_cluster"), tmp_path / "seen"
    folder.mkdir()
    found, killed = [], False
    for item, result in on_workers(address(tmp_path), module.slow, str(folder), range(40)):
        found.append((item, result))
        if not killed and len(os.listdir(folder)) == 2:
            scheduler[1].kill()
            killed = True
    assert killed
    assert sorted(found) == [(i, i) for i in range(40)]


def test_a_lost_scheduler_is_an_error(tmp_path, scheduler, monkeypatch):
    import importlib

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("test_cluster")
    start = time.monotonic()

    def run():
        for _ in on_workers(address(tmp_path), module.slow, str(tmp_path), range(50)):
            scheduler[0].kill()

    with pytest.raises(ClusterError, match=r"lost.*--resume"):
        run()
    assert time.monotonic() - start < 60


def test_a_failing_task_is_named_and_the_others_kept(importable):
    found = []
    with pytest.raises(ClusterError, match=r"1 of 10 tasks failed, first 7: ValueError: shared 7"):
        found.extend(on_workers("local:2", importable.fails_on_seven, "shared", range(10)))
    assert sorted(found) == [(i, ("shared", i**2)) for i in range(10) if i != 7]


def test_a_task_that_kills_workers_is_given_up(importable):
    found = []
    with pytest.raises(ClusterError, match=r"1 of 6 tasks failed, first 3: 3 workers died"):
        found.extend(on_workers("local:2", importable.kills, None, range(6)))
    assert sorted(item for item, _ in found) == [0, 1, 2, 4, 5]


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("numerics.cluster_address.PATIENCE", 1)
    with pytest.raises(ClusterError, match="No scheduler answers"):
        list(on_workers("tcp://127.0.0.1:1", fails_on_seven, None, [1]))

"""quasintk gram and doctor on stores: killed, interrupted, resumed, refused, in shards."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from numerics.gram import gram
from quasintk.pipeline import kernel

X = np.random.default_rng(0).normal(size=(2000, 5))
COMMAND = [sys.executable, "-m", "quasintk"]


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return tmp_path


def run(folder, *arguments, code=0):
    done = subprocess.run([*COMMAND, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def start(folder, *arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def chunks(store):
    return {
        str(path.relative_to(store)): path.read_bytes() for path in (store / "c").rglob("*") if path.is_file()
    }


def killed_often(folder, times, name):
    """Kill a run at random moments of its life, again and again, until it has been killed so often; then let it end."""
    arguments = ("gram", "relu", "X.npy", "-o", name, "--tile", "256", "--resume")
    began = time.monotonic()
    run(folder, "gram", "relu", "X.npy", "-o", f"clean-{name}", "--tile", "256")
    length, moment = time.monotonic() - began, random.Random(0)
    for _ in range(times):
        process = start(folder, *arguments)
        time.sleep(moment.uniform(0.6, 1) * length)
        process.kill()
        process.communicate()
        if moment.random() < 0.3:  # a fresh start now and then
            subprocess.run(["rm", "-rf", folder / name, folder / f"{name}.progress"], check=True)
    run(folder, *arguments)


def test_killed_and_resumed(folder):
    killed_often(folder, 4, "G.zarr")
    assert chunks(folder / "G.zarr") == chunks(folder / "clean-G.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["G.zarr", "G.npy"])
def test_killed_thirty_times(folder, name):
    killed_often(folder, 30, name)
    if name == "G.npy":
        assert (folder / name).read_bytes() == (folder / f"clean-{name}").read_bytes()
        assert not (folder / f"{name}.progress").exists()
    else:
        assert chunks(folder / name) == chunks(folder / f"clean-{name}")


def test_an_interrupt_leaves_a_store_to_resume(folder):
    arguments = ("gram", "tanh", "X.npy", "-o", "G.zarr", "--depth", "2", "--tile", "256", "--b-std", "0.3")
    manifest = folder / "G.zarr" / "quasintk" / "manifest-all"
    seconds = []
    while (
        len(seconds) < 3 and min(seconds, default=9) >= 1
    ):  # a loaded machine may pause any process for as long
        tiles = manifest.read_bytes().count(b"\n") if seconds else 0
        process = start(folder, *arguments, *(["--resume"] if seconds else []))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if manifest.exists() and manifest.read_bytes().count(b"\n") > tiles:
                break
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        seconds.append(time.monotonic() - began)
        assert process.returncode == 130
        assert "tiles are on the disk: the same command with --resume goes on" in told
    assert min(seconds) < 1
    run(folder, *arguments, "--resume")
    whole = gram(kernel("tanh", depth=2, b_std="0.3"), X)
    run(folder, "gram", "tanh", "X.npy", "-o", "G.npy", "--depth", "2", "--b-std", "0.3")
    assert np.load(folder / "G.npy").tobytes() == whole.tobytes()
    assert "damaged tiles  none" in run(folder, "doctor", "G.zarr").stdout


def test_exit_codes(folder):
    run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--tile", "512")
    assert "--resume" in run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", code=2).stderr
    run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--resume")
    for changed in (["--depth", "2"], ["--dtype", "float32"], ["--tile", "256"], ["--full"]):
        assert (
            "G.zarr"
            in run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--resume", *changed, code=6).stderr
        )
    np.save(folder / "X.npy", X[::-1])
    assert "another data" in run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--resume", code=6).stderr
    np.save(folder / "X.npy", X)
    chunk = folder / "G.zarr" / "c" / "1" / "2"
    data = bytearray(chunk.read_bytes())
    data[7] ^= 1
    chunk.write_bytes(data)
    assert "(1, 2): quasintk gram" in run(folder, "doctor", "G.zarr", code=6).stdout
    run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--resume")
    assert "ok" in run(folder, "doctor", "G.zarr").stdout
    (folder / "loop.zarr").symlink_to("loop.zarr")
    run(folder, "gram", "relu", "X.npy", "-o", "loop.zarr", code=2)
    (folder / "dangling.zarr").symlink_to("nowhere/G.zarr")
    told = run(folder, "gram", "relu", "X.npy", "-o", "dangling.zarr", code=2).stderr
    assert "choose another path" in told
    assert "Errno" not in told
    for shard in ("0/3", "4/3", "x", "1/0"):
        assert "1/3" in run(folder, "gram", "relu", "X.npy", "-o", "H.zarr", "--shard", shard, code=2).stderr


def test_a_second_writer(folder):
    first = start(folder, "gram", "tanh", "X.npy", "-o", "G.zarr", "--tile", "256", "--b-std", "0.3")
    deadline = time.monotonic() + 60
    while not (folder / "G.zarr" / "quasintk" / "plan.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)
    told = run(folder, "gram", "tanh", "X.npy", "-o", "G.zarr", "--b-std", "0.3", "--resume", code=75).stderr
    first.kill()
    first.communicate()
    assert "Another process is writing G.zarr" in told.replace(f"{folder}/", "")
    run(folder, "gram", "tanh", "X.npy", "-o", "G.zarr", "--b-std", "0.3", "--resume")


def test_shards_side_by_side(folder):
    shards = [
        start(folder, "gram", "relu", "X.npy", "-o", "G.npy", "--tile", "256", "--shard", f"{i}/3")
        for i in (1, 2, 3)
    ]
    for shard in shards:
        shard.communicate()
        assert shard.returncode == 0
    assert os.listdir(folder) == ["X.npy", "G.npy"] or sorted(os.listdir(folder)) == ["G.npy", "X.npy"]
    assert np.load(folder / "G.npy").tobytes() == gram(kernel("relu"), X).tobytes()


def test_a_dry_run_writes_nothing(folder):
    told = run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--tile", "256", "--dry-run").stdout
    assert told.startswith("36 tiles of 256 rows, 0.0189 GB, about ")
    assert os.listdir(folder) == ["X.npy"]
    run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--tile", "256", "--shard", "1/2")
    told = run(folder, "gram", "relu", "X.npy", "-o", "G.zarr", "--resume", "--dry-run").stdout
    assert told.startswith("36 tiles of 256 rows, 18 of them there already, 0.0189 GB, about ")

"""Gram matrices on the disk: the bytes of memory, whatever the tile; what is refused, found and mended; faults at every operation."""

import errno
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import zarr

import quasintk as qn
from derive.errors import NotEnoughMemory, StoreLocked, StoreMismatch
from numerics import files
from numerics.gram import gram
from numerics.job import estimate, job_of
from numerics.storage import existing, writing
from numerics.stored import open_gram
from quasintk.health import examine_store

X = np.random.default_rng(0).normal(size=(700, 5))
KERNELS = {
    "cosine": qn.kernel("relu", depth=2),
    "pairs": qn.kernel("erf", b_std="0.3"),
    "real": qn.kernel("relu", weights="real"),
}
IN_MEMORY = {name: gram(kernel, X) for name, kernel in KERNELS.items()}
KERNEL, WHOLE = KERNELS["cosine"], IN_MEMORY["cosine"]


@pytest.fixture
def store(tmp_path):
    return gram(KERNEL, X, out=tmp_path / "G.zarr", tile=256)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("tile", "full"), [(256, False), (256, True), (512, False), (None, False)])
@pytest.mark.parametrize("name", KERNELS)
def test_bytes_are_those_of_memory(tmp_path, name, tile, full, dtype):
    expected = gram(KERNELS[name], X, dtype=dtype)
    found = gram(KERNELS[name], X, out=tmp_path / "G.zarr", dtype=dtype, tile=tile, full=full)
    assert np.asarray(found).tobytes() == expected.tobytes()
    assert found.dtype == expected.dtype
    file = gram(KERNELS[name], X, out=tmp_path / "G.npy", dtype=dtype, tile=tile)
    assert file.tobytes() == expected.tobytes()
    assert sorted(os.listdir(tmp_path)) == ["G.npy", "G.zarr"]


@pytest.mark.parametrize("full", [False, True])
def test_plain_zarr_reads_it(tmp_path, full):
    gram(KERNEL, X, out=tmp_path / "G.zarr", tile=256, full=full)
    array = zarr.open_array(tmp_path / "G.zarr", mode="r")
    values = array[:]
    assert array.attrs["quasintk"] == {"format": 1, "symmetric": "full" if full else "upper"}
    if full:
        assert np.array_equal(values, WHOLE)
    else:
        owner = np.arange(len(X)) // 256
        above = owner[:, None] <= owner
        assert np.array_equal(values[above], WHOLE[above])
        assert np.isnan(values[~above]).all()


KEYS = [
    5, -1, slice(None), slice(250, 260), slice(690, 10_000), slice(None, None, -3), slice(5, 5),
    (3, 600), (slice(0, 2), -1), (slice(500, 520), slice(0, 300)), ([1, 699, 4], slice(None, None, 100)),
    (np.arange(700) % 7 == 0, [0]), np.array([600, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_it_is_read_like_an_array(store, key):
    rows, columns = key if isinstance(key, tuple) else (key, slice(None))
    expected = WHOLE[rows]
    expected = expected[columns] if np.ndim(expected) == 1 else expected[:, columns]
    found = store[key]
    assert np.shape(found) == np.shape(expected)
    assert np.array_equal(found, expected)


def test_products_and_the_diagonal(store):
    V = np.random.default_rng(1).normal(size=(700, 3))
    scale = np.abs(WHOLE) @ np.abs(V)
    assert (np.abs(store @ V - WHOLE @ V) <= 700 * np.finfo(float).eps * scale).all()
    assert np.allclose(store @ V[:, 0], WHOLE @ V[:, 0])
    assert np.array_equal(store.diagonal(), np.diag(WHOLE))
    assert store.shape == (700, 700)
    assert len(store) == 700
    product = store @ V
    assert np.array_equal(V.T @ store, product.T)
    turned = store @ (V + 2j * V)
    assert (np.abs(turned - (1 + 2j) * (WHOLE @ V)) <= 3 * 700 * np.finfo(float).eps * scale).all()
    assert (store @ (1j * V[:, 0])).shape == (700,)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        store @ np.ones(3)
    with pytest.raises(IndexError):
        store[700]
    for key in (None, (), (0, 1, 2), True, 1.5, "1", np.ix_([0], [1]), (0, ...)):
        with pytest.raises(IndexError, match="where they cross"):
            store[key]
    with pytest.raises(ValueError, match="copy"):
        np.array(store, copy=False)


CHANGES = {
    "kernel": ({"kernel": KERNELS["real"]}, "another kernel"),
    "parameter": ({"kernel": KERNEL.with_parameters(W_std=2)}, "another kernel"),
    "data": ({"X": X + 1e-15}, "another data"),
    "rows": ({"X": X[:-1]}, "number of rows"),
    "dtype": ({"dtype": np.float32}, "another dtype"),
    "tile": ({"tile": 512}, "another tile size"),
    "triangles": ({"full": True}, "choice of triangles"),
    "output": ({"get": "nngp"}, "another output"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_matrix_is_refused(store, change):
    changed, message = CHANGES[change]
    arguments = {"kernel": KERNEL, "X": X, "tile": 256, **changed}
    with pytest.raises(StoreMismatch, match=message):
        gram(out=store.store.layout.path, resume=True, **arguments)
    assert np.array_equal(store[:], WHOLE)


def test_another_machine_is_refused(store, monkeypatch):
    monkeypatch.setattr("numerics.job.machine", lambda: ("abacus", "none", "0"))
    with pytest.raises(StoreMismatch, match="another processor"):
        gram(KERNEL, X, out=store.store.layout.path, resume=True)


def test_what_is_there_is_kept(tmp_path, store):
    path = store.store.layout.path
    with pytest.raises(FileExistsError, match="--resume"):
        gram(KERNEL, X, out=path)
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="no store"):
        gram(KERNEL, X, out=tmp_path / "other.zarr")
    assert os.listdir(tmp_path / "other.zarr") == ["thesis.tex"]
    times = {file: file.stat().st_mtime_ns for file in (path / "c").rglob("*") if file.is_file()}
    gram(KERNEL, X, out=path, resume=True)
    assert times == {file: file.stat().st_mtime_ns for file in times}  # nothing was computed again
    with pytest.raises(FileNotFoundError, match="no store"):
        open_gram(tmp_path / "other.zarr")


@pytest.mark.parametrize("name", ["G.zarr", "G.npy"])
def test_one_writer(tmp_path, name):
    job = job_of(KERNEL, X, tmp_path / name, np.dtype(float))
    with writing(job.path, job.plan, resume=False):
        with pytest.raises(StoreLocked, match=re.escape(f"writing {job.path}:")):
            gram(KERNEL, X, out=job.path, resume=True)
        with pytest.raises(StoreLocked):
            gram(KERNEL, X, out=job.path, shard=(1, 2))
    with writing(job.path, job.plan, resume=True, shard=(1, 2)):
        with pytest.raises(StoreLocked):
            gram(KERNEL, X, out=job.path, shard=(1, 2))
        gram(KERNEL, X, out=job.path, shard=(2, 2))


@pytest.mark.parametrize("name", ["G.zarr", "G.npy"])
def test_shards_meet(tmp_path, name):
    results = [gram(KERNEL, X, out=tmp_path / name, tile=256, shard=(i, 3)) for i in (3, 1, 2)]
    assert np.asarray(results[-1]).tobytes() == WHOLE.tobytes()
    assert os.listdir(tmp_path) == [name]
    assert results[:2] == [None, None]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "pipe", "link"])
def test_damage_is_found_and_mended(store, damage):
    path = store.store.layout.path
    chunk = path / "c" / "0" / "1"
    data = bytearray(chunk.read_bytes())
    if damage in ("remove", "pipe", "link"):
        chunk.unlink()
    if damage == "pipe":
        os.mkfifo(chunk)
    elif damage == "link":
        chunk.symlink_to(path / "c" / "0" / "0")
    elif damage != "remove":
        data[1000] ^= 1
        chunk.write_bytes(data if damage == "flip" else data[:-1])
    assert existing(path).state() == ([tile for tile in store.digests if tile != (0, 1)], [], [(0, 1)])
    fresh = open_gram(path)
    assert np.array_equal(fresh[:200, :200], WHOLE[:200, :200])  # of an undamaged tile
    with pytest.raises(StoreMismatch, match=r"\(0, 1\).*--resume"):
        fresh[300, 3]
    assert np.array_equal(gram(KERNEL, X, out=path, resume=True)[:], WHOLE)


def test_a_damaged_description_is_found_and_mended(store):
    path = store.store.layout.path
    (path / "zarr.json").write_text("{}")
    assert not all(finding.ok for finding in examine_store(path))
    gram(KERNEL, X, out=path, resume=True)
    assert all(finding.ok for finding in examine_store(path))
    assert zarr.open_array(path, mode="r").shape == (700, 700)


def test_damaged_manifests_and_plans(store):
    path = store.store.layout.path
    manifest = path / "quasintk" / "manifest-all"
    lines = manifest.read_bytes().splitlines()
    manifest.write_bytes(
        b"\n".join([lines[0], lines[1].replace(b"[", b"{"), b"\xff\xfe", *lines[2:-1], lines[-1][:-9]])
    )
    assert len(existing(path).committed()) == len(lines) - 2
    assert np.array_equal(gram(KERNEL, X, out=path, resume=True)[:], WHOLE)
    assert len(existing(path).committed()) == len(lines)
    plan = path / "quasintk" / "plan.json"
    text = plan.read_text()
    changed = [text.replace(f'"{name}": {value}', f'"{name}": {other}') for name, value, other in FLIPS]
    for damaged in ("", "{}", "[1]", "[" * 100_000, *changed):
        assert damaged != text
        plan.write_text(damaged)
        with pytest.raises(StoreMismatch, match=r"plan\.json"):
            open_gram(path)


FLIPS = [
    ("format", "1", "2"),
    ("n", "700", "701"),
    ("tile", "256", "512"),
    ("dtype", '"float64"', '"float32"'),
]


def test_a_lost_plan(store, monkeypatch):
    """Lines of a manifest are bound to their plan: nobody else's tiles are taken."""
    path = store.store.layout.path
    (path / "quasintk" / "plan.json").unlink()
    with pytest.raises(StoreMismatch, match=r"lost its plan\.json"):
        gram(KERNEL, X[::-1], out=path, tile=256, resume=True)
    monkeypatch.setattr("numerics.job.Job.values", None)  # nothing is computed again
    assert np.array_equal(gram(KERNEL, X, out=path, tile=256, resume=True)[:], WHOLE)


def test_a_huge_file_in_a_tile_s_place_is_not_read(store):
    chunk = store.store.layout.path / "c" / "0" / "1"
    os.truncate(chunk, 2**40)
    assert existing(store.store.layout.path).state()[2] == [(0, 1)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["G.zarr", "G.npy"])
def test_an_error_at_every_operation(tmp_path, monkeypatch, name, code):
    """Each run fails at one operation more, says so, and the next one completes it to the same bytes."""
    rows = X[:300]
    expected = gram(KERNEL, rows).tobytes()
    count, fail = [0], [0]

    def before(operation, path):
        count[0] += 1
        if count[0] == fail[0]:
            raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(files, "before", before)
    gram(KERNEL, rows, out=tmp_path / f"clean-{name}", tile=256)
    operations = count[0]
    assert operations > 40
    for k in range(1, operations + 1):
        path = tmp_path / f"{k}-{name}"
        count[0], fail[0] = 0, k
        with pytest.raises(OSError, match=os.strerror(code)):
            gram(KERNEL, rows, out=path, tile=256)
        fail[0] = 0
        assert np.asarray(gram(KERNEL, rows, out=path, tile=256, resume=True)).tobytes() == expected, k


def test_a_full_disk_is_found_before_anything_is_computed(tmp_path, monkeypatch):
    def before(operation, path):
        if operation == "reserve" and path.name == "2.part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "before", before)
    monkeypatch.setattr("numerics.job.Job.values", None)
    with pytest.raises(OSError, match=r"no room for 6 tiles.*No space left"):
        gram(KERNEL, X, out=tmp_path / "G.zarr", tile=256)
    assert not list(tmp_path.rglob("*.part"))


def test_links_are_not_followed(tmp_path, store):
    path = store.store.layout.path
    (path / "quasintk" / "manifest-all").rename(tmp_path / "elsewhere")
    (path / "quasintk" / "manifest-all").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="manifest-all"):
        open_gram(path)


@pytest.mark.parametrize("name", ["G.zarr", "G.npy"])
def test_folders_may_be_links(tmp_path, name):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert np.asarray(gram(KERNEL, X, out=tmp_path / "link" / name)).tobytes() == WHOLE.tobytes()


def test_estimates(tmp_path):
    found = estimate(job_of(KERNEL, X, tmp_path / "G.zarr", np.dtype(np.float32), tile=256))
    assert (found.tiles, found.bytes) == (6, 6 * 256**2 * 4)
    assert (
        estimate(job_of(KERNEL, X, tmp_path / "G.zarr", np.dtype(float), tile=256, full=True)).bytes
        == 9 * 256**2 * 8
    )
    assert estimate(job_of(KERNEL, X, tmp_path / "G.npy", np.dtype(float))).bytes == 700**2 * 8
    assert 0 < found.seconds < 10
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"out": "G.zarr", "tile": 100}, ValueError, "multiple of 256"),
        ({"out": "G.zarr", "tile": 2**40}, NotEnoughMemory, "tiles of 1099511627776 rows"),
        ({"out": "G.zarr", "memory": "1MB"}, NotEnoughMemory, "more than memory"),
        ({"tile": 256}, ValueError, "give out="),
        ({"resume": True}, ValueError, "give out="),
        ({"cluster": "local:2"}, ValueError, "give out="),
        ({"out": "G.zarr", "cluster": "nowhere"}, ValueError, "local:N"),
        ({"out": "G.zarr", "cluster": "tcp://x"}, ValueError, "tcp://host:port"),
        ({"out": "G.zarr", "cluster": "tcp://127.0.0.1:99999"}, ValueError, "tcp://host:port"),
        ({"out": "G.zarr", "cluster": "file:missing.json"}, qn.errors.ClusterError, "dask scheduler"),
        ({"out": [1]}, TypeError, "list"),
    ],
)
def test_refusals(tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        gram(KERNEL, X, **arguments)


def test_no_rows(tmp_path):
    with pytest.raises(ValueError, match="no rows"):
        gram(KERNEL, X[:0], out=tmp_path / "G.zarr")


def test_the_plan_is_readable(store):
    plan = json.loads((store.store.layout.path / "quasintk" / "plan.json").read_text())
    assert (plan["n"], plan["features"], plan["tile"], plan["dtype"]) == (700, 5, 256, "float64")


@pytest.mark.slow
def test_20_000_rows_in_little_memory(tmp_path):
    """The process grows by less than 1 GB while 0.84 GB of tiles are written; the bytes are those of memory."""
    code = (
        "import resource, sys, numpy as np, quasintk as qn;"
        "X = np.random.default_rng(0).normal(size=(20000, 10)).astype('f4'); kernel = qn.kernel('relu', depth=2); kernel(X[:600]);"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024; before = peak();"
        "qn.gram(kernel, X, out=sys.argv[1]); print(peak() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "G.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10**9
    rows = np.random.default_rng(0).normal(size=(20000, 10)).astype(np.float32)
    whole, stored = gram(KERNEL, rows), open_gram(tmp_path / "G.zarr")
    for start in range(0, 20000, 4096):
        part = slice(start, min(start + 4096, 20000))
        assert np.array_equal(stored[part], whole[part])

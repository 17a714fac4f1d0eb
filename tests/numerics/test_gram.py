"""gram(): where the result goes, and what is refused."""

import os
import subprocess
import sys

import numpy as np
import pytest
from gram_errors import off
from numpy.lib.stride_tricks import as_strided

from derive.activation import Activation
from derive.errors import NotEnoughMemory
from numerics import memory
from numerics.gram import gram
from quasintk.pipeline import kernel

KERNEL = kernel("relu", depth=2)
X = np.random.default_rng(0).normal(size=(300, 5))


def test_every_destination_holds_the_same_bits(tmp_path):
    expected = KERNEL(X)
    out = np.empty((300, 300))
    assert np.shares_memory(gram(KERNEL, X, out=out), out)
    assert np.array_equal(out, expected)
    assert np.array_equal(gram(KERNEL, X, out=tmp_path / "G.npy"), expected)
    assert np.array_equal(np.load(tmp_path / "G.npy", allow_pickle=False), expected)
    assert os.listdir(tmp_path) == ["G.npy"]
    single = gram(KERNEL, X, dtype="float32")
    assert single.dtype == np.float32
    assert off(single, expected) < 1e-6  # a polynomial to 1e-7 and 4 eps, of cosines to 1 eps
    assert np.array_equal(gram(KERNEL, X, get="nngp"), KERNEL(X, get="nngp"))


def test_any_number_of_threads_gives_the_same_bits():
    """The affinity of this process decides on the number of threads."""
    code = (
        "import os, sys, numpy as np; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]);"
        "from quasintk.pipeline import kernel; X = np.random.default_rng(0).normal(size=(300, 5));"
        "sys.stdout.buffer.write(kernel('relu', depth=2)(X).tobytes())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout == KERNEL(X).tobytes()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"out": np.zeros((3, 3))}, ValueError, r"shape \(300, 300\)"),
        ({"out": np.zeros((300, 300), np.float32)}, ValueError, "dtype float64"),
        ({"out": "G.zip"}, ValueError, r"ending in \.npy"),
        ({"out": "no/such/folder/G.npy"}, FileNotFoundError, "does not exist"),
        ({"out": np.broadcast_to(np.zeros(1), (300, 300))}, ValueError, "read-only"),
        ({"out": as_strided(np.zeros(900), (300, 300), (8, 16))}, ValueError, "share memory"),
        ({"dtype": "int32"}, ValueError, "float32 or float64"),
        ({"dtype": "foo"}, ValueError, "float32 or float64, got 'foo'"),
        ({"out": "G.zarr", "shard": (5, 2)}, ValueError, r"from 1 to N, got \(5, 2\)"),
        ({"get": ("ntk", "nngp")}, ValueError, "get must be one of"),
        ({"memory": "100KB"}, NotEnoughMemory, "more than memory='100KB' allows"),
        ({"memory": "much"}, ValueError, "must read like '4GB'"),
        ({"memory": "0GB"}, ValueError, "must read like '4GB'"),
        ({"get": "p"}, ValueError, "get must be one of"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refusals(options, error, message):
    with pytest.raises(error, match=message):
        gram(KERNEL, X, **options)


def test_a_result_beyond_the_machine_is_refused_before_it_is_allocated():
    rows = np.zeros((10**6, 1))  # 8 TB
    with pytest.raises(NotEnoughMemory, match="available"):
        gram(KERNEL, rows, memory=None)
    with pytest.raises(NotEnoughMemory, match="available"):
        KERNEL(rows)


@pytest.mark.parametrize(
    ("text", "count"), [("4GB", 4 * 10**9), ("1.5 k", 1500), ("7", 7), (12, 12), ("2TB", 2 * 10**12)]
)
def test_bytes(text, count):
    assert memory.parse_bytes(text) == count


def test_a_failing_write_leaves_nothing_behind(tmp_path):
    """The target is a folder: the last rename fails."""
    (tmp_path / "G.npy").mkdir()
    with pytest.raises(OSError, match=r"G\.npy"):
        gram(KERNEL, X[:4], out=tmp_path / "G.npy")
    assert os.listdir(tmp_path) == ["G.npy"]


@pytest.mark.parametrize("name", ["gelu", "elu", "hardtanh", "tanh"])
def test_bytes_do_not_depend_on_which_row_goes_first(name):
    """Formulas and series that are not symmetric in floating point."""
    one, rng = kernel(name, weights="ternary", b_std="0.3"), np.random.default_rng(5)
    rows = rng.normal(size=(300, 6)) * rng.uniform(0.5, 2, (300, 1))
    whole, order = one(rows), rng.permutation(300)
    assert np.array_equal(one(rows[order]), whole[np.ix_(order, order)])
    assert np.array_equal(one(rows[5:20], rows), whole[5:20])
    assert np.array_equal(one(rows, rows[5:20]), whole[:, 5:20])
    assert np.array_equal(one(rows[270:], rows[:9]), one(rows[:9], rows[270:]).T)


@pytest.mark.parametrize("name", ["i", "x_0", "values"])
def test_parameters_may_have_the_names_of_loops(name):
    """Of variables in generated code."""
    one, other = (
        kernel(Activation(f"max(x, 0) + {one}*min(x, 0)", **{one: 0.25}), weights="real", b_std="0.3")
        for one in (name, "slope")
    )
    assert np.array_equal(one(X), other(X))

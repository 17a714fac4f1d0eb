"""Compiled modules between processes: the next one compiles nothing, and believes no damaged or foreign file."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
import numba.core.event as event
import numpy as np
import quasintk as qn

with event.install_recorder("numba:compile") as compiled:
    kernel = qn.kernel(sys.argv[1], depth=2, weights="binary", b_std=0.3)
    K = kernel(np.random.default_rng(0).standard_normal((9, 4)))
names = [at.data["dispatcher"].py_func for _, at in compiled.buffer if at.is_start]
print(json.dumps([K.tobytes().hex(), [f.__name__ for f in names if f.__module__.startswith("quasintk_generated")]]))
"""


@pytest.fixture
def run(tmp_path):
    """Run PROGRAM in a process of its own: the matrix' bytes, and which generated functions were compiled."""

    def go(activation, **more):
        environment = {**os.environ, "QUASINTK_CACHE": str(tmp_path / "cache"), **more}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, activation], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return go


def codes(tmp_path):
    """The files that hold machine code."""
    return [
        path
        for path in (tmp_path / "cache").iterdir()
        if json.loads(path.read_text())["kind"] == "machine code"
    ]


@pytest.mark.parametrize("activation", ["erf", "tanh"])
def test_the_next_process_compiles_nothing(run, activation):
    first, second = run(activation), run(activation)
    assert first[0] == second[0]
    assert "fill" in first[1]
    assert second[1] == []


def test_options_of_the_compiler_are_no_hit(run):
    first = run("erf")
    checked = run("erf", NUMBA_BOUNDSCHECK="0" if os.environ.get("NUMBA_BOUNDSCHECK") == "1" else "1")
    assert "fill" in checked[1]
    assert checked[0] == first[0]
    assert run("erf")[1] == []


def test_without_a_cache_nothing_is_stored(run, tmp_path):
    assert "fill" in run("erf", QUASINTK_CACHE="off")[1]
    assert not (tmp_path / "cache").exists()


DAMAGES = {
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one character": lambda path: path.write_bytes(path.read_bytes().replace(b'text":"c', b'text":"d')),
    "others may write it": lambda path: path.chmod(0o622),
    "another build's": lambda path: replace_text(path, "c-jLMK"),
}


def replace_text(path, text):
    """A whole record, with a checksum, of something that is no machine code."""
    record = json.loads(path.read_text())
    record |= {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    path.write_text(json.dumps(record, separators=(",", ":")))


def test_what_is_damaged_or_foreign_is_compiled_again(run, tmp_path):
    first = run("erf")
    assert len(codes(tmp_path)) == 2  # rows, fill
    for name, damage in DAMAGES.items():
        for path in codes(tmp_path):
            damage(path)
        again = run("erf")
        assert again[0] == first[0], name
        assert set(again[1]) == set(first[1]), name
    assert run("erf")[1] == []


def test_without_a_writable_folder_numba_gets_one_of_its_own(tmp_path):
    """As in a container with a read-only installation and no home."""
    code = (
        "import os; os.access = lambda *_: False; import numpy as np; from numerics.blocks import squared_norms;"
        "print(os.environ['NUMBA_CACHE_DIR'], len(os.listdir(os.environ['NUMBA_CACHE_DIR'])), squared_norms(np.ones((2, 3))))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    folder, count, *values = done.stdout.split()
    assert int(count) > 0
    assert values == ["[1.", "1.]"]
    assert not os.path.exists(folder)

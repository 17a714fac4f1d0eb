"""Import and `--help` stay quick: heavy imports are lazy."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("sympy", "mpmath", "numpy", "scipy", "numba", "hypothesis", "matplotlib", "rich")
ALLOWED = 0.3
"""Seconds over a bare interpreter's start."""


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-c", "import quasintk"], [str(Path(sys.executable).parent / "quasintk"), "--help"]],
    ids=["import", "--help"],
)
def test_startup(command):
    """Median of seven differences, taken in turns with a bare start."""
    bare = [sys.executable, "-c", "pass"]
    seconds(command)
    differences = [seconds(command) - seconds(bare) for _ in range(7)]
    assert statistics.median(differences) < ALLOWED


def test_importing_quasintk_imports_nothing_heavy():
    code = f"import sys, quasintk; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

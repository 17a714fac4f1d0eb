"""The pytest plugin and quasintk.testing, in sessions of their own as a user starts them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANSWER = '''\
"""verify answers at once: FAIL against another network, else with a precision of 0.43 %."""
import pytest

def answer(kernel, seed, budget, against, margin, alpha, beta):
    from verify.report import Certificate, Check
    status = "FAIL" if against else "INCONCLUSIVE" if margin else "PASS"
    margin = margin or 0.005
    check = Check("network", "ntk(x0, x1)", 1.0, 1.1, 1e-3, 0.0043, 12.0, status, 64, margin)
    return Certificate(status, (check,), repr(kernel), f"{budget}, {seed}", margin, alpha, beta, 64, seed, 1.0, "-", "-")

@pytest.fixture(autouse=True)
def answered(monkeypatch):
    monkeypatch.setattr("verify.assertion.verify", answer)
'''
TESTS = """\
import pytest
from hypothesis import given, settings, strategies as st
from quasintk import mlp
from quasintk.testing import assert_kernel_matches

@pytest.mark.parametrize("name", ["relu", "abs"])
def test_one(name):
    print(assert_kernel_matches(name))

def test_wrong():
    assert_kernel_matches("relu", mlp("abs"))

def test_coarse():
    assert_kernel_matches("relu", margin=0.001)

@settings(max_examples=5, database=None, derandomize=True)
@given(st.integers(1, 1000))
def test_many(n):
    assert_kernel_matches("relu", W_std=n)

def test_unrelated():
    pass
"""


def session(folder, *options, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    unset = ("QUASINTK_BUDGET", "QUASINTK_SEED", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250)


def summary(done):
    """Lines of the section, by test."""
    section = re.search(r"=+ kernels checked by quasintk =+\n(.*?)\n=+ ", done.stdout, re.DOTALL)
    return dict(line.split(": ", 1) for line in section[1].splitlines()) if section else {}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_the_summary_lists_every_certificate(workers, tmp_path):
    done = session(tmp_path, *workers, conftest=ANSWER, test_own=TESTS)
    assert "2 failed, 4 passed" in done.stdout
    assert "quasintk 0.1.0" in done.stdout
    lines = summary(done)
    kernel = "<Kernel of Dense(binary) -> {} -> Dense(real)"
    assert lines.keys() == {
        f"test_own.py::{name}"
        for name in ("test_one[relu]", "test_one[abs]", "test_wrong", "test_coarse", "test_many")
    }
    passed = lines["test_own.py::test_one[abs]"]
    assert passed.startswith("PASS, no deviation above 0.43 % of sqrt(K(x,x)K(y,y)) could have hidden; ")
    assert kernel.format("abs") in passed
    assert lines["test_own.py::test_wrong"].startswith("FAIL, 1 of 1 checks contradict the kernel; ")
    assert lines["test_own.py::test_coarse"].startswith(
        "INCONCLUSIVE, 1 of 1 checks are undecided: deviations up to"
    )
    assert lines["test_own.py::test_many"].startswith(
        "5 kernels, 0 not passed; worst: PASS, no deviation above"
    )
    assert "VerificationFailed: the kernel is wrong: ntk(x0, x1), at the gate 'network'" in done.stdout
    assert "VerificationFailed: not shown: precision 0.43 % attained, 0.1 % asked" in done.stdout
    # The caller's line is shown, not the assertion's own.
    assert not re.search(r"^\S*verify/assertion\.py:\d+: ", done.stdout, re.MULTILINE)
    assert re.search(r"^test_own\.py:\d+: VerificationFailed$", done.stdout, re.MULTILINE)


def test_the_options_are_the_defaults_of_the_assertion(tmp_path):
    """In pytest-xdist's workers too, which is the harder case."""
    ours = """\
from quasintk.testing import assert_kernel_matches

def test_default():
    certificate = assert_kernel_matches("relu")
    assert (certificate.against, certificate.seed) == ("90s, 12", 12)

def test_given():
    assert assert_kernel_matches("relu", budget=3, seed=4).against == "3, 4"
"""
    options = ("-n", "2", "--quasintk-budget", "90s", "--quasintk-seed", "12")
    done = session(tmp_path, *options, conftest=ANSWER, test_own=ours)
    assert "2 passed" in done.stdout
    assert "quasintk 0.1.0, budget 90s, seed 12" in done.stdout
    assert summary(done).keys() == {"test_own.py::test_default", "test_own.py::test_given"}


def test_a_session_in_which_all_passes_has_its_section_too(tmp_path):
    ours = "from quasintk.testing import assert_kernel_matches\n\ndef test_a():\n    assert_kernel_matches('relu')\n"
    assert summary(session(tmp_path, conftest=ANSWER, test_own=ours)).keys() == {"test_own.py::test_a"}


def test_the_options_end_with_their_session(tmp_path):
    """A session run by a program leaves the program's environment as it was."""
    inner = "import os\n\ndef test_inner():\n    assert os.environ['QUASINTK_SEED'] == '7'\n"
    (tmp_path / "test_inner.py").write_text(inner)
    code = "import os, pytest\nos.environ.pop('QUASINTK_SEED', None)\n"
    code += "code = pytest.main(['-p', 'no:cacheprovider', '--quasintk-seed', '7', 'test_inner.py'])\n"
    code += "print('LEFT', int(code), os.environ.get('QUASINTK_SEED'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "LEFT 0 None"


def test_a_session_without_kernels_has_no_section_and_imports_nothing(tmp_path):
    unrelated = "import sys\n\ndef test_unrelated():\n    assert not {'derive', 'numerics', 'sympy', 'numba'} & set(sys.modules)\n"
    done = session(tmp_path, "--quasintk-budget", "5s", test_own=unrelated)
    assert done.returncode == 0, done.stdout
    assert "kernels checked" not in done.stdout


def test_a_folder_with_its_own_verify_derive_and_numerics_runs_its_tests(tmp_path):
    own = """\
import derive, numerics, verify

def test_own():
    assert derive.answer + numerics.answer + verify.answer == 6
"""
    files = dict.fromkeys(("derive", "numerics", "verify"), "answer = 2\n")
    done = session(tmp_path, "-n", "1", "--quasintk-seed", "1", test_own=own, **files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_in_such_a_folder_the_assertion_names_the_intruder(tmp_path):
    done = session(
        tmp_path, verify="answer = 2\n", test_own="from quasintk.testing import assert_kernel_matches\n"
    )
    assert "quasintk needs its own package 'verify'" in done.stdout


def test_testing_is_cheap_to_import_and_needs_no_pytest(tmp_path):
    code = "import sys; sys.modules['pytest'] = None; import quasintk.testing as t\n"
    code += "heavy = {'sympy', 'numpy', 'numba', 'hypothesis', 'derive', 'verify'} & set(sys.modules)\n"
    code += "from quasintk.testing import assert_kernel_matches, strategies\n"
    code += "print(heavy, strategies.__name__, assert_kernel_matches.__name__, {*t.__all__} <= {*dir(t)})\n"
    code += "try:\n    t.nothing\nexcept AttributeError as e:\n    print(e)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "set() verify.strategies assert_kernel_matches True",
        "module 'quasintk.testing' has no attribute 'nothing'",
    ], done.stderr

"""Journey: your own activation in your own test suite, by the plugin and the strategies."""

import pytest

TESTS = """\
from pathlib import Path

import numpy as np
import quasintk as qn
from hypothesis import given, settings
from quasintk.testing import assert_kernel_matches, strategies



def test_everything_comes_from_the_wheel():
    assert all(Path(PREFIX) in Path(module.__file__).parents for module in (qn, strategies))


def test_my_activation():
    certificate = assert_kernel_matches("x/(1 + exp(-2*x)) + 1", b_std=0.1, margin=0.05, budget="60s")
    assert certificate.networks > 0


def test_a_wrong_claim():
    claimed = qn.kernel("relu").with_parameters(latent_fraction=0.34)
    assert_kernel_matches(claimed, against=qn.mlp("relu"))


@settings(max_examples=2, deadline=None, database=None)
@given(strategies.weight_laws(), strategies.data_sets(max_rows=4, max_features=2))
def test_any_rounding(law, X):
    K = qn.kernel("relu", weights=law)(X)
    assert np.array_equal(K, K.T)
"""


def session(installed, folder, *arguments):
    return installed.run(
        "python", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments, cwd=folder
    )


@pytest.mark.timeout(300)
def test_plugin_and_strategies_in_somebody_s_suite(installed, tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS.replace("PREFIX", repr(str(installed.prefix))))
    done = session(installed, tmp_path, "-W", "error")
    assert "1 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    assert "quasintk 0.1.0" in done.stdout
    assert (
        "VerificationFailed: the kernel is wrong: m behind dense 1, at the gate 'quadrature'" in done.stdout
    )
    for part in (
        "Dense(binary) -> relu",
        "claimed",
        "estimate",
        "evidence",
        "run again    qn.verify(kernel, seed=",
    ):
        assert part in done.stdout
    section = done.stdout.partition("kernels checked by quasintk")[2]
    assert "test_mine.py::test_my_activation: PASS, no deviation above" in section
    assert "test_mine.py::test_a_wrong_claim: FAIL" in section


def test_a_user_s_own_verify_py_breaks_nothing(installed, tmp_path):
    (tmp_path / "verify.py").write_text("answer = 2\n")
    (tmp_path / "test_own.py").write_text("import verify\n\ndef test_own():\n    assert verify.answer == 2\n")
    done = session(installed, tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr

"""assert_kernel_matches: what it asks of verify, what it says when it fails, and both for real."""

import dataclasses
import hashlib
import math
import os
import re
import subprocess
import sys

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.errors import DerivationError, VerificationFailed
from derive.network import mlp
from quasintk.pipeline import kernel
from verify import assertion
from verify.assertion import assert_kernel_matches
from verify.report import Certificate, Check

CHECK = Check(
    "layer", "ntk(x0, x1) behind activation 2", 0.182231, 0.19026, 9.2e-5, 0.0043, 12.5, "PASS", 40960, 0.005
)
EXACT = Check("quadrature", "m(x0, x0) behind activation 1", 0.25, 0.24, 0.0, 1e-11, 0.0, "PASS")


@pytest.fixture
def asked(monkeypatch):
    """Puts in place of `verify` what answers at once, and gives what it was asked and will answer."""
    state = {"checks": (CHECK,), "calls": []}

    def answer(kernel, **options):
        state["calls"].append({"kernel": kernel, **options})
        statuses = [check.status for check in state["checks"]]
        status = next((s for s in ("FAIL", "INCONCLUSIVE") if s in statuses), "PASS")
        known = {name: options[name] for name in ("alpha", "beta", "seed")} | {
            "margin": options["margin"] or 0.005
        }
        return Certificate(
            status=status, checks=state["checks"], kernel="Kernel of a -> b", against="its own network",
            networks=1234, seconds=2.5, rerun="quasintk verify a", version="0", **known,
        )  # fmt: skip

    monkeypatch.setattr(assertion, "verify", answer)
    monkeypatch.delenv("QUASINTK_BUDGET", raising=False)
    monkeypatch.delenv("QUASINTK_SEED", raising=False)
    return state


@pytest.mark.parametrize(
    ("argument", "options", "network"),
    [
        ("relu", {}, mlp("relu")),
        ("max(x, 0)", {"depth": 2, "weights": "ternary", "W_std": 1.5, "b_std": 0.5},
         mlp("max(x, 0)", depth=2, weights="ternary", W_std=1.5, b_std=0.5)),
        (sympy.Symbol("x") ** 2, {}, mlp("x**2")),
        (mlp("relu", depth=2), {}, mlp("relu", depth=2)),
        (kernel("relu", depth=2), {}, mlp("relu", depth=2)),
    ],
    ids=["name", "options", "SymPy", "network", "kernel"],
)  # fmt: skip
def test_what_a_kernel_may_be(argument, options, network, asked):
    certificate = assert_kernel_matches(argument, **options)
    assert certificate.passed
    (call,) = asked["calls"]
    assert call["kernel"] == kernel(network)


def test_defaults_and_what_is_given(asked, monkeypatch):
    truth = mlp("erf")
    assert_kernel_matches("relu")
    assert_kernel_matches("relu", truth, margin=0.05, budget=7, seed=3, alpha=1e-3, beta=1e-4)
    monkeypatch.setenv("QUASINTK_BUDGET", "2m")
    monkeypatch.setenv("QUASINTK_SEED", "11")
    assert_kernel_matches("relu")
    plain, given_all, by_environment = asked["calls"]
    assert {k: plain[k] for k in ("against", "budget", "margin", "alpha", "beta")} == {
        "against": None, "budget": "20s", "margin": None, "alpha": 1e-9, "beta": 1e-9,
    }  # fmt: skip
    del given_all["kernel"]
    assert given_all == {
        "against": truth, "budget": 7, "margin": 0.05, "seed": 3, "alpha": 1e-3, "beta": 1e-4
    }  # fmt: skip
    assert (by_environment["budget"], by_environment["seed"]) == ("2m", 11)


def test_the_seed_is_a_hash_of_the_test_and_the_kernel(asked, request):
    one = kernel("relu")
    for claimed in (one, one, one.with_parameters(W_std=2)):
        assert_kernel_matches(claimed)
    seeds = [call["seed"] for call in asked["calls"]]
    content = f"{request.node.nodeid}\0{one.to_json()}".encode()
    assert seeds[0] == seeds[1] == int(hashlib.blake2b(content, digest_size=4).hexdigest(), 16)
    assert seeds[2] != seeds[0]


def test_the_seed_is_the_same_in_every_process():
    code = "from verify import assertion; from derive.derivation import derive_kernel; from derive.network import mlp\n"
    code += "from numerics.kernel import Kernel; print(assertion._seed(Kernel(derive_kernel(mlp('relu')))))"
    named = {"PYTEST_CURRENT_TEST": "tests/a.py::test_b[c (d)] (call)", "PYTHONHASHSEED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **named}, capture_output=True, text=True, check=True
    )
    content = f"tests/a.py::test_b[c (d)]\0{kernel('relu').to_json()}".encode()
    assert int(done.stdout) == int(hashlib.blake2b(content, digest_size=4).hexdigest(), 16)


def test_a_seed_variable_that_is_no_number(asked, monkeypatch):
    monkeypatch.setenv("QUASINTK_SEED", "soon")
    with pytest.raises(ValueError, match=r"QUASINTK_SEED must be an integer, got 'soon'"):
        assert_kernel_matches("relu")


@pytest.mark.parametrize("examples", [4, 7])
def test_inside_hypothesis_the_error_rates_are_those_of_the_whole_test(asked, examples):
    """Neither the profile's number of examples nor 1, but the running test's."""

    @settings(max_examples=examples)
    @given(st.integers(1, 1000))
    def run(n):
        assert_kernel_matches("relu", W_std=n, alpha=1e-3, beta=1e-6)

    assert settings.default.max_examples not in (1, examples)
    run()
    assert len(asked["calls"]) == examples
    for call in asked["calls"]:
        assert call["alpha"] * examples == pytest.approx(1e-3)
        assert call["beta"] * examples == pytest.approx(1e-6)
    assert_kernel_matches("relu", alpha=1e-3)
    assert asked["calls"][-1]["alpha"] == 1e-3


def failing(asked, *checks):
    asked["checks"] = checks
    recorded = []
    with pytest.raises(VerificationFailed) as caught:
        assert_kernel_matches("relu", seed=5, record=recorded.append)
    assert isinstance(caught.value, AssertionError)
    assert len(recorded) == 1
    return " ".join(str(caught.value).split())


def test_the_message_of_a_contradiction(asked, request):
    wrong = dataclasses.replace(CHECK, status="FAIL")
    message = failing(asked, EXACT, wrong, dataclasses.replace(wrong, name="p(x0, x1)", evidence=10.0))
    for part in (
        "the kernel is wrong: ntk(x0, x1) behind activation 2, at the gate 'layer'",
        "kernel Kernel of a -> b",
        "against its own network",
        "claimed 0.18223",
        "estimate 0.19026 +- 9.2e-05",
        "evidence 1 in 10^12.5 if the claim held",
        "margin 0.5 %; smallest detectable error 0.43 %",
        "seed 5, 1234 networks",
        "also failed 1 more: p(x0, x1)",
        "run again quasintk verify a",
        "--quasintk-seed 5",
        request.node.nodeid,
    ):
        assert part in message


def test_a_deterministic_contradiction_has_no_odds(asked):
    message = failing(asked, dataclasses.replace(EXACT, status="FAIL"))
    assert "estimate 0.24 evidence exact, no chance" in message


def test_the_message_of_a_budget_that_ended_first(asked):
    message = failing(asked, EXACT, dataclasses.replace(CHECK, status="INCONCLUSIVE", detectable=0.019))
    assert "not shown: precision 1.9 % attained, 0.5 % asked; raise the budget" in message
    assert "or the margin (margin=0.02)" in message
    unknown = failing(asked, dataclasses.replace(CHECK, status="INCONCLUSIVE", detectable=math.inf))
    assert "no precision attained" in unknown
    unsampled = dataclasses.replace(EXACT, status="INCONCLUSIVE", detectable=1.0)
    assert "no budget decides 'm(x0, x0) behind activation 1'" in failing(asked, unsampled)


def test_the_suggested_margin_suffices(asked):
    for detectable in (0.00512, 0.0101, 0.0349, 0.0951):
        message = failing(asked, dataclasses.replace(CHECK, status="INCONCLUSIVE", detectable=detectable))
        assert float(re.search(r"margin=([0-9.]+)\)", message)[1]) >= detectable


def test_what_is_no_kernel_or_has_none(asked):
    with pytest.raises(TypeError, match="Options depth belong to an activation; a Kernel has its own"):
        assert_kernel_matches(kernel("relu"), depth=2)
    with pytest.raises(TypeError, match="a Network has its own"):
        assert_kernel_matches(mlp("relu"), weights="real")
    with pytest.raises(DerivationError, match="infinite"):
        assert_kernel_matches("exp(x**2)")
    assert asked["calls"] == []


def test_a_kernel_that_is_right_passes():
    certificate = assert_kernel_matches("relu", margin=0.05, budget=60)
    assert certificate.passed
    assert certificate.detectable <= 0.05
    assert certificate.networks > 0


def test_a_kernel_that_is_wrong_by_two_percent_fails():
    """r = 0.34 in place of 1/3."""
    wrong = kernel("relu").with_parameters(latent_fraction=0.34)
    with pytest.raises(VerificationFailed, match="the kernel is wrong"):
        assert_kernel_matches(wrong, mlp("relu"), budget=60)

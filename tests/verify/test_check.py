"""verify(): correct kernels pass, three mutations fail, and the width's bias is what the tolerance allows."""

import dataclasses
import hashlib

import numpy as np
import pytest
import sympy

from derive.certificate import certify
from derive.dual import dual_activation
from derive.errors import CertificateError
from derive.formulas import closed_ir
from derive.lower import lower
from derive.network import mlp
from derive.recursion import unroll
from derive.weights import WeightLaw
from numerics.kernel import Kernel
from quasintk.pipeline import kernel
from verify.check import verify
from verify.sampler import sample

BUDGET = 90
"""Seconds; about four times what an idle two-core machine takes."""
BIAS_FREE = mlp("relu", depth=3, weights="binary", W_std=2**0.5)
BIASED = mlp("relu", depth=3, weights="binary", W_std=2**0.5, b_std=0.3)


def seed_of(request):
    return int.from_bytes(hashlib.blake2b(request.node.nodeid.encode(), digest_size=4).digest())


def swapped(activation):
    dual = dual_activation(activation)
    return dataclasses.replace(dual, phi=dual.dphi, dphi=dual.phi)


def swapped_kernel():
    (activation,) = {layer for layer in BIASED.layers if not hasattr(layer, "law")}
    return Kernel(lower(BIASED, unroll(BIASED, swapped), {activation.name: closed_ir(swapped(activation))}))


MUTANTS = {
    "kappa and kappa_dot swapped": (swapped_kernel, BIASED),
    "bias dropped": (lambda: kernel(BIASED).with_parameters(b_std=0), BIASED),
    "r = 0.34": (lambda: kernel(BIAS_FREE).with_parameters(latent_fraction=0.34), BIAS_FREE),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutation_fails(name, request):
    make, truth = MUTANTS[name]
    certificate = verify(make(), seed=seed_of(request), budget=BUDGET, against=truth)
    assert certificate.status == "FAIL"
    assert not certificate.passed
    assert max(check.evidence for check in certificate.checks) >= 9


def test_a_mutation_fails_the_deterministic_gates_too():
    """The swap gets no certificate; all three miss the value of the truth by far more than 1e-11."""
    (activation,) = {layer for layer in BIASED.layers if not hasattr(layer, "law")}
    wrong = swapped(activation)
    forms = {name: getattr(wrong, name) for name in ("phi", "dphi", "phi_diagonal", "dphi_diagonal")}
    with pytest.raises(CertificateError):
        certify(activation, (sympy.Integer(0),), forms)
    X = np.array([[1.0, 0.2], [0.3, -0.8]])
    for make, truth in MUTANTS.values():
        assert not np.allclose(make()(X), kernel(truth)(X), rtol=1e-3)


@pytest.mark.parametrize(
    "network",
    [BIASED, mlp("relu", depth=2, weights="ternary", b_std=0.2), mlp("abs", weights=WeightLaw("0.7"))],
    ids=["binary, depth 3", "ternary", "abs, r = 0.7"],
)
def test_a_correct_kernel_passes(network, request):
    certificate = verify(kernel(network), seed=seed_of(request), budget=BUDGET)
    assert certificate.passed, str(certificate)
    first = [check for check in certificate.checks if check.name[0] in "PM"]
    assert len(first) == 6
    assert max(check.detectable for check in first) <= 0.01
    assert certificate.detectable <= 0.04


def test_too_small_a_budget_is_inconclusive_and_never_a_pass():
    certificate = verify(kernel(BIASED), budget=0.001)
    assert certificate.status == "INCONCLUSIVE"
    assert "smallest detectable error" in str(certificate)


@pytest.mark.parametrize("budget", ["soon", 0, -1, "0s", True, float("nan")])
def test_budgets_that_cannot_be_read(budget):
    with pytest.raises(ValueError, match="budget must be"):
        verify(kernel(BIASED), budget=budget)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**63])
def test_seeds_that_cannot_be_used(seed):
    with pytest.raises(ValueError, match="seed must be"):
        verify(kernel(BIASED), seed=seed)


@pytest.mark.slow
def test_richardson_leaves_less_bias_than_the_tolerance():
    """Widths 64 and 128, three binary ReLU layers: bias below the tolerance 2e-3 by at least three standard errors."""
    X = np.array([[1.4, 0.0], [0.5, 0.9]])
    rounding, nngp, ntk = kernel(BIASED)(X, get=("rounding", "nngp", "ntk"))
    count = 400_000
    narrow, wide = sample(BIASED, X, 64, count, seed=1), sample(BIASED, X, 128, count // 2, seed=2)
    for low, high, K in (
        (narrow.p, wide.p, rounding + nngp),
        (narrow.m, wide.m, nngp),
        (narrow.ntk, wide.ntk, ntk),
    ):
        scale = np.array([np.sqrt(K[i, i] * K[j, j]) for i, j in wide.pairs])
        claimed = np.array([K[i, j] for i, j in wide.pairs])
        bias = (2 * high.mean(axis=0) - low.mean(axis=0) - claimed) / scale
        error = np.sqrt(4 * high.var(axis=0) / len(high) + low.var(axis=0) / len(low)) / scale
        assert (np.abs(bias) <= 2e-3 + 3 * error).all()
        assert (error < 2.5e-3).all()


@pytest.mark.parametrize("text", ["sign", "tanh(x) + sign(x)"])
def test_an_ntk_with_point_masses_is_not_called_wrong(text, request):
    """Sampled gradients do not see the jump: p and m are checked, the NTK is left undecided."""
    certificate = verify(kernel(text), seed=seed_of(request), budget=8)
    assert certificate.status == "INCONCLUSIVE"
    assert "ntk (phi jumps: no sample)" in str(certificate)
    assert "FAIL" not in str(certificate)

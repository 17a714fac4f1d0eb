"""verify(): correct kernels pass with the precision they state, wrong ones fail, and too little is no pass."""

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
from derive.network import Dense, Network, mlp
from derive.recursion import unroll
from derive.weights import WeightLaw
from numerics.kernel import Kernel
from quasintk.pipeline import kernel
from verify.check import verify
from verify.claims import PAIRS
from verify.ensemble import LANES, ensemble
from verify.finite import RATIO

RELU = mlp("relu", depth=2, weights="binary")
BIASED = mlp("relu", depth=2, weights="binary", W_std=2**0.5, b_std=0.3)
BUDGET = 20
"""Seconds, whatever else the machine does: precision is asserted where it runs alone, in the slow tests."""


def seed_of(request):
    return int.from_bytes(hashlib.blake2b(request.node.nodeid.encode(), digest_size=4).digest())


def swapped(activation):
    dual = dual_activation(activation)
    return dataclasses.replace(dual, phi=dual.dphi, dphi=dual.phi)


def swapped_kernel():
    activation = BIASED.layers[1]
    return Kernel(lower(BIASED, unroll(BIASED, swapped), {activation.name: closed_ir(swapped(activation))}))


def scaled_outputs():
    """+0.5 % on everything, as a readout's W_std."""
    return kernel(RELU).with_parameters(W_std_out=1.005**0.5)


MUTANTS = {
    "kappa and kappa_dot swapped": (swapped_kernel, BIASED, "quadrature"),
    "bias dropped": (lambda: kernel(BIASED).with_parameters(b_std=0), BIASED, "quadrature"),
    "r = 0.34": (lambda: kernel(RELU).with_parameters(latent_fraction=0.34), RELU, "quadrature"),
    "+0.5 %": (scaled_outputs, RELU, "quadrature"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutation_fails(name, request):
    make, truth, gate = MUTANTS[name]
    certificate = verify(make(), seed=seed_of(request), budget=BUDGET, against=truth)
    assert certificate.status == "FAIL"
    assert not certificate.passed
    assert {check.gate for check in certificate.failed} == {gate}


@pytest.mark.parametrize("name", MUTANTS)
def test_sampling_alone_finds_a_mutation(name, request, monkeypatch):
    """Without the gates that are free of chance: single layers suffice, within 20 s."""
    monkeypatch.setattr("verify.check.quadrature_checks", lambda *_: [])
    monkeypatch.setattr("verify.check.code_checks", lambda *_: [])
    monkeypatch.setattr("verify.check.properties", lambda *_: ())
    make, truth, _ = MUTANTS[name]
    certificate = verify(make(), seed=seed_of(request), budget=BUDGET, against=truth)
    assert certificate.status == "FAIL"
    assert {check.gate for check in certificate.failed} == {"layer"}
    assert max(check.evidence for check in certificate.checks) >= 9
    assert certificate.seconds < 20 or name == "+0.5 %"


def test_networks_alone_find_a_wrong_depth(request):
    """Other layers than the truth's: only whole networks can be compared."""
    certificate = verify(kernel(RELU), seed=seed_of(request), budget=BUDGET, against=mlp("relu", depth=3))
    assert certificate.status == "FAIL"
    assert {check.gate for check in certificate.failed} == {"network"}
    assert not [check for check in certificate.checks if check.gate in ("quadrature", "layer")]


def test_a_mutation_gets_no_certificate_either():
    activation = BIASED.layers[1]
    wrong = swapped(activation)
    forms = {name: getattr(wrong, name) for name in ("phi", "dphi", "phi_diagonal", "dphi_diagonal")}
    with pytest.raises(CertificateError):
        certify(activation, (sympy.Integer(0),), forms)


@pytest.mark.parametrize(
    "network",
    [
        BIASED,
        mlp("tanh", weights="ternary", b_std=0.2),
        mlp("abs", weights=WeightLaw("0.7")),
        mlp("relu", weights="real", parameterization="latent"),
        Network([Dense("binary", b_std=0.5), Dense("real")]),
    ],
    ids=["relu, depth 2", "tanh, ternary", "abs, r = 0.7", "relu, real, latent", "linear"],
)
def test_a_correct_kernel_passes(network, request):
    """At 3 %, which is reached beside other work; the gates without chance are exact."""
    certificate = verify(kernel(network), seed=seed_of(request), budget=60, margin=0.03)
    assert certificate.passed, str(certificate)
    assert certificate.detectable <= 0.03 * (1 + 1e-6)
    gates = {
        gate: [c for c in certificate.checks if c.gate == gate] for gate in ("code", "quadrature", "property")
    }
    assert all(gates.values())
    assert max(check.detectable for check in [*gates["code"], *gates["quadrature"]]) <= 1e-6
    assert certificate.networks > 0


def test_a_kernel_passes_against_an_equal_network(request):
    certificate = verify(
        kernel(RELU), seed=seed_of(request), budget=60, margin=0.05, against=mlp("relu", depth=2)
    )
    assert certificate.passed, str(certificate)


def test_too_small_a_budget_is_inconclusive_and_never_a_pass():
    for margin in (None, 0.005):
        certificate = verify(kernel(BIASED), budget=0.001, margin=margin)
        assert certificate.status == "INCONCLUSIVE"
        assert not certificate.passed
        assert certificate.undecided


@pytest.mark.parametrize("text", ["sign", pytest.param("tanh(x) + sign(x)", marks=pytest.mark.slow)])  # 20 s
def test_an_activation_that_jumps(text, request):
    """Single layers sample kappa_dot by the score; whole networks leave the NTK out, whose gradients miss point masses."""
    certificate = verify(kernel(text), seed=seed_of(request), budget=60, margin=0.05)
    assert certificate.passed, str(certificate)
    assert any(check.gate == "layer" and check.name.startswith("ntk") for check in certificate.checks)
    assert not any(check.gate == "network" and check.name.startswith("ntk") for check in certificate.checks)


@pytest.mark.parametrize("text", ["x**3", "exp(x)", "max(x - 3, 0)"])
def test_tails_too_heavy_to_sample_are_left_open(text):
    """Rare events carry these kernels: averages would contradict them wrongly."""
    certificate = verify(kernel(text), budget=5)
    assert certificate.status == "INCONCLUSIVE", str(certificate)
    assert {check.gate for check in certificate.undecided} >= {"layer", "network"}
    assert not certificate.networks


@pytest.mark.parametrize("budget", ["soon", 0, -1, "0s", True, float("nan"), "1e400", "٣s"])
def test_budgets_that_cannot_be_read(budget):
    with pytest.raises(ValueError, match="budget must be"):
        verify(kernel(BIASED), budget=budget)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**63])
def test_seeds_that_cannot_be_used(seed):
    with pytest.raises(ValueError, match="seed must be"):
        verify(kernel(BIASED), seed=seed)


@pytest.mark.parametrize("name", ["margin", "alpha", "beta"])
@pytest.mark.parametrize("value", [0, -1, 0.7, True, "0.1", float("nan")])
def test_error_rates_that_cannot_be_used(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        verify(kernel(BIASED), **{name: value})


def test_what_is_no_kernel_or_network():
    with pytest.raises(TypeError, match="A kernel is needed"):
        verify("relu")
    with pytest.raises(TypeError, match="against must be a Network"):
        verify(kernel(BIASED), against=kernel(BIASED))


@pytest.mark.slow
def test_relu_passes_in_twenty_seconds_with_half_a_percent():
    """On two idle cores; the first call has compiled the sampler."""
    verify(kernel(RELU), budget=0.1)
    certificate = verify(kernel(RELU), seed=1, budget="20s", margin=0.005)
    assert certificate.passed, str(certificate)
    assert certificate.detectable <= 0.005 * (1 + 1e-6)
    assert certificate.seconds <= 25


BIASES = {
    "relu, depth 2": (RELU, 12, 1.5e-3),
    "erf, ternary, depth 2": (mlp("erf", depth=2, weights="ternary", b_std=0.2), 12, 1.5e-3),
    "gelu, depth 2": (mlp("gelu", depth=2), 12, 1.5e-3),
    "relu, depth 3, biases": (mlp("relu", depth=3, W_std=2**0.5, b_std=0.3), 24, 3e-3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BIASES)
def test_richardson_leaves_less_bias_than_the_tolerance(name):
    """p, m and the NTK of 200,000 wide networks (20,000 deep ones): within the tolerance and four standard errors."""
    network, width, tolerance = BIASES[name]
    X, pairs = np.array([[1.4, 0.0], [0.5, 0.9]]), np.array(PAIRS)
    count = LANES * (3200 if width == 12 else 320)
    wide = ensemble(network, X, pairs, RATIO * width, count, 7)
    narrow = sum(ensemble(network, X, pairs, width, count, 7, 0, width * i) for i in range(RATIO)) / RATIO
    found = (RATIO * wide - narrow) / (RATIO - 1)
    rounding, nngp, ntk = kernel(network)(X, get=("rounding", "nngp", "ntk"))
    for values, K in zip(found, (rounding + nngp, nngp, ntk), strict=True):
        scale = np.array([np.sqrt(K[i, i] * K[j, j]) for i, j in PAIRS])
        bias = (values.mean(axis=1) - np.array([K[p] for p in PAIRS])) / scale
        error = values.std(axis=1) / scale / np.sqrt(count)
        assert (np.abs(bias) <= tolerance + 4 * error).all()
        assert (error < 5e-3).all()

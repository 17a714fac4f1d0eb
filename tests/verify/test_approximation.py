"""Rounded networks beside the quasi network: what holds exactly, what fades with the width, what is only sampling."""

import numpy as np
import pytest
from scipy.stats import kstwo

from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from verify import approximation as module
from verify.approximation import Deviation, approximation, pre_activations
from verify.latents import sample_network
from verify.quasi import NeuronMoments, quasi_network

X = np.random.default_rng(1).normal(size=(4, 5))


@pytest.mark.parametrize("law", ["binary", "ternary", Levels(16), WeightLaw("0.6")], ids=str)
def test_rounding_is_unbiased_and_on_the_grid(law):
    """400,000 roundings: standard errors below 1 / sqrt(400,000) = 0.0016; five of them."""
    dense = Dense(law)
    w = np.random.default_rng(3).uniform(-1, 1, (1, 4))
    W = module._rounded(dense, w, 400_000, np.random.default_rng(0))
    assert np.isin(np.round(W, 12), np.round(np.linspace(-1, 1, dense.law.levels), 12)).all()
    assert np.abs(W - w).max() <= dense.law.step
    np.testing.assert_allclose(W.mean(axis=0), w, atol=0.008)


@pytest.mark.parametrize("law", ["binary", "ternary", Levels(16)], ids=str)
def test_first_two_layers_are_exact_but_for_sampling(law):
    """Errors in the sampling's own size: of 256 numbers, correlated, their root mean square varies by some 5 %."""
    network = mlp("relu", depth=2, weights=law, W_std=1.4, b_std=0.2)
    first, second, _ = approximation(sample_network(network, 64, 0), X, 2000, 0).layers
    for layer in (first, second):
        for name in ("nu", "sig2", "mu", "tau"):
            deviation = getattr(layer, name)
            assert 0.75 < deviation.error / deviation.sampling < 1.25, (layer.number, name)


def test_a_wrong_claim_is_seen():
    network = mlp("relu", W_std=1.4, b_std=0.2)
    latents = sample_network(network, 64, 0)
    u = pre_activations(latents, X, 4000, 1)[0]
    one = quasi_network(network, latents).moments(X)[0]
    wrong = NeuronMoments(one.nu, 1.1 * one.sig2, one.mu, 1.05 * one.tau)
    layer = module._compare(1, wrong, u, np.maximum(u, 0))
    assert layer.nu.excess < 0.01
    assert layer.sig2.excess == pytest.approx(1 - 1 / 1.1, abs=0.01)
    assert layer.tau.excess > 0.03
    assert layer.distance.error > layer.distance.sampling


def test_from_the_third_layer_on_variances_err_by_what_theory_says():
    """Section 2: relative error 0.56 / sqrt(n) for 16 levels, 0.07 at n = 64, from shared roundings."""
    network = mlp("relu", depth=3, weights=Levels(16), W_std=1.4, b_std=0.1)
    latents = [sample_network(network, 64, seed) for seed in range(4)]
    excess = [approximation(one, X[:2], 1500, 0).layers[2].sig2.excess for one in latents]
    assert 0.04 < np.mean(excess) < 0.12


def test_pre_activations_become_gaussian_with_the_width():
    """Beyond what sampling shows: much at 8 neurons, hardly anything at 128."""
    network = mlp("relu", depth=2, W_std=1.4, b_std=0.1)
    narrow, wide = ([layer.distance for layer in approximation(sample_network(network, width, 1), X, 3000, 2).layers[:2]]
                    for width in (8, 128))  # fmt: skip
    for few, many in zip(narrow, wide, strict=True):
        assert few.error > 1.3 * few.sampling
        assert many.error < 1.1 * many.sampling


def test_distance_and_variance_of_gaussian_samples():
    rng = np.random.default_rng(5)
    for R in (100, 1000):
        samples = rng.normal(size=(R, 20, 50))
        found = module.kolmogorov(2 * samples + 1, np.ones((20, 50)), np.full((20, 50), 4.0))
        assert found.sampling == pytest.approx(kstwo.mean(R), rel=1e-3)
        variance = module._of_variance(2 * samples + 1, np.full((20, 50), 4.0))
        assert variance.sampling == pytest.approx(np.sqrt(2 / (R - 1)), rel=0.05)  # the fourth moment's sd
        assert variance.error == pytest.approx(variance.sampling, rel=0.1)
        assert found.error == pytest.approx(found.sampling, rel=0.05)  # sd of one is 30 %, of 1000 1 %


def test_networks_are_as_numpy_writes_them():
    """A real network, where nothing is random."""
    network = Network([Dense("real", 1.3, 0.4), Activation("tanh"), Dense("real", 0.8)])
    latents = sample_network(network, 6, 0)
    first, last = pre_activations(latents, X, 3, 0)
    u = 1.3 * latents.lifted(X) @ latents.weights[0].T / np.sqrt(6) + 0.4 * latents.biases[0]
    for k in range(3):
        np.testing.assert_allclose(first[k], u, rtol=1e-12)
        np.testing.assert_allclose(last[k], 0.8 * np.tanh(u) @ latents.weights[1].T / np.sqrt(6), rtol=1e-12)
    report = approximation(latents, X, 3, 0)
    assert report.layers[0].nu.error < 1e-12
    assert str(report.layers[0].sig2) == str(report.layers[1].distance) == "-"


def test_report_reads_as_a_table_and_repeats():
    latents = sample_network(mlp("tanh"), 8, 0)
    report = approximation(latents, X, 50, 7, neurons=3)
    title, head, *lines = str(report).splitlines()
    assert title.startswith("width 8, 50 roundings")
    assert head.split() == ["layer", "nu", "sig2", "mu", "tau", "distance"]
    assert [line.split()[0] for line in lines] == ["1", "2"]
    assert (
        str(approximation(latents, X, 50, 7, neurons=3))
        == str(report)
        != str(approximation(latents, X, 50, 8))
    )
    assert Deviation(5.0, 3.0).excess == 4.0
    assert Deviation(3.0, 5.0).excess == 0.0


def test_chunks_cover_all_roundings(monkeypatch):
    latents = sample_network(mlp("relu"), 8, 0)
    monkeypatch.setattr(module, "CHUNK", 8 * 8 * 7)
    first, last = pre_activations(latents, X, 20, 0, neurons=2)
    assert first.shape == (20, 4, 2)
    assert last.shape == (20, 4, 1)
    assert len(np.unique(first[:, 0, 0])) > 10


def test_errors_say_what_to_do():
    latents = sample_network(mlp("relu"), 8, 0)
    with pytest.raises(ValueError, match=r"roundings must be an integer from 2 on, got 1"):
        approximation(latents, X, 1)
    with pytest.raises(ValueError, match=r"neurons must be an integer from 1 on, got 0"):
        approximation(latents, X, 10, neurons=0)

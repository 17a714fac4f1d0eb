"""Sampled networks: reproducible bits, the right rounding, and agreement with a network written in NumPy."""

import numpy as np
import pytest

from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from verify import sampler
from verify.sampler import sample

X = np.array([[1.0, 0.5], [-0.3, 1.2]])
RELU = mlp("relu", depth=2, W_std=1.3, b_std=0.2)


def test_numbers_depend_on_seed_and_number_only():
    whole = sample(RELU, X, 8, 200, seed=3)
    parts = [sample(RELU, X, 8, 77, seed=3), sample(RELU, X, 8, 123, seed=3, first=77)]
    assert np.array_equal(whole.ntk, np.concatenate([part.ntk for part in parts]))
    assert not np.array_equal(whole.ntk, sample(RELU, X, 8, 200, seed=4).ntk)
    wider = sample(RELU, X, 32, 200, seed=3).p[:, 0]  # at width 8 whole layers may be 0
    assert len(np.unique(wider)) == 200


@pytest.mark.parametrize(
    "law", ["binary", "ternary", Levels(4), Levels(16), WeightLaw("0.7"), "real"], ids=str
)
def test_rounding_is_unbiased_with_the_law_s_moments(law):
    """E[W_A W_B] = s2 and E[W^2] = e over 400,000 weights: errors 1 / sqrt(400,000) = 0.0016; five of them."""
    dense = Dense(law)
    row = sampler._Layers.of(Network([dense])).numbers[0]
    A, B = np.empty((2, 1, 400_000))
    sampler._draw(np.array([12345], np.uint64), row, A, B)
    assert np.mean(A * B) == pytest.approx(float(dense.law.latent_second_moment), abs=0.008)
    assert np.mean(A**2) == pytest.approx(float(dense.law.second_moment), abs=0.012)  # real: sd of w^2 is 1.4
    assert abs(A.mean()) < 0.008
    if dense.law.rounded:
        grid = np.linspace(-1, 1, dense.law.levels)
        assert np.isin(np.round(A, 12), np.round(grid, 12)).all()


def test_products_of_one_network_agree_with_numpy():
    """The gradient's inner product, assembled again from the arrays of one forward and backward pass."""
    layers = sampler._Layers.of(
        Network([Dense("binary", 1.2, 0.5), Activation("relu"), Dense("real", 0.7, 0.3)])
    ).numbers
    rng = np.random.default_rng(0)
    h, g = rng.normal(size=(3, 2, 2, 5)), rng.normal(size=(2, 2, 2, 5))
    out = np.empty(3)
    sampler._products(layers, h, g, 0, 1, out)
    expected = 0.0
    for k, (W2, b2) in enumerate(((1.2**2 / 3, 0.25), (0.49, 0.09))):  # binary: s2 W^2 / e = W^2 / 3
        for s in (0, 1):
            expected += 0.5 * (g[k, s, 0] @ g[k, 1 - s, 1]) * (W2 * (h[k, s, 0] @ h[k, 1 - s, 1]) / 5 + b2)
    assert out[2] == pytest.approx(expected, rel=1e-13)
    assert out[1] == pytest.approx((h[1, 0, 0] @ h[1, 1, 1] + h[1, 1, 0] @ h[1, 0, 1]) / 10, rel=1e-13)


def test_back_propagation_is_the_derivative():
    """One real linear-plus-kink network: g against central differences of its own forward pass."""
    rng = np.random.default_rng(1)
    layer = np.array([0.0, 0.0, 1.0, 0.8, 0.0, 1.0])
    W = rng.normal(size=(2, 1, 6))
    u = rng.normal(size=(2, 2, 6))
    g = np.empty((2, 2, 6))
    sampler._backward(layer, W, np.ones((2, 2, 6)), (u > 0).astype(float), g)

    def output(u):
        return 0.8 / np.sqrt(6) * np.einsum("sj,saj->sa", W[:, 0], np.maximum(u, 0))

    for j in range(6):
        step = np.zeros(6)
        step[j] = 1e-6
        slope = (output(u + step) - output(u - step)) / 2e-6
        assert g[:, :, j] == pytest.approx(slope, abs=1e-9)

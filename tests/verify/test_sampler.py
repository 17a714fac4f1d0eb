"""One network rounded many times: against NumPy from the same counters, its statistics, its gradients, bad input."""

import numpy as np
import pytest
from philox_numpy import words_of

import quasintk as qn
from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from verify.latents import key_of, sample_network
from verify.sampler import sample_roundings

X = np.random.default_rng(0).normal(size=(3, 4))
WIDTH = 13
"""No multiple of the padding."""
NETWORKS = {
    "binary": mlp("relu", depth=2, b_std=0.3, W_std=1.3),
    "ternary, latent": mlp("tanh", depth=1, weights="ternary", parameterization="latent"),
    "16 levels": mlp("erf", depth=2, weights=Levels(16), b_std=0.1),
    "mixed": Network(
        [
            Dense("real", 1.2),
            Dense(WeightLaw("0.7"), trained=False),
            Activation("relu"),
            Dense("ternary", 0.9, 0.4),
        ]
    ),
}
PHI = {
    "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(float)),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "erf": (
        np.vectorize(__import__("math").erf),
        lambda u: 2 / np.sqrt(np.pi) * np.exp(-(u**2)),
    ),
}


def weights_of(latents, k, rounding, key):
    """Layer k's weights under one rounding; a counter's words serve columns a quarter of the padded width apart."""
    w, step = latents.weights[k], float(latents.network.dense_layers[k].law.step)
    if not step:
        return w
    quarter = -(-w.shape[1] // 4)
    words = words_of(range(len(w)), range(quarter), k, rounding, key)
    words = words.transpose(1, 0, 2).reshape(len(w), -1)[:, : w.shape[1]]
    low = np.floor((w + 1) / step) * step - 1
    return low + step * (words < np.floor((w - low) / step * 2.0**32))


def once(latents, rounding, key):
    """Pre-activations, inputs and derivatives of every layer under one rounding, each (n, rows)."""
    network, width = latents.network, latents.width
    layers, h, pre, slopes, scaled, k = list(network.layers), [latents.lifted(X)], [], [], [], 0
    for position, layer in enumerate(layers):
        if not isinstance(layer, Dense):
            continue
        scale = float(layer.W_std) / np.sqrt(float(layer.law.second_moment) * width)
        W = scale * weights_of(latents, k, rounding, key)
        u = h[-1] @ W.T + float(layer.b_std) * latents.biases[k]
        behind = layers[position + 1 : position + 2]
        phi, dphi = (
            PHI[behind[0].name]
            if behind and isinstance(behind[0], Activation)
            else (lambda u: u, np.ones_like)
        )
        pre.append(u)
        slopes.append(dphi(u))
        h.append(phi(u))
        scaled.append(W)
        k += 1
    g = [np.ones((len(X), 1))]
    for k in range(len(scaled) - 1, 0, -1):
        g.insert(0, g[0] @ scaled[k] * slopes[k - 1])
    return pre, h, g


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_statistics_and_gradients_against_numpy(name):
    """Single precision: 1e-5 of the largest; the same weights, so that nothing else may differ."""
    network = NETWORKS[name]
    latents, key = sample_network(network, WIDTH, rng=3), key_of(9)
    samples = latents.sample(X, 6, rng=9, statistics=True, gradients=True)
    runs = [once(latents, r, key) for r in range(6)]
    outputs = np.array([pre[-1][:, 0] for pre, _, _ in runs])
    assert samples.outputs == pytest.approx(outputs, abs=1e-5 * np.abs(outputs).max())
    for k, found in enumerate(samples.hidden):
        u, h = (np.array([run[which][k + which] for run in runs]) for which in (0, 1))
        for value, expected in (
            (found.mean, u.mean(axis=0)),
            (found.variance, u.var(axis=0)),
            (found.output_mean, h.mean(axis=0)),
            (found.output_second_moment, (h**2).mean(axis=0)),
        ):
            assert value == pytest.approx(expected, abs=2e-5 * max(1, np.abs(u).max() ** 2))
    for pair in range(3):
        (_, h_a, g_a), (_, h_b, g_b) = runs[2 * pair], runs[2 * pair + 1]
        expected = np.zeros((3, 3))
        for k, layer in enumerate(network.dense_layers):
            if layer.trained:
                own = float(layer.W_std) ** 2 / float(layer.law.second_moment)
                own *= float(layer.law.latent_second_moment) if network.parameterization == "ntk" else 1
                expected += (g_a[k] @ g_b[k].T) * (own * h_a[k] @ h_b[k].T / WIDTH + float(layer.b_std) ** 2)
        assert samples.gradients[pair] == pytest.approx(expected, abs=2e-5 * np.abs(expected).max())


def test_gradients_are_derivatives():
    """g of the NumPy network above against central differences in every bias, so that both are right."""
    latents = sample_network(NETWORKS["16 levels"], 5, rng=0)
    _, _, g = once(latents, 0, 1)
    for k in (0, 1):
        for i in range(5):
            outputs = []
            for sign in (1, -1):
                latents.biases[k][i] += sign * 1e-5 / 0.1
                outputs.append(once(latents, 0, 1)[0][-1][:, 0])
                latents.biases[k][i] -= sign * 1e-5 / 0.1
            assert g[k][:, i] == pytest.approx((outputs[0] - outputs[1]) / 2e-5, abs=1e-8)


def test_rounding_is_unbiased():
    """E[W | w] = w for every latent: means over 4000 roundings, six standard errors for 13 * 13 weights."""
    latents = sample_network(mlp("relu"), WIDTH, rng=1)
    w = latents.weights[0]
    mean = np.mean([weights_of(latents, 0, r, 7) for r in range(4000)], axis=0)
    assert (np.abs(mean - w) <= 6 * np.sqrt((1 - w**2) / 4000) + 1e-9).all()


def test_a_rounding_depends_on_its_number_only():
    latents = sample_network(NETWORKS["binary"], WIDTH, rng=3)
    assert np.array_equal(latents.sample(X, 20, rng=4).outputs[:7], latents.sample(X, 7, rng=4).outputs)
    assert not np.array_equal(latents.sample(X, 7, rng=5).outputs, latents.sample(X, 7, rng=4).outputs)
    again = sample_network(NETWORKS["binary"], WIDTH, rng=np.random.default_rng(3))
    assert np.array_equal(again.weights[0], latents.weights[0])


@pytest.mark.parametrize(
    "law", ["binary", "ternary", Levels(4), Levels(16), WeightLaw("0.7"), "real"], ids=str
)
def test_latents_have_the_law_s_second_moment(law):
    """160,000 latents; five standard errors, w^2 having a standard deviation of at most sqrt(2)."""
    latents = sample_network(mlp("relu", weights=law), 400, rng=2)
    expected = float(latents.network.dense_layers[0].law.latent_second_moment)
    assert np.mean(latents.weights[0] ** 2) == pytest.approx(
        expected, abs=5 * 2**0.5 / 400 * min(expected, 1)
    )


def test_public_names():
    latents = qn.sample_network(qn.mlp("relu"), width=8, rng=0)
    assert latents.sample([[1.0, 2.0]], 3, rng=0).outputs.shape == (3, 1)


@pytest.mark.parametrize("width", [0, -1, 2.5, True, 2**20])
def test_bad_widths(width):
    with pytest.raises(ValueError, match="width must be"):
        sample_network(mlp("relu"), width)


@pytest.mark.parametrize(
    ("roundings", "gradients"), [(0, False), (1, True), (2.0, False), (True, False), (2**32, False)]
)
def test_bad_roundings(roundings, gradients):
    with pytest.raises(ValueError, match="roundings must be"):
        sample_network(mlp("relu"), 4, 0).sample(X, roundings, gradients=gradients)


def test_bad_inputs():
    latents = sample_network(mlp("relu"), 4, 0)
    with pytest.raises(TypeError, match="must be a Network"):
        sample_network("relu", 4)
    with pytest.raises(ValueError, match="row 0"):
        latents.sample([[np.nan]], 2)
    with pytest.raises(ValueError, match="shape"):
        latents.sample([1.0], 2)
    with pytest.raises(ValueError, match="single precision"):
        latents.sample([[1e30]], 2)


def test_pre_activations_of_the_first_neurons_are_those_of_the_statistics():
    latents = sample_network(mlp("relu", depth=2), 32, rng=0)
    found = sample_roundings(latents, X, 50, 7, statistics=True, neurons=5)
    assert [u.shape for u in found.pre] == [(50, 3, 5), (50, 3, 5), (50, 3, 1)]
    for u, seen in zip(found.pre, found.hidden, strict=True):
        np.testing.assert_allclose(u.mean(axis=0), seen.mean[:, : u.shape[2]], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.pre[-1][:, :, 0], found.outputs)

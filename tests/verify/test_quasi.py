"""The quasi network: against quadrature, enumeration, finite differences and the kernel it approaches."""

from dataclasses import replace
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
from scipy.special import ndtr

from derive.activation import Activation
from derive.derivation import activations, derive_kernel
from derive.network import Dense, Network, mlp
from derive.pieces import pieces
from derive.weights import Levels, WeightLaw
from numerics.interpret import MULTIPRECISION, interpret
from numerics.kernel import Kernel
from verify import quasi, quasi_ntk
from verify.latents import sample_network
from verify.quasi import quasi_network, smoothed
from verify.quasi_ntk import neighbours

X = np.random.default_rng(1).normal(size=(3, 5))
POINTS = ((0.3, 0.4), (-1.7, 1.1), (0.9, 2.5), (2.0, 0.05), (-0.01, 0.3))
STEP = "tanh(x) if x > 0.5 else x"
"""Without a closed form, and with a jump."""


@pytest.mark.parametrize(
    "name",
    ["relu", "gelu", "hardtanh", "sign", "cos", "tanh", STEP],
)
def test_moments_and_slopes_of_an_activation_agree_with_quadrature(name):
    """By mpmath and Stein's identity, d E f / dnu = E[z f] / sig and d E f / dsig2 = E[(z^2 - 1) f] / (2 sig2)."""
    network = mlp(name)
    kernel = derive_kernel(network)
    (function,), values = kernel.functions, dict(kernel.parameters)
    edges = [mpmath.mpf(float(edge)) for edge in pieces(network.layers[1].expr).edges]
    parameters = {p: values[p] for p in function.phi.parameters}

    def phi(x):
        return interpret(function.phi, {**parameters, "x": x}, MULTIPRECISION)["value"]

    nu, sig = np.array(POINTS).T
    result = smoothed(function, values, nu, sig**2)
    ours = np.stack((result.mu, result.tau, *result.slopes[0], *result.slopes[1]))
    with mpmath.workdps(20):
        for column, (mean, std) in zip(ours.T, POINTS, strict=True):
            mean, std = mpmath.mpf(mean), mpmath.mpf(std)
            kinks = [(edge - mean) / std for edge in edges if abs(edge - mean) < 11 * std]
            points = sorted([*(mpmath.mpf(k) for k in range(-11, 12)), *kinks])
            nodes = [(mid + half * t, half * w) for left, right in pairwise(points)
                     for mid, half in [((left + right) / 2, (right - left) / 2)]
                     for t, w in zip(*map(_exact, np.polynomial.legendre.leggauss(24)), strict=True)]  # fmt: skip
            z, weight = map(np.array, zip(*((z, w * mpmath.npdf(z)) for z, w in nodes), strict=True))
            value = np.array([phi(mean + std * at) for at in z])
            expected = [(weight * f).sum() for f in (value, value**2)]
            for f in (value, value**2):
                expected += [(weight * f * z).sum() / std, (weight * f * (z * z - 1)).sum() / (2 * std**2)]
            # 1e-13: nodes and weights in float64, some digits lost to 1 / sig2 = 400
            np.testing.assert_allclose(
                column.astype(float), np.array(expected, float), rtol=1e-12, atol=1e-13 / float(std) ** 2
            )


def _exact(numbers):
    return [mpmath.mpf(number) for number in numbers]


def test_relu_as_theory_writes_it():
    """Section 2: mu' = nu Phi(nu / sig) + sig pdf(nu / sig), tau' likewise."""
    kernel = derive_kernel(mlp("relu"))
    nu, sig = np.meshgrid(np.linspace(-3, 3, 7), [0.2, 1.0, 4.0])
    ours = smoothed(kernel.functions[0], {}, nu, sig**2)
    z = nu / sig
    pdf = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(ours.mu, nu * ndtr(z) + sig * pdf, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ours.tau, (nu**2 + sig**2) * ndtr(z) + nu * sig * pdf, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ours.slopes[0], (ndtr(z), pdf / (2 * sig)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.slopes[1, 1], ndtr(z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["relu", "gelu", "hardtanh", "tanh"])
@pytest.mark.parametrize("sig2", [0.0, 1e-120, 1e-60, 1e-26])
def test_without_noise_a_neuron_is_its_activation(name, sig2):
    kernel = derive_kernel(mlp(name))
    nu = np.array([-40.0, -1.5, -1e-3, 0.3, 0.7, 40.0])
    ours = smoothed(kernel.functions[0], dict(kernel.parameters), nu, np.full(6, sig2))
    phi, dphi = ([float(interpret(program, {**dict(kernel.parameters), "x": mpmath.mpf(x)}, MULTIPRECISION)["value"])
                  for x in nu] for program in (kernel.functions[0].phi, kernel.functions[0].dphi))  # fmt: skip
    np.testing.assert_allclose(ours.mu, phi, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(ours.tau, np.square(phi), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ours.slopes[0, 0], dphi, rtol=1e-13, atol=1e-15)
    assert np.isfinite(ours.slopes).all()


@pytest.mark.parametrize("law", ["binary", "ternary", Levels(16), WeightLaw("0.7")], ids=str)
def test_second_moment_of_a_rounded_weight(law):
    """Of the two grid points' probabilities; its derivative is their sum."""
    law = Dense(law).law
    w = np.concatenate(([-1.0, 1.0], np.random.default_rng(2).uniform(-1, 1, 50)))
    low, high = neighbours(law, w)
    np.testing.assert_allclose(high - low, float(law.step), rtol=1e-12)
    assert (low <= w).all()
    assert (w <= high).all()
    assert np.isin(np.round((low, high), 12), np.round(np.linspace(-1, 1, law.levels), 12)).all()
    p = (w - low) / (high - low)
    np.testing.assert_allclose(p * high**2 + (1 - p) * low**2, w**2 + (w - low) * (high - w), rtol=1e-12)
    step = 1e-7
    p_next = p + step / (high - low)
    slope = (p_next * high**2 + (1 - p_next) * low**2 - p * high**2 - (1 - p) * low**2) / step
    np.testing.assert_allclose(slope, low + high, atol=1e-7)


@pytest.mark.parametrize("law", ["binary", "ternary", WeightLaw("0.4")], ids=str)
def test_first_layer_by_enumerating_all_roundings(law):
    network = Network([Dense(law, 1.3, 0.5), Activation("relu"), Dense("real")])
    latents = sample_network(network, 5, 3)
    (first, _), h = quasi_network(network, latents).moments(X), latents.lifted(X)
    dense = network.dense_layers[0]
    low, high = neighbours(dense.law, latents.weights[0])
    scale = 1.3 / np.sqrt(5 * float(dense.law.second_moment))
    for i in range(5):
        up = (latents.weights[0][i] - low[i]) / (high[i] - low[i])
        mean = square = 0.0
        for choice in product((0, 1), repeat=5):
            probability = np.prod(np.where(choice, up, 1 - up))
            u = scale * h @ np.where(choice, high[i], low[i]) + 0.5 * latents.biases[0][i]
            mean, square = mean + probability * u, square + probability * u * u
        np.testing.assert_allclose(first.nu[:, i], mean, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(first.sig2[:, i], square - mean**2, rtol=1e-11)


NETWORKS = {
    "binary": (["binary"] * 2, "relu", {}),
    "ternary, latent": (["ternary"] * 2, "relu", {"parameterization": "latent"}),
    "16 levels": ([Levels(16)] * 2, "gelu", {}),
    "real": (["real"] * 2, "tanh", {}),
    "real, then binary": (["real", "binary"], "hardtanh", {}),
    "two points": (["binary", WeightLaw("0.7")], "hardtanh", {}),
    "first not trained": (["ternary", "binary"], "relu", {"trained": (False, True, True)}),
    "second not trained": (["binary", Levels(4)], "sign", {"trained": (True, False, True)}),
    "quadrature": (["binary", "ternary"], "tanh", {"parameterization": "latent"}),
    "jump by quadrature": (["binary", "binary"], STEP, {}),
}


def _network(laws, activation, trained=(True, True, True), parameterization="ntk"):
    (a, b), (first, second, last) = laws, trained
    return Network([
        Dense(a, 1.3, 0.3, first), Activation(activation), Dense(b, 1.2, 0.4, second), Activation(activation),
        Dense("real", 0.9, 0.1, last),
    ], parameterization)  # fmt: skip


def _gradients(network, latents, step=1e-5):
    """Of the output by every trained latent and bias, by central differences: error step^2 and 1e-16 / step."""
    columns, one = [], quasi_network(network, latents)
    for k, layer in enumerate(network.dense_layers):
        s = np.sqrt(float(layer.law.latent_second_moment)) if network.parameterization == "ntk" else 1.0
        for kind, unit in (("weights", s), ("biases", 1.0)):
            arrays = getattr(latents, kind)
            for index in np.ndindex(arrays[k].shape if layer.trained else 0):
                outputs = []
                for side in (step, -step):
                    moved = [array.copy() for array in arrays]
                    moved[k][index] += side
                    there = replace(one, latents=replace(latents, **{kind: tuple(moved)}))
                    outputs.append(there.moments(X)[-1].nu[:, 0])
                columns.append(unit * (outputs[0] - outputs[1]) / (2 * step))
    return np.array(columns).T


@pytest.mark.parametrize("name", NETWORKS)
def test_ntk_against_finite_differences_over_every_parameter(name):
    laws, activation, options = NETWORKS[name]
    network = _network(laws, activation, **options)
    latents = sample_network(network, 3, 5)
    gradients = _gradients(network, latents)
    expected = gradients @ gradients.T
    ours = quasi_network(network, latents).ntk(X)
    # central differences err by 1e-10; at width 3 the sigma path is some percent, and a wrong one shows
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-7 * expected.max())
    if any(law != "real" for law in laws):
        without = quasi_network(network, latents).ntk(X, sigma_path=False)
        assert np.abs(without - expected).max() > 1e-4 * expected.max()


def test_ntk_with_dense_layers_in_a_row():
    network = Network(
        [Dense("binary", 1.3, 0.3), Dense("ternary", 1.2), Activation("gelu"), Dense("binary", 1.1)]
    )
    latents = sample_network(network, 3, 5)
    gradients = _gradients(network, latents)
    np.testing.assert_allclose(
        quasi_network(network, latents).ntk(X), gradients @ gradients.T, rtol=1e-7, atol=1e-8
    )


def test_ntk_with_sigma_held_fixed_written_out():
    """One hidden layer of binary ReLU neurons: fbar = v . mu' / sqrt(n), dmu'/dnu = Phi(nu / sig)."""
    network = Network([Dense("binary", 1.4, 0.3), Activation("relu"), Dense("real", 0.9, 0.2)])
    latents = sample_network(network, 7, 2)
    hidden = quasi_network(network, latents).moments(X)[0]
    h, v = latents.lifted(X), latents.weights[1][0]
    back = 0.9 / np.sqrt(7) * v * ndtr(hidden.nu / np.sqrt(hidden.sig2))
    expected = 0.81 * hidden.mu @ hidden.mu.T / 7 + 0.04
    expected += back @ back.T * (1.4**2 / 3 * h @ h.T / 7 + 0.09)
    ours = quasi_network(network, latents).ntk(X, sigma_path=False)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_real_networks_have_no_sigma_path():
    network = mlp("relu", depth=2, weights="real", b_std=0.3)
    one = quasi_network(network, sample_network(network, 6, 0))
    assert all((layer.sig2 == 0).all() for layer in one.moments(X))
    np.testing.assert_allclose(one.ntk(X), one.ntk(X, sigma_path=False), rtol=1e-12)


def test_blocks_and_chunks_make_no_difference(monkeypatch):
    network = mlp("relu", depth=2, weights="ternary", b_std=0.2)
    one = quasi_network(network, sample_network(network, 9, 4))
    whole, moments = one.ntk(X), one.moments(X)
    monkeypatch.setattr(quasi_ntk, "BLOCK", 3 * 9 * 2)
    monkeypatch.setattr(quasi, "CHUNK", 5)
    np.testing.assert_allclose(one.ntk(X), whole, rtol=1e-13)
    assert all(np.array_equal(a.tau, b.tau) for a, b in zip(one.moments(X), moments, strict=True))


@pytest.mark.parametrize(
    "network",
    [
        mlp("relu", depth=2, W_std=1.4, b_std=0.3),
        mlp("relu", depth=2, weights=Levels(4), W_std=1.5, parameterization="latent"),
        pytest.param(mlp("tanh", weights="ternary", W_std=1.3, b_std=0.2), marks=pytest.mark.slow),
        Network([Dense("real", 1.2, trained=False), Activation("relu"), Dense("binary", 1.4, 0.2), Activation("relu"), Dense("binary", 1.1)]),
    ],
    ids=["binary", "levels, latent", "quadrature", "mixed"],
)  # fmt: skip
def test_nngp_and_ntk_approach_the_kernel(network):
    """Averages over latents within 4 standard errors, 10 % at most, and a bias of 1 / width: whether it is this limit.

    The digits are for the finite differences and quadratures above.
    """
    inputs, width, count = np.random.default_rng(8).normal(size=(2, 12)), 150, 160
    values, first = [], quasi_network(network, sample_network(network, width, 0))
    for seed in range(count):
        one = replace(first, latents=sample_network(network, width, seed))
        values.append((one.nngp(inputs), one.ntk(inputs, sigma_path=False)))
    nngp, ntk = np.moveaxis(np.array(values), 1, 0)
    kernel = Kernel(derive_kernel(network))
    for i, j in ((0, 0), (0, 1), (1, 1)):
        claimed = kernel.explain(inputs[i], inputs[j])
        for name, samples in (("nngp", nngp), ("ntk", ntk)):
            entry = samples[:, i, j]
            scale = np.sqrt(samples[:, i, i].mean() * samples[:, j, j].mean())
            error = entry.std() / np.sqrt(count)
            assert error < 0.025 * scale
            assert abs(entry.mean() - claimed[name]) < 4 * error + scale / width


def test_the_sigma_path_fades_like_one_over_width():
    network, change = mlp("relu", depth=2, W_std=1.4, b_std=0.2), {}
    for width in (20, 320):
        several = [quasi_network(network, sample_network(network, width, seed)) for seed in range(8)]
        pairs = [(one.ntk(X), one.ntk(X, sigma_path=False)) for one in several]
        change[width] = np.mean([np.abs(whole - part).max() / part.max() for whole, part in pairs])
    assert 4 < change[20] / change[320] < 64


def test_rows_of_zeros():
    network = mlp("cos", depth=2)
    one = quasi_network(network, sample_network(network, 6, 1))
    inputs = np.vstack((X, np.zeros(5)))
    assert (one.moments(inputs)[0].sig2[3] == 0).all()
    assert np.isfinite(one.ntk(inputs)).all()
    np.testing.assert_allclose(one.ntk(inputs)[:3, :3], one.ntk(X), rtol=1e-12)


def test_another_network_of_the_same_laws():
    drawn, other = mlp("relu", W_std=1.2), mlp("gelu", W_std=0.7, b_std=0.4, parameterization="latent")
    latents = sample_network(drawn, 6, 1)
    expected = quasi_network(other, sample_network(other, 6, 1)).ntk(X)
    np.testing.assert_array_equal(quasi_network(other, latents).ntk(X), expected)


def test_errors_say_what_to_do():
    latents = sample_network(mlp("relu"), 6, 1)
    with pytest.raises(ValueError, match=r"3 dense layers, the latents 2: draw latents"):
        quasi_network(mlp("relu", depth=2), latents)
    with pytest.raises(
        ValueError, match=r"Dense layer 1 has .*ternary|Dense layer 1 has .*levels=3.*sample_network"
    ):
        quasi_network(mlp("relu", weights="ternary"), latents)
    with pytest.raises(TypeError, match=r"sample_network"):
        quasi_network(mlp("relu"), latents.weights)
    with pytest.raises(TypeError, match=r"qn.mlp"):
        quasi_network("relu", latents)
    with pytest.raises(ValueError, match=r"one row is X"):
        quasi_network(mlp("relu"), latents).moments(X[0])
    for name, scale, reason in (("exp(x**2/4)", 30, "infinite or too large"), ("relu", 1e60, "infinite or too large"),
                                ("tanh", 3e4, "certified up to 640")):  # fmt: skip
        with pytest.raises(ValueError, match=reason):
            quasi_network(mlp(name), latents).moments(scale * X)


def test_the_side_of_a_kink_that_is_not_taken_says_nothing():
    """softsign's other side is infinite at x = 1 and -1; found by the gallery's pictures."""
    (stored,) = activations(Kernel(derive_kernel(mlp("softsign"))).ir).values()
    value, slope = quasi.elementwise(stored.function, {}, np.array([-1.0, 0.5, 1.0]))
    assert np.allclose(value, [-0.5, 1 / 3, 0.5], rtol=1e-15)
    assert np.allclose(slope, [0.25, 4 / 9, 0.25], rtol=1e-15)

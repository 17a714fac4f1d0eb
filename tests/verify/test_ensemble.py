"""Small finite networks, a lane each: drawn again in NumPy from the same counters, and independent of the split."""

import subprocess
import sys

import numpy as np
import pytest
from philox_numpy import normal_pairs, unit, words_of

from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from verify.ensemble import LANES, ensemble

X = np.array([[1.0, 0.5], [-0.3, 1.2]])
PAIRS = np.array([(0, 0), (0, 1), (1, 1)])
RELU = mlp("relu", depth=2, W_std=1.3, b_std=0.2)


def rounded(layer, k, rows, columns, number, key):
    """Weights (3, rows, columns) of one network's layer k, drawn from the definition of stochastic rounding."""
    law = layer.law
    if not law.rounded:
        return np.stack([normal_pairs(rows, columns, 2 * k + 1, number, key)] * 3)
    words = words_of(rows, columns, 2 * k + 1, number, key)
    w = 2 * unit(words[0]) - 1
    if law.latent == "two-point":
        w = np.sign(w) * np.sqrt(float(law.latent_fraction))
    step = float(law.step)
    low = np.floor((w + 1) / step) * step - 1
    return low + step * (unit(words[1:]) < (w - low) / step)


def once(network, width, number, key, offset=0):
    """p, m and the NTK (3, pairs) of one network, averaged over its four mirror images."""
    dense, inside = network.dense_layers, np.arange(width) + offset
    V = np.array([normal_pairs([k], inside, 0, number, key)[0] for k in range(X.shape[1])])
    V, _ = np.linalg.qr(V.T)
    V *= np.sign(np.array([normal_pairs([k], inside, 0, number, key)[0] for k in range(2)]) @ V).diagonal()
    h0 = np.stack([np.sqrt(width / 2) * X @ V.T] * 3)
    total = np.zeros((3, 3))
    activations = [layer for layer in network.layers if isinstance(layer, Activation)]
    depth = len(dense)
    signs = [(a, b) for a in ((1, -1) if depth > 2 else (1,)) for b in (1, -1)]
    for first, last in signs:
        h, slopes, scaled = [h0], [], []
        for k, layer in enumerate(dense):
            rows = [0] if k == depth - 1 else inside
            W = rounded(layer, k, rows, inside, number, key) * float(layer.W_std)
            W /= np.sqrt(float(layer.law.second_moment) * width)
            b = np.zeros(len(rows))
            if layer.b_std and k < depth - 1:
                b = float(layer.b_std) * np.array(
                    [normal_pairs([i], [0], 2 * k + 2, number, key)[0, 0] for i in rows]
                )
            u = np.einsum("sij,saj->sai", W, h[-1]) + b
            scaled.append(W)
            if k < depth - 1:
                sign = (first if k == 0 and depth > 2 else 1) * (last if k == depth - 2 else 1)
                assert str(activations[k].name) == "relu"
                h.append(np.maximum(sign * u, 0))
                slopes.append((sign * u > 0).astype(float))
        g = [np.ones((3, 2, 1))]
        for k in range(depth - 1, 0, -1):
            g.insert(0, np.einsum("sij,sai->saj", scaled[k], g[0]) * slopes[k - 1])
        out = dense[-1]
        for c, (a, b) in enumerate(PAIRS):
            p = np.mean([h[-1][s, a] @ h[-1][s, b] for s in range(3)]) / width
            cyclic = [(s, (s + 1) % 3) for s in range(3)]
            m = np.mean([h[-1][s, a] @ h[-1][t, b] for s, t in cyclic]) / width
            ntk = 0.0
            for s, t in cyclic:
                for k, layer in enumerate(dense):
                    if layer.trained:
                        law = layer.law
                        own = float(layer.W_std) ** 2 / float(law.second_moment)
                        own *= float(law.latent_second_moment) if network.parameterization == "ntk" else 1.0
                        inner = own * (h[k][s, a] @ h[k][t, b]) / width + float(layer.b_std) ** 2
                        ntk += (g[k][s, a] @ g[k][t, b]) * inner / 3
            W2, b2 = float(out.W_std) ** 2, float(out.b_std) ** 2
            r = float(out.law.latent_second_moment / out.law.second_moment)
            total[:, c] += np.array([W2 * p + b2, r * W2 * m + b2, ntk]) / len(signs)
    return total


NETWORKS = {
    "binary, biases": RELU,
    "one hidden layer, ternary": mlp("relu", weights="ternary", W_std=0.8),
    "16 levels, latent": mlp("relu", depth=2, weights=Levels(16), parameterization="latent"),
    "two-point, untrained, binary readout": Network(
        [
            Dense(WeightLaw("0.7"), trained=False),
            Activation("relu"),
            Dense("binary", 1.1, 0.4),
            Activation("relu"),
            Dense("binary", 0.9, 0.1),
        ]
    ),
    "real": mlp("relu", depth=2, weights="real", b_std=0.5),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_drawn_again_in_numpy(name):
    """Single precision, sums of some hundred terms of both signs: 1e-4 of the largest."""
    network = NETWORKS[name]
    found = ensemble(network, X, PAIRS, 8, LANES, key=2**63 + 11)
    for number in (0, LANES - 1):
        assert found[:, :, number] == pytest.approx(once(network, 8, number, 2**63 + 11), abs=1e-4)


def test_a_part_of_the_wide_network():
    found = ensemble(RELU, X, PAIRS, 8, LANES, key=5, offset=16)
    assert found[:, :, 7] == pytest.approx(once(RELU, 8, 7, 5, offset=16), abs=1e-4)


def test_numbers_depend_on_key_and_number_only():
    whole = ensemble(RELU, X, PAIRS, 8, 6 * LANES, key=3)
    parts = [ensemble(RELU, X, PAIRS, 8, 2 * LANES, 3), ensemble(RELU, X, PAIRS, 8, 4 * LANES, 3, 2 * LANES)]
    assert np.array_equal(whole, np.concatenate(parts, axis=2))
    assert not np.array_equal(whole, ensemble(RELU, X, PAIRS, 8, 6 * LANES, key=4))
    with pytest.raises(ValueError, match="multiples of"):
        ensemble(RELU, X, PAIRS, 8, 3, key=3)


def test_the_same_bytes_for_any_number_of_threads():
    code = (
        "import numpy as np, hashlib, sys\n"
        "from derive.network import mlp\n"
        "from verify.ensemble import ensemble\n"
        "from verify.latents import sample_network\n"
        "from numerics import pool\n"
        "pool.cores = lambda: int(sys.argv[1])\n"
        f"X = np.array({X.tolist()})\n"
        "network = mlp('relu', depth=2, W_std=1.3, b_std=0.2)\n"
        f"found = ensemble(network, X, np.array({PAIRS.tolist()}), 8, {20 * LANES}, 3).tobytes()\n"
        "samples = sample_network(network, 30, 1).sample(X, 50, 2, statistics=True, gradients=True)\n"
        "found += samples.outputs.tobytes() + samples.gradients.tobytes()\n"
        "found += b''.join(part.tobytes() for layer in samples.hidden for part in vars(layer).values())\n"
        "print(hashlib.sha256(found).hexdigest())"
    )
    lines = []
    for count in ("1", "2", "7"):
        done = subprocess.run([sys.executable, "-c", code, count], capture_output=True, text=True, check=True)
        lines.append(done.stdout)
    assert len(set(lines)) == 1

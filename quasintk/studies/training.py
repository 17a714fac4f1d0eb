"""Networks with rounded weights, trained in NumPy: stochastic rounding and straight-through gradients (decision 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from derive.network import Dense, Network

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
DECAY = (0.9, 0.999)
"""Adam's averaging of gradients and of their squares."""
TINY = 1e-8


def train(start: Trainable, X: Floats, Y: Floats, recipe: Recipe) -> Trainable:
    """Minimise the squared error by Adam on the latents, each step with weights rounded anew.

    Parameters
    ----------
    start : Trainable
        From `initial`, or of a sampled network.
    X, Y : ndarray, shapes (n, d), (n, outputs)
    recipe : Recipe

    Returns
    -------
    Trainable
        Latents of rounded layers lie in [-1, 1].

    Notes
    -----
    W = round(w), d loss / d w := d loss / d W (straight through), w := clip(w - Adam step, -1, 1). Single precision.
    """
    rng = np.random.default_rng(recipe.seed)
    inputs, targets = X.astype(np.float32), Y.astype(np.float32)
    state = [array.astype(np.float32) for pair in start.layers for array in pair]
    mean, square = ([np.zeros_like(array) for array in state] for _ in range(2))
    order = _batches(len(X), recipe, rng)
    for step, batch in enumerate(order, 1):
        now = Trainable(start.dense, tuple(zip(state[::2], state[1::2], strict=True)))
        weights = rounded(now, rng)
        gradients = gradient(now, weights, inputs[batch], targets[batch])
        size = recipe.rate * (1 - (step - 1) / recipe.steps)
        size *= np.sqrt(1 - DECAY[1] ** step) / (1 - DECAY[0] ** step)
        for k, g in enumerate(gradients):
            mean[k] += (1 - DECAY[0]) * (g - mean[k])
            square[k] += (1 - DECAY[1]) * (g * g - square[k])
            state[k] -= np.float32(size) * mean[k] / (np.sqrt(square[k]) + TINY)
            if k % 2 == 0 and start.dense[k // 2].law.rounded:
                np.clip(state[k], -1, 1, out=state[k])
    return Trainable(start.dense, tuple(zip(state[::2], state[1::2], strict=True)))


@dataclass(frozen=True)
class Recipe:
    """Steps of `batch` rows each, at a rate that falls to 0 along a line."""

    steps: int
    batch: int
    rate: float
    seed: int


@dataclass(frozen=True, eq=False)
class Trainable:
    """A network of dense layers with ReLU between them: latents and biases of every layer.

    Attributes
    ----------
    dense : tuple of Dense
    layers : tuple of (ndarray, ndarray)
        Shapes (rows, columns) and (rows,).
    """

    dense: tuple[Dense, ...]
    layers: tuple[tuple[NDArray[np.floating], NDArray[np.floating]], ...]


def initial(network: Network, features: int, width: int, outputs: int, seed: int) -> Trainable:
    """Latents and biases drawn from the network's laws."""
    rng = np.random.default_rng(seed)
    sizes = [features, *[width] * (len(network.dense_layers) - 1), outputs]
    layers = []
    for layer, columns, rows in zip(network.dense_layers, sizes[:-1], sizes[1:], strict=True):
        uniform = layer.law.latent == "uniform"
        w = rng.uniform(-1, 1, (rows, columns)) if uniform else rng.normal(size=(rows, columns))
        layers.append((w.astype(np.float32), rng.normal(size=rows).astype(np.float32)))
    return Trainable(network.dense_layers, tuple(layers))


def rounded(parameters: Trainable, rng: np.random.Generator) -> list[Singles]:
    """One stochastic rounding of every layer's latents."""
    return [_round(layer, w, rng) for layer, (w, _) in zip(parameters.dense, parameters.layers, strict=True)]


def outputs_of(parameters: Trainable, weights: Sequence[Singles], X: Floats | Singles) -> Singles:
    """Outputs of the network with these weights, shape (n, outputs)."""
    return _forward(parameters, weights, X.astype(np.float32))[-1]


def gradient(parameters: Trainable, weights: Sequence[Singles], X: Singles, Y: Singles) -> list[Singles]:
    """Of the mean squared error by W and b of every layer, in the order W, b, W, b, ..."""
    pre = _forward(parameters, weights, X)
    above = (2 / Y.size) * (pre[-1] - Y)
    found: list[Singles] = []
    for k in range(len(weights) - 1, -1, -1):
        h = X if k == 0 else np.maximum(pre[k - 1], 0)
        found = [_scale(parameters, k) * (above.T @ h), _bias(parameters, k) * above.sum(axis=0), *found]
        if k:
            above = _scale(parameters, k) * (above @ weights[k]) * (pre[k - 1] > 0)
    return found


def _forward(parameters: Trainable, weights: Sequence[Singles], X: Singles) -> list[Singles]:
    """Pre-activations u = W_std / sqrt(e d) W h + b_std b of every layer."""
    pre: list[Singles] = []
    h = X
    for k, (W, (_, b)) in enumerate(zip(weights, parameters.layers, strict=True)):
        pre.append(_scale(parameters, k) * (h @ W.T) + _bias(parameters, k) * b.astype(np.float32))
        h = np.maximum(pre[-1], 0)
    return pre


def _scale(parameters: Trainable, k: int) -> np.float32:
    layer, columns = parameters.dense[k], parameters.layers[k][0].shape[1]
    return np.float32(np.sqrt(float(layer.W_std**2 / layer.law.second_moment) / columns))


def _bias(parameters: Trainable, k: int) -> np.float32:
    return np.float32(parameters.dense[k].b_std)


def _round(layer: Dense, w: NDArray[np.floating], rng: np.random.Generator) -> Singles:
    """W = D floor((w + 1) / D + U) - 1, U uniform on [0, 1): E[W | w] = w."""
    single = w.astype(np.float32)
    if layer.law.levels is None:
        return single
    step = np.float32(layer.law.step)
    place = np.floor((single + 1) / step + rng.random(w.shape, dtype=np.float32))
    weights: Singles = step * np.minimum(place, np.float32(layer.law.levels - 1)) - 1
    return weights


def _batches(n: int, recipe: Recipe, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of each step: every row once before any comes again."""
    size = min(recipe.batch, n)
    epochs = -(-recipe.steps * size // n) + 1
    order = np.concatenate([rng.permutation(n) for _ in range(epochs)])
    return [order[k * size : (k + 1) * size] for k in range(recipe.steps)]

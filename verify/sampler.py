"""Finite networks with independently rounded weights, forward and back-propagated (theory.md, section 6).

Every network has a number; its random bits are a function of (seed, number) alone, so that results do not
depend on the number of threads or on how the numbers are split.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from derive.derivation import derive_kernel
from derive.network import Dense, Network
from numerics.build import build
from numerics.emit import emit_functions

Floats = NDArray[np.float64]
CHUNK = 64
"""Networks per task."""


@dataclass(frozen=True)
class Samples:
    """Per network and per pair (i <= j) of inputs: p, m and the NTK at the network's output.

    Attributes
    ----------
    pairs : tuple of (int, int)
    p, m, ntk : ndarray, shape (networks, pairs)
    """

    pairs: tuple[tuple[int, int], ...]
    p: Floats
    m: Floats
    ntk: Floats


def sample(
    network: Network,
    X: Floats,
    width: int,
    networks: int,
    seed: int,
    first: int = 0,
    functions: Any = None,
) -> Samples:
    """Sample finite networks of equal hidden width, each rounded twice (A, B) from the same latents.

    Parameters
    ----------
    network : Network
    X : ndarray, shape (n, d)
        Inputs. A linear, real, untrained lift of Gaussian weights precedes the first layer.
    width, networks, seed : int
    first : int
        Number of the first network; those of [first, first + networks) are drawn.
    functions : optional
        `activations` of a network whose activations begin with this network's: saves compiling again.

    Returns
    -------
    Samples
        p averages h_A h_A and h_B h_B over the last hidden layer, m averages h_A h_B, both mapped through the
        last dense layer; ntk is the product of the gradients of A at x and B at y, symmetrised.

    Notes
    -----
    Cost O(networks layers width^2 n), about 8 ns per weight and network for three inputs.
    """
    layers, module = _Layers.of(network), functions or activations(network)
    pairs = tuple((i, j) for i in range(len(X)) for j in range(i, len(X)))
    out = np.empty((networks, 3, len(pairs)))

    def task(start: int) -> None:
        part = out[start : start + CHUNK]
        _simulate(
            first + start, seed, X, width, layers.numbers, layers.activation, module.phi, module.dphi, part
        )

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(task, range(0, networks, CHUNK)))
    return Samples(pairs, *_output(network.dense_layers[-1], out))


@lru_cache(maxsize=64)
def activations(network: Network) -> Any:
    """Compiled phi(layer, x) and phi'(layer, x) of a network's activation layers, as `phi` and `dphi`."""
    kernel = derive_kernel(network)
    return build(emit_functions(kernel.functions, dict(kernel.parameters)))


def _output(last: Dense, out: Floats) -> tuple[Floats, Floats, Floats]:
    """p and m behind the last dense layer: P = W_std^2 p + b_std^2, M = r W_std^2 m + b_std^2."""
    W2, b2 = float(last.W_std) ** 2, float(last.b_std) ** 2
    r = float(last.law.latent_fraction)
    return W2 * out[:, 0] + b2, r * W2 * out[:, 1] + b2, out[:, 2]


LEVELS, LATENT, FRACTION, SCALE, BIAS, OWN = range(6)
"""Columns of `_Layers.numbers`: levels (0: not rounded); latents 0 normal, 1 uniform, 2 two-point; r; W_std / sqrt(e);
b_std; the factor of a weight's own gradient product, 0 where the layer is not trained."""


@dataclass(frozen=True)
class _Layers:
    """The dense layers as numbers, and for each whether an activation follows."""

    numbers: Floats
    activation: NDArray[np.bool_]

    @staticmethod
    def of(network: Network) -> _Layers:
        rows, follows = [], []
        for position, layer in enumerate(network.layers):
            if not isinstance(layer, Dense):
                continue
            law, W, e = layer.law, float(layer.W_std), float(layer.law.second_moment)
            gradient = float(law.latent_second_moment) if network.parameterization == "ntk" else 1.0
            rows.append([
                law.levels or 0, ("normal", "uniform", "two-point").index(law.latent), float(law.latent_fraction),
                W / math.sqrt(e), float(layer.b_std), gradient * W * W / e if layer.trained else -1.0,
            ])  # fmt: skip
            after = network.layers[position + 1 : position + 2]
            follows.append(bool(after) and not isinstance(after[0], Dense))
        return _Layers(np.array(rows), np.array(follows))


@njit(inline="always")
def _bits(state: Any) -> Any:
    """SplitMix64 (Steele, Lea & Flood 2014): a hash of key + counter * golden ratio."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _uniform(state: Any) -> Any:
    """In (0, 1), on a grid of 2^-53."""
    return (np.float64(_bits(state) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit
def _normals(state: Any) -> Any:
    """Two independent standard normals (Box & Muller 1958)."""
    radius, angle = math.sqrt(-2.0 * math.log(_uniform(state))), 2.0 * math.pi * _uniform(state)
    return radius * math.cos(angle), radius * math.sin(angle)


@njit(nogil=True)
def _draw(state: Any, layer: Any, A: Any, B: Any) -> None:
    """Latents once, rounded twice: A and B hold W_A and W_B."""
    levels, kind = layer[LEVELS], layer[LATENT]
    root, spare = math.sqrt(layer[FRACTION]), 0.0
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            if kind == 0.0:
                if j % 2 == 0:
                    A[i, j], spare = _normals(state)
                else:
                    A[i, j] = spare
                B[i, j] = A[i, j]
                continue
            w = 2.0 * _uniform(state) - 1.0
            if kind == 2.0:
                w = root if w > 0.0 else -root
            bits = _bits(state)
            place = (w + 1.0) * 0.5 * (levels - 1.0)
            low = math.floor(place)
            step = 2.0 / (levels - 1.0)
            threshold = (place - low) * 4294967296.0
            A[i, j] = (low + (1.0 if np.float64(bits >> np.uint64(32)) < threshold else 0.0)) * step - 1.0
            B[i, j] = (
                low + (1.0 if np.float64(bits & np.uint64(0xFFFFFFFF)) < threshold else 0.0)
            ) * step - 1.0


@njit(nogil=True)
def _lift(state: Any, X: Any, h: Any) -> None:
    """h[rounding, input, neuron]: a Gaussian linear layer, the same for both roundings."""
    n, d = X.shape
    spare = 0.0
    for i in range(h.shape[2]):
        h[0, :, i] = 0.0
        for k in range(d):
            if k % 2 == 0:
                weight, spare = _normals(state)
            else:
                weight = spare
            for a in range(n):
                h[0, a, i] += weight * X[a, k] / math.sqrt(d)
    h[1] = h[0]


@njit(nogil=True)
def _forward(
    state: Any, layer: Any, W: Any, h: Any, after: Any, slope: Any, which: Any, phi: Any, dphi: Any
) -> None:
    """after = phi(u) and slope = phi'(u), u = W_std / sqrt(e n) W h + b_std b; `which` < 0: no activation."""
    width = h.shape[2]
    scale = layer[SCALE] / math.sqrt(width)
    for i in range(W.shape[1]):
        bias = layer[BIAS] * _normals(state)[0] if layer[BIAS] > 0.0 else 0.0
        for s in range(2):
            for a in range(h.shape[1]):
                total = 0.0
                for j in range(width):
                    total += W[s, i, j] * h[s, a, j]
                u = scale * total + bias
                after[s, a, i] = phi(which, u) if which >= 0 else u
                slope[s, a, i] = dphi(which, u) if which >= 0 else 1.0


@njit(nogil=True)
def _backward(layer: Any, W: Any, above: Any, slope: Any, g: Any) -> None:
    """g = slope * (W_std / sqrt(e n) W^T above): the output's derivative by the pre-activations below."""
    width = g.shape[2]
    g[:] = 0.0
    for s in range(2):
        for a in range(g.shape[1]):
            for i in range(W.shape[1]):
                factor = above[s, a, i] * layer[SCALE] / math.sqrt(width)
                for j in range(width):
                    g[s, a, j] += W[s, i, j] * factor
            for j in range(width):
                g[s, a, j] *= slope[s, a, j]


@njit(nogil=True)
def _products(layers: Any, h: Any, g: Any, a: Any, b: Any, out: Any) -> None:
    """out = (p, m, ntk) of inputs a and b, symmetrised over the two roundings."""
    depth, width = layers.shape[0], h.shape[3]
    last = h[depth - 1]
    out[0] = (np.dot(last[0, a], last[0, b]) + np.dot(last[1, a], last[1, b])) / (2 * width)
    out[1] = (np.dot(last[0, a], last[1, b]) + np.dot(last[1, a], last[0, b])) / (2 * width)
    out[2] = 0.0
    for k in range(depth):
        if layers[k, OWN] >= 0.0:
            for s in range(2):
                inputs = np.dot(h[k, s, a], h[k, 1 - s, b]) / width
                gradients = np.dot(g[k, s, a], g[k, 1 - s, b])
                out[2] += 0.5 * gradients * (layers[k, OWN] * inputs + layers[k, BIAS] ** 2)


@njit(nogil=True)
def _simulate(
    first: Any, seed: Any, X: Any, width: Any, layers: Any, active: Any, phi: Any, dphi: Any, out: Any
) -> None:
    """Fill out[network, (p, m, ntk), pair]; the last layer has one neuron."""
    n, depth = X.shape[0], layers.shape[0]
    W = np.empty((depth, 2, width, width))
    h = np.empty((depth + 1, 2, n, width))
    slope = np.empty((depth, 2, n, width))
    g = np.zeros((depth, 2, n, width))
    g[depth - 1, :, :, 0] = 1.0
    state = np.empty(1, np.uint64)
    for number in range(out.shape[0]):
        state[0] = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(first + number)
        state[0] = _bits(state)
        _lift(state, X, h[0])
        which = 0
        for k in range(depth):
            rows = 1 if k == depth - 1 else width
            _draw(state, layers[k], W[k, 0, :rows], W[k, 1, :rows])
            activation = which if active[k] else -1
            _forward(state, layers[k], W[k, :, :rows], h[k], h[k + 1], slope[k], activation, phi, dphi)
            which += 1 if active[k] else 0
        for k in range(depth - 2, -1, -1):
            rows = 1 if k == depth - 2 else width
            _backward(layers[k + 1], W[k + 1, :, :rows], g[k + 1], slope[k], g[k])
        pair = 0
        for a in range(n):
            for b in range(a, n):
                _products(layers, h, g, a, b, out[number, :, pair])
                pair += 1

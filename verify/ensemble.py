"""Many small finite networks with latents of their own: p, m and the NTK of each (theory.md, section 6).

Networks are simulated LANES at a time, one a vector lane. Every weight has one block of random words: its latent,
and one word for each rounding; the block's counter is (column, row, layer, network).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from derive.derivation import derive_kernel
from derive.network import Dense, Network
from numerics.build import build
from numerics.emit import emit_functions
from numerics.pool import on_all_cores
from verify.philox import block, normals, unit

Floats = NDArray[np.float64]
Single = np.float32
LANES = 64
ROUNDINGS = 3
"""Of every network; with the latent, four words."""
TASK = 4
"""Groups of LANES networks in one task of a thread."""

MATRIX = types.float64[:, ::1]
FUNCTION = types.FunctionType(types.void(types.int64, MATRIX, MATRIX, MATRIX))
"""f(layer, u, value, slope) sets value = phi(u) and slope = phi'(u) for activation layer `layer`, from 0."""


def ensemble(
    network: Network,
    X: Floats,
    pairs: NDArray[np.int64],
    width: int,
    networks: int,
    key: int,
    first: int = 0,
    offset: int = 0,
) -> Floats:
    """Sample p, m and the NTK of finite networks, each rounded three times.

    Parameters
    ----------
    network : Network
    X : ndarray, shape (n, d)
        Inputs. A linear, real, untrained lift of Gaussian weights precedes the first layer.
    width : int
        Of the lift and every hidden layer.
    networks, key, first : int
        The networks of numbers [first, first + networks), below 2^32; multiples of LANES. A network's values
        depend on key, number, width and X alone.

    Returns
    -------
    ndarray, shape (3, n (n + 1) / 2, networks)
        Of every pair i <= j of inputs: p averages h_A h_A over the roundings A and the last hidden layer, m averages
        h_A h_B over pairs of roundings, both mapped through the last dense layer; the NTK is the inner product of the
        gradients of A at x and of B at y, averaged over pairs of roundings.

    Raises
    ------
    ValueError
        If networks or first is no multiple of LANES.

    Notes
    -----
    Forward and back-propagation take about 5 ns for each weight of two inputs and each network on one core.
    """
    if networks % LANES or first % LANES:
        raise ValueError(f"networks and first must be multiples of {LANES}, got {networks} and {first}.")
    layers = Layers.of(network)
    function, simulate = compiled_activations(network), _compiled()
    X = np.ascontiguousarray(X, np.float64)
    out = np.empty((networks // LANES, 3, len(pairs), LANES))

    def task(start: int) -> None:
        part = out[start : start + TASK]
        simulate(
            function,
            first + start * LANES,
            key,
            offset,
            X,
            pairs,
            width,
            layers.numbers,
            layers.activation,
            part,
        )

    on_all_cores(task, range(0, len(out), TASK))
    return _behind(network.dense_layers[-1], out.transpose(1, 2, 0, 3).reshape(3, len(pairs), networks))


def _behind(last: Dense, values: Floats) -> Floats:
    """p and m behind the last dense layer: P = W_std^2 p + b_std^2, M = r W_std^2 m + b_std^2."""
    W2, b2 = float(last.W_std) ** 2, float(last.b_std) ** 2
    r = float(last.law.latent_second_moment / last.law.second_moment)
    values[0] = W2 * values[0] + b2
    values[1] = r * W2 * values[1] + b2
    return values


@cache
def _compiled() -> Any:
    """`_simulate` for any activations: they are passed as a function pointer, so that it compiles once."""
    signature = types.void(
        FUNCTION, types.uint64, types.uint64, types.uint64, MATRIX, types.int64[:, ::1], types.int64, MATRIX, types.int64[::1], types.float64[:, :, :, ::1]
    )  # fmt: skip
    return njit(signature, nogil=True, error_model="numpy", cache=True)(_simulate)


@lru_cache(maxsize=64)
def compiled_activations(network: Network) -> Any:
    """The network's activation layers as one compiled function of the type FUNCTION."""
    kernel = derive_kernel(network)
    module = build(emit_functions(kernel.functions, dict(kernel.parameters)))
    phi, dphi = module.phi, module.dphi

    @njit(FUNCTION.signature, nogil=True, error_model="numpy")
    def function(layer: Any, u: Any, value: Any, slope: Any) -> None:
        for i in range(u.shape[0]):
            for lane in range(u.shape[1]):
                value[i, lane] = phi(layer, u[i, lane])
                slope[i, lane] = dphi(layer, u[i, lane])

    return function


LEVELS, LATENT, FRACTION, SCALE, BIAS, OWN = range(6)
"""Columns of `Layers.numbers`: levels (0: not rounded); latents 0 normal, 1 uniform, 2 two-point; r; W_std / sqrt(e);
b_std; the factor of a weight's own gradient product, -1 where the layer is not trained."""


@dataclass(frozen=True)
class Layers:
    """The dense layers as numbers, and for each the number of the activation that follows, or -1."""

    numbers: Floats
    activation: NDArray[np.int64]

    @staticmethod
    def of(network: Network) -> Layers:
        """Those of a network."""
        rows, follows, count = [], [], 0
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
            active = bool(after) and not isinstance(after[0], Dense)
            follows.append(count if active else -1)
            count += active
        return Layers(np.array(rows), np.array(follows))


@njit(inline="always")
def rounded(place: Any, word: Any, step: Any) -> Any:
    """Stochastic rounding of a latent at `place` = (w + 1) / step to the grid's upper or lower neighbour."""
    low = math.floor(place)
    high = 1.0 if unit(word) < place - low else 0.0
    return (low + high) * step - 1.0


@njit(nogil=True, error_model="numpy")
def draw_rounded(
    key: Any, stream: Any, row: Any, offset: Any, number: Any, layer: Any, i: Any, W: Any
) -> None:
    """W[s, i, j, lane]: neuron i's weights in every rounding s, of uniform or two-point latents."""
    root, step = math.sqrt(layer[FRACTION]), 2.0 / (layer[LEVELS] - 1.0)
    uniform = layer[LATENT] == 1.0
    for j in range(W.shape[2]):
        column = np.uint64(j) + offset
        for lane in range(LANES):
            latent, a, b, c = block(column, row, stream, number + np.uint64(lane), key)
            w = 2.0 * unit(latent) - 1.0
            place = ((w if uniform else math.copysign(root, w)) + 1.0) / step
            W[0, i, j, lane] = rounded(place, a, step)
            W[1, i, j, lane] = rounded(place, b, step)
            W[2, i, j, lane] = rounded(place, c, step)


@njit(nogil=True, error_model="numpy")
def draw_normal(key: Any, stream: Any, row: Any, offset: Any, number: Any, out: Any) -> None:
    """out[j, lane] standard normal."""
    for j in range(0, out.shape[0], 2):
        column = np.uint64(j) + offset
        for lane in range(LANES):
            words = block(column, row, stream, number + np.uint64(lane), key)
            first, second = normals(words[0], words[1])
            out[j, lane] = first
            if j + 1 < out.shape[0]:
                out[j + 1, lane] = second


@njit(nogil=True, error_model="numpy")
def _lift(key: Any, offset: Any, number: Any, X: Any, V: Any, h: Any) -> None:
    """h[s, a, neuron, lane] = sum_k V[k, neuron] X[a, k] / sqrt(d), V's rows Gaussian, then orthonormalised to
    |V_k|^2 = width, so that h.h' / width is x.x' / d in every network.
    """
    d, width = V.shape[0], V.shape[1]
    along = np.empty(LANES, Single)
    for k in range(d):
        draw_normal(key, np.uint64(0), np.uint64(k), offset, number, V[k])
        for before in range(k):
            _inner(V[before], V[k], -1.0 / width, along)
            for i in range(width):
                for lane in range(LANES):
                    V[k, i, lane] += along[lane] * V[before, i, lane]
        _inner(V[k], V[k], 1.0 / width, along)
        for i in range(width):
            for lane in range(LANES):
                V[k, i, lane] /= math.sqrt(along[lane])
    h[:] = 0.0
    for s in range(ROUNDINGS):
        for a in range(X.shape[0]):
            for k in range(d):
                factor = Single(X[a, k] / math.sqrt(d))
                for i in range(width):
                    for lane in range(LANES):
                        h[s, a, i, lane] += factor * V[k, i, lane]


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _inner(x: Any, y: Any, weight: Any, out: Any) -> None:
    """out[lane] = weight sum_j x[j, lane] y[j, lane]."""
    for lane in range(LANES):
        out[lane] = 0.0
    for j in range(x.shape[0]):
        for lane in range(LANES):
            out[lane] += x[j, lane] * y[j, lane]
    factor = Single(weight)
    for lane in range(LANES):
        out[lane] *= factor


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _preactivate(W: Any, h: Any, scale: Any, bias: Any, u: Any) -> None:
    """u[s, a, i, lane] = scale sum_j W[s, i, j] h[s, a, j] + bias[i]."""
    for s in range(ROUNDINGS):
        for a in range(h.shape[1]):
            for i in range(u.shape[2]):
                _inner(W[s, i], h[s, a], scale, u[s, a, i])
                for lane in range(LANES):
                    u[s, a, i, lane] += bias[i, lane]


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _backward(W: Any, above: Any, scale: Any, slope: Any, g: Any) -> None:
    """g = slope * scale W^T above: the output's derivative by the pre-activations below."""
    factor = Single(scale)
    for s in range(ROUNDINGS):
        for a in range(g.shape[1]):
            for j in range(g.shape[2]):
                for lane in range(LANES):
                    g[s, a, j, lane] = 0.0
                for i in range(W.shape[1]):
                    for lane in range(LANES):
                        g[s, a, j, lane] += W[s, i, j, lane] * above[s, a, i, lane]
                for lane in range(LANES):
                    g[s, a, j, lane] *= factor * slope[s, a, j, lane]


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _products(layers: Any, h: Any, g: Any, a: Any, b: Any, share: Any, inner: Any, out: Any) -> None:
    """out[(p, m, ntk), lane] += share of the products of inputs a and b, averaged over the roundings s, or pairs s, t."""
    depth, width = layers.shape[0], h.shape[3]
    weight = share / ROUNDINGS
    for s in range(ROUNDINGS):
        t = (s + 1) % ROUNDINGS
        _inner(h[depth - 1, s, a], h[depth - 1, s, b], weight / width, inner[0])
        for lane in range(LANES):
            out[0, lane] += inner[0, lane]
        for k in range(depth - 1, -1, -1):
            _inner(h[k, s, a], h[k, t, b], weight / width, inner[0])
            if k == depth - 1:
                for lane in range(LANES):
                    out[1, lane] += inner[0, lane]
            if layers[k, OWN] >= 0.0:
                rows = 1 if k == depth - 1 else width
                _inner(g[k, s, a, :rows], g[k, t, b, :rows], 1.0, inner[1])
                for lane in range(LANES):
                    out[2, lane] += inner[1, lane] * (
                        layers[k, OWN] * inner[0, lane] + weight * layers[k, BIAS] ** 2
                    )


@njit(nogil=True, error_model="numpy")
def _network(key: Any, offset: Any, number: Any, layers: Any, W: Any, bias: Any) -> None:
    """All weights W[k, s, i, j, lane], and biases b_std b as bias[k, i, lane]."""
    for k in range(layers.shape[0]):
        output = k == layers.shape[0] - 1
        stream = np.uint64(2 * k + 1)
        for i in range(1 if output else W.shape[2]):
            neuron = np.uint64(i) + (np.uint64(0) if output else offset)
            if layers[k, LEVELS] > 0.0:
                draw_rounded(key, stream, neuron, offset, number, layers[k], i, W[k])
            else:
                draw_normal(key, stream, neuron, offset, number, W[k, 0, i])
                W[k, 1, i] = W[k, 0, i]
                W[k, 2, i] = W[k, 0, i]
            if layers[k, BIAS] > 0.0:
                draw_normal(key, stream + np.uint64(1), neuron, np.uint64(0), number, bias[k, i : i + 1])
                bias[k, i] *= Single(layers[k, BIAS])


@njit(nogil=True, error_model="numpy")
def _activate(function: Any, which: Any, sign: Any, u: Any, buffers: Any, h: Any, slope: Any) -> None:
    """h = phi(sign u) and slope = phi'(sign u); without an activation h = sign u and slope = 1."""
    rows = u.size // LANES
    before, behind, derivative = u.reshape(rows, LANES), h.reshape(rows, LANES), slope.reshape(rows, LANES)
    if which < 0:
        behind[:] = Single(sign) * before
        derivative[:] = 1.0
        return
    buffers[0][:] = sign * before
    function(which, buffers[0], buffers[1], buffers[2])
    behind[:] = buffers[1]
    derivative[:] = buffers[2]


def _simulate(
    function: Any,
    first: Any,
    key: Any,
    offset: Any,
    X: Any,
    pairs: Any,
    width: Any,
    layers: Any,
    activation: Any,
    out: Any,
) -> None:
    """Fill out[group, (p, m, ntk), pair, lane]; the last layer has one neuron.

    Every network counts four times: with the weights and biases of its first and of its last hidden layer as drawn and
    negated, which is as likely, cheaper than drawing again, and antithetic.
    """
    n, depth = X.shape[0], layers.shape[0]
    last = depth - 2
    W = np.empty((depth, ROUNDINGS, width, width, LANES), Single)
    bias = np.zeros((depth, width, LANES), Single)
    V = np.empty((X.shape[1], width, LANES), Single)
    h = np.empty((depth, ROUNDINGS, n, width, LANES), Single)
    u, slope, g = np.empty_like(h), np.empty_like(h), np.ones_like(h)
    rows = ROUNDINGS * n * width
    buffers = (np.empty((rows, LANES)), np.empty((rows, LANES)), np.empty((rows, LANES)))
    inner = np.empty((2, LANES), Single)
    scale = layers[:, SCALE] / math.sqrt(width)
    signs = 2 if last > 0 else 1
    for group in range(out.shape[0]):
        number = first + np.uint64(group * LANES)
        _lift(key, offset, number, X, V, h[0])
        _network(key, offset, number, layers, W, bias)
        _preactivate(W[0], h[0], scale[0], bias[0], u[0])
        out[group] = 0.0
        for sign in range(signs):
            if last > 0:
                _activate(function, activation[0], 1.0 - 2.0 * sign, u[0], buffers, h[1], slope[0])
            for k in range(1, last + 1):
                _preactivate(W[k], h[k], scale[k], bias[k], u[k])
                if k < last:
                    _activate(function, activation[k], 1.0, u[k], buffers, h[k + 1], slope[k])
            for mirror in range(2):
                if last >= 0:
                    _activate(
                        function,
                        activation[last],
                        1.0 - 2.0 * mirror,
                        u[last],
                        buffers,
                        h[last + 1],
                        slope[last],
                    )
                for k in range(last, -1, -1):
                    above = 1 if k == last else width
                    _backward(W[k + 1, :, :above], g[k + 1], scale[k + 1], slope[k], g[k])
                for pair in range(pairs.shape[0]):
                    a, b = pairs[pair]
                    _products(layers, h, g, a, b, 0.5 / signs, inner, out[group, :, pair])

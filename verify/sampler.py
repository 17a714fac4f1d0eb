"""Finite networks with independently rounded weights, forward and back-propagated (theory.md, section 6).

Every network has a number; its random bits are a function of (seed, number) alone, so that results do not
depend on the number of threads or on how the numbers are split. Weights and neurons are in single precision, whose
rounding (1e-6) is far below what sampling resolves; sums over neurons are in double precision.
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

from derive.lower import lower
from derive.network import Dense, Network
from derive.recursion import unroll
from numerics.build import build
from numerics.emit import emit_functions

Floats = NDArray[np.float64]
CHUNK = 128
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
    extrapolate: bool = False,
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
    extrapolate : bool
        Whether every network Y gives Richardson's 2 Y - (Y' + Y'') / 2 instead, whose bias is O(1/width^2): Y' and
        Y'' are the networks of half the width made of its first and of its second half of neurons, so that the
        three share latents, roundings, biases and lift (theory.md, section 6). Needs an even width.

    Returns
    -------
    Samples
        p averages h_A h_A and h_B h_B over the last hidden layer, m averages h_A h_B, both mapped through the
        last dense layer; ntk is the product of the gradients of A at x and B at y, symmetrised.

    Raises
    ------
    ValueError
        If the width is below 1, or odd where halves are needed.

    Notes
    -----
    Cost O(networks layers width^2 n), about 3 ns per weight and network for three inputs at width 32 to 128.
    """
    if width < 1 or (extrapolate and width % 2):
        raise ValueError(
            f"width must be positive{', and even for Richardson' if extrapolate else ''}, got {width}."
        )
    layers, module = _Layers.of(network), functions or activations(network)
    pairs = tuple((i, j) for i in range(len(X)) for j in range(i, len(X)))
    blocks = np.array([[0, width], [0, width // 2], [width // 2, width]][: 3 if extrapolate else 1])
    share = np.array([2.0, -0.5, -0.5] if extrapolate else [1.0])
    out = np.zeros((networks, 3, len(pairs)))
    rows = np.ascontiguousarray(X, dtype=np.float64)

    def task(start: int) -> None:
        part = out[start : start + CHUNK]
        number = np.uint64(first + start)
        _simulate(
            np.uint64(seed), number, rows, width, blocks, share, layers.numbers, layers.activation,
            module.phi, module.dphi, part,
        )  # fmt: skip

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(task, range(0, networks, CHUNK)))
    return Samples(pairs, *_output(network.dense_layers[-1], out))


@lru_cache(maxsize=64)
def activations(network: Network) -> Any:
    """Compiled phi(layer, x) and phi'(layer, x) of a network's activation layers, as `phi` and `dphi`."""
    return build(emit_functions(lower(network, unroll(network)).functions))


def _output(last: Dense, out: Floats) -> tuple[Floats, Floats, Floats]:
    """p and m behind the last dense layer: P = W_std^2 p + b_std^2, M = r W_std^2 m + b_std^2."""
    W2, b2 = float(last.W_std) ** 2, float(last.b_std) ** 2
    r = float(last.law.latent_fraction)
    return W2 * out[:, 0] + b2, r * W2 * out[:, 1] + b2, out[:, 2]


LEVELS, LATENT, FRACTION, SCALE, BIAS, OWN = range(6)
"""Columns of `_Layers.numbers`: levels (0: not rounded); latents 0 normal, 1 uniform, 2 two-point; r; W_std / sqrt(e);
b_std; the factor of a weight's own gradient product, negative where the layer is not trained."""


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


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
LOW32 = np.uint64(0xFFFFFFFF)


@njit(inline="always")
def _hash(z: Any) -> Any:
    """64 bits of counter z = key + i GOLDEN: SplitMix64 (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit
def _key(seed: Any, number: Any, stream: Any) -> Any:
    """Where a stream's counters begin."""
    return _hash(_hash(_hash(seed + GOLDEN) + number * GOLDEN) + (stream + np.uint64(1)) * GOLDEN)


@njit(nogil=True, error_model="numpy")
def _normals(key: Any, out: Any) -> None:
    """Independent standard normals, two from 64 bits (Box & Muller 1958), with errors below 1e-8.

    log by its series in (m - sqrt 2) / (m + sqrt 2), m the mantissa; the angle is uniform within 45 degrees of one
    of the four axes, where the series of sine and cosine need six terms. Plain arithmetic, so that it vectorises.
    """
    pairs = (out.size + 1) // 2
    left, right = out[:pairs], out[out.size - pairs :]
    for k in range(pairs):
        z = _hash(key + np.uint64(k + 1) * GOLDEN)
        uniform = np.float64(np.int64(z >> np.uint64(32))) + 0.5
        bits = np.float64(uniform).view(np.int64)
        mantissa = np.int64((bits & np.int64(0x000FFFFFFFFFFFFF)) | np.int64(0x3FF0000000000000)).view(
            np.float64
        )
        exponent = np.float64(np.int32((bits >> np.int64(52)) - np.int64(1023 + 32)))
        s = (mantissa - math.sqrt(2.0)) / (mantissa + math.sqrt(2.0))
        q = s * s
        series = 1.0 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q / 11))))
        radius = math.sqrt(-2.0 * ((exponent + 0.5) * math.log(2.0) + 2.0 * s * series))
        t = ((np.float64(np.int64(z & np.uint64(0x3FFFFFFF))) + 0.5) * 2.0**-30 - 0.5) * (math.pi / 2)
        q = t * t
        sine = t * (1.0 + q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880 - q / 39916800)))))
        cosine = 1.0 + q * (-1 / 2 + q * (1 / 24 + q * (-1 / 720 + q * (1 / 40320 - q / 3628800))))
        turned = (z & np.uint64(0x40000000)) != np.uint64(0)
        signed = -radius if (z & np.uint64(0x80000000)) != np.uint64(0) else radius
        left[k] = signed * (sine if turned else cosine)
        right[k] = signed * (-cosine if turned else sine)


@njit(nogil=True, error_model="numpy")
def _round(key: Any, layer: Any, A: Any, B: Any) -> None:
    """Latents once, rounded twice, in fixed point: 32 bits each for the latent and for the two decisions.

    (w + 1) (levels - 1) / 2 = whole + part / 2^32 is rounded up with probability part / 2^32.
    """
    uniform, steps = layer[LATENT] == 1.0, np.uint64(layer[LEVELS] - 1.0)
    step, one = np.float32(2.0 / (layer[LEVELS] - 1.0)), np.float32(1.0)
    plus = np.uint64((1.0 + math.sqrt(layer[FRACTION])) * 2.0**31)
    minus = np.uint64((1.0 - math.sqrt(layer[FRACTION])) * 2.0**31)
    for k in range(A.size):
        counter = key + np.uint64(2 * k) * GOLDEN
        latent, decisions = _hash(counter + GOLDEN), _hash(counter + GOLDEN + GOLDEN)
        two_point = plus if (latent >> np.uint64(63)) != np.uint64(0) else minus
        place = (latent >> np.uint64(32)) * steps if uniform else two_point
        whole, part = np.float32(np.int32(place >> np.uint64(32))), place & LOW32
        up_A, up_B = (decisions >> np.uint64(32)) < part, (decisions & LOW32) < part
        A[k] = (whole + one if up_A else whole) * step - one
        B[k] = (whole + one if up_B else whole) * step - one


@njit(nogil=True)
def _draw(seed: Any, number: Any, layers: Any, X: Any, W: Any, W_T: Any, b: Any, h: Any) -> None:
    """W[layer, rounding, out, in], its transpose, b[layer, neuron] and the lifted inputs h[rounding, input, neuron]."""
    depth, width = layers.shape[0], W.shape[3]
    lift = np.empty((X.shape[1], width), np.float32)
    _normals(_key(seed, number, np.uint64(0)), lift.ravel())
    h[:] = 0.0
    for a in range(X.shape[0]):
        for k in range(X.shape[1]):
            h[0, a] += lift[k] * np.float32(X[a, k] / math.sqrt(X.shape[1]))
    h[1] = h[0]
    for k in range(depth):
        size = width if k == depth - 1 else width * width
        A, B = W[k, 0].ravel()[:size], W[k, 1].ravel()[:size]
        if layers[k, LATENT] == 0.0:
            _normals(_key(seed, number, np.uint64(2 * k + 1)), A)
            B[:] = A
        else:
            _round(_key(seed, number, np.uint64(2 * k + 1)), layers[k], A, B)
        if k < depth - 1:
            if layers[k, BIAS] > 0.0:
                _normals(_key(seed, number, np.uint64(2 * k + 2)), b[k])
            for s in range(2):
                _transpose(W[k, s], W_T[k, s])


@njit(nogil=True)
def _transpose(W: Any, W_T: Any) -> None:
    for j in range(W.shape[1]):
        column = W_T[j]
        for i in range(W.shape[0]):
            column[i] = W[i, j]


@njit(nogil=True)
def _combine(W: Any, first: Any, stop: Any, factors: Any, low: Any, high: Any, total: Any) -> None:
    """total[low:high] = sum_i factors[i] W[i, low:high] over first <= i < stop; four rows at a time."""
    y = total[low:high]
    y[:] = 0.0
    fours = first + (stop - first) // 4 * 4
    for i in range(first, fours, 4):
        r, s, t, u = W[i, low:high], W[i + 1, low:high], W[i + 2, low:high], W[i + 3, low:high]
        a, b, c, d = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        for j in range(high - low):
            y[j] += (r[j] * a + s[j] * b) + (t[j] * c + u[j] * d)
    for i in range(fours, stop):
        r, a = W[i, low:high], factors[i]
        for j in range(high - low):
            y[j] += r[j] * a


@njit(nogil=True)
def _forward(
    layer: Any,
    W_T: Any,
    b: Any,
    low: Any,
    high: Any,
    h: Any,
    after: Any,
    slope: Any,
    which: Any,
    phi: Any,
    dphi: Any,
) -> None:
    """after = phi(u) and slope = phi'(u), u = W_std / sqrt(e n) W h + b_std b, for the neurons [low, high).

    `which` is the activation's number, negative where none follows.
    """
    scale = layer[SCALE] / math.sqrt(high - low)
    for s in range(2):
        for a in range(h.shape[1]):
            values, slopes = after[s, a], slope[s, a]
            _combine(W_T[s], low, high, h[s, a], low, high, values)
            for i in range(low, high):
                u = scale * values[i] + layer[BIAS] * b[i]
                values[i] = phi(which, u) if which >= 0 else u
                slopes[i] = dphi(which, u) if which >= 0 else 1.0


@njit(nogil=True)
def _backward(layer: Any, W: Any, rows: Any, low: Any, high: Any, above: Any, slope: Any, g: Any) -> None:
    """g = slope * (W_std / sqrt(e n) W^T above), the output's derivative by the pre-activations [low, high)."""
    scale = np.float32(layer[SCALE] / math.sqrt(high - low))
    for s in range(2):
        for a in range(g.shape[1]):
            values, slopes = g[s, a], slope[s, a]
            _combine(W[s], rows[0], rows[1], above[s, a], low, high, values)
            for j in range(low, high):
                values[j] *= slopes[j] * scale


@njit(nogil=True)
def _crossed(v: Any, a: Any, b: Any, low: Any, high: Any) -> Any:
    """((v_A(x_a) v_A(x_b) + v_B(x_a) v_B(x_b)) / 2, v_A(x_a) v_B(x_b), v_B(x_a) v_A(x_b)), summed over neurons."""
    same_A, same_B, A_B, B_A = 0.0, 0.0, 0.0, 0.0
    for j in range(low, high):
        A_a, B_a = np.float64(v[0, a, j]), np.float64(v[1, a, j])
        A_b, B_b = np.float64(v[0, b, j]), np.float64(v[1, b, j])
        same_A += A_a * A_b
        same_B += B_a * B_b
        A_B += A_a * B_b
        B_A += B_a * A_b
    return (same_A + same_B) / 2, A_B, B_A


@njit(nogil=True)
def _products(layers: Any, low: Any, high: Any, h: Any, g: Any, a: Any, b: Any, share: Any, out: Any) -> None:
    """Add `share` times (p, m, ntk) of inputs a and b, symmetrised over the two roundings, to out."""
    last, width = layers.shape[0] - 1, high - low
    for k in range(last + 1):
        same, A_B, B_A = _crossed(h[k], a, b, low, high)
        if k == last:
            out[0] += share * same / width
            out[1] += share * 0.5 * (A_B + B_A) / width
        if layers[k, OWN] >= 0.0:
            gradient_A, gradient_B = 1.0, 1.0
            if k < last:
                _, gradient_A, gradient_B = _crossed(g[k], a, b, low, high)
            own, bias = layers[k, OWN] / width, layers[k, BIAS] ** 2
            out[2] += share * 0.5 * (gradient_A * (own * A_B + bias) + gradient_B * (own * B_A + bias))


@njit(nogil=True)
def _simulate(
    seed: Any, first: Any, X: Any, width: Any, blocks: Any, shares: Any, layers: Any, active: Any, phi: Any, dphi: Any,
    out: Any,
) -> None:  # fmt: skip
    """Add to out[network, (p, m, ntk), pair] the networks made of the blocks of neurons, times their shares."""
    n, depth = X.shape[0], layers.shape[0]
    W = np.zeros((depth, 2, width, width), np.float32)
    W_T = np.empty(
        (depth - 1, 2, width, width + 16), np.float32
    )  # rows a power of two apart share cache lines
    b = np.zeros((depth, width), np.float32)
    h = np.zeros((depth, 2, n, width), np.float32)
    slope, g = np.zeros_like(h), np.zeros_like(h)
    readout = np.ones((2, n, 1), np.float32)
    for number in range(out.shape[0]):
        _draw(seed, first + np.uint64(number), layers, X, W, W_T, b, h[0])
        for block in range(len(shares)):
            low, high = blocks[block, 0], blocks[block, 1]
            which = 0
            for k in range(depth - 1):
                activation = which if active[k] else -1
                _forward(
                    layers[k], W[k], b[k], low, high, h[k], h[k + 1], slope[k], activation, phi, dphi, W_T
                )
                which += 1 if active[k] else 0
            for k in range(depth - 2, -1, -1):
                rows = (0, 1) if k == depth - 2 else (low, high)
                above = readout if k == depth - 2 else g[k + 1]
                _backward(layers[k + 1], W[k + 1], rows, low, high, above, slope[k], g[k])
            pair = 0
            for a in range(n):
                for c in range(a, n):
                    _products(layers, low, high, h, g, a, c, shares[block], out[number, :, pair])
                    pair += 1

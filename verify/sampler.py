"""Many roundings of one finite network: outputs, statistics of the hidden layers, gradient inner products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numerics.pool import on_all_cores
from verify.ensemble import BIAS, OWN, SCALE, Layers, compiled_activations
from verify.rounding import BLOCK, accumulate, backward, forward, inner

if TYPE_CHECKING:
    from verify.latents import Latents

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
LARGEST = 1e15
"""Lifted inputs: their squares, and sums of squares, stay within single precision."""
TASK = 8
"""Roundings of one task, an even number: their statistics are summed in order, then the tasks' in order."""


@dataclass(frozen=True, eq=False)
class HiddenStatistics:
    """Averages over the roundings at one dense layer.

    Attributes
    ----------
    mean, variance : ndarray, shape (n, rows)
        Of every neuron's pre-activation u, for every input.
    output_mean, output_second_moment : ndarray, shape (n, rows)
        Of h = phi(u), or u where no activation follows.
    """

    mean: Floats
    variance: Floats
    output_mean: Floats
    output_second_moment: Floats


@dataclass(frozen=True, eq=False)
class NetworkSamples:
    """What independent roundings of one network's latents gave.

    Attributes
    ----------
    outputs : ndarray, shape (roundings, n)
        The network's output for every rounding and input.
    hidden : tuple of HiddenStatistics
        One for each dense layer; empty if not asked for.
    gradients : ndarray, shape (roundings // 2, n, n), or None
        Inner products of the gradient under rounding 2 k at input i with that under rounding 2 k + 1 at input j, with
        respect to all trained weights and biases: their average is the quasi network's NTK at this width.
    pre : tuple of ndarray, shape (roundings, n, neurons)
        Pre-activations of every dense layer's first neurons, if asked for.
    """

    outputs: Floats
    hidden: tuple[HiddenStatistics, ...]
    gradients: Floats | None
    pre: tuple[Singles, ...] = ()


def sample_roundings(
    latents: Latents,
    X: Floats,
    roundings: int,
    key: int,
    statistics: bool = False,
    gradients: bool = False,
    neurons: int = 0,
) -> NetworkSamples:
    """Round the weights of one network many times, independently.

    Parameters
    ----------
    latents : Latents
    X : ndarray, shape (n, d)
    roundings : int
    key : int
        Of the random bits, below 2^64. A rounding's numbers depend on key, rounding and inputs alone.
    statistics, gradients : bool
        Whether to return the hidden layers' statistics, and gradient inner products.
    neurons : int
        How many neurons of every layer to return for every rounding; of the readout there is one.

    Returns
    -------
    NetworkSamples

    Notes
    -----
    Single precision. For three layers of 1024 neurons and 64 inputs 4 ms a rounding on two cores (benchmarks/sampler.py),
    twice as much with gradients.
    """
    plan = _Plan.of(latents, X)
    if not np.abs(plan.inputs).max() < LARGEST:
        raise ValueError(
            f"Inputs beyond {LARGEST:.0g} leave single precision, in which networks are sampled: scale X down."
        )
    outputs = np.empty((roundings, len(X)))
    products = np.empty((roundings // 2, len(X), len(X))) if gradients else None
    kept = [min(neurons, layer.rows) for layer in plan.layers] if neurons else []
    pre = tuple(np.empty((roundings, len(X), rows), np.float32) for rows in kept)

    totals_of: dict[int, list[Floats]] = {}

    def task(start: int) -> None:
        sums = [np.zeros((4, layer.rows, len(X))) for layer in plan.layers] if statistics else []
        before: _Pass | None = None
        for r in range(start, min(start + TASK, roundings)):
            done = _forward(plan, r, key)
            outputs[r] = done.pre[-1][0]
            for whole, u in zip(pre, done.pre, strict=bool(pre)):
                whole[r] = u[: whole.shape[2]].T
            for total, u, h in zip(sums, done.pre, done.post[1:], strict=bool(sums)):
                accumulate(u, h, total)
            if products is not None and before is not None and r % 2:
                products[r // 2] = _gradient_products(plan, before, done, key)
            before = done
        totals_of[start] = sums

    on_all_cores(task, range(0, roundings, TASK))
    totals = [sum(parts) for parts in zip(*(totals_of[start] for start in sorted(totals_of)), strict=True)]
    return NetworkSamples(outputs, tuple(_statistics(total / roundings) for total in totals), products, pre)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A dense layer, padded: its neurons' lower grid points, chances of the upper ones, and numbers of `Layers`."""

    low: Singles
    chance: NDArray[np.uint32]
    step: np.float32
    scale: np.float32
    bias: Singles
    own: float
    bias_std: float
    activation: int
    rows: int

    def forward(self, k: int, rounding: int, key: int, h: Singles) -> Singles:
        """Pre-activations under one rounding of this layer, the k-th."""
        u = np.empty((len(self.low), h.shape[1]), np.float32)
        words = np.uint64(rounding), np.uint64(key)
        forward(np.uint64(k), self.low, self.chance, self.step, self.scale, self.bias, *words, h, u)
        return u

    def backward(self, k: int, rounding: int, key: int, above: Singles, slope: Singles) -> Singles:
        """The output's derivatives by the pre-activations below it."""
        below = np.empty_like(slope)
        words = np.uint64(rounding), np.uint64(key)
        backward(np.uint64(k), self.low, self.chance, self.step, self.scale, *words, above, slope, below)
        return below


@dataclass(frozen=True, eq=False)
class _Plan:
    layers: tuple[_Layer, ...]
    inputs: Singles
    width: int
    function: Any

    @staticmethod
    def of(latents: Latents, X: Floats) -> _Plan:
        numbers = Layers.of(latents.network)
        dense = latents.network.dense_layers
        layers = []
        for k, layer in enumerate(dense):
            row = numbers.numbers[k]
            low, chance = _grid(latents.weights[k], float(layer.law.step))
            layers.append(
                _Layer(
                    low=low,
                    chance=chance,
                    step=np.float32(layer.law.step),
                    scale=np.float32(row[SCALE] / math.sqrt(latents.width)),
                    bias=_padded(row[BIAS] * latents.biases[k][:, None], 1).ravel(),
                    own=row[OWN],
                    bias_std=row[BIAS],
                    activation=int(numbers.activation[k]),
                    rows=len(latents.weights[k]),
                )
            )
        inputs = _padded(latents.lifted(X).T, 1)
        return _Plan(tuple(layers), inputs, latents.width, compiled_activations(latents.network))


def _grid(w: Floats, step: float) -> tuple[Singles, NDArray[np.uint32]]:
    """The grid point below every latent and 2^32 times the chance of the one above; reals stay what they are."""
    if step == 0:
        low = _padded(w)
        return low, np.zeros((0, 0), np.uint32)
    place = (w + 1) / step
    below = np.floor(place)
    chance = np.zeros(_padded(w).shape, np.uint32)
    chance[: w.shape[0], : w.shape[1]] = ((place - below) * 2.0**32).astype(np.uint32)
    return _padded(below * step - 1), chance


def _padded(A: Floats, columns: int = BLOCK) -> Singles:
    """Zeros appended up to multiples of BLOCK."""
    shape = [
        -(-size // multiple) * multiple for size, multiple in zip(A.shape, (BLOCK, columns), strict=True)
    ]
    out = np.zeros(shape, np.float32)
    out[: A.shape[0], : A.shape[1]] = A
    return out


@dataclass(frozen=True, eq=False)
class _Pass:
    """One rounding's forward pass: pre-activations and slopes of every layer, and inputs of every layer and beyond."""

    rounding: int
    pre: tuple[Singles, ...]
    slope: tuple[Singles, ...]
    post: tuple[Singles, ...]


def _forward(plan: _Plan, rounding: int, key: int) -> _Pass:
    pre, slopes, post = [], [], [plan.inputs]
    for k, layer in enumerate(plan.layers):
        u = layer.forward(k, rounding, key, post[-1])
        h, slope = _activated(plan, layer, u)
        pre.append(u)
        slopes.append(slope)
        post.append(h)
    return _Pass(rounding, tuple(pre), tuple(slopes), tuple(post))


def _activated(plan: _Plan, layer: _Layer, u: Singles) -> tuple[Singles, Singles]:
    """phi(u) and phi'(u), 0 in the padding."""
    if layer.activation < 0:
        return u, np.ones_like(u)
    wide = u[: layer.rows].astype(np.float64)
    value, slope = np.empty_like(wide), np.empty_like(wide)
    plan.function(layer.activation, wide, value, slope)
    out = np.zeros((2, *u.shape), np.float32)
    out[0, : layer.rows], out[1, : layer.rows] = value, slope
    return out[0], out[1]


def _gradient_products(plan: _Plan, a: _Pass, b: _Pass, key: int) -> Floats:
    """sum over the trained layers of (g_a^T g_b) (own h_a^T h_b / width + b_std^2), shape (n, n)."""
    n = plan.inputs.shape[1]
    total = np.zeros((n, n))
    for k, g_a, g_b in _derivatives(plan, a, b, key):
        layer = plan.layers[k]
        if layer.own >= 0:
            inputs = inner(a.post[k], b.post[k]) / plan.width
            total += inner(g_a, g_b) * (layer.own * inputs + layer.bias_std**2)
    return total


def _derivatives(plan: _Plan, a: _Pass, b: _Pass, key: int) -> Iterator[tuple[int, Singles, Singles]]:
    """The output's derivatives by every layer's pre-activations under both roundings, from the last layer down."""
    last = len(plan.layers) - 1
    one = np.zeros((len(plan.layers[last].low), plan.inputs.shape[1]), np.float32)
    one[0] = 1
    g = (one, one)
    yield last, *g
    for k in range(last, 0, -1):
        g_a, g_b = (
            plan.layers[k].backward(k, done.rounding, key, above, done.slope[k - 1])
            for done, above in zip((a, b), g, strict=True)
        )
        g = (g_a, g_b)
        yield k - 1, *g


def _statistics(sums: Floats) -> HiddenStatistics:
    mean, square, output_mean, output_square = (np.ascontiguousarray(part.T) for part in sums)
    return HiddenStatistics(mean, np.maximum(square - mean**2, 0.0), output_mean, output_square)

"""One layer at a time: weights and Gaussian pre-activations sampled from a layer's claims, without a width's bias.

A dense layer maps second moments linearly: u_A u_B averages to W_std^2 / e E[W_A W_B] m + b_std^2. Its weights are
drawn, rounded, and averaged; its inputs' moments are the claims. An activation layer sees Gaussians: (u_A, u_B) are
drawn from the claimed covariance, and phi(u_A) phi(u_B) averaged (theory.md, sections 3 and 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from derive.derivation import derive_kernel
from derive.network import Dense, Network
from numerics.pool import on_all_cores
from verify.claims import PAIRS, Claims, Moment, scales
from verify.ensemble import (
    BIAS,
    FUNCTION,
    LANES,
    LEVELS,
    MATRIX,
    OWN,
    ROUNDINGS,
    SCALE,
    Layers,
    compiled_activations,
    draw_normal,
    draw_rounded,
)
from verify.eprocess import Test
from verify.sequential import Stage

Floats = NDArray[np.float64]
COUNT = 4096
"""Samples of a round; each is the average of LANES draws."""
TASK = 256
GAUSSIANS = 2**16
"""Streams of the counter from here on are activation layers', before it dense layers'. A sample's number is its row."""
TOLERANCE = 1e-6
"""Allowed deviation: probabilities are multiples of 2^-32, and claims are read as doubles."""


def layer_stages(
    network: Network, claims: Claims, key: int, test: Test, left_out: frozenset[int] = frozenset()
) -> Iterator[Stage]:
    """One stage for each layer of a network, given a kernel's claims before and behind it.

    Parameters
    ----------
    network : Network
        The truth; its layers are those of the kernel.
    claims : Claims
    key : int
        Of the random bits.
    test : Test
    left_out : frozenset of int
        Activation layers, from 1, that are not sampled.
    """
    dense = activations = 0
    exact = replace(test, tolerance=TOLERANCE)
    layers, jumping = Layers.of(network), derive_kernel(network).jumping
    for layer, before, behind in zip(network.layers, claims.layers[:-1], claims.layers[1:], strict=True):
        if isinstance(layer, Dense):
            dense += 1
            yield _stage(
                f"dense {dense}", behind, _dense_draw(layers.numbers[dense - 1], before, key, dense), exact
            )
        else:
            activations += 1
            if activations in left_out:
                continue
            draw = _activation_draw(network, activations - 1, before, key, jumping[activations - 1])
            yield _stage(f"activation {activations}", behind, draw, exact)


def _stage(title: str, behind: Moment, draw: Callable[[int, int], Floats], test: Test) -> Stage:
    """Nine quantities: p (q where i = j), m and k of the three pairs."""
    matrices = {"p": behind.same, "m": behind.cross, "ntk": behind.ntk}
    names = tuple(f"{quantity}(x{i}, x{j}) behind {title}" for quantity in matrices for i, j in PAIRS)
    claimed = np.array([K[p] for K in matrices.values() for p in PAIRS])
    scale = np.array([scales(K)[p] for K in matrices.values() for p in PAIRS])
    return Stage("layer", names, claimed, scale, draw, COUNT, test)


def _dense_draw(layer: Floats, before: Moment, key: int, number: int) -> Callable[[int, int], Floats]:
    """P, M, K = W^2 E[W_A^2] p + b^2, W^2 E[W_A W_B] m + b^2, W^2 E[W_A W_B] k + own m + b^2, W = W_std / sqrt(e)."""
    bias = layer[BIAS] ** 2
    trained = layer[OWN] >= 0

    def draw(first: int, count: int) -> Floats:
        moments = np.empty((count, 2))
        _in_tasks(lambda part: _weights()(key, number, first + part.start, layer, moments[part]), count)
        same, cross = layer[SCALE] ** 2 * moments.T
        own = trained * (max(layer[OWN], 0.0) * before.cross + bias)
        return np.array(
            [same * before.same[p] + bias for p in PAIRS]
            + [cross * before.cross[p] + bias for p in PAIRS]
            + [cross * before.ntk[p] + own[p] for p in PAIRS]
        )

    return draw


def _activation_draw(
    network: Network, number: int, before: Moment, key: int, jumps: bool
) -> Callable[[int, int], Floats]:
    """q or p, m and k' = kappa_dot K from samples of (u_A, u_B)."""
    function = compiled_activations(network)
    common, own = _root(before.cross), _root(before.same - before.cross)
    covariance = np.array([[before.same[i, i], before.same[j, j], before.cross[i, j]] for i, j in PAIRS])

    def draw(first: int, count: int) -> Floats:
        out = np.empty((count, 9))
        _in_tasks(
            lambda part: _gaussians()(
                function, number, key, first + part.start, common, own, covariance, jumps, out[part]
            ),
            count,
        )
        factors = np.array([1.0] * 6 + [before.ntk[p] for p in PAIRS])
        found: Floats = np.where(factors[:, None] == 0, 0.0, out.T) * factors[:, None]  # kappa_dot may be nan
        return found

    return draw


def _root(S: Floats) -> Floats:
    """A square root of a covariance; what rounding or a wrong claim makes negative counts as 0."""
    values, vectors = np.linalg.eigh(S)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _in_tasks(task: Callable[[slice], Any], count: int) -> None:
    on_all_cores(task, [slice(start, min(start + TASK, count)) for start in range(0, count, TASK)])


@cache
def _weights() -> Any:
    signature = types.void(types.uint64, types.uint64, types.uint64, types.float64[::1], MATRIX)
    return njit(signature, nogil=True, error_model="numpy", cache=True)(_weight_moments)


def _weight_moments(key: Any, stream: Any, first: Any, layer: Any, out: Any) -> None:
    """out[n] = averages over LANES weights of W_A^2 and of W_A W_B."""
    W = np.empty((ROUNDINGS, 1, 1, LANES))
    for n in range(out.shape[0]):
        number, zero = first + np.uint64(n), np.uint64(0)
        if layer[LEVELS] > 0.0:
            draw_rounded(key, stream, number, zero, zero, layer, 0, W)
        else:
            draw_normal(key, stream, number, zero, zero, W[0, 0])
            W[1] = W[0]
            W[2] = W[0]
        out[n] = 0.0
        for s in range(ROUNDINGS):
            for lane in range(LANES):
                out[n, 0] += W[s, 0, 0, lane] ** 2 / (ROUNDINGS * LANES)
                out[n, 1] += W[s, 0, 0, lane] * W[(s + 1) % ROUNDINGS, 0, 0, lane] / (ROUNDINGS * LANES)


@cache
def _gaussians() -> Any:
    signature = types.void(
        FUNCTION, types.int64, types.uint64, types.uint64, types.Array(types.float64, 2, "A"),
        types.Array(types.float64, 2, "A"), MATRIX, types.boolean, MATRIX,
    )  # fmt: skip
    return njit(signature, nogil=True, error_model="numpy", cache=True)(_gaussian_moments)


def _gaussian_moments(
    function: Any,
    layer: Any,
    key: Any,
    first: Any,
    common: Any,
    own: Any,
    covariance: Any,
    jumps: Any,
    out: Any,
) -> None:
    """out[n] = averages over LANES draws of phi(u_A) phi(u_A), phi(u_A) phi(u_B) and phi'(u_A) phi'(u_B) of three pairs.

    u_A = common z + own z_A: 3 roundings of 2 inputs, and their mirror images -u. Where phi jumps, phi' phi' gives way
    to phi(u_A) phi(u_B) d log p / d cov12, whose mean is kappa_dot too (Price's theorem).
    """
    z = np.empty((2 * (1 + ROUNDINGS), LANES))
    u = np.empty((2 * ROUNDINGS, LANES))
    value, slope = np.empty_like(u), np.empty_like(u)
    total, weight = np.empty((9, LANES)), 0.25 / (ROUNDINGS * LANES)
    for n in range(out.shape[0]):
        stream, zero = np.uint64(GAUSSIANS + layer), np.uint64(0)
        draw_normal(key, stream, first + np.uint64(n), zero, zero, z)
        total[:] = 0.0
        for mirror in range(2):
            sign = 1.0 - 2.0 * mirror
            for s in range(ROUNDINGS):
                for a in range(2):
                    for lane in range(LANES):
                        u[2 * s + a, lane] = sign * (
                            common[a, 0] * z[0, lane]
                            + common[a, 1] * z[1, lane]
                            + own[a, 0] * z[2 + 2 * s, lane]
                            + own[a, 1] * z[3 + 2 * s, lane]
                        )
            function(layer, u, value, slope)
            for s in range(ROUNDINGS):
                for shift in range(1, ROUNDINGS):
                    t = (s + shift) % ROUNDINGS
                    for pair in range(3):
                        i, j, k = 2 * s + (pair == 2), 2 * t + (pair >= 1), 2 * s + (pair >= 1)
                        _add(value[i], value[k], weight, total[pair])
                        _add(value[i], value[j], weight, total[3 + pair])
                        if jumps:
                            _add_scored(
                                covariance[pair], value[i], value[j], u[i], u[j], weight, total[6 + pair]
                            )
                        else:
                            _add(slope[i], slope[j], weight, total[6 + pair])
        for quantity in range(9):
            out[n, quantity] = total[quantity].sum()


@njit(nogil=True, error_model="numpy")
def _add(x: Any, y: Any, weight: Any, total: Any) -> None:
    for lane in range(LANES):
        total[lane] += weight * x[lane] * y[lane]


@njit(nogil=True, error_model="numpy")
def _add_scored(covariance: Any, x: Any, y: Any, u: Any, v: Any, weight: Any, total: Any) -> None:
    for lane in range(LANES):
        total[lane] += weight * x[lane] * y[lane] * _score(covariance, u[lane], v[lane])


@njit(inline="always")
def _score(covariance: Any, u: Any, v: Any) -> Any:
    """d log p(u, v) / d cov12 of N(0, [[a, c], [c, b]])."""
    a, b, c = covariance
    rest = a * b - c * c
    return (c + (u * v * (a * b + c * c) - c * (b * u * u + a * v * v)) / rest) / rest

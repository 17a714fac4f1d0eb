"""Latent weights of one finite network (theory.md, sections 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from derive.network import Dense, Network
from numerics.arrays import as_rows
from verify.philox import fill_normal, fill_uniform
from verify.sampler import NetworkSamples, sample_roundings

Floats = NDArray[np.float64]
LIFT, BIAS, WEIGHTS = 0, 1, 2
"""Streams of the counter: the lift; then of dense layer k, from 0, its biases 2 k + BIAS and weights 2 k + WEIGHTS."""


@dataclass(frozen=True, eq=False)
class Latents:
    """A finite network before its weights are rounded.

    Attributes
    ----------
    network : Network
    width : int
        Of the lift and of every hidden layer; the output layer has one neuron.
    seed : int
        Key of all that was drawn.
    weights : tuple of ndarray, shape (width, width), the last (1, width)
        Latent weights w of every dense layer.
    biases : tuple of ndarray, shape (width,), the last (1,)
        Standard normal b of every dense layer.
    """

    network: Network
    width: int
    seed: int
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def lift(self, features: int) -> Floats:
        """Weights of the linear, real, untrained layer before the first one, shape (width, features): standard normal."""
        out = np.empty((self.width, features))
        fill_normal(np.uint64(self.seed), np.uint64(LIFT), np.uint64(0), out)
        return out

    def lifted(self, X: Floats) -> Floats:
        """What the first dense layer sees, shape (n, width): X V^T / sqrt(d), V the lift's weights."""
        lifted: Floats = X @ self.lift(X.shape[1]).T / np.sqrt(X.shape[1])
        return lifted

    def sample(
        self,
        X: object,
        roundings: int,
        rng: np.random.Generator | int | None = None,
        statistics: bool = False,
        gradients: bool = False,
    ) -> NetworkSamples:
        """Round the weights many times, independently.

        Parameters
        ----------
        X : array, shape (n, d)
        roundings : int
            From 1 to 2^32 - 1.
        rng : numpy.random.Generator or int, optional
            Source of the key that all bits follow from; the number of threads makes no difference.
        statistics : bool
            Whether to average the hidden layers' pre-activations and outputs, and their squares.
        gradients : bool
            Whether to return gradient inner products of pairs of roundings; needs two roundings.

        Returns
        -------
        NetworkSamples

        Raises
        ------
        TypeError, ValueError
            If an argument lies outside its domain.

        Examples
        --------
        >>> import quasintk as qn
        >>> network = qn.sample_network(qn.mlp("relu", depth=2), width=64, rng=0)
        >>> network.sample([[1.0, 0.5]], roundings=10, rng=1).outputs.shape
        (10, 1)
        """
        rows, _ = as_rows(X)
        least = 2 if gradients else 1
        if (
            isinstance(roundings, bool)
            or not isinstance(roundings, int | np.integer)
            or not least <= roundings < 2**32
        ):
            raise ValueError(f"roundings must be an integer from {least} to 2^32 - 1, got {roundings!r}.")
        return sample_roundings(self, rows, int(roundings), key_of(rng), statistics, gradients)


def sample_network(network: Network, width: int, rng: np.random.Generator | int | None = None) -> Latents:
    """Draw the latent weights of a finite network.

    Parameters
    ----------
    network : Network
    width : int
        Neurons of every hidden layer, from 1 on.
    rng : numpy.random.Generator or int, optional
        Source of the 64-bit key.

    Returns
    -------
    Latents

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain.

    Notes
    -----
    8 bytes and 3 ns (uniform) or 15 ns (normal) for each weight.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"network must be a Network, got {type(network).__name__}: make one with qn.mlp(...)."
        )
    if isinstance(width, bool) or not isinstance(width, int | np.integer) or not 1 <= width < 2**20:
        raise ValueError(f"width must be an integer from 1 to 2^20 - 1, got {width!r}.")
    seed = key_of(rng)
    layers = network.dense_layers
    rows = [int(width)] * (len(layers) - 1) + [1]
    weights = tuple(
        _weights(seed, k, layer, (n, int(width)))
        for k, (layer, n) in enumerate(zip(layers, rows, strict=True))
    )
    biases = tuple(_biases(seed, k, n) for k, n in enumerate(rows))
    return Latents(network, int(width), seed, weights, biases)


def key_of(rng: np.random.Generator | int | None) -> int:
    """A 64-bit key from whatever numpy.random.default_rng takes."""
    return int(np.random.default_rng(rng).integers(2**64, dtype=np.uint64))


def _weights(seed: int, k: int, layer: Dense, shape: tuple[int, int]) -> Floats:
    out = np.empty(shape)
    fill = fill_normal if layer.law.latent == "normal" else fill_uniform
    fill(np.uint64(seed), np.uint64(2 * k + WEIGHTS), np.uint64(0), out)
    if layer.law.latent == "two-point":
        out = np.copysign(np.sqrt(float(layer.law.latent_fraction)), out)
    return out


def _biases(seed: int, k: int, n: int) -> Floats:
    out = np.empty((1, n))
    fill_normal(np.uint64(seed), np.uint64(2 * k + BIAS), np.uint64(0), out)
    return out.ravel()

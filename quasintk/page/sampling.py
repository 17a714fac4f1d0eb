"""The quasi network beside networks that are really rounded: how far its moments are off, by layer and width."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from derive.network import Network
from quasintk.studies.statistics import mean_over
from verify.approximation import Deviation, LayerApproximation, approximation
from verify.latents import sample_network

ROUNDINGS = {8: 16000, 16: 8000, 32: 4000, 64: 2000, 128: 1000}
"""Rounded networks for each draw of latents, by width."""
DRAWS, INPUTS = 6, 8
ROUNDING = 1e-9
"""Errors up to here are those of sums: sign(x)^2 is 1 whatever is rounded."""
QUANTITIES = {
    "nu": "mean before the activation",
    "sig2": "variance before the activation",
    "mu": "mean behind the activation",
    "tau": "second moment behind the activation",
    "distance": "distance from a Gaussian",
}


@dataclass(frozen=True)
class Error:
    """What the quasi network errs by in one layer's moments, beyond what sampling alone would show.

    Attributes
    ----------
    quantity : str
        Of `QUANTITIES`: "nu", "mu" over the root, "tau" over the mean of the mean square; "sig2" relative; "distance" that of
        Kolmogorov, averaged.
    layer, width : int
    value, low, high : float
        Root mean square over neurons, inputs and draws of the latents (of "distance" the mean), and the ends of its 95 %
        interval by Student's t over the draws; 0 where noise hides the error.
    """

    quantity: str
    layer: int
    width: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sampling:
    """All errors, and how they were found."""

    errors: tuple[Error, ...]
    roundings: tuple[tuple[int, int], ...]
    draws: int
    inputs: int

    def of(self, quantity: str, layer: int) -> tuple[Error, ...]:
        """One quantity's errors in one layer, by width."""
        return tuple(one for one in self.errors if (one.quantity, one.layer) == (quantity, layer))

    @property
    def telling(self) -> str:
        """The quantity that says most of the approximation: the first that errs at all at the least width."""
        least = min(one.width for one in self.errors)
        seen = {one.quantity for one in self.errors if one.width == least and one.high > ROUNDING}
        return next((name for name in ("tau", "mu", "nu") if name in seen), "nu")

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose moments are known."""
        return tuple(dict.fromkeys(one.layer for one in self.errors))


def sampling(network: Network, dim: int, seed: int, watch: Callable[[str], None]) -> Sampling | str:
    """Draw latents, round them many times, and compare with the quasi network's moments.

    Raises
    ------
    ValueError, QuasintkError
        If the quasi network has no moments there.
    """
    if not any(layer.law.rounded for layer in network.dense_layers):
        return "No weight is rounded, so that the quasi network is the network itself."
    errors: list[Error] = []
    for width, roundings in ROUNDINGS.items():
        watch(f"rounding networks of width {width}")
        rng = np.random.default_rng([seed, width])
        draws = [_drawn(network, dim, width, roundings, rng) for _ in range(DRAWS)]
        for layers in zip(*draws, strict=True):
            errors += _errors(layers, width)
    return Sampling(tuple(errors), tuple(ROUNDINGS.items()), DRAWS, INPUTS)


def _drawn(
    network: Network, dim: int, width: int, roundings: int, rng: np.random.Generator
) -> tuple[LayerApproximation, ...]:
    X = rng.normal(size=(INPUTS, dim))
    X *= math.sqrt(dim) / np.linalg.norm(X, axis=1, keepdims=True)
    return approximation(sample_network(network, width, rng), X, roundings, rng, width).layers


def _errors(layers: tuple[LayerApproximation, ...], width: int) -> list[Error]:
    """One layer's errors, from its draws: squares, which noise biases no more, are averaged."""
    found = []
    for quantity in QUANTITIES:
        deviations: list[Deviation] = [getattr(layer, quantity) for layer in layers]
        if any(math.isnan(one.error) for one in deviations):
            continue
        if quantity == "distance":
            ends = mean_over([one.error - one.sampling for one in deviations])
            value, low, high = (max(end, 0.0) for end in ends)
        else:
            ends = mean_over([one.error**2 - one.sampling**2 for one in deviations])
            value, low, high = (math.sqrt(max(end, 0.0)) for end in ends)
        found.append(Error(quantity, layers[0].number, width, value, low, high))
    return found

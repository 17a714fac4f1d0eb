"""Study 1: how well the quasi network describes networks that are really rounded, layer by layer, as their width grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from derive.network import Network, mlp
from quasintk.studies.approximation_tables import QUANTITIES, STATES, summary
from quasintk.studies.datasets import load
from quasintk.studies.study import Cell, Row, Rows, Study, Value
from quasintk.studies.training import Recipe, Trainable, outputs_of, rounded, train
from verify.approximation import kolmogorov
from verify.latents import Latents, key_of, sample_network
from verify.quasi import NeuronMoments, quasi_network
from verify.sampler import HiddenStatistics, sample_roundings

Floats = NDArray[np.float64]
BATCHES = 4
"""Of roundings, which err independently."""


@dataclass(frozen=True)
class Settings:
    """A binary ReLU network on images of digits, and how often it is rounded.

    Attributes
    ----------
    roundings : mapping from width to int
        For each draw of latents, in BATCHES.
    trained : mapping from width to int
        The same for trained latents.
    draws, inputs, depth : int
    neurons : int
        So many of each layer are held against the Gaussian distribution.
    steps, batch, rate
        Of training.
    """

    roundings: Mapping[int, int] = field(
        default_factory=lambda: {
            64: 40000,
            128: 40000,
            256: 20000,
            512: 8000,
            1024: 2000,
            2048: 480,
            4096: 128,
        }
    )
    trained: Mapping[int, int] = field(default_factory=lambda: {64: 20000, 128: 20000, 256: 10000})
    draws: int = 4
    inputs: int = 64
    depth: int = 3
    neurons: int = 2
    steps: int = 500
    batch: int = 64
    rate: float = 0.03
    W_std: float = 1.4142


FULL = Settings()
QUICK = replace(
    FULL,
    roundings={64: 8000, 128: 6000, 256: 2000, 512: 400},
    trained={64: 1600, 128: 800, 256: 400},
    draws=4,
    steps=200,
)


def approximation_study(settings: Settings, seed: int) -> Study:
    """Quasi networks against sampled ones, cell by cell one draw of latents of one width."""
    cells = [
        Cell(
            key=f"{state.split()[-1]}-{width:04}-{draw}",
            cost=0.2 + roundings * (2e-4 + 1.6e-8 * width**2),
            compute=partial(_cell, settings, seed, state, width, roundings, draw),
        )
        for state, plan in zip(STATES, (settings.roundings, settings.trained), strict=True)
        for width, roundings in plan.items()
        for draw in range(settings.draws)
    ]
    return Study(
        "approximation",
        "the quasi network against sampled binary networks",
        {"seed": seed, **asdict(settings)},
        tuple(cells),
        partial(summary, settings.depth),
    )


def _cell(settings: Settings, seed: int, state: str, width: int, roundings: int, draw: int) -> Rows:
    network = mlp("relu", settings.depth, "binary", settings.W_std)
    rng = np.random.default_rng([seed, STATES.index(state), width, draw])
    latents = sample_network(network, width, rng)
    images, parity = _digits()
    X = images[: settings.inputs]
    accuracy = None
    if state == STATES[1]:
        recipe = Recipe(settings.steps, settings.batch, settings.rate, key_of(rng))
        latents, accuracy = _trained(latents, images[settings.inputs :], parity[settings.inputs :], recipe)
    common: dict[str, Value] = {
        "state": state,
        "width": width,
        "draw": draw,
        "roundings": roundings,
        "accuracy": accuracy,
    }
    return [{**common, **row} for row in measured(network, latents, X, roundings, settings.neurons, rng)]


def measured(
    network: Network, latents: Latents, X: Floats, roundings: int, neurons: int, rng: np.random.Generator
) -> Iterator[Row]:
    """Layer by layer: unbiased squares of the errors of nu, sig2, mu, tau, and Kolmogorov's distance with what Gaussian samples show.

    Batches of roundings err independently, so that the product of two batches' deviations averages to the square of the error.
    Units: sig of nu, sig2 itself, the root of the mean of tau, and that mean.
    """
    each = roundings // BATCHES
    batches = [
        sample_roundings(latents, X, each, key_of(rng), statistics=True, neurons=neurons)
        for _ in range(BATCHES)
    ]
    for k, claim in enumerate(quasi_network(network, latents).moments(X)):
        deviations = [_deviations(claim, batch.hidden[k], each) for batch in batches]
        row = {name: _square([one[name] for one in deviations]) for name in QUANTITIES}
        u = np.concatenate([batch.pre[k] for batch in batches]).astype(float)
        kept = slice(0, u.shape[2])
        distance = kolmogorov(u, claim.nu[:, kept], claim.sig2[:, kept])
        yield {"layer": k + 1, **row, "distance": distance.error, "gaussian": distance.sampling}


def _square(deviations: Sequence[Floats]) -> float:
    """Mean of the products of two different batches' deviations."""
    total, count = sum(deviations), len(deviations)
    return float(np.mean(total**2 - sum(one**2 for one in deviations))) / (count * (count - 1))


def _deviations(claim: NeuronMoments, seen: HiddenStatistics, roundings: int) -> dict[str, Floats]:
    power = np.mean(claim.tau)
    return {
        "nu": (seen.mean - claim.nu) / np.sqrt(claim.sig2),
        "sig2": seen.variance * (roundings / (roundings - 1)) / claim.sig2 - 1,
        "mu": (seen.output_mean - claim.mu) / np.sqrt(power),
        "tau": (seen.output_second_moment - claim.tau) / power,
    }


def _digits() -> tuple[Floats, Floats]:
    """Images with |x|^2 = d in a fixed random order, and +1 or -1 for even and odd."""
    data = load("digits")
    X = data.X - data.X.mean(axis=0)
    X *= np.sqrt(X.shape[1]) / np.linalg.norm(X, axis=1, keepdims=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], 1.0 - 2.0 * (data.y[order, None] % 2)


def _trained(latents: Latents, X: Floats, Y: Floats, recipe: Recipe) -> tuple[Latents, float]:
    """The latents after training, and the accuracy of networks rounded from them, on the training rows."""
    start = Trainable(latents.network.dense_layers, tuple(zip(latents.weights, latents.biases, strict=True)))
    lifted = latents.lifted(X)
    found = train(start, lifted, Y, recipe)
    rng = np.random.default_rng(recipe.seed)
    guesses = [outputs_of(found, rounded(found, rng), lifted) for _ in range(10)]
    accuracy = float(np.mean([np.mean(np.sign(guess) == Y) for guess in guesses]))
    weights, biases = zip(*((w.astype(float), b.astype(float)) for w, b in found.layers), strict=True)
    return replace(latents, weights=weights, biases=biases), accuracy

"""How well the quasi network describes networks that are really rounded: the same latents, sampled (theory.md, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from derive.activation import Activation
from derive.derivation import derive_kernel
from derive.network import Dense
from derive.notebook import html_table
from numerics.arrays import as_rows
from numerics.memory import guard
from verify.latents import Latents, key_of
from verify.quasi import NeuronMoments, elementwise, quasi_network
from verify.quasi_ntk import neighbours

Floats = NDArray[np.float64]
QUANTITIES = {
    "nu": r"means $\nu$",
    "sig2": r"variances $\sigma^2$",
    "mu": r"means $\mu$ behind $\varphi$",
    "tau": r"second moments $\tau$",
    "distance": "distance to Gaussian",
}
"""What is compared in a layer, and its name in pictures."""
LEGEND = "error (what sampling alone would show)"
CHUNK = 6_000_000
"""Rounded weights of a layer at a time: 150 MB with the random numbers that round them."""


def approximation(
    latents: Latents,
    X: object,
    roundings: int = 1000,
    rng: np.random.Generator | int | None = None,
    neurons: int = 64,
) -> Approximation:
    """Compare the quasi network of some latents with networks rounded from them, layer by layer.

    Parameters
    ----------
    latents : Latents
        From `sample_network`.
    X : array, shape (n, d)
    roundings : int
        Rounded networks, from 2 on; sampling leaves errors of their number to the power -1/2.
    rng : numpy.random.Generator or int, optional
    neurons : int
        The first so many of every layer are looked at.

    Returns
    -------
    Approximation

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain.

    Notes
    -----
    About 15 ns for each weight and rounding, and 8 bytes for each of n layers neurons roundings.
    """
    rows, _ = as_rows(X)
    samples = pre_activations(latents, rows, roundings, key_of(rng), neurons)
    claimed = quasi_network(latents.network, latents).moments(rows)
    phi = _activations(latents)
    return Approximation(
        latents.width,
        roundings,
        tuple(
            _compare(number, moments, u, phi[number - 1](u))
            for number, (moments, u) in enumerate(zip(claimed, samples, strict=True), 1)
        ),
    )


@dataclass(frozen=True)
class Deviation:
    """An error as it was seen, and as large as it would be seen if there were none.

    Attributes
    ----------
    error, sampling : float
        NaN where nothing is rounded.
    """

    error: float
    sampling: float

    @property
    def excess(self) -> float:
        """What sampling does not explain of a root mean square."""
        return float(np.sqrt(max(self.error**2 - self.sampling**2, 0.0)))

    def __str__(self) -> str:
        return "-" if np.isnan(self.error) else f"{self.error:.4f} ({self.sampling:.4f})"


@dataclass(frozen=True)
class LayerApproximation:
    """One dense layer, over all inputs and the neurons looked at.

    Attributes
    ----------
    number : int
        From 1.
    nu, mu : Deviation
        Root mean square errors of means before and behind the activation, over the root of the mean square of what
        they are means of.
    sig2 : Deviation
        The variances' relative errors' root mean square.
    tau : Deviation
        Root mean square error of second moments behind the activation, over their mean.
    distance : Deviation
        Kolmogorov distance of the sampled pre-activations to N(nu, sig2), averaged, and its mean for Gaussian samples.
    """

    number: int
    nu: Deviation
    sig2: Deviation
    mu: Deviation
    tau: Deviation
    distance: Deviation


@dataclass(frozen=True)
class Approximation:
    """The quasi network beside sampled networks, from `approximation`."""

    width: int
    roundings: int
    layers: tuple[LayerApproximation, ...]

    def plot(self, ax: Any = None) -> Any:
        """Draw every layer's errors, and as lines what sampling alone would show.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import GREY, STYLES, panels

        (axes,) = panels(ax, 1, 7.2, 4.2)
        for position, (name, (marker, color)) in enumerate(zip(QUANTITIES, STYLES, strict=True)):
            place = np.array([layer.number for layer in self.layers]) + 0.14 * (position - 2)
            found = [getattr(layer, name) for layer in self.layers]
            axes.plot(
                place,
                [one.error for one in found],
                marker,
                color=color,
                markersize=4.5,
                label=QUANTITIES[name],
            )
            axes.hlines(
                [one.sampling for one in found], place - 0.06, place + 0.06, color=color, linewidth=1.4
            )
        axes.plot([], [], color=GREY, linewidth=1.4, label="sampling alone")
        axes.set_xticks([layer.number for layer in self.layers])
        axes.set(xlabel="dense layer", ylabel="relative error", yscale="log")
        axes.set_title(self._title(), fontsize=10)
        axes.legend(frameon=False, fontsize=8, ncols=2)
        return axes

    def __repr__(self) -> str:
        return f"<Approximation: {len(self.layers)} layers, {self._title()}>"

    def __str__(self) -> str:
        lines = ("".join(f"{cell:>{18 if k else 5}}" for k, cell in enumerate(row)) for row in self._rows())
        head = "layer" + "".join(f"{name:>18}" for name in QUANTITIES)
        return "\n".join((f"{self._title()}: {LEGEND}", head, *lines))

    def _title(self) -> str:
        return f"width {self.width}, {self.roundings} roundings"

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for layer in self.layers:
            yield str(layer.number), *(str(getattr(layer, name)) for name in QUANTITIES)

    def _repr_html_(self) -> str:
        return html_table(
            [f"Quasi network against roundings: {self._title()}", LEGEND],
            ("layer", *QUANTITIES),
            self._rows(),
        )


def kolmogorov(u: NDArray[Any], nu: Floats, sig2: Floats) -> Deviation:
    """Kolmogorov distance of samples to N(nu, sig2), averaged, and its mean for Gaussian samples.

    Parameters
    ----------
    u : ndarray, shape (roundings, n, neurons)
    nu, sig2 : ndarray, shape (n, neurons)

    Notes
    -----
    sup |empirical distribution - Phi|; for R Gaussian samples sqrt(pi / 2) ln 2 / sqrt(R) - 1 / (6 R) on average, to
    1e-4 of it from R = 100 on (Kolmogorov's law and its first correction).
    """
    R = len(u)
    cdf = ndtr(np.sort((u - nu) / np.sqrt(sig2), axis=0))
    steps = np.arange(R + 1)[:, None, None] / R
    distance = np.maximum(steps[1:] - cdf, cdf - steps[:-1]).max(axis=0)
    return Deviation(float(distance.mean()), float(np.sqrt(np.pi / 2 / R) * np.log(2) - 1 / (6 * R)))


def pre_activations(
    latents: Latents, X: Floats, roundings: int, seed: int, neurons: int | None = None
) -> list[Floats]:
    """Pre-activations of rounded networks, the same roundings for all inputs.

    Parameters
    ----------
    latents : Latents
    X : ndarray, shape (n, d)
    roundings, seed : int
    neurons : int, optional
        Only the first so many of every layer; by default all.

    Returns
    -------
    list of ndarray, shape (roundings, n, rows)
        One for every dense layer.

    Notes
    -----
    Roundings are drawn in chunks of 150 MB.
    """
    for name, value, least in (("roundings", roundings, 2), ("neurons", neurons, 1)):
        if value is not None and (not isinstance(value, int | np.integer) or value < least):
            raise ValueError(f"{name} must be an integer from {least} on, got {value!r}.")
    kept = [w[:neurons].shape[0] for w in latents.weights]
    count = roundings * len(X) * sum(kept)
    guard(count, 8, None, f"{roundings} roundings of {sum(kept)} neurons for {len(X)} inputs")
    out = [np.empty((roundings, len(X), rows)) for rows in kept]
    rng, phi = np.random.default_rng(seed), _activations(latents)
    step = max(CHUNK // latents.width**2, 1)
    for first in range(0, roundings, step):
        part = slice(first, min(first + step, roundings))
        for u, whole in zip(_forward(latents, X, part.stop - first, rng, phi), out, strict=True):
            whole[part] = u[:, :, : whole.shape[2]]
    return out


def _forward(
    latents: Latents, X: Floats, count: int, rng: np.random.Generator, phi: list[Any]
) -> Iterator[Floats]:
    """Every layer's pre-activations, shape (count, n, rows), of `count` rounded networks."""
    h = np.broadcast_to(latents.lifted(X), (count, len(X), latents.width))
    layers = zip(latents.network.dense_layers, latents.weights, latents.biases, phi, strict=True)
    for layer, w, b, function in layers:
        scale = np.sqrt(float(layer.W_std**2 / layer.law.second_moment) / latents.width)
        u = scale * h @ np.swapaxes(_rounded(layer, w, count, rng), 1, 2) + float(layer.b_std) * b
        yield u
        h = function(u)


def _rounded(layer: Dense, w: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Stochastic roundings of the latents, shape (count, rows, columns). Uniform numbers of 24 bits: 6e-8 of bias."""
    if not layer.law.rounded:
        return w[None]
    low, high = neighbours(layer.law, w)
    up = rng.random((count, *w.shape), dtype=np.float32) < (w - low) / (high - low)
    return np.where(up, high, low)


def _activations(latents: Latents) -> list[Any]:
    """What follows each dense layer, elementwise; the identity where nothing does."""
    network = latents.network
    kernel = derive_kernel(network)
    functions, values = iter(kernel.functions), dict(kernel.parameters)

    def following(layer: Any) -> Any:
        if not isinstance(layer, Activation):
            return lambda u: u
        function = next(functions)
        return lambda u: elementwise(function, values, u)[0]

    pairs = pairwise((*network.layers, None))
    return [following(after) for layer, after in pairs if isinstance(layer, Dense)]


def _compare(number: int, claimed: NeuronMoments, u: Floats, h: Floats) -> LayerApproximation:
    """One layer's claims against samples u before and h behind the activation, shape (roundings, n, neurons)."""
    nu, sig2, mu, tau = (m[:, : u.shape[2]] for m in (claimed.nu, claimed.sig2, claimed.mu, claimed.tau))
    rounded = bool((sig2 > 0).all())
    undefined = Deviation(np.nan, np.nan)
    return LayerApproximation(
        number,
        nu=_of_mean(u, nu, np.sqrt(np.mean(nu**2 + sig2))),
        sig2=_of_variance(u, sig2) if rounded else undefined,
        mu=_of_mean(h, mu, np.sqrt(np.mean(tau))),
        tau=_of_mean(h**2, tau, np.mean(tau)),
        distance=kolmogorov(u, nu, sig2) if rounded else undefined,
    )


def _of_mean(samples: Floats, claimed: Floats, unit: Any) -> Deviation:
    error = samples.mean(axis=0) - claimed
    return Deviation(_rms(error) / unit, _rms(samples.std(axis=0)) / np.sqrt(len(samples)) / unit)


def _of_variance(samples: Floats, claimed: Floats) -> Deviation:
    """Var s^2 = (m4 - m2^2 (R - 3) / (R - 1)) / R for R samples."""
    R = len(samples)
    centred = samples - samples.mean(axis=0)
    m2, m4 = np.mean(centred**2, axis=0), np.mean(centred**4, axis=0)
    spread = np.sqrt((m4 - m2**2 * (R - 3) / (R - 1)) / R)
    return Deviation(_rms(m2 * R / (R - 1) / claimed - 1), _rms(spread / claimed))


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))

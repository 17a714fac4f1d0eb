"""The quasi network of given latents: mean and variance of every neuron over the rounding (theory.md, section 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.derivation import derive_kernel
from derive.errors import NoClosedForm
from derive.network import Dense, Network
from numerics.arrays import as_rows
from numerics.build import build
from numerics.emit import emit_activation
from numerics.interpret import interpret
from numerics.mehler import NODES_32, WEIGHTS_32
from verify.latents import Latents
from verify.quasi_ntk import JETS, DensePass, Jet, gradient_products, neighbours

Floats = NDArray[np.float64]
SHARP = 1e-100
"""A variance up to here counts as 0: closed forms and their derivatives divide by its square."""
LARGEST = 1e100
"""Second moments must lie below: e^300 stands for more than that in closed forms."""
CHUNK = 2**12
"""Neurons at a time, for 5 MB of jets, and by quadrature 80 MB of nodes, 300 MB where sig exceeds all panels."""
REACH, WIDTH = 10, 4
"""Range and widest panel of quadrature, in standard deviations: beyond lies 2e-23 of the probability, and 32 nodes
resolve the Gaussian on a panel to 1e-20.
"""


def quasi_network(network: Network, latents: Latents) -> QuasiNetwork:
    """The network averaged over the rounding of given latents, neuron by neuron.

    Parameters
    ----------
    network : Network
        The one the latents were drawn for, or another with the same weight laws: scales, biases, activations,
        parameterization and what is trained may differ.
    latents : Latents
        From `sample_network`.

    Returns
    -------
    QuasiNetwork

    Raises
    ------
    TypeError, ValueError
        If the latents belong to other dense layers.
    DerivationError
        If the network has no kernel.

    Notes
    -----
    Exact up to one approximation: every pre-activation is taken to be Gaussian, and from the third dense layer on
    independent of its neighbours. `verify.approximation` measures what this costs. Source: Zhang, Yin & Wang,
    arXiv:2206.05916.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"network must be a Network, got {type(network).__name__}: make one with qn.mlp(...)."
        )
    if not isinstance(latents, Latents):
        raise TypeError(f"latents must come from sample_network(...), got {type(latents).__name__}.")
    own, drawn = network.dense_layers, latents.network.dense_layers
    remedy = "draw latents for this network with sample_network(network, width)."
    if len(own) != len(drawn):
        raise ValueError(f"The network has {len(own)} dense layers, the latents {len(drawn)}: {remedy}")
    for number, (layer, other) in enumerate(zip(own, drawn, strict=True), 1):
        if layer.law != other.law:
            raise ValueError(
                f"Dense layer {number} has {layer.law}, its latents were drawn for {other.law}: {remedy}"
            )
    kernel = derive_kernel(network)
    return QuasiNetwork(network, latents, kernel.functions, dict(kernel.parameters))


@dataclass(frozen=True, eq=False)
class NeuronMoments:
    """One dense layer's neurons over the rounding, and behind the activation that follows it.

    Attributes
    ----------
    nu, sig2 : ndarray, shape (n, rows)
        Mean and variance of the pre-activation.
    mu, tau : ndarray, shape (n, rows)
        Mean and second moment behind the activation; nu and nu^2 + sig2 where none follows.
    """

    nu: Floats
    sig2: Floats
    mu: Floats
    tau: Floats


@dataclass(frozen=True, eq=False)
class QuasiNetwork:
    """A network of finite width averaged over the rounding of its latents, from `quasi_network`.

    Attributes
    ----------
    network : Network
    latents : Latents
    functions : tuple of FunctionIR
        Of every activation layer.
    values : mapping
        The activations' parameters among others.
    """

    network: Network
    latents: Latents
    functions: tuple[ir.FunctionIR, ...]
    values: Mapping[str, Fraction]

    def moments(self, X: object) -> tuple[NeuronMoments, ...]:
        """Moments of every dense layer's neurons.

        Parameters
        ----------
        X : array, shape (n, d)

        Returns
        -------
        tuple of NeuronMoments
            The last one's nu, shape (n, 1), is the quasi network's output.

        Raises
        ------
        TypeError, ValueError
            If X holds no finite real rows, or a second moment is infinite or beyond what an activation without a
            closed form is certified for.

        Notes
        -----
        O(n rows columns) a layer, and for every neuron about 1 microsecond in closed form (2 for GELU and erf, whose
        bivariate normal compiles for seconds at the first call of a process), by quadrature 20, or up to 300 where the
        activation's text holds high powers. Relative to E[phi^2] mu^2 and tau are good to 1e-12.
        """
        return tuple(moments for moments, _ in self._layers(X))

    def nngp(self, X: object) -> Floats:
        """Covariances of the output over the last layer's latents: W_std^2 r mean_j mu_j(x) mu_j(y) + b_std^2.

        Shape (n, n) for X of shape (n, d); the kernel's "nngp" as the width grows.
        """
        *_, (_, last) = self._layers(X)
        dense = last.dense
        scale = float(dense.W_std**2 * dense.law.latent_fraction) / last.mu.shape[1]
        covariance: Floats = scale * last.mu @ last.mu.T + float(dense.b_std) ** 2
        return covariance

    def ntk(self, X: object, sigma_path: bool = True) -> Floats:
        """Exact inner products of the output's gradients by all trained latents and biases.

        Parameters
        ----------
        X : array, shape (n, d)
        sigma_path : bool
            Whether sig2 varies with the latents, as it does. False holds it fixed, as the limit of infinite width
            does, where the difference vanishes.

        Returns
        -------
        ndarray, shape (n, n)

        Notes
        -----
        Latents are standardised in the parameterization "ntk". Where a variance is 0 its path is left out: it is 0
        for all latents (real layers, rows of zeros), or the latents lie on the grid (two points, r = 1), where its
        derivative does not exist. By quadrature derivatives by sig2 err by 1e-16 / sig.
        O(n^2 rows columns) a layer, without the sigma path O(n^2 (rows + columns)).
        """
        passes = [dense for _, dense in self._layers(X)]
        return gradient_products(passes, self.network.parameterization == "ntk", sigma_path)

    def _layers(self, X: object) -> Iterator[tuple[NeuronMoments, DensePass]]:
        h = self.latents.lifted(as_rows(X)[0])
        mu, tau, functions, layers = h, h * h, iter(self.functions), self.network.layers
        dense = [(at, layer) for at, layer in enumerate(layers) if isinstance(layer, Dense)]
        for (at, layer), w, b in zip(dense, self.latents.weights, self.latents.biases, strict=True):
            follows = at + 1 < len(layers) and not isinstance(layers[at + 1], Dense)
            nu, sig2 = _pre_activation(layer, w, b, mu, tau)
            after = smoothed(next(functions), self.values, nu, sig2) if follows else _linear(nu, sig2)
            yield NeuronMoments(nu, sig2, after.mu, after.tau), DensePass(layer, w, mu, tau, after.slopes)
            mu, tau = after.mu, after.tau


def _pre_activation(layer: Dense, w: Floats, b: Floats, mu: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """nu = sqrt(a) w mu + b_std b and sig2 = a (E[W^2 | w] tau - w^2 mu^2), a sum of two parts that are not negative."""
    a = float(layer.W_std**2 / layer.law.second_moment) / w.shape[1]
    low, high = neighbours(layer.law, w)
    nu = np.sqrt(a) * mu @ w.T + float(layer.b_std) * b
    return nu, a * (tau @ ((w - low) * (high - w)).T + np.maximum(tau - mu * mu, 0) @ (w * w).T)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """mu' = E[phi(nu + sig z)], tau' = E[phi(nu + sig z)^2], and slopes[(mu', tau'), (nu, sig2)]."""

    mu: Floats
    tau: Floats
    slopes: Floats

    @staticmethod
    def of(rows: Floats, shape: tuple[int, ...]) -> Smoothed:
        """From rows (mu', tau', dmu'/dnu, dmu'/dsig2, dtau'/dnu, dtau'/dsig2)."""
        mu, tau, *slopes = rows.reshape(6, *shape)
        return Smoothed(mu, tau, np.stack(slopes).reshape(2, 2, *shape))


def smoothed(function: ir.FunctionIR, values: Mapping[str, Fraction], nu: Floats, sig2: Floats) -> Smoothed:
    """An activation averaged over N(nu, sig2), elementwise, with its derivatives.

    By its closed form, which `Jet` differentiates, or by quadrature. Raises ValueError where E[phi^2] is infinite. Where
    there are kinks beside one at k, closed forms round exponents (k / sig)^2: 1e-16 (k / sig)^2 of the noise is lost.
    """
    flat, variances = nu.ravel(), sig2.ravel()
    rows = np.empty((6, nu.size))
    sharp = np.flatnonzero(variances <= SHARP)
    noisy = np.flatnonzero(variances > SHARP)
    with np.errstate(all="ignore"):
        if sharp.size:
            rows[:, sharp] = _sharp(function, values, flat[sharp])
        for at in np.split(noisy, range(CHUNK, noisy.size, CHUNK)):
            if function.series is not None:
                rows[:, at] = _by_quadrature(function, function.series, flat[at], variances[at])
            elif at.size:
                rows[:, at] = _closed(function, values, flat[at], variances[at])
    bad = ~(np.isfinite(rows).all(axis=0) & (rows[1] < LARGEST))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(
            f"E[phi^2], phi = {function.text}, is infinite or too large for a pre-activation of mean {flat[i]:.6g} and "
            f"variance {variances[i]:.6g}: lower W_std or scale the inputs down."
        )
    return Smoothed.of(rows, nu.shape)


def _linear(nu: Floats, sig2: Floats) -> Smoothed:
    rows = np.stack(np.broadcast_arrays(nu, nu * nu + sig2, 1.0, 0.0, 2 * nu, 1.0))
    return Smoothed.of(rows, nu.shape)


def elementwise(function: ir.FunctionIR, values: Mapping[str, Fraction], x: Floats) -> tuple[Floats, Floats]:
    """Phi and phi' over an array."""
    module = build(emit_activation(function))
    arguments = [float(values[name]) for name in function.phi.parameters]
    with np.errstate(all="ignore"):  # both sides of a kink are computed, and one is taken
        value, slope, _ = np.broadcast_arrays(module.phi(x, *arguments), module.dphi(x, *arguments), x)
    return value, slope


def _sharp(function: ir.FunctionIR, values: Mapping[str, Fraction], nu: Floats) -> Floats:
    """Without noise; the derivatives by a variance that stays 0 do not matter."""
    value, slope = elementwise(function, values, nu)
    return np.stack((value, value * value, slope, 0 * nu, 2 * value * slope, 0 * nu))


def _closed(function: ir.FunctionIR, values: Mapping[str, Fraction], nu: Floats, sig2: Floats) -> Floats:
    sig, zero = np.sqrt(sig2), np.zeros_like(nu)
    inputs = {"nu": Jet(nu, np.stack((zero + 1, zero))), "sig": Jet(sig, np.stack((zero, 0.5 / sig)))}
    moments = []
    for program in (function.mean, function.second_moment):
        assert program is not None
        missing = program.functions() - JETS.functions.keys()
        if missing:
            raise NoClosedForm(
                f"The closed form of {function.text} calls {', '.join(sorted(missing))}: no derivative."
            )
        parameters = {name: values[name] for name in program.parameters}
        moments.append(interpret(program, {**parameters, **inputs}, JETS)["value"])
    slopes = [slope for moment in moments for slope in moment.slopes]
    return np.stack(np.broadcast_arrays(*(moment.value for moment in moments), *slopes, nu)[:6])


def _by_quadrature(function: ir.FunctionIR, rule: ir.SeriesIR, nu: Floats, sig2: Floats) -> Floats:
    """Gauss-Legendre with 32 nodes on panels of z, split at the edges between which phi is a polynomial to all digits.

    d E[f] / dnu = E[f'] and d E[f] / dsig2 = E[z f'] / (2 sig), f' with the point masses of f's jumps.
    """
    sig, n = np.sqrt(sig2), len(nu)
    farthest, certified = np.max(np.abs(nu) + REACH * sig, initial=0), 16 * float(rule.largest) ** 0.5
    if farthest > certified:
        raise ValueError(
            f"Pre-activations reach {farthest:.6g}, {function.text} is certified up to {certified:.6g}: "
            "lower W_std or scale the inputs down."
        )
    edges = (np.array([float(edge) for edge in rule.edges]) - nu[:, None]) / sig[:, None]
    grid = np.broadcast_to(np.arange(-REACH, REACH + WIDTH, WIDTH), (n, int(2 * REACH / WIDTH) + 1))
    points = np.sort(np.concatenate((np.clip(edges, -REACH, REACH), grid), axis=1), axis=1)
    neuron, panel = np.nonzero(np.diff(points) > 0)
    left, right = points[neuron, panel, None], points[neuron, panel + 1, None]
    z = (left + right) / 2 + (right - left) / 2 * NODES_32
    weights = (right - left) / 2 * WEIGHTS_32 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    phi, dphi = elementwise(function, {}, nu[neuron, None] + sig[neuron, None] * z)

    def expectation(f: NDArray[Any]) -> Floats:
        return np.bincount(neuron, (weights * f).sum(axis=1), n).astype(np.float64)

    rows = [expectation(f) for f in (phi, phi * phi, dphi, z * dphi, 2 * phi * dphi, 2 * phi * z * dphi)]
    for position in (float(position) for position, height in rule.kinks if height):
        sides = position + 2 * np.spacing(position) * np.array((-1, 1))
        below, above = elementwise(function, {}, sides)[0]
        at = (position - nu) / sig
        density = np.exp(-at * at / 2) / np.sqrt(2 * np.pi) / sig
        for row, jump in ((2, above - below), (4, above**2 - below**2)):
            rows[row] += jump * density
            rows[row + 1] += jump * density * at
    return np.stack((*rows[:3], rows[3] / (2 * sig), rows[4], rows[5] / (2 * sig)))

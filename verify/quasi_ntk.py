"""The gradient NTK of a quasi network of finite width (theory.md, section 2): reverse mode through nu and sig2 from
layer to layer, forward mode through an activation's closed forms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, erfcx

from derive.network import Dense
from derive.weights import WeightLaw
from numerics import special
from numerics.interpret import Arithmetic

Floats = NDArray[np.float64]
BLOCK = 8_000_000
"""Numbers in one block of gradients: 64 MB."""


@dataclass(frozen=True, eq=False)
class DensePass:
    """One dense layer and what its forward pass leaves for the way back.

    Attributes
    ----------
    dense : Dense
    weights : ndarray, shape (rows, columns)
        Latents w.
    mu, tau : ndarray, shape (n, columns)
        E[h_j] and E[h_j^2] of what enters.
    slopes : ndarray, shape (2, 2, n, rows)
        Of what leaves: the derivatives of (mu', tau') by (nu, sig2).
    """

    dense: Dense
    weights: Floats
    mu: Floats
    tau: Floats
    slopes: Floats

    @property
    def a(self) -> float:
        """W_std^2 / (e d)."""
        return float(self.dense.W_std**2 / self.dense.law.second_moment) / len(self.weights[0])


def gradient_products(passes: Sequence[DensePass], standardised: bool, sigma_path: bool) -> Floats:
    """Inner products of the gradients of the output, nu of the last layer, over all trained latents and biases.

    Parameters
    ----------
    passes : sequence of DensePass
        From the first dense layer to the last, which has one row.
    standardised : bool
        Gradients by w / s, s^2 = E[w^2]; else by w.
    sigma_path : bool
        Whether sig2 varies with the latents; else it is held fixed.

    Returns
    -------
    ndarray, shape (n, n)

    Notes
    -----
    O(n rows columns) a layer for the way back, and for the products O(n^2 (rows + columns)) where a gradient is one
    outer product, O(n^2 rows columns) where sig2 adds two more. Gradients are formed in blocks of 64 MB.
    """
    n = len(passes[-1].mu)
    by_nu, by_sig2 = np.ones((n, 1)), np.zeros((n, 1))
    total = np.zeros((n, n))
    for number in range(len(passes) - 1, -1, -1):
        layer = passes[number]
        if layer.dense.trained:
            s2 = float(layer.dense.law.latent_second_moment) if standardised else 1.0
            total += s2 * _weight_products(layer, by_nu, by_sig2)
            total += float(layer.dense.b_std) ** 2 * (by_nu @ by_nu.T)
        if number:
            by_mu, by_tau = _through_dense(layer, by_nu, by_sig2)
            slopes = passes[number - 1].slopes
            by_nu = by_mu * slopes[0, 0] + by_tau * slopes[1, 0]
            by_sig2 = sigma_path * (by_mu * slopes[0, 1] + by_tau * slopes[1, 1])
    return total


def neighbours(law: WeightLaw, w: Floats) -> tuple[Floats, Floats]:
    """The grid points below and above every latent; where nothing is rounded, w itself twice."""
    if law.levels is None:
        return w, w
    step = float(law.step)
    cell = np.clip(np.floor((w + 1) / step), 0, law.levels - 2)
    return cell * step - 1, (cell + 1) * step - 1


def _through_dense(layer: DensePass, by_nu: Floats, by_sig2: Floats) -> tuple[Floats, Floats]:
    """Derivatives of the output by mu and tau, from those by nu = sqrt(a) w mu + b_std b and by
    sig2 = a (E[W^2 | w] tau - w^2 mu^2).
    """
    w = layer.weights
    low, high = neighbours(layer.dense.law, w)
    by_mu = np.sqrt(layer.a) * by_nu @ w - 2 * layer.a * layer.mu * (by_sig2 @ w**2)
    by_tau = layer.a * by_sig2 @ (w**2 + (w - low) * (high - w))
    return by_mu, by_tau


def _weight_products(layer: DensePass, by_nu: Floats, by_sig2: Floats) -> Floats:
    """Inner products of d output / d w_ij = by_nu_i sqrt(a) mu_j + by_sig2_i a ((low + high)_ij tau_j - 2 w_ij mu_j^2)."""
    if not by_sig2.any():
        return layer.a * (by_nu @ by_nu.T) * (layer.mu @ layer.mu.T)
    w, n = layer.weights, len(layer.mu)
    rows, columns = w.shape
    low, high = neighbours(layer.dense.law, w)
    total = np.zeros((n, n))
    step = max(BLOCK // (n * columns), 1)
    for first in range(0, rows, step):
        i = slice(first, first + step)
        by_sigma = (low + high)[i] * layer.tau[:, None, :] - 2 * w[i] * layer.mu[:, None, :] ** 2
        gradient = np.sqrt(layer.a) * by_nu[:, i, None] * layer.mu[:, None, :]
        gradient += layer.a * by_sig2[:, i, None] * by_sigma
        flat = gradient.reshape(n, -1)
        total += flat @ flat.T
    return total


@dataclass(frozen=True, eq=False)
class Jet:
    """A value with its derivatives by nu and sig2, in the first axis of `slopes`: a number type for the interpreter."""

    value: Any
    slopes: Any

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.slopes + other.slopes)

    def __mul__(self, other: Jet) -> Jet:
        return Jet(self.value * other.value, self.slopes * other.value + self.value * other.slopes)

    def __truediv__(self, other: Jet) -> Jet:
        """The relative change of the denominator, which may be huge, is formed first."""
        ratio = self.value / other.value
        return Jet(ratio, self.slopes / other.value - ratio * (other.slopes / other.value))

    def __pow__(self, exponent: int) -> Jet:
        return Jet(self.value**exponent, exponent * self.value ** (exponent - 1) * self.slopes)

    def __lt__(self, other: Jet) -> Any:
        return self.value < other.value

    def __le__(self, other: Jet) -> Any:
        return self.value <= other.value


def _constant(value: Any) -> Jet:
    return Jet(float(value), np.zeros((2, 1)))


def _chain(rule: Callable[..., tuple[Any, ...]]) -> Callable[..., Jet]:
    """A function of jets, given one that returns its value and its partial derivatives."""

    def function(*arguments: Jet) -> Jet:
        value, *partials = rule(*(argument.value for argument in arguments))
        changes = (partial * argument.slopes for partial, argument in zip(partials, arguments, strict=True))
        return Jet(value, sum(changes))

    return function


def _exp(x: Any) -> tuple[Any, Any]:
    """exp(x), constant beyond e^300: there it stands in denominators, and its derivative would overflow."""
    value = np.exp(np.minimum(x, 300))
    return value, np.where(x < 300, value, 0.0)


def _density(x: Any, var: Any, shift: Any = 0.0) -> Any:
    """exp(shift) times the density of N(0, var)."""
    return np.exp(shift - x * x / (2 * var)) / np.sqrt(2 * np.pi * var)


def _tail(h: Any, var: Any, shift: Any) -> tuple[Any, ...]:
    """exp(shift) P(z > h), z ~ N(0, var); by var with the heat equation."""
    z = h / np.sqrt(2 * var)
    value = 0.5 * np.where(z > 0, np.exp(shift - z * z) * erfcx(np.maximum(z, 0)), np.exp(shift) * erfc(z))
    density = _density(h, var, shift)
    return value, -density, density * h / (2 * var), value


_QUADRANT = np.vectorize(special.quadrant, otypes="d")


def _quadrant(h: Any, k: Any, var1: Any, var2: Any, cov12: Any, shift: Any) -> tuple[Any, ...]:
    """exp(shift) P(u > h, v > k); by cov12 with Plackett's identity, by the variances with the heat equation."""
    root = np.sqrt(var1) * np.sqrt(var2)
    determinant = (root - cov12) * (root + cov12)

    def partials(h: Any, k: Any, var1: Any) -> tuple[Any, Any, Any]:
        rest, given = k - cov12 * h / var1, determinant / var1
        density = _density(h, var1, shift)
        by_h, joint = -density * _tail(rest, given, 0.0)[0], density * _density(rest, given)
        return by_h, (-by_h * h - cov12 * joint) / (2 * var1), joint

    (by_h, by_var1, joint), (by_k, by_var2, _) = partials(h, k, var1), partials(k, h, var2)
    value = _QUADRANT(h, k, var1, var2, cov12, shift)
    return value, by_h, by_k, by_var1, by_var2, joint, value


def _sinh_scaled(x: Any, shift: Any) -> tuple[Any, ...]:
    """exp(shift) sinh(x)."""
    up, down = 0.5 * np.exp(shift + x), 0.5 * np.exp(shift - x)
    value = np.where(np.abs(x) < 1, np.exp(shift) * np.sinh(np.clip(x, -1, 1)), up - down)
    return value, up + down, value


_RULES: dict[str, Callable[..., tuple[Any, ...]]] = {
    "sqrt": lambda x: (np.sqrt(x), 0.5 / np.sqrt(x)),
    "exp": _exp,
    "log": lambda x: (np.log(x), 1 / x),
    "sin": lambda x: (np.sin(x), np.cos(x)),
    "cos": lambda x: (np.cos(x), -np.sin(x)),
    "abs": lambda x: (np.abs(x), np.sign(x)),
    "max": lambda x, y: (np.maximum(x, y), x >= y, x < y),
    "min": lambda x, y: (np.minimum(x, y), x <= y, x > y),
    "tail": _tail,
    "quadrant": _quadrant,
    "sinh_scaled": _sinh_scaled,
}
"""Value and partial derivatives of the functions that closed forms of mu' and tau' call."""

JETS = Arithmetic(
    number=_constant,
    pi=lambda: _constant(np.pi),
    functions={name: _chain(rule) for name, rule in _RULES.items()},
)
"""Closed forms over arrays of neurons, differentiated on the way."""

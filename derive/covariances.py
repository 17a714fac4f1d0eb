"""A network for inputs of one second moment, and its covariances along t, beyond t = 1 as well (theory.md, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath

from derive.activation import Activation
from derive.continuation import Continuation, continuation
from derive.network import Dense, Network
from derive.numbers import mpf
from derive.weights import REAL


@dataclass(frozen=True)
class Stage:
    """Dense layers and the activation behind them, at its variance Q."""

    dense: tuple[Dense, ...]
    activation: Activation
    dual: Continuation


@dataclass(frozen=True)
class Net:
    """A network for inputs of second moment q; with independent roundings, or (all r = 1) with the same for x and y."""

    stages: tuple[Stage, ...]
    last: tuple[Dense, ...]
    q: Fraction
    latent: bool


def network_of(kernel: object) -> Network:
    """The network of a kernel, or the network itself."""
    network = kernel if isinstance(kernel, Network) else getattr(kernel, "network", None)
    if not isinstance(network, Network):
        raise TypeError(f"A prediction needs a network or a network's kernel, got {type(kernel).__name__}.")
    return network


def net_of(network: Network, q: Fraction, independent: bool) -> Net:
    """The network for inputs of second moment q."""
    stages: list[Stage] = []
    dense: list[Dense] = []
    moment: Any = q
    for layer in network.layers:
        if isinstance(layer, Dense):
            own = layer if independent else Dense(REAL, layer.W_std, layer.b_std, layer.trained, layer.label)
            dense.append(own)
            moment = (
                mpf(layer.W_std) ** 2 * moment + mpf(layer.b_std) ** 2
                if stages
                else layer.W_std**2 * moment + layer.b_std**2
            )
        else:
            dual = continuation(layer, moment)
            stages.append(Stage(tuple(dense), layer, dual))
            dense, moment = [], dual.moment
    return Net(tuple(stages), tuple(dense), q, network.parameterization == "latent")


def linear(dense: Sequence[Dense]) -> tuple[Fraction, Fraction]:
    """M = A m + B behind dense layers."""
    A, B = Fraction(1), Fraction(0)
    for layer in dense:
        r = layer.law.latent_fraction
        A, B = r * layer.W_std**2 * A, r * layer.W_std**2 * B + layer.b_std**2
    return A, B


def second_moment(dense: Sequence[Dense], q: Fraction) -> Fraction:
    """Q behind dense layers, for inputs of second moment q."""
    for layer in dense:
        q = layer.W_std**2 * q + layer.b_std**2
    return q


def correlations(net: Net, t: Any) -> Iterator[tuple[Stage, Any]]:
    """rho_l(t) of every layer."""
    m = mpf(net.q) * t
    for stage in net.stages:
        A, B = map(mpf, linear(stage.dense))
        rho = (A * m + B) / stage.dual.variance
        yield stage, rho
        m = _value(stage.dual, rho)


def _value(dual: Continuation, rho: Any) -> Any:
    """kappa(rho); inf stays inf where nothing bounds it."""
    if mpmath.isfinite(rho):
        return dual.at(rho)[0]
    constant = all(part.degree is not None and part.degree <= 0 for part in dual.parts)
    return dual.moment if constant else mpmath.inf


def beyond(net: Net, t: Any) -> int | None:
    """The first layer with |rho_l(t)| > g_l."""
    return next((i for i, (stage, rho) in enumerate(correlations(net, t)) if stage.dual.is_beyond(rho)), None)


def excess(net: Net, t: Any, layer: int) -> Any:
    """|rho_l(t)| / g_l - 1."""
    for i, (stage, rho) in enumerate(correlations(net, t)):
        if i == layer:
            return abs(rho) / stage.dual.g - 1
    raise AssertionError

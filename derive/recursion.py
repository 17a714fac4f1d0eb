"""The moment recursion and the NTK of the quasi network, layer by layer (theory.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy

from derive.activation import Activation
from derive.dual import DualActivation
from derive.network import Dense, Network
from derive.series import SeriesDual
from derive.special import Angle, Arcsine, Quadrant, Sine, SinhScaled, Tail

q_x, q_y = sympy.symbols("q_x q_y", nonnegative=True)
m_0 = sympy.Symbol("m_0", real=True)
ZERO = sympy.Integer(0)


@dataclass(frozen=True)
class Equation:
    """symbol = value, with the formula it is an instance of."""

    symbol: sympy.Symbol
    value: sympy.Expr
    source: str


@dataclass(frozen=True)
class Moments:
    """The kernels of one pair (x, y) behind a layer: q of x and of y, p, m and the NTK k."""

    q_x: sympy.Expr
    q_y: sympy.Expr
    p: sympy.Expr
    m: sympy.Expr
    k: sympy.Expr


@dataclass(frozen=True)
class LayerMoments:
    """One layer's equations, and the moments behind it."""

    title: str
    equations: tuple[Equation, ...]
    moments: Moments


@dataclass(frozen=True)
class Recursion:
    """The whole network's equations, once for a pair (x, y) and once for x = y."""

    pair: tuple[LayerMoments, ...]
    diagonal: tuple[LayerMoments, ...]
    homogeneity: int | None
    """n where scaling one input by s > 0 scales the kernels by s^n, provided that all biases are 0."""


Dual = DualActivation | SeriesDual


def unroll(network: Network, dual: Callable[[Activation], Dual]) -> Recursion:
    """Write out the recursion of a network, given the dual of each of its activations.

    Raises
    ------
    DerivationError
        If the NTK is infinite on the diagonal.
    """
    start = Moments(q_x, q_y, m_0, m_0, ZERO)
    on_diagonal = Moments(q_x, q_x, q_x, q_x, ZERO)
    degree: int | None = 1
    for layer in network.layers:
        if not isinstance(layer, Dense):
            own = dual(layer).homogeneity
            degree = None if degree is None or own is None else degree * own
    return Recursion(
        pair=_layers(network, dual, start, diagonal=False),
        diagonal=_layers(network, dual, on_diagonal, diagonal=True),
        homogeneity=degree,
    )


def _layers(
    network: Network, dual: Callable[[Activation], Dual], moments: Moments, diagonal: bool
) -> tuple[LayerMoments, ...]:
    layers: list[LayerMoments] = []
    number = activations = 0
    for layer in network.layers:
        if isinstance(layer, Dense):
            number += 1
            step = _dense(moments, layer, number, diagonal, network.parameterization)
        else:
            activations += 1
            step = _activation(moments, dual(layer).in_layer(activations), number, diagonal)
        layers.append(step)
        moments = step.moments
    return tuple(layers)


_NAMED: dict[Any, tuple[str, str]] = {
    Sine: ("sine", "sqrt(var1 var2 - cov12^2)"),
    Angle: ("theta", "arccos(cov12 / sqrt(var1 var2))"),
    Arcsine: ("arcsine", "arcsin(cov12 / sqrt(var1 var2))"),
    Tail: ("tail", "exp(shift) P(z > h), Var z = var"),
    Quadrant: ("quadrant", "exp(shift) P(u > h, v > k)"),
    SinhScaled: ("sinh", "exp(shift) sinh(z)"),
}
"""Special functions that get a line of their own, innermost first: name and meaning."""


@dataclass
class _Writer:
    """Collects a layer's equations; a number needs none."""

    number: int
    equations: list[Equation] = field(default_factory=list)
    named: dict[sympy.Expr, sympy.Symbol] = field(default_factory=dict)

    def __call__(self, name: str, value: sympy.Expr, source: str) -> sympy.Expr:
        if value.is_number:
            return value
        symbol = sympy.Symbol(
            f"{name}_{self.number}", nonnegative=True if name[0] in "Qq" else None, real=True
        )
        self.equations.append(Equation(symbol, value, source))
        return symbol

    def special(self, moment: str, value: sympy.Expr) -> sympy.Expr:
        """The value with its special functions named once, as sine_<moment>, quadrant_<moment>, quadrant_<moment>2."""
        for kind, (name, source) in _NAMED.items():
            for function in sorted(value.atoms(kind), key=str):
                if function not in self.named:
                    taken = sum(str(symbol).startswith(f"{name}_{moment}") for symbol in self.named.values())
                    number = taken + 1 if taken else ""
                    self.named[function] = self(f"{name}_{moment}{number}", function, source)
            value = value.xreplace(self.named)
        return value


def _dense(before: Moments, layer: Dense, number: int, diagonal: bool, parameterization: str) -> LayerMoments:
    """Moments that are equal by construction keep one symbol: p is m until something has been rounded,
    and on the diagonal p is q.
    """
    let = _Writer(number)
    W_std, b_std = _parameter("W_std", layer), _parameter("b_std", layer)
    r = _parameter("latent_fraction", layer) if layer.law.rounded else sympy.Integer(1)
    q_x, q_y, p, m, k = before.q_x, before.q_y, before.p, before.m, before.k

    Q_x = let("Q" if diagonal else "Q_x", W_std**2 * q_x + b_std**2, "Q = W_std^2 q + b_std^2")
    Q_y = Q_x if diagonal else let("Q_y", W_std**2 * q_y + b_std**2, "Q = W_std^2 q + b_std^2")
    P = Q_x if diagonal else let("P", W_std**2 * p + b_std**2, "P = W_std^2 p + b_std^2")
    same = p == m and not layer.law.rounded
    M = P if same else let("M", r * W_std**2 * m + b_std**2, "M = r W_std^2 m + b_std^2")
    if parameterization == "latent":
        own = W_std**2 * m / _parameter("second_moment", layer) + b_std**2
        K = let(
            "K",
            r * W_std**2 * k + (own if layer.trained else ZERO),
            "K = r W_std^2 k + [trained] (W_std^2 m / e + b_std^2)",
        )
    else:
        K = let("K", r * W_std**2 * k + (M if layer.trained else ZERO), "K = r W_std^2 k + [trained] M")
    return LayerMoments(
        f"dense layer {number}: {_law_text(layer)}", tuple(let.equations), Moments(Q_x, Q_y, P, M, K)
    )


def _activation(before: Moments, dual: Dual, number: int, diagonal: bool) -> LayerMoments:
    let = _Writer(number)
    Q_x, Q_y, P, M, K = before.q_x, before.q_y, before.p, before.m, before.k

    q_x = let("q" if diagonal else "q_x", let.special("x", dual.of_phi_diagonal(Q_x)), "q' = kappa(Q, Q, Q)")
    q_y = (
        q_x if diagonal else let("q_y", let.special("y", dual.of_phi_diagonal(Q_y, 1)), "q' = kappa(Q, Q, Q)")
    )
    if diagonal:
        p = q_x
    else:
        p = let("p", let.special("p", dual.of_phi(Q_x, Q_y, P)), "p' = kappa(Q_x, Q_y, P)")
    if P == M:
        m = p
    else:
        m = let("m", let.special("m", dual.of_phi(Q_x, Q_y, M)), "m' = kappa(Q_x, Q_y, M)")
    if K == ZERO:
        k = ZERO
    elif diagonal and Q_x == M:
        k = let("k", let.special("x", dual.of_dphi_diagonal(Q_x)) * K, "k' = kappa_dot(Q, Q, Q) K")
    else:
        k = let("k", let.special("m", dual.of_dphi(Q_x, Q_y, M)) * K, "k' = kappa_dot(Q_x, Q_y, M) K")
    return LayerMoments(
        f"activation {number}: {dual.activation.name}", tuple(let.equations), Moments(q_x, q_y, p, m, k)
    )


def _law_text(layer: Dense) -> str:
    return f"{'rounded' if layer.law.rounded else 'real'} weights{'' if layer.trained else ', not trained'}"


def _parameter(name: str, layer: Dense) -> sympy.Symbol:
    return sympy.Symbol(
        parameter_name(name, layer), positive=True if name != "b_std" else None, nonnegative=True
    )


def parameter_name(name: str, layer: Dense) -> str:
    """Name of a layer's parameter: "W_std" for label "", else "W_std_<label>"."""
    return f"{name}_{layer.label}" if layer.label else name


def parameters(network: Network) -> dict[str, Fraction]:
    """Values of all run-time parameters, in the order in which the layers use them."""
    values: dict[str, Fraction] = {}
    for layer in network.layers:
        if isinstance(layer, Activation):
            values |= dict(layer.parameters)
            continue
        values[parameter_name("W_std", layer)] = layer.W_std
        values[parameter_name("b_std", layer)] = layer.b_std
        if layer.law.rounded:
            values[parameter_name("latent_fraction", layer)] = layer.law.latent_fraction
        if network.parameterization == "latent":
            values[parameter_name("second_moment", layer)] = layer.law.second_moment
    return values

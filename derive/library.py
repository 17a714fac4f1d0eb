"""Activations known by name, each as the expression a person would type, with its parameters' usual values."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class Named:
    """An expression in x and, by name, the values its parameters have unless others are given."""

    text: str
    parameters: dict[str, Fraction] = field(default_factory=dict)


def _named(text: str, **parameters: str) -> Named:
    return Named(text, {name: Fraction(value) for name, value in parameters.items()})


NAMED: dict[str, Named] = {
    "relu": _named("max(x, 0)"),
    "leaky_relu": _named("max(x, 0) + negative_slope*min(x, 0)", negative_slope="0.01"),
    "prelu": _named("max(x, 0) + a*min(x, 0)", a="0.25"),
    "abrelu": _named("a*min(x, 0) + b*max(x, 0)", a="0.5", b="2"),
    "relu6": _named("min(max(x, 0), 6)"),
    "relu2": _named("max(x, 0)**2"),
    "relu3": _named("max(x, 0)**3"),
    "abs": _named("abs(x)"),
    "identity": _named("x"),
    "elu": _named("x if x > 0 else alpha*(exp(x) - 1)", alpha="1"),
    "celu": _named("x if x > 0 else alpha*(exp(x/alpha) - 1)", alpha="1"),
    "selu": _named("1.0507009873554805*(x if x > 0 else 1.6732632423543773*(exp(x) - 1))"),
    "gelu": _named("x*Phi(x)"),
    "gelu_tanh": _named("x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"),
    "erf": _named("erf(x)"),
    "Phi": _named("Phi(x)"),
    "hardtanh": _named("max(-1, min(1, x))"),
    "hardsigmoid": _named("max(0, min(6, x + 3))/6"),
    "hardswish": _named("x*max(0, min(6, x + 3))/6"),
    "hardshrink": _named("x if x > lambd or x < -lambd else 0", lambd="0.5"),
    "softshrink": _named("max(x - lambd, 0) + min(x + lambd, 0)", lambd="0.5"),
    "threshold": _named("x if x > threshold else value", threshold="0.1", value="20"),
    "sign": _named("sign(x)"),
    "heaviside": _named("heaviside(x)"),
    "staircase": _named("sign(x + 1)/2 + sign(x)/2 + sign(x - 1)/2"),
    "sin": _named("sin(x)"),
    "cos": _named("cos(x)"),
    "gaussian": _named("exp(-x**2/2)"),
    "xgaussian": _named("x*exp(-x**2/2)"),
    "exp": _named("exp(x)"),
    "cubic": _named("x**3"),
    "hermite2": _named("x**2 - 1"),
    "hermite3": _named("x**3 - 3*x"),
    "hermite4": _named("x**4 - 6*x**2 + 3"),
    "tanh": _named("tanh(x)"),
    "sigmoid": _named("sigmoid(x)"),
    "silu": _named("x*sigmoid(x)"),
    "mish": _named("x*tanh(softplus(x))"),
    "softplus": _named("softplus(x)"),
    "softsign": _named("x/(1 + abs(x))"),
    "logsigmoid": _named("-softplus(-x)"),
    "tanhshrink": _named("x - tanh(x)"),
    "snake": _named("x + sin(a*x)**2/a", a="1"),
}

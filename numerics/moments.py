"""What the recursion gives for x = y at many digits: the variances of all layers, and K(1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath

from derive import ir
from derive.activation import Activation
from derive.errors import DerivationError
from derive.hermite import hermite_coefficients, second_moment
from derive.lower import network_of
from derive.network import Dense, Network
from numerics.interpret import MULTIPRECISION, Arithmetic, interpret
from numerics.rules import has_series

DIGITS = 30


def variances(kernel: ir.KernelIR, q: Fraction, digits: int = DIGITS) -> tuple[Any, ...]:
    """Q in front of each activation on |x|^2 = q d, mpmath numbers.

    Raises
    ------
    DerivationError
        If a second moment is infinite there.
    """
    network = network_of(kernel)
    places = _places(network)
    targets = {assign.target for assign in kernel.diagonal.body}
    names = [f"Q_{place}" if f"Q_{place}" in targets else "q_x" for place in places]
    outputs = tuple((f"out{i}", ir.Name(name)) for i, name in enumerate(names))
    if not outputs:
        return ()
    program = replace(kernel.diagonal, outputs=outputs).restricted(*(name for name, _ in outputs))
    with mpmath.workdps(digits + 10):
        numbers = arithmetic(network, 0, digits)
        found = _run(kernel, program, q, numbers)
        if kernel.domain is not None:
            margin = _run(kernel, kernel.domain, q, numbers)["margin"]
            if not margin > 0:
                raise DerivationError(
                    f"E[phi(u)^2] is infinite or not certified for |x|^2 / d = {float(q):.6g}: choose another q or W_std."
                )
        return tuple(found[name] for name, _ in outputs)


def total(kernel: ir.KernelIR, q: Fraction, output: str, order: int, digits: int = DIGITS) -> tuple[Any, Any]:
    """K(1) on |x|^2 = q d and a bound on its error; Hermite series of `order` coefficients where there is no closed form."""
    series = has_series(kernel)
    network = network_of(kernel) if series else Network([Dense()])
    program = kernel.diagonal.restricted(output)
    with mpmath.workdps(digits + 10):
        low = _run(kernel, program, q, arithmetic(network, order, digits))[output]
        high = (
            _run(kernel, program, q, arithmetic(network, order, digits, rest=True))[output] if series else low
        )
        return low, abs(high - low) + abs(low) * mpmath.mpf(10) ** -digits


def _run(kernel: ir.KernelIR, program: ir.Program, q: Fraction, numbers: Arithmetic) -> dict[str, Any]:
    return interpret(program, {**dict(kernel.parameters), "q_x": q}, numbers)


def _places(network: Network) -> list[int]:
    """Numbers of the dense layers that the activations follow."""
    places, count = [], 0
    for layer in network.layers:
        count += isinstance(layer, Dense)
        if isinstance(layer, Activation):
            places.append(count)
    return places


def arithmetic(network: Network, order: int, digits: int, rest: bool = False) -> Arithmetic:
    """mpmath numbers with the duals of Hermite series, cut off behind `order` or, with `rest`, bounded from above."""
    layers = [layer for layer in network.layers if isinstance(layer, Activation)]

    def kappa(number: Any, var1: Any, _: Any, cov12: Any) -> Any:
        layer, rho = layers[int(number) - 1], cov12 / var1
        h = hermite_coefficients(layer, var1, order, digits - 8)
        value = mpmath.fsum(x * x * rho**j for j, x in enumerate(h))
        return value + (rest and _rest(layer, var1, h, digits) * abs(rho) ** (order + 1))

    def kappa_dot(number: Any, var1: Any, _: Any, cov12: Any) -> Any:
        layer, rho = layers[int(number) - 1], cov12 / var1
        h = hermite_coefficients(layer, var1, order, digits - 8)
        value = mpmath.fsum(j * x * x * rho ** (j - 1) for j, x in enumerate(h) if j)
        highest = max(mpmath.mpf(order + 1), -1 / mpmath.log(abs(rho)) if 0 < abs(rho) < 1 else 0)
        return (value + (rest and _rest(layer, var1, h, digits) * highest * abs(rho) ** (highest - 1))) / var1

    functions: dict[str, Callable[..., Any]] = {
        "kappa": kappa,
        "kappa_dot": kappa_dot,
        "kappa_diagonal": lambda number, _, var: second_moment(layers[int(number) - 1], var, digits),
        "kappa_dot_diagonal": lambda number, _, var: second_moment(
            layers[int(number) - 1], var, digits, True
        ),
    }
    return replace(MULTIPRECISION, functions={**MULTIPRECISION.functions, **functions})


def _rest(layer: Activation, variance: Any, h: list[Any], digits: int) -> Any:
    """E[phi^2] - sum_j h_j^2, at least what rounding leaves of it."""
    norm = second_moment(layer, variance, digits)
    return max(norm - mpmath.fsum(x * x for x in h), norm * mpmath.mpf(10) ** (8 - digits))

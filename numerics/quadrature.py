"""The interpreter's numbers for kernels with Hermite series: kappa by the oracle's quadrature.

It shares nothing with compiled code, not even the rule of integration: panels are found anew for every variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import mpmath

from derive import ir, oracle
from derive.errors import NumericalError
from derive.numbers import mpf
from numerics.interpret import MULTIPRECISION, Arithmetic, interpret

TERMS = 400
LARGEST_ERROR = 1e-13
"""Over sqrt(E[phi(u)^2] E[phi(v)^2])."""


def multiprecision(kernel: ir.KernelIR) -> Arithmetic:
    """mpmath numbers, with the kappa of the kernel's layers; one for each precision and kernel.

    Its functions raise NumericalError where 400 terms of Mehler's series leave more than 1e-13, near |rho| = 1.

    Notes
    -----
    0.5 s for each different variance at 20 digits; kept as long as the result lives.
    """
    layers = [function for function in kernel.functions if function.series is not None]
    if not layers:
        return MULTIPRECISION

    @cache
    def known(function: ir.FunctionIR, var: Any) -> tuple[Any, list[Any]]:
        samples = _samples(function, function.phi, var)
        return samples.second_moment(), samples.hermite_coefficients(TERMS)

    def of_layer(layer: Any) -> ir.FunctionIR:
        return kernel.functions[int(layer) - 1]

    def kappa(layer: Any, var1: Any, var2: Any, cov12: Any) -> Any:
        (norm1, h1), (norm2, h2) = (known(of_layer(layer), var) for var in (var1, var2))
        found = oracle.dual(h1, h2, norm1, norm2, cov12 / mpmath.sqrt(var1 * var2))
        return _sure(found, mpmath.sqrt(norm1 * norm2))

    def kappa_dot(layer: Any, var1: Any, var2: Any, cov12: Any) -> Any:
        (norm1, h1), (norm2, h2) = (known(of_layer(layer), var) for var in (var1, var2))
        root = mpmath.sqrt(var1 * var2)
        found = oracle.dual_of_derivative(h1, h2, norm1, norm2, cov12 / root, root)
        return _sure(found, mpmath.sqrt(norm1 * norm2) / root)

    def kappa_dot_diagonal(layer: Any, _: Any, var: Any) -> Any:
        function = of_layer(layer)
        return _samples(function, function.dphi, var).second_moment()

    functions: dict[str, Callable[..., Any]] = {
        "kappa": kappa,
        "kappa_dot": kappa_dot,
        "kappa_diagonal": lambda layer, _, var: known(of_layer(layer), var)[0],
        "kappa_dot_diagonal": kappa_dot_diagonal,
    }
    return replace(MULTIPRECISION, functions={**MULTIPRECISION.functions, **functions})


def _samples(function: ir.FunctionIR, program: ir.Program, var: Any) -> oracle.Samples:
    assert function.series is not None
    kinks = [mpf(at) for at, _ in function.series.kinks]
    return oracle.sample(lambda x: interpret(program, {"x": x}, MULTIPRECISION)["value"], var, kinks)


def _sure(found: oracle.Expectation, scale: Any) -> Any:
    if found.error > LARGEST_ERROR * scale:
        raise NumericalError(f"Mehler's series leaves {float(found.error / scale):.1g} after {TERMS} terms.")
    return found.value

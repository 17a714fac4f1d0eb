"""By which route the dual of each activation layer is computed, and with what bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.baselines import baseline_text
from numerics.build import build
from numerics.emit import emit_values
from numerics.mehler import ACCEPTED, ORDER, TOLERANCE
from numerics.rules import different_rules


def routes(kernel: ir.KernelIR, parameters: NDArray[np.float64]) -> tuple[str, ...]:
    """One line for each activation layer, for inputs with |x|^2 = d; for a baseline one line."""
    if kernel.baseline is not None:
        return (f"{baseline_text(*kernel.baseline)}: closed formula of D = |x - y|^2 / d",)
    duals = {dual.activation: dual for dual in kernel.duals}
    names = [rest[0] for kind, *rest in kernel.network if kind == "activation"]
    shares = _shares(kernel, parameters) if different_rules(kernel) else {}
    lines = []
    for layer, (name, function) in enumerate(zip(names, kernel.functions, strict=True), 1):
        dual = duals[name]
        text = _series(function, dual, *shares[layer]) if layer in shares else _closed(dual)
        lines.append(f"{name}: {text}")
    return tuple(lines)


def _shares(kernel: ir.KernelIR, parameters: NDArray[np.float64]) -> dict[int, tuple[float, float]]:
    """Of every layer with a Hermite series: Q at |x|^2 = d, and the part of E[phi^2] that its terms leave out."""
    module, rules = build(emit_values(kernel)), different_rules(kernel)
    body, shares = kernel.diagonal.body, {}
    with np.errstate(all="ignore"):  # NumPy evaluates every branch everywhere
        numbers = module.diagonal(1.0, *parameters)
        values = dict(zip((assign.target for assign in body), map(float, numbers), strict=True))
        for assign in body:
            match assign.value:
                case ir.Call("kappa_diagonal", (ir.Number(layer), _, ir.Name(Q))):
                    k = rules.index(kernel.functions[int(layer) - 1])
                    phi, rule = getattr(module, f"phi_{k}"), getattr(module, f"RULE_{k}")
                    norm, rest = module.row_of(phi, rule, values[Q])[:2]
                    shares[int(layer)] = (values[Q], float(rest**2 / norm) if norm else 1.0)
    return shares


def _closed(dual: ir.DualIR) -> str:
    points, digits, _ = dual.certificate
    return f"closed form, {digits} digits certified at {points} random covariances"


def _series(function: ir.FunctionIR, dual: ir.DualIR, variance: float, share: float) -> str:
    """`share` is the part of E[phi^2] that the series leaves out."""
    assert function.series is not None
    limit = min(1.0, (TOLERANCE / share) ** (1 / (ORDER + 1)))
    beyond = "" if limit == 1 else f", beyond it direct quadrature with error estimate <= {ACCEPTED:g}"
    return (
        f"Hermite series of {ORDER + 1} terms; for |x|^2 = d, Q = {variance:.4g}, its bound is <= {TOLERANCE:g} "
        f"E[phi^2] for |rho| <= {limit:.4g}{beyond}; certified for {float(function.series.smallest):g} <= Q <= {float(function.series.largest):g} "
        f"to {dual.certificate[1]} digits at {dual.certificate[0]} random variances"
    )

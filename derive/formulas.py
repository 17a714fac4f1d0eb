"""What is derived of an activation as nodes, and back as SymPy formulas: what a derivation is remembered as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import sympy

from derive import gaussian, ir, special
from derive.activation import Activation
from derive.certificate import DualCertificate
from derive.dual import DualActivation
from derive.network import Network
from derive.nodes import FUNCTIONS, to_node
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.present import cov12, var1, var2
from derive.recursion import Dual
from derive.rule import Derived
from derive.series import SeriesDual

FORMS = ("phi", "dphi", "phi_diagonal", "dphi_diagonal", "mean", "second_moment", "bound")


def closed_ir(dual: DualActivation) -> ir.ActivationIR:
    """A closed form as nodes; a form that is infinite or missing is left out."""
    forms = {name: getattr(dual, name) for name in FORMS}
    parts = pieces(dual.activation.expr)
    sides = [*((edge > SYMBOL) for edge in parts.edges), True]
    slopes = [branch.diff(SYMBOL) for branch in parts.branches]
    slope = sympy.Piecewise(*zip(slopes, sides, strict=True)) if parts.edges else slopes[0]
    nu, sig = gaussian.nu, gaussian.sig
    function = ir.FunctionIR(
        text=dual.activation.text,
        phi=_program(dual.activation, (SYMBOL,), dual.activation.expr, "phi(x)"),
        dphi=_program(dual.activation, (SYMBOL,), slope, "phi'(x)"),
        mean=_program(dual.activation, (nu, sig), dual.mean, "mu' = E[phi(nu + sig z)]"),
        second_moment=_program(dual.activation, (nu, sig), dual.second_moment, "tau' = E[phi(nu + sig z)^2]"),
    )
    stored = ir.DualIR(
        activation=dual.activation.name,
        forms=tuple((name, to_node(form)) for name, form in forms.items() if form not in (None, sympy.oo)),
        homogeneity=dual.homogeneity,
        certificate=_certificate(dual.certificate),
    )
    return ir.ActivationIR(stored, function)


def series_ir(derived: Derived, reason: str) -> ir.ActivationIR:
    """A certified rule as nodes; `reason` says why there is no closed form."""
    dual = derived.dual
    function = ir.FunctionIR(
        text=dual.activation.text,
        phi=_program(dual.activation, (SYMBOL,), derived.phi, "phi(x)"),
        dphi=_program(dual.activation, (SYMBOL,), derived.dphi, "phi'(x)"),
        mean=None,
        second_moment=None,
        series=dual.rule,
    )
    stored = ir.DualIR(dual.activation.name, (), None, _certificate(dual.certificate), reason)
    return ir.ActivationIR(stored, function)


def dual_of(stored: ir.ActivationIR, activation: Activation) -> Dual:
    """The dual as formulas."""
    points, digits, seed = stored.dual.certificate
    certificate = DualCertificate(points, digits, seed)
    if stored.function.series is not None:
        return SeriesDual(activation, stored.function.series, certificate, stored.dual.reason)
    symbols = {str(s): s for s in (var1, var2, cov12, gaussian.variance, gaussian.nu, gaussian.sig)}
    symbols |= {name: sympy.Symbol(name, positive=True) for name, _ in activation.parameters}
    absent: dict[str, Any] = {**dict.fromkeys(FORMS), "dphi_diagonal": sympy.oo}
    forms = absent | {name: to_sympy(node, symbols) for name, node in stored.dual.forms}
    return DualActivation(
        activation=activation, homogeneity=stored.dual.homogeneity, certificate=certificate, **forms
    )


def duals_of(network: Network, stored: Mapping[str, ir.ActivationIR]) -> dict[str, Dual]:
    """The duals of a network's activations, by name; each is turned into formulas once."""
    layers = {layer.name: layer for layer in network.layers if isinstance(layer, Activation)}
    return {name: dual_of(stored[name], layer) for name, layer in layers.items()}


def _certificate(certificate: DualCertificate) -> tuple[int, int, int]:
    return certificate.points, int(certificate.digits), certificate.seed


def _program(
    activation: Activation, inputs: tuple[sympy.Symbol, ...], value: sympy.Expr, source: str
) -> ir.Program:
    assign = ir.Assign("result", to_node(value), source, activation.name)
    names = tuple(name for name, _ in activation.parameters)
    return ir.Program(tuple(map(str, inputs)), names, (assign,), (("value", ir.Name("result")),))


def to_sympy(node: ir.Node, symbols: dict[str, sympy.Symbol]) -> sympy.Expr:
    """One node as a SymPy expression."""
    match node:
        case ir.Number(value):
            return sympy.Rational(value.numerator, value.denominator)
        case ir.Pi():
            return sympy.pi
        case ir.Name(name):
            return symbols[name]
        case ir.Add(terms):
            return sympy.Add(*(to_sympy(term, symbols) for term in terms))
        case ir.Multiply(factors):
            return sympy.Mul(*(to_sympy(factor, symbols) for factor in factors))
        case ir.Divide(numerator, denominator):
            return to_sympy(numerator, symbols) / to_sympy(denominator, symbols)
        case ir.Power(base, exponent):
            return to_sympy(base, symbols) ** exponent
        case ir.Call(function, arguments):
            return _CLASSES[function](*(to_sympy(argument, symbols) for argument in arguments))
        case ir.Select(relation, left, right, yes, no):
            a, b, first, second = (to_sympy(part, symbols) for part in (left, right, yes, no))
            return sympy.Piecewise((first, a < b if relation == "<" else a <= b), (second, True))
        case _:
            assert_never(node)


_CLASSES: dict[str, Any] = {
    **{name: cls for cls, name in {**FUNCTIONS, **special.NAMES}.items()},
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "max": sympy.Max,
    "min": sympy.Min,
    "heaviside": lambda x: sympy.Heaviside(x, sympy.Rational(1, 2)),
}

"""Duals as nodes, and back as SymPy formulas: what a derivation is remembered as."""

from __future__ import annotations

from typing import Any, assert_never

import sympy

from derive import gaussian, ir, special
from derive.activation import Activation
from derive.certificate import DualCertificate
from derive.dual import DualActivation
from derive.lower import FUNCTIONS, to_node
from derive.present import cov12, var1, var2

FORMS = ("phi", "dphi", "phi_diagonal", "dphi_diagonal", "mean", "second_moment", "bound")


def dual_ir(dual: DualActivation) -> ir.DualIR:
    """The dual as nodes; a form that is infinite or missing is left out."""
    forms = {name: getattr(dual, name) for name in FORMS}
    certificate = dual.certificate
    return ir.DualIR(
        activation=dual.activation.name,
        forms=tuple((name, to_node(form)) for name, form in forms.items() if form not in (None, sympy.oo)),
        homogeneity=dual.homogeneity,
        certificate=(certificate.points, int(certificate.digits), certificate.seed),
    )


def dual_of(stored: ir.DualIR, activation: Activation) -> DualActivation:
    """The dual as formulas."""
    symbols = {str(s): s for s in (var1, var2, cov12, gaussian.variance, gaussian.nu, gaussian.sig)}
    symbols |= {name: sympy.Symbol(name, positive=True) for name, _ in activation.parameters}
    absent: dict[str, Any] = {**dict.fromkeys(FORMS), "dphi_diagonal": sympy.oo}
    forms = absent | {name: to_sympy(node, symbols) for name, node in stored.forms}
    points, digits, seed = stored.certificate
    return DualActivation(
        activation=activation,
        homogeneity=stored.homogeneity,
        certificate=DualCertificate(points, digits, seed),
        **forms,
    )


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

"""From SymPy expressions to nodes of the intermediate representation."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from typing import Any, Literal

import sympy

from derive import ir, series, special
from derive.errors import NoClosedForm

FUNCTIONS: dict[Any, str] = {
    sympy.exp: "exp", sympy.log: "log", sympy.sin: "sin", sympy.cos: "cos", sympy.tanh: "tanh", sympy.sinh: "sinh",
    sympy.cosh: "cosh", sympy.atan: "atan", sympy.erf: "erf", sympy.erfc: "erfc", sympy.Abs: "abs",
    sympy.sign: "sign", **special.NAMES,
    series.Kappa: "kappa", series.KappaDot: "kappa_dot",
    series.KappaDiagonal: "kappa_diagonal", series.KappaDotDiagonal: "kappa_dot_diagonal",
}  # fmt: skip
"""SymPy's functions by the names that nodes call them."""


def to_node(expr: sympy.Expr) -> ir.Node:
    """One SymPy expression as a node.

    Raises
    ------
    NoClosedForm
        If it holds a function the representation lacks.
    """
    if expr.is_Rational:
        return ir.Number(Fraction(int(expr.p), int(expr.q)))
    if expr is sympy.pi:
        return ir.Pi()
    if expr.is_Symbol:
        return ir.Name(str(expr))
    if isinstance(expr, sympy.Heaviside):
        return ir.Call("heaviside", (to_node(expr.args[0]),))
    if expr.func in FUNCTIONS:
        return ir.Call(FUNCTIONS[expr.func], tuple(map(to_node, expr.args)))
    if isinstance(expr, (sympy.Max, sympy.Min)):
        name = "max" if isinstance(expr, sympy.Max) else "min"
        nodes = [to_node(arg) for arg in sorted(expr.args, key=sympy.default_sort_key)]
        return reduce(lambda left, right: ir.Call(name, (left, right)), nodes)
    if expr.is_Add:
        return ir.Add(tuple(map(to_node, _ordered(expr))))
    if expr.is_Mul:
        return _product(expr)
    if expr.is_Pow:
        return _power(*expr.as_base_exp())
    if isinstance(expr, sympy.Piecewise):
        return _piecewise(expr)
    raise NoClosedForm(f"No code can be made for {expr.func.__name__} in {expr}.")


def _ordered(expr: sympy.Expr) -> list[sympy.Expr]:
    """Terms in the order in which a person would write them."""
    return list(expr.as_ordered_terms())


def _product(expr: sympy.Expr) -> ir.Node:
    numerator, denominator = sympy.fraction(expr)
    if denominator != 1:
        return ir.Divide(to_node(numerator), to_node(denominator))
    return ir.Multiply(tuple(map(to_node, expr.as_ordered_factors())))


def _power(base: sympy.Expr, exponent: sympy.Expr) -> ir.Node:
    if base is sympy.E:
        return ir.Call("exp", (to_node(exponent),))
    if exponent.is_Rational and exponent < 0:
        return ir.Divide(ir.Number(Fraction(1)), to_node(base ** (-exponent)))
    if exponent.is_Rational and exponent.q <= 2:
        root = to_node(base) if exponent.q == 1 else ir.Call("sqrt", (to_node(base),))
        return root if exponent.p == 1 else ir.Power(root, int(exponent.p))
    raise NoClosedForm(f"No code can be made for the power {base}**({exponent}).")


def _piecewise(expr: sympy.Piecewise) -> ir.Node:
    *head, (last, _) = expr.args
    node = to_node(last)
    for value, condition in reversed(head):
        node = _select(condition, to_node(value), node)
    return node


def _select(condition: Any, yes: ir.Node, no: ir.Node) -> ir.Node:
    """`yes` where the condition holds, else `no`."""
    match condition:
        case sympy.true | sympy.false:
            return yes if condition else no
        case sympy.Not():
            return _select(condition.args[0], no, yes)
        case sympy.And():
            return reduce(lambda node, part: _select(part, node, no), reversed(condition.args), yes)
        case sympy.Or():
            return reduce(lambda node, part: _select(part, yes, node), reversed(condition.args), no)
        case sympy.Eq() | sympy.Ne():
            left, right = to_node(condition.lhs), to_node(condition.rhs)
            same, other = (yes, no) if isinstance(condition, sympy.Eq) else (no, yes)
            return ir.Select("<=", left, right, ir.Select("<=", right, left, same, other), other)
        case sympy.Lt() | sympy.Le():
            relation: Literal["<", "<="] = "<" if isinstance(condition, sympy.Lt) else "<="
            return ir.Select(relation, to_node(condition.lhs), to_node(condition.rhs), yes, no)
        case sympy.Gt() | sympy.Ge():
            return _select(condition.reversed, yes, no)
    raise NoClosedForm(f"No code can be made for the condition {condition}.")

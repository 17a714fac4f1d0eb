"""From SymPy equations to the intermediate representation."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import reduce
from typing import Any, Literal

import sympy

from derive import gaussian, ir, special
from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import NoClosedForm
from derive.network import Dense, Network
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.recursion import LayerMoments, Recursion, m_0, parameters, q_x, q_y
from derive.weights import WeightLaw


def lower(network: Network, recursion: Recursion, duals: tuple[ir.DualIR, ...] = ()) -> ir.KernelIR:
    """The kernel's programs and everything else that numerics and verify need."""
    activations = [layer for layer in network.layers if isinstance(layer, Activation)]
    return ir.KernelIR(
        network=tuple(map(_layer, network.layers)),
        parameterization=network.parameterization,
        homogeneity=recursion.homogeneity,
        pair=_program(recursion.pair, (q_x, q_y, m_0), network, recursion.homogeneity is None),
        diagonal=_program(recursion.diagonal, (q_x,), network, recursion.homogeneity is None),
        domain=_domain(recursion, network),
        functions=tuple(map(_functions, activations)),
        duals=duals,
        parameters=tuple(parameters(network).items()),
    )


def network_of(kernel: ir.KernelIR) -> Network:
    """The network a kernel belongs to, with the kernel's parameter values."""
    return rebuilt(kernel.parameterization, kernel.network, dict(kernel.parameters))


def rebuilt(parameterization: str, layers: Iterable[Any], values: dict[str, Fraction]) -> Network:
    """The network of a `structure` and its parameters' values."""
    parts: list[Dense | Activation] = []
    for kind, *rest in layers:
        if kind == "activation":
            text, names = rest
            parts.append(Activation(text, **{name: values[name] for name in names}))
            continue
        levels, latent, trained, label = rest
        suffix = f"_{label}" if label else ""
        law = _law(levels, latent, values.get(f"latent_fraction{suffix}", Fraction(1)))
        parts.append(Dense(law, values[f"W_std{suffix}"], values[f"b_std{suffix}"], trained, label))
    return Network(parts, parameterization)  # type: ignore[arg-type]  # checked by Network


def _law(levels: int | None, latent: Any, fraction: Fraction) -> WeightLaw:
    """The layer's own law, or the one that stands for another latent fraction."""
    try:
        return WeightLaw(fraction, levels, latent)
    except ValueError:
        return WeightLaw(fraction)


def _layer(layer: Dense | Activation) -> tuple[Any, ...]:
    if isinstance(layer, Activation):
        return ("activation", layer.name, tuple(name for name, _ in layer.parameters))
    return ("dense", layer.law.levels, layer.law.latent, layer.trained, layer.label)


def structure(network: Network) -> tuple[Any, ...]:
    """The network without its parameters' values: what a kernel's programs depend on."""
    return (network.parameterization, tuple(map(_layer, network.layers)))


def _program(
    layers: tuple[LayerMoments, ...], inputs: tuple[sympy.Symbol, ...], network: Network, guarded: bool
) -> ir.Program:
    """`guarded`: variances of 0 are lifted, for closed forms that divide by them."""
    last = layers[-1].moments
    outputs = {"ntk": last.k, "nngp": last.m, "rounding": last.p - last.m}
    body = _body(layers, guarded)
    if not outputs["rounding"].is_number:
        body.append(ir.Assign("rounding", to_node(outputs["rounding"]), "rounding = P - M", "output"))
        outputs["rounding"] = sympy.Symbol("rounding")
    return ir.Program(
        inputs=tuple(map(str, inputs)),
        parameters=tuple(parameters(network)),
        body=tuple(body),
        outputs=tuple((name, to_node(value)) for name, value in outputs.items()),
    )


def _body(layers: tuple[LayerMoments, ...], guarded: bool) -> list[ir.Assign]:
    body = []
    for layer in layers:
        for equation in layer.equations:
            node, name = to_node(equation.value), str(equation.symbol)
            if guarded and name.startswith("Q"):
                node = ir.Call("positive", (node,))
            body.append(ir.Assign(name, node, equation.source, layer.title))
    return body


def _domain(recursion: Recursion, network: Network) -> ir.Program | None:
    """margin = min over the layers of 1 - Q / bound, where E[phi^2] is infinite from Q = bound on."""
    margins, variance = [], None
    for layer, step in zip(network.layers, recursion.diagonal, strict=True):
        if isinstance(layer, Dense):
            variance = step.moments.q_x
        elif (bound := dual_activation(layer).bound) is not None:
            margins.append(1 - variance / bound)
    if not margins:
        return None
    margin = ir.Assign("margin", to_node(sympy.Min(*margins)), "margin = 1 - Q / bound", "domain")
    body = (*_body(recursion.diagonal, guarded=True), margin)
    program = ir.Program((str(q_x),), tuple(parameters(network)), body, (("margin", ir.Name("margin")),))
    return program.restricted("margin")


def _functions(activation: Activation) -> ir.FunctionIR:
    dual, parts = dual_activation(activation), pieces(activation.expr)
    sides = [*((edge > SYMBOL) for edge in parts.edges), True]
    slopes = [branch.diff(SYMBOL) for branch in parts.branches]
    slope = sympy.Piecewise(*zip(slopes, sides, strict=True)) if parts.edges else slopes[0]
    names = tuple(name for name, _ in activation.parameters)

    def program(inputs: tuple[sympy.Symbol, ...], value: sympy.Expr, source: str) -> ir.Program:
        assign = ir.Assign("result", to_node(value), source, activation.name)
        return ir.Program(tuple(map(str, inputs)), names, (assign,), (("value", ir.Name("result")),))

    pair = (gaussian.nu, gaussian.sig)
    return ir.FunctionIR(
        text=activation.text,
        phi=program((SYMBOL,), activation.expr, "phi(x)"),
        dphi=program((SYMBOL,), slope, "phi'(x)"),
        mean=program(pair, dual.mean, "mu' = E[phi(nu + sig z)]"),
        second_moment=program(pair, dual.second_moment, "tau' = E[phi(nu + sig z)^2]"),
    )


FUNCTIONS: dict[Any, str] = {
    sympy.exp: "exp", sympy.log: "log", sympy.sin: "sin", sympy.cos: "cos", sympy.tanh: "tanh", sympy.sinh: "sinh",
    sympy.cosh: "cosh", sympy.atan: "atan", sympy.erf: "erf", sympy.erfc: "erfc", sympy.Abs: "abs",
    sympy.sign: "sign", **special.NAMES,
}  # fmt: skip


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

"""Classical kernels of the distance in the representation that networks' kernels have (docs/baselines.md).

With D = |x - y|^2 / d = q_x + q_y - 2 m_0 every baseline is one function K(D). The formulas of a family are written
once, here: programs, SymPy expressions and the check of a kernel file all come from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

import sympy

from derive import ir
from derive.nodes import to_node
from derive.recursion import Equation, LayerMoments, Moments, Recursion, m_0, q_x, q_y


def baseline_ir(family: str, n: int, values: Mapping[str, Fraction]) -> ir.KernelIR:
    """The kernel of a family; ntk = nngp = K, and rounding = 0.

    Parameters
    ----------
    family : str
        One of FAMILIES.
    n : int
        matern's p, where nu = p + 1/2; the number of a mixture's scales; 0 for the others.
    values : mapping of str to Fraction
        The family's parameters.

    Raises
    ------
    ValueError
        If there is no such family or n, or a value lies outside LIMITS.
    """
    lines, names = _family(family, n).lines(n), parameter_names(family, n)
    check_values(family, n, values)
    return ir.KernelIR(
        network=(("baseline", family, n),),
        parameterization="ntk",
        homogeneity=None,
        pair=_program((q_x, q_y, m_0), names, (_DISTANCE, *lines), family),
        diagonal=_program((q_x,), names, _at_zero(lines), family),
        domain=None,
        functions=(),
        duals=(),
        parameters=tuple((name, values[name]) for name in names),
    )


def recursion_of(family: str, n: int) -> Recursion:
    """The formulas of a family in SymPy, as one layer for a pair and one for x = y."""
    lines = _family(family, n).lines(n)
    pair, diagonal = _layer(family, (_DISTANCE, *lines), q_y), _layer(family, _at_zero(lines), q_x)
    return Recursion(pair=(pair,), diagonal=(diagonal,), homogeneity=None)


def parameter_names(family: str, n: int) -> tuple[str, ...]:
    """Names of the run-time parameters, in the order of the compiled code's arguments."""
    return _family(family, n).parameters(n)


def check_values(family: str, n: int, values: Mapping[str, Fraction]) -> None:
    """Raise ValueError unless these are the family's parameters, each within LIMITS, and some weight is not 0."""
    names = parameter_names(family, n)
    if values.keys() != set(names):
        raise ValueError(
            f"{family} has the parameters {', '.join(names)}, got {', '.join(values) or 'none'}."
        )
    for name in names:
        low, high = LIMITS[name.rstrip("_0123456789")]
        if not low <= values[name] <= high:
            got = f"{float(values[name]):g}" if abs(values[name]) < 10**300 else "a number beyond 1e300"
            raise ValueError(f"{name} must lie between {float(low):g} and {float(high):g}, got {got}.")
    weights = [values[name] for name in names if name.startswith("w_")]
    if weights and not any(weights):
        raise ValueError("The weights of a mixture must not all be 0.")


def baseline_text(family: str, n: int) -> str:
    """The family with its structure: "gaussian", "matern(5/2)", "gaussian_mixture of 3"."""
    structure = {"matern": f"({2 * n + 1}/2)", "gaussian_mixture": f" of {n}"}
    return f"{family}{structure.get(family, '')}"


def _between(low: str, high: str) -> tuple[Fraction, Fraction]:
    """Both ends included, as decimals and as the doubles next to them."""
    return min(Fraction(low), Fraction(float(low))), max(Fraction(high), Fraction(float(high)))


LIMITS: dict[str, tuple[Fraction, Fraction]] = {
    "length_scale": _between("1e-50", "1e50"),
    "alpha": _between("1e-3", "1e3"),
    "s": _between("0", "1e50"),
    "w": _between("0", "1e50"),
}
"""Smallest and largest value of each parameter: squares stay within float64, and alpha log(1 + v), whose rounding error
alpha turns into a relative one of K, costs at most alpha eps = 2e-13.
"""


@dataclass(frozen=True)
class _Line:
    """symbol = value by the formula `source`; `node` is the value's node, guarded against rounding where it must be."""

    symbol: sympy.Symbol
    value: sympy.Expr
    source: str
    node: ir.Node


@dataclass(frozen=True)
class _Family:
    """K(D) in lines, the last of which gives K; its n lies between `least` and `most`."""

    lines: Callable[[int], tuple[_Line, ...]]
    parameters: Callable[[int], tuple[str, ...]]
    least: int = 0
    most: int = 0


def _family(family: str, n: int) -> _Family:
    found = FAMILIES.get(family)
    if found is None or type(n) is not int or not found.least <= n <= found.most:
        raise ValueError(f"There is no baseline {str(family)[:40]!r} of number {str(n)[:20]}.")
    return found


D, u, v = sympy.symbols("D u v", nonnegative=True)
K = sympy.Symbol("K", real=True)
length_scale, alpha = sympy.symbols("length_scale alpha", positive=True)


def _line(symbol: sympy.Symbol, value: sympy.Expr, source: str, node: ir.Node | None = None) -> _Line:
    return _Line(symbol, value, source, node or to_node(value))


def _gaussian(_: int) -> tuple[_Line, ...]:
    return (_line(K, sympy.exp(-D / (2 * length_scale**2)), "K = exp(-D / (2 l^2))"),)


def _laplace(_: int) -> tuple[_Line, ...]:
    return (
        _line(u, sympy.sqrt(D) / length_scale, "u = sqrt(D) / l"),
        _line(K, sympy.exp(-u), "K = exp(-u)"),
    )


def _rational_quadratic(_: int) -> tuple[_Line, ...]:
    power = sympy.exp(-alpha * sympy.log(1 + v))
    return (
        _line(v, D / (2 * alpha * length_scale**2), "v = D / (2 alpha l^2)"),
        _line(K, (1 + v) ** -alpha, "K = (1 + v)^-alpha = exp(-alpha log(1 + v))", to_node(power)),
    )


def _matern(p: int) -> tuple[_Line, ...]:
    """Rasmussen and Williams (2006), equation 4.16; every term is positive, and beyond u = 1000 exp(-u) is 0."""
    distance = sympy.sqrt(2 * p + 1) * sympy.sqrt(D) / length_scale
    bounded = _negative(ir.Call("max", (to_node(-distance), ir.Number(Fraction(-1000)))))
    terms = [matern_coefficient(p, j) * u**j for j in range(p + 1)]
    node: ir.Node = to_node(sympy.exp(-u))
    if p:
        node = ir.Multiply((node, ir.Add(tuple(map(to_node, terms)))))
    return (
        _line(u, distance, "u = sqrt(2 nu D) / l", bounded if p else None),
        _line(K, sympy.exp(-u) * sympy.Add(*terms), "K = exp(-u) sum_j c_j u^j", node),
    )


def _negative(node: ir.Node) -> ir.Node:
    return ir.Multiply((ir.Number(Fraction(-1)), node))


def matern_coefficient(p: int, j: int) -> sympy.Rational:
    """2^j p! (2p - j)! / ((2p)! j! (p - j)!)."""
    return sympy.Rational(
        2**j * factorial(p) * factorial(2 * p - j), factorial(2 * p) * factorial(j) * factorial(p - j)
    )


def _mixture(n: int) -> tuple[_Line, ...]:
    weights, powers = _symbols("w", n), [sympy.exp(-s * D / 2) for s in _symbols("s", n)]
    value = sympy.Add(*(w * power for w, power in zip(weights, powers, strict=True)))
    products = [ir.Multiply(tuple(map(to_node, term))) for term in zip(weights, powers, strict=True)]
    return (_line(K, value, "K = sum_i w_i exp(-s_i D / 2)", _sum(products)),)


def _symbols(name: str, n: int) -> list[sympy.Symbol]:
    return [sympy.Symbol(f"{name}_{i}", nonnegative=True) for i in range(1, n + 1)]


def _sum(terms: Sequence[ir.Node]) -> ir.Node:
    """The terms in their order, so that the diagonal rounds as pairs do."""
    return terms[0] if len(terms) == 1 else ir.Add(tuple(terms))


FAMILIES: dict[str, _Family] = {
    "gaussian": _Family(_gaussian, lambda _: ("length_scale",)),
    "laplace": _Family(_laplace, lambda _: ("length_scale",)),
    "rational_quadratic": _Family(_rational_quadratic, lambda _: ("alpha", "length_scale")),
    "matern": _Family(_matern, lambda _: ("length_scale",), most=20),
    "gaussian_mixture": _Family(
        _mixture, lambda n: tuple(f"{name}_{i}" for name in "sw" for i in range(1, n + 1)), least=1, most=64
    ),
}
"""By name. Of matern's polynomial, u^20 is the highest power; a mixture of 64 compiles within seconds."""


def _distance() -> _Line:
    """|x - y|^2 / d as (q_x - m_0) + (q_y - m_0): equal both ways round, exactly 0 for equal rows, never below 0."""
    differences = tuple(ir.Add((ir.Name(str(q)), to_node(-m_0))) for q in (q_x, q_y))
    node = ir.Call("max", (ir.Add(differences), ir.Number(Fraction(0))))
    return _line(D, q_x + q_y - 2 * m_0, "D = |x - y|^2 / d", node)


_DISTANCE = _distance()


def _at_zero(lines: tuple[_Line, ...]) -> tuple[_Line, ...]:
    """K(x, x), D = 0: the mixture's sum of weights; the others are 1, which needs no line."""
    value = lines[-1].value.xreplace({D: sympy.S.Zero, u: sympy.S.Zero, v: sympy.S.Zero})
    if value.is_number:
        return ()
    weights = _symbols("w", len(value.free_symbols))
    return (_line(K, value, "K(x, x) = sum_i w_i", _sum(list(map(to_node, weights)))),)


def _layer(family: str, lines: tuple[_Line, ...], other: sympy.Symbol) -> LayerMoments:
    value = lines[-1].symbol if lines else sympy.S.One
    equations = tuple(Equation(line.symbol, line.value, line.source) for line in lines)
    return LayerMoments(f"baseline {family}", equations, Moments(q_x, other, p=value, m=value, k=value))


def _program(
    inputs: tuple[sympy.Symbol, ...], names: tuple[str, ...], lines: tuple[_Line, ...], family: str
) -> ir.Program:
    body = tuple(ir.Assign(str(line.symbol), line.node, line.source, f"baseline {family}") for line in lines)
    value = ir.Name(str(K)) if lines else ir.Number(Fraction(1))
    outputs = (("ntk", value), ("nngp", value), ("rounding", ir.Number(Fraction(0))))
    return ir.Program(tuple(map(str, inputs)), names, body, outputs)

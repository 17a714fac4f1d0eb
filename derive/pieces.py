"""An activation as smooth branches on intervals: where it has kinks and jumps, and what it is between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from derive.errors import NoClosedForm
from derive.parse import SYMBOL

KINKED = (sympy.Max, sympy.Min, sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Piecewise)
REACH, STEP = 200.0, 0.05
"""Zeros without a formula are sought on a grid of this half-width and step."""
MOST = 64
"""Edges of an activation: beyond, it is no activation that anybody uses."""


@dataclass(frozen=True)
class Pieces:
    """phi = branches[i] between edges[i - 1] and edges[i].

    Attributes
    ----------
    edges : tuple of sympy.Expr
        Increasing; a Float where the edge is known by its digits alone.
    branches : tuple of sympy.Expr
        One more than edges, smooth in x.
    """

    edges: tuple[sympy.Expr, ...]
    branches: tuple[sympy.Expr, ...]


def pieces(expr: sympy.Expr) -> Pieces:
    """The smooth branches of an expression in x, and the edges between them.

    Raises
    ------
    NoClosedForm
        If the order of the edges, or the side that a condition takes, depends on the parameters' values.

    Notes
    -----
    Zeros of linear and quadratic polynomials and of c exp(a x) + d are exact; others are found to 40 digits
    between grid points of opposite sign, |x| <= 200.
    """
    whole = _split(expr)
    edges: list[sympy.Expr] = []
    branches = [whole.branches[0]]
    for edge, branch in zip(whole.edges, whole.branches[1:], strict=True):
        if sympy.expand(branch - branches[-1]) != 0:
            edges.append(edge)
            branches.append(branch)
    return Pieces(tuple(edges), tuple(branches))


def _split(expr: sympy.Expr) -> Pieces:
    if not expr.has(*KINKED):
        return Pieces((), (expr,))
    if isinstance(expr, sympy.Piecewise):
        return _conditional(expr)
    parts = _common([_split(arg) for arg in expr.args])
    if not isinstance(expr, KINKED):
        return Pieces(parts.edges, tuple(expr.func(*values) for values in parts.branches))
    if isinstance(expr, sympy.Heaviside):
        parts = Pieces(parts.edges, tuple(values[:1] for values in parts.branches))
    return _refined(parts, _crossings(expr), lambda values, at: _chosen(expr, values, at))


def _crossings(expr: sympy.Expr) -> Callable[[Any], Iterator[sympy.Expr]]:
    """The functions whose zeros are the kinks of a node, from its arguments."""
    if isinstance(expr, sympy.Max | sympy.Min):
        return lambda values: (a - b for i, a in enumerate(values) for b in values[:i])
    return lambda values: iter(values[:1])


def _chosen(expr: sympy.Expr, values: tuple[sympy.Expr, ...], at: sympy.Expr) -> sympy.Expr:
    """The smooth function that a node is around `at`."""
    if isinstance(expr, sympy.Max | sympy.Min):
        best, sign = values[0], 1 if isinstance(expr, sympy.Max) else -1
        for value in values[1:]:
            best = value if _sign((value - best).subs(SYMBOL, at)) == sign else best
        return best
    sign = _sign(values[0].subs(SYMBOL, at))
    if isinstance(expr, sympy.Abs):
        return sign * values[0]
    return sympy.Integer(sign) if isinstance(expr, sympy.sign) else sympy.Rational(1 + sign, 2)


def _conditional(expr: sympy.Piecewise) -> Pieces:
    values = [_split(value) for value, _ in expr.args]
    relations = sorted(
        {r for _, test in expr.args for r in test.atoms(sympy.core.relational.Relational)}, key=str
    )
    sides = [_split(relation.lhs - relation.rhs) for relation in relations]
    parts = _common([*values, *sides])

    def chosen(branches: tuple[sympy.Expr, ...], at: sympy.Expr) -> sympy.Expr:
        differences = branches[len(values) :]
        truth = {
            relation: sympy.true if relation.func(_sign(d.subs(SYMBOL, at)), 0) else sympy.false
            for relation, d in zip(relations, differences, strict=True)
        }
        for branch, (_, test) in zip(branches, expr.args, strict=False):
            if test.xreplace(truth) == sympy.true:
                return branch
        raise NoClosedForm(f"No branch of {expr} holds at x = {at}.")

    return _refined(parts, lambda branches: iter(branches[len(values) :]), chosen)


def _common(parts: Sequence[Pieces]) -> Pieces:
    """Several piecewise functions on their common intervals; a branch is the tuple of their branches."""
    edges: list[sympy.Expr] = []
    for part in parts:
        for edge in part.edges:
            _insert(edges, edge)
    if len(edges) > MOST:
        raise NoClosedForm(f"The activation has more than {MOST} kinks.")
    branches = tuple(tuple(_branch(part, at) for part in parts) for at in _between(edges))
    return Pieces(tuple(edges), branches)


def _branch(part: Pieces, at: sympy.Expr) -> sympy.Expr:
    return part.branches[sum(_sign(at - edge) > 0 for edge in part.edges)]


def _refined(
    parts: Pieces,
    crossings: Callable[[Any], Iterator[sympy.Expr]],
    chosen: Callable[[Any, sympy.Expr], sympy.Expr],
) -> Pieces:
    """Split every interval at the zeros of the crossings, and choose a branch on each part."""
    edges, branches = [], []
    for left, right, values in zip((None, *parts.edges), (*parts.edges, None), parts.branches, strict=True):
        inner: list[sympy.Expr] = []
        for function in crossings(values):
            for zero in _zeros(function):
                if (left is None or _sign(zero - left) > 0) and (right is None or _sign(right - zero) > 0):
                    _insert(inner, zero)
        points = [left, *inner, right]
        branches += [chosen(values, _inside(low, high)) for low, high in pairwise(points)]
        edges += inner if right is None else [*inner, right]
    if len(edges) > MOST:
        raise NoClosedForm(f"The activation has more than {MOST} kinks.")
    return Pieces(tuple(edges), tuple(branches))


def _insert(edges: list[sympy.Expr], edge: sympy.Expr) -> None:
    for position, other in enumerate(edges):
        order = _sign(edge - other)
        if order <= 0:
            if order < 0:
                edges.insert(position, edge)
            return
    edges.append(edge)


def _between(edges: Sequence[sympy.Expr]) -> list[sympy.Expr]:
    return [_inside(low, high) for low, high in pairwise([None, *edges, None])]


def _inside(low: Any, high: Any) -> sympy.Expr:
    """A point between two edges, either of which may be missing (None)."""
    if low is None and high is None:
        return sympy.Rational(1, 7)
    if low is None:
        return high - 1
    return low + 1 if high is None else (low + high) / 2


def _sign(value: sympy.Expr) -> int:
    """-1, 0 or 1; by the digits where there are no parameters, else by SymPy's assumptions."""
    if not value.free_symbols:
        with mpmath.workdps(40):
            number = mpmath.mpf(sympy.re(sympy.N(value, 50)))
            return 0 if abs(number) < mpmath.mpf(10) ** -35 else int(mpmath.sign(number))
    value = sympy.factor(value)
    known = (value.is_negative, value.is_zero, value.is_positive)
    if True not in known:
        raise NoClosedForm(
            f"The sign of {value} depends on the parameters: put their values in, or write the condition with "
            "`if` on x alone."
        )
    return known.index(True) - 1


def _zeros(function: sympy.Expr) -> list[sympy.Expr]:
    """Where a smooth function changes its sign."""
    if not function.has(SYMBOL):
        return []
    if function.is_polynomial(SYMBOL):
        factors = (
            sympy.factor_list(function, SYMBOL)[1] if function.free_symbols == {SYMBOL} else [(function, 1)]
        )
        return [zero for factor, _ in factors for zero in _zeros_of_polynomial(sympy.Poly(factor, SYMBOL))]
    return _zero_of_exponential(function) or _zeros_by_digits(function)


def _zeros_of_polynomial(poly: sympy.Poly) -> list[sympy.Expr]:
    if poly.degree() == 1:
        slope, offset = poly.all_coeffs()
        return [-offset / slope]
    if poly.degree() == 2:
        a, b, c = poly.all_coeffs()
        if _sign(discriminant := b**2 - 4 * a * c) <= 0:
            return []
        return [(-b - sympy.sqrt(discriminant)) / (2 * a), (-b + sympy.sqrt(discriminant)) / (2 * a)]
    return _zeros_by_digits(poly.as_expr())


def _zero_of_exponential(function: sympy.Expr) -> list[sympy.Expr]:
    """The zero of c exp(a x) + d."""
    a, c, d = (sympy.Wild(name, exclude=[SYMBOL]) for name in "acd")
    match = sympy.expand(function).match(c * sympy.exp(a * SYMBOL) + d)
    if match is None or 0 in (match[a], match[c], match[d]):
        return []
    ratio = -match[d] / match[c]
    return [sympy.log(ratio) / match[a]] if _sign(ratio) > 0 else []


def _zeros_by_digits(function: sympy.Expr) -> list[sympy.Expr]:
    if function.free_symbols != {SYMBOL}:
        raise NoClosedForm(f"The zeros of {function} depend on the parameters: put their values in.")
    fast = sympy.lambdify(SYMBOL, function, modules="math")
    precise = sympy.lambdify(SYMBOL, function, modules="mpmath")
    grid = [-REACH + STEP * (i + 0.38196601) for i in range(round(2 * REACH / STEP))]
    values = [_value(fast, x) for x in grid]
    zeros = []
    for (left, low), (right, high) in pairwise(zip(grid, values, strict=True)):
        if low * high < 0:
            with mpmath.workdps(50):
                zero = mpmath.findroot(precise, (left, right), solver="anderson", tol=1e-80, verify=False)
                zeros.append(sympy.Float(zero, 45))
    return zeros


def _value(function: Callable[[float], float], x: float) -> float:
    try:
        return float(function(x))
    except (OverflowError, ValueError, ZeroDivisionError):
        return math.nan

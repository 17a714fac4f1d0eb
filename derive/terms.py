"""The class of activations with a closed form: sums of c x^n exp(alpha x + beta x^2) S(x) (theory.md, section 4)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

import sympy

from derive.activation import Activation
from derive.errors import NoClosedForm
from derive.parse import SYMBOL
from derive.pieces import Pieces, pieces

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)
STEEPEST = 24
"""Largest power of x beside a gate; the derivation's cost grows with its fourth power."""
LONGEST = 2500
"""Weighted number of pairs of terms: about 10 s of derivation."""


@dataclass(frozen=True)
class Gate:
    """1[slope x + offset + noise e > 0], averaged over e ~ N(0, 1).

    noise 0: a step, slope +1 or -1; noise 1: the normal distribution function Phi(slope x + offset).
    """

    slope: sympy.Expr
    offset: sympy.Expr
    noise: int


@dataclass(frozen=True)
class Point:
    """The point mass at x = at."""

    at: sympy.Expr


@dataclass(frozen=True)
class Term:
    """coefficient x^power exp(alpha x + beta x^2), times the gate or the point mass if there is one."""

    coefficient: sympy.Expr
    power: int = 0
    alpha: sympy.Expr = ZERO
    beta: sympy.Expr = ZERO
    gate: Gate | Point | None = None


@dataclass(frozen=True)
class _Shape:
    """A smooth term without its coefficient."""

    power: int
    alpha: sympy.Expr
    beta: sympy.Expr
    gate: Gate | None


def terms_of(activation: Activation) -> tuple[Term, ...]:
    """phi as a sum of terms whose products all have closed expectations.

    Raises
    ------
    NoClosedForm
        If phi is not of the class, or so long that its form would be of no use.
    """
    terms = summands_of(activation)
    waves = any(not (term.alpha.is_real and term.beta.is_real) for term in terms)
    if waves and any(term.gate is not None for term in terms):
        raise NoClosedForm(
            f"No closed form for {activation.name}: sines beside kinks or Phi need complex half-spaces."
        )
    return terms


def summands_of(activation: Activation) -> tuple[Term, ...]:
    """phi as a sum of terms which have closed expectations one by one: sines may stand beside kinks.

    Raises
    ------
    NoClosedForm
        As `terms_of` does.
    """
    parts = pieces(activation.expr)
    if any(edge.has(sympy.Float) for edge in parts.edges):
        raise NoClosedForm(f"The kinks of {activation.name} have no closed form.")
    shapes: dict[_Shape, list[sympy.Expr]] = defaultdict(lambda: [ZERO] * len(parts.branches))
    for i, branch in enumerate(parts.branches):
        for shape, coefficient in _shapes(branch, activation.name).items():
            shapes[shape][i] = coefficient
    terms = tuple(term for shape, values in shapes.items() for term in _on_intervals(shape, values, parts))
    _limit(terms, activation.name)
    return terms


def derivative(terms: tuple[Term, ...], jumps: dict[sympy.Expr, sympy.Expr]) -> tuple[Term, ...]:
    """phi' with its point masses; `jumps` are phi(t+) - phi(t-) by position."""
    slopes: dict[Term, sympy.Expr] = defaultdict(lambda: ZERO)
    for term in terms:
        for part in _slope(term):
            slopes[replace(part, coefficient=ONE)] += part.coefficient
    masses = [Term(jump, gate=Point(at)) for at, jump in jumps.items()]
    return (*(replace(key, coefficient=value) for key, value in slopes.items() if value != 0), *masses)


def jumps_of(activation: Activation) -> dict[sympy.Expr, sympy.Expr]:
    """phi(t+) - phi(t-) by position t, where it is not 0."""
    parts = pieces(activation.expr)
    found = {
        edge: sympy.simplify((right - left).subs(SYMBOL, edge))
        for edge, (left, right) in zip(parts.edges, pairwise(parts.branches), strict=True)
    }
    return {edge: jump for edge, jump in found.items() if jump != 0 and not _vanishes(jump)}


def _vanishes(jump: sympy.Expr) -> bool:
    return not jump.free_symbols and abs(sympy.N(jump, 40)) < 1e-30


def _slope(term: Term) -> list[Term]:
    """Derivative of one term, without point masses."""
    parts = [
        replace(term, coefficient=term.coefficient * term.power, power=term.power - 1),
        replace(term, coefficient=term.coefficient * term.alpha),
        replace(term, coefficient=2 * term.coefficient * term.beta, power=term.power + 1),
    ]
    if isinstance(term.gate, Gate) and term.gate.noise:
        slope, offset = term.gate.slope, term.gate.offset
        density = term.coefficient * slope * sympy.exp(-(offset**2) / 2) / sympy.sqrt(2 * sympy.pi)
        alpha, beta = term.alpha - slope * offset, term.beta - slope**2 / 2
        parts.append(Term(density, term.power, alpha, beta))
    return [part for part in parts if part.coefficient != 0]


def _shapes(branch: sympy.Expr, name: str) -> dict[_Shape, sympy.Expr]:
    """A smooth branch as coefficients of shapes."""
    waves = (sympy.sin, sympy.cos, sympy.sinh, sympy.cosh)
    expr = branch.replace(lambda e: isinstance(e, waves), lambda e: e.rewrite(sympy.exp))
    expr = expr.replace(sympy.erfc, lambda z: 1 - sympy.erf(z))
    found: dict[_Shape, sympy.Expr] = defaultdict(lambda: ZERO)
    for product in sympy.Add.make_args(sympy.expand(expr)):
        for shape, coefficient in _shape(product, name):
            found[shape] += coefficient
    simple = {shape: sympy.expand(coefficient) for shape, coefficient in found.items()}
    return {shape: coefficient for shape, coefficient in simple.items() if coefficient != 0}


def _shape(product: sympy.Expr, name: str) -> list[tuple[_Shape, sympy.Expr]]:
    coefficient, power, alpha, beta, gate = ONE, 0, ZERO, ZERO, None
    for factor in sympy.Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        if not factor.has(SYMBOL):
            coefficient *= factor
        elif base == SYMBOL and exponent.is_Integer and exponent > 0:
            power += int(exponent)
        elif base is sympy.E and (growth := _polynomial(exponent, 2)) is not None:
            constant, first, second = growth
            coefficient, alpha, beta = coefficient * sympy.exp(constant), alpha + first, beta + second
        elif isinstance(factor, sympy.erf) and gate is None and (inner := _polynomial(factor.args[0], 1)):
            gate = Gate(sympy.sqrt(2) * inner[1], sympy.sqrt(2) * inner[0], noise=1)
        else:
            raise NoClosedForm(
                f"No closed form for {name}: {factor} is not a polynomial times exp(a x + b x^2) times 1, a step or "
                "Phi(c x + d); sums of those are derived (theory.md, section 4), with max, min, abs and `if`."
            )
    plain = _Shape(power, alpha, beta, None)
    if gate is None:
        return [(plain, coefficient)]
    return [(replace(plain, gate=gate), 2 * coefficient), (plain, -coefficient)]


def _polynomial(expr: sympy.Expr, degree: int) -> list[sympy.Expr] | None:
    """Coefficients of degree 0 .. degree, or None."""
    if not expr.is_polynomial(SYMBOL):
        return None
    poly = sympy.Poly(expr, SYMBOL)
    if poly.degree() > degree:
        return None
    return [poly.coeff_monomial(SYMBOL**n) for n in range(degree + 1)]


def _on_intervals(shape: _Shape, values: list[sympy.Expr], parts: Pieces) -> list[Term]:
    """sum_i values[i] 1[x in interval i] shape, by steps away from a base interval.

    The base is where the shape is largest, so that no step lets in more than phi has; for powers of x it is
    the interval of 0, so that small inputs see small corrections.
    """
    if len(set(values)) > 1 and (shape.gate is not None or not (shape.alpha.is_real and shape.beta.is_real)):
        raise NoClosedForm("A gate, sine or cosine beside a kink needs more than two half-planes.")
    base = _base(shape, parts)
    if shape.beta.is_positive and len(set(values)) > 1:
        raise NoClosedForm("exp(b x^2), b > 0, between kinks: its halves may have no second moment.")

    def term(coefficient: sympy.Expr, gate: Gate | None) -> Term:
        return Term(coefficient, shape.power, shape.alpha, shape.beta, gate)

    terms = [term(values[base], shape.gate)]
    for i, edge in enumerate(parts.edges):
        jump = values[i + 1] - values[i]
        terms.append(term(-jump, Gate(-ONE, edge, 0)) if i < base else term(jump, Gate(ONE, -edge, 0)))
    return [t for t in terms if t.coefficient != 0]


def _base(shape: _Shape, parts: Pieces) -> int:
    if shape.alpha.is_positive:
        return len(parts.edges)
    if shape.alpha.is_negative:
        return 0
    return sum(bool(edge.is_negative) for edge in parts.edges)


def _limit(terms: tuple[Term, ...], name: str) -> None:
    gated = [term for term in terms if term.gate is not None]
    weight = sum((s.power + 2) * (t.power + 2) for s in gated for t in gated) + 2 * sum(
        t.power for t in terms
    )
    if weight > LONGEST or any(term.power > STEEPEST for term in gated):
        raise NoClosedForm(
            f"The closed form of {name} would be too long: {len(terms)} terms up to power "
            f"{max((term.power for term in terms), default=0)}. Use fewer kinks or lower powers."
        )

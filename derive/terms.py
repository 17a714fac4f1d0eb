"""The class of activations with a closed form: sums of x^n and x^n 1[x > 0] (theory.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from derive.activation import Activation
from derive.errors import DerivationError, NoClosedForm
from derive.parse import SYMBOL

LONGEST = 160
"""Sum of power + 1, kinked terms thrice: at most about 6 s of derivation and 10 s of compilation."""
STEEPEST = 16
"""Largest power of a kinked term."""


@dataclass(frozen=True)
class Term:
    """coefficient * x^power, times 1[x > 0] if `step`."""

    coefficient: sympy.Expr
    power: int
    step: bool


def terms_of(activation: Activation) -> tuple[Term, ...]:
    """phi as a sum of terms; on each half-line it must be a polynomial.

    Raises
    ------
    DerivationError
        If E[phi(u)^2] is infinite for a Gaussian u of large variance.
    NoClosedForm
        If phi is no polynomial on one of the half-lines.
    """
    right = _polynomial(activation, sympy.Dummy("x", positive=True))
    left = _polynomial(activation, sympy.Dummy("x", negative=True))
    jump = {power: sympy.nsimplify(right.get(power, 0) - left.get(power, 0)) for power in right | left}
    smooth = [Term(left[power], power, step=False) for power in sorted(left)]
    kinked = [Term(jump[power], power, step=True) for power in sorted(jump) if jump[power] != 0]
    weight = sum(term.power + 1 for term in smooth) + 3 * sum(term.power + 1 for term in kinked)
    if weight > LONGEST or any(term.power > STEEPEST for term in kinked):
        raise NoClosedForm(
            f"The closed form of {activation.name} would be too long: {len(smooth) + len(kinked)} terms up to power "
            f"{max(term.power for term in (*smooth, *kinked))}. Use fewer powers, or none above {STEEPEST}."
        )
    return (*smooth, *kinked)


def derivative(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """phi' as a function: without the point masses that jumps of phi give."""
    return tuple(
        Term(term.coefficient * term.power, term.power - 1, term.step) for term in terms if term.power > 0
    )


def jump_at_zero(terms: tuple[Term, ...]) -> sympy.Expr:
    """phi(0+) - phi(0-)."""
    return sum((term.coefficient for term in terms if term.step and term.power == 0), sympy.Integer(0))


def _polynomial(activation: Activation, half_line: sympy.Dummy) -> dict[int, sympy.Expr]:
    """Coefficients of phi on one half-line, by power."""
    restricted = activation.expr.subs(SYMBOL, half_line)
    try:
        poly = sympy.Poly(restricted, half_line)
    except sympy.PolynomialError:
        poly = None
    if poly is None or any(not coefficient.is_number for coefficient in poly.coeffs()):
        _refuse_infinite_second_moment(activation)
        side = "x > 0" if half_line.is_positive else "x < 0"
        raise NoClosedForm(
            f"No closed form for {activation.name}: for {side} it is not a polynomial. This version derives "
            "activations that are a polynomial on each side of 0, such as max(x, 0) or abs(x)**3."
        )
    return {power: coefficient for (power,), coefficient in poly.terms() if coefficient != 0}


def _refuse_infinite_second_moment(activation: Activation) -> None:
    for factor in activation.expr.atoms(sympy.exp):
        growth = sympy.Poly(factor.exp, SYMBOL) if factor.exp.is_polynomial(SYMBOL) else None
        if growth is not None and growth.degree() == 2 and growth.LC().is_positive:
            bound = 1 / (4 * growth.LC())
            raise DerivationError(
                f"E[phi(u)^2] is infinite for phi = {activation.name} and Var u >= {bound}: {factor} grows too "
                f"fast. Keep W_std^2 q + b_std^2 below {bound}, or use an activation that grows more slowly."
            )

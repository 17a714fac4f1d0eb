"""Moments of one Gaussian over the line or a half-line, by Stein's identity (theory.md, section 4)."""

from __future__ import annotations

from functools import cache

import sympy

from derive.terms import Term

variance = sympy.Symbol("q", positive=True)
nu = sympy.Symbol("nu", real=True)
sig = sympy.Symbol("sig", positive=True)


def half_line_moment(n: int, std: sympy.Expr, step: bool) -> sympy.Expr:
    """E[z^n S(z)] for z ~ N(0, std^2), S = 1[z > 0] if `step`, else 1: E[z^n S] = (n - 1) std^2 E[z^(n-2) S]."""
    if n == 0:
        return sympy.Rational(1, 2) if step else sympy.Integer(1)
    if n == 1:
        return std / sympy.sqrt(2 * sympy.pi) if step else sympy.Integer(0)
    return (n - 1) * std**2 * half_line_moment(n - 2, std, step)


def second_moment(terms: tuple[Term, ...]) -> sympy.Expr:
    """E[phi(u)^2] for u ~ N(0, q), an expression in q."""
    return sympy.expand(
        sum(
            s.coefficient
            * t.coefficient
            * half_line_moment(s.power + t.power, sympy.sqrt(variance), s.step or t.step)
            for s in terms
            for t in terms
        )
    )


def quasi_mean(terms: tuple[Term, ...]) -> sympy.Expr:
    """mu'(nu, sig) = E[phi(nu + sig z)], z ~ N(0, 1): the quasi activation (theory.md, section 2)."""
    return sympy.expand(sum(t.coefficient * shifted_moment(t.power, t.step) for t in terms))


def quasi_second_moment(terms: tuple[Term, ...]) -> sympy.Expr:
    """tau'(nu, sig) = E[phi(nu + sig z)^2] (theory.md, section 2); two steps merge to one."""
    return sympy.expand(
        sum(
            s.coefficient * t.coefficient * shifted_moment(s.power + t.power, s.step or t.step)
            for s in terms
            for t in terms
        )
    )


@cache
def shifted_moment(n: int, step: bool) -> sympy.Expr:
    """E[x^n S(x)] for x ~ N(nu, sig^2): E[x^n S] = nu E[x^(n-1) S] + (n - 1) sig^2 E[x^(n-2) S]."""
    if n == 0:
        return sympy.erfc(-nu / (sympy.sqrt(2) * sig)) / 2 if step else sympy.Integer(1)
    if n == 1:
        density = sympy.exp(-(nu**2) / (2 * sig**2)) / sympy.sqrt(2 * sympy.pi)
        return nu * shifted_moment(0, step) + (sig * density if step else 0)
    return sympy.expand(nu * shifted_moment(n - 1, step) + (n - 1) * sig**2 * shifted_moment(n - 2, step))

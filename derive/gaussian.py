"""Expectations of products of terms under one or two Gaussian variables (theory.md, sections 2 and 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import sympy

from derive.present import cov12, present, var1, var2
from derive.special import Sine
from derive.stein import ONE, ZERO, Combination, Gaussian, at_point, moment, tidy
from derive.terms import Gate, Point, Term

variance = sympy.Symbol("q", positive=True)
nu = sympy.Symbol("nu", real=True)
sig = sympy.Symbol("sig", positive=True)


def dual(left: tuple[Term, ...], right: tuple[Term, ...]) -> sympy.Expr:
    """E[left(u) right(v)] for (u, v) ~ N(0, [[var1, cov12], [cov12, var2]])."""
    return present(_sum((s, t, _pair(s, t)) for s in left for t in right))


def second_moment(terms: tuple[Term, ...]) -> sympy.Expr:
    """E[phi(u)^2] for u ~ N(0, q)."""
    return present(_squares(terms, ZERO, variance))


def quasi_mean(terms: tuple[Term, ...]) -> sympy.Expr:
    """mu'(nu, sig) = E[phi(nu + sig z)], z ~ N(0, 1): the quasi activation (theory.md, section 2)."""
    return present(_sum((t, Term(ONE), _single(t, None, nu, sig**2)) for t in terms))


def quasi_second_moment(terms: tuple[Term, ...]) -> sympy.Expr:
    """tau'(nu, sig) = E[phi(nu + sig z)^2] (theory.md, section 2)."""
    return present(_squares(terms, nu, sig**2))


def _squares(terms: tuple[Term, ...], mean: sympy.Expr, var: sympy.Expr) -> Combination:
    return _sum(
        (replace(s, coefficient=sign * s.coefficient), t, _single(product, other, mean, var))
        for s in terms
        for t in terms
        for sign, product, other in _merged(s, t)
    )


def _sum(parts: Iterable[tuple[Term, Term, Combination]]) -> Combination:
    total: Combination = defaultdict(lambda: ZERO)
    for s, t, combination in parts:
        for atom, coefficient in combination.items():
            total[atom] += s.coefficient * t.coefficient * coefficient
    return total


def _merged(s: Term, t: Term) -> Iterator[tuple[int, Term, Gate | None]]:
    """s t as signed terms with at most one step, and the other factor's gate where that is no step.

    1[x > a] 1[x > b] = 1[x > max(a, b)]; 1[x < a] 1[x > b] = 1[x > b] - 1[x > a] where b < a, else 0.
    """
    product = Term(ONE, s.power + t.power, s.alpha + t.alpha, s.beta + t.beta)
    gates = [gate for gate in (s.gate, t.gate) if isinstance(gate, Gate)]
    if len(gates) < 2 or any(gate.noise for gate in gates):
        padded: list[Gate | None] = [*gates, None, None]
        yield 1, replace(product, gate=padded[0]), padded[1]
        return
    a, b = (-gate.slope * gate.offset for gate in gates)
    if gates[0].slope == gates[1].slope:
        largest = sympy.Max if gates[0].slope == 1 else sympy.Min
        yield 1, replace(product, gate=Gate(gates[0].slope, -gates[0].slope * largest(a, b), 0)), None
        return
    low, high = (a, b) if gates[0].slope == 1 else (b, a)
    inner = sympy.Min(low, high)
    for sign, at in ((1, inner), (-1, high)):
        if inner != high:
            yield sign, replace(product, gate=Gate(ONE, -at, 0)), None


@dataclass(frozen=True)
class _Plain:
    """Symbols that stand for a tilted Gaussian's means and covariances while moments are reduced."""

    m1 = sympy.Symbol("m1", real=True)
    m2 = sympy.Symbol("m2", real=True)
    a = sympy.Symbol("a_", positive=True)
    b = sympy.Symbol("b_", positive=True)
    c = sympy.Symbol("c_", real=True)


@dataclass(frozen=True)
class Problem:
    """E[s(u) t(v)] = outer factor M, M the moment of these powers of a Gaussian over its half-spaces.

    Attributes
    ----------
    outer : sympy.Expr
        exp of the shift over the root of a determinant, from the exponentials.
    factor : sympy.Expr
        Densities at point masses.
    mean, cov : tuple
        Of (u, v), once the exponentials are absorbed; in the symbols of `tilted`.
    gaussian : Gaussian
    powers : tuple of int
    tilted : dict
        What stands for the symbols of mean, cov and gaussian.
    """

    outer: sympy.Expr
    factor: sympy.Expr
    mean: tuple[sympy.Expr, ...]
    cov: tuple[tuple[sympy.Expr, ...], ...]
    gaussian: Gaussian
    powers: tuple[int, ...]
    tilted: dict[sympy.Symbol, sympy.Expr]


def problem(s: Term, t: Term) -> Problem:
    """What E[s(u) t(v)] / (coefficients) comes down to: the exponentials are absorbed by tilting."""
    # D cov' = [[a - 2 beta2 (a b - c^2), c], [c, b - 2 beta1 (a b - c^2)]], D = det(I - 2 beta cov)
    tilted = s.beta != 0 or t.beta != 0
    determinant = Sine(var1, var2, cov12) ** 2
    root = _root_of_determinant(s.beta, t.beta)
    new = {
        _Plain.a: (var1 - 2 * t.beta * determinant) / root**2,
        _Plain.b: (var2 - 2 * s.beta * determinant) / root**2,
        _Plain.c: cov12 / root**2,
    }
    a, b, c = new if tilted else (var1, var2, cov12)
    mean = (tidy(a * s.alpha + c * t.alpha), tidy(c * s.alpha + b * t.alpha))
    shift = tidy((mean[0] * s.alpha + mean[1] * t.alpha) / 2)
    cov = ((a, c), (c, b))
    factor, gaussian, powers = _gated(cov, mean, shift, (s, t))
    outer = sympy.exp(shift) / root
    return Problem(outer, factor, mean, cov, gaussian, powers, new if tilted else {})


def _pair(s: Term, t: Term) -> Combination:
    """E[s(u) t(v)] / (coefficients)."""
    found = problem(s, t)
    root = _root_of_determinant(s.beta, t.beta)
    return {
        _insert(atom, found.tilted): _insert(found.factor * value, found.tilted) / root
        for atom, value in moment(found.gaussian, found.powers).items()
    }


def _insert(expr: sympy.Expr, values: dict[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    return expr.xreplace(values) if values else expr


def _root_of_determinant(beta1: sympy.Expr, beta2: sympy.Expr) -> sympy.Expr:
    """sqrt(det(I - 2 diag(beta1, beta2) cov)), as a Sine where both betas have one sign."""
    first, second = 1 - 2 * beta1 * var1, 1 - 2 * beta2 * var2
    product = beta1 * beta2
    if product == 0:
        return sympy.sqrt(first * second)
    if product.is_positive:
        return Sine(first, second, 2 * sympy.sqrt(product) * cov12)
    return sympy.sqrt(first * second - 4 * product * cov12**2)


def _gated(
    cov: tuple[tuple[sympy.Expr, ...], ...],
    mean: tuple[sympy.Expr, ...],
    shift: sympy.Expr,
    terms: tuple[Term, Term],
) -> tuple[sympy.Expr, Gaussian, tuple[int, ...]]:
    """(u, v) under the gates and point masses of two terms: density, Gaussian and remaining powers."""
    columns, noises, thresholds, points = [], [], [], []
    for i, term in enumerate(terms):
        match term.gate:
            case Gate(slope, offset, noise):
                columns.append((i, slope))
                noises.append(noise)
                thresholds.append(-offset)
            case Point(at):
                points.append((i, at))
    whole = _extended(cov, mean, shift, columns, noises, thresholds)
    factor, powers = ONE, [term.power for term in terms]
    for i, at in reversed(points):
        density, whole = at_point(whole, i, at)
        factor *= density
        del powers[i]
    return factor, whole, tuple(powers)


def _extended(
    cov: tuple[tuple[sympy.Expr, ...], ...],
    mean: tuple[sympy.Expr, ...],
    shift: sympy.Expr,
    columns: list[tuple[int, sympy.Expr]],
    noises: list[int],
    thresholds: list[sympy.Expr],
) -> Gaussian:
    """The variables and, behind them, L_k = slope_k x_k + noise_k e_k."""
    rows: list[tuple[int, sympy.Expr, int, int | None]] = [(i, ONE, 0, None) for i in range(len(mean))]
    rows += [(i, slope, noise, k) for k, ((i, slope), noise) in enumerate(zip(columns, noises, strict=True))]
    full = tuple(
        tuple(tidy(s1 * s2 * cov[i][j] + (n1 if k1 is not None and k1 == k2 else 0)) for j, s2, _, k2 in rows)
        for i, s1, n1, k1 in rows
    )
    return Gaussian(tuple(tidy(s * mean[i]) for i, s, _, _ in rows), full, tuple(thresholds), shift)


@lru_cache(maxsize=4096)
def _single(term: Term, other: Gate | None, mean: sympy.Expr, var: sympy.Expr) -> Combination:
    """E[term(x) other(x)] / coefficient for x ~ N(mean, var)."""
    # D = 1 - 2 beta var; mean' = (mean + alpha var) / D; shift = (alpha mean + beta mean^2 + alpha^2 var / 2) / D
    determinant = 1 - 2 * term.beta * var
    new_mean = tidy((mean + term.alpha * var) / determinant)
    shift = tidy((term.alpha * mean + term.beta * mean**2 + term.alpha**2 * var / 2) / determinant)
    gates = [gate for gate in (term.gate, other) if isinstance(gate, Gate)]
    whole = _extended(
        ((tidy(var / determinant),),),
        (new_mean,),
        shift,
        [(0, gate.slope) for gate in gates],
        [gate.noise for gate in gates],
        [-gate.offset for gate in gates],
    )
    root = sympy.sqrt(determinant)
    return {atom: value / root for atom, value in moment(whole, (term.power,)).items()}

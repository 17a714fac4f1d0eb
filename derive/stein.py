"""Moments of Gaussian variables over half-spaces, by Stein's identity (theory.md, section 4)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import sympy

from derive.special import Angle, Quadrant, Sine, Tail

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)
Combination = dict[sympy.Expr, sympy.Expr]
"""sum of coefficient * atom: the atoms are exponentials, angles, Tail and Quadrant, the coefficients algebraic."""


@dataclass(frozen=True)
class Gaussian:
    """Jointly Gaussian variables, of which the last ones define half-spaces.

    Attributes
    ----------
    mean : tuple of sympy.Expr
    cov : tuple of tuple of sympy.Expr
    thresholds : tuple of sympy.Expr
        The last len(thresholds) variables are to exceed these.
    shift : sympy.Expr
        Every expectation carries the factor exp(shift).
    """

    mean: tuple[sympy.Expr, ...]
    cov: tuple[tuple[sympy.Expr, ...], ...]
    thresholds: tuple[sympy.Expr, ...] = ()
    shift: sympy.Expr = ZERO


@lru_cache(maxsize=20_000)
def moment(gaussian: Gaussian, powers: tuple[int, ...]) -> Combination:
    """exp(shift) E[prod_i x_i^powers_i prod_k 1(L_k > h_k)], L the variables with a threshold.

    Stein: E[x_i g] = m_i E[g] + sum_j C_ij E[dg/dx_j]; the derivative of a step is the point mass L_k = h_k.
    Cost: one small expression for each smaller set of powers, kept between calls.
    """
    if not any(powers):
        return probability(gaussian)
    total: Combination = defaultdict(lambda: ZERO)
    for summand in stein(gaussian, powers):
        for atom, coefficient in moment(summand.gaussian, summand.powers).items():
            total[atom] += summand.factor * coefficient
    reduced = {atom: reduce_sine(coefficient) for atom, coefficient in total.items()}
    return {atom: coefficient for atom, coefficient in reduced.items() if coefficient != 0}


@dataclass(frozen=True)
class Summand:
    """factor times the moment of these powers; `point` is the variable that was set to its threshold, if any."""

    factor: sympy.Expr
    gaussian: Gaussian
    powers: tuple[int, ...]
    point: int | None = None


def stein(gaussian: Gaussian, powers: tuple[int, ...]) -> list[Summand]:
    """What a moment is reduced to, by E[x_i g] = m_i E[g] + sum_j C_ij E[dg/dx_j] for its first power."""
    i = next(i for i, power in enumerate(powers) if power)
    lower = _lowered(powers, i)
    found = []
    if gaussian.mean[i] != 0:
        found.append(Summand(gaussian.mean[i], gaussian, lower))
    for j, power in enumerate(lower):
        if power and gaussian.cov[i][j] != 0:
            found.append(Summand(power * gaussian.cov[i][j], gaussian, _lowered(lower, j)))
    for k in range(len(powers), len(gaussian.mean)):
        if gaussian.cov[i][k] != 0:
            density, rest = at_point(gaussian, k, gaussian.thresholds[k - len(powers)])
            found.append(Summand(gaussian.cov[i][k] * density, rest, lower, k))
    return found


def at_point(gaussian: Gaussian, k: int, value: sympy.Expr) -> tuple[sympy.Expr, Gaussian]:
    """Density of x_k at a value, up to the exponential that goes into the shift, and the Gaussian given x_k = value."""
    variance, distance = gaussian.cov[k][k], value - gaussian.mean[k]
    others = [j for j in range(len(gaussian.mean)) if j != k]
    first = len(gaussian.mean) - len(gaussian.thresholds)
    mean = tuple(tidy(gaussian.mean[j] + gaussian.cov[j][k] * distance / variance) for j in others)
    square = _square(gaussian, k, others[-1]) if first <= k and len(gaussian.thresholds) == 2 else {}
    cov = tuple(tuple(square.get(c := _residual(gaussian, i, j, k), c) for j in others) for i in others)
    thresholds = tuple(h for j, h in enumerate(gaussian.thresholds, first) if j != k)
    shift = tidy(gaussian.shift - distance**2 / (2 * variance))
    return 1 / (sympy.sqrt(2 * sympy.pi) * sympy.sqrt(variance)), Gaussian(mean, cov, thresholds, shift)


def _residual(gaussian: Gaussian, i: int, j: int, k: int) -> sympy.Expr:
    """C_ij - C_ik C_jk / C_kk, the covariance of x_i and x_j given x_k."""
    cov = gaussian.cov
    return tidy(cov[i][j] - cov[i][k] * cov[j][k] / cov[k][k])


def _square(gaussian: Gaussian, k: int, other: int) -> dict[sympy.Expr, sympy.Expr]:
    """The variance of one half-space variable given another, and its opposite, as a square: its root is needed."""
    plain = _residual(gaussian, other, other, k)
    if plain.count_ops() <= 3:
        return {}
    square = (
        Sine(gaussian.cov[k][k], gaussian.cov[other][other], gaussian.cov[k][other]) ** 2 / gaussian.cov[k][k]
    )
    return {plain: square, tidy(-plain): -square}


def tidy(expr: sympy.Expr) -> sympy.Expr:
    """One canonical form of a rational expression."""
    return expr if expr.is_Atom else sympy.expand(expr) if expr.is_polynomial() else sympy.cancel(expr)


def reduce_sine(expr: sympy.Expr) -> sympy.Expr:
    """The expanded expression with at most the first power of every Sine in a term."""
    power = sympy.Wild("power", properties=[lambda k: k.is_Integer and k >= 2])
    expanded = sympy.expand(expr)
    for sine in expanded.atoms(Sine):
        a, b, c = sine.args
        square = a * b - c**2
        expanded = sympy.expand(
            expanded.replace(
                sine**power,
                lambda power, sine=sine, square=square: square ** (power // 2) * sine ** (power % 2),
            )
        )
    return expanded


def probability(gaussian: Gaussian) -> Combination:
    """exp(shift) P(L_k > h_k for all k)."""
    free = len(gaussian.mean) - len(gaussian.thresholds)
    distances = [tidy(h - m) for h, m in zip(gaussian.thresholds, gaussian.mean[free:], strict=True)]
    cov = [row[free:] for row in gaussian.cov[free:]]
    scale = sympy.exp(gaussian.shift)
    if not distances:
        return {scale: ONE}
    if len(distances) == 1:
        if distances[0] == 0:
            return {scale: sympy.Rational(1, 2)}
        return {Tail(distances[0], cov[0][0], gaussian.shift): ONE}
    if distances == [0, 0]:
        theta = Angle(cov[0][0], cov[1][1], cov[0][1])
        rest, slope = theta.as_independent(Angle, as_Add=True)
        sheppard = {scale: (sympy.pi - rest) / (2 * sympy.pi)}
        if slope != 0:
            factor, angle = slope.as_independent(Angle, as_Add=False)
            sheppard[scale * angle] = -factor / (2 * sympy.pi)
        return sheppard
    return {Quadrant(*distances, cov[0][0], cov[1][1], cov[0][1], gaussian.shift): ONE}


def _lowered(powers: tuple[int, ...], i: int) -> tuple[int, ...]:
    return (*powers[:i], powers[i] - 1, *powers[i + 1 :])

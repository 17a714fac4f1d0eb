"""Weighted least squares of a law of decay in log space, and intervals of its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, least_squares
from scipy.stats import t as student

from numerics.decay_data import DecayData
from numerics.laws import Box, Law

Floats = NDArray[np.float64]
LAW_ERROR = 1e-3
"""What a law is trusted to at any degree, relative: errors of the data far below it do not count as weights."""
RESAMPLES, SEED = 400, 0
LEVEL = 0.95
FEWEST_OF_A_PARITY = 3
TREND = 2.5
"""k_1 / (k_2 - k_1) of the halves of a window K/2 .. K, whose middles are at 5/8 K and 7/8 K."""
NEXT = 0.3
"""What exp(b / k) changes in a parameter is taken as uncertain by this share, for terms of order 1/k^2."""


@dataclass(frozen=True)
class Regression:
    """One law fitted.

    Attributes
    ----------
    law : Law
    at : ndarray, shape (p,)
        Shape parameters.
    constants : ndarray, shape (1,) or (2,)
        log C, or that of odd and of even k.
    cost : float
        sum of ((log lambda_k - law) / sigma_k)^2.
    rms : float
        Root mean square of log lambda_k - law.
    aicc : float
        Corrected Akaike criterion.
    jacobian, residual : ndarray, shape (n, p) and (n,)
        Of the weighted residuals.
    """

    law: Law
    at: Floats
    constants: Floats
    cost: float
    rms: float
    aicc: float
    jacobian: Floats
    residual: Floats


def regress(law: Law, data: DecayData, start: Floats | None = None) -> Regression:
    """Least squares from `start` or from all of the law's starting points, the constants projected out."""
    weights, masks = _weights(data), parities(data)
    low, high = (np.array(bound) for bound in law.bounds(float(data.k.min())))

    def residuals(at: Floats) -> Floats:
        return _centred(data.log_value - law.shape(data.k, at), weights, masks)

    starts = {
        tuple(np.clip(start, low + 1e-6, high - 1e-6)) for start in (law.starts if start is None else [start])
    }
    solutions = [
        least_squares(residuals, start, bounds=(low, high), x_scale="jac", xtol=1e-10, ftol=1e-12)
        for start in sorted(starts)
    ]
    best = min(solutions, key=lambda solution: float(solution.cost))
    difference = data.log_value - law.shape(data.k, best.x)
    constants = np.array([np.average(difference[m], weights=weights[m] ** 2) for m in masks])
    n, count = len(data.k), len(best.x) + len(masks) + 1
    mean = max(2 * best.cost / n, (1e-13 / LAW_ERROR) ** 2)  # below: rounding of the shapes
    correction = 2 * count * (count + 1) / (n - count - 1) if n > count + 1 else math.inf
    rms = float(np.sqrt(np.mean((best.fun / weights) ** 2)))
    return Regression(
        law,
        np.asarray(best.x),
        constants,
        2 * float(best.cost),
        rms,
        n * math.log(mean) + 2 * count + correction,
        np.asarray(best.jac),
        np.asarray(best.fun),
    )


def predicted(fit: Regression, data: DecayData) -> Floats:
    """log lambda_k of the law with its constants, at any k; nan where it has no value."""
    constants = fit.constants[0] if len(fit.constants) == 1 else np.where(data.odd, *fit.constants)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(fit.law.shape(data.k, fit.at) + constants)


def miss(fit: Regression, data: DecayData) -> float:
    """Root mean square by which the fit misses values outside its window, log lambda_k."""
    return float(np.sqrt(np.mean(np.nan_to_num(data.log_value - predicted(fit, data), nan=1e6) ** 2)))


def bootstrap(fit: Regression, data: DecayData) -> Iterator[dict[str, float]]:
    """Reports of the law at the 2.5 % and 97.5 % quantiles of each shape parameter, degrees drawn with replacement:

    one Gauss-Newton step from the solution for each draw.
    """
    rng = np.random.default_rng(SEED)
    n = len(fit.residual)
    low, high = (np.array(bound) for bound in fit.law.bounds(float(data.k.min())))
    steps = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(n, size=n)
        step, *_ = np.linalg.lstsq(fit.jacobian[drawn], -fit.residual[drawn], rcond=1e-10)
        steps.append(step)
    quantiles = np.quantile(steps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    for i in range(len(fit.at)):
        for end in quantiles[:, i]:
            moved = fit.at.copy()
            moved[i] = np.clip(moved[i] + end, low[i], max(high[i], moved[i]))
            yield fit.law.report(moved)


def profile(fit: Regression, data: DecayData) -> Iterator[dict[str, float]]:
    """Reports of the law where the profile likelihood of each shape parameter leaves its 95 % region."""
    freedom = max(len(data.k) - len(fit.at) - len(fit.constants), 1)
    allowed = fit.cost * (1 + student.ppf((1 + LEVEL) / 2, freedom) ** 2 / freedom)
    spread = np.maximum(_standard_errors(fit), 1e-12)
    low, high = (np.array(bound) for bound in fit.law.bounds(float(data.k.min())))
    weights, masks = _weights(data), parities(data)
    for i, width in enumerate(spread):
        rest = [j for j in range(len(fit.at)) if j != i]

        def profiled(value: float, i: int = i, rest: list[int] = rest) -> tuple[float, Floats]:
            at = fit.at.copy()
            at[i] = value

            def residuals(others: Floats) -> Floats:
                at[rest] = others
                return _centred(data.log_value - fit.law.shape(data.k, at), weights, masks)

            if not rest:
                return float(np.sum(residuals(np.empty(0)) ** 2)), at
            start = np.clip(fit.at[rest], low[rest] + 1e-9, high[rest] - 1e-9)
            found = least_squares(residuals, start, bounds=(low[rest], high[rest]), x_scale="jac")
            at[rest] = found.x
            return 2 * float(found.cost), at

        for sign, bound in ((-1, low[i]), (1, high[i])):
            step, edge = 2 * width, fit.at[i]
            while step < 1e3 * width and profiled(edge)[0] < allowed and edge != bound:
                edge = float(np.clip(fit.at[i] + sign * step, low[i], high[i]))
                step *= 2
            if profiled(edge)[0] > allowed:
                edge = brentq(
                    lambda x: profiled(x)[0] - allowed, fit.at[i], edge, xtol=1e-3 * width, rtol=1e-12
                )
            yield fit.law.report(profiled(edge)[1])


def corrected(fit: Regression, data: DecayData) -> Iterator[dict[str, float]]:
    """Reports of the law with a factor exp(b / k) beside it, as further terms of K(t) leave it, at the ends of each shape parameter's 95 % interval."""
    law = fit.law

    def bounds(first: float) -> Box:
        low, high = law.bounds(first)
        return (*low, -first), (*high, first)

    def shape(k: Floats, at: Floats) -> Floats:
        return np.asarray(law.shape(k, at[:-1]) + at[-1] / k)

    with_b = Law(law.name, shape, law.starts, bounds, lambda at: law.report(at[:-1]))
    found = regress(with_b, data, np.append(fit.at, 0.0))
    low, high = (np.array(bound) for bound in with_b.bounds(float(data.k.min())))
    errors = _standard_errors(found) * student.ppf((1 + LEVEL) / 2, max(len(data.k) - len(found.at) - 1, 1))
    for i in range(len(fit.at)):
        for sign in (-1, 1):
            moved = found.at.copy()
            moved[i] = np.clip(moved[i] + NEXT * (moved[i] - fit.at[i]) + sign * errors[i], low[i], high[i])
            yield with_b.report(moved)


def settled(fit: Regression, data: DecayData, halves: Sequence[Regression]) -> Iterator[dict[str, float]]:
    """The report where the change from the lower to the upper half of a window leads, if it fades like 1/k."""
    if len(halves) == 2:
        low, high = (np.array(bound) for bound in fit.law.bounds(float(data.k.min())))
        before, after = (half.at for half in halves)
        yield fit.law.report(
            np.clip(after + TREND * (after - before), np.minimum(low, after), np.maximum(high, after))
        )


def _standard_errors(fit: Regression) -> Floats:
    freedom = max(len(fit.residual) - len(fit.at) - len(fit.constants), 1)
    covariance = np.linalg.pinv(fit.jacobian.T @ fit.jacobian) * fit.cost / freedom
    return np.sqrt(np.maximum(np.diag(covariance), 0))


def parities(data: DecayData) -> list[NDArray[np.bool_]]:
    """Masks of the constants: of odd and of even degrees where both have enough members, else one for all."""
    odd = data.odd
    if min(odd.sum(), (~odd).sum()) >= FEWEST_OF_A_PARITY:
        return [odd, ~odd]
    return [np.ones(len(data.k), bool)]


def _weights(data: DecayData) -> Floats:
    return np.asarray(1 / np.hypot(data.error, LAW_ERROR))


def _centred(difference: Floats, weights: Floats, masks: list[NDArray[np.bool_]]) -> Floats:
    """Weighted residuals from the best constants."""
    difference = np.nan_to_num(difference, nan=1e6, posinf=1e6, neginf=-1e6)
    for mask in masks:
        difference[mask] -= np.average(difference[mask], weights=weights[mask] ** 2)
    return difference * weights

"""Eigenvalues on the sphere as sums over Taylor coefficients, every term positive (theory.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from numerics.power_series import LONG_EPS
from numerics.series import TaylorSeries
from numerics.tails import extrapolated_tails

Floats = NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
TRUNCATION = 1e-15
"""Relative share of the dropped tail at which more terms are no longer worth their time."""
PRECISE = 1e-13
"""Relative error beyond which quadrature takes over where it can."""
SAFETY = 2.0
"""On the relative error of extrapolated tails, the largest up to each degree: it was seen to be up to 1.4 times too small
where a law changes behind the last coefficient (8 bits), tests/numerics/test_power_series.py.
"""


@dataclass(frozen=True)
class HarmonicSums:
    """lambda_k as mantissa * 2^exponent, with relative errors and the share of the dropped tail in them."""

    mantissa: Floats
    exponent: NDArray[np.int64]
    rel_error: Floats
    tail: Floats


def harmonic_sums(series: TaylorSeries, dim: int, degrees: int, extrapolate: bool = True) -> HarmonicSums:
    """lambda_k = c_{k,k} sum_j a_j c_{k,j} / c_{k,k}, every term positive; long doubles hold the weights."""
    a, error, total = series.coefficients, series.relative_error, series.total
    if len(a) <= degrees:
        raise NumericalError(
            f"Degree {degrees} needs more than {degrees} Taylor coefficients, there are {len(a)}."
        )
    if (a < 0).any():
        raise ValueError(
            f"Coefficient {int(np.argmax(a < 0))} is negative: K(t) is no kernel on every sphere."
        )
    known = LONG_EPS * abs(total) + series.total_error + float(a @ error)
    missing = max(total - float(a.sum()), 0.0) + known
    mantissa, exponent = np.zeros(degrees + 1), np.zeros(degrees + 1, np.int64)
    rel_error, tail = np.zeros(degrees + 1), np.zeros(degrees + 1)
    lead, lead_exponent, doubt = np.longdouble(1), 0, 0.0
    for k in range(degrees + 1):
        weights = _weights(k, len(a), dim)
        terms = a[k::2] * weights[:-1]
        value = terms.sum()
        if value > 0:
            known_error = float((terms @ error[k::2]) / value) + 2 * EPS + LONG_EPS * 4 * len(terms)
            rest = _geometric_tail(terms)
            if rest > TRUNCATION * value:
                rest = min(rest, missing * _peak(weights[-1], k, len(a), dim))
            tail[k] = float(rest / value)
            if extrapolate and tail[k] > PRECISE and missing > known and 4 * k < len(a):
                more, deviation = extrapolated_tails(a, dim, k, weights, missing - known)
                doubt = max(doubt, deviation / more if more else 0.0, known / missing)
                rest, value = min(rest, SAFETY * doubt * more), value + more
            rel_error[k] = known_error + float(rest / value)
            fraction, shift = np.frexp(lead * value)
            mantissa[k], exponent[k] = fraction, int(shift) + lead_exponent
        lead, shift = np.frexp(lead * np.longdouble(k + 1) / np.longdouble(2 * k + dim))
        lead_exponent += int(shift)
    return HarmonicSums(mantissa, exponent, rel_error, tail)


def _weights(k: int, count: int, dim: int) -> NDArray[np.longdouble]:
    """c_{k,j} / c_{k,k} for j = k, k + 2, ... below count, and one more."""
    ratios = _ratio(np.arange(k, count, 2, dtype=np.longdouble), k, dim)
    return np.concatenate([[np.longdouble(1)], np.cumprod(ratios)])


def _ratio(j: NDArray[np.longdouble], k: int, dim: int) -> NDArray[np.longdouble]:
    """c_{k,j+2} / c_{k,j}."""
    return (j + 1) * (j + 2) / ((j - k + 2) * (j + k + dim))


def _geometric_tail(terms: Any) -> Any:
    """Bound on the dropped terms where each fifth of the series is at most half of the one before: the last one."""
    fifth = max(len(terms) // 5, 1)
    before, last = terms[-2 * fifth : -fifth].sum(), terms[-fifth:].sum()
    return last if last <= before / 2 else np.inf


def _peak(weight: Any, k: int, j: int, dim: int) -> Any:
    """Largest c_{k,i} / c_{k,k} from i = j on; the ratio of neighbours exceeds 1 while i < k (k + dim - 2) / (dim - 1)."""
    i = np.arange(j, k * (k + dim - 2) / (dim - 1) + 2, 2, dtype=np.longdouble)
    growth = np.cumprod(_ratio(i, k, dim))
    return weight * max([1, *growth.tolist()])

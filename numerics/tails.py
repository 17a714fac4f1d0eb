"""What a slow Taylor series leaves out of an eigenvalue, extrapolated: a_j falling like a power, its sum known from K(1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

REACH, POINTS = 16.0, 801
"""Up to j = N exp(16), on a grid even in log j."""
STEEPEST = 40.0


def extrapolated_tails(
    a: NDArray[np.longdouble], dim: int, degree: int, weights: NDArray[np.longdouble], missing: float
) -> tuple[float, float]:
    """sum_{j >= n} a_j c_{k,j} / c_{k,k} over j = k + 2 i, and an estimate of its error.

    Parameters
    ----------
    a : ndarray, shape (n,)
        The coefficients known.
    degree : int
        k < n / 4.
    weights : ndarray
        c_{k,j} / c_{k,k} for j = k, k + 2, .. below n, and one more.
    missing : float
        K(1) - sum_{j < n} a_j.

    Notes
    -----
    The error is how far the same extrapolation from the first half alone misses what the whole says: errors of the exponent, of
    parity and of oscillations all fall with n.
    """
    half = len(a) // 2
    whole = _tail(a, dim, degree, float(weights[-1]), missing)
    first = (half - degree + 1) // 2
    known = float(weights[first:-1] @ a[degree::2][first:])
    from_half = _tail(a[:half], dim, degree, float(weights[first]), missing + float(a[half:].sum()))
    return whole, abs(from_half - known - whole)


def _tail(a: NDArray[np.longdouble], dim: int, degree: int, weight: float, missing: float) -> float:
    """missing, shared among the parities as in the last fifth, times the mean of c_{k,j} / c_{k,k} under j^-s, j >= n."""
    from scipy.integrate import cumulative_simpson, simpson  # here, as it takes a second to import

    n = len(a)
    last, before = a[-(n // 5) :], a[-2 * (n // 5) : -(n // 5)]
    own = slice((degree - n + n // 5) % 2, None, 2)
    if not last.sum() > 0:
        return 0.0
    share = float(last[own].sum() / last.sum())
    s = _exponent(float(last.sum() / before.sum()), n)
    u = np.linspace(0.0, REACH, POINTS)
    j = (n - 0.5) * np.exp(u)
    ratio = np.log1p(1 / j) + np.log1p(2 / j) - np.log1p((2 - degree) / j) - np.log1p((degree + dim) / j)
    growth = np.exp(cumulative_simpson(j * ratio / 2, x=u, initial=0))
    density = np.exp((1 - s) * u)
    mean = simpson(density * growth, x=u) / (simpson(density, x=u) + np.exp((1 - s) * REACH) / (s - 1))
    return share * missing * weight * float(mean)


def _exponent(fall: float, n: int) -> float:
    """s of j^-s, from the ratio of the sums over [4n/5, n] and [3n/5, 4n/5]."""
    from scipy.optimize import brentq

    def difference(s: float) -> Any:
        low, middle, high = ((x * n) ** (1 - s) for x in (0.6, 0.8, 1.0))
        return (middle - high) / (low - middle) - fall

    if difference(1.0001) < 0:
        return 1.0001
    return STEEPEST if difference(STEEPEST) > 0 else float(brentq(difference, 1.0001, STEEPEST))

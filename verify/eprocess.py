"""A sequential test with a guaranteed error rate: empirical-Bernstein mixtures (Waudby-Smith & Ramdas 2024).

For Z >= -c and psi(l) = (-ln(1 - l c) - l c) / c^2, exp(l Z - psi(l) Z^2) <= 1 + l Z. Hence

    E = mean_j exp(l_j sum Z - psi(l_j) sum Z^2)

is a supermartingale where E[Z] <= 0, and by Ville's inequality exceeds 1/alpha with probability at most alpha,
whenever one looks. It needs (n, sum Z, sum Z^2) only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from verify.estimators import Sums

Status = Literal["PASS", "FAIL", "INCONCLUSIVE"]
COMPONENTS = 16
REACH = 9.0
"""Clipping limits are at least this many margins: E grows with the margin while mean Z < l / (2 psi(l)), which is
0.23 c or more for every l, and mean Z is at most two margins where anything is decided.
"""


@dataclass(frozen=True)
class Test:
    """|E V| <= tolerance is refuted (FAIL), or |E V| < margin is shown (PASS).

    Attributes
    ----------
    tolerance : float
        d0: deviation that is allowed, such as the bias of finite width.
    margin : float
        d > d0: deviation whose absence is shown by a PASS.
    alpha, beta : float
        Probabilities of a wrong FAIL and of a wrong PASS, at any stopping time.
    """

    tolerance: float
    margin: float
    alpha: float = 1e-9
    beta: float = 1e-9

    __test__ = False  # not a test class of pytest


def decide(sums: Sums, test: Test) -> tuple[Status, float]:
    """The state of the test, and the evidence against |E V| <= tolerance as log10."""
    if sums.count == 0:
        return "INCONCLUSIVE", 0.0
    tolerance, margin = test.tolerance + sums.clip_bias, test.margin - sums.clip_bias
    against = _log_mean(np.array([_log_e(sums, +1, tolerance), _log_e(sums, -1, tolerance)]))
    evidence = against / math.log(10)
    if against >= -math.log(test.alpha):
        return "FAIL", evidence
    if margin > 0 and _shown(sums, margin, test.beta):
        return "PASS", evidence
    return "INCONCLUSIVE", evidence


def attained(sums: Sums, test: Test) -> float:
    """The least margin that these samples carry: the smallest error that cannot have hidden, with probability 1 - beta.

    It may be chosen behind the samples: the evidence for a margin grows with the margin (see REACH), so that a wrong
    choice would need wrong evidence at the true deviation.
    """
    if sums.count == 0:
        return math.inf
    low, high = 0.0, sums.limit / REACH
    if not _shown(sums, high, test.beta):
        return math.inf
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _shown(sums, middle, test.beta) else (middle, high)
    return high + sums.clip_bias


def _shown(sums: Sums, margin: float, beta: float) -> bool:
    """Whether E V > -margin and E V < margin are both shown."""
    return min(_log_e(sums, +1, -margin), _log_e(sums, -1, -margin)) >= -math.log(beta)


def _log_e(sums: Sums, sign: int, shift: float) -> float:
    """log E for Z = sign V - shift, Z >= -(limit + shift)."""
    c = sums.limit + max(shift, 0.0)
    rates = np.geomspace(1e-4 / c, 0.95 / c, COMPONENTS)
    psi = (-np.log1p(-rates * c) - rates * c) / c**2
    first = sign * sums.first - sums.count * shift
    second = sums.second - 2 * shift * sign * sums.first + sums.count * shift**2
    return _log_mean(rates * first - psi * second)


def _log_mean(logs: NDArray[np.float64]) -> float:
    """log of the mean of exp(logs)."""
    largest = float(logs.max())
    return largest + math.log(float(np.exp(logs - largest).mean()))

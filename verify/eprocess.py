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
from scipy.special import logsumexp

from verify.estimators import Sums

Status = Literal["PASS", "FAIL", "INCONCLUSIVE"]
COMPONENTS = 16


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
    against = logsumexp([_log_e(sums, +1, tolerance), _log_e(sums, -1, tolerance)]) - math.log(2)
    evidence = float(against / math.log(10))
    if against >= -math.log(test.alpha):
        return "FAIL", evidence
    if margin > 0 and min(_log_e(sums, +1, -margin), _log_e(sums, -1, -margin)) >= -math.log(test.beta):
        return "PASS", evidence
    return "INCONCLUSIVE", evidence


def detectable(sums: Sums, test: Test) -> float:
    """The margin that these samples would carry if their mean were 0: the smallest error that cannot hide."""
    if sums.count == 0:
        return math.inf
    centred = Sums(sums.limit, sums.count, 0.0, sums.second, sums.fourth)
    low, high = 0.0, sums.limit
    for _ in range(50):
        middle = (low + high) / 2
        shown = _log_e(centred, +1, -middle) >= -math.log(test.beta)
        low, high = (low, middle) if shown else (middle, high)
    return high + sums.clip_bias


def _log_e(sums: Sums, sign: int, shift: float) -> float:
    """log E for Z = sign V - shift, Z >= -(limit + shift)."""
    c = sums.limit + max(shift, 0.0)
    rates = np.geomspace(1e-4 / c, 0.95 / c, COMPONENTS)
    psi = (-np.log1p(-rates * c) - rates * c) / c**2
    first = sign * sums.first - sums.count * shift
    second = sums.second - 2 * shift * sign * sums.first + sums.count * shift**2
    return float(logsumexp(rates * first - psi * second) - math.log(COMPONENTS))

"""Which law the numbers carry, if any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numerics.fit import LawFit

FEWEST = 8
"""Values below which nothing is decided."""
EVIDENCE = 10.0
"""AICc difference below which two laws are not told apart (Burnham & Anderson 2002)."""
WORST_FIT = 0.15
"""Largest rms residual of log lambda_k at which a law is said to describe the numbers."""
FALL = 3.0
"""Least factor exp(FALL) by which rho^k must fall within the window to be told from a power."""


def judge(
    fits: Sequence[LawFit], halves: Sequence[Sequence[float]], k: NDArray[np.float64]
) -> tuple[str, str]:
    """The verdict and its reason.

    Parameters
    ----------
    fits : sequence of LawFit
        Over the whole window.
    halves : sequence of two sequences
        Each law's rms residual on the lower and on the upper half of the window alone.
    k : ndarray
        Degrees or indices used.
    """
    if len(k) < FEWEST:
        return "undecided", f"only {len(k)} usable values"
    position = min(range(len(fits)), key=lambda i: fits[i].aicc)
    best = fits[position]
    others = [fit for fit in fits if fit is not best]
    if best.name == "exponential" and others:
        fall = -math.log(best.parameters["rho"]) * float(k.max() - k.min())
        simpler = min(others, key=lambda fit: fit.aicc)
        if fall < FALL or simpler.aicc - best.aicc < EVIDENCE:
            if simpler.residual <= WORST_FIT:
                return (
                    simpler.name,
                    f"rho^k falls by exp({fall:.1f}) only within the window; {simpler.name} fits as well",
                )
            return (
                "undecided",
                f"rho^k falls by exp({fall:.1f}) only within the window, and {simpler.name} does not fit",
            )
    if best.residual > WORST_FIT:
        return "undecided", f"no law fits: rms residual {best.residual:.2f} of the best, {best.name}"
    if any(half[position] > WORST_FIT for half in halves):
        return "undecided", f"{best.name} does not fit both halves of the window"
    gap = min((fit.aicc for fit in others), default=math.inf) - best.aicc
    return best.name, f"AICc ahead by {gap:.0f}" if others else "the only law tried"

"""Whether eigenvalues end: zeros behind a fall that no law of decay explains."""

from __future__ import annotations

import math

import numpy as np

from numerics.decay_data import DecayData

FEWEST_ZEROS = 3
"""Vanishing values behind the last one that make a rank."""
DROP = math.log(1e3)
"""Least fall from the last eigenvalue to the zeros of a finite rank."""
STEEPER = 3.0
"""That fall in units of the steepest one before it."""


def finite_rank(whole: DecayData) -> tuple[int, str] | None:
    """The last degree or index with an eigenvalue, and why; None where nothing ends."""
    if whole.zeros < max(FEWEST_ZEROS, math.ceil(0.1 * len(whole.k))) or len(whole.k) == 0:
        return None
    last = int(whole.k[-1])
    if whole.floor == -math.inf:
        return last, f"all {whole.zeros} values behind {whole.by} {last} vanish exactly"
    drop = float(whole.log_value[-1]) - whole.floor
    steepest = float(np.max(-np.diff(whole.log_value), initial=0.0))
    if drop > max(DROP, STEEPER * steepest):
        factor = f"{math.exp(min(drop, 700)):.0e}"
        return last, f"behind {whole.by} {last} eigenvalues fall by a factor of {factor} to rounding"
    return None

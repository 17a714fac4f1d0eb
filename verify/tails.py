"""Whether phi's tails are light enough for averages of samples to mean anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HEAVIEST = 1e6
"""E[phi^8] / E[phi^2]^4 up to which samples are trusted: 8e2 for ReLU, 3e4 for x^2, 2e5 for ReLU^2; cubes have 6e6, and their
averages of a million samples still miss events that carry per cents.
"""
REACH, NODES = 38.0, 30_001
"""Standard deviations and nodes of the trapezoidal rule: kinks cost it 1e-6, which no ratio minds."""


def heaviness(function: Any, layer: int, variance: float) -> float:
    """E[phi(u)^8] / E[phi(u)^2]^4 for u ~ N(0, variance), the larger one of phi and phi'; inf if it cannot be computed.

    `function` is of the type `verify.ensemble.FUNCTION`. A large ratio says that the kernel rests on rare events.
    """
    z = np.linspace(-REACH, REACH, NODES)
    u = np.sqrt(variance) * z[:, None]
    value, slope = np.empty_like(u), np.empty_like(u)
    function(layer, u, value, slope)
    with np.errstate(all="ignore"):
        weights = np.exp(-(z**2) / 2)
        ratios = [_ratio(part[:, 0], weights / weights.sum()) for part in (value, slope)]
    return max(ratios)


def _ratio(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    largest = float(np.max(np.abs(values) * (weights > 0)))
    if largest == 0:
        return 1.0
    scaled = values / largest
    ratio = float((weights * scaled**8).sum() / (weights * scaled**2).sum() ** 4)
    return ratio if np.isfinite(ratio) else np.inf

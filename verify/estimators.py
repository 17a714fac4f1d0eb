"""Streaming sums of bounded samples: mergeable in any order, sufficient for the tests of verify.eprocess.

`dataclasses.asdict` and `Sums(**values)` carry them through JSON without loss, so that sampling can be resumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Count, sum and sum of squares of V clipped to [-limit, limit], and the fourth moment's sum before clipping."""

    limit: float
    count: int = 0
    first: float = 0.0
    second: float = 0.0
    fourth: float = 0.0

    def add(self, values: Floats) -> Sums:
        """These sums with further values."""
        clipped = np.clip(values, -self.limit, self.limit)
        more = Sums(
            self.limit,
            len(values),
            float(clipped.sum()),
            float((clipped * clipped).sum()),
            float((values**4).sum()),
        )
        return self.merge(more)

    def merge(self, other: Sums) -> Sums:
        """The sums of both sets."""
        if other.limit != self.limit:
            raise ValueError(f"Sums clipped at {self.limit} and at {other.limit} cannot be merged.")
        return Sums(
            self.limit,
            self.count + other.count,
            self.first + other.first,
            self.second + other.second,
            self.fourth + other.fourth,
        )

    @property
    def mean(self) -> float:
        """Mean of the clipped values."""
        return self.first / self.count

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        variance = max(self.second / self.count - self.mean**2, 0.0)
        return math.sqrt(variance / self.count)

    @property
    def clip_bias(self) -> float:
        """Bound on |E V - E clip(V)|: E (|V| - L)+ <= 27/256 E V^4 / L^3, with ten times the sample's moment."""
        return 10 * 27 / 256 * self.fourth / self.count / self.limit**3

"""How our time grows with n, d and depth; all points of a curve take turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

import quasintk as qn
from benchmarks.gram.lines import DEPTH, Line, Size, network
from benchmarks.gram.timing import clocked, interleaved, ratio

WEIGHTS = {"real": "real", "binary": qn.Levels(2)}
FEATURES = 32


@dataclass(frozen=True)
class Curve:
    """Seconds of every round at every value of n, d or depth."""

    kernel: str
    over: str
    fixed: str
    values: tuple[int, ...]
    seconds: tuple[tuple[float, ...], ...]

    @property
    def medians(self) -> list[float]:
        """Seconds at every value."""
        return [median(one) for one in self.seconds]

    def doublings(self) -> dict[int, float]:
        """Time at 2 v by time at v, for every v whose double is there."""
        found = dict(zip(self.values, self.seconds, strict=True))
        return {v: ratio(found[2 * v], found[v]) for v in self.values if 2 * v in found}


def curves(size: Size, rounds: int) -> list[Curve]:
    """ReLU in float64, real and binary, into warm arrays: over n; over d and the depth at half the largest n."""
    half = size.growth_n[-1] // 2
    plans: tuple[tuple[str, str, tuple[int, ...], Callable[[int], tuple[int, int, int]]], ...] = (
        ("n", f"d = {FEATURES}, depth {DEPTH}", size.growth_n, lambda n: (n, FEATURES, DEPTH)),
        ("d", f"n = {half}, depth {DEPTH}", size.growth_d, lambda d: (half, d, DEPTH)),
        ("depth", f"n = {half}, d = {FEATURES}", size.growth_depth, lambda depth: (half, FEATURES, depth)),
    )
    found = []
    for name, weights in WEIGHTS.items():
        for over, fixed, values, point in plans:
            seconds = interleaved({str(value): _clocked(weights, *point(value)) for value in values}, rounds)
            found.append(Curve(f"relu, {name}", over, fixed, values, tuple(seconds.values())))
    return found


def _clocked(weights: object, n: int, d: int, depth: int) -> Callable[[], float]:
    subject = network("", "relu", weights, depth=depth)
    kernel, X, K = subject.build(), Line(subject, n, d, "float64").rows(), np.zeros((n, n))
    qn.gram(kernel, X, out=K)
    return clocked(lambda: qn.gram(kernel, X, out=K))

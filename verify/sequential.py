"""Sample until a decision: rounds of estimates against their claims, tested after each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from verify.eprocess import REACH, Test, attained, decide
from verify.estimators import Sums
from verify.report import Check, Gate

Floats = NDArray[np.float64]
PILOT = 2**31
"""Number of the first sample that sets the clipping limits; those that are tested have smaller ones."""
LIMIT = 32.0
"""Where a sample is clipped, in standard deviations of the pilot: what clipping costs is below 1e-4 of one."""

LEAST = 1e-4
"""Smallest standard deviation that limits are set for: some quantities, such as binary weights' squares, do not vary."""


@dataclass(frozen=True)
class Stage:
    """Quantities that are sampled together, and what is claimed of them.

    Attributes
    ----------
    gate : {"layer", "network"}
    names : tuple of str
    claimed, scale : ndarray, shape (names,)
    draw : callable
        draw(first, count) gives the samples of numbers [first, first + count), shape (names, count).
    count : int
        Samples between two looks.
    test : Test
        In units of the scales.
    """

    gate: Gate
    names: tuple[str, ...]
    claimed: Floats
    scale: Floats
    draw: Callable[[int, int], Floats]
    count: int
    test: Test


def run(
    stage: Stage, seconds: float, coarsest: float, tick: Callable[[], None] = lambda: None
) -> list[Check]:
    """Sample until every quantity is decided, one failed, or the time is over; at least one round.

    Where the time ends first, a quantity passes with the margin that it attained, up to `coarsest` times the stage's.
    A pilot, whose samples are not tested, sets the clipping limits. `tick` is called before every round.
    """
    start, done = time.perf_counter(), 0
    pilot = _deviations(stage, PILOT, stage.count)
    limits = np.abs(pilot.mean(axis=1)) + LIMIT * np.maximum(pilot.std(axis=1), LEAST)
    sums = [Sums(max(float(limit), REACH * coarsest * stage.test.margin)) for limit in limits]
    while True:
        tick()
        sums = [
            total.add(row) for total, row in zip(sums, _deviations(stage, done, stage.count), strict=True)
        ]
        done += stage.count
        states = [decide(total, stage.test)[0] for total in sums]
        late = time.perf_counter() - start > seconds
        if "FAIL" in states or "INCONCLUSIVE" not in states or late:
            test = replace(stage.test, margin=coarsest * stage.test.margin) if late else stage.test
            return [_check(stage, i, total, test) for i, total in enumerate(sums)]


def _deviations(stage: Stage, first: int, count: int) -> Floats:
    """Samples minus claims, in units of the scales."""
    deviations: Floats = (stage.draw(first, count) - stage.claimed[:, None]) / stage.scale[:, None]
    return deviations


def _check(stage: Stage, i: int, sums: Sums, test: Test) -> Check:
    status, evidence = decide(sums, test)
    return Check(
        gate=stage.gate,
        name=stage.names[i],
        claimed=float(stage.claimed[i]),
        estimate=float(stage.claimed[i] + stage.scale[i] * sums.mean),
        error=float(stage.scale[i] * sums.standard_error),
        detectable=attained(sums, test),
        evidence=evidence,
        status=status,
        samples=sums.count,
        margin=max(stage.test.margin, attained(sums, test)) if status == "PASS" else test.margin,
    )

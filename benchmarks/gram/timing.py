"""Systems that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

SETTLE = 0.05
"""Seconds between two runs: the threads of BLAS and OpenMP spin for some tens of milliseconds after their work."""

Seconds = dict[str, tuple[float, ...]]


def interleaved(systems: Mapping[str, Callable[[], float]], rounds: int) -> Seconds:
    """Seconds of every system in every round; the order turns by one from round to round."""
    names = list(systems)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(SETTLE)
            seconds[name].append(systems[name]())
    return {name: tuple(values) for name, values in seconds.items()}


def clocked(run: Callable[[], object]) -> Callable[[], float]:
    """A function that runs once and returns seconds; what was computed is given back after the clock has stopped."""

    def seconds() -> float:
        start = time.perf_counter()
        result = run()
        took = time.perf_counter() - start
        del result
        return took

    return seconds


def ratio(above: tuple[float, ...], *below: tuple[float, ...]) -> float:
    """Median over the rounds of one time by the sum of others."""
    return float(median(a / sum(b) for a, *b in zip(above, *below, strict=True)))

"""The nearest singularity of K(t): the smallest |t| at which a layer's covariance reaches that of its dual (theory.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath

from derive.covariances import Net, beyond, correlations, excess, linear, second_moment
from derive.numbers import mpf

FARTHEST = 1e12
"""Largest |t| that is searched."""
SHARP = mpmath.mpf(10) ** -22
"""Relative accuracy of t*."""
RESOLVED = mpmath.mpf(10) ** -14
"""Relative distance at which singularities of two layers are told apart."""


@dataclass(frozen=True)
class Nearest:
    """t*, the layers that are singular there, and whether they are told apart from others next to them."""

    t: Any
    layers: tuple[int, ...]
    resolved: bool


def nearest_of(net: Net) -> Nearest:
    """t* > 0: all rho_l(t) grow with t, so that the first to reach its g_l does so once; inf if none does."""
    if all(not mpmath.isfinite(stage.dual.g) for stage in net.stages):
        return Nearest(mpmath.inf, (), True)
    high = reached_by_first(net, 1)
    if net.stages[0].dual.g == 1:  # |rho_1| <= 1 keeps |rho_l| <= 1 in every later layer
        return Nearest(high, tuple(tied_at(net, high)), True)
    if not mpmath.isfinite(high):
        high = mpmath.mpf(2)
        while beyond(net, high) is None:
            high *= 2
            if high > FARTHEST:
                return Nearest(mpmath.inf, (), True)
    t, layer = _edge(net, mpmath.mpf(1), high)
    tied = tuple(tied_at(net, t))
    if (layer is None or layer in tied) and beyond(net, t) is None:
        return Nearest(t, tied, True)
    return Nearest(t, (tied[0] if layer is None else layer,), False)


def reached_by_first(net: Net, sign: int) -> Any:
    """|t| at which the first layer reaches sign g."""
    stage = net.stages[0]
    A, B = linear(stage.dense)
    if stage.dual.g == 1:  # g Q - B in fractions: it may cancel
        return mpf((second_moment(stage.dense, net.q) - sign * B) / (A * net.q))
    t = (stage.dual.g * stage.dual.variance - sign * mpf(B)) / mpf(A * net.q)
    return mpmath.mpf(1) if abs(t - 1) < SHARP else t


def _edge(net: Net, low: Any, high: Any, side: int = 1) -> tuple[Any, int | None]:
    """The t up to high where the first layer goes beyond its g, and that layer; low is not beyond. side -1 for -t."""
    t, nearest = high, None
    layer = beyond(net, side * high)
    for _ in range(10):
        if layer is None:
            break
        middle = mpmath.sqrt(low * high)
        found = beyond(net, side * middle)
        low, high, layer = (middle, high, layer) if found is None else (low, middle, found)
    while layer is not None and layer != nearest:
        nearest = layer
        t = _root(lambda t, at=layer: excess(net, side * t, at), low, high)
        high = t * (1 - RESOLVED)
        layer = beyond(net, side * high)
    return t, nearest


def _root(f: Any, low: Any, high: Any) -> Any:
    """Where f changes its sign from negative to positive: Illinois' method, from below."""
    f_low, f_high = f(low), f(high)
    moved = 0
    for step in range(100):
        if f_low >= 0 or high - low < SHARP * high:
            break
        secant = mpmath.isfinite(f_high) and step % 8 < 7
        middle = low + (f_low / (f_low - f_high) if secant else mpmath.mpf(1) / 2) * (high - low)
        value = f(middle)
        if value <= 0:
            low, f_low, f_high, moved = middle, value, f_high / 2 if moved < 0 else f_high, -1
        else:
            high, f_high, f_low, moved = middle, value, f_low / 2 if moved > 0 else f_low, 1
    return low


def mirror_of(net: Net, t_star: Any) -> Any:
    """t2 >= t*: the nearest singularity on the negative axis is at -t2; None if none is found."""
    if tied_at(net, -t_star):
        return t_star
    high = reached_by_first(net, -1)
    if net.stages[0].dual.g == 1:
        return high
    limit = high if mpmath.isfinite(high) else 16 * t_star
    before, steps = t_star, 8
    for i in range(1, steps + 1):
        t = t_star * (limit / t_star) ** (mpmath.mpf(i) / steps)
        if beyond(net, -t) is not None:
            return _edge(net, before, t, side=-1)[0]
        before = t
    return high if mpmath.isfinite(high) else None


def tied_at(net: Net, t: Any) -> list[int]:
    """The layers that are singular at t."""
    return [i for i, (stage, rho) in enumerate(correlations(net, t)) if stage.dual.is_singular(rho)]

"""Highest even and odd powers of t in a kernel: which eigenvalues vanish (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from derive.network import Dense

Power = float | int | None
"""An integer, inf for a series without end, None where no such power occurs."""


@dataclass(frozen=True)
class Degrees:
    """Highest even and highest odd power of t."""

    even: Power = None
    odd: Power = None

    def of(self, parity: int) -> Power:
        """The one of that parity."""
        return self.odd if parity else self.even

    def __or__(self, other: Degrees) -> Degrees:
        return Degrees(_larger(self.even, other.even), _larger(self.odd, other.odd))

    def __mul__(self, other: Degrees) -> Degrees:
        even = _larger(_sum(self.even, other.even), _sum(self.odd, other.odd))
        return Degrees(even, _larger(_sum(self.even, other.odd), _sum(self.odd, other.even)))


ONE = Degrees(even=0)


def degrees_of(
    groups: Sequence[tuple[Sequence[Dense], tuple[Power, Power]]], last: Sequence[Dense]
) -> tuple[Degrees, Degrees]:
    """Degrees of the NNGP and of the NTK.

    Parameters
    ----------
    groups : sequence of (dense layers, (even, odd))
        The dense layers before each activation, and the highest even and odd j with h_j != 0 of that activation.
    last : sequence of Dense
        The dense layers behind the last activation.
    """
    m, k = Degrees(odd=1), Degrees()
    for dense, (even, odd) in groups:
        m, k = _dense(dense, m, k)
        slope = (None if odd is None else odd - 1, None if even in (None, 0) else even - 1)
        m, k = _series(m, (even, odd)), _series(m, slope) * k
    return _dense(last, m, k)


def _dense(layers: Sequence[Dense], m: Degrees, k: Degrees) -> tuple[Degrees, Degrees]:
    for layer in layers:
        m = m | ONE if layer.b_std else m
        k = k | m if layer.trained else k
    return m, k


def _series(m: Degrees, degrees: tuple[Power, Power]) -> Degrees:
    """sum_j m^j over j of the given highest even and odd degree."""
    total = Degrees()
    for parity, degree in enumerate(degrees):
        if degree is None:
            continue
        if degree != math.inf:
            total = total | _power(m, int(degree))
            continue
        constant = m == ONE or m == Degrees()
        leading = _power(m, 2 + parity)
        total = total | (
            leading
            if constant
            else Degrees(*(None if p is None else math.inf for p in (leading.even, leading.odd)))
        )
    return total


def _power(m: Degrees, exponent: int) -> Degrees:
    result, base = ONE, m
    while exponent:
        if exponent & 1:
            result = result * base
        base, exponent = base * base, exponent >> 1
    return result


def _larger(a: Power, b: Power) -> Power:
    return b if a is None else a if b is None else max(a, b)


def _sum(a: Power, b: Power) -> Power:
    return None if a is None or b is None else a + b

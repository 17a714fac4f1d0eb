"""Eigenvalues on the sphere by quadrature in the angle at many digits: for kernels whose Taylor series is too slow.

lambda_k = int K(cos a) P_k(cos a) sin^(dim-2)(a) da / int sin^(dim-2)(a) da over 0 < a < pi (Funk and Hecke),
P_k the Gegenbauer polynomial with P_k(1) = 1. The substitution a = pi / (1 + exp(-pi sinh x)) makes every
singularity at the ends, and those close to them, harmless (Takahasi & Mori 1974).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from derive import ir
from derive.numbers import mpf
from numerics.interpret import MULTIPRECISION, interpret

SLOW = frozenset({"tail", "quadrant", *ir.SERIES})
"""Functions that take milliseconds at many digits: their kernels stay with the series."""
COARSEST, HALVINGS = 5, 6
"""Steps from 2^-5 on, or from 1 / degree where harmonics oscillate faster."""
ARRAYS = replace(
    MULTIPRECISION,
    functions={
        name: np.frompyfunc(function, ir.FUNCTIONS[name], 1)
        for name, function in MULTIPRECISION.functions.items()
    },
)
"""Arrays of mpmath numbers."""


@dataclass(frozen=True)
class AngleIntegrals:
    """Eigenvalues with absolute errors, mpmath numbers, in the order of the degrees asked for."""

    values: list[Any]
    errors: list[Any]


def is_cheap(program: ir.Program) -> bool:
    """Whether a node costs microseconds per operation, and arrays of nodes go through the program as one."""
    return not program.functions() & SLOW and not program.selects()


def funk_hecke(
    program: ir.Program,
    parameters: Mapping[str, Fraction],
    q: Fraction,
    dim: int,
    degrees: Sequence[int],
    digits: int,
    relative: float,
    hasty: bool,
) -> AngleIntegrals:
    """Eigenvalues of some degrees.

    Parameters
    ----------
    program : Program
        One output of a kernel's `pair`, `is_cheap`.
    degrees : sequence of int
        Ascending.
    digits : int
        What is calculated with; it must exceed the digits that lambda_k / K(1) cancels.
    relative : float
        The step is halved until all relative errors are below, at most six times.
    hasty : bool
        Whether to stop when `digits` turn out to be too few.

    Notes
    -----
    Each halving squares the error over K(1), as the rule converges like exp(-c / h); stated is the power 3/2 of the error over lambda_k instead,
    which is more, and no less than lambda_k itself before the first digit stands. Cost: 0.2 ms
    a node for three layers, 300 to 4,000 nodes, and 0.2 microseconds per node and degree.
    """
    ((output, _),) = program.outputs
    with mpmath.workdps(digits):
        radius = mpf(q)
        norm = mpmath.beta(mpmath.mpf(dim - 1) / 2, mpmath.mpf(1) / 2)

        def sums(step: Any, first: Any) -> tuple[list[Any], Any]:
            cosines, weights = _nodes(step, first, dim)
            inputs = {**parameters, "q_x": radius, "q_y": radius}
            right, left = (
                weights * interpret(program, {**inputs, "m_0": radius * t}, ARRAYS)[output]
                for t in (cosines, -cosines)
            )
            size = (abs(right) + abs(left)).sum()
            integrals = _integrals(cosines, (right + left) / size, (right - left) / size, dim, degrees)
            return [step * size / norm * value for value in integrals], step * size / norm

        step = mpmath.mpf(2) ** -max(COARSEST, max(degrees).bit_length())
        values, size = sums(step, mpmath.mpf(0))
        for _ in range(HALVINGS):
            middle, more = sums(step, step / 2)
            finer = [(a + b) / 2 for a, b in zip(values, middle, strict=True)]
            size, step = (size + more) / 2, step / 2
            floor = size * mpmath.mpf(10) ** (6 - digits)
            errors = [_error(abs(a - b), abs(b)) + floor for a, b in zip(values, finer, strict=True)]
            values = finer
            aims = [relative * abs(value) for value in values]
            if (hasty and floor > min(aims)) or all(e <= aim for e, aim in zip(errors, aims, strict=True)):
                break
        return AngleIntegrals(values, errors)


def _error(difference: Any, value: Any) -> Any:
    return value * (difference / value) ** 1.5 if value else difference


def _nodes(step: Any, first: Any, dim: int) -> tuple[Any, Any]:
    """Cosines >= 0 and weights at first + i step, i = 0, 1, ..., until the weights no longer count; the others are their mirror
    images, and the node at 0 is its own.
    """
    nodes, x = [], first
    while (node := _node(x, dim)) is not None:
        nodes.append(node)
        x += step
    cosines, weights = np.array(nodes, dtype=object).T
    if first == 0:
        weights[0] /= 2
    return cosines, weights


def _node(x: Any, dim: int) -> tuple[Any, Any] | None:
    """cos a and the weight sin^(dim-2)(a) da/dx at x; None where it no longer counts."""
    small = mpmath.exp(-mpmath.pi * abs(mpmath.sinh(x)))
    angle = mpmath.pi * small / (1 + small)  # from the nearer end
    weight = mpmath.pi * mpmath.cosh(x) * angle / (1 + small) * mpmath.sin(angle) ** (dim - 2)
    if weight < mpmath.mpf(10) ** -mpmath.mp.dps:
        return None
    return (1 if x > 0 else -1) * mpmath.cos(angle), weight


def _integrals(t: Any, even: Any, odd: Any, dim: int, degrees: Sequence[int]) -> list[Any]:
    """sum_i share_i P_k(t_i), share = even or odd with k, sum_i |share_i| <= 1 and |P_k| <= 1, in fixed-point integers:

    (k + dim - 2) P_{k+1} = (2k + dim - 2) t P_k - k P_{k-1}, whose rounding grows like k^2.
    """
    bits = mpmath.mp.prec + 24
    fixed = np.frompyfunc(lambda x: int(mpmath.nint(mpmath.ldexp(x, bits))), 1, 1)
    t, shares = fixed(t), (fixed(even), fixed(odd))
    previous, p = np.full(len(t), 1 << bits, dtype=object), t
    integrals, wanted = [], set(degrees)
    for k in range(max(degrees) + 1):
        if k in wanted:
            integrals.append(mpmath.ldexp(mpmath.mpf(int(shares[k % 2] @ previous)), -2 * bits))
        previous, p = p, ((2 * k + dim) * (t * p >> bits) - (k + 1) * previous) // (k + dim - 1)
    return integrals

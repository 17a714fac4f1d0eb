"""What a kernel claims of two inputs behind every layer, read from its own programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.errors import BadKernelFile
from derive.ir import OUTPUTS
from derive.recursion import Moments
from numerics.interpret import interpret
from numerics.kernel import Kernel
from numerics.quadrature import multiprecision
from numerics.rules import has_series

Floats = NDArray[np.float64]
DIGITS, SERIES_DIGITS = 40, 25
PAIRS = ((0, 0), (0, 1), (1, 1))


@dataclass(frozen=True)
class Moment:
    """The moments of two inputs at one place of the network, as symmetric 2 x 2 matrices.

    Attributes
    ----------
    same : ndarray
        Under the same rounding: q on the diagonal, p off it.
    cross : ndarray
        Under independent roundings: m.
    ntk : ndarray
        k.
    """

    same: Floats
    cross: Floats
    ntk: Floats


@dataclass(frozen=True)
class Claims:
    """A kernel's values for two inputs.

    Attributes
    ----------
    layers : tuple of Moment
        Of the inputs, and behind every layer.
    outputs : Moment
        What the programs return.
    digits : int
        Of the arithmetic they were computed with.
    """

    layers: tuple[Moment, ...]
    outputs: Moment
    digits: int


def claims(kernel: Kernel, X: Floats) -> Claims:
    """Interpret a kernel's programs for two inputs (2, d), in exact arithmetic on the inputs.

    The pair's program gives what lies off the diagonals, the diagonal's program what lies on them. Cost: 10 ms, or
    0.5 to 4 s with Hermite series. Raises BadKernelFile where
    a program lacks a quantity of its network's recursion.
    """
    exact = [[Fraction(float(value)) for value in row] for row in X]
    norms = [sum(map(Fraction.__mul__, row, row)) / len(row) for row in exact]
    product = sum(map(Fraction.__mul__, *exact)) / len(exact[0])
    inputs = ({"q_x": norms[0]}, {"q_x": norms[0], "q_y": norms[1], "m_0": product}, {"q_x": norms[1]})
    values, digits = _values(kernel, inputs)
    recursion = kernel.derivation
    gram = np.array([[norms[0], product], [product, norms[1]]], dtype=float)
    start = Moment(same=gram, cross=gram, ntk=np.zeros((2, 2)))
    layers = (
        _moment(values, diagonal.moments, pair.moments)
        for diagonal, pair in zip(recursion.diagonal, recursion.pair, strict=True)
    )
    ntk, nngp, rounding = (_matrix([float(of[name]) for of in values]) for name in OUTPUTS)
    return Claims((start, *layers), Moment(rounding + nngp, nngp, ntk), digits)


def _values(kernel: Kernel, inputs: Any) -> tuple[list[dict[str, Any]], int]:
    """All quantities of the diagonal's program for the first input, the pair's, and the diagonal's for the second."""
    programs = (kernel.ir.diagonal, kernel.ir.pair, kernel.ir.diagonal)
    digits = SERIES_DIGITS if has_series(kernel.ir) else DIGITS
    with mpmath.workdps(digits):
        arithmetic = multiprecision(kernel.ir)
        found = [
            interpret(program, {**kernel.parameters, **values}, arithmetic)
            for program, values in zip(programs, inputs, strict=True)
        ]
    return found, digits


def _moment(values: list[dict[str, Any]], diagonal: Moments, pair: Moments) -> Moment:
    def at(moment: Any, of: Mapping[str, Any]) -> float:
        name = str(moment)
        if moment.is_Symbol and name not in of:
            raise BadKernelFile(
                f"The kernel's program has no {name}: it is not its network's. Derive the kernel again."
            )
        return float(of[name] if moment.is_Symbol else moment)

    def matrix(on: Any, off: Any) -> Floats:
        return _matrix([at(on, values[0]), at(off, values[1]), at(on, values[2])])

    return Moment(
        same=matrix(diagonal.q_x, pair.p), cross=matrix(diagonal.m, pair.m), ntk=matrix(diagonal.k, pair.k)
    )


def _matrix(entries: list[float]) -> Floats:
    return np.array([[entries[0], entries[1]], [entries[1], entries[2]]])


def scales(K: Floats) -> Floats:
    """sqrt(K_ii K_jj) of every entry, 1 where it vanishes: the unit of all deviations."""
    roots = np.sqrt(np.abs(np.diag(K)))
    found: Floats = np.outer(roots, roots)
    return np.where(found > 0, found, 1.0)

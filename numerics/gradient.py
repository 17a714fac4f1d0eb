"""Gram matrices with their derivatives by the kernel's parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.tangents import tangent, with_tangents
from numerics.arrays import as_output, as_rows, require_kernel
from numerics.kernel import Kernel
from numerics.memory import guard
from numerics.pair_route import pair_route
from numerics.rules import has_series

Floats = NDArray[np.float64]
STEP = 4e-3
"""Of differences in log(parameter), five points: what they leave out is STEP^4 / 5 of a fifth derivative, at most, 5e-11."""


def gradient(kernel: Kernel, X: object, names: tuple[str, ...], get: str = "ntk") -> tuple[Floats, Floats]:
    """Gram matrix of the rows of X, and its derivatives by the logarithms of parameters.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    names : tuple of str
        Of `kernel.parameters`; their values must be positive.
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    ndarray, shape (n, n)
        K, in float64.
    ndarray, shape (len(names), n, n)
        p dK / dp.

    Raises
    ------
    TypeError, ValueError
        If the data are no finite real rows, or a name is unknown.
    NotEnoughMemory
        If the results exceed 80 % of the available memory.

    Notes
    -----
    Closed forms are differentiated exactly, node by node (`derive.tangents`), and compiled, once per network; one pass gives K and its
    derivatives. Rounding leaves 1e-15, of real weights 1e-16 / angle at small angles. Hermite series (tanh) are
    differentiated by differences over five points: 1e-9, and four more matrices for each parameter.
    """
    require_kernel(kernel)
    rows, _ = as_rows(X)
    output = as_output(get)
    unknown = [name for name in names if name not in kernel.parameters]
    if unknown:
        raise ValueError(f"Unknown parameter {unknown[0]!r}: this kernel has {', '.join(kernel.parameters)}.")
    n = len(rows)
    guard((len(names) + 1) * n**2, 8, None, f"The Gram matrix of {n} rows with {len(names)} derivatives")
    result = np.empty((len(names) + 1, n, n))
    if has_series(kernel.ir):
        result[0] = kernel(rows, get=output)
        for part, name in zip(result[1:], names, strict=True):
            _differences(kernel, rows, name, output, part)
    else:
        outputs = (output, *(tangent(output, name) for name in names))
        differentiated = replace(_differentiated(kernel.structure, names), parameters=kernel.ir.parameters)
        pair_route(Kernel(differentiated), outputs, np.dtype(np.float64), rows).symmetric(result)
    return result[0], result[1:]


@lru_cache(maxsize=64)
def _differentiated(kernel: ir.KernelIR, names: tuple[str, ...]) -> ir.KernelIR:
    """Once for each structure: values of parameters change with every step of an optimiser."""
    return with_tangents(kernel, names)


def _differences(kernel: Kernel, rows: Floats, name: str, output: str, out: Floats) -> None:
    """out = d K / d log(parameter) by five points around it, or below it where a latent fraction would exceed 1."""
    value = float(kernel.parameters[name])
    places = np.arange(-2, 3)
    if name.startswith("latent_fraction") and value * np.exp(2 * STEP) > 1:
        places -= 2
    weights = np.linalg.solve(np.vander(places, increasing=True).T, [0, 1, 0, 0, 0]) / STEP
    out[...] = 0
    for place, weight in zip(places, weights, strict=True):
        if abs(weight) > 1e-9 / STEP:
            moved = kernel.with_parameters(**{name: float(value * np.exp(place * STEP))})
            out += weight * moved(rows, get=output)

"""K(t) on a sphere to long double accuracy at single cosines: what polynomials are fitted to and checked against.

By the interpreter in mpmath where the formulas are elementary. Else, for Hermite series and for bivariate normal
probabilities, which take mpmath 0.3 s a value, by the recursion with kappa(rho) = sum_j h_j^2 rho^j in long doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import NDArray

from derive import ir
from derive.activation import Activation
from derive.hermite import has_recurrence, hermite_coefficients
from derive.lower import network_of
from derive.network import Dense, Network
from derive.numbers import mpf
from numerics.interpret import MULTIPRECISION, interpret
from numerics.moment_series import long_double, long_double_of
from numerics.moments import arithmetic, total, variances
from numerics.power_series import LONG_EPS, Coefficients
from numerics.rules import has_series

DIGITS = 40
"""Of the interpreter: near t = 1 differences of 1 - t lose half of them."""
PARALLEL = 1e-32
"""1 - |t| at which formulas that are 0 / 0 at t = -1 are taken, with 100 digits: real ReLU moves by 1e-16 there."""
SLOW = frozenset({"quadrant", *ir.SERIES})
"""Functions that the interpreter does not have, or not in a millisecond."""
FIRST_ORDER, MOST_BY_QUADRATURE, MOST_BY_RECURRENCE = 32, 512, 4096
"""Hermite coefficients of a layer: at first, and at most, where they take a second or two."""
TERM_DIGITS = 22
"""Of Hermite coefficients: more than a long double holds."""
LOST = 1e-17
"""Part of K(1) that a series may leave out: a tenth of a rounding of float64."""
HALVED = 1e-8
"""What the second half of the terms adds at most to K(1), when it is time to ask what all of them leave out: geometric series leave
its square."""
FALLING = 1 / 4
"""What a doubling beyond MOST_BY_QUADRATURE must leave of that: where terms fall like powers it leaves more."""
CHECKED, SAFETY = ("-0.9", "0.5"), 4
"""Cosines at which the rounding of the recursion is measured, and the factor that stands for all others."""


@dataclass(frozen=True)
class CosineValues:
    """K(t) for inputs with |x|^2 = |y|^2 = q d and cosine t.

    Attributes
    ----------
    at : callable
        From mpmath numbers t in [-1, 1] to K, long doubles of shape (n,).
    total : long double
        K(1).
    error : float
        Bound on the error of `at`, over K(1).
    radius : Fraction
        From 1 on: K is analytic in |t| < radius.
    """

    at: Callable[[Sequence[Any]], NDArray[np.longdouble]]
    total: np.longdouble
    error: float
    radius: Fraction


def cosine_values(kernel: ir.KernelIR, q: Fraction, output: str) -> CosineValues | None:
    """K(t), or None where neither route reaches it (kinks with thresholds and real weights, variances of 0).

    Notes
    -----
    The interpreter takes 0.3 to 1.5 ms a value. Hermite coefficients take 0.2 s for each layer and 100 terms by quadrature,
    and 0.1 s for 1000 by recurrences.

    Raises
    ------
    DerivationError, NumericalError
        If K(1) is infinite, or Hermite coefficients cancel.
    """
    program = kernel.pair.restricted(output)
    variance = () if kernel.baseline is not None else variances(kernel, q)
    if not program.functions() & SLOW:
        return _by_interpreter(kernel, program, q, output)
    return _by_series(kernel, program, variance, q, output) if all(variance) else None


def _by_interpreter(kernel: ir.KernelIR, program: ir.Program, q: Fraction, output: str) -> CosineValues:
    with mpmath.workdps(DIGITS):
        one, _ = total(kernel, q, output, 0)
        constants = {**dict(kernel.parameters), "q_x": q, "q_y": q}
        fixed, varying = _split(program)
        known = interpret(fixed, constants, MULTIPRECISION)

    def value(t: Any) -> Any:
        if 1 - abs(t) > PARALLEL:
            return interpret(varying, {**known, "m_0": mpf(q) * t}, MULTIPRECISION)[output]
        if t > 0:
            return one
        try:
            return interpret(varying, {**known, "m_0": -mpf(q)}, MULTIPRECISION)[output]
        except ZeroDivisionError:
            with mpmath.workdps(100):
                cosine = -mpf(q) * (1 - mpmath.mpf(PARALLEL))
                return interpret(program, {**constants, "m_0": cosine}, MULTIPRECISION)[output]

    def at(cosines: Sequence[Any]) -> NDArray[np.longdouble]:
        with mpmath.workdps(DIGITS):
            return np.array([long_double(mpmath.mpf(value(t))) for t in cosines])

    return CosineValues(at, long_double(one), LONG_EPS, _radius(kernel, q, output))


def _split(program: ir.Program) -> tuple[ir.Program, ir.Program]:
    """What does not depend on the cosine, and what does."""
    varying, fixed, body = {"m_0"}, [], []
    for assign in program.body:
        if varying.isdisjoint(ir.names_in(assign.value)):
            fixed.append(assign)
        else:
            varying.add(assign.target)
            body.append(assign)
    return replace(program, body=tuple(fixed), outputs=()), replace(program, body=tuple(body))


def _radius(kernel: ir.KernelIR, q: Fraction, output: str) -> Fraction:
    """Where the first layer's correlation reaches 1, which keeps those of all others below (theory.md, section 5).

    p, a part of "rounding", reaches it at t = 1, and so do baselines, functions of the distance.
    """
    variance, A, B = q, Fraction(1), Fraction(0)
    if kernel.baseline is not None or output == "rounding":
        return Fraction(1)
    for layer in network_of(kernel).layers:
        if not isinstance(layer, Dense):
            break
        r, W2, b2 = layer.law.latent_fraction, layer.W_std**2, layer.b_std**2
        variance, A, B = W2 * variance + b2, r * W2 * A, r * W2 * B + b2
    return max((variance - B) / (A * q), Fraction(1))


# ---- the recursion with Hermite series


def _by_series(
    kernel: ir.KernelIR, program: ir.Program, variance: Sequence[Any], q: Fraction, output: str
) -> CosineValues | None:
    network = network_of(kernel)
    with mpmath.workdps(DIGITS):
        found = _series(kernel, network, variance, q, output)
    if found is None:
        return None
    squares, one, lost = found

    def at(cosines: Sequence[Any]) -> NDArray[np.longdouble]:
        with mpmath.workdps(DIGITS):
            t = np.array([long_double(mpmath.mpf(value)) for value in cosines])
            return _recursion(network, variance, squares, q, t)[output]

    with mpmath.workdps(DIGITS):
        numbers = arithmetic(network, len(squares[0]) - 1, TERM_DIGITS + 8)
        constants, cosines = {**dict(kernel.parameters), "q_x": q, "q_y": q}, list(map(mpmath.mpf, CHECKED))
        sure = [interpret(program, {**constants, "m_0": mpf(q) * t}, numbers)[output] for t in cosines]
        rounding = np.abs(at(cosines) - np.array([long_double(mpmath.mpf(value)) for value in sure])).max()
    error = float((lost + SAFETY * rounding) / one) if one else 0.0
    return CosineValues(at, one, error + LONG_EPS, _radius(kernel, q, output))


def _series(
    kernel: ir.KernelIR, network: Network, variance: Sequence[Any], q: Fraction, output: str
) -> tuple[list[Coefficients], np.longdouble, np.longdouble] | None:
    """h_j^2 of every activation layer, K(1), and how much smaller the series make it; None if that stays too much.

    At other t no more is lost: no Taylor coefficient of p, m and k is negative.
    """
    activations = [layer for layer in network.layers if not isinstance(layer, Dense)]
    most = MOST_BY_RECURRENCE if all(map(has_recurrence, activations)) else MOST_BY_QUADRATURE
    parts, end = ("p", "nngp") if output == "rounding" else (output,), np.ones(1, np.longdouble)
    order, before, upper = FIRST_ORDER, np.inf, None
    while order <= most:
        squares = [_squares(layer, Q, order) for layer, Q in zip(activations, variance, strict=True)]
        whole = _recursion(network, variance, squares, q, end)
        half = _recursion(network, variance, [a[: order // 2] for a in squares], q, end)
        added = max(float((whole[part] - half[part])[0] / whole[part][0]) for part in parts)
        if added <= HALVED:
            if upper is None or has_series(kernel):
                upper = _upper(kernel, q, parts, order)
            lost = sum(
                (max(upper[part] - whole[part][0], np.longdouble(0)) for part in parts), np.longdouble(0)
            )
            if lost <= LOST * upper[parts[0]]:
                return squares, upper["p"] - upper["nngp"] if output == "rounding" else upper[output], lost
        if order > MOST_BY_QUADRATURE and added > FALLING * before:
            return None
        order, before = 2 * order, added
    return None


@lru_cache(maxsize=64)
def _squares(layer: Activation, variance: Any, order: int) -> Coefficients:
    """h_j^2, j = 0 .. order."""
    return np.array([long_double(h * h) for h in hermite_coefficients(layer, variance, order, TERM_DIGITS)])


def _upper(kernel: ir.KernelIR, q: Fraction, parts: Sequence[str], order: int) -> dict[str, np.longdouble]:
    """Upper bounds of p, m or k at t = 1, equal to them but for 1e-22 where there are closed forms."""

    def bound(output: str) -> Any:
        value, error = total(kernel, q, output, order)
        return value + error

    with mpmath.workdps(DIGITS):
        found = {part: bound(part) for part in parts if part != "p"}
        if "p" in parts:
            found["p"] = bound("rounding") + found["nngp"]
        return {name: long_double(value) for name, value in found.items()}


def _recursion(
    network: Network,
    variance: Sequence[Any],
    squares: Sequence[Coefficients],
    q: Fraction,
    t: NDArray[np.longdouble],
) -> dict[str, NDArray[np.longdouble]]:
    """p, m and k behind the last layer (theory.md, section 3)."""
    p = m = long_double_of(q) * t
    k = 0 * t
    duals = iter(zip(map(long_double, variance), squares, strict=True))
    for layer in network.layers:
        if isinstance(layer, Dense):
            W2, b2, r = (
                long_double_of(x) for x in (layer.W_std**2, layer.b_std**2, layer.law.latent_fraction)
            )
            own = r if network.parameterization == "ntk" else 1 / long_double_of(layer.law.second_moment)
            k = r * W2 * k + (own * W2 * m + b2 if layer.trained else 0)
            p, m = W2 * p + b2, r * W2 * m + b2
        else:
            Q, a = next(duals)
            k = polyval(m / Q, polyder(a)) / Q * k
            p, m = polyval(p / Q, a), polyval(m / Q, a)
    return {"p": p, "nngp": m, "rounding": p - m, "ntk": k}

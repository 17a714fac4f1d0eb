"""Truncated power series: the interpreter's number type for Taylor coefficients of kernels (theory.md, section 5).

Where the recursion is a composition of positive series, every operation but one adds numbers of one sign, so
that relative accuracy and exact zeros survive from coefficient to coefficient; the one, sine + angle term,
cancels a factor j. Up to LONG_TERMS coefficients are long doubles (80 bits on x86-64), which have it to spare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.errors import NoClosedForm
from numerics.interpret import MULTIPRECISION, Arithmetic, interpret

Coefficients = NDArray[np.floating[Any]]
PI = np.longdouble("3.14159265358979323846264338327950288")
LONG_TERMS = 1000
"""Beyond it float64, fifteen times as fast, is precise enough: high coefficients weigh little."""


@dataclass(frozen=True)
class TaylorSeries:
    """K(t) = sum_j a_j t^j on a sphere.

    Attributes
    ----------
    coefficients : ndarray, shape (terms + 1,)
        a_0 .. a_terms.
    relative_error : ndarray, shape (terms + 1,)
        Estimated relative error of each coefficient.
    total : float
        K(1), from the recursion for x = y.
    """

    coefficients: NDArray[np.float64]
    relative_error: NDArray[np.float64]
    total: float


def taylor_series(kernel: ir.KernelIR, output: str, q: Fraction, terms: int) -> TaylorSeries:
    """Taylor coefficients of a kernel on the sphere |x|^2 / d = q.

    Notes
    -----
    Cost O(layers terms^2): 0.01 s for 250 terms, 0.5 s for 4,000 (depth 3).
    """
    parameters, program = dict(kernel.parameters), kernel.pair.restricted(output)
    arithmetic = series_arithmetic(np.longdouble if terms <= LONG_TERMS else np.float64)
    cosine = np.zeros(terms + 1, type(arithmetic.pi()))
    cosine[1:2] = 1
    inputs = {"q_x": q, "q_y": q, "m_0": PowerSeries(cosine) * arithmetic.number(q)}
    missing = program.functions() - arithmetic.functions.keys()
    if missing:
        raise NoClosedForm(
            f"No Taylor series in the cosine yet for kernels that call {', '.join(sorted(missing))}: spectra exist for "
            "piecewise polynomials with kinks at 0, erf and GELU."
        )
    result = interpret(program, {**parameters, **inputs}, arithmetic)[output]
    series = result.a if isinstance(result, PowerSeries) else _constant(result, cosine)
    layers = sum(kind == "activation" for kind, *_ in kernel.network)
    with mpmath.workdps(30):
        total = float(
            interpret(kernel.diagonal.restricted(output), {**parameters, "q_x": q}, MULTIPRECISION)[output]
        )
    return TaylorSeries(
        series.astype(np.float64), _relative_error(terms, layers, float(np.finfo(cosine.dtype).eps)), total
    )


def _relative_error(terms: int, layers: int, eps: float) -> NDArray[np.float64]:
    """Rounding to double, and eps (4 + 2 sqrt(j) + 8 j) per layer: sums of j positive numbers
    err by about sqrt(j), and the cancellation of a factor j was seen to cost up to 4 j (tests/numerics/test_sphere.py).
    """
    j = np.arange(terms + 1)
    return np.asarray(2.0**-53 + eps * max(layers, 1) * (4 + 2 * np.sqrt(j) + 8 * j))


class PowerSeries:
    """sum_j a[j] t^j, cut off behind the last coefficient."""

    __slots__ = ("a",)
    __array_ufunc__ = None

    def __init__(self, a: Coefficients):
        self.a = a

    def __add__(self, other: Any) -> PowerSeries:
        if isinstance(other, PowerSeries):
            return PowerSeries(self.a + other.a)
        total = self.a.copy()
        total[0] += other
        return PowerSeries(total)

    __radd__ = __add__

    def __mul__(self, other: Any) -> PowerSeries:
        if isinstance(other, PowerSeries):
            return PowerSeries(_product(self.a, other.a))
        return PowerSeries(self.a * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> PowerSeries:
        if isinstance(other, PowerSeries):
            return PowerSeries(_quotient(self.a, other.a))
        return PowerSeries(self.a / other)

    def __rtruediv__(self, other: Any) -> PowerSeries:
        return PowerSeries(_quotient(_constant(other, self.a), self.a))

    def __pow__(self, exponent: int) -> PowerSeries:
        power = self
        for _ in range(exponent - 1):
            power = power * self
        return power


def sine(var1: Any, var2: Any, cov12: Any) -> Any:
    """sqrt(var1 var2 - cov12^2): from degree 1 on all coefficients of one sign where cov12's are positive."""
    if not isinstance(cov12, PowerSeries):
        return np.sqrt(max(var1 * var2 - cov12 * cov12, 0 * var1))
    scale = _root(var1, var2)
    rho = cov12.a / scale
    return PowerSeries(_sqrt(_one_minus_square(rho)) * scale)


def angle(var1: Any, var2: Any, cov12: Any) -> Any:
    """theta = arccos(rho): theta' = -rho' / sqrt(1 - rho^2)."""
    if not isinstance(cov12, PowerSeries):
        return np.arctan2(sine(var1, var2, cov12), cov12)
    rho = cov12.a / _root(var1, var2)
    slope = _product(_derivative(rho), _inverse_sqrt(_one_minus_square(rho)))
    return PowerSeries(_integral(-slope, np.arccos(rho[0])))


def _root(var1: Any, var2: Any) -> Any:
    if isinstance(var1, PowerSeries) or isinstance(var2, PowerSeries):
        raise TypeError("The variances are constant on a sphere; a power series stands in their place.")
    return np.sqrt(var1) * np.sqrt(var2)


def _one_minus_square(rho: Coefficients) -> Coefficients:
    square = -_product(rho, rho)
    square[0] = (1 - rho[0]) * (1 + rho[0])
    return square


def _constant(value: Any, like: Coefficients) -> Coefficients:
    series = np.zeros_like(like)
    series[0] = value
    return series


def _product(a: Coefficients, b: Coefficients) -> Coefficients:
    return np.convolve(a, b)[: len(a)]


def _quotient(a: Coefficients, b: Coefficients) -> Coefficients:
    c = np.zeros_like(a)
    for n in range(len(a)):
        c[n] = (a[n] - c[:n] @ b[n:0:-1]) / b[0]
    return c


def _sqrt(h: Coefficients) -> Coefficients:
    """s^2 = h: 2 s_0 s_n = h_n - sum_{0<i<n} s_i s_{n-i}."""
    s = np.zeros_like(h)
    s[0] = np.sqrt(h[0])
    for n in range(1, len(h)):
        s[n] = (h[n] - s[1:n] @ s[n - 1 : 0 : -1]) / (2 * s[0])
    return s


def _inverse_sqrt(h: Coefficients) -> Coefficients:
    """p = h^(-1/2): h p' = -h' p / 2, so n h_0 p_n = -sum_{i=1..n} (n - i/2) h_i p_{n-i}."""
    p = np.zeros_like(h)
    p[0] = 1 / np.sqrt(h[0])
    index = np.arange(len(h))
    half = index * h / 2
    for n in range(1, len(h)):
        tail = p[n - 1 :: -1]
        p[n] = (half[1 : n + 1] @ tail - n * (h[1 : n + 1] @ tail)) / (n * h[0])
    return p


def _derivative(a: Coefficients) -> Coefficients:
    return np.concatenate([np.arange(1, len(a)) * a[1:], 0 * a[:1]])


def _integral(a: Coefficients, constant: Any) -> Coefficients:
    return np.concatenate([[constant], a[:-1] / np.arange(1, len(a))])


def _scalar_or_series(scalar: Callable[[Any], Any], series: Callable[[Coefficients], Coefficients]) -> Any:
    return lambda x: PowerSeries(series(x.a)) if isinstance(x, PowerSeries) else scalar(x)


def series_arithmetic(dtype: Any) -> Arithmetic:
    """Power series in t with coefficients and constants of one floating dtype."""
    return Arithmetic(
        number=lambda value: dtype(value.numerator) / dtype(value.denominator),
        pi=lambda: dtype(PI),
        functions={
            "sqrt": _scalar_or_series(np.sqrt, _sqrt),
            "sine": sine,
            "angle": angle,
            "arcsine": lambda var1, var2, cov12: dtype(PI) / 2 + -1 * angle(var1, var2, cov12),
            "positive": lambda x: max(x, dtype(1e-100)),
        },
    )

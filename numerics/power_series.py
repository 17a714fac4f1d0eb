"""Truncated power series: arithmetic on arrays of coefficients, and the interpreter's number type made of it.

Sums of numbers of one sign keep relative accuracy and exact zeros; long doubles (80 bits on x86-64) hold
coefficients down to 1e-4900.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from numerics.interpret import Arithmetic

Coefficients = NDArray[np.longdouble]
LONG_EPS = float(np.finfo(np.longdouble).eps)
SMALLEST = np.longdouble("1e-4900")
"""Below it long doubles lose their digits."""
PI = np.longdouble("3.14159265358979323846264338327950288")


def compose(outer: Coefficients, inner: Coefficients) -> Coefficients:
    """sum_n outer[n] inner^n, inner[0] = 0, cut off behind inner's last coefficient.

    Notes
    -----
    Paterson and Stockmeyer (1973): 2 sqrt(N) products of N^2 multiplications each, where the baby steps are the powers
    below sqrt(N); 20 ms for 300 coefficients, 0.4 s for 1300. A linear inner series costs nothing.
    """
    size = len(inner)
    if not inner[2:].any():
        slope = inner[1] if size > 1 else np.longdouble(0)
        return outer[:size] * slope ** np.arange(size)
    step = isqrt(size - 1) + 1
    powers = np.zeros((step, size), np.longdouble)
    powers[0, 0] = 1
    for i in range(1, step):
        powers[i] = product(powers[i - 1], inner)
    giant = product(powers[-1], inner)
    blocks = np.zeros((-(-size // step), step), np.longdouble)
    blocks.ravel()[:size] = outer[:size]
    result = blocks[-1] @ powers
    for block in blocks[-2::-1]:
        result = product(result, giant) + block @ powers
    return np.asarray(result)


def recentred(a: Coefficients, centre: Any, size: int) -> tuple[Coefficients, NDArray[np.float64]]:
    """Coefficients of sum_j a[j] (centre + x)^j, and by how much their relative errors exceed that of the centre:

    a'[n] = sum_j a[j] binom(j, n) centre^(j - n), 0 <= centre < 1, and the mean of j - n under these terms.
    """
    shifted, sensitivity = np.zeros(size, np.longdouble), np.zeros(size)
    if centre == 0:
        return a[:size], sensitivity
    for n in range(size):
        j = np.arange(n, len(a) - 1, dtype=np.longdouble)
        terms = np.cumprod((j + 1) / (j + 1 - n) * centre) * a[n + 1 :]
        shifted[n] = a[n] + terms.sum()
        if shifted[n] > 0:
            sensitivity[n] = float((j + 1 - n) @ terms / shifted[n])
    return shifted, sensitivity


def product(a: Coefficients, b: Coefficients) -> Coefficients:
    """a b, cut off."""
    return np.convolve(a, b)[: len(a)]


def derivative(a: Coefficients) -> Coefficients:
    """a', with a 0 for the coefficient that is not known."""
    return np.concatenate([np.arange(1, len(a)) * a[1:], 0 * a[:1]])


def integral(a: Coefficients, constant: Any) -> Coefficients:
    """constant + int a, cut off."""
    return np.concatenate([[constant], a[:-1] / np.arange(1, len(a))])


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
        return PowerSeries(product(self.a, other.a) if isinstance(other, PowerSeries) else self.a * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> PowerSeries:
        return PowerSeries(self.a / other)


def _sqrt(h: Coefficients) -> Coefficients:
    """s^2 = h: 2 s_0 s_n = h_n - sum_{0<i<n} s_i s_{n-i}."""
    s = np.zeros_like(h)
    s[0] = np.sqrt(h[0])
    for n in range(1, len(h)):
        s[n] = (h[n] - s[1:n] @ s[n - 1 : 0 : -1]) / (2 * s[0])
    return s


def _exp(h: Coefficients) -> Coefficients:
    """y' = h' y: n y_n = sum_{i=1..n} i h_i y_{n-i}."""
    y, slope = np.zeros_like(h), np.arange(len(h)) * h
    y[0] = np.exp(h[0])
    if y[0] < SMALLEST:
        raise NumericalError(f"exp({float(h[0]):.4g}) is below the range of Taylor coefficients, 1e-4900.")
    for n in range(1, len(h)):
        y[n] = slope[1 : n + 1] @ y[n - 1 :: -1] / n
    return y


def _log(h: Coefficients) -> Coefficients:
    """h l' = h': n h_0 l_n = n h_n - sum_{0<i<n} i l_i h_{n-i}."""
    slope = np.zeros_like(h)
    for n in range(1, len(h)):
        slope[n] = (n * h[n] - slope[1:n] @ h[n - 1 : 0 : -1]) / h[0]
    slope[1:] /= np.arange(1, len(h))
    slope[0] = np.log(h[0])
    return slope


def _scalar_or_series(scalar: Callable[[Any], Any], series: Callable[[Coefficients], Coefficients]) -> Any:
    return lambda x: PowerSeries(series(x.a)) if isinstance(x, PowerSeries) else scalar(x)


def _larger(x: Any, y: Any) -> Any:
    """max(x, y); a series stands for values above the constant it is compared with, as distances do above 0."""
    if isinstance(x, PowerSeries):
        return x
    return y if isinstance(y, PowerSeries) else max(x, y)


SERIES = Arithmetic(
    number=lambda value: np.longdouble(value.numerator) / np.longdouble(value.denominator),
    pi=lambda: PI,
    functions={
        "sqrt": _scalar_or_series(np.sqrt, _sqrt),
        "exp": _scalar_or_series(np.exp, _exp),
        "log": _scalar_or_series(np.log, _log),
        "max": _larger,
    },
)
"""Power series in t with long double coefficients and constants."""

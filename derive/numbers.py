"""Exact numbers: every parameter is a fraction, so that no digit is lost between the stages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from numbers import Rational
from typing import Any, TypeAlias

import mpmath

Real: TypeAlias = "int | float | str | Fraction"
LONGEST = 3000
_EXPONENT = re.compile(r"[eE][-+]?0*[1-9][\d_]{4}")


def exact(value: object, name: str) -> Fraction:
    """The fraction equal to `value` (a double is the dyadic fraction it stores; text may read "1/3" or "0.1").

    Raises
    ------
    TypeError
        If the value is no real number.
    ValueError
        If it is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (Rational, float, str)):
        try:
            value = float(value)  # type: ignore[arg-type]  # numpy and SymPy scalars have __float__
        except TypeError:
            raise TypeError(f"{name} must be a real number, got {type(value).__name__}.") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}.")
    if isinstance(value, str) and (len(value) > LONGEST or _EXPONENT.search(value)):
        raise ValueError(
            f"{name} must be a number of at most {LONGEST} characters and an exponent of four digits, got {value[:40]!r}."
        )
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} must be a number, got {value!r}.") from None


def as_text(value: Fraction) -> str:
    """Shortest exact text: a decimal where the fraction is a double, else numerator/denominator."""
    if value.denominator == 1:
        return str(value.numerator)
    return repr(float(value)) if Fraction(float(value)) == value else f"{value.numerator}/{value.denominator}"


def as_argument(value: Fraction) -> str:
    """As Python source that `exact` reads back."""
    text = as_text(value)
    return repr(text) if "/" in text else text


def mpf(value: Any) -> Any:
    """A fraction, or an mpmath number, at mpmath's current precision."""
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Rational) else +value


def divided_differences(values: Sequence[Any], points: Sequence[Any]) -> Iterator[list[Any]]:
    """The columns of Newton's table, from the values themselves to the one difference of highest order."""
    column = list(values)
    for gap in range(1, len(points) + 1):
        yield column
        column = [(b - a) / (points[i + gap] - points[i]) for i, (a, b) in enumerate(pairwise(column))]


def decimal(log10: float | None, digits: int = 7) -> str:
    """A value from its logarithm, also below 1e-308; "0" of None."""
    if log10 is None:
        return "0"
    power = math.floor(log10)
    mantissa = f"{10 ** (log10 - power):.{digits - 1}f}"
    if mantissa.startswith("10"):
        power, mantissa = power + 1, f"{1:.{digits - 1}f}"
    return f"{mantissa}e{power}"

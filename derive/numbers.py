"""Exact numbers: every parameter is a fraction, so that no digit is lost between the stages."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Rational
from typing import TypeAlias

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

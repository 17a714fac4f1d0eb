"""The functions of Gaussian probability that closed forms are written in: for SymPy, and by mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import sympy
from sympy import default_sort_key


class _Special(sympy.Function):  # type: ignore[misc]  # SymPy is untyped
    is_real = True

    def elementary(self) -> sympy.Expr:
        """In SymPy's own functions."""
        raise NotImplementedError


class _OfPair(_Special):
    """A function of a covariance matrix, symmetric in the two variances: one order is kept."""

    nargs = 3

    @classmethod
    def eval(cls, a: Any, b: Any, c: Any) -> Any:
        """The sign of c and the order of a and b are fixed."""
        if c.could_extract_minus_sign():
            return cls.reflected(cls(a, b, -c))
        return cls(b, a, c) if default_sort_key(a) > default_sort_key(b) else None

    @staticmethod
    def reflected(value: Any) -> Any:
        """The value at -c, from that at c."""
        raise NotImplementedError


class Sine(_OfPair):
    """sqrt(a b - c^2) = sqrt(a b) sin(theta), theta the angle of a pair with variances a, b and covariance c."""

    is_nonnegative = True

    @staticmethod
    def reflected(value: Any) -> Any:
        """Even in c."""
        return value

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        a, b, c = self.args
        return sympy.sqrt(a * b - c**2)


class Angle(_OfPair):
    """theta = arccos(c / sqrt(a b)), from 0 to pi."""

    @staticmethod
    def reflected(value: Any) -> Any:
        """The supplementary angle."""
        return sympy.pi - value

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        a, b, c = self.args
        return sympy.acos(c / sympy.sqrt(a * b))


class Arcsine(_OfPair):
    """arcsin(c / sqrt(a b)) = pi/2 - theta."""

    @staticmethod
    def reflected(value: Any) -> Any:
        """Odd in c."""
        return -value

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        a, b, c = self.args
        return sympy.asin(c / sympy.sqrt(a * b))


class Tail(_Special):
    """exp(shift) P(z > h) for z ~ N(0, var)."""

    nargs = 3

    def elementary(self) -> sympy.Expr:
        """By the complementary error function."""
        h, var, shift = self.args
        return sympy.exp(shift) * sympy.erfc(h / sympy.sqrt(2 * var)) / 2


class Quadrant(_Special):
    """exp(shift) P(u > h, v > k) for (u, v) ~ N(0, [[a, c], [c, b]])."""

    nargs = 6


class SinhScaled(_Special):
    """exp(shift) sinh(z)."""

    nargs = 2

    def elementary(self) -> sympy.Expr:
        """In elementary functions."""
        z, shift = self.args
        return sympy.exp(shift) * sympy.sinh(z)


def sine(a: Any, b: Any, c: Any) -> Any:
    """Sine by mpmath; 0 where rounding made the determinant negative."""
    return mpmath.sqrt(max(a * b - c * c, mpmath.mpf(0)))


def angle(a: Any, b: Any, c: Any) -> Any:
    """Angle by mpmath."""
    return mpmath.atan2(sine(a, b, c), c)


def arcsine(a: Any, b: Any, c: Any) -> Any:
    """Arcsine by mpmath."""
    return mpmath.atan2(c, sine(a, b, c))


def tail(h: Any, var: Any, shift: Any) -> Any:
    """Tail by mpmath."""
    if var == 0:
        return mpmath.exp(shift) * (1 - mpmath.sign(h)) / 2
    return mpmath.exp(shift) * mpmath.erfc(h / mpmath.sqrt(2 * var)) / 2


def quadrant(h: Any, k: Any, a: Any, b: Any, c: Any, shift: Any) -> Any:
    """Quadrant by mpmath: a sum of positive terms where h, k >= 0, and complements of it elsewhere."""
    zero, one = mpmath.mpf(0), mpmath.mpf(1)
    if a == 0 or b == 0:
        return tail(h, a, shift) * tail(k, b, zero)
    h, k, r = h / mpmath.sqrt(a), k / mpmath.sqrt(b), c / mpmath.sqrt(a * b)
    s = sine(one, one, r)
    if s == 0 and r > 0:
        return tail(max(h, k), one, shift)
    if s == 0:
        return max(tail(h, one, shift) - tail(-k, one, shift), zero)
    if h < 0 and k < 0:
        outside = tail(-h, one, shift) + tail(-k, one, shift)
        return mpmath.exp(shift) - outside + quadrant(-h, -k, one, one, r, shift)
    if h < 0:
        return tail(k, one, shift) - quadrant(-h, k, one, one, -r, shift)
    if k < 0:
        return tail(h, one, shift) - quadrant(h, -k, one, one, -r, shift)
    if h == 0 and k == 0:
        return mpmath.exp(shift) * (mpmath.pi - angle(one, one, r)) / (2 * mpmath.pi)
    rays = _ray(h, (k - r * h) / s) + _ray(k, (h - r * k) / s)
    return mpmath.exp(shift) * rays / (2 * mpmath.pi)


def _ray(h: Any, start: Any) -> Any:
    """int exp(-(h^2 + y^2) / 2) h / (h^2 + y^2) dy over y > start: the plane beyond a line, seen from the origin."""
    if h == 0:
        return mpmath.mpf(0)
    reach = 2 * mpmath.mp.dps * mpmath.log(10)
    low, high = max(start, -mpmath.sqrt(reach)), mpmath.sqrt(max(start, 0) ** 2 + reach)
    edges = [low]
    while edges[-1] < high:
        left = edges[-1]
        edges.append(min(left + min(max(1.5 * h, 0.35 * abs(left)), 1.5, 8 / max(left, 1)), high))

    nearest = max(low, 0) ** 2

    def density(y: Any) -> Any:
        return mpmath.exp((nearest - y * y) / 2) * h / (h * h + y * y)

    return mpmath.exp(-(h * h + nearest) / 2) * mpmath.quad(
        density, edges, method="gauss-legendre", maxdegree=6
    )


def sinh_scaled(z: Any, shift: Any) -> Any:
    """SinhScaled by mpmath."""
    return mpmath.exp(shift) * mpmath.sinh(z)


NAMES: dict[Any, str] = {
    Sine: "sine", Angle: "angle", Arcsine: "arcsine", Tail: "tail", Quadrant: "quadrant", SinhScaled: "sinh_scaled",
}  # fmt: skip
"""What the functions are called in the intermediate representation."""

BY_MPMATH: dict[str, Callable[..., Any]] = {
    "sine": sine, "angle": angle, "arcsine": arcsine, "tail": tail, "quadrant": quadrant, "sinh_scaled": sinh_scaled,
}  # fmt: skip

"""Polynomials for one range of |t|: of what degree, about which centre, and how accurate they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from numerics.chebyshev_evaluate import BLOCK
from numerics.chebyshev_fit import Interpolant, Longs, Rounded, interpolate, rounded
from numerics.chebyshev_values import CosineValues
from numerics.moment_series import long_double

TOLERANCE = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-7}
"""Largest error of a polynomial whose coefficients have the dtype, over K(1)."""
ARITHMETIC = 4
"""What evaluation may add to it, in eps K(1): every cosine's own rounding moves K by half of one eps K'(t)."""
SMALL = 1e-3
"""|K| over K(1) down to which the tolerance is relative to |K|, but for the part ARITHMETIC."""
HIGHEST = 40
"""Largest degree: beyond, two pieces cost less."""
CENTRES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where in an interval the powers may be centred: where |K| is large, nothing should cancel."""
CHECKED, SAFETY = 24, 2
"""Cosines at which an interpolant is compared with the kernel, beside ENDS, and the factor that stands for all others."""
ENDS = (*(1 - 2.0**-k for k in range(2, 53, 3)), 1.0)
GOLDEN = (np.sqrt(5) - 1) / 2
"""Its multiples modulo 1 fill [0, 1] evenly and are no Chebyshev nodes."""
DIGITS = 40
"""Of cosines: those of the interpreter."""


@dataclass(frozen=True)
class Piece:
    """K(t) for far <= |t| <= near as powers of z = (v - centre) scale.

    Attributes
    ----------
    far, near, centre, scale : float
    signs : tuple of Rounded
        For t >= 0 and t < 0, or for t itself.
    inexact : float
        Bound on the interpolants' deviation from the kernel, over K(1).
    """

    far: float
    near: float
    centre: float
    scale: float
    signs: tuple[Rounded, ...]
    inexact: float


def fitted(values: CosineValues, edge: float, far: float, near: float, dtype: np.dtype[Any]) -> Piece | None:
    """The polynomials of the lowest degree that are accurate enough; None if none are.

    In v = t on [-1, 1] where the edge is infinite, else in v = sqrt(edge - |t|), for t >= 0 and t < 0.

    Notes
    -----
    48 values of K for each polynomial, and 25 to 60 more that check it.
    """
    signs = (1,) if np.isinf(edge) else (1, -1)
    low, high = (-1.0, 1.0) if np.isinf(edge) else (_root(edge, near), _root(edge, far))
    enough = TOLERANCE[dtype] * float(values.total)
    found = []
    for sign in signs:

        def at(v: Sequence[Any], sign: int = sign) -> Longs:
            return values.at([_cosine(edge, sign, x) for x in v])

        found.append(interpolate(at, low, high))
        if found[-1].tail(HIGHEST) > enough:
            return None
    inexact = values.error + max(
        _gap(values, edge, sign, one) for sign, one in zip(signs, found, strict=True)
    )
    for degree in range(BLOCK, HIGHEST + 1, BLOCK):
        if max(one.tail(degree) for one in found) <= enough:
            pieces = [_about(share, far, near, found, degree, dtype, inexact) for share in CENTRES]
            best = min(pieces, key=lambda piece: _excess(piece, dtype, values.total))
            if _excess(best, dtype, values.total) <= 1:
                return best
    return None


def ends(values: CosineValues, far: float, dtype: np.dtype[Any]) -> Piece:
    """K(1) and K(-1), where the dtype has no other number from `far` on: singularities sharper than sqrt(1 - |t|) end here."""
    constants = values.at([mpmath.mpf(1), mpmath.mpf(-1)])
    signs = []
    for value in constants:
        coefficients = np.zeros(BLOCK + 1, dtype)
        coefficients[0] = value
        off = abs(coefficients[0] - value)
        signs.append(Rounded(coefficients, np.full(1, value), np.full(1, off), np.zeros(1, np.longdouble)))
    return Piece(far, 1.0, 0.0, 1.0, tuple(signs), values.error)


def errors(piece: Piece, total: np.longdouble) -> tuple[float, float]:
    """Bounds on the error over K(1), and over the larger of |K| and SMALL K(1)."""
    found = [one.deviation + one.arithmetic + piece.inexact * total for one in piece.signs]
    sizes = [np.maximum(np.abs(one.values), SMALL * total) for one in piece.signs]
    pointwise = max(float((error / size).max()) for error, size in zip(found, sizes, strict=True))
    return max(float(error.max() / total) for error in found), pointwise


def _root(edge: float, knot: float) -> float:
    with mpmath.workdps(DIGITS):
        return float(mpmath.sqrt(mpmath.mpf(edge) - knot))


def _cosine(edge: float, sign: int, v: Any) -> Any:
    return v if np.isinf(edge) else sign * min(edge - v * v, mpmath.mpf(1))


def _about(
    share: float,
    far: float,
    near: float,
    found: Sequence[Interpolant],
    degree: int,
    dtype: np.dtype[Any],
    inexact: float,
) -> Piece:
    low, high = found[0].low, found[0].high
    centre, scale = float(dtype.type(low + share * (high - low))), 2.0 ** round(np.log2(2 / (high - low)))
    of_variable = 0.0 if len(found) == 1 else 1.5  # half that of edge - |t|, and that of the root
    signs = tuple(rounded(one, degree, centre, scale, dtype, of_variable) for one in found)
    return Piece(far, near, centre, scale, signs, inexact)


def _excess(piece: Piece, dtype: np.dtype[Any], total: np.longdouble) -> float:
    """The largest error over what is allowed."""
    tolerance, arithmetic, excess = TOLERANCE[dtype], ARITHMETIC * np.finfo(dtype).eps * total, 0.0
    for one in piece.signs:
        if not (np.isfinite(one.coefficients).all() and np.isfinite(one.arithmetic).all()):
            return np.inf
        size = np.maximum(np.abs(one.values), SMALL * total)
        deviation = one.deviation + piece.inexact * total
        whole = (deviation + one.arithmetic) / (tolerance * size + arithmetic)
        excess = max(excess, float(deviation.max() / (tolerance * total)), float(whole.max()))
    return excess


def _gap(values: CosineValues, edge: float, sign: int, one: Interpolant) -> float:
    """SAFETY times the largest deviation of an interpolant from the kernel at other cosines, over K(1)."""
    with mpmath.workdps(DIGITS):
        ends = list(map(mpmath.mpf, ENDS))
        ends = [*ends, *(-t for t in ends)] if np.isinf(edge) else [mpmath.sqrt(edge - t) for t in ends]
        shares = (0.0, *(i * GOLDEN % 1 for i in range(1, CHECKED + 1)), 1.0)
        inside = [mpmath.mpf(one.low) + mpmath.mpf(x) * (mpmath.mpf(one.high) - one.low) for x in shares]
        v = [*inside, *(x for x in ends if one.low <= x <= one.high)]
        found = values.at([_cosine(edge, sign, x) for x in v])
        gap = np.abs(one(np.array([long_double(x) for x in v])) - found).max()
    return SAFETY * float(gap / values.total)

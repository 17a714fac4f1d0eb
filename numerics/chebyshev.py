"""The whole kernel on a sphere as one polynomial of the cosine, or a few, with a certified error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import DerivationError, NumericalError
from derive.numbers import Real, exact
from numerics.chebyshev_evaluate import BLOCK, evaluate
from numerics.chebyshev_pieces import TOLERANCE, Piece, ends, errors, fitted
from numerics.chebyshev_values import CosineValues, cosine_values

if TYPE_CHECKING:
    from numerics.kernel import Kernel

__all__ = ["CosinePolynomial", "cosine_polynomial", "evaluate"]

NEARER = 1 / 8
"""Where an interval of sqrt(edge - |t|) is split: singularities crowd at its lower end, t = 1 or -1."""
MOST_PIECES = 12
"""8^-12 is finer than float64 resolves sqrt(1 - |t|)."""


@dataclass(frozen=True)
class CosinePolynomial:
    """K(t) on [-1, 1]: with v = t, or v = sqrt(edge - |t|) where `edge` is finite,

        K(t) = sum_k coefficients[sign, piece, k] z^k,   z = (v - centres[piece]) scales[piece].

    Attributes
    ----------
    edge : float
        At least 1; infinite for v = t, where there is one sign and one piece.
    knots : ndarray, shape (pieces + 1,)
        0 = knots[0] < .. < knots[pieces] = 1: piece i is for knots[i] < |t| <= knots[i + 1], piece 0 for t = 0 as well.
    centres, scales : ndarray, shape (pieces,)
        The scales are powers of 2.
    coefficients : ndarray, shape (signs, pieces, degree + 1)
        Sign 0 is for t >= 0, sign 1 for t < 0; the degree is a multiple of 8. All arrays have one dtype, that of the evaluation.
    error : float
        Bound on the error over K(1), evaluation in the dtype included (of the cosine as it is given).
    pointwise : float
        The same over the larger of |K(t)| and 1e-3 K(1).
    """

    edge: float
    knots: NDArray[Any]
    centres: NDArray[Any]
    scales: NDArray[Any]
    coefficients: NDArray[Any]
    error: float
    pointwise: float

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What `evaluate` takes behind the tile."""
        edge = self.coefficients.dtype.type(self.edge)
        return edge, self.knots, self.centres, self.scales, self.coefficients

    @property
    def degree(self) -> int:
        """Of the polynomials."""
        return int(self.coefficients.shape[2]) - 1

    def __call__(self, cosines: object) -> NDArray[Any]:
        """K by NumPy, elementwise: the operations of `evaluate` in their order, products and sums not fused."""
        dtype = self.coefficients.dtype
        t = np.clip(np.asarray(cosines, dtype), -1, 1)
        piece, sign, v = np.zeros(t.shape, np.intp), np.zeros(t.shape, np.intp), t
        if np.isfinite(self.edge):
            piece, sign = np.searchsorted(self.knots[1:-1], np.abs(t)), (t < 0).astype(np.intp)
            v = np.sqrt(dtype.type(self.edge) - np.abs(t))
        z = (v - self.centres[piece]) * self.scales[piece]
        value = self.coefficients[sign, piece, -1]
        for k in range(self.degree - 1, -1, -1):
            value = value * z + self.coefficients[sign, piece, k]
        return np.asarray(value, dtype)


def cosine_polynomial(
    kernel: Kernel, q: Real = 1.0, get: str = "ntk", dtype: object = np.float64
) -> CosinePolynomial | None:
    """K(t) for inputs with |x|^2 = |y|^2 = q d and cosine t, as polynomials.

    For a homogeneous kernel of degree h (`kernel.homogeneous`, h = `kernel.ir.homogeneity`) K at q = 1 times
    (q_x q_y)^(h/2) is the kernel of all inputs.

    Parameters
    ----------
    kernel : Kernel
    q : real number > 0
    get : {"ntk", "nngp", "rounding"}
    dtype : float64 or float32

    Returns
    -------
    CosinePolynomial or None
        Its polynomials, coefficients in the dtype, err by at most 1e-13 K(1) in float64 and 1e-7 K(1) in float32. Evaluation
        included, the error is at most 1e-13 |K| + 9e-16 K(1) in float64, where |K| is 1e-3 K(1) or more; in float32, where rounding
        the result takes 6e-8 alone, `error` is 1e-7 to 5e-7.
        None where K is infinite, its values are out of reach (`chebyshev_values.cosine_values`) or 12 pieces do not do.

    Raises
    ------
    ValueError
        If q is not positive, get unknown or dtype another.

    Notes
    -----
    K is analytic in |t| < `radius`, 1 / r for a first layer of latent fraction r: the degree in t is small for binary and
    ternary weights, and for any weights with smooth activations. Singularities next to t = 1 are of type sqrt(1 - t)
    (theory.md, section 5), which u = sqrt(edge - |t|) straightens; where several crowd (8 bits) the interval is split.

    The kernel is interpolated at Chebyshev nodes, and compared with the interpolants at other cosines, dense near t = 1 and
    -1: SAFETY times the largest deviation counts. Rounded coefficients and Horner's scheme are bounded (`chebyshev_fit.rounded`).
    Cost: 0.1 to 0.6 s for depth 3, 0.1 to 2 s for Hermite series, 3 to 7 s where they need 4,096 terms (thresholds with 4 bits).
    """
    square, number = exact(q, "q"), np.dtype(dtype)  # type: ignore[call-overload]  # checked below
    if square <= 0:
        raise ValueError(f"q must be positive, got {q}.")
    if number not in TOLERANCE:
        raise ValueError(f"dtype must be float32 or float64, got {number}.")
    try:
        values = cosine_values(kernel.ir, square, get)
    except (DerivationError, NumericalError):
        return None
    if values is None or not values.total < np.finfo(number).max:
        return None
    if values.total == 0:  # K is positive semi-definite, so that it vanishes everywhere
        zero, one = np.zeros(1, number), np.ones(1, number)
        return CosinePolynomial(
            np.inf, np.array([0, 1], number), zero, one, np.zeros((1, 1, BLOCK + 1), number), 0, 0
        )
    plain = fitted(values, np.inf, 0.0, 1.0, number)
    if plain is not None:
        return _assembled(np.inf, [plain], number, values.total)
    edge = _below(values.radius, number)
    pieces = _split(values, edge, number)
    return _assembled(edge, pieces, number, values.total) if pieces else None


def _split(values: CosineValues, edge: float, dtype: np.dtype[Any]) -> list[Piece]:
    """Pieces that cover 0 <= |t| <= 1, in order; none if it takes more than MOST_PIECES."""
    pieces: list[Piece] = []
    pending = [(0.0, 1.0)]
    while pending:
        far, near = pending.pop()
        piece = fitted(values, edge, far, near, dtype)
        if piece is not None:
            pieces.append(piece)
            continue
        high, low = np.sqrt(edge - far), np.sqrt(edge - near)
        before = float(np.nextafter(dtype.type(near), dtype.type(0)))
        knot = min(_below(edge - (low + NEARER * (high - low)) ** 2, dtype), before)
        if near == 1 and knot == far:
            pieces.append(ends(values, far, dtype))
        elif not far < knot < near or len(pieces) + len(pending) + 2 > MOST_PIECES:
            return []
        else:
            pending += [(far, knot), (knot, near)]
    return sorted(pieces, key=lambda piece: piece.far)


def _below(value: Any, dtype: np.dtype[Any]) -> float:
    """The largest number of the dtype up to a value."""
    nearest = dtype.type(float(value))
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, dtype.type(0)))


def _assembled(
    edge: float, pieces: Sequence[Piece], dtype: np.dtype[Any], total: np.longdouble
) -> CosinePolynomial:
    """The pieces' coefficients, filled up to one degree with zeros."""
    size = max(len(piece.signs[0].coefficients) for piece in pieces)
    coefficients = np.zeros((len(pieces[0].signs), len(pieces), size), dtype)
    for i, piece in enumerate(pieces):
        for sign, one in enumerate(piece.signs):
            coefficients[sign, i, : len(one.coefficients)] = one.coefficients
    found = [errors(piece, total) for piece in pieces]
    return CosinePolynomial(
        edge=edge,
        knots=np.array([0.0, *(piece.near for piece in pieces)], dtype),
        centres=np.array([piece.centre for piece in pieces], dtype),
        scales=np.array([piece.scale for piece in pieces], dtype),
        coefficients=coefficients,
        error=max(error for error, _ in found),
        pointwise=max(pointwise for _, pointwise in found),
    )

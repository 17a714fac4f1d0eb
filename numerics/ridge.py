"""Kernel ridge regression for many inputs: on a low-rank factor, or exactly, by conjugate gradients that it preconditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from derive.errors import NumericalError
from numerics.arrays import as_rows
from numerics.lowrank import LowRank, cholesky
from numerics.operator import GramOperator, strips

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
Multiply = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A function sum_i c_i K(x, x_i), or its low-rank likeness.

    Attributes
    ----------
    coefficients : ndarray, shape (n,) or (n, outputs)
        c: the solution of (K + penalty I) c = y, or (F F^T + penalty I) c = y.
    residual : float
        |(K + penalty I) c - y| / |y| of the system that was solved.
    exact : bool
        Which of the two systems.
    iterations : int
        Of conjugate gradients; 0 on the factor.
    """

    low_rank: LowRank
    data: Floats
    coefficients: Floats
    residual: float
    exact: bool
    iterations: int = 0

    def predict(self, X: object) -> Floats:
        """Values at inputs (m, d)."""
        low, (rows, _) = self.low_rank, as_rows(X)
        if not self.exact:
            approximate: Floats = low.features(rows) @ (low.factor.T @ self.coefficients)
            return approximate
        values = np.empty((len(rows), *self.coefficients.shape[1:]))
        for part in strips(len(rows), len(self.data)):
            values[part] = low.kernel(rows[part], self.data, get=low.get) @ self.coefficients
        return values


def ridge(
    kernel: Kernel,
    X: object,
    y: object,
    penalty: float,
    *,
    rank: int = 500,
    exact: bool = False,
    tolerance: float = 1e-8,
    seed: int = 0,
    get: str = "ntk",
) -> RidgeFit:
    """Kernel ridge regression: minimise |f - y|^2 + penalty |f|^2 over the kernel's Hilbert space.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    y : array, shape (n,) or (n, outputs)
    penalty : float
        Positive.
    rank : int
        Of the Cholesky factor with random pivots.
    exact : bool
        Solve with K itself, by conjugate gradients preconditioned with the factor; else with the factor in K's place.
    tolerance : float
        Of the exact solution: |(K + penalty I) c - y| <= tolerance |y|.
    seed : int
        Of the pivots.
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    RidgeFit

    Raises
    ------
    TypeError, ValueError
        If the data or an option is not of the kind stated.
    NotEnoughMemory
        If the factor, 8 n rank bytes, exceeds 80 % of what is available.
    NumericalError
        If conjugate gradients do not converge: rank, or penalty, is too small.

    Notes
    -----
    On the factor O(n rank (kernel + rank)). Exactly, each iteration computes K once more, O(n^2); all outputs go through the same passes.
    """
    rows, _ = as_rows(X)
    targets = np.asarray(y, np.float64)
    if targets.ndim not in (1, 2) or len(targets) != len(rows) or not np.isfinite(targets).all():
        raise ValueError(
            f"y must be finite, of shape ({len(rows)},) or ({len(rows)}, outputs), got {targets.shape}."
        )
    if not 0 < penalty < np.inf:
        raise ValueError(f"penalty must be positive, got {penalty!r}.")
    low = cholesky(kernel, rows, rank, seed=seed, get=get)
    solve = _inverse(low.factor, penalty)
    if not exact:
        c = solve(targets)
        return RidgeFit(low, rows, c, _residual(low @ c + penalty * c, targets), exact=False)
    K = GramOperator(kernel, rows, get)
    columns = targets.reshape(len(rows), -1)
    c, iterations = _conjugate_gradients(lambda V: K @ V + penalty * V, solve, columns, tolerance, 10 * rank)
    residual = _residual(K @ c + penalty * c, columns)
    return RidgeFit(low, rows, c.reshape(targets.shape), residual, exact=True, iterations=iterations)


def _conjugate_gradients(
    multiply: Multiply, precondition: Multiply, B: Floats, tolerance: float, most: int
) -> tuple[Floats, int]:
    """A X = B for a positive definite A, every column by its own steps, all columns in one product."""
    goal = tolerance * np.linalg.norm(B, axis=0)
    X = precondition(B)
    R = B - multiply(X)
    P = Z = precondition(R)
    rho = np.sum(R * Z, axis=0)
    for iterations in range(1, most + 1):
        going = np.linalg.norm(R, axis=0) > goal
        if not going.any():
            return X, iterations - 1
        AP = multiply(P)
        alpha = np.where(going, rho / np.where(going, np.sum(P * AP, axis=0), 1), 0)
        X, R = X + alpha * P, R - alpha * AP
        Z = precondition(R)
        before, rho = rho, np.sum(R * Z, axis=0)
        P = Z + np.where(going, rho / np.where(going, before, 1), 0) * P
    raise NumericalError(
        f"{most} iterations did not bring the residual to {tolerance:g}: raise rank, penalty or tolerance."
    )


def _inverse(F: Floats, penalty: float) -> Multiply:
    """v to (F F^T + penalty I)^-1 v = (v - F (penalty I + F^T F)^-1 F^T v) / penalty."""
    core = F.T @ F
    core[np.diag_indices_from(core)] += penalty
    factored = cho_factor(core, lower=True, check_finite=False)
    return lambda v: (v - F @ cho_solve(factored, F.T @ v, check_finite=False)) / penalty


def _residual(product: Floats, y: Floats) -> float:
    return float(np.linalg.norm(product - y) / max(np.linalg.norm(y), np.finfo(float).tiny))

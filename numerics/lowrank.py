"""Low-rank factors of Gram matrices that are never formed: Cholesky with random or greedy pivots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from derive.errors import NumericalError
from derive.notebook import html_table
from numerics.arrays import as_rows, require_kernel
from numerics.memory import guard

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
PROPOSALS = 256
"""Pivots proposed at once: as many columns as a block of the Gram matrix has."""
FLOOR = 1e-14
"""Share of the trace below which rounding has taken the residual."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """K(X, X) by F F^T, exact in the rows and columns of the pivots.

    Attributes
    ----------
    kernel : Kernel
    factor : ndarray, shape (n, rank)
        F; in the pivots' rows lower triangular.
    pivots : ndarray of int, shape (rank,)
        In the order in which they were chosen.
    rows : ndarray, shape (rank, d)
        The data there.
    trace : float
        Of K.
    error : float
        trace(K - F F^T) / trace(K): K - F F^T is positive semi-definite, so no eigenvalue of it is larger than error * trace.
    get : str
    """

    kernel: Kernel
    factor: Floats
    pivots: NDArray[np.int64]
    rows: Floats
    trace: float
    error: float
    get: str = "ntk"

    def __matmul__(self, V: Floats) -> Floats:
        """F F^T V."""
        product: Floats = self.factor @ (self.factor.T @ V)
        return product

    def features(self, X: object) -> Floats:
        """Of other inputs (m, d): Phi (m, rank) with Phi Phi'^T the same approximation of K between any inputs."""
        corner = self.factor[self.pivots]
        columns = self.kernel(as_rows(X)[0], self.rows, get=self.get)
        result: Floats = solve_triangular(corner, columns.T, lower=True, check_finite=False).T
        return result

    def __repr__(self) -> str:
        n, rank = self.factor.shape
        return f"<LowRank: rank {rank} of {n} rows, error {self.error:.3g} of the trace, {self.get} of {self.kernel!r}>"

    def _repr_html_(self) -> str:
        n, rank = self.factor.shape
        rows = (
            ("rank", rank),
            ("rows", n),
            ("error, share of the trace", f"{self.error:.3g}"),
            ("trace", f"{self.trace:.6g}"),
            ("first pivots", ", ".join(map(str, self.pivots[:8].tolist())) + (", ..." if rank > 8 else "")),
            ("memory of the factor", f"{self.factor.nbytes / 1e6:.3g} MB"),
        )
        return html_table([f"Low-rank factor: {self.get} of {self.kernel!r}"], (), rows)


def cholesky(
    kernel: Kernel,
    X: object,
    rank: int,
    *,
    pivots: str = "random",
    tolerance: float = 0.0,
    seed: int = 0,
    get: str = "ntk",
) -> LowRank:
    """Partial Cholesky factor of a Gram matrix, of which only the pivots' columns are computed.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    rank : int
        The most columns.
    pivots : {"random", "greedy"}
        Each drawn in proportion to the diagonal of what is left, or its largest entry. Random ones have a guarantee: expected
        error within a constant of the best (Chen, Epperly, Tropp, Webber 2024); greedy ones chase outliers.
    tolerance : float
        Stop when trace(K - F F^T) / trace(K) is no more.
    seed : int
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    LowRank

    Raises
    ------
    TypeError, ValueError
        If the data or an option is not of the kind stated.
    NotEnoughMemory
        If the factor exceeds 80 % of what is available.
    NumericalError
        If the kernel is not positive on the data.

    Notes
    -----
    Random pivots are proposed PROPOSALS at a time and thinned so that they are distributed as if drawn one by one (Epperly,
    Tropp, Webber 2024). Cost: n rank (kernel + rank); memory 8 n (rank + PROPOSALS) bytes.
    """
    require_kernel(kernel)
    rows, _ = as_rows(X)
    n = len(rows)
    for name, value, least in (("rank", rank, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be an integer from {least} on, got {value!r}.")
    if pivots not in ("random", "greedy"):
        raise ValueError(f"pivots must be 'random' or 'greedy', got {pivots!r}.")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must lie in [0, 1), got {tolerance!r}.")
    if n == 0:
        raise ValueError("X has no rows: at least one is needed.")
    rank = min(int(rank), n)
    guard(n * (rank + 2 * PROPOSALS), 8, None, f"A factor of {n} x {rank}")
    left = np.array(kernel.diag(rows, get=get), np.float64)
    if not (np.isfinite(left).all() and left.min() >= 0):
        raise NumericalError(
            f"K(x, x) of row {int(np.argmin(left))} is {left.min():.3g}: no Cholesky factor exists."
        )
    trace = float(left.sum())
    factor, chosen = np.zeros((n, rank), order="F"), np.empty(rank, np.int64)
    rng, done = np.random.default_rng(seed), 0
    while done < rank and left.sum() > max(tolerance, FLOOR) * trace:
        proposed = _proposed(left, rng) if pivots == "random" else np.array([int(np.argmax(left))])
        accepted, corner = _accepted(kernel, rows, factor[:, :done], left, proposed, rank - done, rng, get)
        some = slice(done, done + len(accepted))
        chosen[some] = accepted
        columns = kernel(rows, rows[accepted], get=get).astype(np.float64, copy=False)
        columns -= factor[:, :done] @ factor[accepted, :done].T
        factor[:, some] = solve_triangular(
            corner, columns.T, lower=True, check_finite=False, overwrite_b=True
        ).T
        left -= np.einsum("ij,ij->i", factor[:, some], factor[:, some])
        np.maximum(left, 0, out=left)
        left[accepted] = 0
        done = some.stop
    return LowRank(
        kernel,
        factor[:, :done],
        chosen[:done],
        rows[chosen[:done]],
        trace,
        float(left.sum() / trace) if trace else 0.0,
        get,
    )


def _proposed(left: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows drawn in proportion to what is left of the diagonal."""
    sums = np.cumsum(left)
    drawn: NDArray[np.int64] = np.searchsorted(sums, rng.random(PROPOSALS) * sums[-1], side="right")
    return np.minimum(drawn, len(left) - 1)


def _accepted(
    kernel: Kernel,
    rows: Floats,
    factor: Floats,
    left: Floats,
    proposed: NDArray[np.int64],
    room: int,
    rng: np.random.Generator,
    get: str,
) -> tuple[NDArray[np.int64], Floats]:
    """Proposals that remain when each is kept with the share of its diagonal entry that those kept before it leave; their Cholesky factor."""
    block = kernel(rows[proposed], rows[proposed], get=get).astype(np.float64, copy=False)
    block = block - factor[proposed] @ factor[proposed].T
    first = np.maximum(left[proposed], np.finfo(float).tiny)
    kept: list[int] = []
    L = np.zeros((len(proposed), min(room, len(proposed))))
    for i in range(len(proposed)):
        if len(kept) == room:
            break
        rest = block[i, i] - L[i] @ L[i]
        if rest > FLOOR * first[i] and (len(proposed) == 1 or rng.random() * first[i] < rest):
            L[:, len(kept)] = (block[:, i] - L @ L[i]) / np.sqrt(rest)
            kept.append(i)
    if not kept:
        raise NumericalError(
            "No pivot is left that rounding has not reached: ask for a lower rank, or a tolerance."
        )
    return proposed[kept], L[np.ix_(kept, range(len(kept)))]

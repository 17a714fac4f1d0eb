"""Largest eigenvalues of Gram matrices, each with a bound: dense, or without ever holding the matrix."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator

from derive.errors import NumericalError
from numerics import blocks
from numerics.arrays import as_rows
from numerics.checkpoint import Checkpoint
from numerics.gram import gram
from numerics.gram_eigenvalues import GramSpectrum
from numerics.krylov import ASYMMETRY, EPS, Ritz, largest, power_of_two
from numerics.memory import available_bytes, guard, parse_bytes
from numerics.operator import GramOperator, strips
from numerics.progress import Report, progress
from numerics.stored import StoredGram

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
LARGEST = 20_000
"""Rows of a dense eigenvalue problem: 3.2 GB a copy."""
SMALL = 1_000
"""Rows up to which the dense route is the faster one (0.1 s on two cores)."""
SHARE = 8
"""The dense route serves more than n / 8 values: a Krylov space of 4 columns a value is half of all then."""
TILE = 512


def gram_spectrum(
    kernel_or_K: object,
    X: object = None,
    top: int = 200,
    *,
    seed: int = 0,
    memory: str | int = "4GB",
    checkpoint: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> GramSpectrum:
    """The `top` algebraically largest eigenvalues of a kernel's Gram matrix.

    Parameters
    ----------
    kernel_or_K : Kernel, symmetric array of shape (n, n), StoredGram, or scipy.sparse.linalg.LinearOperator
        Arrays of any real dtype are computed with in float64; their asymmetry, up to 1e-6 of the largest
        entry, is averaged away.
    X : array, shape (n, d), optional
        The data, where a kernel is given.
    top : int
        At most n values are returned.
    seed : int
        Of the Krylov space's random start.
    memory : str or int
        What K may take. A larger one, or one of more than half of what is available, is not stored: its rows
        are computed (or read, or converted, where an array is not float64) each time it is multiplied.
    checkpoint : path ending in ".npz", optional
        Where block Lanczos keeps its basis between passes, for a call with the same arguments to go on from.
    report : callable, optional
        Called with how much is done, how much there is (0 where that is not known), and a text. By default a line in a
        notebook or an interactive session, of calls that last.

    Returns
    -------
    GramSpectrum

    Raises
    ------
    TypeError, ValueError
        If there is no symmetric finite matrix, or `top`, `seed` or `memory` is no such number.
    NotEnoughMemory
        If what the route needs exceeds 80 % of what is available.
    NumericalError
        If a value above the floor has no digit when the iteration ends, and K is too large for the dense
        route.

    Notes
    -----
    Dense (LAPACK) up to 1,000 rows, and up to 20,000 where more than n / 8 values are wanted: O(n^3).
    Otherwise block Lanczos (numerics.krylov): 2 n^2 for each of 2 to 5 columns a value. Where that does not
    converge, LAPACK takes over up to 20,000 stored rows; beyond, it shows in the bounds. Negative eigenvalues
    of an indefinite matrix come last, whatever their size.
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ValueError(f"top must be a positive integer, got {top!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}.")
    with progress(report) as told:
        return _spectrum(_source(kernel_or_K, X, _limit(memory), told), int(top), int(seed), checkpoint, told)


def _spectrum(
    source: _Source, top: int, seed: int, checkpoint: str | os.PathLike[str] | None, report: Report
) -> GramSpectrum:
    count, n = min(top, source.n), source.n
    dense = source.array is not None and n <= LARGEST
    if dense and (n <= SMALL or SHARE * count > n):
        return _result(source, _dense(source, count), "dense")
    found = largest(
        source.multiply,
        n,
        count,
        source.block(count),
        seed=seed,
        passes=200 if source.stored else 60,
        checkpoint=_checkpoint(checkpoint, source, count, seed),
        report=report,
    )
    unsure = found.residual > n * EPS * found.norm
    if dense and unsure.any():
        return _result(source, _dense(source, count), "dense")
    lost = unsure & (found.value > n * EPS * found.norm) & (found.residual > found.value)
    if not lost.any():
        return _result(source, found, "krylov")
    raise NumericalError(
        f"After {found.passes} passes over K, eigenvalue {int(np.argmax(lost)) + 1} of {count} has no certain digit: "
        f"{found.value[lost][0]:.3e} within {found.residual[lost][0]:.1e}. Ask for fewer values, or take at most "
        f"{LARGEST} rows as an array, for the dense route."
    )


@dataclass(frozen=True)
class _Source:
    """A symmetric matrix as what it does to vectors, and itself where it is held in float64."""

    n: int
    multiply: Callable[[Floats], Floats]
    trace: float | None
    stored: bool = True
    eps: float = EPS
    array: Floats | None = None
    content: str = ""
    """What tells it from others, where that is known."""

    def block(self, top: int) -> int:
        """Columns of a pass: 32 read a stored K fast enough; where each pass computes K, few passes count."""
        return min(max(32, top // 8), 256) if self.stored else min(max(128, 3 * top // 2), 512)


def _source(kernel_or_K: object, X: object, limit: int, report: Report) -> _Source:
    if hasattr(kernel_or_K, "on_sphere"):
        if X is None:
            raise TypeError("A kernel needs data: gram_spectrum(kernel, X).")
        return _of_kernel(kernel_or_K, X, limit, report)  # type: ignore[arg-type]  # the mark of a Kernel
    if X is not None:
        raise TypeError(f"X goes with a kernel, not with {type(kernel_or_K).__name__}: leave it out.")
    if isinstance(kernel_or_K, LinearOperator):
        return _of_operator(kernel_or_K)
    if isinstance(kernel_or_K, StoredGram):
        return _of_store(kernel_or_K, limit)
    return _of_array(kernel_or_K, limit)


def _of_kernel(kernel: Kernel, X: object, limit: int, report: Report) -> _Source:
    rows, _ = as_rows(X)
    n = len(rows)
    if n == 0:
        raise ValueError("X has no rows: at least one is needed.")
    if 8 * n * n <= limit:
        K = gram(kernel, rows, dtype=np.float64, memory=None, report=report)
        return _Source(n, lambda V: (V.T @ K).T, float(np.trace(K)), array=K)
    K = GramOperator(kernel, rows)
    return _Source(n, K.matmat, float(K.diagonal().sum()), stored=False)


def _of_store(K: StoredGram, limit: int) -> _Source:
    n, content = len(K), K.store.plan.to_json()
    if 8 * n * n <= limit:
        return replace(_of_array(np.asarray(K), limit), content=content)
    trace = float(K.diagonal().sum(dtype=np.float64))
    return _Source(n, K.__matmul__, trace, eps=_eps(K.dtype), content=content)


def _checkpoint(
    path: str | os.PathLike[str] | None, source: _Source, count: int, seed: int
) -> Checkpoint | None:
    if path is None:
        return None
    if Path(path).suffix != ".npz":
        raise ValueError(f"A checkpoint is a path ending in .npz, got {str(path)!r}.")
    return Checkpoint(
        Path(path),
        f"{count} eigenvalues of {source.n} rows, trace {source.trace}, seed {seed}; {source.content}",
    )


def _of_operator(K: Any) -> _Source:
    if len(K.shape) != 2 or K.shape[0] != K.shape[1] or K.shape[0] == 0:
        raise ValueError(f"A Gram operator is square and not empty, got shape {K.shape}.")
    kind = np.dtype(K.dtype or np.float64)
    if kind.kind not in "fiu":
        raise TypeError(f"A Gram operator is real, got dtype {kind}.")

    def multiply(V: Floats) -> Floats:
        product = np.asarray(K.matmat(V))
        if product.dtype.kind not in "fiu":
            raise TypeError(
                f"A Gram operator is real; its product with real vectors has dtype {product.dtype}."
            )
        return product.astype(np.float64, copy=False)

    return _Source(K.shape[0], multiply, None, eps=_eps(kind))


def _of_array(value: object, limit: int) -> _Source:
    if np.ma.isMaskedArray(value):
        raise TypeError("The matrix is a masked array: fill the masked entries first.")
    if hasattr(value, "toarray"):
        raise TypeError("The matrix is sparse: pass scipy.sparse.linalg.aslinearoperator(K), or K.toarray().")
    K = np.asarray(value)
    if K.dtype.kind not in "fiu":
        raise TypeError(f"A Gram matrix holds real numbers, got dtype {K.dtype}.")
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) == 0:
        raise ValueError(f"A Gram matrix is square and not empty, got shape {K.shape}.")
    n, symmetric, trace = len(K), _check_entries(K), float(np.trace(K, dtype=np.float64))
    eps = _eps(K.dtype)
    if K.dtype != np.float64 or not (K.flags.c_contiguous or K.flags.f_contiguous):
        if 8 * n * n > limit:
            return _Source(n, lambda V: _converted(K, V, symmetric), trace, eps=eps)
        K = np.ascontiguousarray(K, dtype=np.float64)

    def multiply(V: Floats) -> Floats:
        return np.asarray((V.T @ K).T if symmetric else ((V.T @ K).T + K @ V) / 2)

    return _Source(n, multiply, trace, eps=eps, array=K)


def _converted(K: NDArray[Any], V: Floats, symmetric: bool) -> Floats:
    """(K + K^T) V / 2 for an array of another type, by strips."""
    product = np.zeros(V.shape)
    for part in strips(len(K)):
        S = np.ascontiguousarray(K[part], dtype=np.float64)
        product[part] += S @ V
        if not symmetric:
            product += S.T @ V[part]
    return product if symmetric else product / 2


def _check_entries(K: NDArray[Any]) -> bool:
    """Whether K is symmetric to the last bit; an error where it is not even to rounding, or not finite."""
    size, worst, at = 0.0, 0.0, (0, 0)
    parts = list(blocks.ranges(len(K), TILE))
    for a, low in enumerate(parts):
        for high in parts[: a + 1]:
            A, B = np.asarray(K[low, high], np.float64), np.asarray(K[high, low], np.float64).T
            extremes = [abs(float(x)) for x in (A.max(), A.min(), B.max(), B.min())]
            if not np.isfinite(extremes).all():
                row = next(i for i in range(len(K)) if not np.isfinite(K[i]).all())
                raise ValueError(f"The Gram matrix holds NaN or infinity in row {row}.")
            size = max(size, *extremes)
            if not np.array_equal(A, B):
                gap = np.abs(A - B)
                row, column = divmod(int(gap.argmax()), gap.shape[1])
                if gap[row, column] > worst:
                    worst, at = float(gap[row, column]), (low.start + row, high.start + column)
    if worst > ASYMMETRY * size:
        i, j = at
        raise ValueError(
            f"The matrix is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ by {worst:.1e}."
        )
    return worst == 0


def _dense(source: _Source, count: int) -> Ritz:
    """LAPACK's eigenpairs; the lowest value too, where the others leave room for one that is larger."""
    K, n = source.array, source.n
    assert K is not None
    guard(2 * n * n + 3 * n * count, 8, None, f"The eigenvalue problem of {n} rows")
    scale = power_of_two(K)
    work = _halved_sum(K, scale)
    rest = float(np.linalg.norm(work)) ** 2
    values, vectors = eigh(work.T, subset_by_index=[n - count, n - 1], overwrite_a=True, check_finite=False)
    product = source.multiply(np.asfortranarray(vectors)) / scale
    residual = np.linalg.norm(product - vectors * values, axis=0) / np.linalg.norm(vectors, axis=0)
    norm = float(np.abs(values).max())
    if rest - float(values @ values) > norm**2:
        lowest = eigh(_halved_sum(K, scale).T, eigvals_only=True, subset_by_index=[0, 0], overwrite_a=True)
        norm = max(norm, abs(float(lowest[0])))
    return Ritz(scale * values[::-1], scale * residual[::-1], scale * norm, 1, count)


def _halved_sum(K: Floats, scale: float) -> Floats:
    half = K * (0.5 / scale)
    return half + half.T


def _result(source: _Source, found: Ritz, route: str) -> GramSpectrum:
    rounding = source.n * EPS * found.norm
    floor = source.n * source.eps * found.norm
    return GramSpectrum(
        found.value, found.residual + rounding, floor, source.n, source.trace, route, found.passes
    )


def _limit(memory: str | int) -> int:
    return min(parse_bytes(memory), available_bytes() // 2)


def _eps(kind: np.dtype[Any]) -> float:
    """Relative rounding of entries of this type, computed with in float64."""
    return max(EPS, float(np.finfo(kind).eps)) if kind.kind == "f" else EPS

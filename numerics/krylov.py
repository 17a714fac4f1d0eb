"""Largest eigenvalues of a symmetric operator: block Lanczos with full reorthogonalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from numerics.checkpoint import Checkpoint
from numerics.memory import guard
from numerics.progress import Report

Floats = NDArray[np.float64]
EPS = float(np.finfo(float).eps)
ASYMMETRY = 1e-6
"""Asymmetry that still passes for rounding (of float32 entries), relative to the matrix."""


@dataclass(frozen=True)
class Ritz:
    """Values of the Rayleigh-Ritz method in a Krylov space.

    Attributes
    ----------
    value : ndarray, shape (top,)
        Descending.
    residual : ndarray, shape (top,)
        |K v - value v| / |v|, from products with K that were kept.
    norm : float
        The largest |Ritz value|: |K|, from below.
    passes, columns : int
        How often K was applied, and to how many vectors in all.
    """

    value: Floats
    residual: Floats
    norm: float
    passes: int
    columns: int


def largest(
    multiply: Callable[[Floats], Floats],
    n: int,
    top: int,
    block: int,
    seed: int = 0,
    passes: int = 400,
    checkpoint: Checkpoint | None = None,
    report: Report = lambda done, total, what: None,
) -> Ritz:
    """The `top` algebraically largest eigenvalues of a symmetric operator.

    Parameters
    ----------
    multiply : callable
        V (n, any), in Fortran order, to K V.
    n, top : int
        1 <= top <= n.
    block : int
        Columns of the random start. More of them need fewer passes over K, and more columns in all.
    seed : int
        Of the random start.
    passes : int
        After so many the iteration ends, converged or not (but not before `top` columns are reached).
    checkpoint : Checkpoint, optional
        Where the basis is kept between passes, 16 n m bytes, and taken up again; gone at the end.
    report : callable, optional
        Told of every pass; how many there will be is not known.

    Returns
    -------
    Ritz

    Raises
    ------
    ValueError
        If K V is not finite or K not symmetric.
    NotEnoughMemory
        If the basis does not fit.

    Notes
    -----
    The basis Q spans V, K V, K^2 V, ...; the eigenpairs (theta, s) of Q^T K Q give v = Q s. It ends when
    every wanted |K v - theta v| is at most n eps |K| / 4: rounding may do four times that. A block's Krylov
    space holds no more than `block` copies of a multiple eigenvalue: where as many values agree, `top` random
    vectors join once, and then none is lost. At m = 5 top + 10 block columns the basis shrinks to its best
    Ritz vectors and goes on (thick restart). Cost: 2 n^2 a column for a stored K, 4 n m^2 for orthogonality;
    16 n m bytes.
    """
    rng = np.random.default_rng(seed)
    cap, step = min(n, 5 * top + 10 * block), max(1, top // 2)
    guard(n * (2 * cap + 2 * top + 4 * block), 8, None, f"A Krylov space of {cap} vectors of {n} entries")
    Q, KQ, T = np.empty((n, cap), order="F"), np.empty((n, cap), order="F"), np.empty((cap, cap))
    new = _outside(_normal(rng, n, min(block, n)), Q[:, :0], n, 0.0, rng)
    passes = max(passes, -(-top // block))
    m, columns, due, wide = 0, 0, 2 * top, block >= top
    norm, scale, checks = 0.0, 1.0, list[tuple[int, float]]()
    before = 0
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        before, m, columns, due = map(int, kept["counts"])
        wide = bool(kept["wide"])
        norm, scale = map(float, kept["sizes"])
        Q[:, :m], KQ[:, :m], new = kept["Q"], kept["KQ"], kept["new"]
        H = Q[:, :m].T @ KQ[:, :m]
        T[:m, :m] = (H + H.T) / 2
    for done in range(before + 1, passes + 1):
        if checkpoint is not None and done > before + 1:
            counts, sizes = np.array([done - 1, m, columns, due]), np.array([norm, scale])
            checkpoint.save(
                counts=counts, wide=np.array(wide), sizes=sizes, Q=Q[:, :m], KQ=KQ[:, :m], new=new
            )
        report(done, 0, f"pass {done} over the matrix for {top} eigenvalues")
        old, m, columns = m, m + new.shape[1], columns + new.shape[1]
        Q[:, old:m] = new
        product = multiply(Q[:, old:m])
        if not np.isfinite(product).all():
            raise ValueError(f"The product K V holds NaN or infinity, in pass {done}: check the operator.")
        if done == 1:
            scale = power_of_two(product)
        KQ[:, old:m] = product / scale
        norm = max(norm, float(np.linalg.norm(KQ[:, old:m], axis=0).max()))
        H = Q[:, :m].T @ KQ[:, old:m]
        _require_symmetric(H[old:], norm)
        T[:m, old:m], T[old:m, :m] = H, H.T
        W = KQ[:, old:m] - Q[:, :m] @ H
        new = _outside(W, Q[:, :m], n - m, n**0.5 * EPS * norm, rng)
        overflows = m < n and m + new.shape[1] > cap
        if m < min(due, n) and not overflows and done < passes:
            continue
        theta, S = np.linalg.eigh(T[:m, :m])
        norm = max(norm, float(np.abs(theta).max()))
        worst = (
            float(np.linalg.norm((new.T @ W) @ S[old:, -top:], axis=0).max(initial=0.0))
            if m >= top
            else np.inf
        )
        target = n * EPS * norm / 4
        if (
            m == n
            or done == passes
            or (worst <= target and (wide or not _clustered(theta, top, block, target)))
        ):
            break
        if worst <= target:
            wide, checks = True, []
            fresh = _normal(rng, n, min(top, n - m - new.shape[1]))
            new = np.hstack([new, _outside(fresh, np.hstack([Q[:, :m], new]), fresh.shape[1], 0.0, rng)])
            overflows = m + new.shape[1] > cap
        checks.append((m, worst))
        if overflows:
            m, checks = min(m, top + 2 * block), []
            for basis in (Q, KQ):
                basis[:, :m] = basis[:, : len(S)] @ S[:, -m:]
            T[:m, :m] = np.diag(theta[-m:])
        due = m + _columns_to_go(checks, target, step)
    V, value = Q[:, :m] @ S[:, -top:], theta[-top:]
    residual = np.linalg.norm(KQ[:, :m] @ S[:, -top:] - V * value, axis=0) / np.linalg.norm(V, axis=0)
    norm = float(np.abs(theta).max())
    if checkpoint is not None:
        checkpoint.remove()
    return Ritz(scale * value[::-1], scale * residual[::-1], scale * norm, done, columns)


def power_of_two(values: Floats) -> float:
    """A power of two near the largest |value|, whose square root and inverse float64 holds; 1 for zeros."""
    size = max(abs(float(values.max())), abs(float(values.min())))
    return float(np.ldexp(1.0, int(np.clip(np.frexp(size)[1], -1000, 1000)))) if 0 < size < np.inf else 1.0


def _outside(W: Floats, Q: Floats, room: int, noise: float, rng: np.random.Generator) -> Floats:
    """Orthonormal basis of W outside Q, `room` columns at most; directions below `noise` are drawn anew."""
    new, least = W, noise
    for attempt in range(4):
        new, lengths = _basis(new, room)
        weak = lengths <= least
        if weak.any():
            drawn = _normal(rng, len(W), int(weak.sum()))
            drawn -= Q @ (Q.T @ drawn)
            new[:, weak] = drawn / np.linalg.norm(drawn, axis=0)
        if attempt and lengths.min(initial=1.0) > 0.5:
            break  # hardly anything was left to subtract: orthogonal to rounding
        new = new - Q @ (Q.T @ new)
        least = 1e-3
    return new


def _basis(W: Floats, room: int) -> tuple[Floats, Floats]:
    """The `room` longest orthogonal directions of W and their lengths: by W^T W, or QR if that is coarse."""
    squares, axes = np.linalg.eigh(W.T @ W)
    if squares.size and squares[0] > 1e-12 * squares[-1] > 0:  # sqrt: 1e-6, which a second time removes
        lengths = np.sqrt(squares[::-1][:room])
        return (W @ axes[:, ::-1][:, :room]) / lengths, lengths
    basis, R, _ = qr(W, mode="economic", pivoting=True, check_finite=False)
    return np.asarray(basis[:, :room]), np.abs(np.diag(R))[:room]


def _normal(rng: np.random.Generator, n: int, count: int) -> Floats:
    return rng.normal(size=(count, n)).T


def _require_symmetric(H: Floats, norm: float) -> None:
    gap = float(np.abs(H - H.T).max())
    if gap > ASYMMETRY * norm:
        raise ValueError(
            f"The operator is not symmetric: u.Kv and v.Ku differ by {gap / norm:.1e} of |Kv|. "
            "Pass (K + K^T) / 2, if that is what is meant."
        )


def _clustered(theta: Floats, top: int, block: int, target: float) -> bool:
    """Whether `block` wanted values (theta ascends) agree to rounding; zeros of a semi-definite K apart."""
    wanted = theta[-top:]
    if theta[0] > -4 * target:
        wanted = wanted[wanted > 4 * target]
    return bool((wanted[block - 1 :] - wanted[: max(len(wanted) - block + 1, 0)] <= 4 * target).any())


def _columns_to_go(checks: list[tuple[int, float]], target: float, step: int) -> int:
    """Columns until the next look at convergence: it is geometric in the columns."""
    if len(checks) < 2 or not 0 < checks[-1][1] < checks[-2][1]:
        return step
    (m, before), (later, now) = checks[-2:]
    return int(np.clip((later - m) * np.log(now / max(target, 1e-300)) / np.log(before / now), 1, 2 * step))

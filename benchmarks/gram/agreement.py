"""How far a Gram matrix is from another's, and from the interpreter's values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

SMALL = 1e-3
"""Below this share of sqrt(K(x, x) K(y, y)) an error is relative to that scale: zeros of K have no relative error."""
STRIP = 256
"""Rows compared at a time."""
SAMPLED = 8
"""Pairs, and as many rows of the diagonal, that the interpreter computes; 2 to 100 ms each."""

Pair = tuple[int, int]


def apart(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, Pair]:
    """Largest relative difference off the diagonal, and where."""
    worst, where = -1.0, (0, 0)
    for start in range(0, len(ours), STRIP):
        strip = slice(start, start + STRIP)
        difference = np.abs(ours[strip].astype(float) - theirs[strip]) / _scale(ours, strip)
        own = np.arange(len(difference))
        difference[own, start + own] = 0
        i, j = np.unravel_index(np.argmax(difference), difference.shape)  # of a NaN, if there is one
        if not difference[i, j] <= worst:
            worst, where = float(difference[i, j]), (start + int(i), int(j))
        if np.isnan(worst):
            break
    return worst, where


def error(kernel: Any, X: np.ndarray, K: np.ndarray, pairs: Iterable[Pair]) -> float:
    """Largest relative error at these pairs, by `kernel.explain`."""
    errors = []
    for i, j in pairs:
        exact = kernel.explain(X[i], X[j])["ntk"]
        errors.append(abs(float(K[i, j]) - exact) / _scale(K, slice(i, i + 1))[0, j])
    return float(np.max(errors))


def sampled(n: int) -> list[Pair]:
    """Pairs off the diagonal and on it, the same for every kernel."""
    i, shift = np.random.default_rng(0).integers(0, (n, n - 1), (SAMPLED, 2)).T
    diagonal = np.linspace(0, n - 1, SAMPLED, dtype=int)
    return [
        *zip(i.tolist(), ((i + 1 + shift) % n).tolist(), strict=True),
        *((int(k), int(k)) for k in diagonal),
    ]


def _scale(K: np.ndarray, strip: slice) -> np.ndarray:
    """What errors of these rows are relative to."""
    roots = np.sqrt(np.diagonal(K).astype(float))
    scale, size = roots[strip, None] * roots, np.abs(K[strip].astype(float))
    relative_to: np.ndarray = np.where(size > SMALL * scale, size, scale)
    return relative_to

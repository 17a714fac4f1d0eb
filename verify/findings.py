"""What properties of kernels are tried on, and what they are judged by: rows, matrices, what rounding may do to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from derive.ir import OUTPUTS
from derive.network import Dense
from numerics.kernel import Kernel
from numerics.mehler import ACCEPTED

Floats = NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 1e-12
"""Arithmetic of about ten layers, some hundred operations each, over sqrt(p(x, x) p(y, y))."""
THRESHOLDS = 100.0
"""Times SMALL where the program has thresholds: ReLU6's p loses 1.5e-9 between rows of norms 1e-3 and 10."""
SMALL = 2e-14
"""Times the square of the layers, and of the larger and over the smaller of the two rows' standard deviations at the
first activation, beyond 1: closed forms that are not homogeneous (GELU, ELU, ReLU6) are sums whose terms exceed kappa.
Seen are 5e-13 for norms 1e-3 and 1 and one layer, 2e-11 and two; 3e-10 for 1e-3, 10 and two.
"""

FLOOR = 1e-98
"""Closed forms take variances of at least 1e-100 (derive.ir, `positive`) where an activation vanishes."""

Trial: TypeAlias = "tuple[float, float, str]"
"""A deviation, its tolerance, and where it is."""


@dataclass(frozen=True)
class Finding:
    """What became of one property.

    Attributes
    ----------
    name : str
    holds : bool or None
        None where the property says nothing about this kernel.
    worst : float
        Largest deviation, relative to sqrt(K(x, x) K(y, y)), where it exceeds its tolerance most; 0 where none is.
    tolerance : float
        What rounding may do there.
    detail : str
        Output and pair of rows where it is worst, or why the property says nothing.
    """

    name: str
    holds: bool | None
    worst: float
    tolerance: float
    detail: str


def sample_rows(kernel: Kernel, seed: int = 0) -> Floats:
    """Twelve rows of five features, fewer if the kernel is infinite for some.

    Four on the sphere |x|^2 = d, two of other norms, a duplicate, an antiparallel and two parallel rows of other norms,
    a tiny and a large one. Rows at a margin (`Kernel.margin`) of 1/8 or less are scaled towards the sphere,
    and all rows down, where the kernel is infinite or exceeds float64.

    Raises
    ------
    NumericalError
        If the kernel can be computed for none of them.
    """
    directions = np.random.default_rng(seed).normal(size=(8, 5))
    directions *= math.sqrt(5) / np.linalg.norm(directions, axis=1, keepdims=True)
    a, b, c, d, e, f, g, h = directions
    for scale in (1.0, 0.5, 0.25, 0.125):
        usual = scale * np.stack([a, b, c, d, 0.7 * e, 1.5 * f, a, -b, 2 * c, -0.3 * d])
        kept = [usual[_computable(kernel, usual)]]
        if len(kept[0]) < 6:
            continue
        for x, factors in ((g, [1e-3, 1e-2, 0.1]), (h, [10.0, 4.0, 2.0])):
            extreme = scale * np.outer(factors, x)
            kept.append(extreme[_computable(kernel, extreme)][:1])
        return np.concatenate(kept)
    raise NumericalError(
        f"{kernel!r} cannot be computed for rows of |x|^2 = d / 64: every property needs some rows. Lower W_std."
    )


def _computable(kernel: Kernel, X: Floats) -> NDArray[np.bool_]:
    """Of every row, whether it lies inside the kernel's domain and its K(x, x) is finite."""
    margin = kernel.margin((X * X).mean(axis=1))
    inside: NDArray[np.bool_] = np.full(len(X), True) if margin is None else np.greater(margin, 0.125)
    try:
        kernel(X[inside], get=OUTPUTS)
    except NumericalError:
        if len(X) == 1:
            return np.zeros(1, bool)
        inside = np.concatenate([_computable(kernel, x[None]) for x in X])
    return inside


@dataclass(frozen=True, eq=False)
class Matrix:
    """A kernel matrix (n, n), what its entries are measured in, and what rounding may do to each in these units."""

    values: Floats
    scale: Floats
    tolerance: Floats


def matrices(
    kernel: Kernel, X: Floats, outputs: tuple[str, ...] = OUTPUTS, gap: float = 0.0
) -> dict[str, Matrix]:
    """A kernel's matrices of the rows X (n, d), by output; `outputs` hold "nngp" and "rounding".

    Units are sqrt(K(x, x) K(y, y)), for "rounding" = p - m, a difference, those of p. `gap` is what correlations are
    off by, besides rounding.
    """
    return _remembered(kernel, X.tobytes(), X.shape, outputs, gap)


@lru_cache(maxsize=4)
def _remembered(
    kernel: Kernel, data: bytes, shape: tuple[int, ...], outputs: tuple[str, ...], gap: float
) -> dict[str, Matrix]:
    """One predicate after the other asks for the same matrices."""
    X = np.frombuffer(data).reshape(shape)
    values = by_output(kernel, X, outputs)
    m, scale = values["nngp"], {o: outer(K) for o, K in values.items()}
    scale["rounding"] = outer(m + values["rounding"])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum(np.where(scale["nngp"] > 0, scale["rounding"] / scale["nngp"], 1.0), 1.0)
    errors = _errors(kernel, X, gap)
    # Bounds are relative to E[phi^2], of which m(x, x), and the NTK with it, may be a small share.
    amplified = {"ntk": share, "nngp": share, "rounding": np.ones_like(share)}
    return {o: Matrix(K, scale[o], errors[o] * amplified[o]) for o, K in values.items()}


def entrywise(name: str, deviations: Mapping[str, Floats], found: Mapping[str, Matrix]) -> Finding:
    """The entry whose deviation exceeds its tolerance most."""
    trials = []
    for o, deviation in deviations.items():
        scale, tolerance = found[o].scale, found[o].tolerance
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(deviation <= FLOOR, 0.0, deviation / scale)  # NaN stays and fails
            i, j = np.unravel_index(int(np.argmax(relative / tolerance)), relative.shape)
        trials.append((float(relative[i, j]), float(tolerance[i, j]), f"{o}, rows {i} and {j}"))
    return worst(name, trials)


def spectral(name: str, found: Mapping[str, Matrix]) -> Finding:
    """The least eigenvalue, in units in which the diagonal is 1, and the two rows that weigh most in its vector.

    Tolerance: the Frobenius norm of what the entries may err (Weyl), and n eps of the largest eigenvalue for the solver.
    """
    trials = []
    for o, matrix in found.items():
        kept = np.flatnonzero(np.diag(matrix.scale) > 0)
        if not len(kept):
            continue
        at = np.ix_(kept, kept)
        values, vectors = np.linalg.eigh(matrix.values[at] / matrix.scale[at])
        tolerance = np.linalg.norm(matrix.tolerance[at]) + len(kept) * EPS * abs(values).max()
        i, j = kept[np.argsort(-abs(vectors[:, 0]))[[0, min(1, len(kept) - 1)]]]
        trials.append((max(-float(values[0]), 0.0), float(tolerance), f"{o}, mostly rows {i} and {j}"))
    return worst(name, trials)


def worst(name: str, trials: Iterable[Trial]) -> Finding:
    """(deviation, tolerance, where): the one furthest beyond its tolerance; there may be none if all outputs vanish."""
    listed = list(trials)
    if not listed:
        return silent(name, "every output is 0")
    deviation, tolerance, where = max(listed, key=_excess)
    return Finding(name, bool(deviation <= tolerance), max(float(deviation), 0.0), float(tolerance), where)


def silent(name: str, reason: str) -> Finding:
    """The property says nothing about this kernel."""
    return Finding(name, None, 0.0, 0.0, reason)


def by_output(kernel: Kernel, X: Floats, outputs: tuple[str, ...] = OUTPUTS) -> dict[str, Floats]:
    """The plain matrices by output."""
    return dict(zip(outputs, kernel(X, get=outputs), strict=True))


def outer(K: Floats) -> Floats:
    """sqrt(K(x, x) K(y, y)) of all pairs."""
    root = np.sqrt(abs(np.diag(K)))
    return np.outer(root, root)


def _errors(kernel: Kernel, X: Floats, gap: float) -> dict[str, Floats]:
    """Relative errors of float64, pair by pair: ROUNDING, what Hermite series may err, the losses of SMALL and near
    |rho| = 1.

    A covariance errs by e = (d + 8) eps of its scale, hence an angle by e / sin(angle), at most sqrt(e), in every
    layer. That of a jumping activation turns the angle's error into one of the covariance, whose root follows; the
    density 1 / sin(angle) in its NTK errs by e / sin^2. The correlation is the first activation's.
    """
    e, layers = (X.shape[1] + 8) * EPS + 2 * gap, kernel.network.layers
    q, p = (X * X).mean(axis=1), X @ X.T / X.shape[1]
    m = p
    for layer in layers:
        if not isinstance(layer, Dense):
            break
        W2, b2 = float(layer.W_std) ** 2, float(layer.b_std) ** 2
        q, p, m = W2 * q + b2, W2 * p + b2, float(layer.law.latent_fraction) * W2 * m + b2
    root = np.maximum(np.sqrt(q), 1e-300)
    activations = sum(not isinstance(layer, Dense) for layer in layers)
    series = sum(function.series is not None for function in kernel.ir.functions)
    base: float | Floats = ROUNDING + series * ACCEPTED
    if kernel.ir.homogeneity is None:
        high, low = np.maximum(root, 1.0), np.minimum(root, 1.0)
        ratio = np.maximum(high[:, None], high) / np.minimum(low[:, None], low)
        lost = THRESHOLDS if kernel.ir.pair.functions() & {"tail", "quadrant"} else 1.0
        base = base + lost * SMALL * activations**2 * ratio
    found = {}
    for output, covariance in {"nngp": m, "rounding": p, "ntk": m}.items():
        rho = covariance / root[:, None] / root
        square = np.maximum((1 - rho) * (1 + rho), 0.0)
        angle = e / np.sqrt(np.maximum(square, e))
        loss = activations * angle
        if kernel.jumps:
            for _ in range(activations - 1):
                angle = angle / np.sqrt(np.maximum(square, angle))
            loss = e / np.maximum(square, e) if output == "ntk" else activations * angle
        found[output] = base + loss
    return found


def _excess(trial: Trial) -> float:
    deviation, tolerance, _ = trial
    if not deviation > 0:
        return 0.0 if deviation <= 0 else math.inf
    return deviation / tolerance if tolerance > 0 else math.inf

"""What holds of every kernel, whatever its network: plain predicates for `verify` and for Hypothesis tests.

docs/properties.md says where each holds and why. Deviations are relative to sqrt(K(x, x) K(y, y)); that of
"rounding" = p - m, a difference, to the same of p.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from derive.derivation import derive_kernel
from derive.errors import NoClosedForm, NumericalError
from derive.ir import OUTPUTS
from derive.network import Dense, Network
from derive.numbers import exact
from numerics.build import build
from numerics.kernel import Kernel
from numerics.rules import has_series
from numerics.series import TaylorSeries
from numerics.zonal import zonal_eigenvalues
from verify.findings import (
    ROUNDING,
    Finding,
    Matrix,
    Trial,
    by_output,
    entrywise,
    matrices,
    outer,
    sample_rows,
    silent,
    spectral,
    worst,
)
from verify.latents import sample_network
from verify.quasi import quasi_network

Floats = NDArray[np.float64]
TERMS, DEGREES = 256, 48
"""Taylor coefficients and degrees of harmonics; with binary weights a_256 / a_0 is 3^-256."""
BIAS = 32.0
"""Times 1 / width^2: what 2 Y_2n - Y_n may leave of the bias, over sqrt(K(x, x) K(y, y)); 2e-3 at width 128."""


def properties(kernel: Kernel, seed: int = 0) -> tuple[Finding, ...]:
    """Try every property on rows of its own.

    Parameters
    ----------
    kernel : Kernel
    seed : int
        Of the rows, the rotation and the permutations.

    Returns
    -------
    tuple of Finding
        One for each property.

    Raises
    ------
    NumericalError
        If the kernel cannot be computed even for a few rows of norm 1/8 sqrt(d).

    Notes
    -----
    0.1 to 1.5 s (Hermite series) after compilation, which takes 1 to 10 s.
    """
    X = sample_rows(kernel, seed)
    by_rows = (
        symmetry, positive_semidefinite, cauchy_schwarz, diagonal_order, total_moment, monotone, real_weights,
        homogeneity, taylor_coefficients, trace,
    )  # fmt: skip
    findings = []
    for holds in by_rows:
        try:
            findings.append(holds(kernel, X))
        except NumericalError as error:
            findings.append(silent(holds.__name__, f"could not be tried: {error}"))
    return (*findings, rotation(kernel, X, seed), permutation(kernel, X, seed))


def symmetry(kernel: Kernel, X: Floats) -> Finding:
    """K(x, y) = K(y, x), and the matrix of X with itself as two data sets is that of X alone."""
    one, two = matrices(kernel, X), kernel(X, X, get=OUTPUTS)
    apart = {o: np.maximum(abs(K - K.T), abs(K - one[o].values)) for o, K in zip(OUTPUTS, two, strict=True)}
    return entrywise("symmetry", apart, one)


def positive_semidefinite(kernel: Kernel, X: Floats) -> Finding:
    """The Gram matrices of the NTK, of m and of p - m have no negative eigenvalue (with unit diagonals)."""
    return spectral("positive semi-definite", matrices(kernel, X))


def cauchy_schwarz(kernel: Kernel, X: Floats) -> Finding:
    """|K(x, y)| <= sqrt(K(x, x) K(y, y)), for the NTK, m and p - m."""
    found = matrices(kernel, X)
    excess = {o: abs(K.values) - outer(K.values) for o, K in found.items()}
    return entrywise("Cauchy-Schwarz", excess, found)


def diagonal_order(kernel: Kernel, X: Floats) -> Finding:
    """0 <= m <= p on the diagonal, and p, as the limit y -> x of the pair's formulas, is q there.

    Off the diagonal m may exceed p (theory.md, section 1).
    """
    found = matrices(kernel, X, gap=_gap(kernel))
    negative = {o: np.diag(-np.diag(K.values)) for o, K in found.items()}
    total = np.diag(found["nngp"].values + found["rounding"].values)
    limits = np.zeros(len(X))
    for i in range(min(1 if has_series(kernel.ir) else 4, len(X))):
        values = _by_numpy(kernel, X[i], X[i])
        limits[i] = values["nngp"] + values["rounding"] - total[i]
    apart = {**negative, "rounding": np.maximum(negative["rounding"], np.diag(abs(limits)))}
    return entrywise("0 <= m <= p = q on the diagonal", apart, found)


def total_moment(kernel: Kernel, X: Floats) -> Finding:
    """p does not depend on the latent fractions: p(x, y) is m(x, y) with all of them 1."""
    name = "p free of the latent fraction"
    if not _fractions(kernel):
        return silent(name, "no layer is rounded")
    found, one = matrices(kernel, X, gap=_gap(kernel)), _unrounded(kernel)
    m = one(X, get=("nngp", "rounding"))[0] if kernel.jumps else by_output(one, X)["nngp"]
    return entrywise(name, {"rounding": abs(found["nngp"].values + found["rounding"].values - m)}, found)


def monotone(kernel: Kernel, X: Floats) -> Finding:
    """NTK and m grow with the latent fraction r, p - m falls: differences for r' > r are positive semi-definite.

    On any rows, not on spheres only: m' = sum_j h_j(Q_x) h_j(Q_y) M^j / (Q_x Q_y)^(j/2), whose h_j and Q are free of r,
    so that the order of M passes on by Schur's product theorem; the NTK likewise. On a sphere this says that no Taylor
    coefficient falls. Tried for all latent fractions together, r' = (1 + r) / 2 and r' = r / 2.
    """
    name = "monotone in the latent fraction"
    fractions = _fractions(kernel)
    if not fractions:
        return silent(name, "no layer is rounded")
    now = matrices(kernel, X)
    up = matrices(kernel.with_parameters(**{key: (1 + r) / 2 for key, r in fractions.items()}), X)
    down = matrices(kernel.with_parameters(**{key: r / 2 for key, r in fractions.items()}), X)
    rises = [spectral(name, _minus(up, now)), spectral(name, _minus(now, down))]
    return max(rises, key=lambda finding: finding.worst - finding.tolerance)


def real_weights(kernel: Kernel, X: Floats) -> Finding:
    """With all latent fractions 1 it is the kernel of the same network with real weights, derived for itself.

    The other side is evaluated for a few pairs, without compilation. Where phi jumps that NTK is infinite, and m only
    is compared. With `parameterization="latent"` second moments are set to 1, those of real latents.
    """
    name = "r = 1 is the real network"
    if not _fractions(kernel):
        return silent(name, "no layer is rounded")
    one, network = _unrounded(kernel), kernel.network
    layers = [
        Dense("real", layer.W_std, layer.b_std, layer.trained and not kernel.jumps, layer.label)
        if isinstance(layer, Dense)
        else layer
        for layer in network.layers
    ]
    real = Kernel(derive_kernel(Network(layers, network.parameterization)))
    outputs = ("nngp", "rounding") if kernel.jumps else OUTPUTS
    found = matrices(one, X, outputs, gap=_gap(kernel))
    apart = {o: np.zeros((len(X), len(X))) for o in outputs}
    apart["rounding"] = abs(found["rounding"].values)
    for i, j in _few_pairs(len(X))[: 3 if has_series(kernel.ir) else None]:  # they take 0.1 s each
        values = _by_numpy(real, X[i], X[j])
        for o in outputs:
            apart[o][i, j] = max(apart[o][i, j], abs(found[o].values[i, j] - values[o]))
    return entrywise(name, apart, found)


def homogeneity(kernel: Kernel, X: Floats) -> Finding:
    """K(s x, y) = s^n K(x, y) for s > 0, n = kernel.ir.homogeneity."""
    name = "homogeneity"
    if not kernel.homogeneous:
        return silent(name, "there are biases, or an activation is not positively homogeneous")
    found, n = matrices(kernel, X), kernel.ir.homogeneity or 0
    apart = {o: np.zeros((len(X), len(X))) for o in OUTPUTS}
    for s in (10 ** (1.5 / max(n, 1)), 10 ** (-2.5 / max(n, 1))):  # s^n is 32 and 0.003: far from overflow
        for o, K in zip(OUTPUTS, kernel(s * X, X, get=OUTPUTS), strict=True):
            apart[o] = np.maximum(apart[o], abs(K / s**n - found[o].values))
    return entrywise(name, apart, found)


def rotation(kernel: Kernel, X: Floats, seed: int = 0) -> Finding:
    """K(U x, U y) = K(x, y) for orthogonal U."""
    d = X.shape[1]
    U, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    rotated = (X[:, None, :] * U).sum(axis=2)  # row by row: equal rows stay equal, to the last bit
    found = matrices(kernel, X)
    return entrywise("rotation of the features", _apart(found, by_output(kernel, rotated)), found)


def permutation(kernel: Kernel, X: Floats, seed: int = 0) -> Finding:
    """Neither the order of the rows nor that of the features matters."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    found, back = matrices(kernel, X), np.argsort(rows)
    again = {o: K[np.ix_(back, back)] for o, K in by_output(kernel, X[rows][:, columns]).items()}
    return entrywise("permutation of rows and features", _apart(found, again), found)


def taylor_coefficients(kernel: Kernel, X: Floats) -> Finding:
    """The Taylor coefficients of K(t) on the sphere through the first row are non-negative, for all outputs."""
    name, q = "Taylor coefficients >= 0", _sphere(X)
    try:
        series = {o: kernel.on_sphere(q, o).taylor_series(TERMS) for o in OUTPUTS}
    except NumericalError as refusal:
        return silent(name, str(refusal))
    total = {o: abs(s.total) for o, s in series.items()}
    total["rounding"] += total["nngp"]  # a difference: its coefficients carry the errors of p
    trials = [
        (max(-a, 0.0) / total[o], float(error), f"a_{j} of {o} at q = {float(q):.4g}")
        for o, s in series.items()
        if total[o] > 0
        for j, (a, error) in enumerate(zip(s.coefficients.tolist(), s.relative_error, strict=True))
    ]
    return worst(name, trials)


def trace(kernel: Kernel, X: Floats) -> Finding:
    """Taylor coefficients and eigenvalues on the sphere through the first row add up to K, for the NTK and m.

    - sum_j a_j 2^-j = K(1/2), as compiled code computes it.
    - sum_j a_j = K(1). What 257 terms leave is at most four times the geometric tail that their last terms suggest: a
      power j^-p has p / (p - 1) times as much, three times for p = 3/2, the slowest (NTK of ReLU, real weights).
    - sum_{j <= k} a_j <= sum_{l <= k} N lambda_l <= K(1), within the spectrum's stated errors: t^j is a sum of
      harmonics of degree j at most. With rounded weights the two sides are equal to 1e-12 at k = 48.
    """
    name, q, d = "trace", _sphere(X), max(X.shape[1], 2)
    try:
        series = {o: kernel.on_sphere(q, o).taylor_series(TERMS) for o in OUTPUTS[:2]}
    except NumericalError as refusal:
        return silent(name, str(refusal))
    half = np.zeros((2, d))
    half[:, :2] = math.sqrt(float(q) * d) * np.array([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    values = by_output(kernel, half)
    trials: list[Trial] = []
    for o, s in series.items():
        if s.total != 0:
            trials += [
                (deviation, tolerance, f"{sum_} of {o} at q = {float(q):.4g}")
                for deviation, tolerance, sum_ in _sums(s, float(values[o][0, 1]), d)
            ]
    return worst(name, trials)


def _sums(series: TaylorSeries, at_half: float, dim: int) -> list[Trial]:
    """The three sums of `trace`, in units of K(1)."""
    a, K1 = (series.coefficients / series.total).astype(np.float64), series.total
    error = float(series.relative_error @ abs(a)) + ROUNDING
    polynomial = float(np.polynomial.polynomial.polyval(0.5, a))
    missing = 1 - math.fsum(a)
    trials: list[Trial] = [
        (abs(polynomial - at_half / K1), error, "sum of a_j 2^-j"),
        (max(-missing, missing - 4 * _geometric_tail(a)), error, "sum of a_j"),
    ]
    if (a < 0).any():
        return [*trials, (float(-a.min()), 0.0, "negative Taylor coefficient")]
    spectrum = zonal_eigenvalues(series.coefficients, dim, DEGREES, K1, series.relative_error)
    shares = spectrum.multiplicity * spectrum.eigenvalue / K1
    found, stated = math.fsum(shares), float(shares @ spectrum.rel_error) + ROUNDING
    outside = max(found - 1, math.fsum(a[: DEGREES + 1]) - found)
    return [*trials, (outside, stated, f"sum of N lambda_k in {dim} dimensions")]


def width_limit(
    kernel: Kernel, rng: np.random.Generator | int | None = 0, width: int = 128, networks: int = 64
) -> Finding:
    """The quasi network of finite width approaches the kernel: its m and NTK, for three rows.

    Each estimate is 2 Y_2n - Y_n, n = width, of one draw of latents (the narrow network is a part of the wide
    one), which removes the bias of order 1 / n. Not part of `properties`, because it is sampled.

    Parameters
    ----------
    kernel : Kernel
    rng : numpy.random.Generator or int, optional
    width, networks : int

    Returns
    -------
    Finding
        Its tolerance is six standard errors, which a correct kernel exceeds once in 10^8, and BIAS / width^2.

    Notes
    -----
    0.05 s a network, 0.15 s with Hermite series. 64 networks of width 128 tell errors of some 10 %.
    """
    rng, network = np.random.default_rng(rng), kernel.network
    X = np.array([[1.5, 0.3, -0.4], [0.2, 1.1, 0.6], [-0.9, 0.5, 0.3]])
    samples: dict[str, list[Floats]] = {"ntk": [], "nngp": []}
    for _ in range(networks):
        key = int(rng.integers(2**63))
        try:
            narrow, wide = (
                quasi_network(network, sample_network(network, n, key)) for n in (width, 2 * width)
            )
            samples["nngp"].append(2 * wide.nngp(X) - narrow.nngp(X))
            samples["ntk"].append(2 * wide.ntk(X) - narrow.ntk(X))
        except NoClosedForm as refusal:
            return silent("width", str(refusal))
    claimed, apart = matrices(kernel, X), {}
    for o, draws in samples.items():
        apart[o] = abs(np.mean(draws, axis=0) - claimed[o].values)
        error = np.std(draws, axis=0, ddof=1) / math.sqrt(networks)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(error > 0, error / claimed[o].scale, 0.0)
        claimed[o] = replace(claimed[o], tolerance=6 * relative + BIAS / width**2)
    return entrywise("width", apart, claimed)


def _apart(found: Mapping[str, Matrix], again: Mapping[str, Floats]) -> dict[str, Floats]:
    return {o: abs(K.values - again[o]) for o, K in found.items()}


def _minus(larger: Mapping[str, Matrix], smaller: Mapping[str, Matrix]) -> dict[str, Matrix]:
    """The differences that should be positive semi-definite, in the units of the larger one."""
    signs = {"ntk": 1, "nngp": 1, "rounding": -1}
    return {
        o: replace(a, values=signs[o] * (a.values - b.values), tolerance=a.tolerance + b.tolerance)
        for (o, a), b in zip(larger.items(), smaller.values(), strict=True)
    }


def _fractions(kernel: Kernel) -> dict[str, Fraction]:
    return {key: r for key, r in kernel.parameters.items() if key.startswith("latent_fraction")}


def _unrounded(kernel: Kernel) -> Kernel:
    """The kernel with all latent fractions 1, less the gap, and second moments those of real weights."""
    ones = {
        "latent_fraction": 1 - exact(_gap(kernel), "gap"),
        "second_moment": exact(1, "second_moment"),
    }
    names = [(key, start) for key in kernel.parameters for start in ones if key.startswith(start)]
    return kernel.with_parameters(**{key: ones[start] for key, start in names})


def _gap(kernel: Kernel) -> float:
    """How far correlations stay away from 1 where the pair's formulas divide 0 by 0: those with thresholds or
    exponentials lose all digits within some eps of it.
    """
    return 1e-9 if kernel.ir.pair.functions() & {"tail", "quadrant", "sinh_scaled"} else 0.0


def _by_numpy(kernel: Kernel, x: Floats, y: Floats) -> dict[str, float]:
    """The outputs of one pair by the pair's formulas, which nothing is compiled for."""
    q_x, q_y, m_0 = (float(u @ v) / len(x) for u, v in ((x, x), (y, y), (x, y)))
    m_0 *= 1 - _gap(kernel)
    with np.errstate(all="ignore"):
        values = build(kernel.source("numpy")).pair(q_x, q_y, m_0, *kernel.parameter_values)
    return dict(zip(OUTPUTS, map(float, values), strict=True))


def _few_pairs(n: int) -> list[tuple[int, int]]:
    """Of `sample_rows`: generic, duplicate, antiparallel; parallel, tiny, large."""
    pairs = [(0, 1), (0, 6), (1, 7), (2, 8), (3, 10), (4, 11)]
    return [(i, j) for i, j in pairs if max(i, j) < n] or [(0, 0)]


def _sphere(X: Floats) -> Fraction:
    """|x|^2 / d of the first row that is not 0."""
    norms = [float(x @ x) for x in X if x.any()]
    return exact(norms[0] if norms else X.shape[1], "q") / int(X.shape[1])


def _geometric_tail(a: Floats) -> float:
    """What follows the last terms, two by two because every other one may vanish, if they fall on at the same rate."""
    last, before = float(a[-2:].sum()), float(a[-4:-2].sum())
    if last <= 0:
        return 0.0
    ratio = last / before if before > 0 else 1.0
    return last * ratio / (1 - ratio) if ratio < 1 else math.inf

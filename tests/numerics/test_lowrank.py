"""Operators, low-rank factors and ridge regression against dense linear algebra."""

import numpy as np
import pytest
from scipy.linalg import eigvalsh

import quasintk as qn
from derive.errors import NotEnoughMemory, NumericalError
from numerics import operator
from numerics.lowrank import cholesky
from numerics.ridge import ridge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(900, 3))
KERNELS = {"cosine": qn.kernel("relu", depth=2), "pairs": qn.kernel("erf", b_std="0.3")}
EPS = np.finfo(float).eps


@pytest.mark.parametrize("name", KERNELS)
def test_products_of_the_operator(name, monkeypatch):
    monkeypatch.setattr(operator, "STRIP", 2**20)
    kernel, V = KERNELS[name], RNG.normal(size=(900, 4))
    K, whole = kernel.operator(X), kernel(X)
    allowed = 900 * EPS * (np.abs(whole) @ np.abs(V))
    for product in (K @ V, K.matmat(V), K.T @ V, K.H @ V, (2 * K) @ V / 2):
        assert (np.abs(product - whole @ V) <= allowed).all()
    assert np.array_equal((K @ V[:, 0]).shape, (900,))
    assert (np.abs(K @ (V + 2j * V) - (1 + 2j) * (whole @ V)) <= 3 * allowed).all()
    assert np.iscomplexobj(K @ (1j * V[:, 0]))
    assert np.array_equal(K.diagonal(), np.diag(whole))
    assert np.allclose(kernel.operator(X, "nngp") @ V, kernel(X, get="nngp") @ V)
    assert (kernel.operator(X[:0]) @ V[:0]).shape == (0, 4)


@pytest.mark.parametrize("pivots", ["random", "greedy"])
@pytest.mark.parametrize("name", KERNELS)
def test_a_factor(name, pivots):
    """Exact in the pivots' rows, positive remainder, and the trace that is left is what is said."""
    kernel, whole = KERNELS[name], KERNELS[name](X)
    low = cholesky(kernel, X, 60, pivots=pivots)
    rest = whole - low.factor @ low.factor.T
    rounding = 900 * EPS * np.trace(whole)
    assert len(set(low.pivots)) == 60
    assert np.abs(rest[low.pivots]).max() <= rounding
    assert eigvalsh(rest)[0] >= -rounding
    assert low.error == pytest.approx(np.trace(rest) / np.trace(whole), rel=1e-9)
    assert low.trace == pytest.approx(np.trace(whole))
    corner = low.factor[low.pivots]
    assert np.array_equal(corner, np.tril(corner)) or np.abs(np.triu(corner, 1)).max() <= rounding
    V = RNG.normal(size=(900, 2))
    assert np.allclose(low @ V, (low.factor @ low.factor.T) @ V)
    assert np.allclose(low.features(X), low.factor, atol=1e-6 * np.abs(low.factor).max())


def test_random_pivots_are_near_the_best():
    """Expected trace error: within a factor of the best rank-k one, for a few more columns (their theorem 2.3)."""
    kernel, whole = KERNELS["cosine"], KERNELS["cosine"](X)
    values = eigvalsh(whole)[::-1]
    best = values[30:].sum() / values.sum()
    errors = [cholesky(kernel, X, 60, seed=seed).error for seed in range(5)]
    assert np.mean(errors) < 2 * best


def test_proposals_are_thinned_to_the_law_of_single_draws():
    """Pairs of first pivots of a small matrix against their exact probabilities, by chi^2; 1 in 10^6 by chance."""
    from scipy.stats import chi2

    kernel, rows = KERNELS["cosine"], X[:4]
    K = kernel(rows)
    law = np.zeros((4, 4))
    for i in range(4):
        rest = np.diag(K) - K[:, i] ** 2 / K[i, i]
        rest[i] = 0
        law[i] = K[i, i] / np.trace(K) * rest / rest.sum()
    counts, draws = np.zeros((4, 4)), 2000
    for seed in range(draws):
        i, j = cholesky(kernel, rows, 2, seed=seed).pivots
        counts[i, j] += 1
    off = ~np.eye(4, dtype=bool)
    statistic = ((counts - draws * law)[off] ** 2 / (draws * law[off])).sum()
    assert statistic < chi2.isf(1e-6, 11)


def test_tolerances_and_whole_ranks():
    kernel = KERNELS["cosine"]
    low = cholesky(kernel, X, 900, tolerance=1e-3)
    assert low.error <= 1e-3
    assert low.factor.shape[1] < 900
    whole = cholesky(kernel, X[:100], 500)
    assert np.allclose(whole.factor @ whole.factor.T, kernel(X[:100]))
    twice = cholesky(kernel, np.repeat(X[:20], 3, axis=0), 60)
    assert twice.factor.shape[1] <= 20
    assert twice.error < 1e-12


@pytest.mark.parametrize("outputs", [(), (3,)])
def test_ridge_on_the_factor(outputs):
    kernel, y = KERNELS["cosine"], RNG.normal(size=(900, *outputs))
    fit = ridge(kernel, X, y, 0.5, rank=80)
    F = fit.low_rank.factor
    expected = np.linalg.solve(F @ F.T + 0.5 * np.eye(900), y)
    assert np.allclose(fit.coefficients, expected, atol=1e-10)
    assert fit.residual < 1e-10
    new = RNG.normal(size=(7, 3))
    corner = np.linalg.inv(kernel(fit.low_rank.rows))
    assert np.allclose(
        fit.predict(new),
        kernel(new, fit.low_rank.rows) @ corner @ kernel(fit.low_rank.rows, X) @ expected,
        atol=1e-6,
    )


@pytest.mark.parametrize("outputs", [(), (3,)])
def test_exact_ridge(outputs):
    kernel, y = KERNELS["pairs"], RNG.normal(size=(900, *outputs))
    fit = ridge(kernel, X, y, 0.1, rank=100, exact=True)
    expected = np.linalg.solve(kernel(X) + 0.1 * np.eye(900), y)
    assert fit.residual <= 1e-8
    assert np.abs(fit.coefficients - expected).max() <= 1e-8 * np.abs(y).max() * 900**0.5 / 0.1
    assert 0 < fit.iterations < 60
    new = RNG.normal(size=(7, 3))
    assert np.allclose(fit.predict(new), kernel(new, X) @ expected, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: cholesky(k, X, 0), ValueError, "rank"),
        (lambda k: cholesky(k, X, 2.5), ValueError, "rank"),
        (lambda k: cholesky(k, X, 5, pivots="best"), ValueError, "pivots"),
        (lambda k: cholesky(k, X, 5, tolerance=1.0), ValueError, "tolerance"),
        (lambda k: cholesky(k, X, 5, seed=-1), ValueError, "seed"),
        (lambda k: cholesky(k, X[:0], 5), ValueError, "no rows"),
        (lambda k: cholesky(lambda x: x, X, 5), TypeError, "kernel"),
        (lambda k: cholesky(k, np.broadcast_to(X[:1], (10**8, 3))[:10], 5, get="all"), ValueError, "all"),
        (lambda k: ridge(k, X, X[:5, 0], 1), ValueError, r"\(900,\)"),
        (lambda k: ridge(k, X, X[:, 0] * np.nan, 1), ValueError, "finite"),
        (lambda k: ridge(k, X, X[:, 0], 0), ValueError, "penalty"),
        (lambda k: ridge(k, X, X[:, 0], 1e-13, rank=2, exact=True), NumericalError, "iterations"),
        (lambda k: k.operator([1.0]), ValueError, "rows"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(KERNELS["cosine"])


def test_too_large_a_factor(monkeypatch):
    monkeypatch.setattr("numerics.memory.available_bytes", lambda: 10**6)
    with pytest.raises(NotEnoughMemory, match="factor of 900 x 500"):
        cholesky(KERNELS["cosine"], X, 500)

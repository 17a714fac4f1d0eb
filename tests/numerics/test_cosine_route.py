"""Gram matrices as polynomials of the cosine: against the interpreter and the pair route, and the same bytes on every way."""

import threading

import mpmath
import numpy as np
import pytest
from gram_errors import off

import quasintk as qn
from derive.ir import OUTPUTS
from numerics.cosine_route import MANY, cosine_route
from numerics.interpret import MULTIPRECISION, interpret
from numerics.pair_route import pair_route
from numerics.pool import one_blas_thread

DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)
HOMOGENEOUS = {
    "binary": qn.kernel("relu", depth=3, W_std="1.4142"),
    "16 levels": qn.kernel("relu", depth=3, weights=16, W_std="1.4142"),
    "real": qn.kernel("relu", depth=3, weights="real", W_std="1.4142"),
    "abs, real": qn.kernel("abs(x)", depth=2, weights="real"),
    "leaky, ternary": qn.kernel("leaky_relu", depth=2, weights="ternary"),
    "relu^2, 256 levels": qn.kernel("max(x, 0)**2", depth=2, weights=256),
}
SPHERICAL = {
    "erf, biased": qn.kernel("erf", depth=2, weights="ternary", b_std="0.3"),
    "relu, real, biased": qn.kernel("relu", depth=2, weights="real", b_std="0.3"),
    "gelu": qn.kernel("gelu", depth=2, W_std="1.5"),
}


def rows(n, d=9, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.geomspace(0.1, 10, n)[:, None]


def on_sphere(n, d=9, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1)[:, None]


def pairwise(kernel, X, outputs=OUTPUTS):
    result = np.empty((len(outputs), len(X), len(X)))
    pair_route(kernel, outputs, np.dtype(np.float64), X).symmetric(result)
    return result


@pytest.mark.parametrize("name", HOMOGENEOUS)
@pytest.mark.parametrize(("dtype", "allowed"), [(DOUBLE, 3e-13), (SINGLE, 2e-6)], ids=str)
def test_homogeneous_kernels_agree_with_the_pair_route(name, dtype, allowed):
    """1e-13 of the polynomial; the pair route's own angle errs by 1e-16 / angle, and random rows are 0.1 apart."""
    kernel, X = HOMOGENEOUS[name], rows(300)
    assert cosine_route(kernel, OUTPUTS, dtype, X) is not None
    found = kernel(X.astype(dtype), get=OUTPUTS)
    ntk, nngp, rounding = pairwise(kernel, X.astype(dtype).astype(float))
    for matrix, expected, scale in zip(
        found, (ntk, nngp, rounding), (ntk, nngp, nngp + rounding), strict=True
    ):
        assert matrix.dtype == dtype
        assert np.array_equal(matrix, matrix.T)
        assert off(matrix, expected, scale) < allowed


@pytest.mark.parametrize("name", SPHERICAL)
def test_one_sphere(name):
    """Without homogeneity, where many rows have one norm; a row that leaves the sphere changes the route."""
    kernel, X = SPHERICAL[name], on_sphere(MANY + 10)
    assert cosine_route(kernel, ("ntk",), DOUBLE, X) is not None
    assert cosine_route(kernel, ("ntk",), DOUBLE, X[: MANY - 1]) is None
    found = kernel(X)
    assert off(found, pairwise(kernel, X, ("ntk",))[0]) < 3e-13
    X[7] *= 1 + 1e-12
    assert cosine_route(kernel, ("ntk",), DOUBLE, X) is None
    assert off(kernel(X), found) < 1e-11


@pytest.mark.parametrize("name", ["real", "16 levels", "binary"])
@pytest.mark.parametrize("angle", [1e-1, 1e-2, 3e-3, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("sign", [1, -1])
def test_nearly_parallel_rows(name, angle, sign):
    """From the rows themselves, in exact arithmetic: the angle of the rounded rows, to 40 digits."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 20))
    y = sign * (x * np.cos(angle) + z * np.sin(angle) * np.linalg.norm(x) / np.linalg.norm(z)) * 1.7
    kernel = HOMOGENEOUS[name]
    found = kernel(np.stack([x, y]))[0, 1]
    with mpmath.workdps(60):
        a, b = ([mpmath.mpf(v) for v in row] for row in (x, y))
        q_x, q_y, m_0 = (mpmath.fdot(u, v) / 20 for u, v in ((a, a), (b, b), (a, b)))
        inputs = {"q_x": q_x, "q_y": q_y, "m_0": m_0}
        exact = interpret(kernel.ir.pair, {**kernel.parameters, **inputs}, MULTIPRECISION)["ntk"]
    scale = np.sqrt(np.prod(kernel.diag(np.stack([x, y]))))
    assert abs(found - float(exact)) < 2e-13 * scale


def test_rows_of_zeros_and_opposite_rows():
    X = rows(5)
    X[1], X[2], X[3] = 0, X[0], -2 * X[0]
    for kernel in HOMOGENEOUS.values():
        K = kernel(X)
        assert not K[1].any()
        assert np.array_equal(K[2], K[0])
        assert K[0, 2] == K[0, 0] == kernel.diag(X)[0]
        expected = pairwise(kernel, X, ("ntk",))[0]
        assert abs(K[0, 3] - expected[0, 3]) < 1e-12 * np.sqrt(expected[0, 0] * expected[3, 3])
    assert not HOMOGENEOUS["real"](np.zeros((3, 4))).any()


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
@pytest.mark.parametrize("d", [3, 784])
def test_the_same_bytes_whatever_is_asked_for(dtype, d):
    """The whole, blocks of rows in any order, rows permuted, one output or three, the diagonal alone."""
    kernel, X = HOMOGENEOUS["real"], rows(600, d).astype(dtype)
    whole = kernel(X)
    assert np.array_equal(qn.gram(kernel, X), whole)
    order = np.random.default_rng(1).permutation(600)
    assert np.array_equal(kernel(X[order]), whole[np.ix_(order, order)])
    for part in (slice(590, 600), slice(0, 300), slice(255, 258)):
        assert np.array_equal(kernel(X[part], X), whole[part])
        assert np.array_equal(kernel(X, X[part]), whole[:, part])
    assert np.array_equal(kernel(X, get=OUTPUTS)[0], whole)
    assert np.array_equal(kernel.diag(X), np.diag(whole))


def test_two_calls_at_once():
    """Each on all cores; BLAS has its threads back behind the last."""
    from threadpoolctl import threadpool_info

    kernel, X = HOMOGENEOUS["binary"], rows(700)
    expected, results = kernel(X), {}
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def call(name):
        results[name] = kernel(X)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    with one_blas_thread():
        assert {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"} == {1}
    for thread in threads:
        thread.join()
    assert all(np.array_equal(results[i], expected) for i in range(4))
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before


def test_what_has_no_such_route():
    """Kernels that are not homogeneous on few rows or many norms; norms whose powers leave float64."""
    X = rows(MANY)
    assert cosine_route(SPHERICAL["gelu"], ("ntk",), DOUBLE, X) is None
    one = HOMOGENEOUS["relu^2, 256 levels"]
    assert cosine_route(one, ("ntk",), DOUBLE, X * 1e100) is None
    assert cosine_route(one, ("ntk",), DOUBLE, X[:0]) is None
    assert one(X[:0]).shape == (0, 0)

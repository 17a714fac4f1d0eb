"""Eigenvalues of Gram matrices: known matrices, bounds that hold on every route, refusals."""

import json

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse import eye_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from derive.errors import NotEnoughMemory, NumericalError, StoreMismatch
from numerics import gram_spectrum as module
from numerics import operator
from numerics.cosine_route import CosineRoute
from numerics.gram import gram
from numerics.gram_spectrum import gram_spectrum
from numerics.krylov import EPS, Ritz
from quasintk.pipeline import kernel

DATA = np.random.default_rng(1).normal(size=(1050, 8))
ROUNDED, REAL = kernel("relu", depth=2), kernel("relu", depth=2, weights="real")


def within(found, exact):
    """The bound is an eigenvalue's distance in K as given; LAPACK's own error is n eps |K| at most, the floor."""
    assert (np.abs(found.value - exact[: len(found.value)]) <= found.bound + found.floor).all()


def descending(K):
    return eigh(np.asarray(K, dtype=np.float64), eigvals_only=True)[::-1]


def test_a_known_spectrum_lies_within_the_bounds():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(50, 50)))
    exact = 2.0 ** -np.arange(50)
    K = basis @ np.diag(exact) @ basis.T
    found = gram_spectrum((K + K.T) / 2, top=20)
    within(found, exact)
    assert found.route == "dense"
    assert found.trace == pytest.approx(exact.sum())
    assert found.above_floor.all()
    assert not gram_spectrum((K + K.T) / 2, top=50).above_floor.all()


def test_a_kernel_with_data():
    found = gram_spectrum(REAL, DATA[:40])
    assert len(found.value) == 40
    assert (np.diff(found.value) <= 0).all()
    assert found.value.sum() == pytest.approx(found.trace)
    assert np.array_equal(found.value, gram_spectrum(REAL(DATA[:40])).value)
    assert json.loads(json.dumps(found.to_dict()))["route"] == "dense"


@pytest.mark.parametrize("one", [ROUNDED, REAL], ids=["binary", "real"])
def test_every_route_agrees_with_lapack(one):
    K = one(DATA)
    exact = descending(K)
    with_memory = {
        "stored": gram_spectrum(one, DATA, top=100),
        "array": gram_spectrum(K, top=100),
        "operator": gram_spectrum(aslinearoperator(K), top=100),
        "computed": gram_spectrum(one, DATA, top=100, memory="1MB"),
        "many": gram_spectrum(K, top=400),
    }
    for name, found in with_memory.items():
        within(found, exact)
        assert found.route == ("dense" if name == "many" else "krylov")
        assert (found.bound <= 3 * found.floor).all()  # converged to n eps |K|, with twice that for rounding
        assert found.floor == pytest.approx(len(K) * EPS * exact[0])
        assert found.trace == (None if name == "operator" else pytest.approx(exact.sum()))
    assert with_memory["computed"].passes < with_memory["stored"].passes


def test_rows_computed_on_demand_never_make_the_matrix(monkeypatch):
    sizes, compute = [], CosineRoute.block

    def watched(route, low, high, result):
        sizes.append(result.size)
        return compute(route, low, high, result)

    monkeypatch.setattr(CosineRoute, "block", watched)
    monkeypatch.setattr(module, "gram", None)
    monkeypatch.setattr(operator, "STRIP", 2**20)
    n = len(DATA)
    found = gram_spectrum(REAL, DATA, top=5, memory="1MB")
    assert max(sizes) <= 256 * n
    assert sum(sizes) <= found.passes * (n + 256) * n / 2  # half of K, and half of each strip's last square
    within(found, descending(REAL(DATA)))


def test_beyond_the_dense_route():
    diagonal = 0.5 ** np.arange(25_000)
    K = LinearOperator((25_000, 25_000), matvec=lambda v: diagonal * v.ravel(), dtype=np.float64)
    found = gram_spectrum(K, top=5)
    assert found.route == "krylov"
    assert found.trace is None
    within(found, diagonal)


@pytest.mark.parametrize("memory", ["1GB", "1MB"], ids=["copied", "in strips"])
@pytest.mark.parametrize(
    "given",
    [
        lambda K: K.astype(np.float32),
        lambda K: np.round(1000 * K).astype(np.int64),
        lambda K: np.asfortranarray(K),
        lambda K: np.repeat(np.repeat(K, 2, axis=0), 2, axis=1)[::2, 1::2],
        lambda K: K + np.triu(np.full(K.shape, 1e-8), 1),
        lambda K: (K + np.triu(np.full(K.shape, 1e-8), 1)).astype(np.float32),
        lambda K: K.astype(">f8"),
    ],
    ids=["float32", "integers", "Fortran", "strided", "asymmetric", "asymmetric-float32", "big-endian"],
)
def test_arrays_of_every_kind(given, memory):
    K = given(REAL(DATA))
    K.flags.writeable = False
    found = gram_spectrum(K, top=20, memory=memory)
    exact = np.asarray(K, dtype=np.float64)
    within(found, descending((exact + exact.T) / 2))
    assert found.floor / (len(K) * found.value[0]) == pytest.approx(
        EPS if K.dtype != np.float32 else 2.0**-23
    )
    assert (found.bound <= 3 * len(K) * EPS * found.value[0]).all()


@pytest.mark.parametrize("n", [60, 1050])
def test_the_largest_of_an_indefinite_matrix_are_so_algebraically(n):
    basis, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(n, n)))
    exact = np.r_[3.0, 2.0, -np.linspace(0.1, 50.0, n - 2)]
    K = (basis * exact) @ basis.T
    found = gram_spectrum((K + K.T) / 2, top=4)
    within(found, exact)
    assert found.floor == pytest.approx(n * EPS * 50, rel=1e-6)


def test_where_krylov_does_not_converge_lapack_takes_over():
    """-0.95^i: hundreds of values pile up at the end that is asked for."""
    basis, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(1050, 1050)))
    exact = -(0.95 ** np.arange(1050))
    K = (basis * exact) @ basis.T
    found = gram_spectrum((K + K.T) / 2, top=20)
    within(found, exact[::-1])
    assert found.route == "dense"


@pytest.mark.parametrize("n", [1, 7, 1050])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-300, 1e300])
def test_multiples_of_the_identity(n, scale):
    found = gram_spectrum(scale * np.eye(n), top=5)
    within(found, np.full(n, scale))
    assert len(found.value) == min(n, 5)
    assert found.above_floor.all() == (scale > 0)


def refused():
    triangle = np.triu(np.ones((2, 2)))
    long = np.eye(1500)
    long[1400, 3] = np.inf
    mask = np.ma.masked_array(np.eye(2), [[True, False], [False, False]])
    return {
        "not square": ((np.ones((2, 3)),), ValueError, r"square.*\(2, 3\)"),
        "no rows": ((np.ones((0, 0)),), ValueError, "not empty"),
        "one dimension": ((np.ones(3),), ValueError, r"square.*\(3,\)"),
        "text": ((np.array([["a"]]),), TypeError, "real numbers"),
        "complex": ((np.eye(2) * 1j,), TypeError, "real numbers"),
        "nothing": ((None,), TypeError, "real numbers"),
        "masked": ((mask,), TypeError, "masked"),
        "sparse": ((eye_array(3),), TypeError, "aslinearoperator"),
        "NaN": ((np.array([[np.nan]]),), ValueError, "row 0"),
        "infinity": ((long,), ValueError, "row 1400"),
        "triangle": ((triangle,), ValueError, r"not symmetric: entries \(0, 1\) and \(1, 0\) differ by 1"),
        "kernel alone": ((ROUNDED,), TypeError, "needs data"),
        "X with a matrix": ((np.eye(2), np.eye(2)), TypeError, "goes with a kernel"),
        "X with NaN": ((ROUNDED, [[np.nan, 1.0]]), ValueError, "row 0, column 0"),
        "X without rows": ((ROUNDED, np.ones((0, 3))), ValueError, "no rows"),
        "operator, oblong": ((aslinearoperator(np.ones((2, 3))),), ValueError, r"square.*\(2, 3\)"),
        "operator, complex": ((aslinearoperator(np.eye(2) * 1j),), TypeError, "is real, got dtype complex"),
        "operator, lying": (
            (LinearOperator((3, 3), matvec=lambda v: 1j * v, dtype=np.float64),),
            TypeError,
            "product with real vectors has dtype complex",
        ),
        "operator, triangle": ((aslinearoperator(np.triu(np.ones((50, 50)))),), ValueError, "not symmetric"),
        "operator, NaN": ((aslinearoperator(np.full((50, 50), np.nan)),), ValueError, "NaN or infinity"),
    }


@pytest.mark.parametrize(("arguments", "error", "message"), refused().values(), ids=refused().keys())
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        gram_spectrum(*arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [("top", 0), ("top", -1), ("top", True), ("top", 2.5), ("seed", -1), ("seed", 1.5), ("memory", "much")],
)
def test_numbers_that_are_none(name, value):
    with pytest.raises(ValueError, match=f"{name} must"):
        gram_spectrum(np.eye(3), **{name: value})


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("numerics.memory.available_bytes", lambda: 10**4)
    with pytest.raises(NotEnoughMemory, match="eigenvalue problem of 50 rows"):
        gram_spectrum(np.eye(50))


def test_an_iteration_that_fails(monkeypatch):
    """An operator is an error, with a next step; a matrix that LAPACK can do is left to it."""
    hopeless = Ritz(np.array([2.0, 1.0]), np.array([0.1, 1.5]), 2.0, 200, 6400)
    monkeypatch.setattr(module, "largest", lambda *_, **__: hopeless)
    K = np.diag(np.r_[5.0, 4.0, np.ones(1500)])
    with pytest.raises(
        NumericalError, match=r"eigenvalue 2 of 2 has no certain digit: 1.000e\+00 within 1.5e"
    ):
        gram_spectrum(aslinearoperator(K), top=2)
    found = gram_spectrum(K, top=2)
    assert found.route == "dense"
    within(found, np.array([5.0, 4.0]))


def test_stores_and_checkpoints(tmp_path, monkeypatch):
    """Read tile by tile, and taken up after an interrupted pass."""
    stored = gram(ROUNDED, DATA, out=tmp_path / "G.zarr", tile=256)
    expected = gram_spectrum(ROUNDED, DATA, top=20)
    within(gram_spectrum(stored, top=20), expected.value)
    passes, multiply, options = (
        [],
        type(stored).__matmul__,
        {"top": 20, "memory": "1MB", "checkpoint": tmp_path / "c.npz"},
    )

    def interrupted(K, V):
        passes.append(V.shape[1])
        if len(passes) == 3:
            raise KeyboardInterrupt
        return multiply(K, V)

    monkeypatch.setattr(type(stored), "__matmul__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gram_spectrum(stored, **options)
    assert (tmp_path / "c.npz").exists()
    with pytest.raises(StoreMismatch, match="another computation"):
        gram_spectrum(stored, **{**options, "top": 21})
    found = gram_spectrum(stored, **options)
    within(found, expected.value)
    assert found.passes == len(passes) - 1
    assert not (tmp_path / "c.npz").exists()
    (tmp_path / "c.npz").write_bytes(b"PK")
    with pytest.raises(StoreMismatch, match="damaged"):
        gram_spectrum(stored, **options)
    with pytest.raises(ValueError, match=r"\.npz"):
        gram_spectrum(stored, checkpoint="c.txt", memory="1MB")

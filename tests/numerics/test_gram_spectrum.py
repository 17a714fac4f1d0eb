"""Eigenvalues of Gram matrices: known matrices, bounds that hold, refusals."""

import numpy as np
import pytest

from numerics.gram_spectrum import gram_spectrum
from quasintk.pipeline import kernel


def test_a_known_spectrum_lies_within_the_bounds():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(50, 50)))
    exact = 2.0 ** -np.arange(50)
    K = basis @ np.diag(exact) @ basis.T
    found = gram_spectrum((K + K.T) / 2, top=20)
    assert (np.abs(found.value - exact[:20]) <= found.bound + found.floor).all()
    assert found.trace == pytest.approx(exact.sum())
    assert found.above_floor.all()
    assert not gram_spectrum((K + K.T) / 2, top=50).above_floor.all()


def test_a_kernel_with_data():
    X = np.random.default_rng(1).normal(size=(40, 3))
    one = kernel("relu")
    found = gram_spectrum(one, X)
    assert len(found.value) == 40
    assert (np.diff(found.value) <= 0).all()
    assert found.value.sum() == pytest.approx(found.trace)
    assert np.array_equal(found.value, gram_spectrum(one(X)).value)


@pytest.mark.parametrize(
    ("K", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"square.*\(2, 3\)"),
        (np.ones((0, 0)), ValueError, "not empty"),
        (np.array([["a"]]), TypeError, "real numbers"),
        (np.array([[np.nan]]), ValueError, "row 0"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), ValueError, "not symmetric: entries"),
        (np.broadcast_to(1.0, (20_001, 20_001)), ValueError, "up to 20000"),
        (kernel("relu"), TypeError, "needs data"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refusals(K, error, message):
    with pytest.raises(error, match=message):
        gram_spectrum(K)


@pytest.mark.parametrize("top", [0, True, 2.5])
def test_top_is_a_positive_integer(top):
    with pytest.raises(ValueError, match="top must be"):
        gram_spectrum(np.eye(3), top=top)

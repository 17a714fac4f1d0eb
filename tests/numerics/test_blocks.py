"""Inner products: exact sums, one order of summation."""

import math

import numpy as np
import pytest

from numerics import blocks
from numerics.pool import one_blas_thread


def products(A, B):
    """Of two blocks, filled up."""
    out, room = np.empty((len(A), len(B))), np.empty((blocks.SIDE, blocks.SIDE))
    norms = blocks.squared_norms(A), blocks.squared_norms(B)
    units = map(blocks.unit_rows, (A, B), norms)
    with one_blas_thread():
        blocks.inner_products(*units, A, B, *map(np.sqrt, norms), room, out)
    return out


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (4, 8), (9, 5), (256, 3)])
def test_inner_products(shape):
    """To d eps |x| |y|, also of rows whose squares are large and small."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=shape) * 1e60, rng.normal(size=(6, shape[1])) * 1e-60
    exact = np.array([[math.fsum(x * y) / shape[1] for y in B] for x in A])
    scale = np.linalg.norm(A, axis=1)[:, None] * np.linalg.norm(B, axis=1)
    assert (np.abs(products(A, B) - exact) <= np.finfo(float).eps * scale).all()


@pytest.mark.parametrize("d", [1, 2, 13, 784])
def test_equal_rows_give_the_squared_norm_to_the_bit(d):
    A = np.random.default_rng(1).normal(size=(11, d))
    assert np.array_equal(np.diag(products(A, A)), blocks.squared_norms(A))
    assert np.array_equal(products(A, A), products(A, A).T)


@pytest.mark.parametrize("d", [1, 3, 8, 33, 784])
def test_bits_do_not_depend_on_the_place_in_a_block(d):
    """What makes the bytes of a Gram matrix those of any blocks of its rows."""
    rng = np.random.default_rng(2)
    A, B = rng.normal(size=(200, d)), rng.normal(size=(150, d))
    whole, rows, columns = products(A, B), rng.permutation(200)[:77], rng.permutation(150)[:99]
    assert np.array_equal(products(A[rows], B[columns]), whole[np.ix_(rows, columns)])
    assert np.array_equal(products(B, A), whole.T)


@pytest.mark.parametrize("n", [0, 1, 256, 257, 1000])
def test_the_partition_covers_every_row_once(n):
    rows = [i for part in blocks.ranges(n) for i in range(part.start, part.stop)]
    assert rows == list(range(n))

"""Inner products: exact sums, one order of summation."""

import math

import numpy as np
import pytest

from numerics import blocks


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (4, 8), (9, 5), (256, 3)])
def test_inner_products(shape):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=shape), rng.normal(size=(6, shape[1]))
    out = np.empty((len(A), len(B)))
    blocks.inner_products(A, B, out)
    exact = [[math.fsum(x * y) / shape[1] for y in B] for x in A]
    assert out == pytest.approx(np.array(exact), abs=1e-15 * shape[1])


def test_equal_rows_give_the_squared_norm_to_the_bit():
    A = np.random.default_rng(1).normal(size=(11, 13))
    out = np.empty((11, 11))
    blocks.inner_products(A, A, out)
    assert np.array_equal(np.diag(out), blocks.squared_norms(A))


@pytest.mark.parametrize("n", [0, 1, 256, 257, 1000])
def test_the_partition_covers_every_row_once(n):
    rows = [i for part in blocks.ranges(n) for i in range(part.start, part.stop)]
    assert rows == list(range(n))

"""The generator: published vectors, and a second implementation in NumPy."""

import numpy as np
import pytest
from numba import njit
from philox_numpy import philox

from verify.philox import block, fill_normal, fill_uniform, normals

WORDS = np.iinfo(np.uint32).max


@njit
def compiled(a, b, c, d, key):
    return block(a, b, c, d, key)


def words(counter, key):
    return [int(word) for word in compiled(*map(np.uint64, counter), np.uint64(key))]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORDS,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_known_answers(counter, key, expected):
    """The vectors that come with Random123 (Salmon et al. 2011)."""
    assert words(counter, key) == list(expected)
    assert [int(word) for word in philox(np.array(counter, np.uint64)[:, None], key)[:, 0]] == list(expected)


def test_compiled_and_numpy_agree():
    rng = np.random.default_rng(0)
    counters = rng.integers(0, 2**32, size=(4, 50), dtype=np.uint64)
    key = int(rng.integers(2**64, dtype=np.uint64))
    expected = philox(counters, key)
    assert all(words(counters[:, n], key) == expected[:, n].tolist() for n in range(50))


def test_moments_of_uniforms_and_normals():
    """Of 10^6 draws; five standard errors each."""
    uniform, normal = np.empty((1000, 1000)), np.empty((1000, 1000))
    fill_uniform(np.uint64(5), np.uint64(0), np.uint64(0), uniform)
    fill_normal(np.uint64(5), np.uint64(1), np.uint64(0), normal)
    assert abs(uniform.mean()) < 5e-3 * 3**-0.5
    assert np.mean(uniform**2) == pytest.approx(1 / 3, abs=5e-3 * (4 / 45) ** 0.5)
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert np.mean(normal**power) == pytest.approx(expected, abs=5e-3 * variance**0.5)
    assert abs(np.mean(normal[:, ::2] * normal[:, 1::2])) < 5e-3 * 2**0.5
    assert np.abs(uniform).max() < 1


def test_the_largest_normal_is_finite():
    assert abs(normals.py_func(np.uint64(0), np.uint64(0))[0]) == pytest.approx(np.sqrt(2 * 33 * np.log(2)))

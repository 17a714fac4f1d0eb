"""Random bits as a function of a counter: Philox 4x32-10 (Salmon et al. 2011), and what is drawn from them.

Nothing has a state: every weight's bits follow from a 64-bit key and a counter of four 32-bit words (column, row,
stream, index), so that results depend neither on threads nor on how the work is split. Words are uint64 below 2^32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
TO_UNIT = 2.0**-32


@njit(inline="always")
def block(c0: Any, c1: Any, c2: Any, c3: Any, key: Any) -> Any:
    """Four random words of one counter."""
    k0, k1 = key & _LOW, key >> _HALF
    x0, x1, x2, x3 = c0 & _LOW, c1 & _LOW, c2 & _LOW, c3 & _LOW
    for _ in range(10):
        a, b = _M0 * (x0 & _LOW), _M1 * (x2 & _LOW)
        x0, x1, x2, x3 = (b >> _HALF) ^ x1 ^ k0, b & _LOW, (a >> _HALF) ^ x3 ^ k1, a & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return x0, x1, x2, x3


@njit(inline="always")
def unit(word: Any) -> Any:
    """The word as a number in (0, 1), on the centres of a grid of 2^-32: symmetric about 1/2."""
    return (np.float64(np.int64(word)) + 0.5) * TO_UNIT


@njit(inline="always")
def normals(word1: Any, word2: Any) -> Any:
    """Two independent standard normals (Box & Muller 1958); none exceeds sqrt(2 ln 2^33) = 6.8, which costs their
    second moment 1e-9.
    """
    radius, angle = math.sqrt(-2.0 * math.log(unit(word1))), 2.0 * math.pi * unit(word2)
    return radius * math.cos(angle), radius * math.sin(angle)


@njit(nogil=True)
def fill_uniform(key: Any, stream: Any, index: Any, out: Any) -> None:
    """out[i, j] uniform on (-1, 1), a symmetric grid of step 2^-31."""
    for i in range(out.shape[0]):
        for j in range(0, out.shape[1], 4):
            words = block(np.uint64(j), np.uint64(i), stream, index, key)
            for k in range(min(4, out.shape[1] - j)):
                out[i, j + k] = 2.0 * unit(words[k]) - 1.0


@njit(nogil=True)
def fill_normal(key: Any, stream: Any, index: Any, out: Any) -> None:
    """out[i, j] standard normal."""
    for i in range(out.shape[0]):
        for j in range(0, out.shape[1], 4):
            a, b, c, d = block(np.uint64(j), np.uint64(i), stream, index, key)
            values = (*normals(a, b), *normals(c, d))
            for k in range(min(4, out.shape[1] - j)):
                out[i, j + k] = values[k]

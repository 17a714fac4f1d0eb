"""Philox 4x32-10 in NumPy: the generator a second time, for tests that draw a network again."""

import numpy as np

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counters, key):
    """Words (4, n) of counters (4, n), all uint64."""
    x = np.array(counters, np.uint64)
    k = [np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
        x = np.array([(b >> HALF) ^ x[1] ^ k[0], b & LOW, (a >> HALF) ^ x[3] ^ k[1], a & LOW])
        k = [(k[0] + np.uint64(0x9E3779B9)) & LOW, (k[1] + np.uint64(0xBB67AE85)) & LOW]
    return x


def unit(word):
    """A word as a number in (0, 1)."""
    return (word.astype(float) + 0.5) * 2.0**-32


def words_of(rows, columns, stream, index, key):
    """Words (4, rows, columns) of the counters (column, row, stream, index)."""
    column, row = np.meshgrid(np.asarray(columns, np.uint64), np.asarray(rows, np.uint64))
    counters = [column.ravel(), row.ravel(), *(np.full(column.size, v, np.uint64) for v in (stream, index))]
    return philox(counters, key).reshape(4, *column.shape)


def normal_pairs(rows, columns, stream, index, key):
    """Normals (rows, 2 columns) as `verify.ensemble.draw_normal` fills them: two of each counter of an even column."""
    words = words_of(rows, np.asarray(columns)[::2], stream, index, key)
    radius, angle = np.sqrt(-2 * np.log(unit(words[0]))), 2 * np.pi * unit(words[1])
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return both.reshape(len(words[0]), -1)[:, : len(columns)]

"""Gram matrices on the disk, read like arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import StoreMismatch
from derive.notebook import html_table
from numerics.arrays import through_reals
from numerics.layouts import Tile, Zarr, tiles_of
from numerics.memory import guard
from numerics.storage import Store, existing

Floats = NDArray[np.float64]


def open_gram(path: str | os.PathLike[str]) -> StoredGram:
    """A Gram matrix that `gram` has written to "G.zarr".

    Raises
    ------
    FileNotFoundError
        If there is no such store.
    StoreMismatch
        If it is damaged; tiles are checked when they are first read.
    """
    store = existing(Path(path))
    return StoredGram(store, store.committed())


@dataclass(frozen=True, eq=False)
class StoredGram:
    """A symmetric matrix (n, n) in a store: `K[i]`, `K[i:j, k:l]`, `K @ V`, `np.asarray(K)`.

    Whatever triangles are kept, every entry can be read. The first read of a tile compares its bytes with the manifest.
    """

    store: Store
    digests: dict[Tile, tuple[str, ...]] = field(repr=False)
    checked: set[Tile] = field(default_factory=set, repr=False)

    ndim = 2
    __array_ufunc__ = None  # V @ K is ours

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        return self.store.plan.n, self.store.plan.n

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the entries."""
        return np.dtype(self.store.plan.dtype)

    @property
    def complete(self) -> bool:
        """Whether every tile is computed."""
        done, total = self._tiles()
        return done == total

    def __len__(self) -> int:
        return self.store.plan.n

    def __repr__(self) -> str:
        done, total = self._tiles()
        left = "" if done == total else f", {done} of {total} tiles"
        return f"<StoredGram: {len(self)} x {len(self)}, {self.dtype}, {self.store.plan.get}, {self.store.layout.path}{left}>"

    def _repr_html_(self) -> str:
        plan, (done, total) = self.store.plan, self._tiles()
        rows = (
            ("shape", f"{len(self)} x {len(self)}"),
            ("dtype", plan.dtype),
            ("output", plan.get),
            ("features of the data", plan.features),
            ("tiles on the disk", f"{done} of {total}, of {plan.tile} rows"),
            ("folder", self.store.layout.path),
        )
        return html_table(["Stored Gram matrix"], (), rows)

    def _tiles(self) -> tuple[int, int]:
        wanted = set(tiles_of(len(self), self.store.plan.tile))
        return len(wanted & self.digests.keys()), len(wanted)

    def __getitem__(self, key: Any) -> Any:
        """Rows and columns by number, slice, or array of numbers; the two of a pair are taken independently."""
        rows, columns = _axes(key)
        numbers = np.arange(len(self))
        left, right = np.atleast_1d(numbers[rows]), np.atleast_1d(numbers[columns])
        guard(
            left.size * right.size,
            self.dtype.itemsize,
            None,
            f"A block of {left.size} x {right.size} entries",
        )
        block = np.empty((left.size, right.size), self.dtype)
        for i, at, local in self._groups(left):
            for j, there, others in self._groups(right):
                block[np.ix_(at, there)] = self._entries(i, j, local, others)
        kept = tuple(0 if np.ndim(numbers[one]) == 0 else slice(None) for one in (rows, columns))
        return block[kept]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("A stored matrix becomes an array by being read: that is a copy.")
        whole: NDArray[Any] = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __matmul__(self, V: Any) -> NDArray[Any]:
        """K V in float64 or complex128, one tile at a time."""
        vectors = np.asarray(V)
        if vectors.ndim not in (1, 2) or len(vectors) != len(self):
            raise ValueError(f"K has shape {self.shape}; V has shape {vectors.shape}.")
        return through_reals(self._product, vectors)

    def __rmatmul__(self, V: Any) -> NDArray[Any]:
        """V K = (K V^T)^T."""
        return (self @ np.asarray(V).T).T

    def _product(self, vectors: Floats) -> Floats:
        product, size = np.zeros(vectors.shape), self.store.plan.tile
        for (i, j), values in self._all():
            low, high = (slice(k * size, min(k * size + size, len(self))) for k in (i, j))
            product[low] += values @ vectors[high]
            if i != j:
                product[high] += values.T @ vectors[low]
        return product

    def diagonal(self) -> NDArray[Any]:
        """K(x, x) of every row."""
        count = -(-len(self) // self.store.plan.tile)
        return np.concatenate([np.diagonal(self._tile((k, k))) for k in range(count)])

    def _all(self) -> Iterator[tuple[Tile, Floats]]:
        """Every tile in float64, the next one read while one is used."""

        def load(tile: Tile) -> Floats:
            return np.array(self._tile(tile), np.float64)

        tiles = list(tiles_of(len(self), self.store.plan.tile))
        with ThreadPoolExecutor(1) as reader:
            upcoming = reader.submit(load, tiles[0])
            for k, tile in enumerate(tiles):
                values = upcoming.result()
                if k + 1 < len(tiles):
                    upcoming = reader.submit(load, tiles[k + 1])
                yield tile, values

    def _groups(self, numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[Any], Any]]:
        """Tile, places in `numbers`, and places in the tile of all rows that lie in one tile."""
        size = self.store.plan.tile
        owner = numbers // size
        for k in np.unique(owner):
            at = np.flatnonzero(owner == k)
            local = numbers[at] - k * size
            dense = local.size and np.array_equal(local, np.arange(local[0], local[0] + local.size))
            yield int(k), at, slice(local[0], local[0] + local.size) if dense else local

    def _entries(self, i: int, j: int, rows: Any, columns: Any) -> NDArray[Any]:
        """Entries of tile (i, j), which below the diagonal is read from its mirror image."""
        if i > j:
            return self._entries(j, i, columns, rows).T
        values = self._tile((i, j))[rows]
        return np.asarray(values[:, columns])

    def _tile(self, tile: Tile) -> NDArray[Any]:
        layout = self.store.layout
        assert isinstance(layout, Zarr)
        if tile not in self.digests:
            raise FileNotFoundError(f"Tile {tile} of {layout.path} is not computed yet: {self._remedy}")
        if tile not in self.checked:
            if layout.digests(tile) != self.digests[tile]:
                raise StoreMismatch(f"Tile {tile} of {layout.path} is damaged: {self._remedy}")
            self.checked.add(tile)
        return layout.read(tile)

    @property
    def _remedy(self) -> str:
        return "run `quasintk gram` once more with the same kernel and data, and --resume."


def _axes(key: Any) -> tuple[Any, Any]:
    """Rows and columns of an index: of each a number, a slice, or an array (k,) of numbers or of booleans."""
    pair = key if isinstance(key, tuple) else (key,)
    if not 1 <= len(pair) <= 2 or not all(isinstance(axis, slice) or _counts(axis) for axis in pair):
        raise IndexError(
            "K[rows], K[rows, columns]: each a number, a slice, or a list of numbers or booleans; "
            "of two lists the block where they cross."
        )
    return (*pair, slice(None))[0], (*pair, slice(None))[1]


def _counts(axis: Any) -> bool:
    values = np.asarray(axis)
    whole = np.issubdtype(values.dtype, np.integer) or values.size == 0
    return values.ndim <= 1 and (whole or (values.dtype == bool and values.ndim == 1))

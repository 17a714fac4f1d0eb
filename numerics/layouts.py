"""How tiles of a Gram matrix lie on the disk: chunks of a zarr store, or parts of a .npy file.

A tile (i, j), i <= j, stands for rows i T, .., and columns j T, ..; its images are the places it is written to: itself
and, where both triangles are kept, its transpose.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics import files

Tile = tuple[int, int]
Digests = tuple[str, ...]
"""SHA-256 of each image's bytes."""
FORMAT = 1


@dataclass(frozen=True)
class Zarr:
    """An array of zarr's third format: one raw file for each tile, of full size, with NaN where the matrix ends.

    Without `full` the chunks below the diagonal are missing, which plain zarr reads as NaN.
    """

    path: Path
    n: int
    dtype: np.dtype[Any]
    tile: int
    full: bool

    @property
    def folder(self) -> Path:
        """Where the plan and the manifests lie."""
        return self.path / "quasintk"

    def create(self) -> None:
        """Write the array's description."""
        files.write_whole(self.path / "zarr.json", self._description)

    @property
    def described(self) -> bool:
        """Whether the array's description is what was written."""
        return files.read(self.path / "zarr.json") == self._description

    @property
    def _description(self) -> bytes:
        description = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [self.n, self.n],
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [self.tile, self.tile]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN",
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {"quasintk": {"format": FORMAT, "symmetric": "full" if self.full else "upper"}},
        }
        return json.dumps(description, indent=1).encode()

    def reserve(self, tiles: list[Tile]) -> None:
        """Make room for tiles."""
        for image in (image for tile in tiles for image in self._images(tile)):
            path = self._chunk(image)
            files.make_folder(path.parent)
            files.reserve(path, self.tile**2 * self.dtype.itemsize)

    def release(self, tiles: list[Tile]) -> None:
        """Give back the room of tiles that were not written."""
        for image in (image for tile in tiles for image in self._images(tile)):
            files.remove(files.part(self._chunk(image)))

    def write(self, tile: Tile, values: NDArray[Any]) -> Digests:
        """Put a tile (rows, columns) on the disk."""
        digests = []
        for image in self._images(tile):
            chunk = self._padded(values if image == tile else values.T)
            files.write_whole(self._chunk(image), chunk.data)
            digests.append(digest(chunk.data))
        return tuple(digests)

    def digests(self, tile: Tile) -> Digests:
        """Of what is on the disk."""
        return tuple(map(self._digest, self._images(tile)))

    def read(self, tile: Tile) -> NDArray[Any]:
        """A tile, mapped; raises FileNotFoundError or ValueError where its file is missing or has another size."""
        chunk = np.memmap(self._chunk(tile), self.dtype, "r", shape=(self.tile, self.tile))
        rows, columns = (min(self.tile, self.n - self.tile * k) for k in tile)
        return chunk[:rows, :columns]

    def finish(self) -> None:
        """Nothing: chunks are in their places."""

    def _digest(self, image: Tile) -> str:
        try:
            return digest(files.read(self._chunk(image), self.tile**2 * self.dtype.itemsize) or b"")
        except files.NotAFile:
            return digest(b"")

    def _padded(self, values: NDArray[Any]) -> NDArray[Any]:
        """A chunk of full size; the values themselves where they fill one."""
        if values.shape == (self.tile, self.tile):
            return np.ascontiguousarray(values)
        chunk = np.full((self.tile, self.tile), np.nan, self.dtype)
        chunk[: values.shape[0], : values.shape[1]] = values
        return chunk

    def _images(self, tile: Tile) -> tuple[Tile, ...]:
        return _images(tile) if self.full else (tile,)

    def _chunk(self, image: Tile) -> Path:
        return self.path / "c" / str(image[0]) / str(image[1])


@dataclass(frozen=True)
class Npy:
    """A .npy file of the whole matrix, under another name until it is finished."""

    path: Path
    n: int
    dtype: np.dtype[Any]
    tile: int
    full: bool = True

    @property
    def folder(self) -> Path:
        """Where the plan and the manifests lie until the file is finished."""
        return self.path.with_name(self.path.name + ".progress")

    def create(self) -> None:
        """Nothing: the header is written with the reservation."""

    @property
    def described(self) -> bool:
        """The header is written with the reservation."""
        return True

    def reserve(self, tiles: list[Tile]) -> None:
        """Make room for the whole file."""
        if tiles:
            header = self._header
            files.reserve(self.path, len(header) + self.n**2 * self.dtype.itemsize)
            files.write_at(self.path, iter([(0, memoryview(header))]))

    def release(self, tiles: list[Tile]) -> None:
        """Give back the room, where nothing was written."""
        if len(tiles) == len(list(tiles_of(self.n, self.tile))):
            files.remove(files.part(self.path))

    def write(self, tile: Tile, values: NDArray[Any]) -> Digests:
        """Put a tile (rows, columns) and its transpose on the disk."""
        digests = []
        for image in _images(tile):
            turned = np.ascontiguousarray(values if image == tile else values.T)
            files.write_at(self.path, self._pieces(image, turned))
            digests.append(digest(turned.data))
        return tuple(digests)

    def digests(self, tile: Tile) -> Digests:
        """Of what is on the disk."""
        found = []
        for image in _images(tile):
            values = np.empty([min(self.tile, self.n - self.tile * k) for k in image], self.dtype)
            there = files.read_at(self.path, self._pieces(image, values))
            found.append(digest(values.data if there else b""))
        return tuple(found)

    def finish(self) -> None:
        """Give the file its name."""
        files.finish(self.path)

    @property
    def _header(self) -> bytes:
        stream = io.BytesIO()
        shape = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.n, self.n)}
        np.lib.format.write_array_header_1_0(stream, shape)
        return stream.getvalue()

    def _pieces(self, image: Tile, values: NDArray[Any]) -> Iterator[tuple[int, memoryview]]:
        """The rows of a tile and their places in the file."""
        start, size = len(self._header), self.dtype.itemsize
        for k in range(len(values)):
            row, column = self.tile * image[0] + k, self.tile * image[1]
            yield start + (row * self.n + column) * size, values[k].data.cast("B")


Layout = Zarr | Npy


def tiles_of(n: int, tile: int) -> Iterator[Tile]:
    """All tiles on and above the diagonal, row by row."""
    count = -(-n // tile)
    return ((i, j) for i in range(count) for j in range(i, count))


def digest(data: bytes | memoryview) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def _images(tile: Tile) -> tuple[Tile, ...]:
    """Where both triangles are kept."""
    return (tile, tile[::-1]) if tile[0] != tile[1] else (tile,)

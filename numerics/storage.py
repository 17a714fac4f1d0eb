"""Gram matrices on the disk: the manifests of a store's writers, and who may write.

A tile counts when its line stands in a manifest; a line is written when the tile is on the disk. Whatever interrupts a
run, the next one finds whole tiles, or none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from derive.errors import StoreMismatch
from numerics import files
from numerics.layouts import Digests, Layout, Npy, Tile, Zarr, digest, tiles_of
from numerics.plan import Plan


def layout_of(path: Path, plan: Plan) -> Layout:
    """A .npy file where the name says so, else a zarr store."""
    if path.suffix == ".npy":
        return Npy(path, plan.n, np.dtype(plan.dtype), plan.tile)
    return Zarr(path, plan.n, np.dtype(plan.dtype), plan.tile, plan.full)


@dataclass(frozen=True)
class Store:
    """A matrix on the disk, whole or not; `writer` names this process's manifest."""

    plan: Plan
    layout: Layout
    writer: str = "all"

    def commit(self, tile: Tile, digests: Digests) -> None:
        """A tile is on the disk."""
        body = json.dumps({"tile": tile, "sha256": digests})
        files.append(self.layout.folder / f"manifest-{self.writer}", f"{self._check(body)} {body}".encode())

    def committed(self) -> dict[Tile, Digests]:
        """What the manifests of all writers say; torn lines, and those of another plan, count for nothing."""
        found: dict[Tile, Digests] = {}
        for path in self.manifests:
            for line in (files.read(path) or b"").decode(errors="replace").splitlines():
                check, _, body = line.partition(" ")
                if check == self._check(body):
                    entry = json.loads(body)
                    i, j = entry["tile"]
                    found[i, j] = tuple(entry["sha256"])
        return found

    @property
    def manifests(self) -> list[Path]:
        """Of all writers."""
        return sorted(self.layout.folder.glob("manifest-*"))

    def _check(self, body: str) -> str:
        """Of a line of a manifest of this plan."""
        return digest(f"{self.plan.sha256} {body}".encode())[:16]

    def whole(self, tiles: list[Tile]) -> set[Tile]:
        """Those of these tiles whose bytes on the disk are what was committed."""
        committed = self.committed()
        return {tile for tile in tiles if tile in committed and self.layout.digests(tile) == committed[tile]}

    def finish(self) -> None:
        """Give a file its name if all writers are done, and forget how it was made."""
        if isinstance(self.layout, Npy):
            with files.lock(self.layout.folder / "lock-plan", self.layout.path, wait=True):
                if set(tiles_of(self.plan.n, self.plan.tile)) <= self.committed().keys():
                    if files.part(self.layout.path).exists():
                        self.layout.finish()
                    files.remove_folder(self.layout.folder)

    def state(self) -> tuple[list[Tile], list[Tile], list[Tile]]:
        """Tiles that are whole, that are missing, and that are damaged: every byte is read."""
        whole, missing, damaged = [], [], []
        committed = self.committed()
        for tile in tiles_of(self.plan.n, self.plan.tile):
            if tile not in committed:
                missing.append(tile)
            elif self.layout.digests(tile) == committed[tile]:
                whole.append(tile)
            else:
                damaged.append(tile)
        return whole, missing, damaged


@contextlib.contextmanager
def writing(path: Path, plan: Plan, *, resume: bool, shard: tuple[int, int] | None = None) -> Iterator[Store]:
    """A store with this plan, begun or resumed, locked while this process writes.

    Raises
    ------
    FileExistsError
        If there is something at `path`, and it is not to be resumed.
    StoreMismatch
        If it has another plan.
    StoreLocked
        If another process writes it; shards exclude only one another's doubles.
    """
    writer = "all" if shard is None else f"{shard[0]}-of-{shard[1]}"
    layout = layout_of(path, plan)
    store = Store(plan, layout, writer)
    if isinstance(layout, Zarr) and path.exists() and not (layout.folder.is_dir() or _is_empty(path)):
        raise FileExistsError(
            f"{path} exists and is no store of quasintk: choose another path, or remove it."
        )
    files.make_folder(layout.folder)
    with contextlib.ExitStack() as locks:
        locks.enter_context(files.lock(layout.folder / "lock", path, shared=shard is not None))
        if shard is not None:
            locks.enter_context(files.lock(layout.folder / f"lock-{writer}", path))
        with files.lock(layout.folder / "lock-plan", path, wait=True):
            text = files.read(layout.folder / "plan.json")
            if text is None:
                if store.manifests and not store.committed():
                    raise StoreMismatch(
                        f"{path} has lost its plan.json, and its tiles are of another kernel, data, dtype, tile or machine: resume with what "
                        "it was begun with, or remove it."
                    )
                layout.create()
                files.write_whole(layout.folder / "plan.json", plan.to_json().encode())
            elif not resume and shard is None:
                raise FileExistsError(
                    f"{path} was begun before: pass resume=True (--resume) to complete it, or remove it."
                )
            else:
                Plan.from_json(text.decode(errors="replace"), layout.folder / "plan.json").require(plan, path)
                if not layout.described:
                    layout.create()
        yield store


def begun_tile(path: Path) -> int | None:
    """The tile size of what was begun at a path; None where nothing was."""
    folder = path / "quasintk" if path.suffix != ".npy" else path.with_name(path.name + ".progress")
    text = files.read(folder / "plan.json") if folder.is_dir() else None
    return None if text is None else Plan.from_json(text.decode(errors="replace"), folder / "plan.json").tile


def existing(path: Path) -> Store:
    """The store at a path, to read; raises FileNotFoundError or StoreMismatch where there is none."""
    folder = path / "quasintk"
    text = files.read(folder / "plan.json") if folder.is_dir() else None
    if text is None:
        raise FileNotFoundError(
            f"{path} is no store of quasintk: quasintk gram EXPR X.npy -o {path.with_suffix('.zarr')} makes one."
        )
    plan = Plan.from_json(text.decode(errors="replace"), folder / "plan.json")
    return Store(plan, layout_of(path, plan))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())

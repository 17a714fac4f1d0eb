"""Gram matrices on the disk: the plan of a store, the manifests of its writers, and who may write.

A tile counts when its line stands in a manifest; a line is written when the tile is on the disk. Whatever interrupts a
run, the next one finds whole tiles, or none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
from threadpoolctl import threadpool_info

from derive.errors import StoreMismatch
from numerics import __quasintk__, files
from numerics.layouts import FORMAT, Digests, Layout, Npy, Tile, Zarr, digest, tiles_of


@dataclass(frozen=True)
class Plan:
    """What a store holds and what its bytes depend on: runs of one plan write the same bytes.

    `kernel` and `data` are SHA-256 of the kernel's JSON and of the rows in float64.
    """

    n: int
    features: int
    dtype: str
    tile: int
    full: bool
    kernel: str
    get: str
    data: str
    processor: str
    blas: str
    versions: str
    format: int = FORMAT

    def to_json(self) -> str:
        """Canonical text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str, path: Path) -> Plan:
        """The plan of a text; raises StoreMismatch on anything else."""
        try:
            plan = Plan(**json.loads(text))
            sound = (
                plan.format == FORMAT
                and plan.n > 0
                and plan.tile > 0
                and plan.dtype in ("float32", "float64")
            )
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise StoreMismatch(
                f"{path} is damaged, or of another version: remove the store, and compute it anew."
            )
        return plan

    def require(self, other: Plan, path: Path) -> None:
        """Raise StoreMismatch where a store at `path` has this plan and a run the other."""
        mine, theirs = asdict(self), asdict(other)
        for name, value in mine.items():
            if value != theirs[name]:
                raise StoreMismatch(
                    f"{path} was begun with another {NAMES.get(name, name)} ({_short(value)}, now {_short(theirs[name])}): its tiles would not "
                    "fit together. Resume with what it was begun with, or write to another path."
                )


NAMES = {
    "n": "number of rows",
    "features": "number of features",
    "tile": "tile size",
    "full": "choice of triangles",
    "get": "output",
}


def machine() -> tuple[str, str, str]:
    """What the bytes of a tile depend on beside kernel and data: processor, BLAS and versions."""
    import scipy.linalg  # noqa: F401  # loads the BLAS that compiled code calls

    libraries = {
        f"{one['prefix']} {one['version']} {one.get('architecture', '')}".strip()
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return (
        str(llvmlite.binding.get_host_cpu_name()),
        ", ".join(sorted(libraries)),
        f"quasintk {__quasintk__}, numba {numba.__version__}, numpy {np.__version__}",
    )


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
        files.append(
            self.layout.folder / f"manifest-{self.writer}", f"{digest(body.encode())[:16]} {body}".encode()
        )

    def committed(self) -> dict[Tile, Digests]:
        """What the manifests of all writers say; torn lines count for nothing."""
        found: dict[Tile, Digests] = {}
        for path in sorted(self.layout.folder.glob("manifest-*")):
            for line in (files.read(path) or b"").decode(errors="replace").splitlines():
                check, _, body = line.partition(" ")
                if check == digest(body.encode())[:16]:
                    entry = json.loads(body)
                    i, j = entry["tile"]
                    found[i, j] = tuple(entry["sha256"])
        return found

    def whole(self, tiles: list[Tile]) -> set[Tile]:
        """Those of these tiles whose bytes on the disk are what was committed."""
        committed = self.committed()
        return {tile for tile in tiles if tile in committed and self.layout.digests(tile) == committed[tile]}

    def finish(self) -> None:
        """Give a file its name if all writers are done, and forget how it was made."""
        if isinstance(self.layout, Npy):
            with files.lock(self.layout.folder / "lock-plan", wait=True):
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
    if isinstance(layout, Zarr) and path.exists() and not (layout.folder.is_dir() or _is_empty(path)):
        raise FileExistsError(
            f"{path} exists and is no store of quasintk: choose another path, or remove it."
        )
    files.make_folder(layout.folder)
    with contextlib.ExitStack() as locks:
        locks.enter_context(files.lock(layout.folder / "lock", shared=shard is not None))
        if shard is not None:
            locks.enter_context(files.lock(layout.folder / f"lock-{writer}"))
        with files.lock(layout.folder / "lock-plan", wait=True):
            text = files.read(layout.folder / "plan.json")
            if text is None:
                layout.create()
                files.write_whole(layout.folder / "plan.json", plan.to_json().encode())
            elif not resume and shard is None:
                raise FileExistsError(
                    f"{path} was begun before: pass resume=True (--resume) to complete it, or remove it."
                )
            else:
                Plan.from_json(text.decode(errors="replace"), layout.folder / "plan.json").require(plan, path)
        yield Store(plan, layout, writer)


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
            f"{path} is no store of quasintk: quasintk gram EXPR X.npy -o {path} makes one."
        )
    plan = Plan.from_json(text.decode(errors="replace"), folder / "plan.json")
    return Store(plan, layout_of(path, plan))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."

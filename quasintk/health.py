"""What `quasintk doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quasintk._siblings import siblings

CORE = ("sympy", "mpmath", "numpy", "scipy", "numba", "hypothesis", "click", "rich")
EXTRAS = {
    "sklearn": ("scikit-learn",),
    "report": ("matplotlib", "jinja2"),
    "scale": ("zarr", "distributed"),
    "exact": ("python-flint",),
    "experiments": ("sklearn", "matplotlib"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return asdict(self)


def examine() -> tuple[Finding, ...]:
    """Everything that can go wrong with an installation, in the order in which to mend it."""
    return (
        Finding(
            "python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform()}"
        ),
        *(
            Finding(f"package {s.name}", s.problem is None, s.problem or f"{s.version} at {s.file}")
            for s in siblings()
        ),
        *(_core(name) for name in CORE),
        *(_extra(name, members) for name, members in EXTRAS.items()),
        Finding("cores", True, str(len(os.sched_getaffinity(0)))),
        _memory(),
    )


REMEDY = "quasintk gram with the same kernel and data, and --resume"


def examine_store(path: Path) -> tuple[Finding, ...]:
    """A Gram matrix on the disk: every byte is read."""
    from numerics.storage import existing

    store = existing(path)
    whole, missing, damaged = store.state()
    plan = store.plan
    return (
        Finding("store", True, f"{plan.n} x {plan.n}, {plan.dtype}, tiles of {plan.tile} rows"),
        Finding(
            "zarr.json",
            store.layout.described,
            "what was written" if store.layout.described else f"damaged: {REMEDY}",
        ),
        Finding("whole tiles", True, str(len(whole))),
        Finding("missing tiles", not missing, _listed(missing)),
        Finding("damaged tiles", not damaged, _listed(damaged)),
    )


def _listed(tiles: list[tuple[int, int]]) -> str:
    """All of them up to ten, with what to do."""
    if not tiles:
        return "none"
    more = f" and {len(tiles) - 10} more" if len(tiles) > 10 else ""
    return f"{', '.join(map(str, tiles[:10]))}{more}: {REMEDY}"


def _memory() -> Finding:
    try:
        from numerics.memory import available_bytes
    except ImportError as error:
        return Finding("memory", False, f"not looked at: {error}")
    return Finding("memory", True, f"{available_bytes() / 1e9:.1f} GB available")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _core(name: str) -> Finding:
    version = _version(name)
    return Finding(name, version is not None, version or f"missing: pip install {name}")


def _extra(name: str, members: tuple[str, ...]) -> Finding:
    versions = {member: _version(member) for member in members}
    present = ", ".join(f"{member} {version}" for member, version in versions.items() if version)
    complete = all(versions.values())
    return Finding(
        f"extra {name}", True, present if complete else f"not installed: pip install 'quasintk[{name}]'"
    )

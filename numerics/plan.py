"""The plan of a matrix on the disk: what its bytes depend on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
from threadpoolctl import threadpool_info

from derive.errors import StoreMismatch
from numerics import __quasintk__
from numerics.layouts import FORMAT, digest


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
        """Canonical text, with its own checksum."""
        return json.dumps({**asdict(self), "sha256": self.sha256}, indent=1, sort_keys=True)

    @cached_property
    def sha256(self) -> str:
        """Of all that it says."""
        return digest(json.dumps(asdict(self), sort_keys=True).encode())

    @staticmethod
    def from_json(text: str, path: Path) -> Plan:
        """The plan of a text; raises StoreMismatch on anything else."""
        with contextlib.suppress(LookupError, ValueError, TypeError, AttributeError, RecursionError):
            content = json.loads(text)
            check = content.pop("sha256")
            plan = Plan(**content)
            if plan.sha256 == check and plan.format == FORMAT:
                return plan
        raise StoreMismatch(
            f"{path} is damaged, or of another version: remove it, then `quasintk gram` with the same kernel and data, and --resume, "
            "keeps the tiles that are whole."
        )

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


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 90 else f"{text[:12]}..."

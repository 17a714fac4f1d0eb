"""Whether derive, numerics and verify are ours: their names are generic, and others carry them too.

Reads the marker `__quasintk__ = "<version>"` from the files that an import would load, without importing them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import FrameType

VERSION = "0.1.0"
NAMES = ("derive", "numerics", "verify")


class Sibling(NamedTuple):
    """One of the packages that quasintk is made of, as an import would find it now."""

    name: str
    file: str | None
    version: str | None

    @property
    def problem(self) -> str | None:
        """What is wrong with it, and the remedy; None if nothing is."""
        if self.version == VERSION:
            return None
        if self.file is None:
            return f"quasintk needs its package {self.name!r}, which cannot be found. Remedy: install quasintk again."
        if self.version is not None:
            return (
                f"quasintk {VERSION} found its package {self.name!r} in version {self.version} at {self.file}. "
                "Remedy: install quasintk again, or take that folder from the import path."
            )
        owner = _owner(self.file)
        if owner:
            whose, remedy = f"the distribution {owner}", f"uninstall {owner}, then install quasintk again"
        else:
            whose = "no installed distribution"
            remedy = "rename or move that file, or start Python from another folder"
        return (
            f"quasintk needs its own package {self.name!r}, but an import finds {self.file} of {whose}. "
            f"Remedy: {remedy}."
        )


def siblings() -> tuple[Sibling, ...]:
    """The three packages as an import would find them now."""
    return tuple(map(_look, NAMES))


def check() -> None:
    """Raise ImportError if a sibling is missing, shadowed or of another version."""
    problems = [sibling.problem for sibling in siblings() if sibling.version != VERSION]
    if problems:
        raise ImportError(
            "\n".join([*filter(None, problems), "Afterwards `quasintk doctor` should be content."])
        )


def check_on_import() -> None:
    """`check`, but silent where the error is better told later.

    While pytest loads its plugins a user's own verify.py must not break their session: the error comes at the first
    use of a public name. The command line checks for itself, so that `quasintk doctor` can report.
    """
    try:
        check()
    except ImportError:
        if not (_loaded_as_plugin() or os.path.basename(sys.argv[0] if sys.argv else "") == "quasintk"):
            raise


def _look(name: str) -> Sibling:
    file = _file_of(name)
    return Sibling(name, file, None if file is None else _marker(file))


def _file_of(name: str) -> str | None:
    if name in sys.modules:
        loaded = getattr(sys.modules[name], "__file__", None)
        return str(loaded or f"<already imported {name}>")
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return spec.origin or (folders[0] if folders else None)


def _marker(file: str) -> str | None:
    try:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("__quasintk__ ="):
                    return line.partition("=")[2].strip().strip("\"'")
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _owner(file: str) -> str | None:
    """The distribution other than this one that installed a file."""
    import importlib.metadata

    target = os.path.realpath(file)
    for distribution in importlib.metadata.distributions():
        name = str(distribution.metadata["Name"])
        for entry in distribution.files or () if name != "quasintk" else ():
            if (
                entry.name == os.path.basename(target)
                and os.path.realpath(str(distribution.locate_file(entry))) == target
            ):
                return name
    return None


def _loaded_as_plugin() -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in ("load_setuptools_entrypoints", "import_plugin"):
            return True
        frame = frame.f_back
    return False

"""Derivations kept between processes: one JSON file each, named by what it was derived from, believed only if whole."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

FORMAT = 1
LARGEST = 8_000_000
"""Bytes of a file; a larger text is neither stored nor read."""
MOST, KEPT = 2000, 1500
"""Beyond so many files the oldest are deleted, down to so many."""
_OURS = re.compile(r"[0-9a-f]{64}\.(json|[0-9a-f]{16}\.part)")


def remember(kind: str, content: str, compute: Callable[[], str], valid: Callable[[str], bool]) -> str:
    """The text stored for (kind, content), or else what `compute` returns, which is stored.

    The folder is $QUASINTK_CACHE ("off": no cache), else quasintk in $XDG_CACHE_HOME or ~/.cache. It is used only if it
    is a folder of this user to which nobody else can write. Without one, `compute` is called every time.

    Parameters
    ----------
    kind
        What is stored, such as "kernel".
    content
        All that the text depends on, besides this program.
    compute
        Its exceptions pass through, and nothing is stored.
    valid
        Whether a stored text can be used; an exception counts as no. Computed texts are not asked about.

    Raises
    ------
    Exception
        What `compute` raises. The cache itself raises nothing: what it cannot read, or write, is computed again.

    Notes
    -----
    A text of 100 kB takes 0.3 ms to read (and what `valid` takes), 0.5 to 2 ms to store; the first call of a process
    hashes the sources of `derive` in 3 ms. Many processes may share a folder: the last one to finish wins.
    """
    text = recall(kind, content, valid)
    if text is None:
        text = compute()
        keep(kind, content, text)
    return text


def recall(kind: str, content: str, valid: Callable[[str], bool]) -> str | None:
    """The text stored for (kind, content) by this version of the program, None where none is, or none that `valid` accepts."""
    with _folder() as folder:
        return None if folder is None else _read(folder, _name(kind, content), kind, content, valid)


def keep(kind: str, content: str, text: str) -> None:
    """Store a text for `recall`, as far as the disk lets, and there is a folder to trust."""
    with _folder() as folder, contextlib.suppress(OSError):
        if folder is not None and len(data := _record(kind, content, text)) <= LARGEST:
            _write(folder, _name(kind, content), data)
            _prune(folder)


def _name(kind: str, content: str) -> str:
    return hashlib.sha256(json.dumps([kind, _version(), content]).encode()).hexdigest() + ".json"


def _record(kind: str, content: str, text: str) -> bytes:
    """The whole file, canonical: a file that differs in one byte is no record of this."""
    checksum = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    record = {"format": FORMAT, "kind": kind, "content": content, "sha256": checksum, "text": text}
    return json.dumps(record, separators=(",", ":")).encode()


@contextlib.contextmanager
def _folder() -> Iterator[int | None]:
    """An open descriptor of the folder, so that what was checked is what is used; None without a fit folder, or a version."""
    descriptor = None
    path = _path() if _version() else None
    if path is not None:
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor if descriptor is not None and _is_ours(os.fstat(descriptor)) else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_ours(status: os.stat_result) -> bool:
    """Whether it belongs to this user, and nobody else can write it."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _path() -> Path | None:
    own = os.environ.get("QUASINTK_CACHE", "")
    if own == "off":
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification ignores relative paths
        base = os.path.expanduser("~/.cache")
    path = os.path.expanduser(own) if own else os.path.join(base, "quasintk")
    return Path(path) if own or os.path.isabs(path) else None  # expanduser leaves "~" where there is no home


def _read(folder: int, name: str, kind: str, content: str, valid: Callable[[str], bool]) -> str | None:
    try:
        with open(name, "rb", opener=_opener(folder, os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_ours(status):
                return None
            data = file.read(LARGEST + 1)
        text = json.loads(data)["text"]
        return text if data == _record(kind, content, text) and valid(text) else None
    except Exception:  # of any kind: a damaged file, or `valid` on a text it cannot read
        return None


def _write(folder: int, name: str, data: bytes) -> None:
    """Put a whole file in its place, or leave nothing."""
    part = f"{name.removesuffix('.json')}.{secrets.token_hex(8)}.part"
    try:
        with open(part, "xb", opener=_opener(folder, 0)) as file:
            file.write(data)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise


def _opener(folder: int, more: int) -> Callable[[str, int], int]:
    """For `open`: in that folder, through no symbolic link, for this user alone."""
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | more, 0o600, dir_fd=folder)


def _prune(folder: int) -> None:
    """Keep the number of files bounded; what crashed writers left counts, and other people's files do not."""
    names = [name for name in os.listdir(folder) if _OURS.fullmatch(name)]
    if len(names) <= MOST:
        return
    ages = []
    for name in names:
        with contextlib.suppress(OSError):  # deleted by another process
            ages.append((os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime, name))
    for _, name in sorted(ages)[: len(ages) - KEPT]:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


@functools.cache
def _version() -> str | None:
    """A hash of this package's sources and of the libraries' versions; None where the sources cannot be read."""
    try:
        paths = sorted(Path(__file__).parent.glob("*.py"))
        parts = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
    except OSError:
        return None
    if not parts:
        return None
    for library in ("sympy", "mpmath"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            parts.append((library, importlib.metadata.version(library)))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

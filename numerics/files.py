"""Files that must survive a crash: every operation of a store on the disk, each announced to `before`.

A file is there whole or not at all: it is written under another name, synced, renamed, and its folder synced.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import StoreLocked

PART = ".part"
"""Behind the name of a file that is not whole yet."""


class NotAFile(OSError):
    """A link, a pipe or a folder where a file should be."""


def _nothing(operation: str, path: Path) -> None:
    """No fault."""


before: Callable[[str, Path], None] = _nothing
"""Called before every operation; what it raises is the operation's error. Tests put faults here."""


def part(path: Path) -> Path:
    """The name of a file that is not whole yet."""
    return path.with_name(path.name + PART)


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put a file in its place; `reserve` may have made room for it."""
    draft = part(path)
    with _opened(draft, os.O_WRONLY | os.O_CREAT) as file:
        _write(file, draft, data)
        before("truncate", draft)
        os.ftruncate(file, memoryview(data).nbytes)
        _sync(file, draft)
    finish(path)


def write_or_leave_nothing(path: Path, data: bytes | memoryview) -> None:
    """`write_whole` for a file that nobody resumes: where it fails, its part goes too."""
    try:
        write_whole(path, data)
    except BaseException:
        part(path).unlink(missing_ok=True)
        raise


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Put a .npz file in its place."""
    draft = part(path)
    with _opened(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        before("write", draft)
        savez: Any = np.savez
        with open(file, "wb", closefd=False) as stream:
            savez(stream, **arrays)
        _sync(file, draft)
    finish(path)


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, on the disk when this returns; a torn line before it is ended first."""
    new = not path.exists()
    with _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as file:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        _write(file, path, b"\n" * torn + line + b"\n")
        _sync(file, path)
    if new:
        sync_folder(path.parent)


def reserve(path: Path, size: int) -> None:
    """Make room on the disk for a file of `write_whole`, or of `write_at`."""
    draft = part(path)
    with _opened(draft, os.O_WRONLY | os.O_CREAT) as file:
        before("reserve", draft)
        os.posix_fallocate(file, 0, size)


def write_at(path: Path, pieces: Iterator[tuple[int, memoryview]]) -> None:
    """Write pieces at their places in a file that `reserve` has made, and that `finish` puts in its place."""
    draft = part(path)
    with _opened(draft, os.O_WRONLY) as file:
        before("write", draft)
        for offset, data in pieces:
            while data:
                count = os.pwrite(file, data, offset)
                data, offset = data[count:], offset + count
        _sync(file, draft)


def finish(path: Path) -> None:
    """Put a file of `write_at` in its place."""
    before("replace", path)
    os.replace(part(path), path)
    sync_folder(path.parent)


def read(path: Path, size: int | None = None) -> bytes | None:
    """The whole file; None where there is none, or where it has another size than this."""
    try:
        with _opened(path, os.O_RDONLY) as file:
            before("read", path)
            if size not in (None, os.fstat(file).st_size):
                return None
            with open(file, "rb", closefd=False) as stream:
                return stream.read()
    except FileNotFoundError:
        return None


def read_at(path: Path, pieces: Iterator[tuple[int, memoryview]]) -> bool:
    """Fill pieces from their places in a file of `write_at`; False where it is not there or too short."""
    draft = part(path)
    try:
        with _opened(draft if draft.exists() else path, os.O_RDONLY) as file:
            before("read", draft)
            return all(os.preadv(file, [data], offset) == len(data) for offset, data in pieces)
    except FileNotFoundError:
        return False


def make_folder(path: Path) -> None:
    """A folder, and those above it."""
    if not path.is_dir():
        make_folder(path.parent)
        before("mkdir", path)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def remove(path: Path) -> None:
    """Delete a file, if it is there."""
    before("remove", path)
    path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Delete a folder of files."""
    for file in path.iterdir():
        remove(file)
    before("rmdir", path)
    path.rmdir()


def sync_folder(path: Path) -> None:
    """Make names in a folder last."""
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY, follow=True) as folder:
        _sync(folder, path)


@contextlib.contextmanager
def lock(path: Path, what: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold the lock of `what` that ends with this process, however it ends.

    Raises
    ------
    StoreLocked
        If another process holds it, unless `wait`.
    """
    with _opened(path, os.O_RDWR | os.O_CREAT) as file:
        before("lock", path)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise StoreLocked(
                f"Another process is writing {what}: wait for it, or stop it, then resume."
            ) from None
        yield


@contextlib.contextmanager
def _opened(path: Path, flags: int, follow: bool = False) -> Iterator[int]:
    before("open", path)
    links = 0 if follow else os.O_NOFOLLOW
    try:
        file = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | links, 0o666)
    except OSError as error:
        raise NotAFile(*error.args, str(path)) if error.errno == errno.ELOOP else error from None
    try:
        if not (flags & os.O_DIRECTORY or stat.S_ISREG(os.fstat(file).st_mode)):
            raise NotAFile(errno.EINVAL, "Not a regular file", str(path))
        yield file
    finally:
        os.close(file)


def _write(file: int, path: Path, data: bytes | memoryview) -> None:
    before("write", path)
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync(file: int, path: Path) -> None:
    before("sync", path)
    os.fsync(file)

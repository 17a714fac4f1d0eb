"""One persistent process for derivations of unknown cost, with limits of time and memory; `derive.child` runs in it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from derive import errors

TASKS: dict[str, str] = {task: f"derive.derivation:{task}_task" for task in ("closed", "series", "kernel")}
"""Name of a task -> "module:function", a function from text to text; the child imports it at its first use."""
LONGEST = 86400.0
"""Seconds."""
PATIENCE = 5.0
"""A task that is ready to run but gets no processor is waited for so many times longer."""
_INIT = str(Path(__file__).absolute().with_name("__init__.py"))
_START = """\
import sys
sys.path[:] = sys.argv[2:]
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("derive", sys.argv[1])
sys.modules["derive"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
from derive.child import serve
serve()
"""
_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None


def run(task: str, argument: str, seconds: float = 20.0, memory: int = 4 * 2**30) -> str:
    """What TASKS[task](argument) returns, computed in a child process that is killed when it exceeds a limit.

    Parameters
    ----------
    task
        A name in TASKS.
    argument
        The only thing the task is told.
    seconds
        Allowed time, with the start of the process and the task's imports. Neither waiting for another thread's call
        counts, nor waiting for a processor on a busy machine, up to PATIENCE times as long.
    memory
        Allowed bytes of address space. The interpreter and SymPy take about 60 MB of it.

    Raises
    ------
    ValueError
        If the task is unknown, or a limit is no positive number.
    DerivationTimeout
        If time or memory ran out, or the process was ended by a signal.
    QuasintkError
        What the task raised on purpose, in its own class.
    RuntimeError
        If the task failed otherwise (with its traceback), or the process could not work.

    Notes
    -----
    A call costs 0.1 ms besides the task, and 7 ms per million characters. The first one, and the first after a limit was
    exceeded, starts a process in 0.02 s; a task's first import of SymPy takes 0.2 s more from a warm disk. Calls of
    several threads take turns. A process that still holds more than half of `memory` is replaced after the call.
    """
    if task not in TASKS:
        raise ValueError(f"There is no task {task!r}; known are {', '.join(sorted(TASKS)) or 'none'}.")
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"seconds must lie in (0, {LONGEST:g}], got {seconds}.")
    if not 0 < memory < 2**63:
        raise ValueError(f"memory must be a positive number of bytes, got {memory}.")
    patience = {"seconds": PATIENCE * seconds, "memory": memory}
    request = {"function": TASKS[task], "argument": argument, **patience}
    with _lock:
        try:
            answer = _ask(task, json.dumps(request).encode() + b"\n", seconds)
        except BaseException:  # Ctrl-C too: the next call must not read the answer to this one
            close()
            raise
        if "memory" in answer or answer["held"] > memory / 2:
            close()
    if "text" in answer:
        return str(answer["text"])
    if "memory" in answer:
        raise errors.DerivationTimeout(
            f"The derivation {task!r} needed more memory than the {memory / 1e6:.0f} MB allowed and was stopped. "
            "Allow more memory, or take a simpler activation."
        )
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    raise RuntimeError(f"The derivation {task!r} failed in its process:\n{answer['failure']}")


def _ask(task: str, request: bytes, seconds: float) -> dict[str, Any]:
    start = time.monotonic()
    process = _running()
    line = _exchange(process, request, seconds)
    if line is None:
        close()
        raise errors.DerivationTimeout(
            f"The derivation {task!r} was stopped after {time.monotonic() - start:.1f} s; {seconds:g} s were allowed. "
            "Allow more seconds, or take a simpler activation."
        )
    if line:
        answer: dict[str, Any] = json.loads(line)
        return answer
    with contextlib.suppress(subprocess.TimeoutExpired):  # a task that closed our pipe and goes on
        process.wait(1)
    close()
    if process.returncode < 0:
        raise errors.DerivationTimeout(
            f"The process of the derivation {task!r} was ended by signal {-process.returncode} "
            f"({signal.strsignal(-process.returncode)}) after {time.monotonic() - start:.1f} s. The system does so when "
            "memory or stack runs out: free memory, or take a simpler activation."
        )
    raise RuntimeError(
        f"The process of the derivation {task!r} ended with status {process.returncode} instead of an answer. "
        "If this comes again, `quasintk doctor` tells what is wrong with the installation."
    )


def _exchange(process: subprocess.Popen[bytes], request: bytes, seconds: float) -> bytes | None:
    """Send a line and read one: b"" if the process ended instead, None if time ran out."""
    assert process.stdin is not None
    assert process.stdout is not None
    unsent, answer = memoryview(request), bytearray()
    start, used = time.monotonic(), _processor_seconds(process.pid)[0]
    deadline, last = start + seconds, start + PATIENCE * seconds
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ)
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                now, ready_to_run = _processor_seconds(process.pid)
                left = min(seconds - (now - used), last - time.monotonic())
                if left <= 0 or not ready_to_run:
                    return None
                deadline = time.monotonic() + left
            for key, _ in ready.select(left):
                if key.fileobj is process.stdin:
                    try:
                        unsent = unsent[os.write(key.fd, unsent) :]
                    except BrokenPipeError:
                        return b""
                    if not unsent:
                        ready.unregister(process.stdin)
                elif chunk := os.read(key.fd, 2**16):
                    answer += chunk
                else:
                    return b""
    return bytes(answer)


def _processor_seconds(process: int) -> tuple[float, bool]:
    """What a process has used so far, and whether it would use more: it runs, or waits for a processor."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0, False
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] == b"R"


def _running() -> subprocess.Popen[bytes]:
    """The child; a new one where there is none, or the last one died between two calls."""
    global _process
    if _process is not None and _process.poll() is not None:
        close()
    if _process is None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        try:
            _process = subprocess.Popen(
                [sys.executable, "-c", _START, _INIT, *_search_path()],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**environment, "PYTHONHASHSEED": "0"},  # the same derivation in every process
                start_new_session=True,  # Ctrl-C reaches the parent, which decides
            )
        except OSError as error:
            raise RuntimeError(f"The process of the derivations could not be started: {error}.") from error
        assert _process.stdin is not None
        os.set_blocking(_process.stdin.fileno(), False)
    return _process


def _search_path() -> list[str]:
    """The import path here, with the working directory last: no file there hides SymPy or the standard library."""
    entries = [entry for entry in sys.path if isinstance(entry, str)]
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return [entry for entry in entries if os.path.isabs(entry)]
    entries = [os.path.join(here, entry) for entry in entries]
    return sorted(entries, key=lambda entry: os.path.realpath(entry) == os.path.realpath(here))


@atexit.register
def close() -> None:
    """Kill the child and wait for its end."""
    global _process
    process, _process = _process, None
    if process is not None:
        process.kill()
        process.wait()
        _close_pipes(process)


def _forget() -> None:
    """After a fork the child belongs to the parent alone: neither its pipes nor the lock may be shared."""
    global _lock, _process
    _lock = threading.Lock()
    process, _process = _process, None
    if process is not None:
        process.returncode = 0  # not ours to wait for
        _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


os.register_at_fork(after_in_child=_forget)

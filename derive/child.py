"""What runs in the process that `derive.worker` starts: one JSON line in, one JSON line out."""

from __future__ import annotations

import errno
import fcntl
import importlib
import json
import os
import resource
import select
import signal
import traceback
from typing import Any

from derive import errors

_LATE = 5.0
"""Seconds beyond the limit after which the kernel ends a child whose parent no longer can."""


def serve() -> None:
    """Answer requests until standard input ends.

    Notes
    -----
    The task sees no pipe of ours: its standard input and output are /dev/null. It dies with the parent: while it works,
    the closing of the answers' pipe raises SIGIO, which ends the process even inside C code; an alarm stands behind that.
    The requests' pipe would not do: the kernel raises its signal a moment after the request can be read.
    """
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    for number in (signal.SIGIO, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO, signal.SIGALRM})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    fcntl.fcntl(answers, fcntl.F_SETOWN, os.getpid())
    with os.fdopen(requests, "rb") as lines, os.fdopen(answers, "wb") as output:
        for line in lines:
            request = json.loads(line)
            _end_with_the_parent(answers, request["seconds"] + _LATE)
            answer = {**_answer(request), "held": _held_bytes()}
            _end_with_the_parent(answers, 0)
            output.write(json.dumps(answer).encode() + b"\n")
            output.flush()


def _end_with_the_parent(pipe: int, seconds: float) -> None:
    """Switch the two signals on for a time, or off with 0."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL) & ~os.O_ASYNC
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | (os.O_ASYNC if seconds else 0))
    poll = select.poll()
    poll.register(pipe, 0)
    if poll.poll(0):  # closed before the signal was on
        os._exit(1)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        text = _limited(request["function"], request["argument"], request["memory"])
        if not isinstance(text, str):
            raise TypeError(f"{request['function']} returned {type(text).__name__}, not text")
        return {"text": text}
    except errors.QuasintkError as error:
        known = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
        return {"error": known.__name__, "message": str(error)}
    except BaseException as error:  # SystemExit too: no task ends this process
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return {"memory": True}
        return {"failure": traceback.format_exc()[-10_000:]}


def _limited(function: str, argument: str, memory: int) -> Any:
    """Call `module:function` within that much address space; the limit is gone before the answer is written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [memory, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(argument)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _held_bytes() -> int:
    """Address space after the task: caches that would count against the next one's limit."""
    try:
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0

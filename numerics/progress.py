"""Progress of long calls: one line that renews itself, in a notebook or on a terminal, and is gone at the end."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

Report = Callable[[float, float, str], None]
"""Called with how much is done, how much there is (0 where that is not known), and what is being done."""
GRAM = "Gram matrix"
DELAY = 1.5
"""Seconds that a call may last without a line."""
EVERY = 0.2
"""Seconds between two looks of a line."""


class Screen(Protocol):
    """Where a line is shown: its share of a bar, None where that is not known, and its text."""

    def show(self, share: float | None, text: str) -> None:
        """Show the line, or renew it."""

    def clear(self) -> None:
        """Take it away."""


@contextmanager
def progress(report: Report | None = None, screen: Screen | None = None) -> Iterator[Report]:
    """What a long call reports to: the caller's own function; or a line on the screen given, or on the session's.

    A session has one if a person sits before it: a notebook, or Python or IPython on a terminal. Programs, tests and
    threads have none. The line appears after DELAY seconds and is cleared however the call ends; where showing it
    fails, the call goes on without.
    """
    shown = screen or (_of_session() if report is None else None)
    if report is not None or shown is None:
        yield report or _nothing
        return
    start, due, broken = time.monotonic(), [DELAY], list[Exception]()

    def line(done: float, total: float, what: str) -> None:
        seconds = time.monotonic() - start
        if seconds < due[0] or broken:
            return
        due[0] = seconds + EVERY
        share = min(done / total, 1.0) if total > 0 else None
        try:
            shown.show(share, f"{what}, {_left(share, seconds)}")
        except Exception as error:
            broken.append(error)

    try:
        yield line
    finally:
        if not broken:
            shown.clear()


def terminal() -> Screen | None:
    """Standard error, where that is a terminal."""
    return _Terminal() if sys.stderr is not None and sys.stderr.isatty() else None


class _Terminal:
    def __init__(self) -> None:
        self.bar: Any = None

    def show(self, share: float | None, text: str) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = BarColumn(), TextColumn("{task.description}", markup=False)
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.add_task("", total=None)
            self.bar.start()
        total = None if share is None else 1.0
        percent = "" if share is None else f"{100 * share:3.0f} %  "
        self.bar.update(self.bar.task_ids[0], completed=share or 0.0, total=total, description=percent + text)

    def clear(self) -> None:
        if self.bar is not None:
            self.bar.stop()


class _Notebook:
    """A display of its own in the cell's output; it needs no widgets."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, share: float | None, text: str) -> None:
        value = "" if share is None else f' value="{share:.3f}"'
        self._put({"text/html": f"<progress{value}></progress> {escape(text)}", "text/plain": text})

    def clear(self) -> None:
        if self.handle is not None:
            self._put({"text/html": "", "text/plain": ""})

    def _put(self, data: dict[str, str]) -> None:
        display = importlib.import_module("IPython.display").display
        if self.handle is None:
            self.handle = display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def _of_session() -> Screen | None:
    if threading.current_thread() is not threading.main_thread():
        return None
    ipython: Any = sys.modules.get("IPython")
    if hasattr(ipython and ipython.get_ipython(), "kernel"):
        return _Notebook()
    return terminal() if hasattr(sys, "ps1") else None


def _left(share: float | None, seconds: float) -> str:
    if share is None:
        return f"{seconds:.0f} s"
    if share < 0.01:
        return "time left not known yet"
    left = seconds * (1 - share) / share
    return f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"


def _nothing(done: float, total: float, what: str) -> None:
    """Nobody looks."""

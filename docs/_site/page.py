"""What a page's own process has: the examples of docs/*.md are run with this module beside them (`pages.py`)."""

from __future__ import annotations

import difflib
import doctest
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PICTURES = (".png", ".svg")


class _Copy:
    """Standard output that remembers what the present cell wrote."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.cell, self.last = stream, "", ""

    def write(self, text: str) -> int:
        self.cell += text
        return int(self.stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def start(sources: str) -> None:
    """Warnings are errors, pictures are SVG, and what cells print is remembered."""
    from IPython.core.getipython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    shell: Any = get_ipython()
    set_matplotlib_formats("svg")
    copy = _Copy(sys.stdout)
    sys.stdout = copy  # type: ignore[assignment]  # it has all of its attributes

    def before(_: Any) -> None:
        copy.cell, copy.last = "", copy.cell

    def after(result: Any) -> None:
        if result.result is not None:
            copy.cell += f"{result.result!r}\n"

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", module="ipykernel")
    for name in ("benchmarks", "tests"):
        os.symlink(ROOT / name, name)


def write(name: str, text: str) -> None:
    """A file of the page's folder."""
    Path(name).write_text(text, encoding="utf-8")


def shell(commands: str, named: Sequence[str] = ()) -> None:
    """Run the lines by bash, show what they write to standard output, and the pictures they leave unless the page shows them itself."""
    from IPython.display import SVG, Image, display

    before = {path: path.stat().st_mtime_ns for path in _pictures()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "PYTHONWARNINGS": "error", "NO_COLOR": "1"}
    command = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    print(done.stdout, end="")
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode} of\n{commands}\n{done.stderr}")
    for picture in _pictures():
        if before.get(picture) != picture.stat().st_mtime_ns and picture.name not in named:
            kind = SVG if picture.suffix == ".svg" else Image
            display(kind(filename=str(picture)))


def expect(text: str) -> None:
    """Compare what the cell before printed with what the page says it prints."""
    copy: Any = sys.stdout
    said, got = (
        "\n".join(line.rstrip() for line in given.strip().splitlines()) + "\n" for given in (text, copy.last)
    )
    if not doctest.OutputChecker().check_output(said, got, doctest.ELLIPSIS):
        lines = difflib.unified_diff(
            said.splitlines(), got.splitlines(), "the page", "the program", lineterm=""
        )
        raise AssertionError("the page shows another output\n" + "\n".join(lines))


def _pictures() -> list[Path]:
    return sorted(path for path in Path().iterdir() if path.suffix in PICTURES)

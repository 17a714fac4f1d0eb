"""Other libraries, each in a process and an environment of its own (benchmarks/peers)."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
WORKERS = ROOT / "benchmarks" / "peers"
PATIENCE = 900.0
"""Seconds after which a silent worker is given up; the slowest compilation and first run takes a tenth of it."""
GRACE = 5.0
"""Seconds that a worker has to end."""


class NoPeer(Exception):
    """There is no such peer here, it has no such kernel, or it was lost; the message says which."""


class Peer:
    """A worker process, started when it is first needed and again after it was lost.

    Parameters
    ----------
    python, script : path
        The interpreter of the peer's environment, and the worker that it runs.
    remedy : str
        What installs the peer.
    """

    def __init__(self, python: Path, script: Path, remedy: str, patience: float = PATIENCE) -> None:
        self.python, self.script, self.remedy, self.patience = python, script, remedy, patience
        self.versions: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="quasintk-bench-")

    def load(self, told: dict[str, Any], X: np.ndarray) -> None:
        """Compile a kernel for these rows and run it once; raises NoPeer."""
        path = Path(self._folder.name) / "X.npy"
        np.save(path, X, allow_pickle=False)
        self.versions = self._ask(do="load", kernel=told, rows=str(path))["versions"]

    def seconds(self) -> float:
        """One run, timed in the worker."""
        return float(self._ask(do="run")["seconds"])

    def matrix(self) -> np.ndarray:
        """The matrix (n, n), mapped from a file that lives as long as the array."""
        path = Path(self._folder.name) / "K.npy"
        self._ask(do="save", to=str(path))
        K: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        path.unlink()
        return K

    def close(self) -> None:
        """End the process."""
        self._end()
        self._folder.cleanup()

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise NoPeer(self._lost("it ended")) from None
        if not select.select([self._process.stdout], [], [], self.patience)[0]:
            raise NoPeer(self._lost(f"no answer in {self.patience:g} s"))
        line = self._process.stdout.readline()
        if not line:
            raise NoPeer(self._lost("it ended"))
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise NoPeer(answer["refused"])
        return answer

    def _start(self) -> subprocess.Popen[str]:
        if not self.python.exists():
            raise NoPeer(f"not installed: {self.remedy}")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow, which neural-tangents brings along
        with self._log.open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [self.python, "-E", "-s", self.script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **quiet},
            )

    def _lost(self, what: str) -> str:
        """The message, with the last line that the worker printed."""
        code = self._end()
        printed = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = printed[-1][:200] if printed else "it printed nothing"
        return f"lost: {what} (exit code {code}): {last}"

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log.txt"

    def _end(self) -> int | None:
        """A worker ends when its input does; its exit code, if there is a worker."""
        if self._process is None:
            return None
        try:
            self._process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        code, self._process = self._process.returncode, None
        return code


def peers() -> dict[str, Peer]:
    """All of them by name; none is started."""
    venv = ROOT / "build" / "peers" / "neural-tangents"
    return {
        "neural-tangents": Peer(
            venv / "bin" / "python",
            WORKERS / "neural_tangents_worker.py",
            f"python3 -m venv {venv.relative_to(ROOT)} && {venv.relative_to(ROOT)}/bin/pip install "
            "-r benchmarks/peers/neural-tangents.txt",
        ),
        "scikit-learn": Peer(
            Path(sys.executable), WORKERS / "scikit_learn_worker.py", "pip install 'quasintk[sklearn]'"
        ),
    }

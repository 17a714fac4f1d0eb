"""The loop of a worker process that times another library: one JSON object a line, in and out.

{"do": "load", "kernel": {...}, "rows": "X.npy"} prepares a kernel and runs it once; {"do": "run"} times one run;
{"do": "save", "to": "K.npy"} writes the matrix. Nothing but the standard library and NumPy: it runs in the peer's
environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np


class Refused(Exception):
    """The peer has no such kernel."""


def serve(
    distributions: tuple[str, ...], prepare: Callable[[dict[str, Any], np.ndarray], Callable[[], Any]]
) -> None:
    """Answer until the input ends.

    Parameters
    ----------
    distributions : tuple of str
        Packages whose versions are told.
    prepare : callable
        Takes what is known of a kernel and the rows (n, d); gives a function that computes and returns the finished
        matrix, or raises Refused.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the library prints goes with the errors
    run: Callable[[], Any] | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {}
            if request["do"] == "load":
                run = None
                run = prepare(request["kernel"], np.load(request["rows"], allow_pickle=False))
                run()
                answer = {"versions": {name: version(name) for name in distributions}}
            elif run is None:
                raise RuntimeError("nothing is loaded")
            elif request["do"] == "run":
                answer = {"seconds": _seconds(run)}
            else:
                np.save(request["to"], np.asarray(run()), allow_pickle=False)
        except Refused as refusal:
            answer = {"refused": str(refusal)}
        except Exception as error:
            answer = {"refused": f"failed: {type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def _seconds(run: Callable[[], Any]) -> float:
    """One run; the matrix is given back to the system after the clock has stopped."""
    start = time.perf_counter()
    result = run()
    took = time.perf_counter() - start
    del result
    return took

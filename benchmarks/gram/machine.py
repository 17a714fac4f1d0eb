"""The machine's fingerprint, and memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from threadpoolctl import threadpool_info

STATUS = Path("/proc/self/status")


def fingerprint() -> dict[str, Any]:
    """Processor, cores, memory, load, versions and threads."""
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    libraries = ("quasintk", "numpy", "scipy", "numba", "scikit-learn")
    pools = {
        f"{one['prefix']} {one['version'] or ''} {one.get('architecture', '')}".strip(): one["num_threads"]
        for one in threadpool_info()
    }
    return {
        "time": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load": os.getloadavg(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
        "threads": {"numba": numba.get_num_threads(), **pools},
    }


def growth(run: Callable[[], Any]) -> tuple[int, Any]:
    """Bytes by which this process grows at most during a run, and the run's result."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew: proc(5)
    before = _memory("VmRSS")
    result = run()
    return _memory("VmHWM") - before, result


def _memory(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

"""How much memory a result may take."""

from __future__ import annotations

import re
from pathlib import Path

from derive.errors import NotEnoughMemory

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def guard(count: int, itemsize: int, memory: str | int | None, what: str) -> None:
    """Refuse an allocation of count * itemsize bytes that the machine, or `memory`, does not carry.

    Raises
    ------
    NotEnoughMemory
        If the bytes exceed `memory`, or 80 % of what is available to this process.
    """
    needed = count * itemsize
    allowed = parse_bytes(memory) if memory is not None else None
    if allowed is not None and needed > allowed:
        raise NotEnoughMemory(
            f"{what} takes {needed / 1e9:.3g} GB, more than memory={memory!r} allows: raise it, or take fewer rows."
        )
    limit = 0.8 * available_bytes()
    if needed > limit:
        raise NotEnoughMemory(
            f"{what} takes {needed / 1e9:.3g} GB, more than 80 % of the {limit / 0.8e9:.2f} GB available: "
            "take fewer rows, or float32 data."
        )


def parse_bytes(text: str | int) -> int:
    """Bytes of a number or of a text such as "4GB" (powers of 1000).

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*", text, re.IGNORECASE)
        if isinstance(text, str)
        else None
    )
    if match is None or float(match[1]) == 0:
        raise ValueError(f"memory must read like '4GB' or be a number of bytes, got {text!r}.")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def available_bytes() -> int:
    """Memory that this process may still take: the system's, or its control group's where that is less."""
    system = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    group = Path("/sys/fs/cgroup")
    limit, used = group / "memory.max", group / "memory.current"
    if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
        return min(system, max(int(limit.read_text()) - int(used.read_text()), 0))
    return system

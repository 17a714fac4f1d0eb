"""How many threads sampling uses; its numbers do not depend on it."""

from __future__ import annotations

import numba


def threads() -> int:
    """Numba's: the environment variable NUMBA_NUM_THREADS, or the cores this process may use."""
    count: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set when numba is imported
    return count

"""Options of the whole suite."""

import os
import tempfile
from collections import Counter

import pytest
from hypothesis import settings

# Compilation has no deadline, and every run of the suite draws the same examples.
settings.register_profile("quasintk", deadline=None, derandomize=True, database=None)
settings.load_profile("quasintk")

# The user's cache of derivations is neither read nor written, nor are compiled functions of earlier runs: Numba does not
# notice changes of imported functions. The run's workers and their processes share one folder.
_folder = tempfile.TemporaryDirectory(prefix="quasintk-cache-")
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["QUASINTK_CACHE"] = os.environ["NUMBA_CACHE_DIR"] = _folder.name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from today's output")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """tests/repo, whose single tests are the longest, then files of many tests: parallel workers end together."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.parent.name != "repo", -counts[item.path]))


def pytest_sessionfinish() -> None:
    _folder.cleanup()

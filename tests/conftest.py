"""Options of the whole suite."""

import pytest
from hypothesis import settings

# Compilation has no deadline, and every run of the suite draws the same examples.
settings.register_profile("quasintk", deadline=None, derandomize=True, database=None)
settings.load_profile("quasintk")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from today's output")

"""The pytest plugin: names the version in the header, and imports nothing of the library."""

from __future__ import annotations

import quasintk


def pytest_report_header() -> str:
    """One line of the session's header."""
    return f"quasintk {quasintk.__version__}"

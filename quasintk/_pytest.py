"""The pytest plugin: defaults of assert_kernel_matches, and a summary of the session's certificates.

Loaded in every pytest session of an environment: it imports nothing of the library, and runs with any pytest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

import quasintk

if TYPE_CHECKING:
    from verify.report import Certificate

PROPERTY = "quasintk_certificate"
"""Name under which a test's report carries a certificate, from pytest-xdist's workers too, and into JUnit files."""
LINES = 3
"""A test with more certificates, such as one of Hypothesis, has one line for all of them."""
VARIABLES = {"quasintk_budget": "QUASINTK_BUDGET", "quasintk_seed": "QUASINTK_SEED"}
"""What `verify.assertion` reads, by option; pytest-xdist hands options to its workers."""

_running: ContextVar[pytest.Item | None] = ContextVar("quasintk_running", default=None)


def record(certificate: Certificate) -> None:
    """Add a certificate to the running test's report; nothing happens outside of one."""
    item = _running.get()
    if item is not None:
        values = {
            "kernel": certificate.kernel,
            "status": certificate.status,
            "attained": certificate.attained,
            "detectable": str(certificate.detectable),
        }
        item.user_properties.append((PROPERTY, json.dumps(values)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --quasintk-budget and --quasintk-seed."""
    group = parser.getgroup("quasintk", "kernels checked by quasintk.testing.assert_kernel_matches")
    group.addoption(
        "--quasintk-budget", metavar="TIME", help="time for each kernel, such as 60s or 2m (default: 20s)"
    )
    group.addoption(
        "--quasintk-seed", type=int, metavar="N", help="seed of every kernel (default: by test and kernel)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the options on, as environment variables, until the session ends."""
    for option, variable in VARIABLES.items():
        value = config.getoption(option, None)
        if value is not None:
            before = os.environ.get(variable)
            os.environ[variable] = str(value)
            config.add_cleanup(partial(_restore, variable, before))


def pytest_report_header(config: pytest.Config) -> str:
    """One line of the session's header: the version, and the defaults that were changed."""
    changed = [
        f", {option.removeprefix('quasintk_')} {value}"
        for option in VARIABLES
        if (value := config.getoption(option, None)) is not None
    ]
    return f"quasintk {quasintk.__version__}{''.join(changed)}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Know the running test, for `record`."""
    token = _running.set(item)
    try:
        yield
    finally:
        _running.reset(token)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each certificate of the session."""
    found: dict[str, list[dict[str, str]]] = {}
    for report in chain.from_iterable(terminalreporter.stats.values()):
        certificates = _certificates(report)
        if len(certificates) > len(found.get(getattr(report, "nodeid", ""), [])):
            found[report.nodeid] = certificates
    if found:
        terminalreporter.write_sep("=", "kernels checked by quasintk")
        for name, certificates in sorted(found.items()):
            for line in _lines(certificates):
                terminalreporter.write_line(f"{name}: {line}")


def _certificates(report: object) -> list[dict[str, str]]:
    """What `record` left in a report; other plugins' objects and properties are passed over."""
    entries = getattr(report, "user_properties", None) or ()
    pairs = (entry for entry in entries if isinstance(entry, tuple | list) and len(entry) == 2)
    return [json.loads(value) for name, value in pairs if name == PROPERTY]


def _lines(certificates: list[dict[str, str]]) -> list[str]:
    if len(certificates) <= LINES:
        return [f"{c['status']}, {c['attained']}; {c['kernel']}" for c in certificates]
    worst = max(
        certificates, key=lambda c: (c["status"] == "FAIL", c["status"] != "PASS", float(c["detectable"]))
    )
    failed = sum(c["status"] != "PASS" for c in certificates)
    return [
        f"{len(certificates)} kernels, {failed} not passed; worst: {worst['status']}, {worst['attained']}; {worst['kernel']}"
    ]


def _restore(variable: str, before: str | None) -> None:
    if before is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = before

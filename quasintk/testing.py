"""For your own test suite: a kernel checked by one assertion, and Hypothesis strategies.

>>> from quasintk.testing import assert_kernel_matches, strategies
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from quasintk import _siblings

if TYPE_CHECKING:
    from verify import strategies as strategies
    from verify.assertion import assert_kernel_matches as assert_kernel_matches
    from verify.report import Certificate

__all__ = ["assert_kernel_matches", "strategies"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'quasintk.testing' has no attribute {name!r}")
    import importlib

    _siblings.check()
    if name == "strategies":
        value: Any = importlib.import_module("verify.strategies")
    else:
        plain = importlib.import_module("verify.assertion").assert_kernel_matches
        value = functools.update_wrapper(functools.partial(plain, record=_record), plain)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _record(certificate: Certificate) -> None:
    """For the summary of the pytest session, if there is one; other test runners need no pytest."""
    plugin = sys.modules.get("quasintk._pytest")
    if plugin is not None:
        plugin.record(certificate)

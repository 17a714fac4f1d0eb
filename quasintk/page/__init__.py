"""One self-contained HTML page about one network's kernel (docs/report.md).

>>> from quasintk import page
>>> found = page.study_of("relu", depth=2)  # doctest: +SKIP
>>> page.write(found, "report.html")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from numerics.files import write_or_leave_nothing
from numerics.plots import check_target
from quasintk.page.render import MISSING, html_of
from quasintk.page.study import Settings, Study, study_of

__all__ = ["Settings", "Study", "check_page", "html_of", "study_of", "write"]


def write(study: Study, path: str | os.PathLike[str]) -> None:
    """Write a study as a page, which appears whole or not at all.

    Raises
    ------
    ValueError, OSError, ImportError
        As `check_page` says; OSError also where the disk refuses.
    """
    check_page(path)
    write_or_leave_nothing(Path(path), html_of(study).encode())


def check_page(path: str | os.PathLike[str]) -> None:
    """Whether a page can be written there, before anything is computed for it.

    Raises
    ------
    ValueError
        If the name does not end in .html.
    FileNotFoundError, PermissionError, IsADirectoryError
        If the folder does not exist, may not be written to, or a folder bears the name.
    ImportError
        If jinja2 is missing; the message has the command that installs it.
    """
    check_target(path, (".html",), "A page's")
    if importlib.util.find_spec("jinja2") is None:
        raise ImportError(MISSING)

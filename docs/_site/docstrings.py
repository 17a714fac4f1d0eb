"""Docstrings are written for people: |x|^2, b*x and names like x_ mean themselves, not reStructuredText's markup."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``|`[^`]+`)")
MARKUP = re.compile(r"[|*\\]|(?<=\w)_(?!\w)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry point."""
    app.connect("autodoc-process-docstring", _escape, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    example = False
    for i, line in enumerate(lines):
        text = line.strip()
        example = text.startswith((">>>", "...")) or (example and bool(text))
        if example or text.startswith("**") or line.startswith("    " * 2):
            continue
        lines[i] = "".join(map(_part, LITERAL.split(line)))


def _part(text: str) -> str:
    """Dotted names are looked up, other names in backticks are code; the rest is prose."""
    if not text.startswith("`"):
        return MARKUP.sub(lambda found: "\\" + found[0], text)
    return text if text.startswith("``") or "." in text else f"`{text}`"

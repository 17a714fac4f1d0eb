"""Pages are plain Markdown; this reader makes notebooks of them, so that every example is executed in the site's build.

A fence's first word says what happens to it:

- `python` is a cell; one that begins with a comment like "# test_mine.py" is a file of that name instead;
- `shell` is run by bash, and pictures that it leaves are shown;
- `text` directly behind one of these is what it prints, "..." for anything: another output fails the build;
- a second word, `slow`, leaves it to `make docs-slow`; `elsewhere` says that it needs what no test machine has.

All fences of a page share one process and one empty folder, in their order. `tests/repo/test_docs.py` holds pages to this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from nbformat import NotebookNode, v4

RUN = ("python", "shell")
DISPLAYED = ("text", "console")
"""`console` is for the generator of the gallery, which runs those lines itself."""
WORDS = ("slow", "elsewhere")
FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1[ \t]*$\n?", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")
PICTURE = re.compile(r"!\[[^\]]*\]\((?:[^)]*/)?([^)/]+)\)")


@dataclass(frozen=True)
class Fence:
    """A fenced block: language, second word, text, first line and the one behind, and the `text` fence directly behind it."""

    language: str
    word: str
    text: str
    line: int
    end: int
    printed: str | None = None

    @property
    def beside(self) -> bool:
        """Whether the text is shown as it stands, and run by a hidden cell."""
        return self.language == "shell" or FILE.match(self.text) is not None

    def executed(self, slow: bool) -> bool:
        """Whether the build runs it."""
        return self.language in RUN and (not self.word or (slow and self.word == "slow"))


def parts(text: str) -> Iterator[str | Fence]:
    """Prose and fences, in the order of the page; directives ({...}) are prose."""
    at, matches = 0, [m for m in FENCE.finditer(text) if not m[2].startswith("{")]
    skip = False
    for match, following in zip_longest(matches, matches[1:]):
        if skip:
            skip = False
            continue
        yield text[at : match.start()]
        at, printed = match.end(), None
        language, _, word = match[2].strip().partition(" ")
        between = "x" if following is None else text[match.end() : following.start()]
        if language in RUN and following is not None and not between.strip() and following[2] == "text":
            skip, at, printed = True, following.end(), following[3]
        first, last = (text.count("\n", 0, place) for place in (match.start(), at))
        yield Fence(language, word, match[3], first, last, printed)
    yield text[at:]


def read(text: str, sources: str = "", slow: bool = False) -> NotebookNode:
    """The notebook of a page; `sources` is a hash of the packages, so that a change of theirs runs the page again."""
    pictures = sorted(set(PICTURE.findall(text)))
    cells, lines, prose, first = [], [], "", 0
    for part in parts(text):
        if not isinstance(part, Fence):
            prose += part
        elif not part.executed(slow):
            prose += _shown(part.language, part.text)
            prose += "" if part.printed is None else _shown("text", part.printed)
        else:
            prose += _shown(part.language, part.text) if part.beside else ""
            new = [v4.new_markdown_cell(prose)] if prose.strip() else []
            new += _run(part, pictures)
            cells, lines = cells + new, lines + [first, *[part.line] * (len(new) - 1)][: len(new)]
            prose, first = "", part.end
    found = bool(cells)
    if prose.strip():
        cells.append(v4.new_markdown_cell(prose))
        lines.append(first)
    if found:
        cells.insert(0, _hidden(f"import page; page.start({sources!r})", "remove-cell"))
        lines.insert(0, 0)
    book = v4.new_notebook(cells=cells)
    book.metadata.update(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python"},
        source_map=lines,
    )
    if not found:
        book.metadata["mystnb"] = {"execution_mode": "off"}
    return book


def _run(fence: Fence, pictures: list[str]) -> Iterator[NotebookNode]:
    file = FILE.match(fence.text)
    if fence.language == "shell":
        yield _hidden(f"page.shell({fence.text!r}, {pictures!r})", "remove-input")
    elif file:
        yield _hidden(f"page.write({file[1]!r}, {fence.text!r})", "remove-cell")
    else:
        yield v4.new_code_cell(fence.text.rstrip("\n"))
    if fence.printed is not None:
        yield _hidden(f"page.expect({fence.printed!r})", "remove-cell")


def _shown(language: str, text: str) -> str:
    return f"```{language}\n{text}```\n"


def _hidden(source: str, tag: str) -> NotebookNode:
    return v4.new_code_cell(source, metadata={"tags": [tag]})

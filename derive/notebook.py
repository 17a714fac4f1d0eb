"""What notebooks show of results: HTML tables and LaTeX, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeVar

T = TypeVar("T")

FIRST, LAST = 10, 4
"""Rows that are shown of a long table."""
_POWER = re.compile(r"e([+-])0*(\d+)\Z")


def html_table(lines: Iterable[str], head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines of text, the first one bold, above a table, of which only the beginning and the end are shown if it is long.

    Everything is escaped. No colour is set, so that light and dark pages both lend theirs, and MathJax is told to keep away.
    """
    first, *others = [escape(line) for line in lines] or [""]
    text = "<br>".join([f"<b>{first}</b>", *others]) if first else "<br>".join(others)
    above = f"<p>{text}</p>" if text else ""
    return f'<div class="tex2jax_ignore mathjax_ignore">{above}{_table(head, rows)}</div>'


def displayed(rows: Sequence[str]) -> str:
    """One formula, or aligned ones, for a notebook."""
    lines = r" \\ ".join(rows)
    body = lines if len(rows) == 1 else rf"\begin{{aligned}} {lines} \end{{aligned}}"
    return rf"$\displaystyle {body}$"


def latex_number(text: str) -> str:
    r"""A formatted number in LaTeX: 1.5e-07 as 1.5 \times 10^{-7}, inf as \infty."""
    if text.lstrip("+-") in ("inf", "nan"):
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return _POWER.sub(lambda m: rf" \times 10^{{{m[1].strip('+')}{m[2]}}}", text)


def latex_word(text: str) -> str:
    """A name, upright, in mathematics; of marks only those that MathJax, KaTeX and LaTeX all know how to escape are kept."""
    kept = re.sub(r"[^\w\s.,:;()/+*=<>&%#$-]", "?", text)
    return r"\mathrm{" + re.sub(r"([_&%#$ ])", r"\\\1", kept) + "}"


def shortened(rows: Iterable[T]) -> tuple[list[T], int, list[T]]:
    """The first rows, how many are left out, and the last ones; no rows and 0 where there are few."""
    every = list(rows)
    if len(every) <= FIRST + LAST + 1:
        return every, 0, []
    return every[:FIRST], len(every) - FIRST - LAST, every[-LAST:]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    first, left_out, last = shortened([str(cell) for cell in row] for row in rows)
    if not first:
        return ""
    columns = zip(*first, *last, strict=True)
    sides = ["right" if all(map(_is_number, column)) else "left" for column in columns]
    names = f"<thead>{_row('th', head, sides)}</thead>" if head else ""
    gap = f'<tr><td colspan="{len(sides)}" style="text-align: center">&hellip; {left_out} rows &hellip;</td></tr>'
    before, after = ([_row("td", row, sides) for row in part] for part in (first, last))
    body = [*before, *[gap] * bool(left_out), *after]
    return f"<table>{names}<tbody>{''.join(body)}</tbody></table>"


def _row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    texts = (
        f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(texts)}</tr>"


def _is_number(cell: str) -> bool:
    return not cell or cell[0] in "+-0123456789" or cell in ("inf", "nan")

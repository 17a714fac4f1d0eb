"""What a mistyped name was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from derive.library import NAMED

LONGEST = 20
"""Characters of a wrong name that a message repeats."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with a blank before it; nothing where no known name is near.

    Examples
    --------
    >>> did_you_mean("relo", ["relu", "tanh"])
    " Did you mean 'relu'?"
    """
    by_letters = {one.lower(): one for one in known}
    near = get_close_matches(name[:60].lower(), by_letters, n=1)
    return f" Did you mean {by_letters[near[0]]!r}?" if near else ""


def unknown_name(word: str, known: Iterable[str]) -> str:
    """What to say of a word that means nothing inside an expression."""
    if word in NAMED:
        return f"{word} is an activation by itself; inside an expression write ({NAMED[word].text})"
    names = list(known)
    shown = word if len(word) <= LONGEST else f"{word[:LONGEST]}..."
    hint = did_you_mean(word, [*names, *NAMED])
    return f"unknown name {shown!r}; known names are {', '.join(names)}" + (f".{hint}" if hint else "")

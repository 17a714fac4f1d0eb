"""Formulas that a proof states as text (`derive.trace`), as MathML: what reads as words stays words."""

from __future__ import annotations

import re
from html import escape

from derive.mathml import APPLY, GLYPHS, TIMES, fenced, indexed, row

_TOKEN = re.compile(r"\s+|\d+(?:\.\d+)?(?:e[-+]?\d+)?|[A-Za-z]\w*'?|\*\*|<=|>=|.", re.DOTALL)
_CLOSING = {"(": ")", "[": "]"}
_SIGNS = {"-": "−", "<": "&lt;", ">": "&gt;", "<=": "≤", ">=": "≥", "&": "&amp;", "~": "∼"}
_UPRIGHT = {"erf", "erfc", "sin", "cos", "tanh", "sinh", "cosh", "log", "max", "min", "sign", "abs", "Var"}
_FUNCTIONS = {"Tail": GLYPHS["tail"], "Quadrant": GLYPHS["quadrant"], "Gamma": "<mi mathvariant='normal'>Γ</mi>", "Phi": "<mi mathvariant='normal'>Φ</mi>",
              "Angle": "<mi>θ</mi>", "Sine": "<mi>s</mi>", "Arcsine": "<mi>α</mi>", "He": "<mi>He</mi>",
              "pi": "<mi>π</mi>", "E": "<mi mathvariant='normal'>E</mi>"}  # fmt: skip


def text_mathml(text: str) -> str:
    """The markup of a formula's text, without the `math` element around it.

    Powers are raised, quotients stacked, names written as in `derive.mathml`; brackets that stay
    open are closed, and signs that are not known stay as they are.

    Parameters
    ----------
    text : str
        As `derive.trace.Step.expression` has it.

    Returns
    -------
    str
        One `mrow`; everything in it is escaped.
    """
    items, _ = _sequence(_TOKEN.findall(text), 0, "")
    return f"<mrow>{''.join(markup for markup, _ in items)}</mrow>"


BOLD_ONE = "<mn>𝟏</mn>"
PRIME = '<mo lspace="0" rspace="0">′</mo>'
SPACE = ('<mspace width="0.22em"/>', "")
Item = tuple[str, str]
"""Markup, and what is inside where it stands in brackets; else nothing."""


def _sequence(tokens: list[str], at: int, closing: str) -> tuple[list[Item], int]:
    """Items up to a closing bracket, and where it stands; beyond the end where there is none."""
    items: list[Item] = []
    while at < len(tokens) and tokens[at] != closing:
        token = tokens[at]
        if token in ("**", "^", "/"):
            while items and items[-1][0] in ("", SPACE[0]):
                items.pop()
        if token in ("**", "^") and items:
            exponent, at = _operand(tokens, at + 1)
            items.append((_raised(items.pop(), exponent), ""))
        elif token == "/" and items:
            below, at = _power(tokens, at + 1)
            above = _product(items)
            items.append((f"<mfrac>{_bare(above)}{_bare(below)}</mfrac>", ""))
        else:
            item, at = _atom(tokens, at)
            items.append(item)
    return items, at


def _product(items: list[Item]) -> Item:
    """The factors at the end, taken off: a*b/c is the product over c."""
    above = items.pop()
    while len(items) > 1 and items[-1][0] == TIMES:
        items.pop()
        above = row(items.pop()[0], TIMES, above[0]), ""
    return above


def _power(tokens: list[str], at: int) -> tuple[Item, int]:
    """An operand with its exponent, as a denominator has it."""
    base, at = _operand(tokens, at)
    if at < len(tokens) and tokens[at] in ("**", "^"):
        exponent, at = _operand(tokens, at + 1)
        base = _raised(base, exponent), ""
    return base, at


def _raised(base: Item, exponent: Item) -> str:
    """A power; above an index, where there is one."""
    if base[0].startswith("<msub>") and base[0].endswith("</msub>"):
        return f"<msubsup>{base[0][6:-7]}{_bare(exponent)}</msubsup>"
    return f"<msup>{base[0]}{_bare(exponent)}</msup>"


def _operand(tokens: list[str], at: int) -> tuple[Item, int]:
    while at < len(tokens) and tokens[at].isspace():
        at += 1
    if at >= len(tokens):
        return ("<mrow></mrow>", ""), at
    if tokens[at] == "-":
        item, at = _operand(tokens, at + 1)
        return (row("<mo>−</mo>", item[0]), ""), at
    return _atom(tokens, at)


def _atom(tokens: list[str], at: int, called: bool = False) -> tuple[Item, int]:
    token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
    if token.isspace():
        return _space(tokens, at), at + 1
    if token in _CLOSING:
        items, end = _sequence(tokens, at + 1, _CLOSING[token])
        inside = "".join(markup for markup, _ in items)
        plain = (
            token == "("
            and not called
            and not any(markup.startswith("<mo>") for markup, _ in items if markup != TIMES)
        )
        return (row(inside, "") if plain else fenced(inside, fences=token + _CLOSING[token]), inside), end + 1
    if token == "*":
        return (TIMES, ""), at + 1
    if token == "1" and following == "(":
        return (BOLD_ONE, ""), at + 1
    if (
        token == "x"
        and tokens[at - 2 : at]
        and tokens[at - 2][0].isdigit()
        and at + 2 < len(tokens)
        and tokens[at + 2].isdigit()
    ):
        return ("<mo>×</mo>", ""), at + 1
    if token[0].isdigit():
        return (f"<mn>{token}</mn>", ""), at + 1
    if not token[0].isalpha():
        return (f"<mo>{_SIGNS.get(token, escape(token))}</mo>", ""), at + 1
    if following == "(" and token.rstrip("'") in ("sqrt", "exp"):
        (_, inside), end = _atom(tokens, at + 1)
        root = f"<msqrt>{inside}</msqrt>"
        raised = f"<msup><mi mathvariant='normal'>e</mi><mrow>{inside}</mrow></msup>"
        return (root if token == "sqrt" else raised, ""), end
    name = _name(token, following)
    if following in _CLOSING and "mtext" not in name:
        (brackets, _), end = _atom(tokens, at + 1, called=True)
        return (row(name, APPLY, brackets), ""), end
    return (name, ""), at + 1


def _space(tokens: list[str], at: int) -> Item:
    """Between words a space, between factors nothing: MathML spaces its operators itself."""
    around = [tokens[i] if 0 <= i < len(tokens) else "" for i in (at - 1, at + 1)]
    if any(_is_word(one) for one in around):
        return "<mtext>&#xA0;</mtext>", ""
    apart = all(one[:1].isalnum() or one[:1] in ")(]" for one in around)
    return SPACE if apart else ("", "")


def _is_word(token: str) -> bool:
    plain = token.rstrip("'")
    known = plain in GLYPHS or plain in _FUNCTIONS or plain in _UPRIGHT or "_" in plain
    return len(plain) > 1 and plain[0].isalpha() and not known


def _name(token: str, following: str) -> str:
    plain = token.rstrip("'")
    if plain in _FUNCTIONS:
        markup = _FUNCTIONS[plain]
    elif plain in GLYPHS:
        markup = GLYPHS[plain]
    elif plain in _UPRIGHT:
        markup = f"<mi mathvariant='normal'>{plain}</mi>"
    elif _is_word(plain) and following != "(":
        markup = f"<mtext>{escape(plain)}</mtext>"
    else:
        head, _, index = plain.partition("_")
        small = head in _FUNCTIONS and index
        markup = f"<msub>{_FUNCTIONS[head]}<mi>{index}</mi></msub>" if small else _indexed(plain)
    return row(markup, PRIME) if token.endswith("'") else markup


def _indexed(name: str) -> str:
    """Subscripts such as x_i and e_u; names of the recursion with their layer."""
    head, _, index = name.partition("_")
    if head == "sum":
        return f"<msub><mo>∑</mo><mi>{index}</mi></msub>"
    if len(head) == 1 and len(index) == 1 and index.isalpha():
        return f"<msub><mi>{head}</mi><mi>{index}</mi></msub>"
    return indexed(name)


def _bare(item: Item) -> str:
    """Without its brackets, as exponents and parts of fractions stand."""
    markup, inside = item
    return f"<mrow>{inside}</mrow>" if inside else markup

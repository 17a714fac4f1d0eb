"""Activation: what stands between two dense layers, from a name, a text or a SymPy expression."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from derive.errors import BadExpression
from derive.library import NAMED
from derive.parse import SYMBOL, parse_expression
from derive.printing import expression_text


@dataclass(frozen=True)
class Activation:
    """An activation phi(x), applied to every coordinate.

    Parameters
    ----------
    spec : str or sympy.Expr
        A name of `derive.library.NAMED`, an expression in x such as "max(x, 0)", or a SymPy
        expression in one symbol. Text is parsed by `derive.parse`, never executed.

    Attributes
    ----------
    expr : sympy.Expr
        phi in the real symbol x.
    name : str
        The name given, or the expression's text.

    Raises
    ------
    BadExpression
        If the text is no expression in x, or the SymPy expression is not one in a single symbol.
    """

    expr: sympy.Expr
    name: str

    def __init__(self, spec: object):
        expr = _read(spec)
        object.__setattr__(self, "expr", expr)
        object.__setattr__(
            self, "name", spec if isinstance(spec, str) and spec in NAMED else expression_text(expr)
        )

    @property
    def text(self) -> str:
        """phi as text that the parser reads back to the same expression."""
        return expression_text(self.expr)


def _read(spec: object) -> sympy.Expr:
    if isinstance(spec, str):
        return _settled(parse_expression(NAMED.get(spec, spec)))
    if not isinstance(spec, sympy.Expr):
        raise BadExpression(
            f"An activation is a name ({', '.join(NAMED)}), an expression in x or a SymPy expression, "
            f"not {type(spec).__name__}."
        )
    if len(spec.free_symbols) > 1:
        names = ", ".join(sorted(map(str, spec.free_symbols)))
        raise BadExpression(f"The expression {spec} has the symbols {names}: an activation has one, x.")
    return _settled(spec.subs(dict.fromkeys(spec.free_symbols, SYMBOL)))


def _settled(expr: sympy.Expr) -> sympy.Expr:
    """The expression that its own text reads back to: SymPy distributes factors while it is built."""
    for _ in range(4):
        again = parse_expression(expression_text(expr))
        if again == expr:
            break
        expr = again
    return expr

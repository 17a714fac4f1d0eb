"""Activation: what stands between two dense layers, from a name, a text or a SymPy expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import sympy

from derive.errors import BadExpression
from derive.library import NAMED
from derive.notebook import displayed, latex_word
from derive.numbers import Real, as_argument, as_text, exact
from derive.parse import SYMBOL, parse_expression
from derive.printing import expression_text, latex

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\(([-+0-9.eE/, ]+)\)\s*\Z", re.ASCII)
_RESERVED = re.compile(
    r"(W_std|b_std|latent_fraction|second_moment|[qQpPmMkK]|sine|theta|arcsine|tail|quadrant|sinh)(_.*)?"
    r"|ntk|nngp|rounding|margin|result|nu|sig|var1|var2|cov12|angle|positive|sinh_scaled|exponential|ray"
    r"|first_quadrant|sign|heaviside|math|np|njit|NODES|WEIGHTS|pair|diagonal|domain|fill|phi|dphi"
)


@dataclass(frozen=True)
class Activation:
    """An activation phi(x), applied to every coordinate.

    Parameters
    ----------
    spec : str or sympy.Expr
        A name of `derive.library.NAMED`, also with the values of its parameters as in "prelu(0.1)"; an
        expression in x such as "max(x, 0)"; or a SymPy expression in x alone, or in one symbol that stands
        for it. Text is parsed by `derive.parse`, never executed.
    **parameters : positive real numbers
        Values of the other names in the expression. They stay symbols in every formula and arguments of the
        compiled code: `kernel.with_parameters` changes them without a new derivation.

    Attributes
    ----------
    expr : sympy.Expr
        phi in the real symbol x and the parameters' positive symbols.
    name : str
        The library's name, or the expression's text.
    parameters : tuple of (str, Fraction)

    Raises
    ------
    BadExpression
        If the text is no expression in x, or a name in it has no value.
    ValueError
        If a parameter is unknown, not positive or has a reserved name.

    Examples
    --------
    >>> Activation("max(x, 0) + a*min(x, 0)", a=0.25) == Activation("max(x, 0) + a*min(x, 0)", a="1/4")
    True
    """

    expr: sympy.Expr
    name: str
    parameters: tuple[tuple[str, Fraction], ...]

    def __init__(self, spec: object, /, **parameters: Real):
        if isinstance(spec, str):
            text, name, values = _named(spec, {key: exact(value, key) for key, value in parameters.items()})
            _check(values)
            expr = _settled(parse_expression(text, tuple(values)), tuple(values))
        else:
            values = {key: exact(value, key) for key, value in parameters.items()}
            _check(values)
            expr, name = _settled(_substituted(spec, tuple(values)), tuple(values)), None
        unused = values.keys() - set(map(str, expr.free_symbols))
        if unused and name is None:
            raise ValueError(
                f"The parameter {sorted(unused)[0]!r} does not occur in {expression_text(expr)}."
            )
        object.__setattr__(self, "expr", expr)
        object.__setattr__(self, "name", name or expression_text(expr))
        object.__setattr__(self, "parameters", tuple(values.items()))

    @property
    def values(self) -> dict[sympy.Symbol, sympy.Rational]:
        """The parameters' values, for `subs`."""
        return {
            sympy.Symbol(name, positive=True): sympy.Rational(value.numerator, value.denominator)
            for name, value in self.parameters
        }

    @property
    def text(self) -> str:
        """phi as text that the parser reads back to the same expression."""
        return expression_text(self.expr)

    def __repr__(self) -> str:
        values = "".join(f", {name}={as_argument(value)}" for name, value in self.parameters)
        return f"Activation({self.name!r}{values})"

    def __str__(self) -> str:
        known = "" if self.name == self.text else f"{self.name}: "
        values = "".join(f", {name} = {as_text(value)}" for name, value in self.parameters)
        return f"{known}phi(x) = {self.text}{values}"

    def _repr_latex_(self) -> str:
        name = latex_word(self.name) if self.name.isidentifier() else r"\phi"
        values = "".join(
            rf",\quad {latex(symbol)} = {as_text(value)}"
            for symbol, (_, value) in zip(self.values, self.parameters, strict=True)
        )
        return displayed([f"{name}(x) = {latex(self.expr)}{values}"])


def _named(spec: str, given: dict[str, Fraction]) -> tuple[str, str | None, dict[str, Fraction]]:
    """Text, name and parameter values of a library name, of one called with values, or of a plain expression."""
    call = _CALL.match(spec)
    named = NAMED.get(call[1] if call else spec.strip())
    if named is None or (call and not named.parameters):
        return spec, None, given
    name = call[1] if call else spec.strip()
    unknown = given.keys() - named.parameters.keys()
    if unknown:
        raise ValueError(
            f"{name} has the parameters {', '.join(named.parameters) or 'none'}, not {sorted(unknown)[0]!r}."
        )
    listed = call[2].split(",") if call else []
    if len(listed) > len(named.parameters):
        raise BadExpression(
            f"{name} takes {len(named.parameters)} values ({', '.join(named.parameters)}), not {len(listed)}."
        )
    positional = {
        key: exact(value.strip(), key) for key, value in zip(named.parameters, listed, strict=False)
    }
    return named.text, name, {**named.parameters, **positional, **given}


def _check(values: dict[str, Fraction]) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(
                f"The parameter {name} must be positive, got {value}; write the activation out as an expression in x with "
                "that number in it."
            )
        if _RESERVED.fullmatch(name):
            raise ValueError(f"The parameter name {name!r} is taken by the network: choose another.")


def _substituted(spec: object, names: tuple[str, ...]) -> sympy.Expr:
    """A SymPy expression in our own symbols."""
    if not isinstance(spec, sympy.Expr):
        raise BadExpression(
            f"An activation is a name ({', '.join(NAMED)}), an expression in x or a SymPy expression, "
            f"not {type(spec).__name__}."
        )
    others = [symbol for symbol in spec.free_symbols if str(symbol) not in names]
    if len(others) > 1:
        listed = ", ".join(sorted(map(str, others)))
        raise BadExpression(
            f"The expression {spec} has the symbols {listed}: give all but x a value, as in Activation(..., a=0.5)."
        )
    own = {
        symbol: sympy.Symbol(str(symbol), positive=True)
        for symbol in spec.free_symbols
        if str(symbol) in names
    }
    return spec.subs({**own, **dict.fromkeys(others, SYMBOL)}, simultaneous=True)


def _settled(expr: sympy.Expr, names: tuple[str, ...]) -> sympy.Expr:
    """The expression that its own text reads back to: SymPy distributes factors while it is built."""
    for _ in range(4):
        again = parse_expression(expression_text(expr), names)
        if again == expr:
            break
        expr = again
    return expr

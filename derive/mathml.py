"""Presentation MathML of formulas, well-formed by construction, in the notation of `derive.printing`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, ClassVar

import sympy
from sympy.printing.printer import Printer

from derive import special
from derive.printing import symbol_parts

TIMES, APPLY = "<mo>&#x2062;</mo>", "<mo>&#x2061;</mo>"
"""Invisible: between factors, and between a function and its argument."""
GLYPHS = {
    "W_std": "<msub><mi>σ</mi><mi>w</mi></msub>", "b_std": "<msub><mi>σ</mi><mi>b</mi></msub>",
    "latent_fraction": "<mi>r</mi>", "second_moment": "<mi>e</mi>", "theta": "<mi>θ</mi>", "sine": "<mi>s</mi>",
    "tail": "<mover><mi mathvariant='normal'>Φ</mi><mo>¯</mo></mover>", "quadrant": "<msub><mi mathvariant='normal'>Φ</mi><mn>2</mn></msub>",
    "arcsine": "<mi>α</mi>", "sinh": "<mi>sh</mi>", "var1": "<msub><mi>q</mi><mn>1</mn></msub>",
    "var2": "<msub><mi>q</mi><mn>2</mn></msub>", "cov12": "<mi>c</mi>", "length_scale": "<mi>ℓ</mi>",
    "alpha": "<mi>α</mi>", "nu": "<mi>ν</mi>", "sig": "<mi>σ</mi>", "rho": "<mi>ρ</mi>", "phi": "<mi>φ</mi>",
    "kappa": "<mi>κ</mi>", "kappa_dot": "<mover><mi>κ</mi><mo>˙</mo></mover>", "delta": "<mi>δ</mi>",
}  # fmt: skip
"""Names of the code as the field writes them."""
_KAPPAS = {
    "Kappa": "kappa",
    "KappaDot": "kappa_dot",
    "KappaDiagonal": "kappa",
    "KappaDotDiagonal": "kappa_dot",
}
_NAMES = {"acos": "arccos", "asin": "arcsin", "atan": "arctan", "sign": "sgn", "log": "log", "Heaviside": "H"}
_FIRST = ("latent_fraction", "W_std", "b_std")
_RELATIONS = {"<": "&lt;", ">": "&gt;", "<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}


def mathml(expr: sympy.Expr) -> str:
    """A formula's markup, without the `math` element around it.

    Parameters
    ----------
    expr : sympy.Expr

    Returns
    -------
    str
        One `mrow` or token; a name that has no glyph of its own is escaped.
    """
    return str(_MathMLPrinter().doprint(expr))


def row(*parts: str, between: str = "") -> str:
    """An `mrow` of some markup."""
    return parts[0] if len(parts) == 1 else f"<mrow>{between.join(parts)}</mrow>"


def word(text: str) -> str:
    """A word between formulas, with space around it."""
    return f"<mtext>&#xA0;{escape(text)}&#xA0;</mtext>"


def fenced(*parts: str, fences: str = "()") -> str:
    """Markup between brackets that grow with it."""
    left, right = fences[0], fences[1]
    return f"<mrow><mo>{left}</mo>{''.join(parts)}<mo>{right}</mo></mrow>"


def call(function: str, arguments: Sequence[str]) -> str:
    """A function, as markup, applied to its arguments."""
    return row(function, APPLY, fenced("<mo>,</mo>".join(arguments)))


def name_of(text: str) -> str:
    """A name's markup: its glyph, an italic letter, or an upright word."""
    return GLYPHS.get(text) or f"<mi>{escape(text)}</mi>"


def indexed(name: str) -> str:
    """Q_x_1 as Q with x below and (1) above: an index that is a number is the layer."""
    base, indices, layer = symbol_parts(name)
    glyph = name_of(base)
    if indices and glyph.startswith("<msub>"):
        inner = glyph.removeprefix("<msub>").removesuffix("</msub>")
        first = inner[: inner.index("</mi>") + 5]
        glyph, below = first, [inner[len(first) :], *map(name_of, indices)]
    else:
        below = [name_of(index) for index in indices]
    above = f"<mrow><mo>(</mo><mn>{layer}</mn><mo>)</mo></mrow>" if layer else ""
    if below and above:
        return f"<msubsup>{glyph}{row(*below, between='<mo>,</mo>')}{above}</msubsup>"
    if below:
        return f"<msub>{glyph}{row(*below, between='<mo>,</mo>')}</msub>"
    return f"<msup>{glyph}{above}</msup>" if above else glyph


def _place(factor: Any) -> int:
    """Numbers first, then r and the scales, then the rest: r sigma_w^2 m."""
    name = str(factor.as_base_exp()[0])
    return (
        -1
        if factor.is_number
        else next((i for i, first in enumerate(_FIRST) if name.startswith(first)), len(_FIRST))
    )


class _MathMLPrinter(Printer):  # type: ignore[misc]  # SymPy is untyped
    _default_settings: ClassVar[dict[str, Any]] = {"order": None}

    def emptyPrinter(self, expr: Any) -> str:
        return f"<mtext>{escape(str(expr))}</mtext>"

    def _print_Symbol(self, expr: Any) -> str:
        return indexed(str(expr))

    def _print_Integer(self, expr: Any) -> str:
        digits = f"<mn>{abs(expr.p)}</mn>"
        return f"<mrow><mo>−</mo>{digits}</mrow>" if expr.p < 0 else digits

    def _print_Rational(self, expr: Any) -> str:
        fraction = f"<mfrac><mn>{abs(expr.p)}</mn><mn>{expr.q}</mn></mfrac>"
        return f"<mrow><mo>−</mo>{fraction}</mrow>" if expr.p < 0 else fraction

    def _print_Float(self, expr: Any) -> str:
        return f"<mn>{escape(str(expr))}</mn>"

    def _print_Pi(self, expr: Any) -> str:
        return "<mi>π</mi>"

    def _print_Exp1(self, expr: Any) -> str:
        return "<mi mathvariant='normal'>e</mi>"

    def _print_Infinity(self, expr: Any) -> str:
        return "<mi mathvariant='normal'>∞</mi>"

    def _print_Add(self, expr: Any) -> str:
        terms = list(self._as_ordered_terms(expr))
        if terms[0].could_extract_minus_sign():
            terms.sort(key=lambda term: bool(term.could_extract_minus_sign()))
        parts = [self._print(terms[0])]
        for term in terms[1:]:
            minus = term.could_extract_minus_sign()
            parts += ["<mo>−</mo>" if minus else "<mo>+</mo>", self._summand(-term if minus else term)]
        return row(*parts)

    def _summand(self, expr: Any) -> str:
        return fenced(self._print(expr)) if expr.is_Add else str(self._print(expr))

    def _print_Mul(self, expr: Any) -> str:
        if expr.could_extract_minus_sign():
            return row("<mo>−</mo>", self._summand(-expr))
        above: list[Any] = []
        below: list[Any] = []
        for factor in sorted(expr.as_ordered_factors(), key=_place):
            if isinstance(factor, sympy.Rational):
                above += [sympy.Integer(factor.p)] if factor.p != 1 else []
                below += [sympy.Integer(factor.q)] if factor.q != 1 else []
            elif isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp.is_negative:
                below.append(sympy.Pow(factor.base, -factor.exp))
            else:
                above.append(factor)
        if not below:
            return self._product(above)
        return f"<mfrac>{self._product(above)}{self._product(below)}</mfrac>"

    def _product(self, factors: Sequence[Any]) -> str:
        if len(factors) == 1:
            return str(self._print(factors[0]))
        parts = [fenced(self._print(one)) if one.is_Add else self._print(one) for one in factors]
        return row(*parts, between=TIMES) if parts else "<mn>1</mn>"

    def _print_Pow(self, expr: Any) -> str:
        base, exponent = expr.base, expr.exp
        if exponent.is_Rational and exponent.is_negative:
            return f"<mfrac><mn>1</mn>{self._print(sympy.Pow(base, -exponent))}</mfrac>"
        if isinstance(base, special.Sine) and exponent.is_Integer:
            inside = fenced(self._sine_squared(base))
            return inside if exponent == 2 else f"<msup>{inside}{self._print(exponent / 2)}</msup>"
        if exponent == sympy.Rational(1, 2):
            return f"<msqrt>{self._print(base)}</msqrt>"
        text = self._print(base)
        plain = (base.is_Symbol and "<msup>" not in text and "msubsup" not in text) or base.is_Integer
        if isinstance(base, sympy.Symbol) and text.startswith("<msub>") and exponent.is_Integer:
            return f"<msubsup>{text.removeprefix('<msub>').removesuffix('</msub>')}{self._print(exponent)}</msubsup>"
        return f"<msup>{text if plain else fenced(text)}{self._print(exponent)}</msup>"

    def _print_ExpBase(self, expr: Any) -> str:
        return f"<msup><mi mathvariant='normal'>e</mi>{self._print(expr.args[0])}</msup>"

    def _print_Function(self, expr: Any) -> str:
        name = type(expr).__name__
        if name in _KAPPAS:
            layer, *arguments = expr.args
            arguments = arguments[1:] * 3 if name.endswith("Diagonal") else arguments
            return call(
                f"<msub>{GLYPHS[_KAPPAS[name]]}{self._print(layer)}</msub>", [*map(self._print, arguments)]
            )
        return self._call(_NAMES.get(name, name), *expr.args)

    def _call(self, name: str, *arguments: Any) -> str:
        return call(f"<mi mathvariant='normal'>{escape(name)}</mi>", [self._print(one) for one in arguments])

    def _print_Heaviside(self, expr: Any) -> str:
        return self._call("H", expr.args[0])

    def _print_Max(self, expr: Any) -> str:
        return self._call("max", *sorted(expr.args, key=str))

    def _print_Min(self, expr: Any) -> str:
        return self._call("min", *sorted(expr.args, key=str))

    def _print_Abs(self, expr: Any) -> str:
        return fenced(self._print(expr.args[0]), fences="||")

    def _print_Sine(self, expr: Any) -> str:
        return f"<msqrt>{self._sine_squared(expr)}</msqrt>"

    def _sine_squared(self, expr: Any) -> str:
        a, b, c = expr.args
        return str(self._print(sympy.Mul(a, b) - c**2))

    def _print_Angle(self, expr: Any) -> str:
        return self._of_cosine("arccos", expr)

    def _print_Arcsine(self, expr: Any) -> str:
        return self._of_cosine("arcsin", expr)

    def _of_cosine(self, name: str, expr: Any) -> str:
        a, b, c = expr.args
        below = f"<msqrt>{self._product([a, b])}</msqrt>"
        return call(f"<mi mathvariant='normal'>{name}</mi>", [f"<mfrac>{self._print(c)}{below}</mfrac>"])

    def _print_Tail(self, expr: Any) -> str:
        h, var, shift = expr.args
        return self._scaled(shift, call(GLYPHS["tail"], [self._print(h / sympy.sqrt(var))]))

    def _print_Quadrant(self, expr: Any) -> str:
        h, k, a, b, c, shift = expr.args
        first, second = (self._print(one) for one in (h / sympy.sqrt(a), k / sympy.sqrt(b)))
        rho = self._print(c / sympy.sqrt(a * b))
        inner = f"{first}<mo>,</mo>{second}<mo>;</mo>{rho}"
        return self._scaled(shift, row(GLYPHS["quadrant"], APPLY, fenced(inner)))

    def _print_SinhScaled(self, expr: Any) -> str:
        z, shift = expr.args
        return self._scaled(shift, self._call("sinh", z))

    def _scaled(self, shift: Any, text: str) -> str:
        return text if shift == 0 else row(self._print(sympy.exp(shift)), TIMES, text)

    def _print_Relational(self, expr: Any) -> str:
        return row(self._print(expr.lhs), f"<mo>{_RELATIONS[expr.rel_op]}</mo>", self._print(expr.rhs))

    def _print_And(self, expr: Any) -> str:
        return row(*sorted(map(self._print, expr.args)), between=word("and"))

    def _print_Or(self, expr: Any) -> str:
        return row(*sorted(map(self._print, expr.args)), between=word("or"))

    def _print_Not(self, expr: Any) -> str:
        return row(word("not"), self._print(expr.args[0]))

    def _print_Piecewise(self, expr: Any) -> str:
        lines = "".join(
            f"<mtr><mtd>{self._print(value)}</mtd><mtd>{self._condition(condition)}</mtd></mtr>"
            for value, condition in expr.args
        )
        return f"<mrow><mo>{{</mo><mtable class='cases'>{lines}</mtable></mrow>"

    def _condition(self, condition: Any) -> str:
        return word("else") if condition == True else row(word("if"), self._print(condition))  # noqa: E712  # SymPy's

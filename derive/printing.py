"""Texts of SymPy expressions: in the parser's own language, and as LaTeX in the field's notation."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.core.alphabets import greeks
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter


def expression_text(expr: sympy.Expr) -> str:
    """Text that `derive.parse.parse_expression` reads back to the same expression."""
    return str(_TextPrinter().doprint(_with_decimals(expr)))


def latex(expr: sympy.Expr) -> str:
    """LaTeX of a formula; sine and angle of a pair read as in the arc-cosine kernel's literature."""
    return str(_LatexPrinter().doprint(_with_decimals(expr)))


def _with_decimals(expr: sympy.Expr) -> sympy.Expr:
    return expr.xreplace(
        {number: _decimal(number) for number in expr.atoms(sympy.Rational) if _is_long(number)}
    )


def _is_long(number: Any) -> bool:
    """Whether its integers are too long for the parser, while it is a decimal fraction."""
    return bool(max(abs(number.p), number.q) >= 10**15 and 10**60 % number.q == 0)


def _decimal(number: Any) -> Any:
    """The decimal that the number came from, as a symbol of that name."""
    digits = next(n for n in range(61) if 10**n % number.q == 0)
    text = str(abs(number.p) * 10**digits // number.q).rjust(digits + 1, "0")
    return sympy.sign(number) * sympy.Symbol(f"{text[:-digits]}.{text[-digits:]}" if digits else text)


class _TextPrinter(StrPrinter):  # type: ignore[misc]  # SymPy is untyped
    def _call(self, name: str, args: Any) -> str:
        return f"{name}({', '.join(self._print(arg) for arg in args)})"

    def _print_Max(self, expr: Any) -> str:
        return self._call("max", sorted(expr.args, key=str))

    def _print_Min(self, expr: Any) -> str:
        return self._call("min", sorted(expr.args, key=str))

    def _print_Abs(self, expr: Any) -> str:
        return self._call("abs", expr.args)

    def _print_Heaviside(self, expr: Any) -> str:
        return self._call("heaviside", expr.args[:1])

    def _print_Exp1(self, expr: Any) -> str:
        return "e"

    def _print_And(self, expr: Any) -> str:
        return self._join(" and ", expr)

    def _print_Or(self, expr: Any) -> str:
        return self._join(" or ", expr)

    def _print_Not(self, expr: Any) -> str:
        return f"(not {self._print(expr.args[0])})"

    def _print_Relational(self, expr: Any) -> str:
        return f"({self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)})"

    def _join(self, word: str, expr: Any) -> str:
        return f"({word.join(sorted(map(self._print, expr.args)))})"

    def _print_Piecewise(self, expr: Any) -> str:
        *head, (last, _) = expr.args
        text = self._print(last)
        for value, condition in reversed(head):
            text = f"({self._print(value)} if {self._print(condition)} else {text})"
        return str(text)


_SYMBOLS = {
    "W_std": r"\sigma_w", "b_std": r"\sigma_b", "latent_fraction": "r", "second_moment": "e", "theta": r"\theta",
    "sine": "s", "tail": r"\bar\Phi", "quadrant": r"\Phi_2", "arcsine": r"\alpha", "sinh": r"\mathrm{sh}", "var1": "q_1", "var2": "q_2", "cov12": "c",
    "length_scale": r"\ell", "alpha": r"\alpha",
}  # fmt: skip


def _letter(name: str) -> str:
    """Greek names as letters, words upright."""
    if name in greeks:
        return rf"\{name.replace('lamda', 'lambda')}"
    return rf"\mathrm{{{name}}}" if len(name) > 1 and name.isidentifier() else name


def symbol_parts(name: str) -> tuple[str, list[str], str | None]:
    """A name without its indices, the indices below, and the layer: Q_x_1 is ("Q", ["x"], "1")."""
    known = next((key for key in _SYMBOLS if name == key or name.startswith(f"{key}_")), name.split("_")[0])
    indices = [part for part in name[len(known) :].split("_") if part]
    layer = indices.pop() if indices and indices[-1].isdigit() else None
    return known, indices, layer


class _LatexPrinter(LatexPrinter):  # type: ignore[misc]  # SymPy is untyped
    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        """Q_x_1 as Q_{x}^{(1)}: an index that is a number is the layer."""
        known, indices, layer = symbol_parts(str(expr))
        below = "{" + ",".join(rf"\mathrm{{{part}}}" if len(part) > 1 else part for part in indices) + "}"
        text = _SYMBOLS.get(known) or _letter(known)
        text = (
            f"{text}_{below}"
            if indices and "_" not in text
            else f"{text[:-1]}{{{text[-1]},{below}}}"
            if indices
            else text
        )
        return text if layer is None else f"{text}^{{({layer})}}"

    def _print_Heaviside(self, expr: Any, exp: str | None = None) -> str:
        text = rf"\mathbf{{1}}\left[{self._print(expr.args[0])} > 0\right]"
        return text if exp is None else f"{text}^{{{exp}}}"

    def _print_Pow(self, expr: Any) -> str:
        base, exponent = expr.as_base_exp()
        if base.is_Symbol and exponent.is_Integer and exponent > 1 and "^" in self._print(base):
            return rf"{{\bigl({self._print(base)}\bigr)}}^{{{exponent}}}"
        return str(super()._print_Pow(expr))

    def _print_Sine(self, expr: Any, exp: str | None = None) -> str:
        a, b = (self.parenthesize(arg, 50) for arg in expr.args[:2])
        square = f"{a} {b} - {self._print(expr.args[2] ** 2)}"
        if exp is None:
            return rf"\sqrt{{{square}}}"
        power = {"2": "", "4": "^{2}", "6": "^{3}"}.get(exp, f"^{{{exp}/2}}")
        return rf"\left({square}\right){power}"

    def _print_Angle(self, expr: Any, exp: str | None = None) -> str:
        return self._of_cosine(r"\arccos", expr, exp)

    def _print_Arcsine(self, expr: Any, exp: str | None = None) -> str:
        return self._of_cosine(r"\arcsin", expr, exp)

    def _of_cosine(self, name: str, expr: Any, exp: str | None) -> str:
        a, b, c = expr.args
        variances = f"{self.parenthesize(a, 50)} {self.parenthesize(b, 50)}"
        text = rf"{name}\left(\frac{{{self._print(c)}}}{{\sqrt{{{variances}}}}}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_Tail(self, expr: Any, exp: str | None = None) -> str:
        h, var, shift = expr.args
        return self._scaled(shift, rf"\bar\Phi\left({self._print(h / sympy.sqrt(var))}\right)", exp)

    def _print_Quadrant(self, expr: Any, exp: str | None = None) -> str:
        h, k, a, b, c, shift = expr.args
        first, second = (self._print(arg) for arg in (h / sympy.sqrt(a), k / sympy.sqrt(b)))
        rho = self._print(c / sympy.sqrt(a * b))
        return self._scaled(shift, rf"\Phi_2\left({first}, {second}; {rho}\right)", exp)

    def _print_SinhScaled(self, expr: Any, exp: str | None = None) -> str:
        z, shift = expr.args
        return self._scaled(shift, rf"\sinh\left({self._print(z)}\right)", exp)

    def _scaled(self, shift: Any, text: str, exp: str | None) -> str:
        text = text if shift == 0 else rf"e^{{{self._print(shift)}}} {text}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

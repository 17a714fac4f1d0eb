"""Texts that the parser reads back to the same expression, and LaTeX without double superscripts."""

import re

import pytest
import sympy

from derive.activation import Activation
from derive.parse import SYMBOL, parse_expression
from derive.printing import expression_text, latex

TEXTS = [
    "max(x, 0)", "min(x, 6, 2*x)", "abs(x)**3", "sign(x)", "heaviside(x)", "x if x > 0 else exp(x) - 1",
    "1 if x > 1 and x < 2 else 0", "x if x < -1 or x >= 1 else x**2", "x if x != 0 else 1", "2 if x == 1 else 3",
    "0.12345678901234567*x", "-0.00000012345678912345*x", "sqrt(2)*x/3", "erf(x/sqrt(2))", "pi*x - e", "tanh(x)",
    "x/(1 + exp(-x))", "log(1 + exp(x))", "Phi(x)*x",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(text):
    expr = parse_expression(text)
    assert parse_expression(expression_text(expr)) == expr


@pytest.mark.parametrize("text", ["max(x, 0)", "x**2"])
def test_sympy_input_is_the_same_activation(text):
    t = sympy.Symbol("t")
    assert Activation(sympy.Max(t, 0) if "max" in text else t**2) == Activation(text)
    assert Activation(text).expr.free_symbols == {SYMBOL}


@pytest.mark.parametrize(
    "options", [{"depth": 3}, {"parameterization": "latent", "weights": "ternary"}], ids=str
)
def test_latex_has_balanced_braces_and_one_superscript_each(options):
    from quasintk.pipeline import kernel

    text = kernel("max(x, 0)**2", **options).latex()
    assert text.count("{") == text.count("}")
    assert not re.search(r"\^\{[^{}]*\}\^", text)
    assert latex(sympy.Symbol("Q_x_1")) == "Q_{x}^{(1)}"
    assert r"\sigma_w^{2}" in text

"""MathML that parses as XML and holds every part of the formula, of expressions and of the proofs' texts."""

import xml.etree.ElementTree as ElementTree

import pytest
import sympy

from derive import special
from derive.activation import Activation
from derive.library import NAMED
from derive.mathml import mathml
from derive.mathtext import text_mathml
from derive.series import Kappa, KappaDiagonal
from derive.trace import proof
from quasintk.pipeline import kernel

a, b, c = sympy.symbols("var1 var2 cov12", real=True)


def text_of(markup):
    """All characters in their order; it must be well-formed."""
    return (
        "".join(ElementTree.fromstring(f"<math>{markup}</math>").itertext())
        .replace("\u2062", "")
        .replace("\u2061", "")
    )


@pytest.mark.parametrize("name", NAMED)
def test_every_named_activation(name):
    assert "x" in text_of(mathml(Activation(name).expr))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (a - b, "q1−q2"),
        (-(a + b) / 2, "−q12−q22"),
        (sympy.Rational(-1, 2), "−12"),
        (special.Sine(a, b, c), "q1q2−c2"),
        (special.Sine(a, b, c) ** 2 / 2, "(q1q2−c2)2"),
        (special.Sine(a, b, c) ** 3, "(q1q2−c2)32"),
        (special.Angle(a, b, c), "arccos(cq1q2)"),
        (special.Tail(a, b, 0), "Φ¯(q1q2)"),
        (special.Quadrant(a, b, 1, 1, c, 0), "Φ2(q1,q2;c)"),
        (Kappa(2, a, b, c), "κ2(q1,q2,c)"),
        (KappaDiagonal(1, 0, a), "κ1(q1,q1,q1)"),
        (sympy.Max(0, a), "max(0,q1)"),
        (sympy.Abs(c), "|c|"),
        (sympy.Piecewise((a, a < b), (b, True)), "{q1\xa0if\xa0q1<q2q2\xa0else\xa0"),
        (sympy.Symbol("Q_x_1") ** 2, "(Qx(1))2"),
        (sympy.Symbol("latent_fraction") * sympy.Symbol("W_std") ** 2 * sympy.Symbol("m_0"), "rσw2m(0)"),
        (sympy.Symbol("W_std_out"), "σw,out"),
        (sympy.Symbol("<b>"), "<b>"),
    ],
    ids=str,
)
def test_expressions(expr, text):
    assert text_of(mathml(expr)) == text


def test_fractions_powers_and_roots_have_their_elements():
    assert mathml(a / b).startswith("<mfrac>")
    assert mathml(sympy.sqrt(a)).startswith("<msqrt>")
    assert mathml(sympy.exp(-(c**2))).startswith("<msup>")
    assert mathml(1 / sympy.sqrt(c)) == "<mfrac><mn>1</mn><msqrt><mi>c</mi></msqrt></mfrac>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("E[phi(u)^2] = q/2 for Var u = q", "E[φ(u)2]=q2\xa0for\xa0Varu=q"),
        ("sum_j h_j(var1) rho^j", "∑jhj(q1)ρj"),
        ("(sqrt(2)*cov12/(2*sqrt(pi)))", "2c2π"),
        ("1(u + e_u > 0)", "𝟏(u+eu>0)"),
        ("kappa_dot(var1) <= |rho|^(J + 1)", "κ˙(q1)≤|ρ|J+1"),
        ("arccos(cov12 / sqrt(var1 var2))", "arccos(cq1q2)"),
        ("((unclosed ** & < ]", "(unclosed\xa0&<])"),
        ("**", "**"),
        ("", ""),
    ],
    ids=str,
)
def test_texts(text, shown):
    assert text_of(text_mathml(text)).startswith(shown)


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh"])
def test_proofs_and_recursions_leave_no_program_notation(name):
    found = kernel(name, depth=2)
    texts = [text_mathml(step.expression) for dual in found.duals for step in proof(dual)]
    formulas = [mathml(one.value) for layer in found.layers for one in layer.equations]
    sources = [text_mathml(one.source) for layer in found.layers for one in layer.equations]
    for markup in (*texts, *formulas, *sources):
        assert not any(name in text_of(markup) for name in ("var1", "cov12", "W_std", "sqrt", "**", "kappa"))

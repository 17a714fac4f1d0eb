"""Activations by name, text and SymPy expression, with parameters."""

from fractions import Fraction

import pytest
import sympy

from derive.activation import Activation
from derive.errors import BadExpression
from derive.library import NAMED
from derive.network import Dense, Network, mlp
from derive.recursion import parameters

a = sympy.Symbol("a", positive=True)


@pytest.mark.parametrize("name", NAMED)
def test_every_name_of_the_library_is_its_expression(name):
    named = Activation(name)
    typed = Activation(NAMED[name].text, **NAMED[name].parameters)
    assert named.expr == typed.expr
    assert Activation(named.text, **dict(named.parameters)).expr == named.expr


@pytest.mark.parametrize("spec", ["prelu(0.1)", " prelu ( 1/10 ) "])
def test_a_name_with_values(spec):
    assert Activation(spec) == Activation("prelu", a="0.1")


def test_parameters_of_texts_and_of_sympy_expressions():
    text = Activation("max(x, 0) + a*min(x, 0)", a=0.5)
    z = sympy.Symbol("z")
    symbolic = Activation(sympy.Max(z, 0) + sympy.Symbol("a") * sympy.Min(z, 0), a=0.5)
    assert text == symbolic
    assert text.parameters == (("a", Fraction(1, 2)),)
    assert a in text.expr.free_symbols
    assert Activation("self*x", self=2).parameters == (("self", 2),)


@pytest.mark.parametrize(
    ("spec", "values", "error", "message"),
    [
        ("a*x", {}, BadExpression, "unknown name 'a'"),
        ("a*x", {"a": -1}, ValueError, "must be positive"),
        ("prelu", {"b": 1}, ValueError, "has the parameters a"),
        ("prelu(1, 2)", {}, BadExpression, "takes 1 values"),
        ("W_std*x", {"W_std": 1}, ValueError, "taken by the network"),
        (sympy.Symbol("u") * sympy.Symbol("v"), {}, BadExpression, "symbols u, v"),
        (sympy.Symbol("u"), {"c": 2}, ValueError, "does not occur"),
        (3, {}, BadExpression, "not int"),
    ],
)
def test_bad_parameters(spec, values, error, message):
    with pytest.raises(error, match=message):
        Activation(spec, **values)


def test_parameters_reach_the_network():
    assert parameters(mlp("prelu(0.1)", depth=2))["a"] == Fraction(1, 10)
    with pytest.raises(ValueError, match="different values"):
        Network([Dense(), Activation("prelu(1)"), Dense(), Activation("prelu(2)"), Dense()])

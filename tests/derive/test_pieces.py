"""Branches and edges of activations, against the expression itself at many points."""

import mpmath
import pytest
import sympy

from derive.activation import Activation
from derive.errors import NoClosedForm
from derive.parse import parse_expression
from derive.pieces import pieces

x = sympy.Symbol("x", real=True)
EDGES = {
    "max(x, 0)": [0],
    "max(-1, min(1, x))": [-1, 1],
    "x*max(0, min(6, x + 3))/6": [-3, 3],
    "abs(abs(x) - 1)": [-1, 0, 1],
    "max(x**2 - 1, x)": [(1 - 5**0.5) / 2, (1 + 5**0.5) / 2],
    "max(exp(x) - 2, 0)": [0.6931471805599453],
    "x if x > 0.5 or x < -0.5 else 0": [-0.5, 0.5],
    "abs(x**3 - x)": [-1, 0, 1],
    "max(tanh(x), x/2)": [-1.9150080481545375, 0, 1.9150080481545375],
    "max(x, x)": [],
    "heaviside(x + 2) + sign(x - 1)": [-2, 1],
    "(x if x > 1 else 2) if x > 0 and x < 3 else -x": [0, 1, 3],
    "1 + abs(x)*0": [],
}


@pytest.mark.parametrize("text", EDGES)
def test_edges_and_branches(text):
    expr = parse_expression(text)
    parts = pieces(expr)
    assert [float(edge) for edge in parts.edges] == pytest.approx(EDGES[text], abs=1e-15)
    phi = sympy.lambdify(x, expr, "mpmath")
    for point in (-7.3, -2.2, -1.3, -0.71, -0.3, 0.11, 0.62, 0.83, 1.4, 2.6, 3.1, 9.9):
        branch = parts.branches[sum(point > float(edge) for edge in parts.edges)]
        assert (
            abs(phi(mpmath.mpf(point)) - mpmath.mpf(sympy.N(branch.subs(x, sympy.Float(point)), 20))) < 1e-12
        )


def test_edges_may_be_parameters():
    lambd = sympy.Symbol("lambd", positive=True)
    assert pieces(Activation("softshrink").expr).edges == (-lambd, lambd)


@pytest.mark.parametrize("text", ["x if x > a and x < b else 0", "min(0, a*(exp(x/a) - 1))"])
def test_an_order_that_depends_on_parameters_is_refused(text):
    with pytest.raises(NoClosedForm, match="parameters"):
        pieces(parse_expression(text, ("a", "b")))


def test_an_edge_between_parameters():
    a, b = sympy.symbols("a b", positive=True)
    assert pieces(parse_expression("max(x - a, b - x)", ("a", "b"))).edges == ((a + b) / 2,)

"""Hermite coefficients: recurrences against quadrature, exact values, exact zeros."""

import mpmath
import pytest
import sympy

from derive import oracle
from derive.activation import Activation
from derive.hermite import hermite_coefficients, second_moment
from derive.parse import SYMBOL
from derive.pieces import pieces

CLOSED = ("relu", "erf", "gelu", "hardtanh", "elu", "selu", "sin", "cos", "gaussian", "xgaussian", "hardswish", "staircase",
          "softshrink", "Phi", "exp(x/3)", "x**2*exp(x/3 - x**2/2)", "max(x - 1, 0) + erf(x)", "prelu")  # fmt: skip
ORDER = 60


@pytest.mark.parametrize("variance", ["1/5", "3/2"])
@pytest.mark.parametrize("name", CLOSED)
def test_recurrences_agree_with_quadrature(name, variance):
    """The oracle's panels shares nothing with the recurrences; it errs by 1e-39 of the norm."""
    activation = Activation(name)
    with mpmath.workdps(50):
        q = mpmath.mpf(variance.split("/")[0]) / int(variance.split("/")[1])
        values = {
            sympy.Symbol(n, positive=True): sympy.Rational(*v.as_integer_ratio())
            for n, v in activation.parameters
        }
        expr = activation.expr.subs(values)
        phi = sympy.lambdify(SYMBOL, expr, modules="mpmath")
        kinks = [mpmath.mpf(str(edge)) for edge in pieces(expr).edges]
        expected = oracle.sample(phi, q, kinks).hermite_coefficients(ORDER)
        found = hermite_coefficients(activation, q, ORDER)
        norm = mpmath.sqrt(mpmath.fsum(h * h for h in expected))
        assert all(abs(h - e) < norm * mpmath.mpf(10) ** -30 for h, e in zip(found, expected, strict=True))


def test_relative_accuracy_far_below_the_norm():
    """sin: h_j = (-1)^((j-1)/2) exp(-q/2) q^(j/2) / sqrt(j!), 1e-250 at j = 199."""
    with mpmath.workdps(40):
        q = mpmath.mpf(1) / 5
        found = hermite_coefficients(Activation("sin"), q, 199)
        for j in (1, 21, 199):
            expected = (
                mpmath.exp(-q / 2)
                * q ** (mpmath.mpf(j) / 2)
                / mpmath.sqrt(mpmath.factorial(j))
                * (-1) ** (j // 2)
            )
            assert abs(found[j] / expected - 1) < mpmath.mpf(10) ** -30


@pytest.mark.parametrize(
    ("name", "zeros"),
    [("relu", range(3, 40, 2)), ("erf", range(0, 40, 2)), ("hardtanh", range(0, 40, 2)), ("tanh", range(0, 40, 2)),
     ("silu", range(3, 40, 2)), ("softplus", range(3, 40, 2)), ("sigmoid", range(2, 40, 2)), ("hermite3", (0, 1, 2, 4, 5, 9, 30))],
)  # fmt: skip
def test_exact_zeros(name, zeros):
    found = hermite_coefficients(Activation(name), mpmath.mpf(1), 40)
    assert {j for j in range(41) if found[j] == 0} >= set(zeros)
    assert any(found)


def test_panels_know_tanh_by_parseval():
    """sum h_j^2 = E[phi^2]; what 200 coefficients leave falls like exp(-pi sqrt(200)) = 5e-20."""
    activation, q = Activation("tanh"), mpmath.mpf(1)
    found = hermite_coefficients(activation, q, 400)
    with mpmath.workdps(40):
        norm = mpmath.quad(lambda z: mpmath.tanh(z) ** 2 * mpmath.npdf(z), mpmath.linspace(-20, 20, 41))
        assert abs(second_moment(activation, q) - norm) < mpmath.mpf(10) ** -28
        assert abs(mpmath.fsum(h * h for h in found) - norm) < mpmath.mpf(10) ** -26


def test_a_kink_beside_a_smooth_odd_part_is_no_polynomial():
    """max(x, 0) + tanh(x): its even part |x| / 2 has every even coefficient of max(x, 0)."""
    q = mpmath.mpf(1)
    found = hermite_coefficients(Activation("max(x, 0) + tanh(x)"), q, 30)
    relu = hermite_coefficients(Activation("relu"), q, 30)
    assert all(abs(found[j] / relu[j] - 1) < mpmath.mpf(10) ** -20 for j in range(0, 31, 2))

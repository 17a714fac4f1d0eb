"""The kernel as a function of the cosine: symbolic form, Taylor coefficients and their stated errors."""

import mpmath
import numpy as np
import pytest
import sympy

from derive.ir import OUTPUTS
from numerics.interpret import MULTIPRECISION, interpret
from quasintk.pipeline import kernel

OPTIONS = [
    {"depth": 3, "weights": "binary", "W_std": 1.4142, "b_std": 0.1},
    {"depth": 2, "weights": "ternary", "W_std": 1.4142},
    {"depth": 3, "weights": "real", "W_std": 1.2},
    {"depth": 1, "weights": 7, "b_std": 0.5},
]


def made(options):
    from derive.weights import Levels

    weights = options["weights"]
    return kernel("relu", **{**options, "weights": Levels(weights) if isinstance(weights, int) else weights})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("get", OUTPUTS)
def test_taylor_errors_are_honest(options, get):
    """Against high-order differences of the interpreter at 60 digits."""
    one, terms = made(options), 40
    found = one.on_sphere(get=get).taylor_series(terms)
    program = one.ir.pair.restricted(get)
    constants = {**one.parameters, "q_x": mpmath.mpf(1), "q_y": mpmath.mpf(1)}
    with mpmath.workdps(60):
        exact = mpmath.taylor(
            lambda t: interpret(program, {**constants, "m_0": t}, MULTIPRECISION)[get] + 0 * t, 0, terms
        )
        for a, expected, error in zip(found.coefficients, exact, found.relative_error, strict=True):
            # rounding = p - m is a difference of two such series: its coefficients carry the error of p
            scale = abs(expected) if get != "rounding" else abs(expected) + abs(found.coefficients).max()
            assert abs(mpmath.mpf(str(a)) - expected) <= error * scale + mpmath.mpf(10) ** -40


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_symbolic_form_compiled_form_and_series_agree(options):
    one = made(options)
    function = one.on_sphere(q="3/2")
    (t,) = function.symbolic.free_symbols
    series = function.taylor(400)
    for cosine in (-0.6, 0.0, 0.3, 0.7):
        value = function(cosine)
        assert float(function.symbolic.subs(t, sympy.Rational(cosine)).evalf(25)) == pytest.approx(
            value, rel=1e-13
        )
        # real weights: a_j falls like j^-1.5 only, but 0.7^400 = 1e-62
        assert np.polynomial.polynomial.polyval(cosine, series) == pytest.approx(value, rel=1e-13)


def test_bias_free_relu_of_depth_one_has_exact_zeros():
    """Cho & Saul: the coefficients of odd degree above 1 vanish."""
    coefficients = kernel("relu", W_std=1.4142).on_sphere().taylor(31)
    assert (coefficients[3::2] == 0.0).all()
    assert (coefficients[2::2] > 0).all()


def test_ends_of_the_interval():
    one = made(OPTIONS[0])
    function = one.on_sphere(q=2)
    x = np.array([[2.0, 0.0]])  # |x|^2 / 2 = 2
    assert function(1.0) == one(x)[0, 0] == function(1 + 4e-16)
    assert function(-1.0) == pytest.approx(one(x, -x)[0, 0], rel=1e-14)
    assert function([[0.1, 0.2]]).shape == (1, 2)

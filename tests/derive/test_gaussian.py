"""One-dimensional moments against quadrature."""

import mpmath
import pytest
import sympy

from derive import gaussian, special
from derive.activation import Activation
from derive.pieces import pieces
from derive.terms import terms_of

EXPRESSIONS = [
    "relu", "leaky_relu", "max(x, 0)**2 - 1", "x**3 - x", "sign(x)", "gelu", "erf(x)", "elu", "hardtanh", "hardswish",
    "sin(2*x)", "x*exp(-x**2/2)", "Phi(x) + max(x - 1, 0)", "exp(x**2/20)*x", "staircase",
]  # fmt: skip


def value(form, **at):
    functions = {cls.__name__: special.BY_MPMATH[name] for cls, name in special.NAMES.items()}
    symbols = sorted(form.free_symbols, key=str)
    arguments = [mpmath.mpf(at.get(str(s), 0.01 if str(s) == "negative_slope" else 1)) for s in symbols]
    return sympy.lambdify(symbols, form, modules=[functions, "mpmath"])(*arguments)


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize(("nu", "sig"), [(0.7, 1.2), (-1.5, 0.3)])
def test_quasi_moments_average_over_the_noise(text, nu, sig):
    """mu' and tau' of theory.md, section 2, against quadrature split at the kinks."""
    activation = Activation(text)
    own = dict(activation.parameters)
    expr = activation.expr.subs(
        {s: sympy.Rational(str(own[str(s)])) for s in activation.expr.free_symbols if str(s) in own}
    )
    phi = sympy.lambdify(sympy.Symbol("x", real=True), expr, "mpmath")
    kinks = [(mpmath.mpf(edge) - nu) / sig for edge in pieces(expr).edges]
    edges = sorted([*range(-14, 15, 2), *(kink for kink in kinks if abs(kink) < 14)])
    terms = terms_of(activation)
    for form, power in ((gaussian.quasi_mean(terms), 1), (gaussian.quasi_second_moment(terms), 2)):
        expected = mpmath.quad(lambda z, power=power: phi(nu + sig * z) ** power * mpmath.npdf(z), edges)
        # mpmath.quad works with 15 digits
        assert abs(value(form, nu=nu, sig=sig) - expected) < 1e-12 * max(1, abs(expected))


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_second_moment_is_the_centred_quasi_second_moment(text):
    terms = terms_of(Activation(text))
    centred = value(gaussian.quasi_second_moment(terms), nu=0, sig=mpmath.sqrt(mpmath.mpf("1.3")))
    expected = value(gaussian.second_moment(terms), q="1.3")
    assert abs(centred - expected) < 1e-13 * max(1, expected)

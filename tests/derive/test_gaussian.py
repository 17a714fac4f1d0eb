"""One-dimensional moments against quadrature."""

import mpmath
import pytest
import sympy

from derive import gaussian
from derive.activation import Activation
from derive.terms import terms_of

EXPRESSIONS = ["relu", "leaky_relu", "max(x, 0)**2 - 1", "x**3 - x", "sign(x)"]


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize(("nu", "sig"), [(0.7, 1.2), (-1.5, 0.3)])
def test_quasi_moments_average_over_the_noise(text, nu, sig):
    """mu' and tau' of theory.md, section 2, against quadrature split at the kink."""
    activation = Activation(text)
    phi = sympy.lambdify(sympy.Symbol("x", real=True), activation.expr, "mpmath")
    terms = terms_of(activation)
    for form, power in ((gaussian.quasi_mean(terms), 1), (gaussian.quasi_second_moment(terms), 2)):
        found = form.evalf(20, subs={gaussian.nu: nu, gaussian.sig: sig})
        kink = -mpmath.mpf(nu) / sig
        expected = mpmath.quad(
            lambda z, power=power: phi(nu + sig * z) ** power * mpmath.npdf(z), sorted([-14, 0, kink, 14])
        )
        assert abs(found - expected) < 1e-12  # mpmath.quad works with 15 digits


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_second_moment_is_the_centred_quasi_second_moment(text):
    terms = terms_of(Activation(text))
    centred = (
        gaussian.quasi_second_moment(terms)
        .subs(gaussian.nu, 0)
        .subs(gaussian.sig, sympy.sqrt(gaussian.variance))
    )
    assert sympy.simplify(centred - gaussian.second_moment(terms)) == 0

"""Closed forms of duals against the formulas of the literature and against two-dimensional quadrature."""

import dataclasses

import numpy as np
import pytest
import sympy

from derive import gaussian
from derive.activation import Activation
from derive.certificate import certify
from derive.dual import dual_activation
from derive.errors import CertificateError, DerivationError, NoClosedForm
from derive.quadrant import Angle, Sine, cov12, var1, var2
from derive.terms import terms_of

EXPRESSIONS = [
    "relu",
    "abs",
    "leaky_relu",
    "identity",
    "max(x, 0)**2",
    "max(x, 0)**3 - x/2",
    "x**3 - x",
    "sign(x)",
]
COVARIANCES = [(1.3, 0.8, -0.35), (0.4, 2.5, 0.9), (1.0, 1.0, 0.0), (2.0, 0.5, -0.99)]


def number(form, **at):
    """Value of a form at 30 digits."""
    elementary = form.replace(Sine, lambda a, b, c: sympy.sqrt(a * b - c**2)).replace(
        Angle, lambda a, b, c: sympy.acos(c / sympy.sqrt(a * b))
    )
    symbols = {str(s): s for s in elementary.free_symbols}
    return elementary.evalf(30, subs={symbols[k]: sympy.Float(v, 40) for k, v in at.items() if k in symbols})


def quadrature(phi, a, b, c):
    """E[phi(u) phi(v)], v = (c / a) u + s w, by Gauss-Legendre on half-lines split at both kinks, cut at 12."""
    nodes, weights = np.polynomial.legendre.leggauss(100)

    def rule(left, right):
        half = (right - left)[..., None] / 2
        return left[..., None] + half * (nodes + 1), half * weights

    def density(z):
        return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    s = np.sqrt(b - c**2 / a)
    z, weight = (
        np.concatenate(parts)
        for parts in zip(*(rule(*np.array(e)) for e in ((-12.0, 0.0), (0.0, 12.0))), strict=True)
    )
    kink = np.clip(-c / np.sqrt(a) * z / s, -12, 12)
    inner = np.zeros_like(z)
    for left, right in ((np.full_like(z, -12.0), kink), (kink, np.full_like(z, 12.0))):
        w, inner_weight = rule(left, right)
        inner += (inner_weight * density(w) * phi(c / np.sqrt(a) * z[:, None] + s * w)).sum(axis=1)
    return float((weight * density(z) * phi(np.sqrt(a) * z) * inner).sum())


def test_relu_gives_the_arc_cosine_kernel_of_order_one():
    theta = Angle(var1, var2, cov12)
    cho_saul = (Sine(var1, var2, cov12) + (sympy.pi - theta) * cov12) / (2 * sympy.pi)
    dual = dual_activation(Activation("relu"))
    assert sympy.expand(dual.phi - cho_saul) == 0
    assert sympy.expand(dual.dphi - (sympy.pi - theta) / (2 * sympy.pi)) == 0
    assert dual.phi_diagonal == gaussian.variance / 2
    assert dual.dphi_diagonal == sympy.Rational(1, 2)


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("covariance", COVARIANCES[:2], ids=str)
def test_kappa_is_the_gaussian_expectation(text, covariance):
    activation = Activation(text)
    phi = sympy.lambdify(sympy.Symbol("x", real=True), activation.expr, "numpy")
    a, b, c = covariance
    expected = quadrature(phi, a, b, c)
    found = number(dual_activation(activation).phi, var1=a, var2=b, cov12=c)
    # 100 nodes on 12 standard deviations carry 14 digits; the cut leaves exp(-72)
    assert abs(found - expected) <= 1e-12 * max(1, abs(expected))


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("covariance", COVARIANCES, ids=str)
def test_kappa_dot_is_the_derivative_of_kappa(text, covariance):
    """Price's theorem, by central differences at 30 digits: error h^2 / 6 times the third derivative."""
    dual = dual_activation(Activation(text))
    a, b, c = covariance
    h = sympy.Rational(1, 10**7)
    above, below = (number(dual.phi, var1=a, var2=b, cov12=sympy.Float(c, 40) + s * h) for s in (1, -1))
    slope = number(dual.dphi, var1=a, var2=b, cov12=c)
    assert abs((above - below) / (2 * h) - slope) < 1e-8 * max(1, abs(slope))


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_diagonal_is_the_limit_of_equal_arguments(text):
    dual = dual_activation(Activation(text))
    q = 1.7
    limit = number(dual.phi, var1=q, var2=q, cov12=q * (1 - 1e-14))
    # kappa is at least Hoelder continuous of order 1/2 in 1 - rho (sign)
    assert abs(limit - number(dual.phi_diagonal, q=q)) < 1e-6


@pytest.mark.parametrize(
    ("text", "degree"), [("relu", 1), ("abs", 1), ("max(x, 0)**3", 3), ("sign(x)", 0), ("x**3 - x", None)]
)
def test_homogeneity(text, degree):
    assert dual_activation(Activation(text)).homogeneity == degree


def test_every_dual_carries_a_certificate_of_thirty_digits():
    certificate = dual_activation(Activation("relu")).certificate
    assert certificate.digits >= 30
    assert certificate.points >= 2


@pytest.mark.parametrize(
    "mutate",
    [
        lambda d: {"phi": d.dphi, "dphi": d.phi},
        lambda d: {"phi": d.phi * (1 + sympy.Rational(1, 10**20))},
        lambda d: {"dphi": d.dphi + sympy.Rational(1, 10**20)},
        lambda d: {"phi_diagonal": d.phi_diagonal * 2},
        lambda d: {"dphi_diagonal": d.dphi_diagonal + sympy.Rational(1, 10**20)},
    ],
    ids=["swapped", "kappa", "kappa_dot", "diagonal", "diagonal of kappa_dot"],
)
def test_a_wrong_closed_form_gets_no_certificate(mutate):
    dual = dual_activation(Activation("relu"))
    wrong = dataclasses.replace(dual, **mutate(dual))
    forms = {name: getattr(wrong, name) for name in ("phi", "dphi", "phi_diagonal", "dphi_diagonal")}
    with pytest.raises(CertificateError, match="digits in common"):
        certify(wrong.activation, **forms)


@pytest.mark.parametrize("text", ["tanh(x)", "max(x - 1, 0)", "erf(x)", "1/(1 + x**2)"])
def test_an_activation_outside_the_class_says_so(text):
    with pytest.raises(NoClosedForm, match="polynomial"):
        terms_of(Activation(text))


@pytest.mark.parametrize("text", ["max(x, 0)**17", "(x + 1)**17", "(x + 1)**32*(x - 2)**32"])
def test_a_closed_form_too_long_is_refused_before_it_is_derived(text):
    with pytest.raises(NoClosedForm, match="too long"):
        terms_of(Activation(text))


def test_an_infinite_second_moment_is_named_with_its_bound():
    with pytest.raises(DerivationError, match=r"infinite.*Var u >= 1/2"):
        terms_of(Activation("exp(x**2/2)"))

"""Closed forms of duals against the formulas of the literature and against two-dimensional quadrature."""

import dataclasses
import math

import mpmath
import numpy as np
import pytest
import sympy

from derive import gaussian, special
from derive.activation import Activation
from derive.certificate import certify
from derive.dual import dual_activation
from derive.errors import CertificateError, NoClosedForm
from derive.library import NAMED
from derive.pieces import pieces
from derive.present import cov12, var1, var2
from derive.special import Angle, Arcsine, Sine
from derive.terms import terms_of

ERF = {"erf": math.erf, "erfc": math.erfc, "Heaviside": lambda x, half: (np.sign(x) + 1) / 2}
CLOSED = [name for name in NAMED if name not in (
    "tanh", "sigmoid", "silu", "mish", "softplus", "softsign", "logsigmoid", "tanhshrink", "gelu_tanh"
)]  # fmt: skip
TYPED = [
    "max(x - 0.3, 0)", "x - 0.3 if x > 0.3 else exp(x - 0.3) - 1", "erf(0.7*x)", "0.7*x*Phi(0.7*x - 0.3)",
    "max(-0.7, min(1.3, x))", "sin(0.7*x + 0.3)", "exp(-0.7*(x - 0.3)**2)*cos(x)", "Phi(x) + max(x - 1, 0)",
    "x*exp(x/3 - x**2/2) if x > 0.5 else 0", "max(x**2 - 1, x)", "sign(x - 1)*x + abs(x + 1)", "exp(x**2/20)*x",
    "max(exp(x) - 2, 0)", "min(x, 1)*erfc(2)", "cosh(x/2)", "abs(x**2 - 2)", "max(x, 0)**5",
]  # fmt: skip
EXPRESSIONS = ["relu", "abs", "leaky_relu", "identity", "max(x, 0)**3 - x/2", "x**3 - x", "sign(x)", *TYPED]
COVARIANCES = [(1.3, 0.8, -0.35), (0.4, 2.5, 0.9), (1.0, 1.0, 0.0), (2.0, 0.5, -0.99)]


def number(form, **at):
    """Value of a form at 30 digits, by the mpmath functions of `derive.special`."""
    functions = {cls.__name__: special.BY_MPMATH[name] for cls, name in special.NAMES.items()}
    symbols = sorted(form.free_symbols, key=str)
    with mpmath.workdps(30):
        values = [mpmath.mpf(at[str(s)]) if str(s) in at else mpmath.mpf("0.01") for s in symbols]
        return mpmath.mpf(sympy.lambdify(symbols, form, modules=[functions, "mpmath"])(*values))


def quadrature(activation, a, b, c):
    """E[phi(u) phi(v)] by Gauss-Legendre in the rotated plane, both variables split at their kinks, cut at 12."""
    nodes, weights = np.polynomial.legendre.leggauss(100)
    values = {sympy.Symbol("negative_slope", positive=True): 0.01}
    phi = np.vectorize(
        sympy.lambdify(sympy.Symbol("x", real=True), activation.expr.subs(values), ["math", ERF]),
        otypes=[float],
    )
    kinks = [float(edge) for edge in pieces(activation.expr.subs(values)).edges]

    def rule(edges):
        left, right = np.array(edges[:-1]), np.array(edges[1:])
        half = (right - left)[:, None] / 2
        return (left[:, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()

    def density(z):
        return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    s, total = np.sqrt(b - c**2 / a), 0.0
    for z, weight in zip(*rule(sorted([-12.0, 0.0, 12.0, *(k / np.sqrt(a) for k in kinks)])), strict=True):
        centre = c / np.sqrt(a) * z
        w, inner = rule(
            sorted([-12.0, 0.0, 12.0, *(float(np.clip((k - centre) / s, -12, 12)) for k in kinks)])
        )
        total += (
            weight
            * density(z)
            * float(phi(np.sqrt(a) * z))
            * float(inner @ (density(w) * phi(centre + s * w)))
        )
    return total


def test_relu_gives_the_arc_cosine_kernel_of_order_one():
    theta = Angle(var1, var2, cov12)
    cho_saul = (Sine(var1, var2, cov12) + (sympy.pi - theta) * cov12) / (2 * sympy.pi)
    dual = dual_activation(Activation("relu"))
    assert sympy.expand(dual.phi - cho_saul) == 0
    assert sympy.expand(dual.dphi - (sympy.pi - theta) / (2 * sympy.pi)) == 0
    assert dual.phi_diagonal == gaussian.variance / 2
    assert dual.dphi_diagonal == sympy.Rational(1, 2)


def test_erf_gives_the_arcsine_kernel():
    """Williams (1997)."""
    dual = dual_activation(Activation("erf"))
    assert dual.phi == 2 * Arcsine(1 + 2 * var1, 1 + 2 * var2, 2 * cov12) / sympy.pi


@pytest.mark.parametrize("name", CLOSED)
def test_every_closed_name_of_the_library_is_certified(name):
    assert dual_activation(Activation(name)).certificate.digits >= 30


@pytest.mark.parametrize("text", TYPED)
def test_shifted_and_scaled_expressions_are_closed_too(text):
    """Nothing is looked up by name."""
    assert dual_activation(Activation(text)).certificate.digits >= 30


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("covariance", COVARIANCES[:2], ids=str)
def test_kappa_is_the_gaussian_expectation(text, covariance):
    activation = Activation(text)
    a, b, c = covariance
    expected = quadrature(activation, a, b, c)
    dual = dual_activation(activation)
    scale = math.sqrt(number(dual.phi_diagonal, q=a) * number(dual.phi_diagonal, q=b))
    # 100 nodes on 12 standard deviations carry 14 digits; the cut leaves exp(-72), or exp(-72 + 24) for cosh(x/2)
    assert abs(number(dual.phi, var1=a, var2=b, cov12=c) - expected) <= 1e-12 * scale


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("covariance", COVARIANCES, ids=str)
def test_kappa_dot_is_the_derivative_of_kappa(text, covariance):
    """Price's theorem, by central differences at 30 digits: error h^2 / 6 times the third derivative."""
    dual = dual_activation(Activation(text))
    a, b, c = covariance
    h = mpmath.mpf(10) ** -7
    above, below = (number(dual.phi, var1=a, var2=b, cov12=mpmath.mpf(c) + s * h) for s in (1, -1))
    slope = number(dual.dphi, var1=a, var2=b, cov12=c)
    assert abs((above - below) / (2 * h) - slope) < 1e-7 * max(1, abs(slope))


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_diagonal_is_the_limit_of_equal_arguments(text):
    dual = dual_activation(Activation(text))
    q = 1.7
    limit = number(dual.phi, var1=q, var2=q, cov12=q * (1 - 1e-14))
    expected = number(dual.phi_diagonal, q=q)
    # kappa is at least Hoelder continuous of order 1/2 in 1 - rho (sign)
    assert abs(limit - expected) < 1e-6 * max(1, expected)


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
        certify(wrong.activation, (sympy.Integer(0),), forms)


@pytest.mark.parametrize(
    "text", ["tanh(x)", "1/(1 + x**2)", "sin(x) if x > 0 else 0", "Phi(x)*Phi(2*x)", "exp(tanh(x))"]
)
def test_an_activation_outside_the_class_says_so(text):
    with pytest.raises(NoClosedForm):
        terms_of(Activation(text))


@pytest.mark.parametrize("text", ["max(x, 0)**26", "(x + 1)**32*max(x, 2)"])
def test_a_closed_form_too_long_is_refused_before_it_is_derived(text):
    with pytest.raises(NoClosedForm, match="too long"):
        terms_of(Activation(text))


def test_parameters_stay_symbols():
    dual = dual_activation(Activation("max(x, 0) + a*min(x, 0)", a=0.3))
    a = sympy.Symbol("a", positive=True)
    relu = dual_activation(Activation("relu"))
    assert a in dual.phi.free_symbols
    assert sympy.simplify(dual.phi.subs(a, 1) - cov12) == 0
    assert dual.homogeneity == relu.homogeneity


def test_the_bound_of_an_infinite_second_moment():
    assert dual_activation(Activation("exp(x**2/20)*x")).bound == 5


def test_a_base_that_is_negative_at_small_variances_is_no_determinant():
    """exp with a threshold beside a kink: `present` once turned var1 - 1 into 1 - var1, which the certificate refused."""
    activation = Activation("max(x, 0) + (x if x > 0.1 else exp(0.1*x))")
    assert dual_activation(activation).certificate.digits >= 30

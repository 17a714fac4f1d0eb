"""Hermite coefficients: recurrences against quadrature, exact values, exact zeros."""

import itertools

import mpmath
import pytest
import sympy
from mpmath.calculus.quadrature import GaussLegendre

from derive import hermite, oracle
from derive.activation import Activation
from derive.errors import NumericalError
from derive.hermite import hermite_coefficients, second_moment
from derive.parse import SYMBOL
from derive.pieces import pieces

CLOSED = ("relu", "erf", "gelu", "hardtanh", "elu", "selu", "sin", "cos", "gaussian", "xgaussian", "hardswish", "staircase",
          "softshrink", "Phi", "exp(x/3)", "x**2*exp(x/3 - x**2/2)", "max(x - 1, 0) + erf(x)", "prelu", "max(x, 0) + 3*sin(x)/10",
          "abs(x - 1)*exp(x/3) + cos(2*x)")  # fmt: skip
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


def gauss_legendre(std, degrees):
    """z, w He_j(z) / sqrt(j!) for j in degrees: mpmath's own rule, 48 nodes on panels in z > 0 of width 1 and less, x = std z
    also split at 1/8, 1/4, ... 2^k. exp(-x) on [2, 4] errs by 1e-100, He_128, of phase 6 on half a panel, by 1e-100.
    """
    top = max(degrees)
    reach = 17 + int(top**0.5)  # |He_j(z)| exp(-z^2 / 2) / sqrt(j!) < exp(-z^2 / 4 - ...) < 1e-70 beyond
    edges = {mpmath.mpf(k) for k in range(reach + 1)}
    edges |= {mpmath.mpf(2) ** k / std for k in range(-3, 15) if 2**k < reach * std}
    nodes = GaussLegendre(mpmath.mp).calc_nodes(5, mpmath.mp.prec)
    table = []
    for left, right in itertools.pairwise(sorted(edges)):
        half, middle = (right - left) / 2, (right + left) / 2
        for node, weight in nodes:
            z = middle + half * node
            he = [half * weight * mpmath.npdf(z), half * weight * mpmath.npdf(z) * z]
            for j in range(1, top):
                he.append(z * he[j] - j * he[j - 1])
            table.append((z, [he[j] for j in degrees]))
    scale = [1 / mpmath.sqrt(mpmath.factorial(j)) for j in degrees]
    return [(z, [a * b for a, b in zip(he, scale, strict=True)]) for z, he in table]


PANELS = ("tanh", "sigmoid", "softplus")
FUNCTIONS = {
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "x*exp(x)*heaviside(-x)": lambda x: min(x, 0) * mpmath.exp(min(x, 0)),
    "prelu": lambda x: x if x > 0 else x / 4,
    "gelu": lambda x: x * mpmath.ncdf(x),
    "erf": mpmath.erf,
    "relu": lambda x: max(x, 0),
    "hardtanh": lambda x: max(-1, min(1, x)),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x))),
}


@pytest.mark.parametrize(
    ("variance", "top", "panels"), [("1e-6", 40, 0), ("1000", 48, 1), ("1e6", 128, 0)], ids=str
)
def test_extreme_variances(variance, top, panels):
    """Every coefficient to 30 digits, as far as the reference has them: it has 65 of the largest."""
    degrees = [j for j in (0, 1, 2, 3, 8, 33, 40, 47, 48, 127, 128) if j <= top]
    with mpmath.workdps(75):
        q = mpmath.mpf(variance)
        table = gauss_legendre(mpmath.sqrt(q), degrees)
        for name, phi in FUNCTIONS.items():
            if name in PANELS and not panels:
                continue  # 1e-120 takes them minutes at 1e-6
            expected = [mpmath.mpf(0)] * len(degrees)
            for z, weights in table:
                right, left = phi(mpmath.sqrt(q) * z), phi(-mpmath.sqrt(q) * z)
                for i, (j, weight) in enumerate(zip(degrees, weights, strict=True)):
                    expected[i] += weight * (right + (-1) ** j * left)
            found = hermite_coefficients(Activation(name), q, top)
            noise = max(map(abs, expected)) * mpmath.mpf(10) ** -65
            for j, value in zip(degrees, expected, strict=True):
                assert abs(found[j] - value) <= abs(value) * mpmath.mpf(10) ** -30 + noise, (name, j)


def test_panels_at_a_small_variance():
    """tanh at 1e-6 against its Taylor series in the moments of z: h_j = sum_n c_n std^n E[z^n He_j] / sqrt(j!)."""
    q = mpmath.mpf("1e-6")
    found = hermite_coefficients(Activation("tanh"), q, 5)
    with mpmath.workdps(60):
        taylor = mpmath.taylor(mpmath.tanh, 0, 25)  # 1e-3^24 is left: 1e-72
        for j in (1, 3, 5):
            moments = {
                n: mpmath.factorial(n) / (mpmath.mpf(2) ** ((n - j) // 2) * mpmath.factorial((n - j) // 2))
                for n in range(j, 25, 2)
            }
            expected = mpmath.fsum(taylor[n] * mpmath.sqrt(q) ** n * m for n, m in moments.items())
            expected /= mpmath.sqrt(mpmath.factorial(j))
            assert abs(found[j] - expected) < abs(expected) * mpmath.mpf(10) ** -30


@pytest.mark.parametrize("variance", ["1e6", "1e9", "1e12", "1e20"])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_second_moment_sees_what_happens_near_0(name, variance):
    """E[1 - tanh(std z)^2] by mpmath's quadrature on |x| < 100, the density even there; (1 + tanh(x / 2))^2 / 4 likewise."""
    q = mpmath.mpf(variance)
    with mpmath.workdps(50):
        scale = 1 if name == "tanh" else 2
        points = [0, *(mpmath.mpf(2) ** k for k in range(-1, 8))]
        missing = 2 * mpmath.quad(
            lambda x: mpmath.sech(x / scale) ** 2 * mpmath.exp(-(x**2) / (2 * q)), points
        )
        missing /= mpmath.sqrt(2 * mpmath.pi * q)
        found = second_moment(Activation(name), q)
        expected = 1 - missing if name == "tanh" else mpmath.mpf(1) / 2 - missing / 4
        assert abs(found - expected) < mpmath.mpf(10) ** -28
        assert abs(missing / (2 * scale / mpmath.sqrt(2 * mpmath.pi * q)) - 1) < 4 / q


def test_exponentials_at_the_largest_variances():
    """By parts E[exp(std z) He_j(z) 1[z < 0]] = sum_i He_{j+i}(0) / std^(i+1) / sqrt(2 pi): three terms to 1e-60 at 1e60."""
    q, at_0 = mpmath.mpf(10) ** 60, (1, 0, -1, 0, 3, 0, -15, 0, 105)
    found = hermite_coefficients(Activation("exp(x)*heaviside(-x)"), q, 6)
    with mpmath.workdps(80):
        for j in range(7):
            terms = (at_0[j + i] / mpmath.sqrt(q) ** (i + 1) for i in range(len(at_0) - j)[:3])
            expected = mpmath.fsum(terms) / mpmath.sqrt(2 * mpmath.pi * mpmath.factorial(j))
            assert abs(found[j] - expected) < abs(expected) * mpmath.mpf(10) ** -30


def test_what_cancels_beyond_all_digits_is_refused(monkeypatch):
    """1e50^60 / sqrt(60!) is 1e2959."""
    monkeypatch.setattr(hermite, "MOST_LOST", 2900)
    with pytest.raises(NumericalError, match="fewer degrees"):
        hermite_coefficients(Activation("elu"), mpmath.mpf(10) ** 100, 60)

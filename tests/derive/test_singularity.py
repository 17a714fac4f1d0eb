"""Singularities of duals against their Hermite coefficients, which are computed by recurrences and quadrature."""

import math
from fractions import Fraction
from itertools import pairwise

import mpmath
import pytest
import sympy

from derive.activation import Activation
from derive.continuation import continuation
from derive.errors import DerivationError
from derive.hermite import hermite_coefficients
from derive.parse import SYMBOL
from derive.singularity import singularities
from derive.strip import nearest_branches

Q = Fraction(3, 2)
HALF = Fraction(1, 2)
ALGEBRAIC = (
    # activation, parity, g, gamma at variance 3/2
    ("relu", 0, 1, 3 * HALF),
    ("leaky_relu", 0, 1, 3 * HALF),
    ("abs", 0, 1, 3 * HALF),
    ("sign", 1, 1, HALF),
    ("heaviside", 1, 1, HALF),
    ("relu2", 1, 1, 5 * HALF),
    ("relu3", 0, 1, 7 * HALF),
    ("elu", 0, 1, 7 * HALF),
    ("elu", 1, 1, 5 * HALF),
    ("selu", 0, 1, 3 * HALF),
    ("erf", 1, Fraction(4, 3), HALF),
    ("Phi", 1, Fraction(5, 3), HALF),
    ("gelu", 0, Fraction(5, 3), -HALF),
    ("x**2*Phi(x)", 1, Fraction(5, 3), -3 * HALF),
    (
        "x*Phi(x) + exp(-x**2/2)/sqrt(2*pi)",
        0,
        Fraction(5, 3),
        3 * HALF,
    ),  # the integral of Phi: leading terms cancel
    ("gaussian", 0, Fraction(5, 3), -HALF),
    ("xgaussian", 1, Fraction(5, 3), -3 * HALF),
    ("exp(-x**2) + exp(-2*x**2)", 0, Fraction(7, 6), -HALF),
    ("exp(x**2/20)", 0, Fraction(17, 3), -HALF),
    ("relu(x) + tanh(x)*exp(-x**2)", 0, 1, 3 * HALF),
)


def coefficients(name, order, variance=Q):
    return hermite_coefficients(Activation(name), variance, order)


def predicted(part, j):
    """h_j^2, with sqrt(j + 1/2) for sqrt(j): He_j's own phase."""
    waves = sum(
        mpmath.re(w.amplitude * mpmath.exp(1j * w.frequency * mpmath.sqrt(j + 0.5))) for w in part.waves
    )
    return waves * mpmath.mpf(j) ** (-part.gamma - 1) * part.g**-j


@pytest.mark.parametrize(
    ("name", "parity", "g", "gamma"), [case for case in ALGEBRAIC if "tanh" not in case[0]]
)
def test_place_exponent_and_strength(name, parity, g, gamma):
    part = singularities(Activation(name), Q)[parity]
    assert part.kind == "algebraic"
    assert sympy.Rational(g.numerator, g.denominator) == part.exact
    assert part.gamma == mpmath.mpf(gamma.numerator) / gamma.denominator
    h = coefficients(name, 800 + parity)
    ratios = [h[j + parity] ** 2 / predicted(part, j + parity) for j in (200, 400, 800)]
    # ratio = 1 + c / j + ...: two steps of Richardson's extrapolation leave O(j^-3), 1e-6 for the largest c here
    first = [2 * b - a for a, b in pairwise(ratios)]
    assert abs((4 * first[1] - first[0]) / 3 - 1) < 3e-6


@pytest.mark.parametrize(
    ("name", "parity"),
    [
        ("hardtanh", 1),
        ("softshrink", 1),
        ("staircase", 1),
        ("max(x - 1, 0)", 0),
        ("max(x - 1, 0)", 1),
        ("exp(-(x - 1)**2)", 0),
        ("x*exp(x/3 - x**2/2)", 1),
    ],
)
def test_oscillating_coefficients(name, parity):
    """Kinks away from 0 and tilted Gaussians: the root mean square deviation falls like 1 / sqrt(j), to 1 to 8 % of the average at j = 600 to 800."""
    part = singularities(Activation(name), Q)[parity]
    h = coefficients(name, 800)
    j = range(600 + parity, 800, 2)
    scale = [part.waves[0].amplitude * mpmath.mpf(i) ** (-part.gamma - 1) * part.g**-i for i in j]
    errors = [(h[i] ** 2 - predicted(part, i)) / s for i, s in zip(j, scale, strict=True)]
    assert part.waves[0].frequency == 0
    assert mpmath.sqrt(mpmath.fsum(e * e for e in errors) / len(errors)) < 0.1


@pytest.mark.parametrize(
    ("name", "parity", "height", "gamma"),
    [
        ("tanh", 1, mpmath.pi / 2, -0.5),
        ("sigmoid", 1, mpmath.pi, -0.5),
        ("silu", 0, mpmath.pi, -0.5),
        ("softplus", 0, mpmath.pi, 0.5),
        ("logsigmoid", 0, mpmath.pi, 0.5),
        ("tanhshrink", 1, mpmath.pi / 2, -0.5),
        ("1/(1 + x**2)", 0, 1, -0.5),
        ("sqrt(1 + x**2)", 0, 1, 1.0),
        ("atan(x)", 1, 1, 0.5),
        ("tanh(x)**2", 0, mpmath.pi / 2, -1.5),
        ("tanh(2*x)", 1, mpmath.pi / 4, -0.5),
    ],
)
def test_stretched_coefficients(name, parity, height, gamma):
    """h_j^2 = A j^-(gamma+1) exp(-2 delta sqrt(j / Q)) (1 + O(1 / sqrt(j))); two terms of that are extrapolated away."""
    part = singularities(Activation(name), Q)[parity]
    assert part.kind == "stretched"
    assert part.gamma == pytest.approx(gamma, abs=1e-12)
    (wave,) = part.waves
    assert mpmath.im(wave.frequency) == pytest.approx(float(2 * height / mpmath.sqrt(1.5)), rel=1e-12)
    h = coefficients(name, 242)
    degrees = [30 + parity, 60 + parity, 120 + parity, 240 + parity]
    ratios = [h[j] ** 2 / predicted(part, j) for j in degrees]
    matrix = mpmath.matrix([[mpmath.mpf(j) ** (-mpmath.mpf(i) / 2) for i in range(4)] for j in degrees])
    assert mpmath.lu_solve(matrix, mpmath.matrix(ratios))[0] == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize(("name", "at"), [("mish", math.log(2) / 2 + 0.75j * math.pi), ("gelu_tanh", None)])
def test_singularities_off_the_imaginary_axis(name, at):
    if at is None:  # sqrt(2/pi) (x + 0.044715 x^3) = i pi / 2
        roots = mpmath.polyroots(
            [mpmath.mpf("0.044715"), 0, 1, -1j * mpmath.pi / 2 / mpmath.sqrt(2 / mpmath.pi)]
        )
        at = min((complex(r) for r in roots if r.imag > 0), key=lambda z: z.imag)
    branches = nearest_branches(Activation(name).expr)
    assert (
        min(
            abs(abs(complex(b.at).real) + 1j * complex(b.at).imag - (abs(at.real) + 1j * at.imag))
            for b in branches
        )
        < 1e-12
    )
    part = singularities(Activation(name), Q)[0]
    assert {bool(w.frequency.real) for w in part.waves} == {False, True}


@pytest.mark.parametrize(
    ("name", "kinds", "degrees"),
    [
        ("identity", ("polynomial", "polynomial"), (-1, 1)),
        ("hermite4", ("polynomial", "polynomial"), (4, -1)),
        ("x**13", ("polynomial", "polynomial"), (-1, 13)),
        ("0*x", ("polynomial", "polynomial"), (-1, -1)),
        ("relu", ("algebraic", "polynomial"), (None, 1)),
        ("sigmoid", ("polynomial", "stretched"), (0, None)),
        ("gelu", ("algebraic", "polynomial"), (None, 1)),
        ("sin", ("polynomial", "entire"), (-1, None)),
        ("exp", ("entire", "entire"), (None, None)),
        ("snake", ("entire", "polynomial"), (None, 1)),
        ("erf(x)**2", ("unknown", "polynomial"), (None, -1)),
        ("exp(-x)*Phi(x)", ("algebraic", "algebraic"), (None, None)),
    ],
)
def test_kinds(name, kinds, degrees):
    parts = singularities(Activation(name), Q)
    assert tuple(part.kind for part in parts) == kinds
    assert tuple(part.degree for part in parts) == degrees


def test_strength_unknown_is_said():
    part = singularities(Activation("exp(-x)*Phi(x)"), Q)[0]
    assert (part.exact, part.strength) == (sympy.Rational(5, 3), None)
    assert part.gamma == 0.5


def test_infinite_second_moment():
    with pytest.raises(DerivationError, match=r"infinite at variance 1\.5"):
        singularities(Activation("exp(x**2/6)"), Q)


def test_removable_points_are_no_singularities():
    assert nearest_branches(SYMBOL * 0 + sympy.sin(SYMBOL)) == ()
    (one,) = nearest_branches(
        sympy.tanh(SYMBOL) * (SYMBOL**2 + sympy.pi**2 / 4)
    )  # the poles at +-i pi/2 are cancelled
    assert complex(one.at) == pytest.approx(1.5j * math.pi, abs=1e-12)


@pytest.mark.parametrize("x", ["0.3", "0.9", "0.999", "0.99999999", "-0.99"])
@pytest.mark.parametrize("variance", [Fraction(1, 10), Q, Fraction(20)])
def test_continuation_beyond_one(variance, x):
    """kappa of erf and of a Gaussian up to |rho| = g > 1, against closed forms: 15 digits and more."""
    with mpmath.workdps(30):
        v = mpmath.mpf(variance.numerator) / variance.denominator
        for name, closed in (
            ("erf", lambda c: 2 / mpmath.pi * mpmath.asin(2 * c / (1 + 2 * v))),
            ("gaussian", lambda c: 1 / mpmath.sqrt((1 + v) ** 2 - c * c)),
        ):
            dual = continuation(Activation(name), variance)
            rho = mpmath.mpf(x) * dual.g
            assert abs(dual.at(rho)[0] / closed(rho * v) - 1) < 1e-15


def test_continuation_at_one_is_exact():
    dual = continuation(Activation("sign"), Q)
    assert abs(dual.at(mpmath.mpf(1), 2)[0] - 1) < 1e-15  # E[sign^2], by quadrature
    assert dual.at(mpmath.mpf(1), 1)[1] == mpmath.inf

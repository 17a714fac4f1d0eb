"""Predicted laws and curves against `qn.spectrum`: baselines, finite degrees, stretch and oscillation."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from decay_spectra import solved

import quasintk as qn
from derive.baseline_laws import baseline_law
from derive.hermite import hermite_coefficients
from quasintk.baselines import (
    gaussian,
    gaussian_mixture,
    laplace,
    matern,
    rational_quadratic,
    real_nngp,
    real_ntk,
)

ALGEBRAIC = [
    (laplace(2), 3, 200),
    (matern("3/2", 2), 10, 200),
    (rational_quadratic("5/2", 1), 3, 400),
    (rational_quadratic(2, 1), 10, 400),
    *(
        pytest.param(kernel, dim, degrees, marks=pytest.mark.slow)
        for dim in (3, 10)
        for kernel, degrees in (
            (laplace("1/2"), 400),
            (matern("1/2", 1), 400),
            (matern("5/2", 1), 400),
            (matern("9/2", 2), 400),
            (rational_quadratic(1, 1), 800),
            (rational_quadratic("1/2", "1/2"), 400),
            (rational_quadratic("7/2", "1/2"), 800),
            (real_ntk("relu", depth=2, b_std="0.3"), 400),
            (real_nngp("relu", depth=2, b_std="0.3"), 400),
        )
    ),
]
GAUSSIAN = [
    (gaussian(1), 3),
    (gaussian("1/2"), 10),
    (gaussian_mixture([1, 4, 9], ["0.3", "0.6", "0.1"]), 3),
    (gaussian_mixture([0, 2, 2]), 10),
]
EXACT = [
    *(kernel for kernel, _ in GAUSSIAN),
    gaussian("1/8"),
    rational_quadratic(1, 1),
    rational_quadratic("5/2", "1/2"),
]


@pytest.mark.parametrize(("kernel", "dim", "degrees"), ALGEBRAIC, ids=str)
def test_algebraic_baselines(kernel, dim, degrees):
    """Rate, power and constant within 0.1 %, from 7 even degrees, geometrically up to `degrees`; doubles leave 1e-6."""
    predicted, found = qn.predict_decay(kernel, dim), qn.spectrum(kernel, dim, degrees)
    k = [2 * round(one / 2) for one in np.geomspace(degrees / 8, degrees, 7)]
    with_rate = predicted.law == "exponential"
    rate, power, constant = solved(k, [mpmath.mpf(found.log_eigenvalue[i]) for i in k], dim, with_rate)
    assert rate == pytest.approx(predicted.rate, rel=1e-3)
    assert power == pytest.approx(predicted.power, rel=1e-3, abs=1e-3)
    assert constant == pytest.approx(predicted.constant, rel=1e-3)


@pytest.mark.parametrize(("kernel", "dim"), GAUSSIAN, ids=str)
def test_gaussians(kernel, dim):
    """log(lambda_k Gamma(k + dim/2)) = log C + k log b + b_1 / x + ..., solved for at 7 degrees: within 0.1 %."""
    predicted, found = qn.predict_decay(kernel, dim), qn.spectrum(kernel, dim, 400)
    assert predicted.law == "super-exponential"
    k = [60, 90, 130, 180, 240, 310, 400]
    x = [i + dim / 2 - 1 for i in k]
    columns = [[1, i, *(y**-n for n in range(1, 6))] for i, y in zip(k, x, strict=True)]
    values = [found.log_eigenvalue[i] + math.lgamma(i + dim / 2) for i in k]
    log_C, log_b, *_ = np.linalg.solve(np.array(columns), values)
    assert math.exp(log_b) == pytest.approx(predicted.base, rel=1e-3)
    assert math.exp(log_C) == pytest.approx(predicted.constant, rel=1e-3)


@pytest.mark.parametrize("dim", [2, 3, 10])
@pytest.mark.parametrize("kernel", EXACT, ids=str)
def test_curves_that_are_the_spectrum(kernel, dim):
    """To the spectrum's own error, ten roundings of log lambda_k included."""
    predicted, found = qn.predict_decay(kernel, dim), qn.spectrum(kernel, dim, 200)
    for k in (0, 1, 2, 7, 20, 61, 200):
        allowed = 2 * found.rel_error[k] + 10 * np.spacing(abs(found.log_eigenvalue[k]))
        assert abs(predicted.log_eigenvalue(k) - found.log_eigenvalue[k]) <= allowed


@pytest.mark.parametrize("k", [499, 500, 1000, 20_000])
@pytest.mark.parametrize("length_scale", ["1", "0.1", "0.01"])
def test_gaussian_s_curve_at_high_degrees(k, length_scale):
    """Debye's expansion against the Bessel function at 60 digits, dim 3: 1e-12 of lambda_k."""
    predicted = qn.predict_decay(gaussian(length_scale), 3)
    with mpmath.workdps(60):
        c = 1 / mpmath.mpf(length_scale) ** 2
        exact = mpmath.log(mpmath.besseli(k + mpmath.mpf(1) / 2, c) * mpmath.sqrt(mpmath.pi / (2 * c))) - c
    assert abs(predicted.log_eigenvalue(k) - exact) <= 1e-12 + np.spacing(abs(float(exact)))


@pytest.mark.parametrize("length_scale", ["1e-50", "1e-5"])
def test_narrow_gaussians_are_delta_functions(length_scale):
    """On the circle K ~ exp(-c a^2 / 2): lambda_k = exp(-k^2 / (2 c)) / sqrt(2 pi c) (1 + O(1 / c))."""
    predicted, c = qn.predict_decay(gaussian(length_scale), 2), float(length_scale) ** -2
    for k in (0, 7, 1000):
        assert predicted.log_eigenvalue(k) == pytest.approx(
            -k * k / (2 * c) - math.log(2 * math.pi * c) / 2, rel=1e-9
        )
    assert predicted.constant is None
    assert "is no double" in predicted.notes[-1]


@pytest.mark.parametrize(
    ("kernel", "singularity", "power", "base"),
    [
        (laplace(1), 1, -10, None),
        (matern("41/2", 1), 1, -50, None),
        (rational_quadratic(2, 3), 1 + 18 / 0.5, 2 - 5, None),
        (gaussian(2), math.inf, None, 0.5 / 8),
        (gaussian_mixture([1, 0, 6]), math.inf, None, 1.5),
    ],
)
def test_laws_by_hand(kernel, singularity, power, base):
    """dim 10, q = 1/2: t* = 1 + alpha l^2 / q; the shortest length decides."""
    predicted = qn.predict_decay(kernel, 10, q="1/2")
    assert predicted.singularity == pytest.approx(singularity, rel=1e-14)
    assert predicted.power == power
    assert predicted.base == base
    assert predicted.layer is None
    assert predicted.even == predicted.odd


@pytest.mark.parametrize("q", ["1/100", "3"])
@pytest.mark.parametrize(
    "kernel", [gaussian("1/2"), rational_quadratic(2, 1), laplace(1), matern("3/2", 1)], ids=str
)
def test_only_q_over_squared_length_counts(kernel, q):
    scaled = kernel.with_parameters(length_scale=kernel.parameters["length_scale"] * 2)
    one, other = qn.predict_decay(kernel, 5, q=q), qn.predict_decay(scaled, 5, q=4 * Fraction(q))
    assert other.log_eigenvalue(30) == pytest.approx(one.log_eigenvalue(30), rel=1e-12)


def test_constant_and_vanishing_baselines():
    constant = qn.predict_decay(gaussian_mixture([0, 1], [1, 0]), 4)
    assert (constant.law, constant.rank, constant.even.last, constant.odd.law) == (
        "finite-rank",
        1,
        0,
        "zero",
    )
    rounding = qn.predict_decay(laplace(), 4, get="rounding")
    assert (rounding.law, rounding.rank, rounding.log_eigenvalue(0)) == ("finite-rank", 0, -math.inf)
    assert qn.predict_decay(laplace(), 4, get="nngp").constant == qn.predict_decay(laplace(), 4).constant


@pytest.mark.parametrize(
    "kernel",
    [gaussian(), gaussian("1e-50"), laplace(), rational_quadratic(), rational_quadratic(1000, "1e-50")],
)
def test_texts_of_baselines(kernel):
    predicted = qn.predict_decay(kernel, 3)
    assert predicted.law in str(predicted)
    assert "activation layer" not in str(predicted)
    assert predicted.formula.startswith(r"\lambda_k \sim")
    assert predicted.to_dict()["even"]["law"] == predicted.law
    assert "tail" not in predicted.to_dict()["even"]


def test_bad_arguments_of_baselines():
    with pytest.raises(ValueError, match="dim must be"):
        qn.predict_decay(gaussian(), 1)
    with pytest.raises(ValueError, match="get must be"):
        qn.predict_decay(gaussian(), 3, get="kernel")
    with pytest.raises(ValueError, match="is a network's"):
        baseline_law(qn.kernel("relu").ir, 3, Fraction(1))


@pytest.mark.parametrize(
    ("name", "dim"), [("relu", 3), ("relu", 10), pytest.param("erf", 10, marks=pytest.mark.slow), ("abs", 50)]
)
def test_the_curve_holds_at_finite_degree(name, dim):
    """log_eigenvalue has the singular part exact in k: what is left falls like 1 / k; 0.4 % at degree 400 for c = 1.6."""
    kernel = qn.kernel(name, b_std=0.5, W_std=1.5)
    found, predicted = qn.spectrum(kernel, dim=dim, degrees=400), qn.predict_decay(kernel, dim)
    errors = [found.log_eigenvalue[k] - predicted.log_eigenvalue(k) for k in (100, 200, 400)]
    assert abs(errors[2]) < 0.01
    assert abs(errors[2]) < 0.6 * abs(errors[1]) < 0.4 * abs(errors[0])


def test_rates_that_are_exact():
    for depth in (1, 2, 3):
        assert str(qn.predict_decay(qn.kernel("relu", depth=depth), dim=10).exact) == "3 - 2*sqrt(2)"


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["binary", "real"])
def test_the_stretch_of_tanh(weights):
    """h_j^2 ~ exp(-c sqrt(j)) times waves: c from the envelope of the coefficients, j = 200 to 1000, within 1 %.

    Then exp(-c sqrt(w k)), w = t* / sqrt(t*^2 - 1), or at t* = 1 exp(-(3/2) c^(2/3) k^(2/3)) by the saddle point in j.
    """
    h = hermite_coefficients(qn.Activation("tanh"), mpmath.mpf(1), 1000)
    j = np.arange(201, 1000, 2)
    logs = np.array([2 * float(mpmath.log(abs(h[i]))) for i in j])
    columns = np.stack([np.ones(len(j)), np.sqrt(j), np.log(j), 1 / np.sqrt(j)], axis=1)
    solution, *_ = np.linalg.lstsq(columns, logs, rcond=None)
    c = -solution[1]
    predicted = qn.predict_decay(qn.kernel("tanh", weights=weights), dim=10)
    assert predicted.law == "stretched"
    expected = c * math.sqrt(3 / math.sqrt(8)) if weights == "binary" else 1.5 * c ** (2 / 3)
    assert predicted.stretch == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_the_oscillation_of_hardtanh():
    """lambda_k of binary weights, dim 3: the remainder of the smooth law is a wave in sqrt(k); its frequency by least squares."""
    kernel = qn.kernel("hardtanh")
    predicted, found = qn.predict_decay(kernel, dim=3), qn.spectrum(kernel, dim=3, degrees=600)
    k = np.arange(101, 600, 2)
    rest = found.log_eigenvalue[k] - k * math.log(predicted.rate)
    root = np.sqrt(k)

    def misfit(omega):
        columns = np.stack(
            [
                np.ones(len(k)),
                np.log(k),
                1 / k,
                *(f(m * omega * root) for m in (1, 2, 3) for f in (np.cos, np.sin)),
            ],
            axis=1,
        )
        solution, *_ = np.linalg.lstsq(columns, rest, rcond=None)
        return np.sum((columns @ solution - rest) ** 2)

    grid = np.linspace(1.0, 4.0, 3001)
    best = grid[int(np.argmin([misfit(omega) for omega in grid]))]
    assert predicted.oscillation == pytest.approx(best, rel=0.01)

"""Predicted laws against computed spectra: rate, power, constant, stretch and oscillation."""

import math
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest

import quasintk as qn
from derive.hermite import hermite_coefficients

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from predicted_decay import CASES, DIMS, row  # the table of docs/predicted-decay.md

QUICK = [
    case for case in CASES if case[0] in ("relu", "sign", "gaussian") and case[1] == {"weights": "binary"}
]


def check(case, dim):
    """Within 0.1 %, and the measurement itself is that sure."""
    found = row(*case, dim)
    assert found.doubt < 1e-3, found
    assert max(found.off) < 1e-3, found


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_rate_and_power_of_one_layer(case):
    check(case, 10)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rate_and_power(case, dim):
    check(case, dim)


@pytest.mark.parametrize(("name", "dim"), [("relu", 3), ("relu", 10), ("erf", 10), ("abs", 50)])
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

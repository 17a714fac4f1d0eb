"""Fits on numbers of known law, and on spectra whose law is proved."""

import json
import re

import numpy as np
import pytest
from scipy.special import gammaln

from derive.errors import NumericalError
from numerics.fit import fit_decay
from numerics.zonal import spectrum
from quasintk.pipeline import kernel

RHO = 3 - np.sqrt(8)  # kinked activation, binary first layer: t* = 3


@pytest.mark.parametrize("dim", [3, 10, 50])
@pytest.mark.parametrize(("weights", "t_star"), [("binary", 3.0), ("ternary", 1.5)])
@pytest.mark.parametrize("depth", [1, 2])
def test_rounded_relu_decays_exponentially_at_the_predicted_rate(dim, weights, t_star, depth):
    """theory.md, section 5: t* = 1 / r whatever depth and bias."""
    fit = fit_decay(spectrum(kernel("relu", depth=depth, weights=weights, W_std=1.4, b_std=0.3), dim=dim))
    assert fit.verdict == "exponential"
    # at degrees 10 to 60 the nearest singularity's law holds to about 1 %
    assert fit.best.parameters["t_star"] == pytest.approx(t_star, rel=0.02)


@pytest.mark.parametrize("dim", [10, 30, 64])
def test_real_relu_decays_like_a_power(dim):
    """lambda_k ~ k^-dim for the NTK (Bietti & Bach 2021)."""
    fit = fit_decay(spectrum(kernel("relu", depth=2, weights="real", W_std=1.4), dim=dim))
    assert fit.verdict == "power"
    assert fit.best.parameters["power"] == pytest.approx(-dim, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("truth", ["exponential", "power"])
def test_synthetic_values_by_index(truth, seed):
    """1 % noise; the truth lies within twice the half-width of the 95 % interval, four standard errors."""
    k = np.arange(1, 81)
    logs = -1.5 * np.log(k) - (0.4 * k if truth == "exponential" else 0)
    fit = fit_decay(np.exp(logs + np.random.default_rng(seed).normal(scale=0.01, size=80)), window=(5, 60))
    assert fit.verdict == truth
    expected = {"exponential": ("rho", np.exp(-0.4)), "power": ("power", -1.5)}[truth]
    low, high = fit.best.interval[expected[0]]
    assert abs(fit.best.parameters[expected[0]] - expected[1]) <= high - low < 0.2


def test_parities_may_have_constants_of_their_own():
    k = np.arange(1, 61)
    logs = gammaln(k + 0.4) - gammaln(k + 5) + k * np.log(0.3) + np.where(k % 2, -2.0, 0.0)
    fit = fit_decay({"degree": k, "eigenvalue": np.exp(logs), "dim": 10})
    assert fit.verdict == "exponential"
    assert fit.best.parameters["rho"] == pytest.approx(
        0.3, rel=0.02
    )  # the shape lacks corrections of order 1/k


def test_zeros_and_values_below_their_floor_are_no_data():
    k = np.arange(1, 61)
    clean = np.exp(-0.5 * k)
    values, error = clean.copy(), np.zeros(60)
    values[9], values[40:], error[40:] = 0.0, 1e-8, 1.0
    fit = fit_decay({"degree": k, "eigenvalue": values, "rel_error": error}, window=(1, 60))
    assert fit.points == 39
    assert fit.best.parameters["rho"] == pytest.approx(np.exp(-0.5), rel=1e-6)


def test_zeros_behind_small_values_are_no_rank():
    """exp(-2.5 k) underflows at k = 298, and a file with 12 decimals or a cut at 1e-16 earlier; given relative errors zeros are exact."""
    k = np.arange(1, 400)
    clean = np.exp(-2.5 * k)
    fit = fit_decay({"degree": k, "eigenvalue": clean})
    assert fit.verdict == "exponential"
    assert "cut off" in fit.warning
    for values, error in ((np.round(clean, 30), 1e-4), (np.where(clean > 1e-16, clean, 0), 1e-6)):
        fit = fit_decay({"degree": k, "eigenvalue": values})
        assert fit.verdict in ("exponential", "undecided")
        if fit.best:
            assert fit.best.parameters["rho"] == pytest.approx(np.exp(-2.5), rel=error)
    cut = {"degree": k, "eigenvalue": np.where(k <= 50, clean, 0)}
    assert fit_decay(cut).verdict == "exponential"
    known = fit_decay({**cut, "rel_error": np.zeros(len(k))})
    assert (known.verdict, known.rank) == ("finite-rank", 50)
    large = fit_decay({"degree": k, "eigenvalue": np.where(k <= 5, 1.0 / k, 0)})
    assert (large.verdict, large.rank) == ("finite-rank", 5)


K = np.arange(1.0, 61)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"degree": K, "eigenvalue": np.exp(-0.7 * K) + 1e-6}, "do not decay"),
        ({"degree": K, "eigenvalue": 2.0**K, "dim": 10}, "do not decay"),
        (np.ones(50), "do not decay"),
        ({"degree": K, "eigenvalue": (K + 24) ** -50.0}, "give dim"),
        (np.exp(-1.4 * K**0.3), "differs from a power"),
        (np.exp(-0.5 * K) + 1e-9, ""),
    ],
    ids=["ridge", "growing", "constant", "dim 50 without dim", "slow", "floor"],
)
def test_what_no_law_may_be_read_from(source, reason):
    fit = fit_decay(source)
    assert fit.verdict == "undecided", fit
    assert reason in fit.reason
    assert fit.rate is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"degree": [0, 1, 1, 2], "eigenvalue": [1, 0.5, 0.4, 0.3]}, "Degree 1 is there 2 times"),
        ({"degree": [0, 1, 1e9], "eigenvalue": [1, 0.5, 0.4]}, "from 0 to 1000000"),
        ({"degree": [0, 1.5], "eigenvalue": [1, 0.5]}, "whole numbers"),
        ({"degree": [1, 2], "eigenvalue": [1, np.nan]}, "holds nan at place 1"),
        ({"degree": [1, 2], "log_eigenvalue": [1, np.nan]}, "log_eigenvalue must be numbers"),
        ({"degree": [1, 2], "log_eigenvalue": [1, 1e308]}, "below 1e"),
        ({"degree": [1, 2], "eigenvalue": [1, 0.5], "multiplicity": [0, 1]}, "at least 1"),
        ({"degree": [1, 2], "eigenvalue": [1, 0.5], "rel_error": [0, -1]}, "not be negative"),
        (np.array([1.0, 0.5, -0.5]), "negative beyond rounding"),
        (np.array([1.0 + 1j, 0.5]), "must be real"),
        (np.eye(4), "eigvalsh"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_numbers(table, message):
    with pytest.raises(ValueError, match=message):
        fit_decay(table)


def test_bad_windows_and_laws():
    for window in (5, ("a", "b"), (1, 2, 3)):
        with pytest.raises(ValueError, match="two numbers"):
            fit_decay(np.exp(-K), window=window)
    with pytest.raises(ValueError, match="tuple of names"):
        fit_decay(np.exp(-K), laws="power")


@pytest.mark.parametrize(
    "values",
    [
        np.exp(-np.arange(6.0)),  # too few
        np.exp(np.random.default_rng(0).normal(size=60)),  # noise
        np.exp(-2 * np.sqrt(np.arange(1, 61)) - 0.5 * np.cos(np.arange(1, 61))),  # neither
    ],
    ids=["few", "noise", "wavy"],
)
def test_undecided(values):
    fit = fit_decay(values, window=(1, 60))
    assert fit.verdict == "undecided"
    assert fit.best is None
    assert fit.reason


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_decay([1.0, 0.5]), NumericalError, "Only 2 usable"),
        (lambda: fit_decay(np.ones(9), laws=("cubic",)), ValueError, "Unknown law 'cubic'"),
        (lambda: fit_decay(np.ones((3, 3))), ValueError, "one-dimensional"),
        (lambda: fit_decay([1.0, np.nan]), ValueError, "holds nan"),
        (lambda: fit_decay([]), NumericalError, "Only 0 usable"),
        (lambda: fit_decay({"eigenvalue": [1.0]}), ValueError, "'degree'"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_result_prints_and_serialises():
    fit = fit_decay(spectrum(kernel("relu"), dim=5))
    assert str(fit).startswith("verdict: exponential")
    assert json.loads(json.dumps(fit.to_dict()))["verdict"] == "exponential"


def test_the_halves_of_the_warning_are_those_of_the_law_that_is_reported():
    """16 levels, depth 4: exp(-c sqrt(k)) fits better, rho^k is reported; the halves' rates lie in its interval."""
    network = {"depth": 4, "weights": 16, "W_std": 1.3, "b_std": 0.1}
    fit = fit_decay(spectrum(kernel("prelu(0.1)", **network), dim=10, degrees=40))
    low, high = fit.best.interval["rho"]
    rates = [
        float(rate)
        for rate in re.findall(r"rho = ([\d.]+)|, ([\d.]+) in the upper", fit.warning)
        for rate in rate
        if rate
    ]
    assert all(low * (1 - 1e-5) <= rate <= high * (1 + 1e-5) for rate in rates)

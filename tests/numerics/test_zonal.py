"""Eigenvalues on the sphere against quadrature, Bessel functions and Fourier coefficients; honest errors."""

import json
import math
import pickle
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.special import iv

from derive.errors import NumericalError
from derive.predict import predict_decay
from numerics.harmonic_sums import harmonic_sums
from numerics.zonal import multiplicity, spectrum, zonal_eigenvalues
from quasintk.pipeline import kernel

REFERENCE = Path(__file__).parents[1] / "reference"
TABLE = json.loads((REFERENCE / "spectra.json").read_text())["cases"]
QUADRATURE = json.loads((REFERENCE / "spectra_quadrature.json").read_text())["cases"]
IDS = [f"dim {case['dim']}, depth {case['depth']}, {case['weights']}" for case in TABLE]


def made(case):
    return kernel("relu", **{key: case[key] for key in ("depth", "weights", "W_std", "b_std")})


def relative(found, expected):
    expected = mpmath.mpf(expected)
    return abs(float(mpmath.mpf(float(found)) / expected - 1)) if expected else abs(float(found))


@pytest.mark.parametrize("case", QUADRATURE, ids=IDS)
@pytest.mark.parametrize("get", ["ntk", "nngp"])
def test_every_degree_agrees_with_quadrature_within_the_stated_error(case, get):
    found = spectrum(made(case), dim=case["dim"], degrees=60, get=get)
    errors = [relative(value, expected) for value, expected in zip(found.eigenvalue, case[get], strict=True)]
    assert max(errors) <= 1e-12
    assert (errors <= found.rel_error).all()
    assert found.rel_error.max() <= 1e-12


@pytest.mark.parametrize(("case", "check"), list(zip(TABLE, QUADRATURE, strict=True)), ids=IDS)
@pytest.mark.parametrize("get", ["ntk", "nngp"])
def test_the_table_agrees_wherever_it_is_not_cut(case, check, get):
    """docs/decisions/0005-reference-spectra.md: only ternary entries above degree 46 are excepted."""
    found = spectrum(made(case), dim=case["dim"], degrees=60, get=get)
    for k, (value, expected) in enumerate(zip(found.eigenvalue, case[get], strict=True)):
        if relative(mpmath.mpf(check[get][k]), expected) <= 1e-12:
            assert relative(value, expected) <= 1e-12
        else:
            assert case["weights"] == "ternary"
            assert k > 46


def test_exact_zeros_stay_exact():
    found = spectrum(kernel("relu", W_std=1.4), dim=5, degrees=20)
    assert (found.eigenvalue[3::2] == 0).all()
    assert (found.rel_error[3::2] == 0).all()
    assert np.isneginf(found.log_eigenvalue[3::2]).all()


@pytest.mark.parametrize("s", [0.5, 4.0])
def test_the_exponential_has_bessel_eigenvalues(s):
    """exp(s t): dim 3 spherical modified Bessel i_k(s) = sqrt(pi / 2s) I_{k+1/2}(s); dim 2 I_k(s)."""
    coefficients = np.array([s**j / math.factorial(j) for j in range(60)])
    for dim, exact in ((3, lambda k: math.sqrt(math.pi / (2 * s)) * iv(k + 0.5, s)), (2, lambda k: iv(k, s))):
        found = zonal_eigenvalues(coefficients, dim, 12, math.exp(s), np.full(60, 1e-16))
        for k in range(13):
            assert found.eigenvalue[k] == pytest.approx(exact(k), rel=1e-13)  # scipy's own Bessel accuracy


@pytest.mark.parametrize("dim", [2, 3, 10, 64])
def test_the_trace_is_accounted_for(dim):
    found = spectrum(kernel("relu", depth=2, b_std=0.3), dim=dim, degrees=60)
    assert abs(found.remainder) < 1e-14
    assert found.trace == pytest.approx(kernel("relu", depth=2, b_std=0.3).on_sphere()(1.0), rel=1e-15)


@pytest.mark.parametrize("dim", [4, 8, 20])
def test_errors_are_honest_where_the_series_is_slow(dim):
    """Real weights: a_j falls like j^-1.5. Against Funk-Hecke in the angle, split at the kink, at 30 digits."""
    one = kernel("relu", weights="real")
    found = spectrum(one, dim=dim, degrees=12)
    with mpmath.workdps(30):
        norm = mpmath.quad(lambda a: mpmath.sin(a) ** (dim - 2), [0, mpmath.pi])
        for k in (0, 1, 2, 4, 12):

            def integrand(a, k=k):
                t = mpmath.cos(a)
                ntk = 2 * (mpmath.pi - a) * t / (2 * mpmath.pi) + mpmath.sin(a) / (2 * mpmath.pi)
                harmonic = mpmath.gegenbauer(k, mpmath.mpf(dim - 2) / 2, t) / mpmath.gegenbauer(
                    k, mpmath.mpf(dim - 2) / 2, 1
                )
                return ntk * harmonic * mpmath.sin(a) ** (dim - 2)

            exact = mpmath.quad(integrand, mpmath.linspace(0, mpmath.pi, 9)) / norm
            assert abs(found.eigenvalue[k] - exact) <= found.rel_error[k] * found.eigenvalue[k]


@pytest.mark.parametrize(
    ("dim", "k", "count"), [(2, 0, 1), (2, 5, 2), (3, 4, 9), (4, 3, 16), (10, 1, 10), (10, 2, 54)]
)
def test_multiplicity(dim, k, count):
    assert multiplicity(dim, k) == count


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: spectrum(k, dim=1), ValueError, "dim must be an integer from 2"),
        (lambda k: spectrum(k, degrees=-1), ValueError, "degrees must be an integer from 0"),
        (lambda k: spectrum(k, dim=2.5), ValueError, "dim must be an integer"),
        (lambda k: spectrum(k, q=-1), ValueError, "q must be positive"),
        (lambda k: spectrum(k, get="K"), ValueError, "get must be one of"),
        (
            lambda k: zonal_eigenvalues(np.ones(3), 3, 5, 3.0, np.zeros(3)),
            NumericalError,
            "more than 5 Taylor",
        ),
        (
            lambda k: zonal_eigenvalues(-np.ones(3), 3, 1, 3.0, np.zeros(3)),
            ValueError,
            "Coefficient 0 is negative",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(kernel("relu"))


def test_dictionary_is_json():
    found = spectrum(kernel("relu"), dim=3, degrees=5)
    again = json.loads(json.dumps(found.to_dict()))
    assert again["eigenvalue"] == found.eigenvalue.tolist()
    assert again["log_eigenvalue"][5] is None
    assert found._repr_html_().count("<tr>") == 1 + 6
    assert "<table>" in found._repr_html_()
    assert r"\lambda_k" in found._repr_latex_()


def test_quadrature_in_high_dimensions_claims_nothing_before_its_first_digit():
    """lambda_60 = 1e-97 K(1) of real weights in 784 dimensions: against sums of Taylor coefficients, which all count there below 1e-12."""
    real = kernel("relu", depth=2, weights="real")
    found = spectrum(real, 784, 60)
    series = real.on_sphere().taylor_series(1500)
    sums = harmonic_sums(series, 784, 60, extrapolate=False)
    logs = np.log(sums.mantissa) + sums.exponent * np.log(2)
    assert sums.tail.max() < 1e-12
    np.testing.assert_allclose(found.log_eigenvalue[1:], logs[1:], rtol=0, atol=1e-11)


def test_spectra_are_compared_as_objects_and_pickled():
    found = spectrum(kernel("relu"), dim=3, degrees=4)
    copy = pickle.loads(pickle.dumps(found))
    assert found == found
    assert found != copy
    assert len({found, copy}) == 2
    assert np.array_equal(found.eigenvalue, copy.eigenvalue)


def test_a_prediction_of_another_dimension_is_not_drawn():
    found = spectrum(kernel("relu"), dim=3, degrees=4)
    with pytest.raises(ValueError, match="for dim 5, the spectrum for dim 3"):
        found.plot(prediction=predict_decay(kernel("relu"), dim=5))
    with pytest.raises(TypeError, match="predict_decay, got int"):
        found.plot(prediction=3)


def test_the_last_degree_of_a_finite_rank():
    law = predict_decay(kernel("hermite2"), dim=3)
    found = spectrum(kernel("hermite2"), dim=3, degrees=6)
    assert law.last == int(np.flatnonzero(found.eigenvalue > 0)[-1])
    assert f"beyond degree }} {law.last}" in law.formula

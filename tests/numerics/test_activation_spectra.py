"""Eigenvalues of many activations and precisions against quadrature at 120 digits by formulas written out elsewhere."""

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

from derive.weights import Levels
from numerics.zonal import spectrum
from quasintk.pipeline import kernel

CASES = json.loads((Path(__file__).parents[1] / "reference" / "spectra_activations.json").read_text())[
    "cases"
]
NAMES = ("activation", "depth", "weights", "dim")


def made(case):
    weights = Levels(16) if case["weights"] == "16 levels" else case["weights"]
    return kernel(
        case["activation"], depth=case["depth"], weights=weights, W_std=case["W_std"], b_std=case["b_std"]
    )


@pytest.mark.parametrize("get", ["ntk", "nngp"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(str(case[name]) for name in NAMES))
def test_eigenvalues_lie_within_their_stated_errors(case, get):
    found = spectrum(made(case), dim=case["dim"], degrees=60, get=get)
    worst = 0.0
    for k, text in enumerate(case[get], start=case["first"]):
        expected, value = mpmath.mpf(text), mpmath.mpf(float(found.eigenvalue[k]))
        assert abs(value - expected) <= found.rel_error[k] * expected, k
        worst = max(worst, float(found.rel_error[k]))
        assert np.isneginf(found.log_eigenvalue[k]) == (expected == 0)
    extrapolated = (
        case["activation"] == "hardtanh" and case["weights"] == "real"
    )  # slow, without cheap formulas
    assert worst <= (0.05 if extrapolated and case["dim"] < 10 else 1e-6 if extrapolated else 1e-12)


def test_a_sine_beside_a_kink_with_real_weights():
    """One layer: h_j adds, and from degree 3 on max(x, 0) has no odd ones. The even ones fall like a power, the odd ones below 1e-4900."""
    both, wave = (
        spectrum(kernel(text, weights="real"), dim=10, degrees=61)
        for text in ("max(x, 0) + 3*sin(x)/10", "sin(x)")
    )
    odd = np.arange(3, 62, 2)
    assert both.log_eigenvalue[odd] == pytest.approx(wave.log_eigenvalue[odd] + 2 * np.log(0.3), rel=1e-14)
    even = np.arange(4, 62, 2)
    alone = spectrum(kernel("relu", weights="real"), dim=10, degrees=61)
    assert np.all(both.rel_error[even] < 0.05)
    share = (
        1 - both.eigenvalue[even] / alone.eigenvalue[even]
    )  # of the sine, whose own coefficients are odd: none
    assert np.all(np.abs(share) <= both.rel_error[even] + alone.rel_error[even])

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

"""Composition and shifts of power series against exact rational arithmetic; extrapolated tails."""

from fractions import Fraction

import numpy as np
import pytest

import numerics.zonal as module
from derive.weights import Levels
from numerics.power_series import compose, recentred
from numerics.zonal import spectrum
from quasintk.pipeline import kernel

SIZE = 23


def exactly_composed(outer, inner):
    power, total = [Fraction(1)] + [Fraction(0)] * (SIZE - 1), [Fraction(0)] * SIZE
    for value in outer:
        total = [t + value * p for t, p in zip(total, power, strict=True)]
        power = [sum(power[i] * inner[n - i] for i in range(n + 1)) for n in range(SIZE)]
    return total


@pytest.mark.parametrize("linear", [False, True])
def test_composition(linear):
    rng = np.random.default_rng(3)
    outer, inner = rng.random(SIZE), rng.random(SIZE)
    inner[0] = 0
    if linear:
        inner[2:] = 0
    exact = exactly_composed([Fraction(x) for x in outer], [Fraction(x) for x in inner])
    found = compose(outer.astype(np.longdouble), inner.astype(np.longdouble))
    np.testing.assert_allclose(found.astype(float), [float(x) for x in exact], rtol=4e-16)


def test_recentring_the_geometric_series():
    """1 / (1 - c - x) = sum x^n / (1 - c)^(n + 1); 400 terms at c = 1/4 leave binom(400, 20) 4^-380."""
    found, _ = recentred(np.ones(400, np.longdouble), np.longdouble(0.25), 20)
    np.testing.assert_allclose(found.astype(float), 0.75 ** -np.arange(1.0, 21.0), rtol=4e-16)


@pytest.mark.parametrize(
    ("weights", "dim", "get"), [("real", 3, "ntk"), ("real", 10, "nngp"), (256, 3, "nngp"), (64, 5, "ntk")]
)
def test_extrapolated_tails_are_honest(monkeypatch, weights, dim, get):
    """Against quadrature at many digits, which the second run is denied. 256 levels: the law changes behind the last term."""
    one = kernel("relu", depth=2, weights=weights if weights == "real" else Levels(weights))
    exact = spectrum(one, dim=dim, degrees=40, get=get)
    assert exact.rel_error.max() <= 1e-12
    monkeypatch.setattr(module, "is_cheap", lambda _: False)
    monkeypatch.setattr(module, "_limit", lambda _: 1500)
    found = spectrum(one, dim=dim, degrees=40, get=get)
    shown = exact.eigenvalue > 0
    error = np.abs(found.eigenvalue[shown] / exact.eigenvalue[shown] - 1)
    assert (error <= found.rel_error[shown] + 1e-12).all()
    assert 1e-9 < found.rel_error.max() < 0.2  # they were needed, and of use

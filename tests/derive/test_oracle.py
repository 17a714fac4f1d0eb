"""The oracle itself, against expectations known exactly; it must not know the closed forms."""

import mpmath
import pytest

from derive import oracle


@pytest.fixture(autouse=True)
def forty_digits():
    with mpmath.workdps(40):
        yield


def test_hermite_coefficients_of_a_step():
    """1[x > 0]: h_0 = 1/2, h_1 = pdf(0), h_2 = 0, h_3 = -pdf(0)/sqrt(6)."""
    h = oracle.sample(lambda x: mpmath.mpf(x > 0), mpmath.mpf(2), [0]).hermite_coefficients(order=3)
    density = 1 / mpmath.sqrt(2 * mpmath.pi)
    for found, expected in zip(h, (mpmath.mpf(1) / 2, density, 0, -density / mpmath.sqrt(6)), strict=True):
        assert abs(found - expected) < mpmath.mpf(10) ** -36


def test_dual_of_the_exponential_and_its_bound():
    """E[exp(u + v)] = exp((a + b) / 2 + c); kappa_dot is the same."""
    a, b, rho = mpmath.mpf("0.3"), mpmath.mpf("0.5"), mpmath.mpf("0.4")
    samples = [oracle.sample(mpmath.exp, v) for v in (a, b)]
    h1, h2 = (sample.hermite_coefficients() for sample in samples)
    n1, n2 = (sample.second_moment() for sample in samples)
    root = mpmath.sqrt(a * b)
    expected = mpmath.exp((a + b) / 2 + rho * root)
    for found in (oracle.dual(h1, h2, n1, n2, rho), oracle.dual_of_derivative(h1, h2, n1, n2, rho, root)):
        assert abs(found.value - expected) < mpmath.mpf(10) ** -36
        assert found.error < mpmath.mpf(10) ** -30


def test_the_bound_holds_where_the_series_is_cut_early():
    """relu at rho = 1/2 with 8 terms: the error is below the bound, and the bound is no empty one."""
    one, rho = mpmath.mpf(1), mpmath.mpf(1) / 2
    h = oracle.sample(lambda x: max(x, mpmath.mpf(0)), one, [0]).hermite_coefficients(order=7)
    found = oracle.dual(h, h, one / 2, one / 2, rho)
    exact = (mpmath.sqrt(3) / 2 + rho * (mpmath.pi - mpmath.pi / 3)) / (2 * mpmath.pi)
    assert 0 < abs(found.value - exact) <= found.error < 1e-3


def test_a_narrow_peak_is_resolved():
    """E[exp(-2000 u^2)] = 1 / sqrt(4001), a peak of width 0.02 away from the panels' first edges."""
    found = oracle.sample(lambda x: mpmath.exp(-1000 * x * x), mpmath.mpf(1)).second_moment()
    assert abs(found - 1 / mpmath.sqrt(4001)) < mpmath.mpf(10) ** -33

"""Shapes of decay laws against multiprecision formulas."""

import math

import mpmath
import numpy as np
import pytest

from numerics.laws import NEAREST, law

DEGREES = np.array([10.0, 11.0, 13.0, 40.0, 200.0])


@pytest.mark.parametrize("u", [NEAREST, -9.0, -3.0, 0.5, 5.0])
@pytest.mark.parametrize("gamma", [-0.9, -1e-17, 0.5, 3.0, 3.3])
@pytest.mark.parametrize("dim", [2, 3, 10, 50])
def test_the_exponential_law_has_the_eigenvalues_of_its_singularity(dim, gamma, u):
    """(1 - t/t*)^gamma by Funk-Hecke: a hypergeometric function, at 40 digits; differences, since the constant is free."""
    ours = law("exponential", dim, 200.0).shape(DEGREES, np.array([gamma, u]))
    with mpmath.workdps(40):
        t_star, g = 1 + mpmath.exp(u), mpmath.mpf(gamma)
        theirs = np.array([float(_log_eigenvalue(int(k), g, t_star, dim)) for k in DEGREES])
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=0, atol=1e-10)  # 20,000 steps of 1e-15


def _log_eigenvalue(k, gamma, t_star, dim):
    half = mpmath.mpf(dim) / 2
    series = mpmath.hyp2f1((k - gamma) / 2, (k - gamma + 1) / 2, k + half, 1 / t_star**2)
    return (
        mpmath.loggamma(k - gamma)
        - mpmath.loggamma(k + half)
        - k * mpmath.log(2 * t_star)
        + mpmath.log(series)
    )


@pytest.mark.parametrize("gamma", [0.5, 2.5])
@pytest.mark.parametrize("dim", [3, 10])
def test_the_exponential_law_tends_to_the_power_law(dim, gamma):
    """At t* = 1 + 1e-12 no degree up to 200 tells them apart if gamma > 0: rho^200 is 1 - 3e-4, and a constant is free."""
    near = law("exponential", dim, 200.0).shape(DEGREES, np.array([gamma, math.log(1e-12)]))
    power = law("power", dim, 200.0).shape(DEGREES, np.array([gamma]))
    np.testing.assert_allclose(np.diff(near), np.diff(power), rtol=0, atol=4e-4)

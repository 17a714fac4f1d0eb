"""Special functions in float64 against mpmath: Phi2 by the conditional tail, which shares nothing with our rays."""

import math

import mpmath
import numpy as np
import pytest

from derive import special as exact
from numerics import special
from numerics.build import build


def conditional(h, k, r, shift):
    """exp(shift) int_h^inf pdf(x) P(v > k | u = x) dx at 40 digits, scaled so that mpmath's absolute goal is relative."""
    with mpmath.workdps(40):
        h, k, r, shift = map(mpmath.mpf, (h, k, r, shift))
        s = mpmath.sqrt(1 - r * r)
        peak = min(max(h, r * k if r > 0 else h, 0 if h < 0 else h), h + 40)

        def log_density(x):
            tail = mpmath.erfc((k - r * x) / s / mpmath.sqrt(2))
            return mpmath.log(tail / 2) - x * x / 2 if tail > 0 else -mpmath.inf

        top = max(log_density(h + (peak - h) * i / 8) for i in range(9))
        if top == -mpmath.inf:
            return mpmath.mpf(0)
        edges = sorted(
            {h + 12 * mpmath.mpf(i) / 60 for i in range(61)}
            | {k / r + s * i for i in range(-9, 10) if r and h < k / r + s * i < h + 12}
        )
        value = mpmath.quad(lambda x: mpmath.exp(log_density(x) - top), edges, maxdegree=5)
        return mpmath.exp(shift + top) * value / mpmath.sqrt(2 * mpmath.pi)


REGIMES = {
    "moderate": lambda rng: (*rng.uniform(-3, 3, 2), rng.uniform(-0.95, 0.95), 0.0),
    "tails": lambda rng: (*rng.uniform(0, 8, 2), rng.uniform(0, 0.95), 0.0),
    "shifted tails": lambda rng: (*rng.uniform(4, 20, 2), rng.uniform(0.2, 0.9), rng.uniform(20, 100)),
    "opposed": lambda rng: (*rng.uniform(0, 2, 2), rng.uniform(-0.9, 0), rng.uniform(1, 20)),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_quadrant(regime):
    """Absolute error some units of 1e-16 where P is of order 1; relative 1e-13 in the quadrant of positive thresholds."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        h, k, r, shift = (float(value) for value in REGIMES[regime](rng))
        expected = float(conditional(h, k, r, shift))
        tolerance = 5e-16 if regime == "moderate" else 1e-13 * expected
        assert abs(special.quadrant(h, k, 1.0, 1.0, r, shift) - expected) <= tolerance


def test_quadrant_by_mpmath():
    rng = np.random.default_rng(1)
    for regime in REGIMES.values():
        h, k, r, shift = (float(value) for value in regime(rng))
        with mpmath.workdps(30):
            found = exact.quadrant(*map(mpmath.mpf, (h, k, 1, 1, r, shift)))
        assert abs(found / conditional(h, k, r, shift) - 1) < 1e-20


@pytest.mark.parametrize("c", [1.0, -1.0])
def test_quadrant_of_a_degenerate_pair(c):
    """v = +-u: P(u > h, +-u > k)."""
    for h, k in ((0.3, 0.7), (-0.4, 0.2), (-1.0, -0.5)):
        low, high = (max(h, k), math.inf) if c > 0 else (h, -k)
        expected = max(special.tail(low, 1.0, 0.0) - special.tail(high, 1.0, 0.0), 0.0)
        assert special.quadrant(h, k, 1.0, 1.0, c, 0.0) == pytest.approx(expected, abs=1e-16)
        near = special.quadrant(h, k, 1.0, 1.0, c * (1 - 1e-13), 0.0)
        assert near == pytest.approx(expected, abs=1e-6)
    assert special.quadrant(0.5, -1.0, 0.0, 1.0, 0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("h", "var", "shift"),
    [(0.3, 2.0, 0.0), (-3.0, 1.0, 1.0), (63.3, 1.0, 2000.0), (15.0, 1.1, 3.0), (9.9, 0.5, 0.0)],
)
def test_tail(h, var, shift):
    with mpmath.workdps(40):
        expected = exact.tail(*map(mpmath.mpf, (h, var, shift)))
        # the exponent's own rounding is multiplied by its size
        assert abs(special.tail(h, var, shift) / expected - 1) < 4e-16 * (4 + abs(shift) + h * h / var)


@pytest.mark.parametrize(("z", "shift"), [(1e-9, 0.0), (0.7, -3.0), (800.0, -790.0), (-2.0, 1.0)])
def test_sinh_scaled(z, shift):
    with mpmath.workdps(40):
        expected = exact.sinh_scaled(mpmath.mpf(z), mpmath.mpf(shift))
        assert abs(special.sinh_scaled(z, shift) / expected - 1) < 4e-16 * (4 + abs(z) + abs(shift))


def test_generated_text_stands_alone_and_is_elementwise():
    nodes, functions = special.texts(["quadrant", "arcsine", "tail", "positive"], compiled=False)
    text = '"""t"""\nimport math\n\nimport numpy as np\n\n' + nodes + "\n\n" + "\n".join(functions)
    module = build(text)
    h = np.array([0.2, 1.5])
    assert module.quadrant(h, 0.3, 1.0, 2.0, 0.4, 0.0) == pytest.approx(
        [special.quadrant(value, 0.3, 1.0, 2.0, 0.4, 0.0) for value in h], rel=1e-15
    )
    assert module.arcsine(1.0, 2.0, h / 2) == pytest.approx(
        [special.arcsine(1.0, 2.0, c / 2) for c in h], rel=1e-15
    )

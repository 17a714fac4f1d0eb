"""The sequential test: false alarms, power, merging, and freedom to look at any time."""

import math

import numpy as np
import pytest

from verify.eprocess import Test, decide, detectable
from verify.estimators import Sums

LIMIT = 6.0


def state_after_every_look(values, test, looks):
    """First decision over `looks` looks."""
    sums = Sums(LIMIT)
    for part in np.array_split(values, looks):
        sums = sums.add(part)
        status, _ = decide(sums, test)
        if status != "INCONCLUSIVE":
            return status
    return "INCONCLUSIVE"


def test_false_alarms_stay_below_alpha_under_constant_peeking():
    """Mean exactly at the tolerance, 20 looks, alpha = 0.05: 500 runs; the rate's own error is 0.01."""
    rng = np.random.default_rng(0)
    test = Test(tolerance=0.1, margin=0.1, alpha=0.05, beta=0.05)
    runs = [state_after_every_look(rng.exponential(size=400) - 1 + 0.1, test, 20) for _ in range(500)]
    assert runs.count("FAIL") / 500 <= 0.05 + 3 * 0.01


def test_wrong_passes_stay_below_beta():
    """Mean exactly at the margin."""
    rng = np.random.default_rng(1)
    test = Test(tolerance=0.05, margin=0.3, alpha=0.05, beta=0.05)
    runs = [state_after_every_look(rng.normal(0.3, 1, size=400), test, 20) for _ in range(500)]
    assert runs.count("PASS") / 500 <= 0.05 + 3 * 0.01


@pytest.mark.parametrize(("mean", "status"), [(0.0, "PASS"), (0.2, "FAIL"), (-0.2, "FAIL")])
def test_power(mean, status):
    """At alpha = beta = 1e-9: (margin / standard error)^2 / 2 = 200 exceeds ln(1e9) = 20.7 by far."""
    values = np.random.default_rng(2).normal(mean, 1, size=40_000)
    assert decide(Sums(LIMIT).add(values), Test(tolerance=0.01, margin=0.1))[0] == status


def test_few_samples_decide_nothing():
    test = Test(tolerance=0.01, margin=0.1)
    assert decide(Sums(LIMIT), test)[0] == "INCONCLUSIVE"
    assert decide(Sums(LIMIT).add(np.zeros(5)), test)[0] == "INCONCLUSIVE"
    assert detectable(Sums(LIMIT), test) == math.inf


def test_the_smallest_detectable_error_is_where_a_pass_ends():
    sums = Sums(LIMIT).add(np.random.default_rng(3).normal(0, 1, size=20_000))
    centred = Sums(LIMIT, sums.count, 0.0, sums.second, sums.fourth)
    found = detectable(centred, Test(0.0, 1.0))
    assert decide(centred, Test(0.0, found * 1.01))[0] == "PASS"
    assert decide(centred, Test(0.0, found * 0.9))[0] == "INCONCLUSIVE"
    # a Gaussian bound for 1e-9 would be 6 standard errors; a mixture of 16 rates costs a little more
    assert 5.5 < found / centred.standard_error < 9


def test_sums_merge_in_any_order_and_refuse_other_limits():
    values = np.random.default_rng(4).normal(size=1000)
    whole = Sums(LIMIT).add(values)
    parts = Sums(LIMIT).add(values[700:]).merge(Sums(LIMIT).add(values[:700]))
    assert parts.count == whole.count == 1000
    assert parts.mean == pytest.approx(values.mean())
    assert parts.standard_error == pytest.approx(values.std() / math.sqrt(1000))
    with pytest.raises(ValueError, match="cannot be merged"):
        whole.merge(Sums(1.0))


def test_the_clip_bias_is_bounded():
    """Heavy tails, clipped hard: the bound holds against the exact loss of the mean."""
    values = np.random.default_rng(5).standard_t(6, size=200_000) + 1.0
    sums = Sums(3.0).add(values)
    assert abs(sums.mean - values.mean()) <= sums.clip_bias

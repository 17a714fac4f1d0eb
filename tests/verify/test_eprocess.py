"""The sequential test: false alarms, power, merging, and freedom to look at any time."""

import dataclasses
import json
import math

import numpy as np
import pytest

from derive.network import mlp
from quasintk.pipeline import kernel
from verify.claims import claims
from verify.eprocess import REACH, Test, attained, decide
from verify.estimators import Sums
from verify.finite import network_stage
from verify.layerwise import layer_stages

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
    assert attained(Sums(LIMIT), test) == math.inf
    assert attained(Sums(LIMIT).add(np.zeros(5)), test) == math.inf


def test_what_was_attained_is_where_a_pass_begins():
    sums = Sums(LIMIT).add(np.random.default_rng(3).normal(0, 1, size=20_000))
    found = attained(sums, Test(0.0, 1.0))
    assert decide(sums, Test(0.0, found * 1.01 + sums.clip_bias))[0] == "PASS"
    assert decide(sums, Test(0.0, found * 0.99))[0] == "INCONCLUSIVE"
    # a Gaussian bound for 1e-9 would be 6 standard errors; a mixture of 16 rates costs a little more
    assert 5.5 < (found - sums.clip_bias - abs(sums.mean)) / sums.standard_error < 9


def test_the_evidence_grows_with_the_margin():
    """What allows to choose the margin behind the samples."""
    rng = np.random.default_rng(7)
    for scale in (1e-3, 0.1, 1.0):
        for mean in (-0.02, 0.0, 0.01):
            values = mean + scale * rng.normal(size=5000)
            sums = Sums(max(8 * scale, REACH * 0.05)).add(values)
            states = [decide(sums, Test(1e-9, margin))[0] for margin in np.geomspace(1e-4, 0.05, 60)]
            passes = [state == "PASS" for state in states]
            assert passes == sorted(passes)


def test_wrong_passes_stay_below_beta_with_the_margin_chosen_behind():
    """The mean is 0.1: a margin attained below that is wrong."""
    rng = np.random.default_rng(8)
    test = Test(tolerance=1e-9, margin=0.3, alpha=0.05, beta=0.05)
    wrong = 0
    for _ in range(200):
        sums = Sums(LIMIT)
        for part in np.array_split(rng.normal(0.1, 1, size=4000), 10):
            sums = sums.add(part)
            if attained(sums, test) < 0.1:
                wrong += 1
                break
    assert wrong / 200 <= 0.05 + 3 * 0.0155


def test_sums_merge_in_any_order_and_refuse_other_limits():
    values = np.random.default_rng(4).normal(size=1000)
    whole = Sums(LIMIT).add(values)
    parts = Sums(LIMIT).add(values[700:]).merge(Sums(LIMIT).add(values[:700]))
    assert parts.count == whole.count == 1000
    assert parts.mean == pytest.approx(values.mean())
    assert parts.standard_error == pytest.approx(values.std() / math.sqrt(1000))
    with pytest.raises(ValueError, match="cannot be merged"):
        whole.merge(Sums(1.0))


def test_sums_resume_from_json():
    values = np.random.default_rng(9).normal(size=1000)
    stored = json.dumps(dataclasses.asdict(Sums(LIMIT).add(values[:400])))
    assert Sums(**json.loads(stored)).add(values[400:]) == Sums(LIMIT).add(values[:400]).add(values[400:])


def test_the_clip_bias_is_bounded():
    """Heavy tails, clipped hard: the bound holds against the exact loss of the mean."""
    values = np.random.default_rng(5).standard_t(6, size=200_000) + 1.0
    sums = Sums(3.0).add(values)
    assert abs(sums.mean - values.mean()) <= sums.clip_bias


def false_alarms(stages, looks, count):
    """Of each quantity: runs in which it failed at one of the looks, at alpha = 0.05."""
    runs = []
    for stage in stages:
        test = Test(stage.test.tolerance, margin=1e-9, alpha=0.05, beta=1e-9)
        sums = [Sums(LIMIT) for _ in stage.names]
        failed = np.zeros(len(stage.names), bool)
        for look in range(looks):
            values = (stage.draw(look * count, count) - stage.claimed[:, None]) / stage.scale[:, None]
            sums = [total.add(row) for total, row in zip(sums, values, strict=True)]
            failed |= [decide(total, test)[0] == "FAIL" for total in sums]
        runs.append(failed)
    return np.sum(runs, axis=0)


RUNS = 2000
ALLOWED = 0.05 * RUNS + 3 * math.sqrt(0.05 * 0.95 * RUNS)
"""What a rate of 5 % exceeds with probability 1e-3."""


@pytest.mark.slow
def test_false_alarms_of_2000_runs_of_a_correct_layer():
    """Twenty looks at each of nine quantities: every one of them below 5 %."""
    network = mlp("relu", depth=2)
    claimed = claims(kernel(network), np.array([[1.4, 0.2], [-0.3, 1.0]]))
    test = Test(tolerance=1e-6, margin=5e-3)
    for layer in (1, 2):
        stages = (list(layer_stages(network, claimed, key, test))[layer] for key in range(RUNS))
        assert false_alarms(stages, looks=20, count=8).max() <= ALLOWED


@pytest.mark.slow
def test_false_alarms_of_2000_runs_of_correct_networks():
    """Finite networks, the width's bias included: what the tolerance is for."""
    network, X = mlp("relu", depth=2), np.array([[1.4, 0.2], [-0.3, 1.0]])
    outputs = claims(kernel(network), X).outputs
    test = Test(tolerance=1.5e-3, margin=5e-3)
    stages = (network_stage(network, X, outputs, key, False, 12, test) for key in range(RUNS))
    assert false_alarms(stages, looks=6, count=64).max() <= ALLOWED

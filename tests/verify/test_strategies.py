"""Strategies: what they shrink to, what they cover, and that all they draw can be derived."""

import doctest
import math
import re
import types
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import verify.strategies as module
from derive.activation import Activation
from derive.library import NAMED
from derive.network import Dense, Network, mlp
from derive.weights import REAL, Levels, WeightLaw
from quasintk.pipeline import kernel
from verify.strategies import activations, data_sets, expressions, mlps, networks, weight_laws

PHASES = (Phase.generate, Phase.shrink)
"""Without the one that explains failures, which takes most of the time."""
QUICK = settings(max_examples=100, database=None, derandomize=True, deadline=None, phases=PHASES)
FEW = st.sampled_from(["relu", "erf", "prelu(0.3)", "sign", "sin", "tanh"])
"""Six activations, each derived once in 0.5 to 2 s."""


def smallest(strategy, condition=lambda value: True):
    return find(strategy, condition, settings=QUICK)


def test_the_smallest_of_each():
    assert smallest(activations()) == "identity"
    assert smallest(activations(closed=False), lambda name: name != "identity") == "relu"
    assert smallest(expressions()) == smallest(expressions(closed=False)) == "x"
    assert smallest(weight_laws()) == "binary"
    assert smallest(mlps()) == mlp("identity", depth=1, weights="binary", W_std=1, b_std=0)
    plainest = Network([Dense("binary"), Activation("identity"), Dense("real")])
    assert smallest(networks()) == plainest
    assert smallest(data_sets()).tolist() == [[1.0]]
    assert smallest(data_sets(zeros=True)).tolist() == [[0.0]]


def test_shrinking_keeps_what_matters():
    assert smallest(activations(), lambda name: name.startswith("prelu")) == "prelu"
    deep = smallest(mlps(activation=FEW), lambda network: len(network.dense_layers) > 2)
    assert deep == mlp("relu", depth=2)
    biased = smallest(networks(activation=FEW), lambda network: network.dense_layers[0].b_std > 0)
    assert biased == Network([Dense("binary", b_std="0.1"), Activation("relu"), Dense("real")])
    assert smallest(data_sets(), lambda X: len(X) == 2).tolist() == [[1.0], [1.0]]
    assert smallest(data_sets(), lambda X: X.min() < 0).tolist() == [[-0.1]]


def test_a_failing_test_shows_the_smallest():
    seen = []

    @settings(QUICK)
    @given(mlps(activation=FEW), data_sets())
    def fails(network, X):
        seen.append((network, X))
        assert len(X) < 3

    with pytest.raises(AssertionError):
        fails()
    network, X = seen[-1]
    assert network == mlp("relu")
    assert X.tolist() == [[1.0], [1.0], [1.0]]


@settings(QUICK, max_examples=150)
@given(activations(closed=False))
def test_library_names_are_accepted(text):
    name = re.match(r"\w+", text)[0]
    assert name in NAMED
    assert Activation(text).name == name


def test_every_name_occurs():
    seen = set()

    @settings(QUICK, max_examples=400)
    @given(activations(closed=False))
    def collect(text):
        seen.add(re.match(r"\w+", text)[0])

    collect()
    assert seen == set(NAMED)


@settings(QUICK, suppress_health_check=[HealthCheck.too_slow])
@given(expressions(closed=False))
def test_expressions_are_accepted_and_neither_0_nor_infinite(text):
    """E[phi(z)^2] by adaptive quadrature, from edge to edge."""
    edges, branches = module._branches(Activation(text))
    ends = [-12.0, *edges, 12.0]
    second = 0.0
    for (low, high), branch in zip(pairwise(ends), branches, strict=True):

        def density(z, branch=branch):
            return float(branch(z)) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        second += quad(density, low, high)[0]
    assert 0.9e-4 <= second <= 1.1e4
    assert module._second_moment(Activation(text), 1.0) == pytest.approx(second, rel=0.02)


def test_an_expression_that_is_0_is_not_drawn():
    assert not module._usual("x - 2*max(x, 0) + abs(x)")
    assert module._usual("x - max(x, 0)")


@settings(QUICK, max_examples=200)
@given(weight_laws())
def test_weight_laws_are_accepted(law):
    assert isinstance(Dense(law).law, WeightLaw)


def test_networks_cover_what_there_is():
    seen = set()

    @settings(QUICK, max_examples=300)
    @given(networks(max_depth=2, activation=FEW))
    def collect(network):
        layers = network.layers
        dense = network.dense_layers
        seen.add(network.parameterization)
        seen.update("real" if layer.law == REAL else layer.law for layer in dense)
        seen.update(("trained", layer.trained) for layer in dense)
        seen.update(("bias", layer.b_std > 0) for layer in dense)
        seen.add(("depth", len(layers) - len(dense)))
        seen.add(
            (
                "neighbours",
                any(isinstance(a, Dense) and isinstance(b, Dense) for a, b in pairwise(layers)),
            )
        )

    collect()
    wanted = {"ntk", "latent", "real", Levels(2), Levels(3), *(("depth", n) for n in (1, 2))}
    wanted |= {(name, value) for name in ("trained", "bias", "neighbours") for value in (True, False)}
    assert wanted <= seen
    assert any(isinstance(law, WeightLaw) and law.latent == "two-point" for law in seen)
    assert any(isinstance(law, WeightLaw) and (law.levels or 0) > 3 for law in seen)


@settings(QUICK)
@given(networks(activation=st.sampled_from(["sign", "heaviside", "hardshrink", "threshold(0.5, 2)"])))
def test_nothing_jumps_before_anything_is_rounded(network):
    first = next(i for i, layer in enumerate(network.layers) if isinstance(layer, Activation))
    assert any(layer.law.rounded for layer in network.layers[:first])


def test_jumps_are_told_from_kinks():
    jumping = {"sign", "heaviside", "staircase", "hardshrink", "threshold"}
    found = {name for name in NAMED if module._jumps(Activation(name))}
    assert found == jumping


def test_parameters_of_one_name_have_one_value():
    """elu(0.5) and elu(2) share alpha: they are not drawn together, the network would be refused."""

    @settings(QUICK)
    @given(networks(activation=st.sampled_from(["elu(0.5)", "elu(2)", "celu"])))
    def never_raises(network):
        assert (
            len(
                {
                    value
                    for layer in network.layers
                    if isinstance(layer, Activation)
                    for value in layer.parameters
                }
            )
            == 1
        )

    never_raises()


def test_data_sets_cover_what_there_is():
    seen = set()

    @settings(QUICK, max_examples=400)
    @given(data_sets(max_rows=5, max_features=3))
    def collect(X):
        assert X.dtype == np.float64
        assert X.ndim == 2
        assert 1 <= X.shape[0] <= 5
        assert 1 <= X.shape[1] <= 3
        assert np.isfinite(X).all()
        n = np.linalg.norm(X, axis=1)
        assert (n > 0).all()
        i, j = np.triu_indices(len(X), 1)
        apart, cosine = np.linalg.norm(X[i] - X[j], axis=1), (X[i] * X[j]).sum(axis=1) / (n[i] * n[j])
        seen.update({
            "sphere": len(X) > 2 and np.ptp(n) < 1e-12,
            "unequal": np.ptp(n) > 0.1,
            "equal": (apart == 0).any(),
            "antiparallel": (cosine < -1 + 1e-12).any(),
            "near": ((apart > 0) & (apart < 1e-2)).any(),
            "scaled": ((cosine > 1 - 1e-12) & (apart > 0.1)).any(),
        }[kind] and kind for kind in ("sphere", "unequal", "equal", "antiparallel", "near", "scaled"))  # fmt: skip

    collect()
    assert seen - {False, np.False_} == {"sphere", "unequal", "equal", "antiparallel", "near", "scaled"}


def test_rows_of_zeros_only_where_asked_for():
    assert smallest(data_sets(zeros=True), lambda X: len(X) > 1 and not X.any(axis=1).all()).tolist() == [
        [0.0],
        [0.0],
    ]

    @settings(QUICK)
    @given(data_sets())
    def none(X):
        assert X.any(axis=1).all()

    none()


@settings(max_examples=30)
@given(networks(max_depth=2, activation=FEW), data_sets(max_rows=2))
def test_drawn_networks_can_be_derived(network, X):
    one = kernel(network)
    if (np.linalg.norm(X, axis=1) > 1e-3).all():
        X = X / np.linalg.norm(X, axis=1, keepdims=True) * math.sqrt(X.shape[1])
    values = one.explain(X[0], X[-1])
    assert all(math.isfinite(values[name]) for name in ("ntk", "nngp") if name in values)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(networks(max_depth=2, closed=False))
def test_networks_of_any_activation_can_be_derived(network):
    x, y = np.array([1.0, 1.0]), np.array([0.6, -1.0])
    values = kernel(network).explain(x, y)
    assert math.isfinite(values["nngp"])


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(expressions())
def test_expressions_of_the_closed_class_have_a_closed_form(text):
    kernel(text).require_closed()


def test_examples_in_the_docstrings():
    functions = [getattr(module, name) for name in module.__all__]
    assert all(isinstance(function, types.FunctionType) for function in functions)
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for test in finder.find(module) if test.examples]
    assert len(tests) >= 7
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        test.globs["find"] = partial(find, settings=QUICK)
        test.examples = [example for example in test.examples if "import find" not in example.source]
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0

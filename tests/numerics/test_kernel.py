"""Kernels through the public calls: reference values, the interpreter, dtypes, equal bits, no recompilation."""

import json
import pickle
import threading
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import event

import quasintk as qn
from derive.activation import Activation
from derive.ir import OUTPUTS
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from numerics.interpret import MULTIPRECISION, interpret
from numerics.kernel import Kernel
from quasintk.pipeline import kernel

CASES = json.loads((Path(__file__).parents[1] / "reference" / "kernels.json").read_text())["cases"]
BINARY = kernel("relu", depth=3, weights="binary", W_std=1.4142, b_std=0.1)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['activation']}-{c['depth']}-{c['weights']}")
@pytest.mark.parametrize("pair", ["xy", "xx"])
def test_reference_values(case, pair):
    """Nested quadrature, about 1e-12 relative (tests/reference/README.md); hence 1e-11."""
    options = {key: case[key] for key in ("depth", "weights", "W_std", "b_std")}
    other = case["y"] if pair == "xy" else case["x"]
    found = kernel(case["expression"], **options)([case["x"]], [other], get=OUTPUTS)
    for name, matrix in zip(OUTPUTS, found, strict=True):
        expected = case[pair][name]
        scale = np.sqrt(case["xx"]["nngp"] ** 2 + case["xx"]["rounding"] ** 2)
        assert abs(matrix[0, 0] - expected) <= 1e-11 * max(abs(expected), 1e-3 * scale)


NETWORKS = {
    "binary": mlp("relu", depth=2, W_std=1.3, b_std=0.2),
    "levels, latent": mlp("relu", depth=2, weights=Levels(5), W_std=1.1, b_std=0.4, parameterization="latent"),
    "leaky, r = 0.7": mlp("leaky_relu", depth=1, weights=WeightLaw("0.7")),
    "mixed": Network([
        Dense("real", 0.8, trained=False), Dense("ternary", 1.2, 0.3), Activation("relu"),
        Dense("real", 1.1, 0.1), Activation("max(x, 0)**2"), Dense("binary", 0.9, 0.5),
    ]),
}  # fmt: skip
KERNELS = {name: kernel(network) for name, network in NETWORKS.items()}


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_compiled_is_interpreter(name, data):
    """Float64 against 40 digits. An angle near 0 or pi loses half the digits, so cosines stay below 0.99."""
    value = st.floats(-3, 3).filter(lambda v: abs(v) > 1e-2)
    x, y = (np.array(data.draw(st.tuples(value, value, value))) for _ in range(2))
    if abs(x @ y) > 0.99 * np.linalg.norm(x) * np.linalg.norm(y):
        y = y + np.array([1.0, -x[0] / x[1], 0.0])
    one = KERNELS[name]
    found = [matrix[0, 0] for matrix in one([x], [y], get=OUTPUTS)]
    q_x, q_y, m_0 = (
        sum(Fraction(a) * Fraction(b) for a, b in zip(u, v, strict=True)) / 3
        for u, v in ((x, x), (y, y), (x, y))
    )
    with mpmath.workdps(40):
        values = interpret(
            one.ir.pair, {**one.parameters, "q_x": q_x, "q_y": q_y, "m_0": m_0}, MULTIPRECISION
        )
        scale = float(values["nngp"] + values["rounding"]) + np.prod(np.sqrt(one.diag(np.stack([x, y]))))
    for output, number in zip(OUTPUTS, found, strict=True):
        assert abs(number - float(values[output])) <= 2e-13 * abs(scale)


def test_changing_a_parameter_compiles_nothing():
    X = np.eye(3)
    for one in (BINARY, kernel("relu", depth=3)):  # both routes (decision 12)
        one(X, get=OUTPUTS)
    with event.install_recorder("numba:compile") as recorder:
        for value in (0.5, 1.0, 2.0):
            BINARY.with_parameters(W_std=value, b_std=value / 3, latent_fraction=0.3)(X, get=OUTPUTS)
        kernel("relu", depth=3, weights="ternary", W_std=0.77)(X, get=OUTPUTS)
    assert recorder.buffer == []


def test_the_recorder_sees_compilations():
    with event.install_recorder("numba:compile") as recorder:
        kernel("x**2 + max(x, 0)")(np.eye(2))
    assert recorder.buffer


def test_parameters_do_what_a_new_derivation_does():
    changed = BINARY.with_parameters(W_std=0.8, b_std=0.5)
    X = np.random.default_rng(1).normal(size=(5, 4))
    assert np.array_equal(changed(X), kernel("relu", depth=3, W_std=0.8, b_std=0.5)(X))
    assert changed.signature == BINARY.signature


def test_pickle_and_json():
    again = pickle.loads(pickle.dumps(BINARY))
    assert again == BINARY
    assert Kernel.from_json(BINARY.to_json()) == BINARY
    assert again.network == BINARY.network


def test_gram_is_symmetric_positive_and_agrees_with_all_routes():
    X = np.random.default_rng(2).normal(size=(300, 7))  # more than one block
    K = BINARY(X)
    assert np.array_equal(K, K.T)
    assert np.array_equal(np.diag(K), BINARY.diag(X))
    assert np.array_equal(K[:5], BINARY(X[:5], X))
    assert np.linalg.eigvalsh(K).min() > -1e-13 * np.linalg.norm(K)


def test_any_layout_gives_the_same_bits():
    X = np.random.default_rng(3).normal(size=(20, 6))
    read_only = X.copy()
    read_only.flags.writeable = False
    strided = np.repeat(X, 2, axis=0)[::2]
    for variant in (np.asfortranarray(X), read_only, strided, X.astype(">f8"), X.tolist()):
        assert np.array_equal(BINARY(variant), BINARY(X))
    integers = np.arange(12).reshape(4, 3)
    assert np.array_equal(BINARY(integers), BINARY(integers.astype(float)))


def test_equal_rows_give_equal_bits():
    X = np.random.default_rng(4).normal(size=(270, 5))
    X[261] = X[3]
    for weights in ("binary", "real"):
        K = kernel("relu", depth=3, weights=weights)(X)
        assert np.array_equal(K[261], K[3])
        assert K[261, 3] == K[3, 3] == K[261, 261]


def test_dtypes():
    X = np.random.default_rng(5).normal(size=(4, 3))
    single = X.astype(np.float32)
    assert BINARY(single).dtype == np.float32
    assert BINARY(single, X).dtype == np.float64
    assert BINARY(X.astype(np.float16)).dtype == np.float64
    assert np.array_equal(BINARY(single), BINARY(single.astype(float)).astype(np.float32))


def test_extreme_scales():
    """A bias-free ReLU network is homogeneous; roots of odd powers of two round, hence a few eps."""
    one = kernel("relu", depth=2)
    X = np.random.default_rng(6).normal(size=(4, 3))
    assert one(X * 2.0**-500, X * 2.0**500) == pytest.approx(one(X, X.copy()), rel=4e-15, abs=0)
    assert one(X * 1e-150) == pytest.approx(one(X) * 1e-300, rel=4e-15, abs=0)
    assert one(X * 1e150) == pytest.approx(one(X) * 1e300, rel=4e-15, abs=0)
    tiny = one(X * 1e-160)
    assert np.isfinite(tiny).all()
    assert (np.diag(tiny) > 0).all()


def test_scales_beyond_float64_are_named():
    X = np.array([[1.0, 0.0], [1e160, 0.0]])
    with pytest.raises(ArithmeticError, match=r"rows 1 and 1.*range of float64"):
        kernel("relu")(X)
    with pytest.raises(ValueError, match="row 1 exceeds the range"):
        kernel("relu", b_std=1)(X)


@pytest.mark.parametrize("call", ["__call__", "diag"])
def test_scales_beyond_float32_are_named(call):
    X = np.array([[1.0, 0.0], [1e21, 0.0]], np.float32)
    with pytest.raises(ArithmeticError, match="exceeds the range of float32"):
        getattr(kernel("relu", b_std=1), call)(X)
    assert np.isfinite(kernel("relu", b_std=1)(X[:1], X[1:])).all()


def test_a_second_call_writes_no_code_again(monkeypatch):
    network = kernel("erf", b_std=0.25)
    network(np.eye(2))
    monkeypatch.setattr("numerics.kernel.emit_numba", None)
    monkeypatch.setattr("numerics.kernel.build", None)
    network.with_parameters(b_std=0.5)(np.eye(2))


def test_zero_rows_are_the_kernel_at_zero():
    X = np.array([[0.0, 0.0], [1.0, 2.0]])
    assert kernel("relu")(X)[0].tolist() == [0.0, 0.0]
    biased = kernel("relu", b_std=1)(X)
    assert np.isfinite(biased).all()
    assert biased[0, 0] > 0


def test_empty_data():
    assert BINARY(np.empty((0, 3))).shape == (0, 0)
    assert BINARY(np.empty((0, 3)), np.ones((2, 3))).shape == (0, 2)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1.0, float("nan")]], ValueError, "X holds nan in row 0, column 1"),
        ([[1.0, 1.0], [float("inf"), 1.0]], ValueError, "X holds inf in row 1, column 0"),
        ([1.0, 2.0], ValueError, r"X has shape \(2,\).*one row is X\[None, :\]"),
        (np.ones((2, 2, 2)), ValueError, r"X has shape \(2, 2, 2\)"),
        (np.ones((2, 0)), ValueError, "at least one feature"),
        ([[1.0], [1.0, 2.0]], ValueError, "no rectangular array"),
        ([[1j]], TypeError, "dtype complex128"),
        ([["a"]], TypeError, "dtype <U1"),
        ([[object()]], TypeError, "dtype object"),
        (np.ma.masked_array([[1.0]], [[True]]), TypeError, "masked array"),
        ("data", TypeError, "dtype <U4"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bad_arrays(data, error, message):
    with pytest.raises(error, match=message):
        BINARY(data)


def test_mismatched_features_name_both_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\) and Y \(4, 5\)"):
        BINARY(np.ones((2, 3)), np.ones((4, 5)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BINARY(np.eye(2), get="kernel"), "get must be one of"),
        (lambda: BINARY(np.eye(2), get=()), "get must be one of"),
        (lambda: BINARY(np.eye(2), get=None), "get must be one of"),
        (lambda: BINARY.explain([1.0, 2.0], [1.0]), r"one shape \(d,\)"),
        (lambda: BINARY.with_parameters(sigma=1), "Unknown parameter 'sigma'.*W_std"),
        (lambda: BINARY.with_parameters(latent_fraction=2), r"\(0, 1\]"),
        (lambda: BINARY.with_parameters(W_std=0), "must be positive"),
        (lambda: BINARY.with_parameters(b_std=-1), "must not be negative"),
        (lambda: BINARY.source("fortran"), "target must be"),
        (lambda: BINARY.on_sphere(q=0), "q must be positive"),
        (lambda: BINARY.on_sphere()(1.01), "outside"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_threads_may_call_at_once():
    X = np.random.default_rng(7).normal(size=(60, 4))
    fresh = kernel("max(x, 0)*3/2", depth=2)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(fresh(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, results[0]) for result in results)


def test_explain_gives_every_layer():
    values = BINARY.explain([1.0, 2.0], [0.5, -1.0])
    K = BINARY([[1.0, 2.0]], [[0.5, -1.0]])[0, 0]
    assert values["ntk"] == pytest.approx(K, rel=1e-14)
    assert {"Q_x_1", "M_3", "k_3"} <= values.keys()


def test_route_names_every_layer():
    assert BINARY.route == ("relu: closed form, 45 digits certified at 4 random covariances",) * 3


def test_the_zero_activation_has_the_zero_kernel():
    assert kernel("0")(np.eye(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    "function", [qn.spectrum, lambda k: qn.gram(k, np.eye(2)), qn.verify], ids=["spectrum", "gram", "verify"]
)
def test_something_else_in_a_kernel_s_place(function):
    with pytest.raises(TypeError, match="A kernel is needed, got str"):
        function("relu")

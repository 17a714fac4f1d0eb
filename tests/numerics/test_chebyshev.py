"""Polynomials of the cosine: their stated errors against the interpreter at 50 digits, and their compiled evaluation."""

import itertools
from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.activation import Activation
from derive.ir import OUTPUTS
from derive.network import Dense, Network
from derive.weights import Levels, WeightLaw
from numerics import chebyshev
from numerics.chebyshev import cosine_polynomial, evaluate
from numerics.chebyshev_evaluate import STRIP
from numerics.interpret import MULTIPRECISION, interpret
from numerics.kernel import Kernel
from numerics.quadrature import multiprecision
from quasintk import baselines
from quasintk.pipeline import kernel

DTYPES = (np.float64, np.float32)
LAWS = ("binary", "ternary", Levels(16), Levels(256), "real")
AT_MOST = {np.float64: 1.01e-13, np.float32: 5.8e-7}
"""The tolerances, and 4 eps for the evaluation."""


def exact(one, get, q, t, arithmetic=MULTIPRECISION):
    """K(t) by the interpreter; t = 1 by the program for x = y."""
    q = mpmath.mpf(q)
    if t == 1:
        return interpret(one.ir.diagonal.restricted(get), {**one.parameters, "q_x": q}, arithmetic)[get]
    inputs = {"q_x": q, "q_y": q, "m_0": q * mpmath.mpf(float(t))}
    return interpret(one.ir.pair.restricted(get), {**one.parameters, **inputs}, arithmetic)[get]


def cosines(dtype, count, seed=0):
    """Even in t, dense near both ends, and the ends."""
    rng = np.random.default_rng(seed)
    gaps = 10.0 ** -rng.uniform(1, 16, count)
    t = np.concatenate([rng.uniform(-1, 1, count), 1 - gaps, gaps - 1]).astype(dtype)
    return np.concatenate([t[np.abs(t) < 1], np.array([1, 0.5, 0, -0.5], dtype)])


def check(one, dtype, get="ntk", q=1, count=5, arithmetic=MULTIPRECISION, digits=50, t=None):
    """The polynomial, which must be there and as good as it says, compiled and in NumPy."""
    polynomial = cosine_polynomial(one, q, get, dtype)
    assert polynomial is not None
    assert polynomial.error <= AT_MOST[dtype]
    t = cosines(dtype, count) if t is None else t.astype(dtype)
    tile = t[None].copy()
    evaluate(tile, *polynomial.arguments)
    with mpmath.workdps(digits):
        total, values = exact(one, get, q, 1, arithmetic), [exact(one, get, q, x, arithmetic) for x in t]
        for found in (tile[0], polynomial(t)):
            assert found.dtype == dtype
            for value, right in zip(found, values, strict=True):
                error = abs(mpmath.mpf(float(value)) - right)
                assert error <= polynomial.error * total
                assert error <= polynomial.pointwise * max(abs(right), total / 1000)
    return polynomial


CASES = [
    ("relu", 1, "binary", "0", "ntk"),
    ("relu", 3, "ternary", "0.3", "rounding"),
    ("relu", 4, "real", "0", "ntk"),
    ("relu", 3, Levels(256), "0", "ntk"),
    ("relu", 2, Levels(256), "0.3", "rounding"),
    ("abs", 2, Levels(16), "0.3", "ntk"),
    ("abs", 4, "binary", "0", "nngp"),
    ("erf", 1, "real", "0.3", "nngp"),
    ("erf", 3, Levels(256), "0", "ntk"),
    ("gelu", 2, "real", "0.3", "ntk"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("phi", "depth", "weights", "b_std", "get"), CASES)
def test_errors_are_honest(phi, depth, weights, b_std, get, dtype):
    check(kernel(phi, depth=depth, weights=weights, W_std="1.4142", b_std=b_std), dtype, get)


@pytest.mark.slow
@pytest.mark.parametrize("phi", ["relu", "abs", "erf", "gelu"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_errors_are_honest_everywhere(phi, depth):
    for weights, b_std, dtype, get in itertools.product(LAWS, ("0", "0.3"), DTYPES, OUTPUTS):
        check(kernel(phi, depth=depth, weights=weights, W_std="1.2", b_std=b_std), dtype, get, q="1.5")


def test_hermite_series():
    """tanh against Mehler's series by the oracle's quadrature, which leaves 1e-30 here."""
    one = kernel("tanh", depth=1, weights="ternary", b_std="0.3")
    polynomial = cosine_polynomial(one)
    with mpmath.workdps(25):
        oracle = multiprecision(one.ir)
        total = exact(one, "ntk", 1, 1, oracle)
        for t in (-1 + 2.0**-40, -0.7, 0.1, 0.6, 1 - 2.0**-30):
            error = abs(mpmath.mpf(float(polynomial(t))) - exact(one, "ntk", 1, t, oracle))
            assert error <= polynomial.error * total


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("phi", ["tanh", "elu", "hardtanh"])
def test_hermite_series_in_both_dtypes(phi, dtype):
    one = kernel(phi, depth=3, weights="binary", b_std="0.3")
    check(one, dtype, arithmetic=multiprecision(one.ir), digits=25, t=np.array([-0.99, -0.3, 0.2, 0.9, 1]))


@pytest.mark.slow
def test_hermite_series_at_the_end_with_real_weights():
    """At t = 1 the oracle integrates phi^2 and phi'^2, without a series."""
    one = kernel("tanh", depth=1, weights="real", b_std="0.3")
    polynomial = cosine_polynomial(one)
    with mpmath.workdps(25):
        total = exact(one, "ntk", 1, 1, multiprecision(one.ir))
    assert abs(mpmath.mpf(float(polynomial(1))) - total) <= polynomial.error * total


def test_forms():
    """As cheap as they should be: t itself below 1 / r = 1.5, one root with real weights, pieces where singularities crowd."""

    def form(*arguments):
        polynomial = cosine_polynomial(
            kernel("relu", depth=3, W_std="1.4142", weights=arguments[0]), dtype=arguments[1]
        )
        return np.isinf(polynomial.edge), len(polynomial.centres), polynomial.degree

    assert form("binary", np.float64) == (True, 1, 16)
    assert form("binary", np.float32) == (True, 1, 8)
    assert form("real", np.float64) == (False, 1, 24)
    assert form("real", np.float32) == (False, 1, 16)
    plain, pieces, degree = form(Levels(256), np.float64)
    assert not plain
    assert pieces > 1
    assert degree <= 40


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("gap", "get"), [("1e-4", "rounding"), ("1e-12", "ntk")])
def test_any_latent_fraction(gap, get, dtype):
    check(kernel("relu", depth=2, weights=WeightLaw(1 - Fraction(gap)), W_std="1.4142"), dtype, get)


@pytest.mark.parametrize("dtype", DTYPES)
def test_singularities_sharper_than_roots(dtype):
    """Three layers of arcsines: K(1) - K(t) falls like (1 - t)^(1/8), down to the last number before 1."""
    one = kernel("sign", depth=3, weights="real", get="nngp")
    polynomial = check(one, dtype, "nngp")
    ends = np.array([[1, -1, np.nextafter(dtype(1), dtype(0))]], dtype)
    evaluate(ends, *polynomial.arguments)
    with mpmath.workdps(50):
        for value, t in zip(ends[0], (1, -1, float(np.nextafter(dtype(1), dtype(0)))), strict=True):
            assert abs(mpmath.mpf(float(value)) - exact(one, "nngp", 1, t)) <= polynomial.error


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_of_different_laws(dtype):
    check(
        kernel(
            Network(
                [Dense("real"), Activation("relu"), Dense(Levels(256)), Activation("abs"), Dense("binary")]
            )
        ),
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_at_both_ends(dtype):
    for weights in ("binary", Levels(256), "real"):
        one = kernel("relu", depth=2, weights=weights, W_std="1.4142")
        polynomial = cosine_polynomial(one, dtype=dtype)
        tile = np.array([[1, 1 + 5 * np.finfo(dtype).eps, -1, -1 - 5 * np.finfo(dtype).eps]], dtype)
        evaluate(tile, *polynomial.arguments)
        with mpmath.workdps(50):
            total, opposite = exact(one, "ntk", 1, 1), exact(one, "ntk", 1, -1)
        for value, right in zip(tile[0], (total, total, opposite, opposite), strict=True):
            assert abs(mpmath.mpf(float(value)) - right) <= polynomial.error * total


def test_homogeneous_kernels_of_any_norms():
    one = kernel("relu", depth=3, weights=Levels(16), W_std="1.4142")
    assert one.homogeneous
    polynomial, h = cosine_polynomial(one), one.ir.homogeneity
    with mpmath.workdps(50):
        for q_x, q_y, t in ((0.3, 7.0, 0.4), (1e-3, 2.0, -0.9), (5.0, 5.0, 0.999)):
            root = mpmath.sqrt(mpmath.mpf(q_x) * mpmath.mpf(q_y))
            inputs = {"q_x": mpmath.mpf(q_x), "q_y": mpmath.mpf(q_y), "m_0": root * mpmath.mpf(t)}
            right = interpret(one.ir.pair, {**one.parameters, **inputs}, MULTIPRECISION)["ntk"]
            assert abs(root**h * mpmath.mpf(float(polynomial(t))) / right - 1) <= polynomial.pointwise


@pytest.mark.parametrize("dtype", DTYPES)
def test_baselines(dtype):
    for one in (baselines.gaussian(1.0), baselines.laplace(0.5)):
        check(one, dtype, q=2)


def test_kernels_that_vanish():
    polynomial = cosine_polynomial(kernel("relu", weights="real"), get="rounding")
    assert not polynomial(cosines(np.float64, 5)).any()
    assert polynomial.error == 0


def test_none_where_it_cannot():
    assert cosine_polynomial(kernel("heaviside(x - 1)", weights="real", get="nngp"), get="nngp") is None
    assert cosine_polynomial(kernel("exp(x**2 / 16)"), q=100) is None  # infinite there


def test_refusals():
    one = kernel("relu")
    with pytest.raises(ValueError, match="q must be positive"):
        cosine_polynomial(one, q=0)
    with pytest.raises(ValueError, match="float32 or float64, got int64"):
        cosine_polynomial(one, dtype=np.int64)
    with pytest.raises(ValueError, match="get must be one of"):
        cosine_polynomial(one, get="p")


@pytest.mark.parametrize(("wave", "found"), [(48, True), (5000, False)])
def test_what_falls_between_the_nodes_is_found(monkeypatch, wave, found):
    """1e-9 T_48(t) vanishes at all Chebyshev nodes in t, and 1e-9 T_5000(t) is out of reach."""
    plain = chebyshev.cosine_values

    def wavy(*arguments):
        values = plain(*arguments)

        def at(t):
            with mpmath.workdps(40):
                waves = [mpmath.cos(wave * mpmath.acos(x)) for x in t]
            return values.at(t) + np.array([np.longdouble(str(w)) for w in waves]) * 1e-9 * values.total

        return replace(values, at=at)

    one = kernel("relu", depth=2, weights="binary")
    undisturbed = cosine_polynomial(one)
    monkeypatch.setattr(chebyshev, "cosine_values", wavy)
    polynomial = cosine_polynomial(one)
    assert (polynomial is not None) == found
    if found:
        t, total = np.linspace(-1, 1, 999), undisturbed(1)
        expected = undisturbed(t) + 1e-9 * np.cos(wave * np.arccos(t)) * total
        assert np.abs(polynomial(t) - expected).max() <= 2e-13 * total


def fused(polynomial, cosines):
    """The formula in float32, with products and sums in float64: but for one case in 2^29 fused operations."""
    t = np.clip(cosines, -1, 1)
    edge, knots, centres, scales, coefficients = polynomial.arguments
    piece, sign, v = 0, 0, t
    if np.isfinite(edge):
        piece, sign = np.searchsorted(knots[1:-1], np.abs(t)), (t < 0).astype(int)
        v = np.sqrt(edge - np.abs(t))
    z = ((v - centres[piece]) * scales[piece]).astype(np.float64)
    value = coefficients[sign, piece, -1]
    for k in range(polynomial.degree - 1, -1, -1):
        value = (value * z + coefficients[sign, piece, k]).astype(np.float32)
    return value


@pytest.mark.parametrize("weights", ["binary", "real", Levels(256)])
def test_compiled_evaluation(weights):
    """Any shape, pieces that are empty or full, whatever lies in which strip: the operations of the formula in their order."""
    one = kernel("relu", depth=3, weights=weights, W_std="1.4142")
    rng = np.random.default_rng(1)
    near = np.float32(1 - 4.0 ** -rng.uniform(0, 12, STRIP + 5))
    tiles = (
        rng.uniform(-1, 1, (3, 1000)),
        rng.uniform(-0.5, 0.5, (1, STRIP)),
        near[None],
        np.array([[0.3], [-1.0]]),
    )
    polynomials = {dtype: cosine_polynomial(one, dtype=dtype) for dtype in DTYPES}
    for values in (*tiles, np.empty((0, 7))):
        t = values.astype(np.float32)
        tile, wide = t.copy(), values.astype(np.float64)
        evaluate(tile, *polynomials[np.float32].arguments)
        assert (np.abs(tile - fused(polynomials[np.float32], t)) <= np.spacing(np.abs(tile))).all()
        evaluate(wide, *polynomials[np.float64].arguments)
        expected = polynomials[np.float64](values)
        assert (np.abs(wide - expected) <= 8 * np.finfo(float).eps * expected.max(initial=0)).all()


LAYERS = st.tuples(
    st.sampled_from(["relu", "abs", "erf", "sin", "x**2 / 2"]),
    st.one_of(st.sampled_from(LAWS), st.fractions("0.05", 1, max_denominator=10**6).map(WeightLaw)),
    st.fractions("0.2", 2, max_denominator=100),
    st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(1)]),
    st.booleans(),
)
NETWORKS = st.lists(LAYERS, min_size=1, max_size=3)
OPTIONS = st.tuples(
    st.sampled_from(OUTPUTS), st.sampled_from(DTYPES), st.fractions("0.1", 4, max_denominator=100)
)


def random_network(layers) -> Kernel:
    parts = []
    for phi, law, W_std, b_std, trained in layers:
        parts += [Dense(law, W_std, b_std, trained), Activation(phi)]
    return kernel(Network([*parts, Dense("real")]))


@settings(max_examples=8)
@given(NETWORKS, OPTIONS)
def test_random_networks(layers, options):
    get, dtype, q = options
    check(random_network(layers), dtype, get, q=float(q), count=4)


@pytest.mark.slow
@settings(max_examples=150)
@given(NETWORKS, OPTIONS)
def test_more_random_networks(layers, options):
    get, dtype, q = options
    check(random_network(layers), dtype, get, q=float(q), count=4)

"""Hermite series and the direct rule: against closed forms and the oracle; no bound is below the true error."""

import math
import pickle
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import oracle, special
from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import DerivationError, NoClosedForm, NumericalError
from derive.formulas import series_ir
from derive.ir import OUTPUTS
from derive.lower import kernel_of
from derive.network import mlp
from derive.parse import SYMBOL
from derive.rule import integration_rule
from numerics import mehler
from numerics.build import build
from numerics.interpret import interpret
from numerics.kernel import Kernel
from numerics.quadrature import multiprecision
from quasintk.pipeline import kernel

NAMES = [
    "tanh", "sigmoid", "silu", "mish", "softplus", "softsign", "logsigmoid", "tanhshrink", "gelu_tanh",
    "tanh(3*x)*max(x, 0)", "atan(x)*abs(x - 1)", "tanh(x) + sign(x - 1)/2", "Phi(x)**2", "softplus(30*x)/30",
]  # fmt: skip


CLOSED = [
    "relu",
    "abs",
    "hardtanh",
    "x if x > 0 else exp(x) - 1",
    "gelu",
    "sin",
    "max(x - 1/2, 0)**2",
    "sign(x - 1/3)",
    "heaviside(x)*x + sign(x)",
]


@cache
def by_series(text, **options):
    """The kernel of an activation by its Hermite series, whether or not it has a closed form."""
    network = mlp(Activation(text), **options)
    (activation,) = {layer for layer in network.layers if isinstance(layer, Activation)}
    return Kernel(
        kernel_of(network, {activation.name: series_ir(integration_rule(activation), "for a test")})
    )


class Rule:
    """One activation's compiled rule, with tables of as many coefficients as asked for."""

    def __init__(self, text):
        self.forms = closed_forms(text) if text in CLOSED else None
        self.module = build(by_series(text).source("numba"))
        module = self.module
        self.rules = [(module.EDGES_0, module.KINKS_0, h) for h in (module.SMOOTH_0, module.HEIGHTS_0)]

    def table(self, var, order=mehler.ORDER):
        table = np.empty((2, order + 3))
        for slot in (0, 1):
            self.module.fill_row(self.module.f, slot, *self.rules[slot], var, table[slot])
        return table

    def kappa(self, slot, var1, var2, cov12):
        tables = self.table(var1), self.table(var2)
        return self.module.kappa(self.module.f, slot, *self.rules[slot], *tables, var1, var2, cov12)

    def direct(self, slot, var1, var2, rho, nodes):
        gauss = getattr(mehler, f"NODES_{nodes}"), getattr(mehler, f"WEIGHTS_{nodes}")
        where = math.sqrt(var1), math.sqrt(var2), rho, math.sqrt((1 - rho) * (1 + rho))
        return self.module.direct(self.module.f, slot, *self.rules[slot], *where, *gauss)

    def exact(self, slot, var1, var2, rho):
        with mpmath.workdps(60):
            cov12 = mpmath.mpf(rho) * mpmath.sqrt(mpmath.mpf(var1) * var2)
            return float(self.forms[slot](mpmath.mpf(var1), mpmath.mpf(var2), cov12))


rule_of = cache(Rule)


def closed_forms(text):
    """kappa and kappa_dot as functions of mpmath numbers."""
    found = dual_activation(Activation(text))
    functions = {cls.__name__: special.BY_MPMATH[name] for cls, name in special.NAMES.items()}
    symbols = sympy.symbols("var1 var2 cov12")
    forms = [
        form.subs({s: sympy.Symbol(str(s)) for s in form.free_symbols}) for form in (found.phi, found.dphi)
    ]
    return [sympy.lambdify(symbols, form, modules=[functions, "mpmath"]) for form in forms]


@pytest.fixture(scope="module")
def rule(request):
    """Made before Hypothesis begins, whose tracing would slow it down."""
    return rule_of(request.param)


@pytest.mark.parametrize("text", NAMES)
def test_values_against_the_oracle(text):
    """Independent quadrature with 45 digits, at |rho| <= 1/2, where its own error is below 1e-30."""
    one, expr = rule_of(text), Activation(text).expr
    kinks = [0, 1] if expr.has(sympy.Abs, sympy.Max, sympy.sign) else []
    function = sympy.lambdify(SYMBOL, expr, modules="mpmath")
    with mpmath.workdps(45):
        for var1, var2 in ((0.03, 0.4), (1.3, 2.0), (0.7, 30.0)):
            samples = [oracle.sample(function, mpmath.mpf(var), kinks) for var in (var1, var2)]
            h1, h2 = (sample.hermite_coefficients() for sample in samples)
            norms = [sample.second_moment() for sample in samples]
            root = mpmath.sqrt(mpmath.mpf(var1) * var2)
            for rho in (-0.45, 0.2, 0.5):
                cov12 = float(rho * root)
                exact = oracle.dual(h1, h2, *norms, mpmath.mpf(cov12) / root)
                slope = oracle.dual_of_derivative(h1, h2, *norms, mpmath.mpf(cov12) / root, root)
                scale = float(mpmath.sqrt(norms[0] * norms[1]))
                assert abs(one.kappa(0, var1, var2, cov12) - float(exact.value)) <= 2e-13 * scale
                assert abs(one.kappa(1, var1, var2, cov12) - float(slope.value)) <= 2e-13 * scale / float(
                    root
                )


@pytest.mark.parametrize("rule", CLOSED, indirect=True)
@pytest.mark.parametrize("slot", [0, 1])
@settings(max_examples=40, deadline=None)
@given(
    var1=st.floats(0.05, 20),
    var2=st.floats(0.05, 20),
    rho=st.floats(-0.999, 0.999),
    order=st.integers(1, mehler.ORDER),
)
def test_the_bound_of_a_series_is_above_its_error(rule, slot, var1, var2, rho, order):
    """At every length of the series; 1e-14 of the scale is rounding."""
    x, y = rule.table(var1, order), rule.table(var2, order)
    bound, scale = rule.module.remainder(slot, x, y, var1, var2, rho)
    error = abs(rule.module.series(x[slot], y[slot], rho) - rule.exact(slot, var1, var2, rho))
    largest = math.sqrt(1 - rho**2) if slot and np.isinf(x[1, 0]) else 1.0
    assert error <= bound + 1e-14 * scale / largest


@pytest.mark.parametrize("rule", CLOSED, indirect=True)
@pytest.mark.parametrize("slot", [0, 1])
@settings(max_examples=15, deadline=None)
@given(
    var1=st.floats(0.05, 20),
    var2=st.floats(0.05, 20),
    gap=st.floats(-9, -0.3),
    sign=st.sampled_from([-1, 1]),
    nodes=st.sampled_from([22, 32]),
)
def test_the_estimate_of_the_direct_rule_is_above_its_error(rule, slot, var1, var2, gap, sign, nodes):
    """For rho from 1/2 to 1 - 1e-9, against closed forms; 4e-14 of the largest value is rounding."""
    rho = sign * (1 - 10**gap)
    value = rule.direct(slot, var1, var2, rho, nodes)
    estimate = abs(rule.direct(slot, var1, var2, rho, 22) - rule.direct(slot, var1, var2, rho, 32))
    truth = rule.exact(slot, var1, var2, rho)
    scale = rule.module.remainder(slot, rule.table(var1), rule.table(var2), var1, var2, rho)[1]
    assert abs(value - truth) <= estimate + 4e-14 * max(scale, abs(truth))


LONGER = pytest.mark.slow  # each compiles for 10 s


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("relu", "binary"),
        ("hardtanh", "real"),
        pytest.param("relu", "real", marks=LONGER),
        pytest.param("hardtanh", "binary", marks=LONGER),
        pytest.param("sin", "binary", marks=LONGER),
        pytest.param("sin", "real", marks=LONGER),
    ],
)
def test_kernels_by_series_are_those_by_closed_forms(text, weights):
    """Rows near and far, parallel, zero, and one of them with itself.

    Closed forms with thresholds lose the square root of the digits of |x - y|, hence 1e-9 where r = 1.
    """
    options = {"depth": 2, "weights": weights, "W_std": 1.2, "b_std": 0.3}
    X = np.random.default_rng(0).standard_normal((7, 3))
    X[3], X[4], X[5], X[6] = 2 * X[0], X[1] + 1e-2, 0, -X[0]
    one, other = by_series(text, **options), kernel(text, **options)
    scale = max(np.abs(other(X)).max(), 1)
    for a, b in zip(one(X, get=OUTPUTS), other(X, get=OUTPUTS), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * scale if weights == "real" else 1e-11 * scale)
    np.testing.assert_allclose(one.diag(X), np.diag(one(X)), rtol=0, atol=0)


TANH = kernel("tanh", depth=2, W_std=1.4, b_std=0.2)
ROWS = np.random.default_rng(1).standard_normal((6, 4))


def test_numpy_is_numba():
    """The same mathematics in two texts; a whole matrix at once, with near-parallel rows of real weights."""
    for one in (TANH, kernel("softsign", weights="real")):
        X = np.vstack([ROWS[:3], ROWS[0] * 1.5])
        q, dots = (X * X).mean(axis=1), X @ X.T / X.shape[1]
        off = ~np.eye(len(X), dtype=bool)
        found = build(one.source("numpy")).pair(q[:, None], q[None], dots, *one.parameter_values)
        for a, b in zip(found, one(X, get=OUTPUTS), strict=True):
            np.testing.assert_allclose(np.broadcast_to(a, b.shape)[off], b[off], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["mish", "softsign"])
def test_compiled_is_interpreter(name):
    """Two layers against quadrature at 25 digits, which shares no rule with compiled code."""
    one = kernel(name, depth=2, weights="ternary", W_std=1.3, b_std=0.2)
    x, y = np.array([1.0, -0.5]), np.array([0.25, 2.0])
    found = [matrix[0, 0] for matrix in one([x], [y], get=OUTPUTS)]
    with mpmath.workdps(25):
        inputs = {"q_x": Fraction(5, 8), "q_y": Fraction(65, 32), "m_0": Fraction(-3, 8)}
        values = interpret(one.ir.pair, {**one.parameters, **inputs}, multiprecision(one.ir))
        assert found == pytest.approx([float(values[output]) for output in OUTPUTS], rel=1e-12)
        near = {"q_x": Fraction(1), "q_y": Fraction(1), "m_0": 1 - Fraction(1, 10**6)}
        real = kernel("softsign", weights="real")
        with pytest.raises(NumericalError):
            interpret(real.ir.pair, {**real.parameters, **near}, multiprecision(real.ir))


def test_explain_gives_the_kernels_values():
    values = TANH.explain(ROWS[0], ROWS[1])
    expected = TANH(ROWS[:1], ROWS[1:2], get=OUTPUTS)
    assert [values[name] for name in OUTPUTS] == pytest.approx([m[0, 0] for m in expected], rel=1e-12)
    assert {"q_x", "Q_x_1", "p_1", "m_1", "k_1", "q_x_1", "M_3"} <= values.keys()


def test_a_sphere_is_a_gram_matrix():
    cosines = np.linspace(-1, 1, 301)
    found = TANH.on_sphere()(cosines)
    for t in (-1.0, -0.4, 0.3, 1.0):
        x, y = np.array([[np.sqrt(2), 0.0]]), np.sqrt(2) * np.array([[t, math.sqrt(1 - t * t)]])
        assert found[round((t + 1) * 150)] == pytest.approx(TANH(x, y)[0, 0], rel=1e-12)


def test_files_and_pickles():
    assert Kernel.from_json(TANH.to_json()) == TANH
    assert pickle.loads(pickle.dumps(TANH)) == TANH
    np.testing.assert_array_equal(Kernel.from_json(TANH.to_json())(ROWS), TANH(ROWS))


def test_outside_the_certified_interval():
    with pytest.raises(DerivationError, match=r"row 1 of X.*certified"):
        TANH(np.vstack([ROWS[:1], 100 * ROWS[1:2]]))
    with pytest.raises(DerivationError, match="certified"):
        TANH.explain(100 * ROWS[0], ROWS[1])
    with pytest.raises(DerivationError, match="certified"):
        TANH.on_sphere(1e6)(0.5)


def test_routes_say_what_was_done():
    first, second = TANH.route
    assert "Hermite series of 257 terms" in first
    assert "certified for 0 <= Q <= 1600" in first
    assert "closed form" in kernel("relu").route[0]
    assert first != second
    with pytest.raises(NoClosedForm, match="No closed form for tanh"):
        TANH.require_closed()
    assert kernel("relu").require_closed() == kernel("relu")


def test_parameters_of_a_series_are_its_numbers():
    one, two = (kernel(Activation("x*sigmoid(c*x)", c=value)) for value in (1, "1.5"))
    assert "c" not in one.parameters
    np.testing.assert_allclose(one(ROWS), kernel("silu")(ROWS), rtol=1e-13)
    assert abs(two(ROWS) - one(ROWS)).max() > 1e-3


@pytest.mark.parametrize(
    "text", ["sqrt(abs(x))", "exp(x**2/3)*tanh(x)", "1/x", "log(abs(x))", "sin(exp(x))*tanh(x)"]
)
def test_what_no_rule_can_integrate_is_refused(text):
    with pytest.raises(DerivationError):
        kernel(text)


def test_the_latent_parameterization_has_a_parameter_second_moment():
    """Two layers: no helper of generated code bears that name."""
    latent = kernel("tanh", depth=2, weights="ternary", parameterization="latent")
    x, y = np.array([1.0, 0.3]), np.array([-0.2, 0.9])
    assert latent.explain(x, y)["m_2"] == pytest.approx(
        kernel("tanh", depth=2, weights="ternary").explain(x, y)["m_2"]
    )

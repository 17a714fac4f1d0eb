"""Kernels of the whole class: special inputs, parameters, infinite moments, generated NumPy against the interpreter."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import quasintk as qn
from derive.errors import DerivationError
from derive.ir import OUTPUTS
from numerics.build import build
from numerics.interpret import MULTIPRECISION, interpret
from quasintk.pipeline import kernel

NAMES = [
    "gelu",
    "elu",
    "hardtanh",
    "softshrink",
    "sin",
    "xgaussian",
    "celu(0.7)",
    "staircase",
    "selu",
    "threshold",
]


@pytest.mark.parametrize("name", NAMES)
def test_numpy_code_is_the_interpreter(name):
    """1e-12 relative to the diagonal: some ten roundings a layer, of terms a few times the result."""
    derived = kernel(name, depth=2, W_std=1.1, b_std=0.3)
    module = build(derived.source("numpy"))
    points = [(0.8, 1.4, 0.3), (0.05, 2.0, -0.2), (3.0, 0.6, 1.1)]
    arrays = [np.array(column) for column in zip(*points, strict=True)]
    found = np.array(module.pair(*arrays, *derived.parameter_values))
    for number, (q_x, q_y, m_0) in enumerate(points):
        with mpmath.workdps(30):
            inputs = {"q_x": Fraction(q_x), "q_y": Fraction(q_y), "m_0": Fraction(m_0)}
            exact = interpret(derived.ir.pair, {**derived.parameters, **inputs}, MULTIPRECISION)
            scale = [
                float(np.sqrt(float(a[name]) * float(b[name])))
                for name in OUTPUTS
                for a, b in [
                    tuple(
                        interpret(
                            derived.ir.diagonal, {**derived.parameters, "q_x": Fraction(q)}, MULTIPRECISION
                        )
                        for q in (q_x, q_y)
                    )
                ]
            ]
        expected = [float(exact[name]) for name in OUTPUTS]
        assert np.abs(found[:, number] - expected) == pytest.approx(0, abs=1e-12 * max(scale))


@pytest.mark.parametrize("name", ["gelu", "elu", "hardtanh", "exp"])
def test_zero_and_parallel_rows(name):
    """x = 0, y = 2x and y = -x, with real weights, are limits of their neighbours."""
    derived = kernel(name, weights="real", W_std=0.9)
    X = np.array([[0.0, 0.0], [0.6, 0.3], [1.2, 0.6], [-0.6, -0.3]])
    near = X + 1e-7 * np.array([[1.0, 2.0], [-2.0, 1.0], [1.0, -1.0], [3.0, 1.0]])
    for K, beside in zip(derived(X, get=OUTPUTS), derived(near, get=OUTPUTS), strict=True):
        assert np.isfinite(K).all()
        # kappa_dot of a kinked activation is Hoelder of order 1/2: sqrt(1e-7 * 3) and the kernel's own slope
        assert pytest.approx(beside, abs=6e-3) == K


def test_large_inputs_do_not_overflow_on_the_way():
    """ELU is max(x, 0) - 1[x < 0] far out, but for a neighbourhood of 0 that one input in 140 meets."""
    X = 100 * np.array([[1.0, 0.2], [0.3, -0.8]])
    elu, limit = (kernel(text, W_std=1.4)(X, get="nngp") for text in ("elu", "max(x, 0) - heaviside(-x)"))
    assert elu == pytest.approx(limit, rel=1e-3)


def test_an_activation_s_parameter_is_an_argument_of_the_code():
    derived = kernel("prelu", depth=2)
    X = np.array([[1.0, 0.5], [0.2, -1.0]])
    derived(X)
    other = derived.with_parameters(a=0.5)
    assert other(X) == pytest.approx(kernel("max(x, 0) + min(x, 0)/2", depth=2)(X), rel=1e-13)
    assert other.signature == derived.signature
    with pytest.raises(ValueError, match="must be positive"):
        derived.with_parameters(a=-1)


def test_an_infinite_second_moment_is_refused():
    with pytest.raises(DerivationError, match="infinite for inputs with"):
        kernel("exp(x**2/4)", W_std=3)
    derived = kernel("exp(x**2/4)", W_std=0.5)
    assert derived(np.eye(2)).shape == (2, 2)
    with pytest.raises(DerivationError, match="infinite for row 1 of X"):
        derived(np.array([[0.1, 0.1], [5.0, 5.0]]))


def test_a_kernel_keeps_its_formulas_and_certificates():
    derived = kernel("hardswish")
    again = qn.Kernel.from_json(derived.to_json())
    assert again.duals == derived.duals
    assert again.duals[0].certificate.digits >= 30
    assert again.route == derived.route


@pytest.mark.parametrize("get", ["ntk", "nngp", "rounding"])
@pytest.mark.parametrize(
    "name", ["erf", "gelu", "hardtanh", "elu", "softshrink", "sin", "exp(x/3)", "heaviside(x - 1)"]
)
def test_taylor_series_is_the_compiled_kernel(name, get):
    """sum a_j t^j at t = 0.7, where 100 terms leave less than 1e-13 for r = 1/3, and p, which has r = 1, 0.7^100 = 3e-16."""
    sphere = kernel(name, depth=2, W_std=1.2, b_std=0.1).on_sphere(get=get)
    assert sphere.taylor(100) @ 0.7 ** np.arange(101) == pytest.approx(
        float(sphere(0.7)), rel=1e-12, abs=1e-14
    )


@pytest.mark.parametrize("name", ["hardtanh", "gelu", "relu"])
@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_explain_for_parallel_inputs(name, factor):
    derived = kernel(name, depth=2, weights="real", W_std=1.1)
    x = np.array([0.7, -0.4])
    found = derived.explain(x, factor * x)["ntk"]
    # the compiled code errs by about 1e-9 next to |rho| = 1 (docs/contributing.md)
    assert found == pytest.approx(float(derived(x[None], factor * x[None])[0, 0]), rel=1e-6, abs=1e-9)

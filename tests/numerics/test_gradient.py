"""Derivatives of kernels: programs against differences of many digits, compiled code against the programs."""

from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from derive import ir
from derive.errors import DerivationError
from derive.tangents import tangent, with_tangents
from numerics.gradient import gradient
from numerics.interpret import MULTIPRECISION, interpret
from quasintk import kernel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5))
X[3] = X[4]
X[6] = 2 * X[7]
X[8] = -X[9]
X[11] = X[10] * (1 + 1e-4 * RNG.normal(size=5))
ZERO = np.vstack([X[:3], np.zeros((1, 5))])
PAIRS = ((0, 1), (0, 0), (3, 4), (10, 2), (8, 9), (6, 7), (10, 11))


def derived(activation, weights, b_std=0.2, **options):
    return kernel(activation, depth=2, weights=weights, W_std=1.3, b_std=b_std, **options)


def free(found):
    return tuple(name for name, value in found.parameters.items() if value > 0 and not name.endswith("_out"))


def at(found, i, j, rows=X):
    """Program and inputs of a pair, in mpmath's numbers."""
    x, y = ([mpmath.mpf(float(value)) for value in rows[k]] for k in (i, j))
    q_x, q_y, m = (sum(a * b for a, b in zip(*pair, strict=True)) / 5 for pair in ((x, x), (y, y), (x, y)))
    if np.array_equal(rows[i], rows[j]):
        return "diagonal", {"q_x": q_x}
    return "pair", {"q_x": q_x, "q_y": q_y, "m_0": m}


def difference(found, i, j, name, get="ntk"):
    """d K / d log(parameter) by four points, to 30 digits."""
    program, inputs = at(found, i, j)
    values = {key: mpmath.mpf(value.numerator) / value.denominator for key, value in found.parameters.items()}

    def value(step):
        moved = {**values, name: values[name] * mpmath.exp(step)}
        return interpret(getattr(found.ir, program), {**moved, **inputs}, MULTIPRECISION)[get]

    h = mpmath.mpf(10) ** -9
    return (8 * (value(h) - value(-h)) - value(2 * h) + value(-2 * h)) / (12 * h)


def programmed(found, i, j, name, get="ntk"):
    program, inputs = at(found, i, j)
    differentiated = getattr(with_tangents(found.ir, free(found)), program).restricted(tangent(get, name))
    return interpret(differentiated, {**found.parameters, **inputs}, MULTIPRECISION)[tangent(get, name)]


ARGUMENTS = {"tail": ("0.7", "1.3", "0.2"), "quadrant": ("0.7", "0.4", "1.3", "0.8", "0.5", "0.2")}
FUNCTIONS = [name for name in ir.FUNCTIONS if name not in ir.SERIES]


@pytest.mark.parametrize("named", [False, True], ids=["inside", "alone"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function(function, named):
    """f(a p, b p^2, ...) by log p at p = 1, against differences; alone in its assignment or inside an expression."""
    texts = ARGUMENTS.get(function, ("1.3", "0.8", "0.5"))[: ir.FUNCTIONS[function]]
    p, two = ir.Name("p"), ir.Number(Fraction(2))
    arguments = tuple(
        ir.Multiply((ir.Number(Fraction(text)), *[p] * (i + 1))) for i, text in enumerate(texts)
    )
    call = ir.Call(function, arguments)
    body = (ir.Assign("K_1", call if named else ir.Divide(call, ir.Power(p, 2)), "", ""),)
    body += (ir.Assign("K_2", ir.Multiply((two, ir.Name("K_1"))), "", ""),)
    program = ir.Program(("q_x",), ("p",), body, (("ntk", ir.Name("K_2")),))
    whole = replace(
        kernel("relu").ir, pair=program, diagonal=program, functions=(), parameters=(("p", Fraction(1)),)
    )

    def value(step):
        return interpret(program, {"q_x": Fraction(1), "p": mpmath.exp(step)}, MULTIPRECISION)["ntk"]

    with mpmath.workdps(30):
        h = mpmath.mpf(10) ** -5
        differences = (8 * (value(h) - value(-h)) - value(2 * h) + value(-2 * h)) / (12 * h)
        moved = interpret(
            with_tangents(whole, ("p",)).pair, {"q_x": Fraction(1), "p": Fraction(1)}, MULTIPRECISION
        )
        assert abs(moved[tangent("ntk", "p")] - differences) < 1e-16 * (1 + abs(differences))


def test_other_outputs_and_jumps():
    for found in (derived("relu", "binary"), derived("sign", "binary", get="nngp")):
        with mpmath.workdps(50):
            for get in ("nngp", "rounding"):
                for name in free(found):
                    exact = difference(found, 0, 1, name, get)
                    assert abs(programmed(found, 0, 1, name, get) - exact) < 1e-25


@pytest.mark.parametrize(
    ("activation", "weights"), [("relu", "binary"), ("relu", "real"), ("erf", "real"), ("gelu", "binary")]
)
def test_compiled_derivatives(activation, weights):
    """1e-14 of the largest; parallel and equal rows included, and 1e-10 at an angle of 1e-4."""
    found = derived(activation, weights)
    K, slopes = gradient(found, X, free(found))
    assert activation != "relu" or np.abs(K - found(X)).max() < 1e-13 * K.max()
    with mpmath.workdps(50):
        for slope, name in zip(slopes, free(found), strict=True):
            assert np.array_equal(slope, slope.T)
            for i, j in PAIRS:
                allowed = 1e-10 if (i, j) == (10, 11) else 1e-14
                exact = float(difference(found, i, j, name))
                assert abs(slope[i, j] - exact) < allowed * np.abs(slope).max(), (name, i, j)


@pytest.mark.parametrize("activation", ["relu", "hardshrink"])
def test_rows_of_zeros_without_bias(activation):
    found = kernel(activation, depth=1, get="nngp" if activation == "hardshrink" else "ntk")
    _, slopes = gradient(found, ZERO, ("W_std", "latent_fraction"))
    assert np.isfinite(slopes).all()
    assert np.abs(slopes[:, 3]).max() == 0


def test_homogeneous_kernels_scale_with_the_weights():
    """K ~ W_std^4 at depth 2, at any scale of the data."""
    found = derived("relu", "real", b_std=0)
    for scale in (1, 1e-150):
        K, slopes = gradient(found, scale * X, ("W_std",))
        assert np.allclose(slopes[0], 4 * K, rtol=1e-11, atol=0)


def test_series_by_differences():
    """tanh: W_std and b_std against 40-digit quadrature would take hours; against a finer stencil of another step."""
    found = derived("tanh", "binary")
    K, slopes = gradient(found, X[:6], free(found))
    assert np.array_equal(K, found(X[:6]))
    h = 2e-2
    for slope, name in zip(slopes, free(found), strict=True):
        at_steps = [
            found.with_parameters(**{name: float(found.parameters[name]) * np.exp(k * h)})(X[:6])
            for k in range(-3, 4)
        ]
        weights = np.array([-1, 9, -45, 0, 45, -9, 1]) / (60 * h)
        assert np.abs(slope - np.tensordot(weights, at_steps, 1)).max() < 2e-9 * K.max()


def test_series_at_the_largest_latent_fraction():
    found = derived("tanh", "binary").with_parameters(latent_fraction=1)
    _, slopes = gradient(found, X[:2], ("latent_fraction",))
    assert slopes[0, 0, 1] > 0


def test_refusals():
    with pytest.raises(ValueError, match="Unknown parameter 'w'"):
        gradient(derived("relu", "binary"), X, ("w",))
    with pytest.raises(ValueError, match="row 0, column 0"):
        gradient(derived("relu", "binary"), np.full((1, 2), np.nan), ("W_std",))
    with pytest.raises(DerivationError, match="series"):
        with_tangents(derived("tanh", "binary").ir, ("W_std",))
    with pytest.raises(ValueError, match="Unknown parameter"):
        with_tangents(derived("relu", "binary").ir, ("w",))

"""The recursion against hand-written special cases."""

from fractions import Fraction

import pytest
import sympy

from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import DerivationError
from derive.network import Dense, Network, mlp
from derive.recursion import m_0, parameters, q_x, q_y
from derive.recursion import unroll as unroll_with
from derive.special import Angle, Sine

relu = Activation("relu")
W, b, r = (
    sympy.Symbol("W_std", positive=True),
    sympy.Symbol("b_std", nonnegative=True),
    sympy.Symbol("latent_fraction"),
)


def unroll(network):
    return unroll_with(network, dual_activation)


def flattened(network, diagonal=False):
    """Final moments with every symbol inserted, names without assumptions."""
    recursion = unroll(network)
    layers = recursion.diagonal if diagonal else recursion.pair
    values = {}
    for layer in layers:
        for e in layer.equations:
            values[e.symbol] = e.value.subs(values)
    last = layers[-1].moments
    plain = {name: getattr(last, name).subs(values) for name in ("q_x", "p", "m", "k")}
    return {
        k: v.subs({s: sympy.Symbol(str(s), positive=True) for s in v.free_symbols}) for k, v in plain.items()
    }


def named(text):
    names = [
        "W_std",
        "b_std",
        "latent_fraction",
        "W_std_out",
        "b_std_out",
        "q_x",
        "q_y",
        "m_0",
        "second_moment",
        "second_moment_out",
    ]
    symbols = {name: sympy.Symbol(name, positive=True) for name in names}
    return eval(text, {**symbols, "Sine": Sine, "Angle": Angle, "pi": sympy.pi})  # our own formulas


def test_depth_one_reads_as_in_the_theory():
    """theory.md, section 3, written out by hand for one binary ReLU layer and a real readout."""
    Q_x, Q_y = named("W_std**2*q_x + b_std**2"), named("W_std**2*q_y + b_std**2")
    M = named("latent_fraction*W_std**2*m_0 + b_std**2")
    theta, s = Angle(Q_x, Q_y, M), Sine(Q_x, Q_y, M)
    m = (s + (sympy.pi - theta) * M) / (2 * sympy.pi)
    nngp = named("W_std_out") ** 2 * m + named("b_std_out") ** 2
    ntk = named("W_std_out") ** 2 * (sympy.pi - theta) / (2 * sympy.pi) * M + nngp
    found = flattened(mlp("relu"))
    assert sympy.expand(found["m"] - nngp) == 0
    assert sympy.expand(found["k"] - ntk) == 0


def test_p_does_not_depend_on_the_rounding():
    """theory.md, section 1: p is the NNGP of the same network without rounding."""
    rounded, real = flattened(mlp("relu", depth=2)), flattened(mlp("relu", depth=2, weights="real"))
    assert sympy.expand(rounded["p"] - real["m"]) == 0
    assert real["p"] == real["m"]


def test_on_the_diagonal_p_is_q_and_a_real_network_has_no_rounding():
    found = flattened(mlp("relu", depth=2), diagonal=True)
    assert found["p"] == found["q_x"]
    assert not found["p"].has(Sine, Angle)
    real = flattened(mlp("relu", depth=2, weights="real"), diagonal=True)
    assert real["m"] == real["q_x"]


def test_untrained_layers_leave_the_ntk():
    layers = [Dense("binary", trained=False), relu, Dense("real", trained=False)]
    assert unroll(Network(layers)).pair[-1].moments.k == 0
    readout_only = [Dense("binary", trained=False), relu, Dense("real")]
    last = unroll(Network(readout_only)).pair[-1]
    assert last.moments.k.is_Symbol
    assert {str(e.symbol): e.value for e in last.equations}[str(last.moments.k)] == last.moments.m


def test_latent_parameterization_changes_the_own_term_only():
    """K = r W^2 k + [trained] (W^2 m / e + b^2): for binary weights, e = 1, the first layer's is W^2 m + b^2."""
    network = mlp("relu", W_std=2, b_std=1, parameterization="latent")
    first = {str(e.symbol): e.value for e in unroll(network).pair[0].equations}
    values = {
        name: sympy.Rational(value.numerator, value.denominator)
        for name, value in parameters(network).items()
    }
    inserted = first["K_1"].subs({s: values[str(s)] for s in first["K_1"].free_symbols if str(s) in values})
    assert sympy.expand(inserted - (4 * m_0 + 1)) == 0


def test_two_dense_layers_in_a_row_and_their_parameters():
    network = Network(
        [Dense("real", W_std=2, trained=False), Dense("ternary", 3, "1/2"), relu, Dense("real")]
    )
    assert parameters(network) == {
        "W_std_1": 2, "b_std_1": 0, "W_std_2": 3, "b_std_2": Fraction(1, 2),
        "latent_fraction_2": Fraction(2, 3), "W_std_3": 1, "b_std_3": 0,
    }  # fmt: skip
    second = {str(e.symbol): e.value for e in unroll(network).pair[1].equations}
    assert {str(s) for s in second["M_2"].free_symbols} == {"latent_fraction_2", "W_std_2", "b_std_2", "P_1"}


def test_a_jump_before_any_rounding_has_no_diagonal():
    with pytest.raises(DerivationError, match=r"infinite at x = y"):
        unroll(mlp("sign(x)", weights="real"))
    assert unroll(mlp("sign(x)", weights="binary")).diagonal[-1].moments.k.is_Symbol


@pytest.mark.parametrize(
    ("text", "depth", "degree"), [("relu", 3, 1), ("max(x, 0)**2", 2, 4), ("x**3 - x", 1, None)]
)
def test_homogeneity_multiplies_over_layers(text, depth, degree):
    assert unroll(mlp(text, depth=depth)).homogeneity == degree


def test_inputs_are_the_symbols_of_the_pair():
    symbols = {s for layer in unroll(mlp("relu")).pair for e in layer.equations for s in e.value.free_symbols}
    assert {q_x, q_y, m_0} <= symbols

"""Networks, weight laws and exact numbers: values and refusals."""

from fractions import Fraction

import numpy as np
import pytest

from derive.activation import Activation
from derive.errors import BadExpression
from derive.network import Dense, Network, mlp
from derive.numbers import as_text, exact
from derive.weights import Levels, WeightLaw, weight_law

relu = Activation("relu")


@pytest.mark.parametrize(
    ("law", "second_moment", "fraction"),
    [
        ("real", 1, 1),
        ("binary", 1, Fraction(1, 3)),
        ("ternary", Fraction(1, 2), Fraction(2, 3)),
        (Levels(4), Fraction(1, 3) + Fraction(4, 9) / 6, 1 / (1 + Fraction(4, 9) / 2)),
        (Levels(16), Fraction(1, 3) + Fraction(2, 15) ** 2 / 6, 1 / (1 + Fraction(2, 15) ** 2 / 2)),
        (WeightLaw(0.25), 1, Fraction(1, 4)),
    ],
    ids=str,
)
def test_weight_laws_have_the_moments_of_the_table(law, second_moment, fraction):
    """theory.md, section 1."""
    law = weight_law(law)
    assert (law.second_moment, law.latent_fraction) == (second_moment, fraction)


@pytest.mark.parametrize("levels", [2, 3, 4, 7])
def test_the_second_moment_is_that_of_stochastic_rounding(levels):
    """E[W^2 | w] = w^2 + (w - lo)(hi - w), averaged over w uniform on [-1, 1], by the midpoint rule."""
    law = Levels(levels)
    w = (np.arange(200_000) + 0.5) / 100_000 - 1
    low = np.floor((w + 1) / float(law.step)) * float(law.step) - 1
    average = np.mean(w**2 + (w - low) * (low + float(law.step) - w))
    assert average == pytest.approx(float(law.second_moment), abs=1e-9)  # midpoint rule: h^2 = 1e-10


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: WeightLaw(0), ValueError, r"latent_fraction must lie in \(0, 1\]"),
        (lambda: WeightLaw(1.5), ValueError, r"latent_fraction must lie in \(0, 1\]"),
        (lambda: WeightLaw(0.5, levels=3), ValueError, "No law"),
        (lambda: Levels(1), ValueError, "from 2"),
        (lambda: Levels(2.0), ValueError, "integer"),
        (lambda: Dense("quaternary"), ValueError, "'quaternary' is not real, binary, ternary"),
        (lambda: Dense(W_std=0), ValueError, "W_std must be positive"),
        (lambda: Dense(W_std=float("nan")), ValueError, "W_std must be finite"),
        (lambda: Dense(b_std=-1), ValueError, "b_std must not be negative"),
        (lambda: Dense(W_std=1j), TypeError, "W_std must be a real number"),
        (lambda: Dense(W_std="two"), ValueError, "W_std must be a number"),
        (lambda: Dense(label="a b"), ValueError, "label must consist"),
        (lambda: Network([]), ValueError, "begins and ends with a Dense"),
        (lambda: Network([relu, Dense()]), ValueError, "begins and ends with a Dense"),
        (lambda: Network([Dense(), relu, relu, Dense()]), ValueError, "Layers 1 and 2"),
        (lambda: Network([Dense(), "relu", Dense()]), TypeError, "Layer 1 must be"),
        (
            lambda: Network([Dense(label="a"), relu, Dense(W_std=2, label="a")]),
            ValueError,
            "share their parameters",
        ),
        (lambda: Network([Dense()], parameterization="mup"), ValueError, "parameterization must be"),
        (lambda: mlp("relu", depth=0), ValueError, "depth must be"),
        (lambda: mlp("relu", depth=True), ValueError, "depth must be"),
        (lambda: Activation(3), BadExpression, "not int"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("value", "fraction"),
    [
        (0.1, Fraction(0.1)),
        ("0.1", Fraction(1, 10)),
        ("1/3", Fraction(1, 3)),
        (np.float32(0.5), Fraction(1, 2)),
        (2, 2),
    ],
)
def test_numbers_are_exact(value, fraction):
    assert exact(value, "value") == fraction


@pytest.mark.parametrize(
    ("value", "text"), [(Fraction(1, 3), "1/3"), (Fraction(0.1), "0.1"), (Fraction(2), "2")]
)
def test_numbers_print_shortly(value, text):
    assert as_text(value) == text


def test_an_mlp_shares_its_hidden_parameters():
    layers = mlp("relu", depth=3, W_std=1.5).dense_layers
    assert [layer.label for layer in layers] == ["", "", "", "out"]
    assert [layer.W_std for layer in layers] == [1.5, 1.5, 1.5, 1]

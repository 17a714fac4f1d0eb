"""Inclusion of function spaces: the chains of theory.md, limits against computed ratios, and what is left undecided."""

import functools
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import quasintk as qn
from derive.errors import NoClosedForm
from numerics.inclusion import compare
from numerics.plots import figure
from numerics.ratio_limits import judge
from numerics.ratios import ratio_of
from quasintk.baselines import gaussian, gaussian_mixture, laplace, matern, rational_quadratic

WEIGHTS = ("binary", "ternary", qn.Levels(16), "real")
ROUNDING = 1e-12
"""What two spectra's own errors, at most 1e-13 each, leave of a ratio."""


@functools.cache
def relu(weights="binary", depth=1, b_std=0.5, activation="relu"):
    return qn.kernel(activation, depth=depth, weights=weights, b_std=b_std)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("dim", [3, 10])
def test_more_precise_weights_have_the_larger_space(depth, dim):
    """theory.md, section 5: a_j(r) does not decrease in r, so that the constant is 1; the inclusions are strict."""
    kernels = [relu(weights, depth) for weights in WEIGHTS]
    for a, b in itertools.pairwise(kernels):
        found = compare(a, b, dim, degrees=20)
        assert (found.verdict, found.a_in_b, found.b_in_a) == ("strictly inside", True, False)
        assert found.limit == 0
        assert found.sup <= 1 + ROUNDING
        assert found.sup_inverse > 1
    for kernel in kernels:
        assert compare(gaussian(1), kernel, dim, degrees=20).verdict == "strictly inside"


def test_the_reverse_inclusions_are_refused():
    kernels = [gaussian(1), *(relu(weights, 2) for weights in WEIGHTS)]
    for a, b in itertools.pairwise(kernels):
        back = compare(b, a, 10, degrees=10)
        assert (back.verdict, back.limit) == ("strictly contains", math.inf)
        assert back.log_ratio == pytest.approx(-compare(a, b, 10, degrees=10).log_ratio, abs=ROUNDING)


@pytest.mark.parametrize("get", ["ntk", "nngp"])
def test_the_ratio_is_that_of_the_spectra(get):
    a, b = relu("binary"), relu("ternary", 2)
    found = compare(a, b, 7, 2, get, 30)
    values = [qn.spectrum(kernel, 7, 30, get, 2).eigenvalue for kernel in (a, b)]
    ratio = values[0] / values[1]
    assert np.exp(found.log_ratio) == pytest.approx(ratio, rel=ROUNDING)
    assert (found.sup, found.sup_degree) == pytest.approx((ratio.max(), np.argmax(ratio)), rel=ROUNDING)
    assert found.sup_inverse == pytest.approx((1 / ratio).max(), rel=ROUNDING)
    assert found.sup_inverse_degree == np.argmin(ratio)


def test_a_bias_free_layer_has_no_odd_degrees():
    a = relu(b_std=0)
    found = compare(a, gaussian(1), 10)
    assert found.verdict == "incomparable"
    assert "A has no odd degrees >= 3, B has them" in found.reason
    assert (found.limit_even, found.limit_odd, found.limit) == (math.inf, 0, None)
    back = compare(gaussian(1), a, 10)
    assert (back.a_in_b, back.sup, back.sup_degree) == (False, math.inf, 3)
    assert "B has no odd degrees >= 3, A has them" in back.reason
    inside = compare(a, relu("real", b_std=0), 10)
    assert inside.verdict == "strictly inside"
    assert "neither has odd degrees >= 3" in inside.reason
    assert np.isnan(inside.log_ratio[3::2]).all()
    assert (
        compare(a, relu(), 10).verdict == "strictly inside"
    )  # a bias adds the odd degrees, and even ones decay alike


def test_polynomials_have_the_same_space_at_every_precision():
    found = compare(
        relu("binary", 2, activation="x**3 + x"), relu("real", 2, activation="x**3 + x"), 5, degrees=30
    )
    assert found.verdict == "equal"
    assert math.isnan(found.limit)
    assert found.sup <= 1 + ROUNDING
    assert math.isfinite(found.sup_inverse)
    smaller = compare(relu(activation="x**2", b_std=0), relu(activation="x**3 + x**2", b_std=0), 5)
    assert smaller.verdict == "strictly inside"
    assert "A has no odd degrees, B has them up to 3" in smaller.reason


def test_tanh():
    found = compare(relu("binary", activation="tanh"), relu("real", activation="tanh"), 10, degrees=10)
    assert (found.verdict, found.limit) == ("strictly inside", 0)
    assert found.sup <= 1 + ROUNDING
    other = compare(relu(activation="tanh"), relu(), 10, degrees=20)  # rate^k exp(-c sqrt(k)) against rate^k
    assert (other.verdict, other.limit) == ("strictly inside", 0)


@pytest.mark.parametrize("kernel", [relu(), relu(activation="sin"), gaussian(2)], ids=str)
def test_a_kernel_with_itself(kernel):
    found = compare(kernel, kernel, 4, degrees=20)
    assert (found.verdict, found.limit, found.sup, found.sup_inverse) == ("equal", 1, 1, 1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (relu(depth=2), relu(depth=3)),
        (relu(b_std=0.2), relu(b_std=1)),
        (laplace(1), matern("1/2", 2)),
        (relu("real"), laplace(1)),
        (rational_quadratic(2, 1), rational_quadratic(2, 1).with_parameters(length_scale=1.0)),
        (gaussian_mixture([1, 4], [1, 2]), gaussian_mixture([2, 4], [5, 7])),
    ],
    ids=str,
)
def test_constant_limits(a, b):
    """The same law with other constants: Richardson's step on degrees k and 2k leaves 1/k^2, 2 % at 50 and 100."""
    found = compare(a, b, 3, degrees=100)
    assert (found.verdict, found.a_in_b, found.b_in_a) == ("equal", True, True)
    for parity, limit in ((0, found.limit_even), (1, found.limit_odd)):
        last = 2 * math.exp(found.log_ratio[100 - parity]) - math.exp(found.log_ratio[50 - parity])
        assert last == pytest.approx(limit, rel=0.02)


def test_the_order_of_laws():
    """From the smallest space to the largest; neighbours are told apart by exponents alone."""
    kernels = [
        relu(activation="x**2"),
        gaussian(2),
        gaussian(1),
        relu(activation="erf"),
        relu(),
        rational_quadratic(2, 1),
        matern("3/2"),
        laplace(),
    ]
    for a, b in itertools.pairwise(kernels):
        assert compare(a, b, 10, degrees=10).verdict == "strictly inside"


def test_narrow_gaussians_rise_where_their_curve_says_so():
    """lambda_k = 50^k / Gamma(k + 5) grows against 0.17^k until k ~ 290, and is below every rate^k all the same."""
    found = compare(gaussian("1/10"), relu(), 10)
    assert found.log_ratio[100] > found.log_ratio[50]
    assert (found.verdict, found.limit) == ("strictly inside", 0)


@pytest.mark.slow
def test_oscillating_ratios_are_bounded():
    found = compare(relu(activation="hardtanh"), relu(activation="hardtanh", b_std=0.2), 10, degrees=8)
    assert (found.verdict, found.limit) == ("equal", None)
    assert "oscillates" in found.reason


def test_laws_that_are_not_known_are_left_undecided():
    found = compare(relu(activation="sin"), relu("real", activation="sin"), 10)
    assert (found.verdict, found.limit, found.a_in_b) == ("undecided", None, None)
    assert "not known" in found.reason
    assert found.sup <= 1 + ROUNDING
    assert (
        compare(relu(activation="sin"), relu(), 10).verdict == "strictly inside"
    )  # faster than every rate^k


@pytest.mark.parametrize(
    ("a", "b"), [(relu(), relu("real")), (relu("real"), laplace(1)), (gaussian(1), relu())]
)
def test_a_ratio_that_contradicts_the_prediction(a, b):
    """The computed ratio from its end to its beginning: it moves away from the limit."""
    laws, spectra = [[f(kernel, 10) for kernel in (a, b)] for f in (qn.predict_decay, qn.spectrum)]
    log_ratio, error = ratio_of(*spectra)
    assert judge(tuple(laws), tuple(spectra), log_ratio, error).a_in_b
    found = judge(tuple(laws), tuple(spectra), log_ratio[::-1], error)
    assert (found.a_in_b, found.b_in_a) == (None, None)
    assert "away from that limit" in found.reason


def test_an_activation_without_a_law(monkeypatch):
    def refused(*_):
        raise NoClosedForm("The singularities of the dual are not known.")

    monkeypatch.setattr("numerics.inclusion.predict_decay", refused)
    found = compare(gaussian(1), laplace(1), 10, degrees=10)
    assert (found.verdict, found.prediction_a, found.limit) == ("undecided", None, None)
    assert "A: The singularities of the dual are not known." in found.reason
    assert math.isfinite(found.sup)


def test_a_zero_that_contradicts_the_prediction():
    laws, spectra = [
        tuple(f(kernel, 10) for kernel in (relu(), relu("real"))) for f in (qn.predict_decay, qn.spectrum)
    ]
    log = spectra[0].log_eigenvalue.copy()
    log[7] = -np.inf
    broken = (replace(spectra[0], log_eigenvalue=log), spectra[1])
    found = judge(laws, broken, *ratio_of(*broken))
    assert found.a_in_b is None
    assert "A's eigenvalue of degree 7" in found.reason


def test_kernels_that_vanish():
    zero = compare(gaussian(1), laplace(1), 3, get="rounding", degrees=5)
    assert zero.verdict == "equal"
    assert math.isnan(zero.sup)
    assert compare(gaussian(1), relu(), 3, get="rounding", degrees=20).verdict == "strictly inside"


def test_presentations():
    found = compare(relu(b_std=0), gaussian(1), 10, degrees=20)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["verdict"] == "incomparable"
    assert [float(one) for one in plain["log_ratio"]] == pytest.approx(found.log_ratio.tolist())
    assert plain["limit_even"] == "inf"
    assert plain["prediction_b"]["law"] == "super-exponential"
    assert "verdict: A and B are incomparable" in str(found)
    page = found._repr_html_()
    assert "&lt;Kernel of" in page
    assert page.count("<tr>") == 1 + 15
    assert r"\not\subseteq" in found._repr_latex_()
    pytest.importorskip("matplotlib")
    axes = found.plot(figure(6.4, 4.2)[1])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "predicted laws" in labels


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare("relu", gaussian(), 3), TypeError, "kernel is needed"),
        (lambda: compare(gaussian(), None, 3), TypeError, "kernel is needed"),
        (lambda: compare(gaussian(), laplace(), 1), ValueError, "dim must be"),
        (lambda: compare(gaussian(), laplace(), 3, q=-1), ValueError, "q must be positive"),
        (lambda: compare(gaussian(), laplace(), 3, degrees=-1), ValueError, "degrees must be"),
        (lambda: compare(gaussian(), laplace(), 3, get="K"), ValueError, "get must be"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()

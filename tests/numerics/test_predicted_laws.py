"""Predicted laws against spectra by routes that share nothing with them (`decay_spectra`), and at the edges of the domain."""

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import decay_spectra
import mpmath
import pytest
import sympy
from decay_spectra import FARTHEST, Case, log_eigenvalues_of, measured

from derive.activation import Activation
from derive.errors import DerivationError, NoClosedForm
from derive.hermite import hermite_coefficients
from derive.network import Dense, Network, mlp
from derive.predict import predict_decay
from derive.weights import Levels

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from predicted_decay import CASES, DIMS, row  # the table of docs/predicted-decay.md

QUICK = {
    "relu, binary, 3 layers, odd degrees": 10,
    "relu2, binary, 2 layers, b 0.5": 3,
    "sign, binary, 2 layers, b 0.5": 10,
    "erf, binary, odd degrees": 10,
    "gelu, binary, b 0.5": 10,
    "relu: binary, real, binary": 50,
    "relu, real, 2 layers, odd degrees": 3,
    "sign, real, 2 layers, b 0.3, nngp": 3,
    "relu, binary, 2 layers, b 0.3, rounding": 3,
    "laplace(2)": 3,
    "matern(5/2, 2)": 3,
    "rational_quadratic(5/2, 1/2)": 10,
}
"""The dimension in which a case is tested each time; power laws at low degrees."""


def chain(*layers):
    return Network([Activation(one) if isinstance(one, str) else one for one in layers])


@pytest.mark.parametrize(("name", "dim"), QUICK.items())
def test_rate_power_and_constant(name, dim):
    """Within 0.1 %; of the measurement itself, other degrees change less."""
    (case,) = (case for case in CASES if case.name == name)
    branch = case.branch(dim)
    found = measured(case, dim, decay_spectra.QUICK if branch.law == "power" else None)
    assert found.rate == pytest.approx(branch.rate, rel=1e-3)
    assert found.power == pytest.approx(branch.power, rel=1e-3, abs=1e-3)
    assert found.constant == pytest.approx(branch.constant, rel=1e-3)
    assert max(found.doubt) < 1e-3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_of_the_documentation(case):
    """As benchmarks/predicted_decay.py, `qn.spectrum` included."""
    for dim in DIMS:
        found = row(case, dim)
        assert found.agrees, found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "until"), [(mlp("gelu", 2, "real"), 64.6), (mlp("gelu", 2, "ternary"), 401)]
)
def test_where_the_law_of_two_layers_sets_in(network, until):
    """Two layers of GELU: a factor of 1.3 and more at degree G, 10 % from 20 G and 1 % from 200 G on, as the note says."""
    prediction = predict_decay(network, 10)
    assert (
        f"k >> {until:g}, within 10 % from about {20 * until:.2g} and 1 % from {200 * until:.2g} on"
        in prediction.notes[0]
    )
    case = Case("", network)
    for factor, least, most in ((1, 0.25, 2.0), (20, 0.0, 0.1), (200, 0.0, 0.01)):
        k = 2 * round(factor * until / 2)
        points = FARTHEST.points
        (found,) = log_eigenvalues_of(case, [k], 10, points, prediction.singularity)
        assert least < abs(float(found) - prediction.log_eigenvalue(k)) < most


@pytest.mark.parametrize(("layers", "t_star"), [(1, 1.4375), (2, 1.2872), (3, 1.2752)])
def test_erf_of_five_levels(layers, t_star):
    """W_std 3, q 0.2, r 8/9: the nearest layer moves inwards; the first by (1/r)(1 + 1 / (2 W_std^2 q))."""
    prediction = predict_decay(mlp("erf", layers, Levels(5), W_std=3), 10, q="0.2")
    assert prediction.singularity == pytest.approx(t_star, abs=5e-5)
    assert prediction.layer == layers


@pytest.mark.parametrize("weights", ["binary", "ternary", "real"])
@pytest.mark.parametrize("dim", [2, 5])
def test_relu_by_hand(weights, dim):
    """One layer without bias: K = kappa + t kappa', kappa ~ S (1 - t)^(3/2), S = 2^(3/2) / (6 pi) at Q = 1; even degrees."""
    prediction = predict_decay(mlp("relu", weights=weights), dim)
    r = {"binary": Fraction(1, 3), "ternary": Fraction(2, 3), "real": Fraction(1)}[weights]
    assert prediction.exact == sympy.simplify(
        1 / sympy.Rational(r) - sympy.sqrt(1 / sympy.Rational(r) ** 2 - 1)
    )
    assert prediction.singularity == pytest.approx(float(1 / r), rel=1e-14)
    assert (prediction.even.gamma, prediction.odd.law, prediction.odd.last) == (0.5, "finite-rank", 1)
    T = -1.5 * 2**1.5 / (6 * math.pi)  # of kappa', for (1 - t/t*)^(1/2)
    a = T / math.gamma(-0.5) * 2  # both ends
    if r == 1:
        expected = a * 2 ** (dim - 1.5) * math.gamma(dim / 2) ** 2 / math.sqrt(math.pi)
    else:
        t, rho = float(1 / r), prediction.rate
        expected = (
            a * math.gamma(dim / 2) * math.sqrt(math.sqrt(t * t - 1) / t) * (1 - rho**2) ** (dim / 2 - 1)
        )
    assert prediction.even.constant == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_curve_of_deep_stretched_networks():
    """tanh, one layer: the curve against lambda_k of the exact Taylor coefficients (1 + j) h_j^2 t*^-j; they differ by O(1 / sqrt(k))."""
    h = hermite_coefficients(Activation("tanh"), Fraction(1), 400)
    logs = [
        math.log(1 + j) + 2 * float(mpmath.log(abs(x))) - j * math.log(3) if x else -math.inf
        for j, x in enumerate(h)
    ]
    prediction = predict_decay(mlp("tanh"), 5)
    assert prediction.even.law == "zero"
    assert prediction.log_eigenvalue(60) == -math.inf
    degrees = [41, 81, 161]
    exact = decay_spectra.log_eigenvalues(decay_spectra.np.array(logs, decay_spectra.LONG), degrees, 5)
    errors = [float(e) - prediction.log_eigenvalue(k) for e, k in zip(exact, degrees, strict=True)]
    assert max(map(abs, errors)) < 0.05
    assert abs(errors[2]) < 0.8 * abs(errors[0])


FINITE = (
    # network, output, even and odd degree, dim, rank
    (mlp("identity", 3), "ntk", None, 1, 10, 10),
    (mlp("identity", 3, b_std=1), "ntk", 0, 1, 10, 11),
    (mlp("hermite3", b_std=0), "ntk", None, 3, 10, math.comb(12, 9)),
    (mlp("hermite2", 2, b_std=1), "nngp", 4, 3, 4, math.comb(7, 3) + math.comb(6, 3)),
    (mlp("0*x", 2), "ntk", None, None, 10, 0),
    (mlp("relu", weights="real"), "rounding", None, None, 10, 0),
    (chain(Dense("real"), Dense("binary", b_std=1)), "rounding", None, 1, 10, 10),
    (chain(Dense(trained=False), "relu", Dense(trained=False)), "ntk", None, None, 10, 0),
)


@pytest.mark.parametrize(("network", "get", "even", "odd", "dim", "rank"), FINITE)
def test_finite_rank(network, get, even, odd, dim, rank):
    prediction = predict_decay(network, dim, get=get)
    assert (prediction.law, prediction.rank, prediction.singularity) == ("finite-rank", rank, math.inf)
    assert (prediction.even.last, prediction.odd.last) == (even, odd)
    assert prediction.log_eigenvalue(12) == -math.inf


@pytest.mark.parametrize("name", ["sin", "cos", "exp", "snake"])
def test_super_exponential(name):
    prediction = predict_decay(mlp(name, 2, b_std=1), 10)
    assert (prediction.law, prediction.rate) == ("super-exponential", 0)
    with pytest.raises(ValueError, match="no asymptotic form"):
        prediction.log_eigenvalue(10)


def test_unknown_singularities_are_refused_only_where_they_decide():
    with pytest.raises(NoClosedForm, match=r"erf\(x\)\*\*2"):
        predict_decay(mlp("erf(x)**2"), 10)
    relu_first = chain(Dense("binary"), "relu", Dense("binary"), "erf(x)**2", Dense())
    assert str(predict_decay(relu_first, 10).exact) == "3 - 2*sqrt(2)"


def test_behind_a_pole_only_polynomials_have_an_exponent():
    """A Gaussian's nngp ~ (1 - t/t*)^(-1/2), of which a cube makes -3/2; the exponential only the rate."""
    cube = predict_decay(chain(Dense("binary"), "gaussian", Dense(), "cubic", Dense()), 10, get="nngp")
    assert (cube.gamma, cube.singularity) == (-1.5, 6)
    sine = predict_decay(chain(Dense("binary"), "gaussian", Dense(), "sin", Dense()), 10)
    assert (sine.power, sine.singularity) == (None, 6)
    assert "only the rate" in sine.notes[0]


@pytest.mark.parametrize(
    ("name", "W_std"),
    [
        pytest.param(name, W_std, marks=[] if name in ("relu", "gaussian") else [pytest.mark.slow])
        for name in ("relu", "erf", "gaussian", "hardtanh")
        for W_std in (1e-8, 1e-3, 1e3, 1e6)
    ],
)
def test_extreme_scales(name, W_std):
    """t* = (g Q - b^2) / (r W^2 q) of the first layer is an upper bound, and 1 / r a lower one."""
    prediction = predict_decay(mlp(name, 2, W_std=W_std, b_std="0.3"), 10)
    extra = {"relu": 0.0, "hardtanh": 0.0, "erf": 0.5, "gaussian": 1.0}[name]
    assert 3 * (1 - 1e-12) <= prediction.singularity <= 3 * (1 + extra / W_std**2) * (1 + 1e-12)
    assert prediction.law == "exponential"


@pytest.mark.parametrize("b_std", [1e-6, 1e2, 1e8])
def test_extreme_biases(b_std):
    assert predict_decay(mlp("relu", 2, b_std=b_std), 10).singularity == pytest.approx(3, rel=1e-14)


@pytest.mark.parametrize(
    "network", [mlp("relu"), mlp("gelu", b_std="0.5"), mlp("relu2", weights="ternary", b_std="0.3")]
)
@pytest.mark.parametrize("dim", [2, 3, 10, 51])
def test_the_curve_s_two_series_agree(network, dim, monkeypatch):
    """2F1 in 1 / t*^2 by mpmath, and in rho^2: 12 digits of lambda_k, at a degree where both converge."""
    prediction = predict_decay(network, dim)
    near = prediction.log_eigenvalue(400)
    monkeypatch.setattr("derive.curves.FAR", 100)
    assert abs(near - prediction.log_eigenvalue(400)) < 1e-12 * abs(near)


def test_the_curve_at_very_high_degrees_is_the_law():
    """C k^power rate^k; corrections of (dim / 2)^2 / k and less."""
    prediction = predict_decay(mlp("relu"), 10)
    k = 10**6
    law = math.log(prediction.even.constant) + prediction.power * math.log(k) + k * math.log(prediction.rate)
    assert abs(prediction.log_eigenvalue(k) - law) < 1e-4 + 1e-15 * abs(law)


def test_deep_and_high_dimensional():
    prediction = predict_decay(mlp("relu", 8), 10**6)
    assert prediction.power == -(0.5 + 5e5)
    assert math.isfinite(prediction.log_eigenvalue(5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((mlp("relu"), 1), ValueError, "dim must be"),
        ((mlp("relu"), True), ValueError, "dim must be"),
        ((mlp("relu"), 10, 0), ValueError, "q must be positive"),
        ((mlp("relu"), 10, 1, "kernel"), ValueError, "get must be"),
        (("relu", 10), TypeError, "needs a network"),
        ((mlp("exp(x**2/4)"), 10), DerivationError, "infinite at variance 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        predict_decay(*arguments)


@pytest.mark.parametrize("k", [-1, 1.5, True, "3"])
def test_bad_degrees(k):
    with pytest.raises(ValueError, match="k must be"):
        predict_decay(mlp("relu"), 10).log_eigenvalue(k)


def test_texts():
    prediction = predict_decay(mlp("relu", 2, "ternary"), 10)
    assert json.loads(json.dumps(prediction.to_dict()))["even"]["law"] == "exponential"
    assert "k^{-5.5}" in prediction.formula
    assert "even degrees" in str(prediction)
    assert prediction._repr_latex_().startswith("$")

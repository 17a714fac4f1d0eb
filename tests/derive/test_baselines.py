"""Baselines' formulas against independent ones, and the refusal of damaged files."""

import json
import re
from fractions import Fraction

import mpmath
import pytest
import sympy

from derive import codec, worker
from derive.activation import Activation
from derive.baselines import FAMILIES, baseline_ir, baseline_text, check_values, parameter_names, recursion_of
from derive.derivation import formulas
from derive.dual import dual_activation
from derive.errors import BadKernelFile, DerivationError
from derive.formulas import closed_ir
from derive.lower import kernel_of, network_of
from derive.network import mlp
from numerics.interpret import MULTIPRECISION, interpret

CASES = [
    ("gaussian", 0),
    ("laplace", 0),
    ("rational_quadratic", 0),
    *(("matern", p) for p in (0, 1, 2, 3, 7, 20)),
    *(("gaussian_mixture", n) for n in (1, 2, 3, 12)),
]
VALUES = {"length_scale": Fraction(3, 4), "alpha": Fraction(7, 3)}


def values_of(family, n):
    """Different values for all parameters."""
    return {name: VALUES.get(name, Fraction(i, 3)) for i, name in enumerate(parameter_names(family, n), 1)}


def made(family, n):
    return baseline_ir(family, n, values_of(family, n))


def expected(family, n, D):
    """Textbook formulas, matern's by the Bessel function."""
    values = {name: mpmath.mpf(v.numerator) / v.denominator for name, v in values_of(family, n).items()}
    length = values.get("length_scale")
    match family:
        case "gaussian":
            return mpmath.exp(-D / (2 * length**2))
        case "laplace":
            return mpmath.exp(-mpmath.sqrt(D) / length)
        case "rational_quadratic":
            return (1 + D / (2 * values["alpha"] * length**2)) ** -values["alpha"]
        case "matern":
            nu = n + mpmath.mpf(1) / 2
            u = mpmath.sqrt(2 * nu * D) / length
            return 2 ** (1 - nu) / mpmath.gamma(nu) * u**nu * mpmath.besselk(nu, u)
        case "gaussian_mixture":
            pairs = [(values[f"s_{i}"], values[f"w_{i}"]) for i in range(1, n + 1)]
            return mpmath.fsum(w * mpmath.exp(-s * D / 2) for s, w in pairs)


@pytest.mark.parametrize(("family", "n"), CASES)
def test_programs_are_the_textbook_s_formulas(family, n):
    """40 digits on both sides; the Bessel function's recurrence and the conversions may take ten."""
    kernel = made(family, n)
    with mpmath.workdps(40):
        for q_x, q_y, m_0 in (("1", "1", "0.3"), ("0.2", "1.7", "-0.4"), ("3", "2.5", "2.7")):
            inputs = {"q_x": mpmath.mpf(q_x), "q_y": mpmath.mpf(q_y), "m_0": mpmath.mpf(m_0)}
            found = interpret(kernel.pair, {**dict(kernel.parameters), **inputs}, MULTIPRECISION)
            K = expected(family, n, inputs["q_x"] + inputs["q_y"] - 2 * inputs["m_0"])
            assert abs(found["ntk"] - K) < mpmath.mpf(10) ** -30 * K
            assert found["nngp"] == found["ntk"]
            assert found["rounding"] == 0


@pytest.mark.parametrize(("family", "n"), CASES)
def test_formulas_are_the_programs(family, n):
    """SymPy's expressions, inserted into each other, at one point; 30 of 40 digits as above."""
    layer = recursion_of(family, n).pair[0]
    point = {"q_x": sympy.Rational(2), "q_y": sympy.Rational(3, 2), "m_0": sympy.Rational(1, 4)}
    point |= {name: sympy.Rational(v.numerator, v.denominator) for name, v in values_of(family, n).items()}
    for equation in layer.equations:
        value = equation.value.subs({symbol: point[str(symbol)] for symbol in equation.value.free_symbols})
        point[str(equation.symbol)] = value
    with mpmath.workdps(40):
        difference = mpmath.mpf(sympy.N(point[str(layer.moments.k)], 40)) - expected(family, n, mpmath.mpf(3))
        assert abs(difference) < mpmath.mpf(10) ** -30


@pytest.mark.parametrize(("family", "n"), CASES)
def test_the_diagonal_is_the_pair_at_distance_0(family, n):
    kernel = made(family, n)
    with mpmath.workdps(40):
        point = {**dict(kernel.parameters), **dict.fromkeys(("q_x", "q_y", "m_0"), mpmath.mpf("1.7"))}
        pair, diagonal = (interpret(p, point, MULTIPRECISION) for p in (kernel.pair, kernel.diagonal))
    total = sum(v for name, v in values_of(family, n).items() if name.startswith("w"))
    assert pair["ntk"] == diagonal["ntk"]
    assert diagonal["ntk"] == pytest.approx(float(total or 1), rel=1e-15)  # one rounding to double


@pytest.mark.parametrize(("family", "n"), CASES)
def test_round_trip(family, n):
    kernel = made(family, n)
    assert codec.from_json(codec.to_json(kernel)) == kernel
    assert kernel.baseline == (family, n)
    assert formulas(kernel) == recursion_of(family, n)


def test_the_signature_is_the_structure():
    signatures = {codec.signature(made(family, n)) for family, n in CASES}
    assert len(signatures) == len(CASES)
    other = baseline_ir("gaussian", 0, {"length_scale": Fraction(9)})
    assert codec.signature(other) == codec.signature(made("gaussian", 0))


def test_no_worker_is_needed(monkeypatch):
    def refuse(*_):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(worker, "run", refuse)
    for family, n in CASES:
        formulas(codec.from_json(codec.to_json(made(family, n))))


def test_a_baseline_has_no_network():
    with pytest.raises(
        DerivationError, match=r"matern\(5/2\) is a baseline.*no layers to sample or to verify"
    ):
        network_of(made("matern", 2))


def test_texts():
    assert baseline_text("matern", 2) == "matern(5/2)"
    assert baseline_text("gaussian_mixture", 3) == "gaussian_mixture of 3"
    assert baseline_text("laplace", 0) == "laplace"


@pytest.mark.parametrize(
    ("family", "n"),
    [("rbf", 0), ("gaussian", 1), ("gaussian", True), ("matern", -1), ("matern", 21), ("matern", 10**6),
     ("matern", 10**9), ("matern", 0.5), ("gaussian_mixture", 0), ("gaussian_mixture", 65)],
)  # fmt: skip
def test_no_such_family(family, n):
    with pytest.raises(ValueError, match="There is no baseline"):
        baseline_ir(family, n, {"length_scale": Fraction(1)})


@pytest.mark.parametrize(
    ("family", "n", "values", "message"),
    [
        ("gaussian", 0, {}, "has the parameters length_scale, got none"),
        ("gaussian", 0, {"length_scale": 1, "alpha": 1}, "got length_scale, alpha"),
        ("gaussian", 0, {"length_scale": 0}, r"length_scale must lie between 1e-50 and 1e\+50, got 0"),
        ("laplace", 0, {"length_scale": -1}, "got -1"),
        ("laplace", 0, {"length_scale": 10**5000}, "got a number beyond 1e300"),
        (
            "rational_quadratic",
            0,
            {"length_scale": 1, "alpha": 1001},
            "alpha must lie between 0.001 and 1000",
        ),
        ("gaussian_mixture", 1, {"s_1": -1, "w_1": 1}, "s_1 must lie between 0"),
        ("gaussian_mixture", 1, {"s_1": 1, "w_1": -1}, "w_1 must lie between 0"),
        ("gaussian_mixture", 2, {"s_1": 1, "s_2": 1, "w_1": 0, "w_2": 0}, "must not all be 0"),
    ],
)
def test_values_outside_their_domain(family, n, values, message):
    with pytest.raises(ValueError, match=message):
        check_values(family, n, {name: Fraction(value) for name, value in values.items()})


def tampered(change, family="rational_quadratic", n=0):
    content = json.loads(codec.to_json(made(family, n)))
    change(content["kernel"])
    return json.dumps(content)


def network_file(change):
    one = Activation("relu")
    content = json.loads(codec.to_json(kernel_of(mlp("relu"), {one.name: closed_ir(dual_activation(one))})))
    change(content["kernel"])
    return json.dumps(content)


DAMAGED = [
    (tampered(lambda k: k.update(network=[["baseline", "gaussian", 0]])), "has the parameters length_scale"),
    (tampered(lambda k: k.update(network=[["baseline", "rbf", 0]])), "no baseline 'rbf'"),
    (tampered(lambda k: k.update(network=[["baseline", "matern", 10**9]])), "no baseline 'matern'"),
    (tampered(lambda k: k.update(network=[["baseline", "rational_quadratic", True]])), "no baseline"),
    (tampered(lambda k: k.update(network=[["baseline", "rational_quadratic"]])), "layers are damaged"),
    (tampered(lambda k: k.update(network=[["baseline", ["a"], 0]])), "layers are damaged"),
    (tampered(lambda k: k.update(network=[*k["network"], *k["network"]])), "layers are damaged"),
    (tampered(lambda k: k.update(network=[])), "layers are damaged"),
    (tampered(lambda k: k.update(network=None)), "layers are damaged"),
    (tampered(lambda k: k.update(network="baseline")), "layers are damaged"),
    (tampered(lambda k: k.update(network=[["activation", "relu", []]])), "layers are damaged"),
    (tampered(lambda k: k.update(parameters=[])), "has the parameters alpha, length_scale"),
    (tampered(lambda k: k.update(parameters=[1])), "parameters are damaged"),
    (tampered(lambda k: k["parameters"][0].__setitem__(1, {"number": -1.0})), "alpha must lie between"),
    (tampered(lambda k: k["parameters"][0].__setitem__(1, "1")), "baseline is damaged"),
    (tampered(lambda k: k["parameters"][0].__setitem__(1, 1)), "lacks values"),
    (tampered(lambda k: k["pair"]["body"].pop()), "programs are not those of rational_quadratic"),
    (tampered(lambda k: k["pair"]["body"][1].update(source="v = 0")), "programs are not those"),
    (tampered(lambda k: k.update(diagonal=k["pair"])), "programs are not those"),
    (tampered(lambda k: k.update(pair=None)), "programs are not those"),
    (tampered(lambda k: k.update(homogeneity=2)), "programs are not those"),
    (tampered(lambda k: k.update(functions=[1])), "programs are not those"),
    (
        tampered(lambda k: k["diagonal"]["outputs"][0][1].update(value={"number": 2.0}), "laplace"),
        "not those",
    ),
    (tampered(lambda k: k.update(network=[["baseline", "matern", 0]]), "laplace"), "not those of matern"),
    (network_file(lambda k: k["network"].append(["baseline", "gaussian", 0])), "layers are damaged"),
    (network_file(lambda k: k["network"][0].pop()), "layers are damaged"),
    (network_file(lambda k: k.update(network=[["baseline", "gaussian", 0]])), "has the parameters"),
]


@pytest.mark.parametrize(("text", "message"), DAMAGED, ids=lambda v: re.sub(r"\W+", "-", v)[:30])
def test_a_damaged_file_is_refused(text, message):
    with pytest.raises(BadKernelFile, match=message):
        codec.from_json(text)


def test_only_the_change_makes_a_file_bad():
    assert codec.from_json(tampered(lambda k: None)).baseline == ("rational_quadratic", 0)
    assert codec.from_json(network_file(lambda k: None)).baseline is None


def test_every_family_is_tested():
    assert {family for family, _ in CASES} == set(FAMILIES)

"""The parser's right answers: exact forms, agreement with Python's own arithmetic, and limits met exactly."""

import math
from fractions import Fraction

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import functions
from derive.errors import BadExpression
from derive.parse import SYMBOL, parse_expression

x = SYMBOL
HALF = sympy.Rational(1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max(x,0)", sympy.Max(0, x)),
        ("relu(x)", sympy.Max(0, x)),
        ("min(x, 1, 2)", sympy.Min(1, x)),
        ("abs(x)", sympy.Abs(x)),
        ("0.1", sympy.Rational(1, 10)),
        ("0.1 + 0.2", sympy.Rational(3, 10)),
        ("1.5e-3*x", sympy.Rational(3, 2000) * x),
        (".5*x", x / 2),
        ("2.*x", 2 * x),
        ("x/3", x / 3),
        ("-x**2", -(x**2)),
        ("2**-3*x", x / 8),
        ("x**2**3", x**8),
        ("+-+x", -x),
        ("abs(x)**(3/2)", sympy.Abs(x) ** sympy.Rational(3, 2)),
        ("abs(x)**0.5", sympy.sqrt(sympy.Abs(x))),
        ("0*x + 1", sympy.Integer(1)),
        ("x**0", sympy.Integer(1)),
        ("0*relu(x) + x", x),
        ("abs(x)**(2 + 0*relu(x))", x**2),
        ("\t x + 1 ", x + 1),
        ("e*pi", sympy.E * sympy.pi),
        ("sqrt(2)", sympy.sqrt(2)),
        ("max(pi, 3)", sympy.pi),
        ("heaviside(x)", sympy.Heaviside(x, HALF)),
        ("step(x)", sympy.Heaviside(x, HALF)),
        ("sign(x)", sympy.sign(x)),
        ("Phi(x)", (1 + sympy.erf(x / sympy.sqrt(2))) / 2),
        ("gelu(x)", x * ((1 + sympy.erf(x / sympy.sqrt(2))) / 2)),
        ("sigmoid(x)", 1 / (1 + sympy.exp(-x))),
        ("softplus(x)", sympy.log(1 + sympy.exp(x))),
        ("x if x > 0 else exp(x) - 1", sympy.Piecewise((x, x > 0), (sympy.exp(x) - 1, True))),
        ("x if 2 > 1 else sin(x)", x),
        ("x if not x <= 0 else 0", sympy.Piecewise((x, x > 0), (0, True))),
        ("1 if -1 < x < 1 else 0", sympy.Piecewise((1, sympy.And(x > -1, x < 1)), (0, True))),
        ("1 if x < -1 or x > 1 else 0", sympy.Piecewise((1, sympy.Or(x < -1, x > 1)), (0, True))),
        ("sin(x)/x if x != 0 else 1", sympy.Piecewise((sympy.sin(x) / x, sympy.Ne(x, 0)), (1, True))),
    ],
)
def test_text_becomes_the_exact_expression(text, expected):
    assert parse_expression(text) == expected


def test_heaviside_is_one_half_at_zero():
    assert parse_expression("heaviside(x)").subs(x, 0) == HALF


def test_piecewise_ends_with_a_branch_for_all_other_inputs():
    expr = parse_expression("x if x > 1 else x**2 if x > 0 else 0")
    assert expr.args[-1].cond == sympy.true


def test_parameters_are_positive_real_symbols():
    expr = parse_expression("x*sigmoid(beta*x)", ("beta",))
    beta = sympy.Symbol("beta", positive=True)
    assert expr == x / (1 + sympy.exp(-beta * x))


@pytest.mark.parametrize(
    "name",
    ["x", "pi", "exp", "lambda", "if", "_a", "__import__", "a b", "1a", "", "\N{GREEK SMALL LETTER BETA}"],
)
def test_unusable_parameter_names_are_refused(name):
    with pytest.raises(ValueError, match="cannot name a parameter"):
        parse_expression("x", (name,))


def test_a_parameter_is_named_once():
    with pytest.raises(ValueError, match="cannot name a parameter"):
        parse_expression("x", ("a", "a"))


PYTHON = {
    "pi": math.pi,
    "e": math.e,
    "Phi": lambda z: math.erfc(-z / math.sqrt(2)) / 2,
    "abs": abs,
    "heaviside": lambda z: 0.5 if z == 0 else float(z > 0),
    "sign": lambda z: math.copysign(1, z) if z else 0,
    "relu": lambda z: max(z, 0.0),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "softplus": lambda z: math.log1p(math.exp(z)),
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2)) / 2,
    "max": max,
    "min": min,
    **{
        name: getattr(math, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "sinh", "cosh", "atan", "erf", "erfc")
    },
}


@pytest.mark.parametrize("point", [-2.25, -0.5, 0.0, 0.125, 3.0])
@pytest.mark.parametrize(
    "text",
    [
        "x - 2*x**2 + 0.5*x**3/7 - -x",
        "x*tanh(log(1 + exp(x)))",
        "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2",
        "x*sigmoid(1.702*x) - gelu(x) + softplus(-x)",
        "max(x, 0) + min(x, 0)/100",
        "max(min(x + 3, 6), 0)*x/6",
        "1.0507*(x if x > 0 else 1.67326*(exp(x) - 1))",
        "erf(x)*erfc(x/2) + Phi(-x)*x",
        "sin(x)**2*cos(3*x) + atan(x)/(1 + x**2)",
        "cosh(x)/(1 + sinh(x)**2)",
        "sign(x)*abs(x)**1.5 + heaviside(x)",
        "exp(-x**2/2)/sqrt(2*pi)",
        "log(1 + abs(x))*sqrt(1 + x**2)",
        "(1 if -1 < x <= 1 else 0) - (x if x < -2 or not x < 2 else 2*x)",
        "x if x == 0 else x**-1",
        "e**2*x - 2**-3",
        "-x**2 + (-x)**2 - 2**3**2",
        "1 - 2 - 3*x/4/5",
        "relu(1 - relu(1 - abs(x)))",
        "1 if x >= 0 and x != 3 else -1",
    ],
)
def test_values_agree_with_python(text, point):
    ours = parse_expression(text).subs(x, sympy.Rational(point)).evalf(30)
    theirs = eval(text, {"__builtins__": {}}, {**PYTHON, "x": point})
    # Twenty roundings of doubles of size up to 10^3, where terms cancel.
    assert abs(float(ours) - theirs) <= 1e-12 * max(1.0, abs(theirs))


MPMATH = {
    "Phi": mpmath.ncdf,
    "atan": mpmath.atan,
    "gelu": lambda z: z * mpmath.ncdf(z),
    "log": mpmath.log,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "sqrt": mpmath.sqrt,
    **{name: getattr(mpmath, name) for name in ("cos", "cosh", "erf", "erfc", "exp", "sin", "sinh", "tanh")},
}


def _contains(interval, exact):
    return interval[0] <= exact <= interval[1] and interval[1] - interval[0] <= 1e-12 * (1 + abs(exact))


@pytest.mark.parametrize("name", sorted(MPMATH))
@settings(derandomize=True, max_examples=50, deadline=None)
@given(numerator=st.integers(1, 10**9), denominator=st.integers(10**8, 10**9), negative=st.booleans())
def test_constants_are_enclosed(name, numerator, denominator, negative):
    sign = -1 if negative and functions.FUNCTIONS[name].domain == "real" else 1
    z = Fraction(sign * numerator, denominator)
    with mpmath.workdps(40):
        assert _contains(functions.call(name, [z]), MPMATH[name](mpmath.mpf(z.numerator) / z.denominator))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.integers(-40, 40), st.integers(1, 40), st.integers(-8, 8), st.integers(1, 8))
def test_arithmetic_of_constants_is_enclosed(a, b, m, n):
    with mpmath.workdps(40):
        root = functions.power(Fraction(b), Fraction(1, 3))
        total = functions.add(functions.multiply(Fraction(a), root), Fraction(1, 7))
        exact_root = mpmath.cbrt(b)
        exact_total = a * exact_root + mpmath.mpf(1) / 7
        assert _contains(total, exact_total)
        assert _contains(functions.divide(functions.negate(total), root), -exact_total / exact_root)
        assert _contains(functions.power(root, Fraction(m, n)), exact_root ** (mpmath.mpf(m) / n))


@pytest.mark.parametrize(
    ("within", "beyond", "message"),
    [
        ("x" + " " * 1998 + " ", "x" + " " * 2000, "2000"),
        ("(" * 40 + "x" + ")" * 40, "(" * 41 + "x" + ")" * 41, "parentheses"),
        ("x" + "+x" * 149, "x" + "+x" * 150, "parts"),
        ("-" * 8 + "x", "-" * 9 + "x", "signs"),
        ("0." + "1" * 17, "0." + "1" * 18, "digits"),
        ("1e77", "1e78", "bits"),
        ("x**32", "x**33", "exponents"),
        ("abs(x)**(1/8)", "abs(x)**(1/9)", "exponents"),
        ("x**32*x**32", "x**32*x**32*x", "degree"),
        ("(10**16*x)**4", "(10**16*x)**5", "bits"),
        ("(2**7)**32", "(2**8)**32", "bits"),
        ("*".join(["0.1234567891*x"] * 7), "*".join(["0.1234567891*x"] * 8), "bits"),
        ("1/(1 + " * 8 + "x" + ")" * 8, "1/(1 + " * 9 + "x" + ")" * 9, "deep"),
        (
            "+".join(f"{n}.5**0.5" for n in range(16)),
            "+".join(f"{n}.5**0.5" for n in range(17)),
            "irrational",
        ),
        ("x*sqrt(a)", "x*sqrt(-a)", "complex"),
        ("x + log(a)", "x + log(a - 1 - a)", "constant"),
        ("exp(x**2)", "exp(x**3)", "degree"),
        ("(1 + " * 7 + "x**2" + ")**0.5" * 7, "(1 + " * 8 + "x**2" + ")**0.5" * 8, "deep"),
        ("exp(max(x, 0))", "exp(2*max(log(abs(x) + 1), 0))", "growth"),
        ("exp(tanh(x))", "exp(tanh(exp(x)))", "growth"),
        ("exp(sqrt(1 + x**2))", "exp(2*log(1 + x**2))", "growth"),
        ("exp(40)", "exp(41)", "constant"),
        ("sin(" * 8 + "x" + ")" * 8, "sin(" * 9 + "x" + ")" * 9, "deep"),
        ("abs(1 - " * 4 + "x" + ")" * 4, "abs(1 - " * 5 + "x" + ")" * 5, "deep"),
        ("+".join(f"max(x, {n})" for n in range(12)), "+".join(f"max(x, {n})" for n in range(13)), "kinks"),
        (
            "max(max(x, x**2), min(sin(x), cos(x)), 1, 2)",
            "max(max(x, x**2, 3), min(sin(x), cos(x)), 1, 2)",
            "arguments",
        ),
        (
            "+".join(f"sqrt({n}.5)" for n in range(16)),
            "+".join(f"sqrt({n}.5)" for n in range(17)),
            "irrational",
        ),
        ("a**4*x", "a**5*x", "parameters"),
        ("1 if abs(x) > 1 else 0", "1 if (x if x > 0 else 2) > 1 else 0", "condition"),
    ],
)
def test_limits_are_met_exactly(within, beyond, message):
    assert parse_expression(within, ("a",)).free_symbols <= {x, sympy.Symbol("a", positive=True)}
    with pytest.raises(BadExpression, match=message):
        parse_expression(beyond, ("a",))

"""The functions an expression may call; rigorous values of its constants; bounds on its cost.

A value is a fraction where it is rational by construction, else an interval of doubles that contains it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any, TypeAlias

import sympy

Interval: TypeAlias = "tuple[float, float]"
Value: TypeAlias = "Fraction | Interval"

BITS = 256
_LARGEST_ARGUMENT = 40
_GROWTH_DEGREE = 2
_LIMITS = {
    "parameters": (4, "the parameters' degree exceeds {}; use lower powers of them"),
    "degree": (64, "the degree exceeds {}; use lower powers"),
    "bits": (BITS, "constants may exceed {} bits; use shorter numbers or lower powers"),
    "depth": (8, "functions and powers are nested more than {} deep; nest them less"),
    "kinks": (4, "max, min, abs and conditions are nested more than {} deep; nest them less"),
    "arguments": (6, "nested max and min have more than {} arguments in all; use fewer"),
    "irrationals": (16, "more than {} irrational constants; write some as decimals"),
}


class Undefined(ArithmeticError):
    """There is surely no finite real value."""


class Undecided(ArithmeticError):
    """Intervals of doubles cannot tell whether there is a finite real value, or which side it takes."""


class TooCostly(ArithmeticError):
    """SymPy might take too long."""


@dataclass(frozen=True)
class Function:
    """One function of the expression language.

    Attributes
    ----------
    build : callable
        SymPy expressions to a SymPy expression.
    image : callable
        Intervals to an interval that contains every value there, rounding included.
    exact : callable, optional
        Fractions to a fraction; given for the functions that are not smooth, and only for them.
    arguments : tuple of int
        Least and greatest number of arguments.
    levels : int
        Nested functions in the SymPy form.
    bounded, exponential, logarithm : bool
        Bounded on the real line; the SymPy form contains an exponential; a logarithm.
    domain : {"real", "nonnegative", "positive"}
        Where the function is real and finite.
    """

    build: Callable[..., sympy.Expr]
    image: Callable[..., Interval]
    exact: Callable[..., Fraction] | None = None
    arguments: tuple[int, int] = (1, 1)
    levels: int = 1
    bounded: bool = False
    exponential: bool = False
    logarithm: bool = False
    domain: str = "real"


def add(a: Value, b: Value) -> Value:
    """Sum of two values."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        _check_bits(a, b)
        return a + b
    (low, high), (other_low, other_high) = enclose(a), enclose(b)
    return _widen(low + other_low, high + other_high)


def negate(a: Value) -> Value:
    """The value of opposite sign."""
    return -a if isinstance(a, Fraction) else (-a[1], -a[0])


def multiply(a: Value, b: Value) -> Value:
    """Product of two values."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        _check_bits(a, b)
        return a * b
    return _product(enclose(a), enclose(b))


def divide(a: Value, b: Value) -> Value:
    """Quotient of two values."""
    if b == 0:
        raise Undefined("division by zero")
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        _check_bits(a, b)
        return a / b
    low, high = enclose(b)
    if low <= 0 <= high:
        raise Undefined("division by zero, as far as doubles tell")
    return _product(enclose(a), _widen(1 / high, 1 / low))


def power(a: Value, exponent: Fraction) -> Value:
    """a**exponent, for an exponent whose size was checked before."""
    if a == 0 and exponent <= 0:
        raise Undefined("zero to a power that is not positive")
    if isinstance(a, Fraction) and exponent.denominator == 1:
        if bits(a) * abs(exponent) > BITS:
            raise Undecided(f"a constant of more than {BITS} bits")
        return a**exponent.numerator
    if exponent < 0:
        return divide(Fraction(1), power(a, -exponent))
    if exponent.denominator > 1:
        _check_domain(a, "nonnegative", f"a power {exponent} of")
        return _increasing(lambda z: z ** float(exponent))(enclose(a))
    base = enclose(a) if exponent % 2 else _absolute(enclose(a))
    return _increasing(lambda z: z**exponent.numerator)(base)


def call(name: str, arguments: list[Value]) -> Value:
    """The function of that name applied to the arguments."""
    function = FUNCTIONS[name]
    _check_domain(arguments[0], function.domain, f"{name} of")
    if function.exact is not None:
        fractions = [a for a in arguments if isinstance(a, Fraction)]
        if len(fractions) == len(arguments):
            return function.exact(*fractions)
        pairs = combinations(arguments, 2) if len(arguments) > 1 else [(arguments[0], Fraction(0))]
        for a, b in pairs:
            compare(lambda left, right: left > right, a, b)
    elif function.domain == "real" and max(map(abs, enclose(arguments[0]))) > _LARGEST_ARGUMENT:
        raise Undecided(
            f"{name} of a constant beyond {_LARGEST_ARGUMENT}"
        )  # SymPy may need 10^15 digits of it
    return function.image(*map(enclose, arguments))


def compare(relation: Callable[[Any, Any], bool], a: Value, b: Value) -> bool:
    """Whether `relation` holds between a and b; `relation` compares two numbers."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return relation(a, b)
    (low, high), (other_low, other_high) = enclose(a), enclose(b)
    if low <= other_high and other_low <= high:
        raise Undecided("numbers too close to be told apart")
    return relation(low, other_low)


def enclose(value: Value) -> Interval:
    """The interval of doubles around a value."""
    if not isinstance(value, Fraction):
        return value
    nearest = float(value)
    return (nearest, nearest) if nearest == value else around(nearest)


def around(value: float) -> Interval:
    """The interval that contains every number rounded to `value`."""
    return _widen(value, value)


def bits(value: Fraction) -> int:
    """Bits of the longer of numerator and denominator."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())


@dataclass(frozen=True)
class Cost:
    """Bounds on a part of an expression that limit how long SymPy takes, measured by adversarial search.

    `degree` counts all symbols, `parameters` all but x (SymPy seeks roots of polynomials in a
    positive symbol); `bits` bounds its numbers once SymPy multiplies out powers of constants; `depth`
    counts nested functions and powers (SymPy's queries grow exponentially with it); `arguments` are those of
    nested max and min together (SymPy compares all pairs).
    """

    degree: int = 0
    parameters: int = 0
    bits: int = 1
    depth: int = 0
    kinks: int = 0
    arguments: int = 1
    irrationals: int = 0
    exponential: bool = False
    logarithm: bool = False
    conditional: bool = False


def check(cost: Cost) -> Cost:
    """The same cost, if it is within the limits; else TooCostly."""
    for name, (limit, message) in _LIMITS.items():
        if getattr(cost, name) > limit:
            raise TooCostly(message.format(limit))
    return cost


def together(costs: Sequence[Cost]) -> Cost:
    """Cost of a sum or a comparison."""
    largest = {name: max(getattr(cost, name) for cost in costs) for name in Cost.__dataclass_fields__}
    return Cost(**largest | {"arguments": 1, "irrationals": sum(cost.irrationals for cost in costs)})


def product_cost(left: Cost, right: Cost, divides: bool) -> Cost:
    """Cost of a product, or of a quotient."""
    return replace(
        together([left, right]),
        degree=left.degree + right.degree,
        parameters=left.parameters + right.parameters,
        bits=left.bits + right.bits,
        depth=max(left.depth, right.depth + divides),
    )


def power_cost(operands: Sequence[Cost], exponent: Fraction, constant: bool) -> Cost:
    """Cost of base**exponent from its two parts."""
    times, base = max(1, math.ceil(abs(exponent))), operands[0]
    return replace(
        together(operands),
        degree=base.degree * times,
        parameters=base.parameters * times,
        bits=base.bits * times,
        depth=base.depth + 1,
        irrationals=base.irrationals + constant,
    )


def call_cost(name: str, arguments: Sequence[Cost], constant: bool) -> Cost:
    """Cost of a call; nested exponentials, and exponentials of logarithms (SymPy turns them to powers), are refused."""
    function, cost = FUNCTIONS[name], together(arguments)
    if function.exponential and (cost.exponential or cost.logarithm):
        raise TooCostly(f"{name} of an exponential or a logarithm; growth functions cannot be nested")
    if function.exponential and cost.degree > _GROWTH_DEGREE:
        raise TooCostly(f"{name} of degree {cost.degree}; the argument of a growth function has degree <= 2")
    return replace(
        cost,
        degree=0 if function.bounded else cost.degree,
        depth=cost.depth + function.levels,
        kinks=cost.kinks + (function.exact is not None),
        arguments=sum(argument.arguments for argument in arguments) if function in (_MAX, _MIN, _RELU) else 1,
        irrationals=cost.irrationals + constant,
        exponential=cost.exponential or function.exponential,
        logarithm=cost.logarithm or function.logarithm,
    )


def conditional_cost(parts: Sequence[Cost], chained: bool) -> Cost:
    """Cost of `body if test else orelse` from its three parts; in a chain, orelse is a conditional too."""
    test, body, orelse = parts
    if test.conditional:
        raise TooCostly("a condition contains another `if`; combine conditions with `and` and `or`")
    kinks = 1 + max(test.kinks, body.kinks, orelse.kinks - chained)
    return replace(together(parts), kinks=kinks, conditional=True)


def _check_bits(a: Fraction, b: Fraction) -> None:
    if bits(a) + bits(b) > BITS:
        raise Undecided(f"a constant of more than {BITS} bits")


def _widen(low: float, high: float) -> Interval:
    if not (abs(low) < 2.0**BITS and abs(high) < 2.0**BITS):
        raise Undecided(f"a constant beyond 2**{BITS}")
    # 4 ulp cover the rounding of + * / (half an ulp) and of the C library's functions (below 2 ulp).
    return low - 4 * math.ulp(low), high + 4 * math.ulp(high)


def _product(a: Interval, b: Interval) -> Interval:
    products = [left * right for left in a for right in b]
    return _widen(min(products), max(products))


def _absolute(a: Interval) -> Interval:
    low, high = sorted(map(abs, a))
    return (0.0, high) if a[0] <= 0 <= a[1] else (low, high)


def _check_domain(a: Value, domain: str, what: str) -> None:
    low, high = (a, a) if isinstance(a, Fraction) else a
    if domain == "real" or low > 0 or (low == 0 and domain == "nonnegative"):
        return
    if high < 0 or a == 0:
        raise Undefined(f"{what} a number that is {'negative' if high < 0 else 'zero'}")
    raise Undecided(f"{what} a number that cannot be told from zero")


def _increasing(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    def image(a: Interval) -> Interval:
        try:
            return _widen(function(a[0]), function(a[1]))
        except OverflowError:
            raise Undecided(f"a constant beyond 2**{BITS}") from None

    return image


def _wave(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    """Image under sin or cos, whose slope is at most 1."""

    def image(a: Interval) -> Interval:
        width = a[1] - a[0]
        low, high = _widen(function(a[0]) - width, function(a[0]) + width)
        return max(low, -1.0), min(high, 1.0)

    return image


def _sign(z: Fraction | float) -> int:
    return (z > 0) - (z < 0)


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


_normal_cdf = _increasing(lambda z: math.erfc(-z / math.sqrt(2)) / 2)


def _symbolic_normal_cdf(z: sympy.Expr) -> sympy.Expr:
    return (1 + sympy.erf(z / sympy.sqrt(2))) / 2


_STEP = Function(
    lambda z: sympy.Heaviside(z, sympy.Rational(1, 2)),
    _increasing(lambda z: (1 + _sign(z)) / 2),
    exact=lambda z: Fraction(1 + _sign(z), 2),
    bounded=True,
)
_MAX = Function(
    sympy.Max,
    lambda *a: (max(low for low, _ in a), max(high for _, high in a)),
    exact=max,
    arguments=(2, 6),
)
_MIN = Function(
    sympy.Min,
    lambda *a: (min(low for low, _ in a), min(high for _, high in a)),
    exact=min,
    arguments=(2, 6),
)
_RELU = Function(
    lambda z: sympy.Max(0, z),
    lambda a: (max(a[0], 0.0), max(a[1], 0.0)),
    exact=lambda z: max(z, Fraction(0)),
)
_SIGN = Function(sympy.sign, _increasing(_sign), exact=lambda z: Fraction(_sign(z)), bounded=True)
_SIGMOID = Function(
    lambda z: 1 / (1 + sympy.exp(-z)), _increasing(_sigmoid), levels=2, bounded=True, exponential=True
)
_SOFTPLUS = Function(
    lambda z: sympy.log(1 + sympy.exp(z)),
    _increasing(lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z)))),
    levels=2,
    exponential=True,
    logarithm=True,
)

FUNCTIONS: dict[str, Function] = {
    "Phi": Function(_symbolic_normal_cdf, _normal_cdf, bounded=True),
    "abs": Function(sympy.Abs, _absolute, exact=abs),
    "atan": Function(sympy.atan, _increasing(math.atan), bounded=True),
    "cos": Function(sympy.cos, _wave(math.cos), bounded=True),
    "cosh": Function(sympy.cosh, lambda a: _increasing(math.cosh)(_absolute(a)), exponential=True),
    "erf": Function(sympy.erf, _increasing(math.erf), bounded=True),
    "erfc": Function(
        sympy.erfc, lambda a: _increasing(lambda z: math.erfc(-z))((-a[1], -a[0])), bounded=True
    ),
    "exp": Function(sympy.exp, _increasing(math.exp), exponential=True),
    "gelu": Function(lambda z: z * _symbolic_normal_cdf(z), lambda a: _product(a, _normal_cdf(a)), levels=2),
    "heaviside": _STEP,
    "log": Function(sympy.log, _increasing(math.log), logarithm=True, domain="positive"),
    "max": _MAX,
    "min": _MIN,
    "relu": _RELU,
    "sigmoid": _SIGMOID,
    "sign": _SIGN,
    "sin": Function(sympy.sin, _wave(math.sin), bounded=True),
    "sinh": Function(sympy.sinh, _increasing(math.sinh), exponential=True),
    "softplus": _SOFTPLUS,
    "sqrt": Function(sympy.sqrt, _increasing(math.sqrt), domain="nonnegative"),
    "step": _STEP,
    "tanh": Function(sympy.tanh, _increasing(math.tanh), bounded=True),
}

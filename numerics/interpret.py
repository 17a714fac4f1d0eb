"""The interpreter of the intermediate representation, generic over the number type.

The slow second route: mpmath numbers make it the compiled code's oracle, truncated power series
(numerics/series.py) give Taylor coefficients. It shares nothing with the emitter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, assert_never

import mpmath

from derive import ir, special
from derive.numbers import mpf


@dataclass(frozen=True)
class Arithmetic:
    """A number type: how to make a number, pi, and the functions of `derive.ir.FUNCTIONS` it has.

    The type itself provides + * / and integer powers.
    """

    number: Callable[[Fraction], Any]
    pi: Callable[[], Any]
    functions: Mapping[str, Callable[..., Any]]


def interpret(program: ir.Program, values: Mapping[str, Any], arithmetic: Arithmetic) -> dict[str, Any]:
    """Values of all names of a program: inputs, parameters, every assignment and the outputs.

    Parameters
    ----------
    program : derive.ir.Program
    values : mapping
        The inputs' and parameters' values, numbers of the arithmetic's type or fractions.
    arithmetic : Arithmetic
    """
    names = {name: arithmetic.number(v) if isinstance(v, Fraction) else v for name, v in values.items()}
    for assign in program.body:
        names[assign.target] = _value(assign.value, names, arithmetic)
    for name, node in program.outputs:
        names[name] = _value(node, names, arithmetic)
    return names


def _value(node: ir.Node, names: Mapping[str, Any], arithmetic: Arithmetic) -> Any:
    def value(child: ir.Node) -> Any:
        return _value(child, names, arithmetic)

    match node:
        case ir.Number(number):
            return arithmetic.number(number)
        case ir.Pi():
            return arithmetic.pi()
        case ir.Name(name):
            return names[name]
        case ir.Add(terms):
            return _fold(lambda a, b: a + b, map(value, terms))
        case ir.Multiply(factors):
            return _fold(lambda a, b: a * b, map(value, factors))
        case ir.Divide(numerator, denominator):
            return value(numerator) / value(denominator)
        case ir.Power(base, exponent):
            return value(base) ** exponent
        case ir.Call(function, arguments):
            return arithmetic.functions[function](*map(value, arguments))
        case ir.Select(relation, left, right, yes, no):
            a, b = value(left), value(right)
            return value(yes) if (a < b if relation == "<" else a <= b) else value(no)
        case _:
            assert_never(node)


def _fold(operation: Callable[[Any, Any], Any], items: Any) -> Any:
    first, *rest = items
    for item in rest:
        first = operation(first, item)
    return first


MULTIPRECISION = Arithmetic(
    number=mpf,
    pi=lambda: +mpmath.pi,
    functions={
        **{
            name: getattr(mpmath, name)
            for name in (
                "sqrt",
                "exp",
                "log",
                "sin",
                "cos",
                "tanh",
                "sinh",
                "cosh",
                "atan",
                "erf",
                "erfc",
                "sign",
            )
        },
        "abs": abs,
        "max": max,
        "min": min,
        "heaviside": lambda x: (mpmath.sign(x) + 1) / 2,
        "positive": lambda x: max(x, mpmath.mpf(10) ** -100),
        **special.BY_MPMATH,
    },
)
"""mpmath numbers at mpmath's current precision."""

"""Partial derivatives of the functions that programs call, as nodes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from derive.ir import Add, Call, Divide, Multiply, Node, Number, Pi, Power, Select

ZERO, ONE, HALF, TWO = (Number(Fraction(value)) for value in ("0", "1", "1/2", "2"))
LARGE = Number(Fraction(10**130))
"""Beyond, exp stands in denominators, as exp(1 / var): its derivative is left out, before it overflows."""
Partial = Callable[[tuple[Node, ...], Node], Node]
"""A derivative of a function by one argument, from its arguments and its value."""


def minus(node: Node) -> Node:
    """-node."""
    return Multiply((Number(Fraction(-1)), node))


def square(node: Node) -> Node:
    """node^2."""
    return Power(node, 2)


def where_positive(condition: Node, node: Node) -> Node:
    """The node where the condition's value exceeds 0, else 0."""
    return Select("<", ZERO, condition, node, ZERO)


def _density(x: Node, var: Node, shift: Node) -> Node:
    """exp(shift) times the density of N(0, var)."""
    exponent = Add((shift, minus(Divide(square(x), Multiply((TWO, var))))))
    return Divide(Call("exp", (exponent,)), Call("sqrt", (Multiply((TWO, Pi(), var)),)))


def _tail_by_h(arguments: tuple[Node, ...], value: Node) -> Node:
    h, var, shift = arguments
    return where_positive(var, minus(_density(h, var, shift)))


def _tail_by_var(arguments: tuple[Node, ...], value: Node) -> Node:
    h, var, shift = arguments
    return where_positive(var, Multiply((_density(h, var, shift), Divide(h, Multiply((TWO, var))))))


def _quadrant_by_h(arguments: tuple[Node, ...], value: Node) -> Node:
    """The density of u at h, times P(v > k) given u = h."""
    h, k, a, b, c, shift = arguments
    rest = Add((k, minus(Divide(Multiply((c, h)), a))))
    given = Divide(square(Call("sine", (a, b, c))), a)
    return minus(Multiply((_density(h, a, shift), Call("tail", (rest, given, ZERO)))))


def _quadrant_by_k(arguments: tuple[Node, ...], value: Node) -> Node:
    h, k, a, b, c, shift = arguments
    return _quadrant_by_h((k, h, b, a, c, shift), value)


def _quadrant_by_cov12(arguments: tuple[Node, ...], value: Node) -> Node:
    """The joint density at (h, k)."""
    h, k, a, b, c, shift = arguments
    s = Call("sine", (a, b, c))
    rest, given = Add((k, minus(Divide(Multiply((c, h)), a)))), Divide(square(s), a)
    return where_positive(s, Multiply((_density(h, a, shift), _density(rest, given, ZERO))))


def _of_one(rule: Callable[[Node, Node], Node]) -> list[Partial]:
    """The derivative of a function of one argument, from it and the value."""
    return [lambda arguments, value: rule(arguments[0], value)]


def _chosen(relation: str, kept: Node, other: Node) -> Partial:
    """1 or 0, as the first or the second argument is taken."""
    left, right = (1, 0) if relation == "max" else (0, 1)
    return lambda arguments, value: Select("<=", arguments[left], arguments[right], kept, other)


def _itself(arguments: tuple[Node, ...], value: Node) -> Node:
    return value


def _bell(x: Node, sign: int) -> Node:
    return Divide(
        Multiply((Number(Fraction(2 * sign)), Call("exp", (minus(square(x)),)))), Call("sqrt", (Pi(),))
    )


def _cosh_scaled(arguments: tuple[Node, ...], value: Node) -> Node:
    """exp(shift) cosh(x) = |value| + exp(shift - |x|): 0 where shift is -inf, x infinite or not."""
    x, shift = arguments
    fading = Call("exp", (Add((shift, minus(Call("abs", (x,))))),))
    return Add((Call("abs", (value,)), fading))


VANISHING = ("exp", "tail", "quadrant", "sinh_scaled")
"""What is 0 where its arguments are infinite, 1 / sine of parallel inputs among them: so is its derivative, whatever theirs."""

PARTIALS: dict[str, list[Partial]] = {
    "sqrt": _of_one(lambda x, value: where_positive(value, Divide(HALF, value))),
    "exp": _of_one(lambda x, value: Select("<", value, LARGE, value, ZERO)),
    "log": _of_one(lambda x, value: Divide(ONE, x)),
    "sin": _of_one(lambda x, value: Call("cos", (x,))),
    "cos": _of_one(lambda x, value: minus(Call("sin", (x,)))),
    "tanh": _of_one(lambda x, value: Add((ONE, minus(square(value))))),
    "sinh": _of_one(lambda x, value: Call("cosh", (x,))),
    "cosh": _of_one(lambda x, value: Call("sinh", (x,))),
    "atan": _of_one(lambda x, value: Divide(ONE, Add((ONE, square(x))))),
    "erf": _of_one(lambda x, value: _bell(x, 1)),
    "erfc": _of_one(lambda x, value: _bell(x, -1)),
    "abs": _of_one(lambda x, value: Call("sign", (x,))),
    "sign": _of_one(lambda x, value: ZERO),
    "heaviside": _of_one(lambda x, value: ZERO),
    "max": [_chosen("max", ONE, ZERO), _chosen("max", ZERO, ONE)],
    "min": [_chosen("min", ONE, ZERO), _chosen("min", ZERO, ONE)],
    "tail": [_tail_by_h, _tail_by_var, _itself],
    "quadrant": [_quadrant_by_h, _quadrant_by_k, _itself, _itself, _quadrant_by_cov12, _itself],
    "sinh_scaled": [_cosh_scaled, _itself],
}  # fmt: skip
"""Partial derivatives of the functions that programs call, argument by argument; a quadrant's are by h / sqrt(var1), k / sqrt(var2),
both times the root, and by the correlation times sqrt(var1 var2): none by the variances."""

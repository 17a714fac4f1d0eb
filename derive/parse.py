"""The safe parser of activations: from text to a SymPy expression; the text is never executed.

Four gates, each before the next: characters and words; Python's syntax tree against a whitelist; values of
the constants and bounds on the cost, by fractions and intervals; and only then SymPy.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

import sympy

from derive import functions
from derive.errors import BadExpression
from derive.functions import BITS, FUNCTIONS, Cost, Interval, TooCostly, Undecided, Undefined, Value
from derive.spelling import unknown_name

SYMBOL = sympy.Symbol("x", real=True)


def parse_expression(text: str, parameters: tuple[str, ...] = ()) -> sympy.Expr:
    """Read an activation such as "max(x, 0)", "x*Phi(x)" or "x if x > 0 else exp(x) - 1".

    Numbers are exact: 0.1 is 1/10. There are + - * / **, comparisons, and/or/not, `a if c else b`, the
    constants pi and e, and the calls of `derive.functions.FUNCTIONS`.

    Parameters
    ----------
    text : str
        At most 2000 ASCII characters on one line.
    parameters : tuple of str
        Names that stand for positive real numbers.

    Returns
    -------
    sympy.Expr
        In `SYMBOL` and the parameters; real and finite as far as its constants and four points tell.

    Raises
    ------
    BadExpression
        If the text is no such expression or costs too much; the message names the column, from 1.
    ValueError
        If a parameter's name cannot be used.

    Notes
    -----
    Whatever the text, a refusal takes less than 50 ms and an acceptance less than 1 s.
    """
    symbols = _symbols(parameters)
    _check_characters(text)
    literals = _read_words(text, symbols)
    nodes = _whitelisted(_syntax_tree(text))
    values = _values(nodes, literals, x=None)
    ordered = _check_costs(nodes, values)
    for point in _PROBES:
        found = _values(nodes, literals, x=(point, point))[nodes[0]]
        if isinstance(found, BadExpression):
            raise BadExpression(f"{found} (at x = {point})")
    return _build(ordered, values, symbols)


_CHARACTERS, _PARENTHESES, _NODES, _SIGNS, _DIGITS = 2000, 40, 300, 8, 17
_EXPONENT, _ROOT, _KINKS = 32, 8, 12
_PROBES = (-3.7, -0.6, 0.3, 2.9)

_INFINITE = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I)
_FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
_CONSTANTS = {"pi": (sympy.pi, functions.around(math.pi)), "e": (sympy.E, functions.around(math.e))}
_KEYWORDS = frozenset({"if", "else", "and", "or", "not"})
_WORD = re.compile(
    r"[ \t]+|(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(\*\*|[<>=!]=|[-+*/()<>,])",
    re.ASCII,
)
_HINTS = {
    "^": "write a power as x**2",
    "=": "write the expression alone, and compare with ==",
    ".": "there are no attributes: call functions by their bare name, as exp(x)",
    "&": "join conditions with `and`",
    "|": "join conditions with `or`",
    "\n": "write the expression on one line",
}
_Nodes: TypeAlias = "Sequence[ast.expr]"
_ARITHMETIC: dict[type[ast.operator], tuple[Callable[[Any, Any], Any], Callable[[Value, Value], Value]]] = {
    ast.Add: (operator.add, functions.add),
    ast.Sub: (operator.sub, lambda a, b: functions.add(a, functions.negate(b))),
    ast.Mult: (operator.mul, functions.multiply),
    ast.Div: (operator.truediv, functions.divide),
}
_RELATIONS: dict[type[ast.cmpop], tuple[Any, Callable[[Any, Any], bool]]] = {
    ast.Lt: (sympy.StrictLessThan, operator.lt),
    ast.LtE: (sympy.LessThan, operator.le),
    ast.Gt: (sympy.StrictGreaterThan, operator.gt),
    ast.GtE: (sympy.GreaterThan, operator.ge),
    ast.Eq: (sympy.Equality, operator.eq),
    ast.NotEq: (sympy.Unequality, operator.ne),
}


def _refuse(at: int | ast.expr, message: str) -> NoReturn:
    offset = at.col_offset if isinstance(at, ast.expr) else at
    raise BadExpression(f"column {offset + 1}: {message}")


def _symbols(parameters: tuple[str, ...]) -> dict[str, sympy.Symbol]:
    symbols = {"x": SYMBOL}
    for name in parameters:
        taken = name in {**symbols, **FUNCTIONS, **_CONSTANTS} or keyword.iskeyword(name)
        if taken or not (name.isascii() and name.isidentifier()) or name.startswith("_"):
            raise ValueError(
                f"{name!r} cannot name a parameter: choose an unused ASCII identifier that begins with a letter."
            )
        symbols[name] = sympy.Symbol(name, positive=True)
    return symbols


def _check_characters(text: str) -> None:
    if type(text) is not str:
        _refuse(0, f"an expression is text, not {type(text).__name__}; pass a str")
    if len(text) > _CHARACTERS:
        _refuse(_CHARACTERS, f"the text has {len(text)} characters; shorten it to {_CHARACTERS}")
    for offset, character in enumerate(text):
        if not character.isascii():
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            _refuse(offset, f"{character!a} is {name}; type it with ASCII characters")
    if not text.strip(" \t"):
        _refuse(0, "the expression is empty; write one in x, such as max(x, 0)")


def _read_words(text: str, symbols: dict[str, sympy.Symbol]) -> dict[int, Fraction]:
    """Check the words from left to right; return the numbers by offset."""
    literals: dict[int, Fraction] = {}
    offset, depth, signs, names = 0, 0, 0, 0
    while offset < len(text):
        match = _WORD.match(text, offset)
        if match is None:
            hint = _HINTS.get(text[offset], "use numbers, names and + - * / ** ( ) , < <= > >= == !=")
            _refuse(offset, f"{text[offset]!r} has no place in an expression; {hint}")
        word = match.group()
        depth += (word == "(") - (word == ")")
        signs = signs + (word in ("+", "-", "not")) if word in ("+", "-", "not") or word.isspace() else 0
        names += bool(match["name"] or match["number"])
        if depth > _PARENTHESES:
            _refuse(offset, f"parentheses are nested more than {_PARENTHESES} deep; nest them less")
        if signs > _SIGNS:
            _refuse(offset, f"more than {_SIGNS} signs in a row; remove some")
        if names > _NODES:
            _refuse(offset, f"more than {_NODES} numbers and names; shorten the expression")
        if match["name"]:
            _check_name(text, offset, word, symbols)
        if match["number"]:
            literals[offset] = _number(word, offset)
            if text[match.end() : match.end() + 1].isidentifier():
                _refuse(match.end(), "a letter is glued to a number; put * or a blank between them")
        offset = match.end()
    return literals


def _check_name(text: str, offset: int, word: str, symbols: dict[str, sympy.Symbol]) -> None:
    called = text[offset + len(word) :].lstrip(" \t").startswith("(")
    if word in FUNCTIONS and not called:
        _refuse(offset, f"{word} is a function; write {word}(...)")
    if called and (word in symbols or word in _CONSTANTS):
        _refuse(offset, f"{word} is no function; write a product as {word}*(...)")
    known = [*symbols, *_CONSTANTS, *FUNCTIONS]
    if word not in known and word not in _KEYWORDS:
        _refuse(offset, unknown_name(word, known))


def _number(word: str, offset: int) -> Fraction:
    mantissa, _, exponent = word.lower().partition("e")
    if len(mantissa.replace(".", "").lstrip("0")) > _DIGITS:
        _refuse(offset, f"the number has more than {_DIGITS} digits; round it")
    if len(exponent.lstrip("+-0")) > 2 or functions.bits(value := Fraction(word)) > BITS:
        _refuse(offset, f"the number needs more than {BITS} bits; keep it well within 1e-77 and 1e77")
    return value


def _syntax_tree(text: str) -> ast.expr:
    blanks = len(text) - len(text.lstrip(" \t"))
    try:
        body = ast.parse(text[blanks:], mode="eval").body
    except SyntaxError as error:
        offset = min((error.offset or len(text)) - 1 + blanks, len(text) - 1)
        _refuse(offset, f"the expression cannot be read here ({error.msg}); correct it")
    except (RecursionError, MemoryError):
        _refuse(0, "the expression nests too much; nest it less")
    for node in ast.walk(body):
        if isinstance(node, ast.expr):
            node.col_offset += blanks
    return body


def _whitelisted(body: ast.expr) -> tuple[ast.expr, ...]:
    """The nodes, every one before its operands."""
    nodes, kinks = [(body, False)], 0
    for node, is_condition in nodes:
        if _is_logical(node) and not is_condition:
            _refuse(node, "a condition has no value; write (1 if x > 0 else 0)")
        if is_condition and not _is_logical(node):
            _refuse(node, "a condition compares two expressions; write it as x > 0")
        operands = _operands(node)
        joins = _is_logical(node) and not isinstance(node, ast.Compare)
        nodes += [(operand, joins or operand is getattr(node, "test", None)) for operand in operands]
        kinks += _kinks(node)
        if len(nodes) > _NODES:
            _refuse(node, f"the expression has more than {_NODES} parts; shorten it")
        if kinks > _KINKS:
            _refuse(node, f"more than {_KINKS} kinks (max, min, abs, comparisons, ...); use fewer")
    return tuple(node for node, _ in nodes)


def _operands(node: ast.expr) -> _Nodes:
    match node:
        case ast.Constant() | ast.Name():
            return ()
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not()):
            return (node.operand,)
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC or isinstance(op, ast.Pow):
            return (node.left, node.right)
        case ast.BoolOp():
            return node.values
        case ast.IfExp():
            return (node.test, node.body, node.orelse)
        case ast.Compare(ops=ops) if all(type(op) in _RELATIONS for op in ops):
            return (node.left, *node.comparators)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            least, most = FUNCTIONS[name].arguments
            if not least <= len(node.args) <= most:
                wanted = "1 argument" if most == 1 else f"{least} to {most} arguments"
                _refuse(node, f"{name} got {len(node.args)} arguments; give it {wanted}")
            return node.args
        case ast.Call(func=func) if not isinstance(func, ast.Name):
            _refuse(func, "only names of functions can be called; write products with *")
    used = type(getattr(node, "op", node)).__name__
    _refuse(node, f"{used} is not supported; use + - * / **, calls, comparisons and a if c else b")


def _is_logical(node: ast.expr) -> bool:
    return isinstance(getattr(node, "op", node), ast.Compare | ast.boolop | ast.Not)


def _kinks(node: ast.expr) -> int:
    match node:
        case ast.Compare(ops=ops):
            return len(ops)
        case ast.Call(func=ast.Name(id=name), args=args) if FUNCTIONS[name].exact is not None:
            return max(1, len(args) - 1)
    return 0


def _values(nodes: _Nodes, literals: dict[int, Fraction], x: Interval | None) -> dict[ast.expr, Any]:
    """Every node's value, or None where unknown.

    Without x these are the constants, and one that is not surely real, finite and decided is refused. At a
    point x only sure failures count: a refusal is a value that travels up, past branches not taken.
    """
    values: dict[ast.expr, Any] = {}
    for node in reversed(nodes):
        operands = [values[operand] for operand in _operands(node)]
        try:
            values[node] = _value(node, operands, literals, x)
        except (Undefined, Undecided) as error:
            sure = isinstance(error, Undefined)
            remedy = "guard it, as in a if x > 0 else b" if sure else "simplify the constant"
            if x is None:
                _refuse(node, f"{error}; {remedy}")
            values[node] = BadExpression(f"column {node.col_offset + 1}: {error}; {remedy}") if sure else None
    return values


def _value(node: ast.expr, operands: list[Any], literals: dict[int, Fraction], x: Interval | None) -> Any:
    if isinstance(node, ast.IfExp) and (operands[0] is None or isinstance(operands[0], bool)):
        return {None: None, True: operands[1], False: operands[2]}[operands[0]]
    for operand in operands:
        if isinstance(operand, BadExpression):
            return operand
    match node:
        case ast.Constant():
            return literals[node.col_offset]
        case ast.Name(id=name):
            return x if name == "x" else _CONSTANTS.get(name, (None, None))[1]
        case ast.BinOp(op=ast.Pow()):
            exponent = _exponent(node, operands[1])
            unknown = None if exponent else Fraction(1)
            return unknown if operands[0] is None else functions.power(operands[0], exponent)
        case ast.BinOp(op=ast.Mult()) if 0 in operands:
            return Fraction(0)
    if None in operands:
        return None
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return not operands[0]
        case ast.UnaryOp(op=ast.USub()):
            return functions.negate(operands[0])
        case ast.UnaryOp():
            return operands[0]
        case ast.BinOp(op=op):
            return _ARITHMETIC[type(op)][1](*operands)
        case ast.Call(func=ast.Name(id=name)):
            return functions.call(name, operands)
        case ast.Compare(ops=ops):
            pairs = zip(ops, pairwise(operands), strict=True)
            return all(functions.compare(_RELATIONS[type(op)][1], a, b) for op, (a, b) in pairs)
        case ast.BoolOp(op=op):
            return all(operands) if isinstance(op, ast.And) else any(operands)
    raise AssertionError(f"no value for {ast.dump(node)}")  # _operands lets no other node pass


def _exponent(node: ast.BinOp, value: Any) -> Fraction:
    if not isinstance(value, Fraction):
        _refuse(node.right, "the exponent is no rational number; write a**x as exp(c*x), with c in decimals")
    if abs(value) > _EXPONENT or value.denominator > _ROOT:
        _refuse(node.right, f"use exponents m/n with n <= {_ROOT} between -{_EXPONENT} and {_EXPONENT}")
    return value


def _check_costs(nodes: _Nodes, values: dict[ast.expr, Any]) -> list[ast.expr]:
    """The nodes in the order of building: operands before their node, smooth parts (which are fast) first."""
    costs: dict[ast.expr, Cost] = {}
    for node in reversed(nodes):
        try:
            cost = _cost(node, [costs[operand] for operand in _operands(node)], values)
            costs[node] = functions.check(cost)
        except TooCostly as error:
            _refuse(node, str(error))
    return sorted(costs, key=lambda node: costs[node].kinks)


def _cost(node: ast.expr, operands: list[Cost], values: dict[ast.expr, Any]) -> Cost:
    if isinstance(value := values[node], Fraction):
        return Cost(bits=functions.bits(value), kinks=max((cost.kinks for cost in operands), default=0))
    match node:
        case ast.Name(id=name):
            return Cost(degree=int(value is None), parameters=int(value is None and name != "x"))
        case ast.BinOp(op=ast.Mult() | ast.Div() as op):
            return functions.product_cost(operands[0], operands[1], divides=isinstance(op, ast.Div))
        case ast.BinOp(op=ast.Pow(), right=right):
            return functions.power_cost(operands, values[right], constant=value is not None)
        case ast.Call(func=ast.Name(id=name)):
            return functions.call_cost(name, operands, constant=value is not None)
        case ast.IfExp():
            return functions.conditional_cost(operands, chained=isinstance(node.orelse, ast.IfExp))
    return functions.together(operands)


def _build(nodes: _Nodes, values: dict[ast.expr, Any], symbols: dict[str, sympy.Symbol]) -> sympy.Expr:
    parts: dict[ast.expr, Any] = {}
    for node in nodes:
        operands = _operands(node)
        if _is_sensitive(node) and any(values[part] is None and parts[part].is_number for part in operands):
            _refuse(node, "its argument is constant though it names a variable; write the constant's value")
        try:
            parts[node] = part = _part(node, [parts[operand] for operand in operands], values[node], symbols)
        except _FAULTS as error:
            _refuse(node, f"SymPy cannot build this ({type(error).__name__}); simplify it")
    if part.has(*_INFINITE):
        _refuse(0, "a value is infinite, undefined or complex; an activation is real and finite")
    return part


def _is_sensitive(node: ast.expr) -> bool:
    """Whether SymPy's work depends on an argument's size, which was bounded for known constants only."""
    grows = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Pow)
    return grows or (isinstance(node, ast.Call) and not _kinks(node))


def _part(node: ast.expr, operands: list[Any], value: Any, symbols: dict[str, sympy.Symbol]) -> Any:
    match node:
        case ast.Constant():
            return sympy.Rational(value.numerator, value.denominator)
        case ast.Name(id=name):
            return symbols[name] if name in symbols else _CONSTANTS[name][0]
        case ast.UnaryOp(op=ast.Not()):
            return sympy.Not(operands[0])
        case ast.UnaryOp(op=op):
            return -operands[0] if isinstance(op, ast.USub) else operands[0]
        case ast.BinOp(op=ast.Pow()):
            return operands[0] ** operands[1]
        case ast.BinOp(op=op):
            return _ARITHMETIC[type(op)][0](*operands)
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name].build(*operands)
        case ast.Compare(ops=ops):
            pairs = zip(ops, pairwise(operands), strict=True)
            return sympy.And(*[_RELATIONS[type(op)][0](a, b) for op, (a, b) in pairs])
        case ast.BoolOp(op=op):
            return (sympy.And if isinstance(op, ast.And) else sympy.Or)(*operands)
    test, body, orelse = operands
    return sympy.Piecewise((body, test), (orelse, True))

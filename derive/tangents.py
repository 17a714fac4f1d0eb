"""Derivatives of a kernel's programs by their parameters: forward mode, from nodes to nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from derive import ir
from derive.errors import DerivationError
from derive.ir import Add, Call, Divide, Multiply, Name, Node, Number, Pi, Power, Select
from derive.partials import HALF, ONE, PARTIALS, VANISHING, ZERO, minus, where_positive


def with_tangents(kernel: ir.KernelIR, names: tuple[str, ...]) -> ir.KernelIR:
    """The same kernel with more outputs: `tangent("ntk", name)` = d ntk / d log(parameter), and so for every output.

    Every assignment is followed by its derivatives, from those of what it reads (`derive.partials`). Sine, angle and quadrant
    move with the correlation, a quadrant by Plackett's identity. Where two inputs are parallel, their angle does not move.

    Raises
    ------
    DerivationError
        If a dual is a Hermite series, whose derivatives have no program.
    ValueError
        If a name is no parameter of the kernel.
    """
    if any(function.series for function in kernel.functions):
        raise DerivationError("Hermite series have no program of derivatives: take differences.")
    unknown = [name for name in names if name not in dict(kernel.parameters)]
    if unknown:
        raise ValueError(
            f"Unknown parameter {unknown[0]!r}: this kernel has {', '.join(dict(kernel.parameters))}."
        )
    return replace(kernel, pair=_program(kernel.pair, names), diagonal=_program(kernel.diagonal, names))


def tangent(output: str, name: str) -> str:
    """What the derivative of an output by a parameter's logarithm is called."""
    return f"{output}_by_log_{name}"


def _program(program: ir.Program, names: tuple[str, ...]) -> ir.Program:
    body: list[ir.Assign] = []
    known: list[dict[str, Node]] = [{name: Name(name)} for name in names]
    for assign in program.body:
        body.append(assign)
        target, value = assign.target, assign.value
        moving = [tangents for tangents in known if any(name in tangents for name in ir.names_in(value))]
        partials = None
        if moving and isinstance(value, Call) and value.function in PARTIALS:
            named = _named_partials(assign, moving)
            body += named
            partials = {one.target: Name(one.target) for one in named}
        for i, tangents in enumerate(known):
            moved = _tangent(value, tangents, target, partials)
            if moved is not None:
                name = f"{target}_d{i}"
                body.append(ir.Assign(name, moved, f"d {target} / d log {names[i]}", assign.section))
                tangents[target] = Name(name)
    outputs = [
        (tangent(output, name), _tangent(node, known[i]) or ZERO)
        for output, node in program.outputs
        for i, name in enumerate(names)
    ]
    return replace(program, body=tuple(body), outputs=(*program.outputs, *outputs))


def _named_partials(assign: ir.Assign, moving: list[dict[str, Node]]) -> list[ir.Assign]:
    """The partial derivatives of an assignment that is one call, each computed once for all parameters."""
    call = assign.value
    assert isinstance(call, Call)
    changes = [_changes(call, tangents) for tangents in moving]
    return [
        ir.Assign(
            f"{assign.target}_by{position}",
            PARTIALS[call.function][position](call.arguments, Name(assign.target)),
            f"d {call.function} / d argument {position + 1}",
            assign.section,
        )
        for position in range(len(call.arguments))
        if any(change[position] is not None for change in changes)
    ]


def _tangent(
    node: Node, tangents: Mapping[str, Node], target: str = "", partials: Mapping[str, Node] | None = None
) -> Node | None:
    """A node's derivative, given those of names; None where it is 0 by construction.

    `target` is the name of the node's value, where it has one, and `partials` are its own, by name.
    """
    match node:
        case Number() | Pi():
            return None
        case Name(name):
            return tangents.get(name)
        case Add(terms):
            return _sum([_tangent(term, tangents) for term in terms])
        case Multiply(factors):
            moved = [(i, _tangent(factor, tangents)) for i, factor in enumerate(factors)]
            return _sum(
                [
                    None if change is None else Multiply((*factors[:i], change, *factors[i + 1 :]))
                    for i, change in moved
                ]
            )
        case Divide(numerator, denominator):
            above, below = _tangent(numerator, tangents), _tangent(denominator, tangents)
            return _sum(
                [
                    None if above is None else Divide(above, denominator),
                    None if below is None else minus(Multiply((node, Divide(below, denominator)))),
                ]
            )
        case Power(base, exponent):
            change = _tangent(base, tangents)
            lower = base if exponent == 2 else Power(base, exponent - 1)
            return None if change is None else Multiply((Number(Fraction(exponent)), lower, change))
        case Call("positive", (argument,)):
            return _tangent(argument, tangents)
        case Call("sine" | "angle" | "arcsine"):
            return _of_pair(node, tangents, Name(target) if target else node)
        case Call(function, arguments):
            found: list[Node | None] = []
            for position, change in enumerate(_changes(node, tangents)):
                if change is not None:
                    own = (partials or {}).get(f"{target}_by{position}")
                    own = own or PARTIALS[function][position](arguments, node)
                    term: Node = change if own == ONE else Multiply((own, change))
                    found.append(where_positive(Call("abs", (own,)), term) if function in VANISHING else term)
            return _sum(found)
        case Select(relation, left, right, yes, no):
            changes = _tangent(yes, tangents), _tangent(no, tangents)
            if changes == (None, None):
                return None
            return Select(relation, left, right, changes[0] or ZERO, changes[1] or ZERO)


def _sum(terms: Sequence[Node | None]) -> Node | None:
    left = tuple(term for term in terms if term is not None)
    return left[0] if len(left) == 1 else Add(left) if left else None


def _changes(call: Call, tangents: Mapping[str, Node]) -> list[Node | None]:
    """What a call's arguments change by; of a quadrant by h and k in units of their deviations, and by the turn of (u, v)."""
    changes = [_tangent(argument, tangents) for argument in call.arguments]
    if call.function != "quadrant":
        return changes
    h, k, a, b, c, _ = call.arguments
    dh, dk, da, db, _, dshift = changes
    scaled = [
        _sum([change, None if growth is None else minus(Multiply((HALF, place, growth)))])
        for place, change, growth in ((h, dh, _ratio(da, a)), (k, dk, _ratio(db, b)))
    ]
    turned, _ = _turned((a, b, c), tangents)
    return [*scaled, None, None, turned, dshift]


def _ratio(change: Node | None, var: Node) -> Node | None:
    return None if change is None else Divide(change, Call("positive", (var,)))


def _turned(arguments: tuple[Node, ...], tangents: Mapping[str, Node]) -> tuple[Node | None, Node | None]:
    """Of a pair's variances a, b and covariance c: sqrt(a b) d rho = dc - c/2 (da/a + db/b), and da/a + db/b."""
    a, b, c = arguments
    growth = _sum([_ratio(_tangent(a, tangents), a), _ratio(_tangent(b, tangents), b)])
    across = None if growth is None else minus(Multiply((HALF, c, growth)))
    return _sum([_tangent(c, tangents), across]), growth


def _of_pair(call: Call, tangents: Mapping[str, Node], value: Node) -> Node | None:
    """Of sine and angle, through the turn v = sqrt(a b) d rho / s = -d theta that both share.

    Its rounding, eps / theta, cancels to the last bit in d sine - c d theta, where kappa's derivative holds it: the next
    layer's turn would divide it by theta once more.
    """
    turned, growth = _turned(call.arguments, tangents)
    if turned is None:
        return None
    s = value if call.function == "sine" else Call("sine", call.arguments)
    turn = where_positive(s, Divide(turned, s))
    if call.function != "sine":
        return turn if call.function == "arcsine" else minus(turn)
    scaled = None if growth is None else Multiply((HALF, s, growth))
    return _sum([scaled, minus(Multiply((call.arguments[2], turn)))])

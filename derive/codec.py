"""Canonical JSON of the intermediate representation, and its strict reader: a kernel file is not trusted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import keyword
import re
import typing
from fractions import Fraction
from typing import Any

from derive import ir
from derive.baselines import baseline_ir
from derive.errors import BadKernelFile

VERSION = 3
LONGEST = 8_000_000
"""Characters; a network of 64 layers takes about 100,000."""
DEEPEST = 60
_LENGTHS = {("dense",): 5, ("activation",): 3}
"""Entries of a layer of each kind."""
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}\Z")
_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        *typing.get_args(ir.Node),
        ir.Assign,
        ir.Program,
        ir.FunctionIR,
        ir.SeriesIR,
        ir.DualIR,
        ir.ActivationIR,
        ir.KernelIR,
    )
}


def to_json(kernel: ir.KernelIR) -> str:
    """Canonical JSON: equal text for equal kernels, numbers exact."""
    return _dumps({"quasintk_ir": VERSION, "kernel": _encode(kernel)})


def from_json(text: str) -> ir.KernelIR:
    """Read a kernel back, checking every node.

    Raises
    ------
    BadKernelFile
        If the text is no kernel of this version, or holds anything but the known nodes.
    """
    if len(text) > LONGEST:
        raise BadKernelFile(f"The kernel file has {len(text)} characters; more than {LONGEST} are not read.")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadKernelFile(f"The kernel file is no JSON: {error}.") from None
    if not isinstance(content, dict) or "quasintk_ir" not in content:
        raise BadKernelFile(
            "The file holds no kernel: make one with `quasintk derive EXPR --format json -o FILE`."
        )
    if content["quasintk_ir"] != VERSION:
        raise BadKernelFile(
            f"The kernel file has version {content['quasintk_ir']}, this program reads {VERSION}: derive it again."
        )
    kernel = _decode(content.get("kernel"), 0)
    if not isinstance(kernel, ir.KernelIR):
        raise BadKernelFile("The file's main entry is no kernel.")
    _check_kernel(kernel)
    return kernel


def activation_to_json(activation: ir.ActivationIR) -> str:
    """Canonical JSON of what was derived of one activation."""
    return _dumps(_encode(activation))


def activation_from_json(text: str) -> ir.ActivationIR:
    """Read it back, checking every node; raises BadKernelFile."""
    try:
        activation = _decode(json.loads(text), 0)
    except (ValueError, RecursionError) as error:
        raise BadKernelFile(f"The stored activation is no JSON: {error}.") from None
    if not isinstance(activation, ir.ActivationIR):
        raise BadKernelFile("The stored activation is damaged.")
    _check_duals((activation.dual,))
    for program in _programs_of(activation.function):
        _check_program(program)
    return activation


def signature(value: Any) -> str:
    """SHA-256 of a node's, program's or kernel's structure; parameter values do not count."""
    if isinstance(value, ir.KernelIR):
        value = dataclasses.replace(value, parameters=(), duals=())
    return hashlib.sha256(f"{VERSION}:{_dumps(_encode(value))}".encode()).hexdigest()


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"node": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, Fraction):
        return {"number": _number_text(value)}
    return value


def _number_text(value: Fraction) -> str | float:
    """A JSON number where the fraction is a double (its shortest decimal reads back exactly), else "p/q"."""
    try:
        as_float = float(value)
    except OverflowError:
        return str(value)
    return as_float if Fraction(as_float) == value else str(value)


def _decode(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise BadKernelFile("The kernel file is nested too deeply.")
    if isinstance(value, list):
        return tuple(_decode(item, depth + 1) for item in value)
    if isinstance(value, dict) and value.keys() == {"number"}:
        return _fraction(value["number"])
    if isinstance(value, dict):
        cls = _CLASSES.get(str(value.get("node")))
        if cls is None or value.keys() != {"node", *(field.name for field in dataclasses.fields(cls))}:
            raise BadKernelFile(f"The kernel file has an unknown node {str(value.get('node'))[:40]!r}.")
        return cls(**{name: _decode(item, depth + 1) for name, item in value.items() if name != "node"})
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise BadKernelFile(f"The kernel file has an unexpected value {str(value)[:40]!r}.")


def _fraction(value: Any) -> Fraction:
    if isinstance(value, float) or (
        isinstance(value, str) and re.fullmatch(r"-?\d{1,1500}(/\d{1,1500})?", value)
    ):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError, OverflowError):
            pass
    raise BadKernelFile(f"The kernel file has a bad number {str(value)[:40]!r}.")


def _check_kernel(kernel: ir.KernelIR) -> None:
    programs = [kernel.pair, kernel.diagonal, *([] if kernel.domain is None else [kernel.domain])]
    if not isinstance(kernel.functions, tuple):
        raise BadKernelFile("The kernel file's functions are damaged.")
    _check_network(kernel)
    _check_duals(kernel.duals)
    own = [program for function in kernel.functions for program in _programs_of(function)]
    for program in (*programs, *own):
        _check_program(program)
    for program in (kernel.pair, kernel.diagonal):
        if {name for name, _ in program.outputs} != set(ir.OUTPUTS):
            raise BadKernelFile(f"The kernel file's programs must return {', '.join(ir.OUTPUTS)}.")
    layers = [i for i, function in enumerate(kernel.functions, 1) if function.series]
    if layers and kernel.domain is None:
        raise BadKernelFile("The kernel file lacks the domain of its Hermite series.")
    for program in programs:
        _check_layers(program, layers)
    if any(program.functions() & set(ir.SERIES) for program in own):
        raise BadKernelFile("The kernel file's functions call a kernel's.")
    programs += own
    values = _values_of(kernel)
    missing = {name for program in programs for name in program.parameters} - values.keys()
    if missing or not all(isinstance(value, Fraction) for value in values.values()):
        raise BadKernelFile(
            f"The kernel file lacks values of {', '.join(sorted(missing)) or 'some parameters'}."
        )


def _values_of(kernel: ir.KernelIR) -> dict[str, Any]:
    try:
        return dict(kernel.parameters)
    except (TypeError, ValueError):
        raise BadKernelFile("The kernel file's parameters are damaged.") from None


def _check_network(kernel: ir.KernelIR) -> None:
    """The layers are those of a network, or the one of a baseline; a baseline's programs are those of its formula."""
    layers = kernel.network if isinstance(kernel.network, tuple) else ()
    if kernel.baseline is not None:
        try:
            whole = kernel == baseline_ir(*kernel.baseline, _values_of(kernel))
        except (TypeError, ValueError) as error:
            raise BadKernelFile(f"The kernel file's baseline is damaged: {error}") from None
        if not whole:
            raise BadKernelFile(
                f"The kernel file's programs are not those of {kernel.baseline[0]}: make it again."
            )
        return
    whole = bool(layers) and all(
        isinstance(layer, tuple) and _LENGTHS.get(layer[:1]) == len(layer) for layer in layers
    )
    if not whole or sum(kind == "activation" for kind, *_ in layers) != len(kernel.functions):
        raise BadKernelFile("The kernel file's layers are damaged.")


def _programs_of(function: Any) -> list[Any]:
    """The programs of an activation's functions, its rule checked."""
    if (
        not isinstance(function, ir.FunctionIR)
        or not isinstance(function.text, str)
        or not function.text.isprintable()
    ):
        raise BadKernelFile("The kernel file's functions are damaged.")
    closed, rule = [function.mean, function.second_moment], function.series
    if rule is None:
        return [function.phi, function.dphi, *closed]
    try:
        numbers = [
            *rule.edges,
            *(number for kink in rule.kinks for number in kink),
            rule.smallest,
            rule.largest,
        ]
        whole = all(isinstance(number, Fraction) for number in numbers) and all(
            len(kink) == 2 for kink in rule.kinks
        )
        if (
            closed != [None, None]
            or not whole
            or list(rule.edges) != sorted(rule.edges)
            or len(numbers) > 1000
        ):
            raise ValueError("no rule")
    except (TypeError, AttributeError, ValueError):
        raise BadKernelFile("The kernel file's rule of integration is damaged.") from None
    return [function.phi, function.dphi]


def _check_layers(program: ir.Program, layers: list[int]) -> None:
    """Calls of kappa and the like name a layer that has a rule."""
    nodes = [assign.value for assign in program.body]
    while nodes:
        node = nodes.pop()
        nodes += ir.children(node)
        if isinstance(node, ir.Call) and node.function in ir.SERIES:
            layer, side = node.arguments[0], node.arguments[1]
            sides = [ir.Number(Fraction(0)), ir.Number(Fraction(1))]
            fits = isinstance(layer, ir.Number) and layer.value in layers
            if not fits or (node.function.endswith("diagonal") and side not in sides):
                raise BadKernelFile("The kernel file calls the series of a layer that has none.")


def _check_duals(duals: Any) -> None:
    try:
        for dual in duals:
            points, digits, seed = dual.certificate
            if (
                not isinstance(dual, ir.DualIR)
                or not all(type(n) is int for n in (points, seed))
                or digits < 0
            ):
                raise ValueError("no certificate")
            for _, node in dual.forms:
                _check_node(node, set(ir.names_in(node)))
            if not isinstance(dual.reason, str):
                raise ValueError("no reason")
    except (TypeError, AttributeError, ValueError) as error:
        raise BadKernelFile(f"The kernel file's formulas are damaged: {error}.") from None


def _check_program(program: Any) -> None:
    if not isinstance(program, ir.Program):
        raise BadKernelFile("The kernel file lacks a program.")
    try:
        _check_statements(program)
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        raise BadKernelFile(f"The kernel file holds a damaged program: {error}.") from None


def _check_statements(program: ir.Program) -> None:
    known: set[str] = set()
    for name in (*program.inputs, *program.parameters):
        _check_name(name, known)
    for assign in program.body:
        _check_node(assign.value, known)
        _check_name(assign.target, known)
        if not all(isinstance(text, str) and text.isprintable() for text in (assign.source, assign.section)):
            raise ValueError("a comment is not printable text")
    for name, node in program.outputs:
        _check_node(node, known)
        if not _IDENTIFIER.match(name):
            raise ValueError(f"bad output name {name[:40]!r}")


def _check_name(name: str, known: set[str]) -> None:
    if not _IDENTIFIER.match(name) or keyword.iskeyword(name) or name in known:
        raise ValueError(f"bad or repeated name {name[:40]!r}")
    known.add(name)


def _check_node(node: Any, known: set[str]) -> None:
    match node:
        case ir.Number(value):
            valid = isinstance(value, Fraction)
        case ir.Pi():
            valid = True
        case ir.Name(name):
            valid = name in known
        case ir.Power(_, exponent):
            valid = type(exponent) is int and 2 <= exponent <= 64
        case ir.Call(function, arguments):
            valid = ir.FUNCTIONS.get(function) == len(arguments)
        case ir.Select(relation=relation):
            valid = relation in ("<", "<=")
        case ir.Add(items) | ir.Multiply(items):
            valid = isinstance(items, tuple) and len(items) >= 2
        case ir.Divide():
            valid = True
        case _:
            valid = False
    if not valid:
        raise ValueError(f"bad node {str(node)[:60]}")
    for child in ir.children(node):
        _check_node(child, known)

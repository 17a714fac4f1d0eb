"""From generated text to callable functions: checked against a whitelist, compiled once per text."""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
import threading
import types
from functools import cache
from typing import Any

from numerics import mehler, special
from numerics.machine_code import keep_code, pointer

_MODULES = {"math", "numpy", "numba"}
_NODES = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign,
    ast.For, ast.While, ast.AugAssign, ast.Break, ast.If, ast.IfExp, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Call, ast.keyword, ast.Tuple,
    ast.Subscript, ast.Slice, ast.Attribute, ast.Name, ast.Constant, ast.Expr, ast.expr_context, ast.operator,
    ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip
_built: dict[str, types.ModuleType] = {}
_lock = threading.Lock()


def build(source: str) -> Any:
    """The module of an emitted text; texts that differ in comments only share one, and its compiled functions.

    Raises
    ------
    ValueError
        If the text holds anything that emitted code never holds.

    Notes
    -----
    Numba compiles at the first call, in 0.5 to 2 s for a kernel of depth 3; the first with Hermite series of a process
    takes 5 s more. What it made is kept for other processes (`numerics.machine_code`).
    """
    with _lock:  # around the parser too: two threads in it can fail with a SystemError in Python 3.11
        tree = ast.parse(source)
        code = ast.dump(ast.Module(tree.body[1:], []))
        key = hashlib.sha256(code.encode()).hexdigest()
        if key not in _built:
            _built[key] = _load(tree, source, f"quasintk_generated_{key[:16]}")
        return _built[key]


def _load(tree: ast.Module, source: str, name: str) -> types.ModuleType:
    _check(tree)
    module = types.ModuleType(name, ast.get_docstring(tree))
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    # Numba names functions after the module where it finds them: stored ones must be told apart.
    sys.modules[name] = module
    pointers = _pointers(tree)
    exec(compile(tree, filename, "exec"), module.__dict__)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and ast.dump(node) == _library().get(node.name, (None, None))[0]:
            setattr(module, node.name, _library()[node.name][1])
    keep_code(module, tree)
    for function, signature in pointers.items():
        setattr(module, function, pointer(getattr(module, function), signature))
    return module


def _pointers(tree: ast.Module) -> dict[str, str]:
    """The functions under @cfunc(signature), which is taken off them: it would compile at once, and store nothing."""
    found = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef(
                name=name,
                decorator_list=[
                    ast.Call(func=ast.Name(id="cfunc"), args=[ast.Constant(value=str(signature))])
                ],
            ):
                found[name] = signature
                node.decorator_list = []
    return found


@cache
def _library() -> dict[str, tuple[str, Any]]:
    """The functions whose text generated modules copy: the originals take the copies' place, compiled once."""
    originals = special.FUNCTIONS | mehler.FUNCTIONS
    return {
        name: (ast.dump(ast.parse(special.text_of(function)).body[0]), function)
        for name, function in originals.items()
    }


def _check(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            imported = [node.module or ""]
        private = [text for text in (getattr(node, "id", ""), getattr(node, "attr", "")) if "__" in text]
        if not isinstance(node, _NODES) or private or not set(imported) <= _MODULES:
            raise ValueError(
                f"Line {getattr(node, 'lineno', '?')} of the generated code holds {ast.dump(node)[:80]}, "
                "which no generated code holds; it was not run."
            )

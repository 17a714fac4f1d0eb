"""Machine code of generated modules, kept between processes beside the derivations (`derive.cache`, decision 13)."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import json
import pickle
import types
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config, sigutils
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from derive.cache import keep, recall

KIND = "machine code"
_dumps: Any = dumps
_signature: Any = sigutils.normalize_signature


class StoredCode(NullCache):
    """Numba's cache of one function: one text for every signature, believed only if whole and ours."""

    def __init__(self, module: str, function: str) -> None:
        self._function = [module, function]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is stored for a signature, None where it must be compiled."""
        target_context.refresh()
        text = recall(KIND, self._content(sig, target_context.codegen()), bool)
        with contextlib.suppress(Exception):  # of any kind: what another build of Numba reads otherwise
            rebuild: Any = CompileResult._rebuild
            return text and rebuild(target_context, *pickle.loads(_unpacked(text)))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store what was compiled; what holds addresses of this process cannot be."""
        if not data.lifted and not data.library.has_dynamic_globals:
            keep(KIND, self._content(sig, data.codegen), _packed(_dumps(data._reduce())))

    def _content(self, sig: Any, codegen: Any) -> str:
        """All that machine code depends on: text, signature, options, libraries and the processor."""
        options = [str(getattr(config, name)) for name in ("BOUNDSCHECK", "OPT", "DEBUGINFO_DEFAULT")]
        machine = [numba.__version__, llvmlite.__version__, *map(str, codegen.magic_tuple())]
        return json.dumps([*self._function, str(sig), _library(), options, machine])


def keep_code(module: types.ModuleType, tree: ast.Module) -> None:
    """Let the functions of a module which none of its functions call be stored; what they call is compiled into them."""
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for name, function in vars(module).items():
        if isinstance(function, Dispatcher) and function.__module__ == module.__name__ and name not in called:
            vars(function)["_cache"] = StoredCode(module.__name__, name)


def pointer(function: types.FunctionType, signature: str) -> Any:
    """numba.cfunc of a generated function, its machine code stored."""
    found: Any = CFunc(function, _signature(signature), {}, {})
    found._cache = StoredCode(function.__module__, function.__name__)
    found.compile()
    return found


def _packed(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 1)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


@cache
def _library() -> str:
    """Hash of the sources that generated modules copy or call."""
    return hashlib.sha256(
        b"".join((Path(__file__).parent / f"{name}.py").read_bytes() for name in ("special", "mehler"))
    ).hexdigest()

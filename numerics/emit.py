"""Readable Python modules from the intermediate representation: Numba for speed, NumPy for reading and reuse.

An emitted module imports math, numpy and numba only and stands alone. Parameters are arguments of its
functions, so that changing a value compiles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from textwrap import indent
from typing import assert_never

from derive import ir
from numerics import special
from numerics.emit_fill import loops, split
from numerics.rules import Rules, has_series


@dataclass(frozen=True)
class Dialect:
    """How one target writes functions, constants and a choice between two values."""

    imports: str
    compiled: bool
    decorator: str
    pi: str
    functions: Mapping[str, str]
    select: str


def emit_numba(kernel: ir.KernelIR, outputs: tuple[str, ...], title: str) -> str:
    """Module of a kernel for Numba: `pair`, `diagonal`, and `fill`, `fill_diagonal` over arrays.

    `fill(dots, q_x, X, q_y, Y, parameters, out)` sets out[o, i, j] to output o of rows i and j, given their
    inner products dots[i, j] = x_i . y_j / d; the exact diagonal is used where both rows are equal. X and Y hold what depends on
    one row alone, from `rows(q_x, parameters, X)`, shapes (values of `row`, n). With Hermite series they are each
    row's coefficients, from `tables(q_x, parameters, X, margins, f)`, and the last argument of all loops is the module's `f`, the
    activations: a pointer that machine code for other processes must not hold.
    """
    if not has_series(kernel):
        parts = split(kernel.pair.restricted(*outputs))
        text = _kernel_module(kernel, outputs, title, NUMBA, vars(parts))
        return f"{text}\n\n{loops(parts, len(outputs))}"
    text = _kernel_module(kernel, outputs, title, NUMBA)
    parameters = "".join(f", parameters[{i}]" for i in range(len(kernel.pair.parameters)))
    return f"{text}\n\n" + _SERIES_LOOPS.format(parameters=parameters)


def emit_numpy(kernel: ir.KernelIR, outputs: tuple[str, ...], title: str) -> str:
    """Module of a kernel for NumPy: `pair` and `diagonal`, elementwise on arrays."""
    return _kernel_module(kernel, outputs, title, NUMPY)


def emit_values(kernel: ir.KernelIR) -> str:
    """NumPy module with `pair` and `diagonal`, which return every quantity of the recursion, in its order."""
    programs = {}
    for name, program in (("pair", kernel.pair), ("diagonal", kernel.diagonal)):
        everything = tuple((assign.target, ir.Name(assign.target)) for assign in program.body)
        programs[name] = replace(program, outputs=everything)
    return _module(programs, kernel, "Quantities of a kernel.", NUMPY)


def emit_domain(kernel: ir.KernelIR) -> str:
    """NumPy module with `domain(q_x, parameters...)`, elementwise; positive where the kernel is finite and certified."""
    if kernel.domain is None:
        raise ValueError("This kernel's second moments are finite everywhere.")
    return _module({"domain": kernel.domain}, kernel, "Domain of a kernel.", NUMPY)


def emit_functions(functions: tuple[ir.FunctionIR, ...], values: Mapping[str, Fraction]) -> str:
    """Numba module of a network's activations: `phi(layer, x)` and `dphi(layer, x)`, layers from 0.

    The activations' parameters have the given values.
    """
    kinds = list(dict.fromkeys(functions))
    programs = {
        f"{name}_{i}": getattr(kind, name) for i, kind in enumerate(kinds) for name in ("phi", "dphi")
    }
    text = _module(programs, None, "Activations " + ", ".join(kind.text for kind in kinds) + ".", NUMBA)
    for name in ("phi", "dphi"):
        cases = []
        for layer, function in enumerate(functions):
            arguments = ", ".join(["x", *(repr(float(values[p])) for p in function.phi.parameters)])
            cases.append(
                f"    if layer == {layer}:\n        return {name}_{kinds.index(function)}({arguments})\n"
            )
        text += f"\n\n@njit\ndef {name}(layer, x):\n" + "".join(cases) + "    return x\n"
    return text


def emit_activation(function: ir.FunctionIR) -> str:
    """NumPy module with `phi(x, parameters...)` and `dphi(x, parameters...)` of one activation, elementwise."""
    programs = {"phi": function.phi, "dphi": function.dphi}
    return _module(programs, None, f"Activation {function.text}.", NUMPY)


def _kernel_module(
    kernel: ir.KernelIR,
    outputs: tuple[str, ...],
    title: str,
    dialect: Dialect,
    parts: Mapping[str, ir.Program] | None = None,
) -> str:
    programs = {"pair": kernel.pair.restricted(*outputs), "diagonal": kernel.diagonal.restricted(*outputs)}
    programs |= {name: program for name, program in (parts or {}).items() if program.outputs}
    if has_series(kernel) and dialect.compiled:
        programs["fill_table"] = _table_program(kernel)
    return _module(programs, kernel, title, dialect)


def _table_program(kernel: ir.KernelIR) -> ir.Program:
    """The diagonal as far as the second moments of series layers go, then the domain's margin."""
    assert kernel.domain is not None
    seconds = tuple(
        (assign.target, ir.Name(assign.target))
        for assign in kernel.diagonal.body
        if isinstance(assign.value, ir.Call) and assign.value.function == "kappa_diagonal"
    )
    names = tuple(name for name, _ in seconds)
    body = replace(kernel.diagonal, outputs=seconds).restricted(*names).body
    missing = tuple(assign for assign in kernel.domain.body if assign not in body)
    return replace(kernel.domain, body=body + missing)


def _module(
    programs: Mapping[str, ir.Program], kernel: ir.KernelIR | None, title: str, dialect: Dialect
) -> str:
    """The module of some programs; `kernel` says what the layers of Hermite series are."""
    rules = Rules.of(kernel, dialect.compiled)
    inner = {**rules.functions, **programs}
    used = {function for program in inner.values() for function in program.functions()}
    constants, helpers = special.texts(used & special.FUNCTIONS.keys(), dialect.compiled)
    constants = "\n".join(filter(None, (constants, rules.constants)))
    imports = dialect.imports if not constants else _with_numpy(dialect.imports)
    if rules.kinds and dialect.compiled:
        imports = imports.replace("import njit", "import cfunc, njit")
    head = [f'"""{title}"""', "\n".join(filter(None, (imports, constants and f"\n{constants}")))]
    functions = [_function(name, program, dialect, rules) for name, program in rules.functions.items()]
    functions += rules.helpers
    functions += [_function(name, program, dialect, rules) for name, program in programs.items()]
    return "\n\n".join(head) + "\n\n\n" + "\n\n".join([*helpers, *functions])


def _with_numpy(imports: str) -> str:
    return (
        imports
        if "numpy" in imports
        else imports.replace("import math\n\n", "import math\n\nimport numpy as np\n")
    )


def _function(name: str, program: ir.Program, dialect: Dialect, rules: Rules) -> str:
    lines, section, printer = [], "", _Printer(dialect, rules, "XY" if name == "pair" else "XX")
    width = max((len(line) for line in map(printer.assign, program.body)), default=0)
    for assign in program.body:
        if assign.section != section:
            section = assign.section
            lines.append(f"# {section}")
        if name == "fill_table":
            lines += printer.rows(assign.value)
        lines.append(f"{printer.assign(assign).ljust(min(width, 72))}  # {assign.source}")
    results = [printer.node(node, 0) for _, node in program.outputs]
    if name in ("pair", "diagonal", "row", "joined"):
        lines.append(f"return ({', '.join(results)},)")
    else:
        lines.append(f"return {results[0]}")
    tables = {"pair": ("X", "Y"), "diagonal": ("X",), "fill_table": ("X",)}
    extra = ("f", *tables[name]) if name in tables and rules.kinds and dialect.compiled else ()
    arguments = ", ".join((*program.inputs, *extra, *program.parameters))
    decorator = (
        dialect.decorator.replace(")", ", forceinline=True)") if name == "joined" else dialect.decorator
    )
    return f"{decorator}def {name}({arguments}):\n" + indent("\n".join(lines), "    ") + "\n"


SUM, PRODUCT, POWER = 1, 2, 3
"""Binding strengths; what binds less than its place asks for is put in brackets."""


@dataclass(frozen=True)
class _Printer:
    dialect: Dialect
    rules: Rules
    tables: str = "XY"

    def assign(self, assign: ir.Assign) -> str:
        return f"{assign.target} = {self.node(assign.value, 0)}"

    def rows(self, node: ir.Node) -> list[str]:
        """The lines that fill a layer's table, before the first use of its second moment."""
        lines = [line for child in ir.children(node) for line in self.rows(child)]
        if isinstance(node, ir.Call) and node.function == "kappa_diagonal":
            number, _, var = node.arguments
            assert isinstance(number, ir.Number)
            layer, at = int(number.value), self.node(var, 0)
            k = self.rules.kinds[layer]
            for slope, heights in enumerate(("SMOOTH", "HEIGHTS")):
                rule = f"EDGES_{k}, KINKS_{k}, {heights}_{k}"
                lines.append(f"fill_row(f, {2 * k + slope}, {rule}, {at}, X[{layer - 1}, {slope}])")
        return lines

    def node(self, node: ir.Node, place: int) -> str:
        text, strength = self._print(node)
        return f"({text})" if strength < place else text

    def _print(self, node: ir.Node) -> tuple[str, int]:
        match node:
            case ir.Number(value):
                return _number(value)
            case ir.Pi():
                return self.dialect.pi, POWER + 1
            case ir.Name(name):
                return name, POWER + 1
            case ir.Add(terms):
                return self._sum(terms), SUM
            case ir.Multiply((ir.Number(Fraction(numerator=-1, denominator=1)), *factors)):
                return "-" + " * ".join(self.node(factor, POWER) for factor in factors), SUM
            case ir.Multiply(factors):
                return " * ".join(self.node(factor, PRODUCT) for factor in factors), PRODUCT
            case ir.Divide(numerator, denominator):
                return f"{self.node(numerator, PRODUCT)} / {self.node(denominator, POWER)}", PRODUCT
            case ir.Power(base, exponent):
                return f"{self.node(base, POWER + 1)}**{exponent}", POWER
            case ir.Call(function, arguments):
                text = [self.node(argument, 0) for argument in arguments]
                if function in ir.SERIES:
                    return self.rules.call(
                        function, arguments, text, self.dialect.compiled, self.tables
                    ), POWER + 1
                return f"{self.dialect.functions[function]}({', '.join(text)})", POWER + 1
            case ir.Select(relation, left, right, yes, no):
                parts = (self.node(part, 0) for part in (left, right, yes, no))
                return self.dialect.select.format(*parts, relation=relation), POWER + 1
            case _:
                assert_never(node)

    def _sum(self, terms: tuple[ir.Node, ...]) -> str:
        text = ""
        for term in terms:
            part = self.node(term, PRODUCT if text and isinstance(term, ir.Add) else SUM)
            text += f" - {part[1:]}" if text and part.startswith("-") else f"{' + ' if text else ''}{part}"
        return text


def _number(value: Fraction) -> tuple[str, int]:
    if value.denominator == 1:
        return f"{value.numerator}.0", POWER + 1 if value >= 0 else SUM
    return f"{value.numerator}.0 / {value.denominator}.0", PRODUCT if value >= 0 else SUM


_ELEMENTARY = ("sqrt", "exp", "log", "sin", "cos", "tanh", "sinh", "cosh")

NUMBA = Dialect(
    imports="import math\n\nfrom numba import njit",
    compiled=True,
    decorator='@njit(error_model="numpy")\n',
    pi="math.pi",
    functions={
        **{name: f"math.{name}" for name in (*_ELEMENTARY, "atan", "erf", "erfc")},
        **{name: name for name in ("abs", "max", "min", *special.FUNCTIONS)},
    },
    select="({2} if {0} {relation} {1} else {3})",
)

NUMPY = Dialect(
    imports="import math\n\nimport numpy as np",
    compiled=False,
    decorator="",
    pi="np.pi",
    functions={
        **{name: f"np.{name}" for name in (*_ELEMENTARY, "abs", "sign")},
        **{name: f'np.vectorize(math.{name}, otypes="d")' for name in ("erf", "erfc")},
        **{"atan": "np.arctan", "max": "np.maximum", "min": "np.minimum"},
        **{name: name for name in special.FUNCTIONS if name != "sign"},
    },
    select="np.where({0} {relation} {1}, {2}, {3})",
)

_SERIES_LOOPS = '''\
@njit(nogil=True, error_model="numpy")
def fill(dots, q_x, X, q_y, Y, parameters, out, f):
    """out[o, i, j] = output o of row i and row j, from their inner products over d.

    The row of larger |x|^2 goes first: K(x, y) is K(y, x) to the last bit.
    """
    for i in range(dots.shape[0]):
        for j in range(dots.shape[1]):
            if dots[i, j] == q_x[i] and dots[i, j] == q_y[j]:
                values = diagonal(q_x[i], f, X[i]{parameters})
            else:
                first, second = (X[i], Y[j]) if q_x[i] >= q_y[j] else (Y[j], X[i])
                high, low = max(q_x[i], q_y[j]), min(q_x[i], q_y[j])
                values = pair(high, low, dots[i, j], f, first, second{parameters})
            for o in range(out.shape[0]):
                out[o, i, j] = values[o]


@njit(nogil=True, error_model="numpy")
def fill_diagonal(q_x, X, parameters, out, f):
    """out[o, i] = output o of row i with itself."""
    for i in range(q_x.shape[0]):
        values = diagonal(q_x[i], f, X[i]{parameters})
        for o in range(out.shape[0]):
            out[o, i] = values[o]


@njit(nogil=True, error_model="numpy")
def tables(q_x, parameters, X, margins, f):
    """X[i] = Hermite coefficients of row i, layer by layer; margins[i] > 0 where they are certified."""
    for i in range(q_x.shape[0]):
        margins[i] = fill_table(q_x[i], f, X[i]{parameters})
'''

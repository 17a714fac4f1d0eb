"""Loops over tiles for Numba: what depends on one row is computed once per row, the rest in a loop that vectorises."""

from __future__ import annotations

from dataclasses import dataclass, replace

from derive import ir

INPUTS = {"q_x": "x", "q_y": "y", "m_0": "m"}


@dataclass(frozen=True)
class Split:
    """A pair's program in three: of x alone, of y alone, and the rest, whose inputs are values of the first two and m_0."""

    row_x: ir.Program
    row_y: ir.Program
    joined: ir.Program


def split(pair: ir.Program) -> Split:
    """Every assignment goes to the rows it depends on; what depends on neither stays with the rest."""
    depends = {name: {of} for name, of in INPUTS.items()}
    for assign in pair.body:
        depends[assign.target] = {of for name in ir.names_in(assign.value) for of in depends.get(name, ())}
    alone = {name: of for of in "xy" for name, found in depends.items() if found == {of}}
    body = tuple(assign for assign in pair.body if assign.target not in alone)
    nodes = [assign.value for assign in body] + [node for _, node in pair.outputs]
    read = dict.fromkeys(name for node in nodes for name in ir.names_in(node))
    values = {of: tuple(name for name in read if alone.get(name) == of) for of in "xy"}
    joined = replace(pair, inputs=(*values["x"], *values["y"], "m_0"), body=body)
    return Split(_row(pair, "q_x", values["x"]), _row(pair, "q_y", values["y"]), joined)


def _row(pair: ir.Program, given: str, values: tuple[str, ...]) -> ir.Program:
    named = replace(pair, inputs=(given,), outputs=tuple((name, ir.Name(name)) for name in values))
    return named.restricted(*values) if values else replace(named, body=())


def loops(found: Split, outputs: int) -> str:
    """`rows_x`, `rows_y`, `fill` and `fill_diagonal` as text; rows of which nothing is needed have no function."""
    parameters = found.joined.parameters
    left, right = (len(program.outputs) for program in (found.row_x, found.row_y))
    arguments = [
        *(f"x_{k}" for k in range(left)),
        *(f"y_{k}[j]" for k in range(right)),
        "m[j]",
        *parameters,
    ]
    names = "".join(f", {name}" for name in parameters)
    unpacked = "".join(f"\n    {name} = parameters[{i}]" for i, name in enumerate(parameters))
    store = [f"o_{k}[j] = values[{k}]" for k in range(outputs)]
    rows = [
        _ROWS.format(of=of, OF=of.upper(), side=side, parameters=unpacked, names=names)
        for of, side, count in (("x", "left", left), ("y", "right", right))
        if count
    ]
    return "\n\n".join(
        [
            *rows,
            _FILL.format(
                parameters=unpacked,
                names=names,
                y="".join(f"\n    y_{k} = Y[{k}]" for k in range(right)),
                x="".join(f"\n        x_{k} = X[{k}, i]" for k in range(left)),
                o="".join(f"\n        o_{k} = out[{k}, i]" for k in range(outputs)),
                arguments=", ".join(arguments),
                store="".join(f"\n            {line}" for line in store),
                patch="".join(f"\n                {line}" for line in store),
            ),
        ]
    )


_ROWS = '''\
@njit(nogil=True, error_model="numpy")
def rows_{of}(q_{of}, parameters, {OF}):
    """{OF}[:, i] = what depends on row i alone, standing on the {side}."""{parameters}
    for i in range(q_{of}.size):
        values = row_{of}(q_{of}[i]{names})
        for k in range({OF}.shape[0]):
            {OF}[k, i] = values[k]
'''

_FILL = '''\
@njit(nogil=True, error_model="numpy")
def fill(dots, q_x, X, q_y, Y, parameters, out):
    """out[o, i, j] = output o of row i and row j, from their inner products over d; equal rows go through `diagonal`."""{parameters}{y}
    for i in range(dots.shape[0]):
        m = dots[i]{x}{o}
        for j in range(m.size):
            values = joined({arguments}){store}
        for j in range(m.size):
            if m[j] == q_x[i] and m[j] == q_y[j]:
                values = diagonal(q_x[i]{names}){patch}


@njit(nogil=True, error_model="numpy")
def fill_diagonal(q_x, X, parameters, out):
    """out[o, i] = output o of row i with itself."""{parameters}
    for i in range(q_x.shape[0]):
        values = diagonal(q_x[i]{names})
        for o in range(out.shape[0]):
            out[o, i] = values[o]
'''

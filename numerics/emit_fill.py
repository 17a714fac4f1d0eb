"""Loops over tiles for Numba: what depends on one row is computed once per row, the rest in a loop that vectorises."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from derive import ir

INPUTS = {"q_x": "x", "q_y": "y", "m_0": "m"}


@dataclass(frozen=True)
class Split:
    """A pair's program in two: of one row alone, and the rest, whose inputs are its values for x, those for y, and m_0."""

    row: ir.Program
    joined: ir.Program


def split(pair: ir.Program) -> Split:
    """Every assignment goes to the row it depends on, x or y, if the other has one like it; everything else is the rest."""
    depends = {name: {of} for name, of in INPUTS.items()}
    for assign in pair.body:
        depends[assign.target] = {of for name in ir.names_in(assign.value) for of in depends.get(name, ())}
    single = {name: of for of in "xy" for name, found in depends.items() if found == {of}}
    alone = {name: of for name, of in single.items() if single.get(_mirrored(name), of) != of}
    body = tuple(assign for assign in pair.body if assign.target not in alone)
    nodes = [assign.value for assign in body] + [node for _, node in pair.outputs]
    read = dict.fromkeys(name for node in nodes for name in ir.names_in(node))
    values = dict.fromkeys(name if alone[name] == "x" else _mirrored(name) for name in read if name in alone)
    joined = replace(pair, inputs=(*values, *map(_mirrored, values), "m_0"), body=body)
    named = replace(pair, inputs=("q_x",), outputs=tuple((name, ir.Name(name)) for name in values))
    return Split(named.restricted(*values) if values else replace(named, body=()), joined)


def _mirrored(name: str) -> str:
    """Q_x_1 to Q_y_1, and back."""
    return re.sub(r"(?<=_)[xy](?=\d*(_|$))", lambda found: "yx"["xy".index(found[0])], name)


def loops(found: Split, outputs: int) -> str:
    """`rows`, `fill` and `fill_diagonal` as text; without a value of one row alone there is no `rows`."""
    parameters = [
        f"parameter_{i}" for i in range(len(found.joined.parameters))
    ]  # typed names may be any of ours
    count = range(len(found.row.outputs))
    turned = [
        line
        for k in count
        for line in (f"a_{k} = y_{k} if swap else x_{k}", f"b_{k} = x_{k} if swap else y_{k}")
    ]
    arguments = [*(f"a_{k}" for k in count), *(f"b_{k}" for k in count), "m[j]", *parameters]
    names = "".join(f", {name}" for name in parameters)
    unpacked = "".join(f"\n    {name} = parameters[{i}]" for i, name in enumerate(parameters))
    store = [f"o_{k}[j] = values[{k}]" for k in range(outputs)]
    fill = _FILL.format(
        parameters=unpacked,
        names=names,
        Y="".join(f"\n    Y_{k} = Y[{k}]" for k in count),
        x="".join(f"\n        x_{k} = X[{k}, i]" for k in count),
        o="".join(f"\n        o_{k} = out[{k}, i]" for k in range(outputs)),
        y="".join(f"\n            y_{k} = Y_{k}[j]" for k in count),
        turned="".join(f"\n            {line}" for line in turned),
        arguments=", ".join(arguments),
        store="".join(f"\n            {line}" for line in store),
        patch="".join(f"\n                {line}" for line in store),
    )
    return f"{_ROWS.format(parameters=unpacked, names=names)}\n\n{fill}" if count else fill


_ROWS = '''\
@njit(nogil=True, error_model="numpy")
def rows(q_x, parameters, X):
    """X[:, i] = what depends on row i alone."""{parameters}
    for i in range(q_x.size):
        values = row(q_x[i]{names})
        for k in range(X.shape[0]):
            X[k, i] = values[k]
'''

_FILL = '''\
@njit(nogil=True, error_model="numpy")
def fill(dots, q_x, X, q_y, Y, parameters, out):
    """out[o, i, j] = output o of row i and row j, from their inner products over d; equal rows go through `diagonal`.

    The row of larger |x|^2 goes first: K(x, y) is K(y, x) to the last bit.
    """{parameters}{Y}
    for i in range(dots.shape[0]):
        m = dots[i]
        q = q_x[i]{x}{o}
        for j in range(m.size):
            swap = q_y[j] > q{y}{turned}
            values = joined({arguments}){store}
        for j in range(m.size):
            if m[j] == q and m[j] == q_y[j]:
                values = diagonal(q{names}){patch}


@njit(nogil=True, error_model="numpy")
def fill_diagonal(q_x, X, parameters, out):
    """out[o, i] = output o of row i with itself."""{parameters}
    for i in range(q_x.shape[0]):
        values = diagonal(q_x[i]{names})
        for o in range(out.shape[0]):
            out[o, i] = values[o]
'''

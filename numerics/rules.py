"""What generated code holds for layers whose dual is a Hermite series: their rules, and the calls of kappa."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from derive import ir
from numerics import mehler, mehler_numpy


def different_rules(kernel: ir.KernelIR) -> list[ir.FunctionIR]:
    """The activations with Hermite series; the k-th one's functions are phi_k and dphi_k in generated code."""
    return list(dict.fromkeys(function for function in kernel.functions if function.series is not None))


def has_series(kernel: ir.KernelIR) -> bool:
    """Whether some activation's dual is a Hermite series."""
    return any(function.series for function in kernel.functions)


@dataclass(frozen=True)
class Rules:
    """What the layers of Hermite series need in a module: kinds[l] is the number of layer l's activation."""

    kinds: Mapping[int, int] = field(default_factory=dict)
    functions: Mapping[str, ir.Program] = field(default_factory=dict)
    constants: str = ""
    helpers: tuple[str, ...] = ()

    @staticmethod
    def of(kernel: ir.KernelIR | None, compiled: bool) -> Rules:
        """Those of a kernel; without one, or without series, none."""
        if kernel is None or not has_series(kernel):
            return Rules()
        different = different_rules(kernel)
        constants, helpers = mehler.texts() if compiled else mehler_numpy.texts()
        for k, function in enumerate(different):
            constants += "\n" + _rule_text(k, function, compiled)
        if compiled:
            cases = [f"    if slot == {2 * k + s}:\n        return {('phi', 'dphi')[s]}_{k}(x)\n"
                     for k in range(len(different)) for s in (0, 1)]  # fmt: skip
            head = '@cfunc("float64(int64, float64)")\ndef f(slot, x):\n'
            helpers = [head + "".join(cases) + "    return math.nan\n", *helpers]
        return Rules(
            kinds={
                layer: different.index(f)
                for layer, f in enumerate(kernel.functions, 1)
                if f.series is not None
            },
            functions={
                f"{name}_{k}": getattr(f, name) for k, f in enumerate(different) for name in ("phi", "dphi")
            },
            constants=constants,
            helpers=tuple(helpers),
        )

    def call(
        self, name: str, arguments: tuple[ir.Node, ...], text: list[str], compiled: bool, tables: str
    ) -> str:
        """One of `derive.ir.SERIES`; `text` are the printed arguments, `tables` the names of the two rows' tables."""
        assert isinstance(arguments[0], ir.Number)
        layer = int(arguments[0].value)
        k, slope = self.kinds[layer], name.startswith("kappa_dot")
        f, heights, rule = ("dphi", "HEIGHTS", "JUMPS") if slope else ("phi", "SMOOTH", "RULE")
        if name.endswith("diagonal"):
            assert isinstance(arguments[1], ir.Number)
            table = tables[int(arguments[1].value)]
            return (
                f"{table}[{layer - 1}, {int(slope)}, 0]"
                if compiled
                else f"squared_norm({f}_{k}, {rule}_{k}, {text[2]})"
            )
        covariance = ", ".join(text[1:])
        if compiled:
            rows = ", ".join(f"{table}[{layer - 1}]" for table in tables)
            return f"kappa(f, {2 * k + slope}, EDGES_{k}, KINKS_{k}, {heights}_{k}, {rows}, {covariance})"
        return f"kappa({f}_{k}, {rule}_{k}, phi_{k}, RULE_{k}, {covariance})"


def _rule_text(k: int, function: ir.FunctionIR, compiled: bool) -> str:
    """The constants of one activation's rule."""
    assert function.series is not None
    columns = {
        "EDGES": function.series.edges,
        "KINKS": tuple(position for position, _ in function.series.kinks),
        "HEIGHTS": tuple(height for _, height in function.series.kinks),
    }
    lines = [f"\n# {function.text}"]
    for name, values in columns.items():
        inner = ", ".join(repr(float(value)) for value in values)
        lines.append(f"{name}_{k} = np.array(({inner}{',' if values else ''}))")
    lines.append(f"SMOOTH_{k} = 0.0 * HEIGHTS_{k}")
    if not compiled:
        rules = {"RULE": "SMOOTH", "JUMPS": "HEIGHTS"}
        lines += [f"{name}_{k} = (EDGES_{k}, KINKS_{k}, {heights}_{k})" for name, heights in rules.items()]
    return "\n".join(lines)

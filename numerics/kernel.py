"""Kernel: the one object users hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from derive import codec, ir
from derive.baselines import baseline_text, check_values
from derive.derivation import activations, formulas
from derive.errors import DerivationError, NoClosedForm
from derive.formulas import duals_of
from derive.ir import OUTPUTS, KernelIR
from derive.lower import network_of
from derive.network import Network
from derive.notebook import displayed
from derive.numbers import Real, as_text, exact
from derive.printing import latex
from derive.recursion import Dual, LayerMoments, Recursion
from derive.trace import Step, proof
from numerics.arrays import as_output, as_rows
from numerics.build import build
from numerics.emit import emit_domain, emit_numba, emit_numpy, emit_values
from numerics.gram_route import gram_route
from numerics.interpret import MULTIPRECISION, interpret
from numerics.memory import guard
from numerics.operator import GramOperator
from numerics.pair_route import outside
from numerics.route import routes
from numerics.rules import has_series
from numerics.sphere import OnSphere

CONVENTIONS = """\
Inputs x of d features enter as q = |x|^2 / d and m = p = x.y / d, with NTK 0.
A dense layer maps h of width n to u = W_std sqrt(1 / (e n)) W h + b_std b, with b ~ N(0, I) and
W a stochastic rounding of latent weights w; r = E[w^2] / E[W^2], e = E[W^2].
"nngp" is m, the kernel of the network averaged over the rounding; "rounding" is p - m, the covariance that
the rounding adds; "ntk" is the inner product of the averaged network's parameter gradients{parameterization}."""
BASELINE_CONVENTIONS = """\
Inputs x of d features enter through D = |x - y|^2 / d; on |x|^2 = d with cosine t it is 2 (1 - t).
Lengths are relative to sqrt(d). There is one kernel: "ntk" and "nngp" both give it, "rounding" is 0."""

EQUATIONS = 30
"""Of a recursion, that a notebook shows of the first layers."""


@dataclass(frozen=True)
class Kernel:
    """The kernels of an infinitely wide network with rounded weights, or a baseline (`quasintk.baselines`).

    Calling it gives Gram matrices. It is fully described by its intermediate representation `ir`,
    as which it is stored and pickled; formulas are derived from it again, and code compiled, when asked for.

    Examples
    --------
    >>> import quasintk as qn
    >>> kernel = qn.kernel("relu", depth=3, weights="binary", W_std=1.4142)
    >>> kernel([[1.0, 0.0], [0.0, 1.0]]).shape
    (2, 2)
    """

    ir: ir.KernelIR

    def __call__(self, X: object, Y: object = None, get: str | tuple[str, ...] = "ntk") -> Any:
        """Kernel matrix of the rows of X with the rows of Y, or of X with itself.

        Parameters
        ----------
        X, Y : array, shapes (n, d) and (m, d)
        get : "ntk", "nngp", "rounding", or a tuple of them

        Returns
        -------
        ndarray, shape (n, m), or a tuple of them
            float32 if all inputs are float32, else float64.

        Raises
        ------
        TypeError, ValueError
            If the data are no finite real rows, or X and Y differ in their number of features.
        NotEnoughMemory
            If the result exceeds 80 % of the available memory.
        """
        outputs = _outputs(get)
        rows, dtype = as_rows(X)
        if Y is None:
            guard(len(outputs) * len(rows) ** 2, dtype.itemsize, None, f"The Gram matrix of {len(rows)} rows")
            result = np.empty((len(outputs), len(rows), len(rows)), dtype)
            gram_route(self, outputs, dtype, rows).symmetric(result)
        else:
            others, other_dtype = as_rows(Y, "Y")
            if rows.shape[1] != others.shape[1]:
                raise ValueError(
                    f"X has shape {rows.shape} and Y {others.shape}: the numbers of features differ."
                )
            dtype = np.promote_types(dtype, other_dtype)
            shape = (len(outputs), len(rows), len(others))
            guard(shape[0] * shape[1] * shape[2], dtype.itemsize, None, f"The {shape[1]} x {shape[2]} matrix")
            result = np.empty(shape, dtype)
            whole = slice(0, len(rows)), slice(0, len(others))
            gram_route(self, outputs, dtype, rows, others).block(*whole, result)
        return result[0] if isinstance(get, str) else tuple(result)

    def diag(self, X: object, get: str | tuple[str, ...] = "ntk") -> Any:
        """K(x, x) of every row of X, shape (n,), or a tuple of them; what the Gram matrix has on its diagonal."""
        rows, dtype = as_rows(X)
        result = gram_route(self, _outputs(get), dtype, rows).diagonal().astype(dtype, copy=False)
        return result[0] if isinstance(get, str) else tuple(result)

    def operator(self, X: object, get: str = "ntk") -> GramOperator:
        """The Gram matrix as a `scipy.sparse.linalg.LinearOperator` that never holds it."""
        return GramOperator(self, X, get)

    def on_sphere(self, q: Real = 1.0, get: str = "ntk") -> OnSphere:
        """K(t) for inputs with |x|^2 = |y|^2 = q d and cosine t."""
        return OnSphere(self, exact(q, "q"), get)

    def with_parameters(self, **values: Real) -> Kernel:
        """The same kernel with other parameter values: nothing is derived or compiled again.

        Raises
        ------
        ValueError
            If a name is unknown, or a value outside its domain.
        """
        known = self.parameters
        unknown = sorted(values.keys() - known.keys())
        if unknown:
            raise ValueError(f"Unknown parameter {unknown[0]!r}: this kernel has {', '.join(known)}.")
        changed = {name: exact(value, name) for name, value in values.items()}
        if self.ir.baseline is not None:
            check_values(*self.ir.baseline, {**known, **changed})
        else:
            changed = {name: _valid(name, value) for name, value in changed.items()}
        return Kernel(replace(self.ir, parameters=tuple({**known, **changed}.items())))

    @property
    def parameters(self) -> dict[str, Fraction]:
        """Exact values of the run-time parameters."""
        return dict(self.ir.parameters)

    @property
    def parameter_values(self) -> NDArray[np.float64]:
        """The parameters as the compiled code takes them."""
        return np.array([float(value) for _, value in self.ir.parameters])

    @property
    def signature(self) -> str:
        """Hash of the structure, without the parameters' values."""
        return codec.signature(self.ir)

    @property
    def network(self) -> Network:
        """The network, with this kernel's parameter values; raises DerivationError for a baseline, which has none."""
        return network_of(self.ir)

    @property
    def derivation(self) -> Recursion:
        """The recursion in SymPy, for a pair and for the diagonal."""
        return formulas(self.ir)

    @property
    def duals(self) -> tuple[Dual, ...]:
        """The dual of every different activation: formulas with their certificate, or a certified rule."""
        if self.ir.baseline is not None:
            return ()
        return tuple(duals_of(self.network, activations(self.ir)).values())

    @property
    def route(self) -> tuple[str, ...]:
        """How the dual of each activation layer is obtained, and how well it is known; for |x|^2 = d."""
        return routes(self.ir, self.parameter_values)

    def require_closed(self) -> Kernel:
        """The kernel itself; raises NoClosedForm if some dual is a Hermite series."""
        for stored in activations(self.ir).values():
            if stored.function.series is not None:
                raise NoClosedForm(stored.dual.reason)
        return self

    @property
    def trace(self) -> tuple[Step, ...]:
        """The derivation as a proof, from the activations to the kernel: rule, source and expression of every step.

        1 to 10 s: the duals are derived once more, step by step.
        """
        steps = [step for dual in self.duals for step in proof(dual)]
        return (
            *steps,
            *(
                Step(layer.title, e.source, f"{e.symbol} = {e.value}")
                for layer in self.layers
                for e in layer.equations
            ),
        )

    @property
    def layers(self) -> tuple[LayerMoments, ...]:
        """Every layer's equations for a pair, with their sources, and the moments behind it."""
        return self.derivation.pair

    @property
    def expressions(self) -> dict[str, sympy.Expr]:
        """Right-hand side of every equation by name, in the order of computation."""
        return {str(e.symbol): e.value for layer in self.layers for e in layer.equations}

    def latex(self) -> str:
        """The recursion as LaTeX, one aligned line per equation."""
        return "\\begin{aligned}\n" + " \\\\\n".join(_lines(self.layers)) + "\n\\end{aligned}"

    def source(self, target: str = "numba", get: str | tuple[str, ...] = OUTPUTS) -> str:
        """Generated code as text: "numba" or "numpy"."""
        emitters = {"numba": emit_numba, "numpy": emit_numpy}
        if target not in emitters:
            raise ValueError(f"target must be 'numba' or 'numpy', got {target!r}.")
        return emitters[target](self.ir, _outputs(get), _title(self))

    @property
    def conventions(self) -> str:
        """What the numbers mean."""
        if self.ir.baseline is not None:
            return BASELINE_CONVENTIONS
        latent = " with respect to the latent weights themselves"
        return CONVENTIONS.format(parameterization=latent if self.ir.parameterization == "latent" else "")

    @property
    def jumps(self) -> bool:
        """Whether some activation jumps: the NTK then holds the point masses of phi', which no sampled gradient sees."""
        return any(self.ir.jumping)

    @property
    def homogeneous(self) -> bool:
        """Whether scaling an input by s > 0 scales the kernels by a power of s."""
        biases = (value for name, value in self.ir.parameters if name.startswith("b_std"))
        return self.ir.homogeneity is not None and not any(biases)

    def explain(self, x: object, y: object) -> dict[str, float]:
        """Every quantity of the recursion for one pair of inputs (d,), by name, by the interpreter."""
        pair = [np.asarray(x), np.asarray(y)]
        if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
            raise ValueError(f"x and y must have one shape (d,), got {pair[0].shape} and {pair[1].shape}.")
        rows, _ = as_rows(np.stack(pair))
        q_x, q_y, m_0 = ((float(a @ b) / rows.shape[1]) for a, b in ((rows[0],) * 2, (rows[1],) * 2, rows))
        if has_series(self.ir):
            return self._explain_series(q_x, q_y, m_0)
        with mpmath.workdps(100):
            inputs = {"q_x": mpmath.mpf(q_x), "q_y": mpmath.mpf(q_y), "m_0": mpmath.mpf(m_0)}
            largest = mpmath.sqrt(inputs["q_x"] * inputs["q_y"]) * (1 - mpmath.mpf(10) ** -32)
            parallel = self.ir.baseline is None and abs(inputs["m_0"]) > largest
            if parallel:  # the formulas' limit, to 16 digits
                inputs["m_0"] = mpmath.sign(inputs["m_0"]) * largest
            values = interpret(self.ir.pair, {**self.parameters, **inputs}, MULTIPRECISION)
        return {name: float(value) for name, value in values.items()}

    def _explain_series(self, q_x: float, q_y: float, m_0: float) -> dict[str, float]:
        """The same by a generated NumPy module: Hermite series are for float64."""
        margin = self.margin(np.array([q_x, q_y]))
        if margin is not None and not (margin > 0).all():
            raise DerivationError(outside(self, f"|x|^2 / d = {(q_x, q_y)[int(np.argmin(margin > 0))]:.6g}"))
        inputs = {"q_x": q_x, "q_y": q_y, "m_0": m_0}
        with np.errstate(all="ignore"):
            values = build(emit_values(self.ir)).pair(*inputs.values(), *self.parameter_values)
        named = dict(zip((assign.target for assign in self.ir.pair.body), map(float, values), strict=True))
        known = {**{name: float(value) for name, value in self.parameters.items()}, **inputs, **named}
        last = {name: known[node.name] for name, node in self.ir.pair.outputs if isinstance(node, ir.Name)}
        return {**known, **last}

    def margin(self, q: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """1 - Q / bound of every row's |x|^2 / d, least over the layers; the kernel is infinite where it is not positive.

        None where no second moment can be infinite.
        """
        if self.ir.domain is None:
            return None
        with np.errstate(all="ignore"):
            values = _domain(self.structure).domain(q, *self.parameter_values)
        return np.where(np.isfinite(values), values, -1.0)

    def compiled(self, outputs: tuple[str, ...]) -> Any:
        """The compiled module of these outputs."""
        return _compiled(self.structure, outputs)

    @property
    def structure(self) -> KernelIR:
        """The representation without its parameters' values, on which no code depends."""
        return replace(self.ir, parameters=tuple((name, Fraction(1)) for name, _ in self.ir.parameters))

    def to_json(self) -> str:
        """The kernel as text, read back by `Kernel.from_json`."""
        return codec.to_json(self.ir)

    @staticmethod
    def from_json(text: str) -> Kernel:
        """Read a kernel from `to_json`'s text; raises BadKernelFile on anything else."""
        return Kernel(codec.from_json(text))

    def __reduce__(self) -> tuple[Any, ...]:
        return Kernel.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={as_text(value)}" for name, value in self.ir.parameters)
        return f"<{_name(self.ir)}; {values}>"

    def _repr_latex_(self) -> str:
        values = (
            rf"{latex(sympy.Symbol(name))} = {as_text(value)}" for name, value in self.parameters.items()
        )
        return displayed([f"& {', '.join(values)}", *_shortened(self.layers)])


def _shortened(layers: tuple[LayerMoments, ...]) -> Iterator[str]:
    """The equations of the first layers, and of the last one."""
    counts = accumulate(len(layer.equations) for layer in layers)
    first = sum(count <= EQUATIONS for count in counts)
    if first >= len(layers) - 1:
        yield from _lines(layers)
        return
    yield from _lines(layers[:first])
    yield r"&\ \,\vdots"
    yield from _lines(layers[-1:])


def _lines(layers: tuple[LayerMoments, ...]) -> Iterator[str]:
    return (f"{latex(e.symbol)} &= {latex(e.value)}" for layer in layers for e in layer.equations)


@lru_cache(maxsize=256)
def _compiled(structure: ir.KernelIR, outputs: tuple[str, ...]) -> Any:
    return build(emit_numba(structure, outputs, _title(Kernel(structure))))


@lru_cache(maxsize=256)
def _domain(structure: ir.KernelIR) -> Any:
    return build(emit_domain(structure))


def network_text(kernel: ir.KernelIR) -> str:
    """The layers in one line, or a baseline's name."""
    if kernel.baseline is not None:
        return baseline_text(*kernel.baseline)
    names = {
        ("normal", None): "real",
        ("uniform", 2): "binary",
        ("uniform", 3): "ternary",
        ("two-point", 2): "rounded",
    }
    parts = []
    for kind, *rest in kernel.network:
        if kind == "activation":
            parts.append(rest[0])
        else:
            levels, latent, trained, _ = rest
            law = names.get((latent, levels), f"{levels} levels")
            parts.append(f"Dense({law}{'' if trained else ', not trained'})")
    return " -> ".join(parts)


def _name(kernel: ir.KernelIR) -> str:
    return f"Kernel {'of ' if kernel.baseline is None else ''}{network_text(kernel)}"


def _title(kernel: Kernel) -> str:
    return f"{_name(kernel.ir)}.\n\nGenerated by quasintk; signature {kernel.signature[:16]}.\n"


def _outputs(get: str | tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(get) if get and isinstance(get, tuple | list) else (get,)
    return tuple(map(as_output, names))


def _valid(name: str, value: Fraction) -> Fraction:
    if name.startswith("b_std") and value < 0:
        raise ValueError(f"{name} must not be negative, got {as_text(value)}.")
    if not name.startswith("b_std") and value <= 0:
        raise ValueError(f"{name} must be positive, got {as_text(value)}.")
    if name.startswith("latent_fraction") and value > 1:
        raise ValueError(f"{name} must lie in (0, 1], got {as_text(value)}.")
    return value

"""The intermediate representation: straight-line programs over scalar nodes, frozen, hashable, exact.

Executable code is built from it alone, and it is what a kernel is stored and pickled as: canonical JSON
with a version. Nodes carry numbers as fractions; parameters are names, their values stand apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

OUTPUTS = ("ntk", "nngp", "rounding")
"""What a kernel's programs give: the NTK, m, and p - m."""

FUNCTIONS: dict[str, int] = {
    "sqrt": 1, "exp": 1, "log": 1, "sin": 1, "cos": 1, "tanh": 1, "sinh": 1, "cosh": 1,
    "atan": 1, "erf": 1, "erfc": 1, "abs": 1, "sign": 1, "heaviside": 1, "max": 2, "min": 2,
    "positive": 1, "sine": 3, "angle": 3, "arcsine": 3, "tail": 3, "quadrant": 6, "sinh_scaled": 2,
    "kappa": 4, "kappa_dot": 4, "kappa_diagonal": 3, "kappa_dot_diagonal": 3,
}  # fmt: skip
"""Functions a Call may name, with their number of arguments; those of Gaussian probability are `derive.special`'s.

positive(x) = max(x, 1e-100) keeps a variance that is 0 from dividing 0 by 0.
kappa(l, var1, var2, cov12) = E[phi(u) phi(v)] and kappa_dot, with phi', belong to the l-th activation layer, counted
from 1, whose dual is a Hermite series; kappa_diagonal(l, side, var) = E[phi(u)^2], side 0 for x and 1 for y.
"""
SERIES = ("kappa", "kappa_dot", "kappa_diagonal", "kappa_dot_diagonal")


@dataclass(frozen=True)
class Number:
    """An exact number."""

    value: Fraction


@dataclass(frozen=True)
class Pi:
    """The circle's number."""


@dataclass(frozen=True)
class Name:
    """An input, a parameter or an earlier assignment's target."""

    name: str


@dataclass(frozen=True)
class Add:
    """Sum of two or more terms, from left to right."""

    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Multiply:
    """Product of two or more factors, from left to right."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Divide:
    """numerator / denominator."""

    numerator: Node
    denominator: Node


@dataclass(frozen=True)
class Power:
    """base^exponent, exponent an integer from 2 on."""

    base: Node
    exponent: int


@dataclass(frozen=True)
class Call:
    """One of FUNCTIONS."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Select:
    """`yes` where left <relation> right, else `no`."""

    relation: Literal["<", "<="]
    left: Node
    right: Node
    yes: Node
    no: Node


Node = Number | Pi | Name | Add | Multiply | Divide | Power | Call | Select


@dataclass(frozen=True)
class Assign:
    """target = value; `source` is the equation it is an instance of, `section` the layer it belongs to."""

    target: str
    value: Node
    source: str
    section: str


@dataclass(frozen=True)
class Program:
    """Straight-line code: inputs and parameters, assignments, outputs.

    Attributes
    ----------
    inputs, parameters : tuple of str
    body : tuple of Assign
        Each target once, defined before it is used.
    outputs : tuple of (str, Node)
        Result name and the number or name that holds it.
    """

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    body: tuple[Assign, ...]
    outputs: tuple[tuple[str, Node], ...]

    def restricted(self, *outputs: str) -> Program:
        """Only these outputs, in this order, and only what they need.

        Raises
        ------
        ValueError
            If the program has no such output.
        """
        known = dict(self.outputs)
        unknown = [name for name in outputs if name not in known]
        if unknown or not outputs:
            raise ValueError(
                f"get must be one of {', '.join(map(repr, known))} or a tuple of them, got {outputs!r}."
            )
        chosen = tuple((name, known[name]) for name in outputs)
        needed = {name for _, node in chosen for name in names_in(node)}
        body: list[Assign] = []
        for assign in reversed(self.body):
            if assign.target in needed:
                body.append(assign)
                needed |= set(names_in(assign.value))
        return replace(self, body=tuple(reversed(body)), outputs=chosen)

    def functions(self) -> set[str]:
        """Names of all functions called."""
        return {node.function for node in self._nodes() if isinstance(node, Call)}

    def selects(self) -> bool:
        """Whether a value is chosen by a comparison."""
        return any(isinstance(node, Select) for node in self._nodes())

    def _nodes(self) -> Iterator[Node]:
        """All nodes, outputs included."""
        nodes = [assign.value for assign in self.body] + [node for _, node in self.outputs]
        while nodes:
            node = nodes.pop()
            yield node
            nodes += children(node)


@dataclass(frozen=True)
class SeriesIR:
    """How Gaussian expectations of an activation without a closed form are computed (`derive.rule`).

    Attributes
    ----------
    edges : tuple of Fraction
        Between two of them phi and phi' are polynomials of degree 31 to all digits that count.
    kinks : tuple of (Fraction, Fraction)
        Those edges where phi or a derivative jumps, with the jump of phi itself.
    smallest, largest : Fraction
        The certified variances.
    """

    edges: tuple[Fraction, ...]
    kinks: tuple[tuple[Fraction, Fraction], ...]
    smallest: Fraction
    largest: Fraction


@dataclass(frozen=True)
class FunctionIR:
    """One activation's functions of a single neuron (theory.md, section 2).

    phi(x) and dphi(x) = phi'(x), and of the quasi network mean(nu, sig) = mu' and
    second_moment(nu, sig) = tau', which have a closed form where `series` is None.
    """

    text: str
    phi: Program
    dphi: Program
    mean: Program | None
    second_moment: Program | None
    series: SeriesIR | None = None


@dataclass(frozen=True)
class DualIR:
    """The formulas of one activation's dual and their certificate (`derive.dual.DualActivation`).

    Attributes
    ----------
    activation : str
        Its name or text.
    forms : tuple of (str, Node)
        Those that are finite, by name; none where the dual is a Hermite series.
    homogeneity : int or None
    certificate : tuple
        Number of points, whole digits and seed.
    reason : str
        Why there is no closed form, where there is none.
    """

    activation: str
    forms: tuple[tuple[str, Node], ...]
    homogeneity: int | None
    certificate: tuple[int, int, int]
    reason: str = ""


@dataclass(frozen=True)
class ActivationIR:
    """What is derived of one activation, whatever network it stands in."""

    dual: DualIR
    function: FunctionIR


@dataclass(frozen=True)
class KernelIR:
    """A kernel of (q_x, q_y, m_0), all that numerics needs.

    Attributes
    ----------
    network : tuple of tuple
        The layers as plain values: ("dense", levels, latent, trained, label) or ("activation", text, parameters);
        of a baseline the one entry ("baseline", family, number) (`derive.baselines`).
    parameterization : str
    homogeneity : int or None
    pair, diagonal : Program
        Outputs "ntk", "nngp", "rounding", for x and y and for x = y.
    domain : Program or None
        Output "margin" from q_x: positive where all second moments are finite; None where they always are.
    functions : tuple of FunctionIR
        One for each activation layer.
    duals : tuple of DualIR
        One for each different activation.
    parameters : tuple of (str, Fraction)
        Values, not part of the signature.
    """

    network: tuple[tuple[Any, ...], ...]
    parameterization: str
    homogeneity: int | None
    pair: Program
    diagonal: Program
    domain: Program | None
    functions: tuple[FunctionIR, ...]
    duals: tuple[DualIR, ...]
    parameters: tuple[tuple[str, Fraction], ...]

    @property
    def baseline(self) -> tuple[str, int] | None:
        """Family and number of a baseline, a formula of the distance; None for a network's kernel."""
        match self.network:
            case (("baseline", str(family), int(number)),):
                return family, number
        return None

    @property
    def jumping(self) -> tuple[bool, ...]:
        """Of each activation layer, whether phi jumps: phi' then has point masses, which no sampled gradient sees."""
        names = [rest[0] for kind, *rest in self.network if kind == "activation"]
        forms = {dual.activation: dict(dual.forms) for dual in self.duals}
        return tuple(
            any(height for _, height in function.series.kinks)
            if function.series is not None
            else "dphi_diagonal" not in forms[name]
            for name, function in zip(names, self.functions, strict=True)
        )


def names_in(node: Node) -> Iterator[str]:
    """All names a node reads."""
    if isinstance(node, Name):
        yield node.name
    for child in children(node):
        yield from names_in(child)


def children(node: Node) -> tuple[Node, ...]:
    """Direct operands of a node."""
    match node:
        case Number() | Pi() | Name():
            return ()
        case Add(terms):
            return terms
        case Multiply(factors):
            return factors
        case Divide(numerator, denominator):
            return (numerator, denominator)
        case Power(base, _):
            return (base,)
        case Call(_, arguments):
            return arguments
        case Select(_, left, right, yes, no):
            return (left, right, yes, no)

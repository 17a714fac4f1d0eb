"""A derivation written out as a proof: every step with its rule, its source and the expression it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy

from derive.gaussian import Problem, problem
from derive.parse import SYMBOL
from derive.recursion import Dual
from derive.series import SeriesDual
from derive.stein import Gaussian, probability, stein
from derive.terms import Gate, Point, Term, derivative, jumps_of, terms_of

THEORY = "theory.md, section 4"
STEIN = "E[x_i g] = m_i E[g] + sum_j C_ij E[dg/dx_j]; a step's derivative is a point mass"


@dataclass(frozen=True)
class Step:
    """One step of a proof.

    Attributes
    ----------
    rule : str
        What is done.
    source : str
        The identity or definition that allows it.
    expression : str
        What comes out.
    """

    rule: str
    source: str
    expression: str

    def __str__(self) -> str:
        return f"{self.rule} [{self.source}]\n    {self.expression}"


def proof(dual: Dual) -> tuple[Step, ...]:
    """How the dual of an activation is obtained, from its definition to its certificate."""
    return tuple(_of_series(dual) if isinstance(dual, SeriesDual) else _of_closed_form(dual))


def _of_series(dual: SeriesDual) -> Iterator[Step]:
    certificate = dual.certificate
    yield Step("activation", "definition", f"phi(x) = {dual.activation.text}")
    if dual.reason:
        yield Step("look for a closed form", THEORY, dual.reason)
    yield Step(
        "expand in Hermite polynomials",
        "Mehler's formula",
        "E[phi(u) phi(v)] = sum_j h_j(var1) h_j(var2) rho^j, h_j(var) = E[phi(sqrt(var) z) He_j(z)] / sqrt(j!)",
    )
    yield Step(
        "bound what is left out after J terms",
        "Cauchy-Schwarz",
        "|rest| <= |rho|^(J + 1) sqrt(E[phi(u)^2] - sum_j h_j(var1)^2) sqrt(E[phi(v)^2] - sum_j h_j(var2)^2)",
    )
    yield Step(
        "certificate",
        "independent quadrature",
        f"{certificate.digits:.0f} digits at {certificate.points} random variances, up to {float(dual.rule.largest):g}",
    )


def _of_closed_form(dual: Any) -> Iterator[Step]:
    activation, certificate = dual.activation, dual.certificate
    yield Step("activation", "definition", f"phi(x) = {activation.text}")
    terms, jumps = terms_of(activation), jumps_of(activation)
    slope = derivative(terms, jumps)
    yield Step("write as powers, exponentials, steps and Phi", THEORY, f"phi(x) = {_sum(terms)}")
    yield Step("differentiate; a jump gives a point mass", "product rule", f"phi'(x) = {_sum(slope)}")
    for name, factors, form in (("kappa", terms, dual.phi), ("kappa_dot", slope, dual.dphi)):
        function = "phi" if name == "kappa" else "phi'"
        yield Step(
            f"expand {name} into expectations of pairs of terms",
            "linearity",
            f"E[{function}(u) {function}(v)] = sum over the {len(factors)} x {len(factors)} pairs (s, t) of E[s(u) t(v)]",
        )
        yield from _pairs(factors)
        yield Step("collect and simplify", "algebra", f"{name}(var1, var2, cov12) = {form}")
    for name, form in (("E[phi(u)^2]", dual.phi_diagonal), ("E[phi'(u)^2]", dual.dphi_diagonal)):
        yield Step("the same in one variable", THEORY, f"{name} = {form} for Var u = q")
    yield Step(
        "certificate",
        "independent quadrature",
        f"{certificate.digits:.0f} digits at {certificate.points} random covariances",
    )


def _sum(terms: tuple[Term, ...]) -> str:
    return " + ".join(f"({_term(term, 'x')})" for term in terms) or "0"


def _term(term: Term, x: str) -> str:
    """coefficient x^power exp(alpha x + beta x^2) gate."""
    smooth = term.coefficient * SYMBOL**term.power * sympy.exp(term.alpha * SYMBOL + term.beta * SYMBOL**2)
    factor = f"({smooth})" if smooth.is_Add and term.gate is not None else str(smooth)
    inner = "" if term.gate is None else f" {_gate(term.gate)}"
    return f"{factor}{inner}".replace("x", x) if x != "x" else f"{factor}{inner}"


def _gate(gate: Gate | Point) -> str:
    if isinstance(gate, Point):
        return f"delta({SYMBOL - gate.at})"
    line = gate.slope * SYMBOL + gate.offset
    return f"Phi({line})" if gate.noise else f"1({line} > 0)"


def _pairs(terms: tuple[Term, ...]) -> Iterator[Step]:
    """The first pair of every kind written out: powers, exponentials and gates decide about the kind."""
    seen: dict[Any, int] = {}
    for s in terms:
        for t in terms:
            kind = tuple((x.power, x.alpha, x.beta, _kind(x.gate)) for x in (s, t))
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] == 1:
                yield from _pair(problem(s, t), s, t)
    if likewise := sum(count - 1 for count in seen.values()):
        yield Step("the other pairs", "likewise, with other thresholds", f"{likewise} more of these kinds")


def _kind(gate: Gate | Point | None) -> Any:
    return (type(gate), gate.noise, gate.slope) if isinstance(gate, Gate) else type(gate)


def _pair(found: Problem, s: Term, t: Term) -> Iterator[Step]:
    if s.alpha != 0 or t.alpha != 0 or s.beta != 0 or t.beta != 0:
        u, v = sympy.symbols("u v")
        exponent = s.alpha * u + s.beta * u**2 + t.alpha * v + t.beta * v**2
        yield Step(
            "complete the square",
            "tilting a Gaussian",
            f"E[exp({exponent}) g(u, v)] = {found.outer} E[g], u and v now of mean {found.mean} and covariance {found.cov}",
        )
    points = [(name, term.gate.at) for name, term in (("u", s), ("v", t)) if isinstance(term.gate, Point)]
    names = [name for name, term in (("u", s), ("v", t)) if not isinstance(term.gate, Point)]
    gates = [
        f"{_line(name, term.gate)}" for name, term in (("u", s), ("v", t)) if isinstance(term.gate, Gate)
    ]
    given = tuple(f"{name} = {at}" for name, at in points)
    if points:
        both = " ".join(f"delta({name} - {at})" for name, at in points)
        yield Step(
            "integrate over the point mass",
            "density of a Gaussian",
            f"E[{both} g] = {found.factor} E[g | {', '.join(given)}]",
        )
    yield from _reduced(_Expectation(found.gaussian, found.powers, tuple(names), tuple(gates), given), set())


def _line(name: str, gate: Gate) -> str:
    line = str(gate.slope * sympy.Symbol(name))
    return f"{line} + e_{name}" if gate.noise else line


@dataclass(frozen=True)
class _Expectation:
    """E[product of powers, steps | conditions], with the names of everything."""

    gaussian: Gaussian
    powers: tuple[int, ...]
    names: tuple[str, ...]
    lines: tuple[str, ...]
    given: tuple[str, ...]

    def __str__(self) -> str:
        monomials = [
            name if power == 1 else f"{name}^{power}"
            for name, power in zip(self.names, self.powers, strict=True)
            if power
        ]
        steps = [f"1({line} > {h})" for line, h in zip(self.lines, self.gaussian.thresholds, strict=True)]
        condition = f" | {', '.join(self.given)}" if self.given else ""
        return f"E[{' '.join([*monomials, *steps]) or '1'}{condition}]"


def _reduced(expectation: _Expectation, done: set[str]) -> Iterator[Step]:
    """Stein's identity until no power is left, then probabilities of half-spaces."""
    if str(expectation) in done:
        return
    done.add(str(expectation))
    gaussian = expectation.gaussian
    if not any(expectation.powers):
        value = sympy.Add(*(k * atom for atom, k in probability(gaussian).items()))
        value *= sympy.exp(-gaussian.shift)
        if expectation.lines:
            yield Step(
                "probability of a half-space or quadrant",
                "Sheppard; Tail and Quadrant by definition",
                f"{expectation} = {value}",
            )
        return
    summands = []
    for summand in stein(gaussian, expectation.powers):
        given, lines = expectation.given, expectation.lines
        factor = summand.factor * sympy.exp(summand.gaussian.shift - gaussian.shift)
        if summand.point is not None:
            k = summand.point - len(expectation.powers)
            given = (*given, f"{lines[k]} = {gaussian.thresholds[k]}")
            lines = (*lines[:k], *lines[k + 1 :])
        summands.append(
            (factor, _Expectation(summand.gaussian, summand.powers, expectation.names, lines, given))
        )
    right = " + ".join(f"({factor}) {inner}" for factor, inner in summands) or "0"
    yield Step("reduce a power", f"Stein: {STEIN}", f"{expectation} = {right}")
    for _, inner in summands:
        yield from _reduced(inner, done)

"""What was derived, as MathML: the activation, its dual, the recursion, and the proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from derive.dual import DualActivation
from derive.mathml import GLYPHS, fenced, mathml, row, word
from derive.mathtext import text_mathml
from derive.numbers import as_text
from derive.prediction import Prediction
from derive.recursion import Dual
from derive.series import SeriesDual
from derive.special import NAMES
from derive.trace import Step, proof
from numerics.kernel import Kernel

LONGEST = 40
"""Bits of a denominator whose decimals are written out."""
PHI, X = "<mi>φ</mi>", "<mi>x</mi>"
PRIME = '<mo lspace="0" rspace="0">′</mo>'


@dataclass(frozen=True)
class Line:
    """left = right, with the formula it is an instance of, all MathML."""

    left: str
    right: str
    source: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer's equations."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class ProofStep:
    """What is done, what allows it (in words, and where it is first used as MathML), and what comes out: MathML, or words."""

    rule: str
    source: str
    identity: str
    formula: str
    words: str


@dataclass(frozen=True)
class Dualised:
    """The dual of one activation.

    Attributes
    ----------
    lines : tuple of Line
        kappa, kappa_dot and E[phi^2]; of a Hermite series its sum and the bound on its rest.
    meanings : tuple of Line
        What the special functions in them are.
    digits, points : float, int
        Agreement with independent quadrature, at so many random covariances or variances.
    closed : bool
        Whether it is a closed form.
    reason : str
        Why it is not.
    steps : tuple of ProofStep
        From the definition to the certificate.
    """

    lines: tuple[Line, ...]
    meanings: tuple[Line, ...]
    digits: float
    points: int
    closed: bool
    reason: str
    steps: tuple[ProofStep, ...]


@dataclass(frozen=True)
class Formulas:
    """All formulas of a kernel.

    Attributes
    ----------
    activation : Line
        phi(x) = ...
    name, network, conventions, result : str
        The activation's name, the network in a line, what the numbers mean, and the NTK behind the last layer as MathML.
    route : tuple of str
    duals : tuple of Dualised
    layers : tuple of Layer
    parameters : tuple of (str, str)
        MathML of each run-time parameter, and its exact value.
    """

    activation: Line
    name: str
    network: str
    conventions: str
    result: Line
    route: tuple[str, ...]
    duals: tuple[Dualised, ...]
    layers: tuple[Layer, ...]
    parameters: tuple[tuple[str, str], ...]


def formulas_of(kernel: Kernel) -> Formulas:
    """The formulas of a network's kernel; 0.1 to 10 s, as `Kernel.trace` takes."""
    duals, layers = kernel.duals, kernel.layers
    first = duals[0].activation
    last = layers[-1].moments
    return Formulas(
        Line(_phi_of(X), mathml(first.expr)),
        first.name,
        repr(kernel).strip("<>").partition(";")[0].removeprefix("Kernel of "),
        kernel.conventions,
        Line("<mtext>NTK</mtext>", mathml(last.k)),
        kernel.route,
        tuple(map(_dual, duals)),
        tuple(
            Layer(
                layer.title,
                tuple(
                    Line(mathml(one.symbol), mathml(one.value), text_mathml(one.source))
                    for one in layer.equations
                ),
            )
            for layer in layers
        ),
        tuple((text_mathml(name), number_text(value)) for name, value in kernel.parameters.items()),
    )


def number_text(value: Fraction) -> str:
    """The shortest text that is read back to this number: a decimal where there is one, else a fraction."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    short = value.denominator.bit_length() <= LONGEST
    return (
        format(Decimal(value.numerator) / Decimal(value.denominator), "f")
        if rest == 1 and short
        else as_text(value)
    )


def law_mathml(prediction: Prediction) -> str:
    """The predicted law: lambda_k ~ C k^power rho^k with what is known of it."""
    k, eigenvalue = "<mi>k</mi>", "<msub><mi>λ</mi><mi>k</mi></msub>"
    if prediction.law == "finite-rank":
        return row(eigenvalue, "<mo>=</mo><mn>0</mn>", word(f"beyond degree {prediction.last}"))
    constant = _number(prediction.constant) if prediction.constant is not None else "<mi>C</mi>"
    if prediction.base is not None:
        above = f"<msup>{_number(prediction.base)}{k}</msup>"
        below = f"<mi mathvariant='normal'>Γ</mi>{fenced(k, '<mo>+</mo>', _fraction(Fraction(prediction.dim, 2)))}"
        return row(eigenvalue, "<mo>∼</mo>", constant, f"<mfrac>{above}<mrow>{below}</mrow></mfrac>")
    if prediction.law == "super-exponential":
        return row(eigenvalue, word("falls faster than every"), f"<msup><mi>ρ</mi>{k}</msup>")
    parts = [constant]
    if prediction.power is not None:
        parts.append(f"<msup>{k}{_number(prediction.power)}</msup>")
    if prediction.rate != 1:
        rho = mathml(prediction.exact) if prediction.exact is not None else _number(prediction.rate)
        parts.append(f"<msup>{fenced(rho) if prediction.exact is not None else rho}{k}</msup>")
    if prediction.stretch is not None:
        root = (
            f"<msup>{k}<mrow><mn>2</mn><mo>/</mo><mn>3</mn></mrow></msup>"
            if prediction.rate == 1
            else f"<msqrt>{k}</msqrt>"
        )
        exponent = row(_number(-prediction.stretch), '<mspace width="0.17em"/>', root)
        parts.append(f"<msup><mi mathvariant='normal'>e</mi>{exponent}</msup>")
    if prediction.oscillation is not None:
        wave = row(_number(prediction.oscillation), f"<msqrt>{k}</msqrt><mo>+</mo><mi>ϕ</mi>")
        parts.append(fenced("<mn>1</mn><mo>+</mo><mi>B</mi><mi>cos</mi>", fenced(wave)))
    return row(eigenvalue, "<mo>∼</mo>", row(*parts, between='<mspace width="0.17em"/>'))


def _number(value: float) -> str:
    """Six digits, powers of ten as such."""
    mantissa, _, exponent = f"{abs(value):.6g}".partition("e")
    digits = f"<mn>{mantissa}</mn>"
    if exponent:
        power = row("<mo>−</mo>" if exponent[0] == "-" else "", f"<mn>{int(exponent.lstrip('+-'))}</mn>")
        digits = f"<mrow>{digits}<mo>·</mo><msup><mn>10</mn><mrow>{power}</mrow></msup></mrow>"
    return f"<mrow><mo>−</mo>{digits}</mrow>" if value < 0 else digits


def _fraction(value: Fraction) -> str:
    whole = value.denominator == 1
    return (
        f"<mn>{value}</mn>"
        if whole
        else f"<mfrac><mn>{value.numerator}</mn><mn>{value.denominator}</mn></mfrac>"
    )


def _phi_of(argument: str, prime: str = "") -> str:
    return row(PHI, prime, fenced(argument)) if prime else row(PHI, fenced(argument))


def _expectation(*inside: str) -> str:
    return row("<mi mathvariant='normal'>E</mi>", fenced(*inside, fences="[]"))


_KAPPA, _KAPPA_DOT = GLYPHS["kappa"], GLYPHS["kappa_dot"]
_U, _V = "<mi>u</mi>", "<mi>v</mi>"
_MEANINGS = {
    "Tail": ("Tail(h)", "P(z > h)", "z ~ N(0, 1)"),
    "Quadrant": ("Quadrant(h, k; rho)", "P(u > h, v > k)", "u, v standard normal with correlation rho"),
}


def _dual(dual: Dual) -> Dualised:
    steps = tuple(_steps(proof(dual)))
    certificate = dual.certificate
    found = (certificate.digits, certificate.points)
    definitions = (
        row(_KAPPA, "<mo>=</mo>", _expectation(_phi_of(_U), _phi_of(_V))),
        row(_KAPPA_DOT, "<mo>=</mo>", _expectation(_phi_of(_U, PRIME), _phi_of(_V, PRIME))),
    )
    if isinstance(dual, SeriesDual):
        series = text_mathml("sum_j h_j(var1) h_j(var2) rho^j")
        slopes = text_mathml("sum_j g_j(var1) g_j(var2) rho^j")
        lines = (Line(definitions[0], series), Line(definitions[1], slopes))
        meanings = (
            Line(
                text_mathml("h_j(q)"),
                text_mathml("E[phi(sqrt(q) z) He_j(z)] / sqrt(j!)"),
                word("z standard normal; g likewise, of φ′"),
            ),
        )
        return Dualised(lines, meanings, *found, False, dual.reason, steps)
    return Dualised(_closed(dual, definitions), _meanings(dual), *found, True, "", steps)


def _closed(dual: DualActivation, definitions: tuple[str, str]) -> tuple[Line, ...]:
    square = row(_expectation(f"<msup>{_phi_of(_U)}<mn>2</mn></msup>"))
    return (
        Line(definitions[0], mathml(dual.phi)),
        Line(definitions[1], mathml(dual.dphi)),
        Line(square, mathml(dual.phi_diagonal), row(word("for variance"), "<mi>q</mi>")),
    )


def _meanings(dual: DualActivation) -> tuple[Line, ...]:
    used = {
        type(one).__name__ for form in (dual.phi, dual.dphi, dual.phi_diagonal) for one in form.atoms(*NAMES)
    }
    return tuple(Line(*map(text_mathml, texts)) for name, texts in _MEANINGS.items() if name in used)


def _steps(steps: Iterable[Step]) -> Iterator[ProofStep]:
    """An identity such as Stein's is written out once."""
    known: set[str] = set()
    for step in steps:
        source, _, identity = step.source.partition(": ")
        formula, _, remark = identity.partition("; ")
        first = (
            ""
            if not formula or source in known
            else row(text_mathml(formula), word(f"({remark})") if remark else "")
        )
        known.add(source)
        in_words = step.rule in ("certificate", "look for a closed form")
        shown = "" if in_words else text_mathml(step.expression)
        yield ProofStep(step.rule, source, first, shown, step.expression if in_words else "")

"""Closed forms as a textbook writes them."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

import sympy

from derive.special import Angle, Arcsine, Quadrant, Sine, SinhScaled, Tail
from derive.stein import ZERO, Combination

var1, var2 = sympy.symbols("var1 var2", positive=True)
cov12 = sympy.Symbol("cov12", real=True)
SPECIAL = (Quadrant, Tail, Angle)
LONG = 250
"""Operations beyond which a coefficient is left as it is."""
TOTAL = 2000
"""Operations beyond which a whole form is left as it was derived: it would not become readable."""


def present(combination: Combination) -> sympy.Expr:
    """sum coefficient * atom: real, with hyperbolic sines, arcsines or supplementary angles where they shorten it."""
    if any(expr.has(sympy.I) for item in combination.items() for expr in item):
        combination = _real_part(combination)
    if sum(expr.count_ops() for item in combination.items() for expr in item) > TOTAL:
        return sympy.Add(*(coefficient * atom for atom, coefficient in combination.items()))
    total: Combination = defaultdict(lambda: ZERO)
    for atom, coefficient in combination.items():
        total[_arguments(atom)] += coefficient
    terms = {atom: canonical(coefficient) for atom, coefficient in total.items()}
    terms = _hyperbolic({atom: coefficient for atom, coefficient in terms.items() if coefficient != 0})
    return _with_angles(terms)


@lru_cache(maxsize=4096)
def canonical(expr: sympy.Expr) -> sympy.Expr:
    """The shortest known form of an algebraic expression; A B - k^2 c^2 is written as Sine(A, B, k c)^2."""
    if expr.is_Atom:
        return expr
    expr = _roots(expr)
    names = {sine: sympy.Dummy("sine", positive=True) for sine in expr.atoms(Sine)}
    squares = {name: sine.args[0] * sine.args[1] - sine.args[2] ** 2 for sine, name in names.items()}
    back = {name: sine for sine, name in names.items()}
    flat = expr.xreplace(names)
    if flat.count_ops() > LONG:
        return expr
    numerator, denominator = (
        sympy.expand(_with_squares(part, squares)) for part in sympy.fraction(sympy.cancel(flat))
    )
    numerator, denominator = sympy.fraction(sympy.cancel(numerator / denominator))
    below = _factored(denominator)
    choices = [_factored(numerator) / below]
    for name, square in squares.items():
        if not numerator.has(name) and numerator.has(cov12) and square.has(cov12):
            quotient, rest = sympy.div(numerator, sympy.expand(square), cov12)
            if quotient != 0:
                choices.append((_factored(quotient) * name**2 + _factored(rest)) / below)
    shortest = min((sympy.factor_terms(choice) for choice in choices), key=sympy.count_ops)
    return shortest.xreplace(back)


def _with_squares(expr: sympy.Expr, squares: dict[sympy.Expr, sympy.Expr]) -> sympy.Expr:
    """Even powers of every Sine's name multiplied out."""
    for name, square in squares.items():
        expr = expr.replace(
            lambda e, name=name: e.is_Pow and e.base == name and e.exp.is_Integer and abs(e.exp) > 1,
            lambda e, square=square: square ** int(e.exp / 2) * e.base ** (e.exp - 2 * int(e.exp / 2)),
        )
    return expr


def _factored(poly: sympy.Expr) -> sympy.Expr:
    """The polynomial's factors, those that are a determinant as the square of a Sine."""
    if poly.count_ops() > LONG:
        return poly
    return sympy.Mul(
        *(
            (_determinant(factor.base) or factor.base) ** factor.exp
            if factor.is_Pow and factor.exp.is_Integer
            else _determinant(factor) or factor
            for factor in sympy.Mul.make_args(sympy.factor(poly))
        )
    )


def _roots(expr: sympy.Expr) -> sympy.Expr:
    """Square roots and Sines of rational expressions with the determinants in them recognised."""
    expr = expr.replace(lambda e: isinstance(e, Sine), lambda e: _root(e.elementary() ** 2))
    return expr.replace(
        lambda e: (
            e.is_Pow
            and e.exp.is_Rational
            and e.exp.q == 2
            and bool(e.base.free_symbols)
            and not e.base.is_Symbol
        ),
        lambda e: _root(e.base) ** (2 * e.exp),
    )


@lru_cache(maxsize=4096)
def _root(radicand: sympy.Expr) -> sympy.Expr:
    above, below = sympy.fraction(sympy.cancel(_elementary(radicand)))
    return sympy.sqrt(_factored(above)) / sympy.sqrt(_factored(below))


def _elementary(expr: sympy.Expr) -> sympy.Expr:
    return expr.replace(lambda e: isinstance(e, Sine), lambda e: e.elementary())


def _determinant(poly: sympy.Expr) -> sympy.Expr | None:
    """+-Sine(A, B, k cov12)^2 for +-(A(var1) B(var2) - k^2 cov12^2)."""
    if cov12 not in poly.free_symbols or not poly.is_polynomial(*poly.free_symbols):
        return None
    *leading, product = sympy.Poly(poly, cov12).all_coeffs()
    if len(leading) == 2 and leading[0].is_positive:
        opposite = _determinant(-poly)
        return None if opposite is None else -opposite
    if len(leading) != 2 or leading[1] != 0 or not (-leading[0]).is_positive or leading[0].free_symbols:
        return None
    factors = sympy.Mul.make_args(sympy.factor(product))
    number = sympy.Mul(*(f for f in factors if not f.free_symbols))
    bases = [f for f in factors if f.free_symbols]
    if not number.is_positive or sorted(str(b.free_symbols & {var1, var2}) for b in bases) != [
        "{var1}",
        "{var2}",
    ]:
        return None
    scale = sympy.sqrt(number)
    negative = [bool(base.subs({var1: 0, var2: 0}).is_negative) for base in bases]
    if sum(negative) % 2:
        return None
    bases = [-base if turned else base for base, turned in zip(bases, negative, strict=True)]
    return Sine(scale * bases[0], scale * bases[1], sympy.sqrt(-leading[0]) * cov12) ** 2


def _arguments(atom: sympy.Expr) -> sympy.Expr:
    """The atom with canonical arguments."""
    if atom.is_Atom:
        return atom
    if isinstance(atom, (*SPECIAL, sympy.exp)):
        return atom.func(*map(canonical, atom.args))
    return atom.func(*map(_arguments, atom.args))


def _real_part(terms: Combination) -> Combination:
    """exp of a complex shift as exp(real) cos(imaginary), the imaginary parts having cancelled."""
    whole = sympy.Add(*(sympy.expand(c * atom, complex=True) for atom, c in terms.items()))
    real: Combination = defaultdict(lambda: ZERO)
    for product in sympy.Add.make_args(sympy.expand(whole.as_real_imag()[0], power_exp=False)):
        coefficient, atom = product.as_independent(sympy.exp, sympy.cos, sympy.sin, as_Add=False)
        real[sympy.powsimp(atom, combine="exp")] += coefficient
    return real


def _hyperbolic(terms: Combination) -> Combination:
    """k (exp(A) - exp(B)) as 2 k exp((A + B) / 2) sinh((A - B) / 2), which keeps its digits where A - B is small."""
    found = {atom: k for atom, k in terms.items() if isinstance(atom, sympy.exp)}
    rest = {atom: k for atom, k in terms.items() if atom not in found}
    while found:
        first, k = found.popitem()
        second = next((atom for atom, other in found.items() if sympy.expand(k + other) == 0), None)
        if second is None:
            rest[first] = k
            continue
        del found[second]
        difference = canonical((first.exp - second.exp) / 2)
        sign = -1 if difference.could_extract_minus_sign() else 1
        rest[SinhScaled(sign * difference, canonical((first.exp + second.exp) / 2))] = 2 * sign * k
    return rest


def _with_angles(terms: Combination) -> sympy.Expr:
    """rest + slope * (pi - theta, arcsin rho or -theta), whichever leaves the shortest rest."""
    brackets = []
    for atom in [atom for atom in terms if atom.has(Angle)]:
        scale, theta = atom.as_independent(Angle, as_Add=False)
        slope, bare = terms.pop(atom), terms.get(scale, ZERO)
        choices = {sympy.pi: sympy.pi - theta, sympy.pi / 2: Arcsine(*theta.args), ZERO: -theta}
        rest = {shift: canonical(bare + slope * shift) for shift in choices}
        shift = min(choices, key=lambda shift: sympy.count_ops(rest[shift]))
        terms[scale] = rest[shift]
        brackets.append(-scale * slope * choices[shift])
    whole = sympy.Add(*(coefficient * atom for atom, coefficient in terms.items()), *brackets)
    if any(atom.has(*SPECIAL[:2], sympy.exp) for atom in terms) or whole.count_ops() > LONG:
        return whole
    return min(sympy.factor_terms(sympy.together(whole)), whole, key=sympy.count_ops)

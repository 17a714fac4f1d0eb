"""Where the dual of an activation is singular, and how (theory.md, section 5): the decay of Hermite coefficients.

kappa(rho) = sum_j h_j^2 rho^j at variance Q. On even and on odd j apart, h_j is asymptotically a sum of waves,

    h_j ~ g^(-j/2) j^(-(gamma + 1)/2) sum_i A_i exp(i theta_i sqrt(j)),

one for each kink s of phi (g = 1, theta = +-s / sqrt(Q)), for each complex singularity s of phi (g = 1, the same, decaying)
and for each exp(alpha x + beta x^2), alone or as the density of a Phi (g = 1 / |2b|, b = beta Q / (1 - 2 beta Q)).
Squares of such sums say how kappa behaves at rho = +-g.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from derive.activation import Activation
from derive.errors import BadExpression, DerivationError, NoClosedForm
from derive.numbers import divided_differences, mpf
from derive.parse import SYMBOL
from derive.parts import NOISE, Kind, Part, Wave
from derive.pieces import Pieces, pieces
from derive.strip import Branch, nearest_branches
from derive.terms import Gate, Term, derivative, terms_of

DIGITS = 50
SMOOTH = 8
"""Derivatives whose jumps are sought; an activation of more is smooth for every purpose."""
POLYNOMIAL = 10
"""Degree up to which a parity's part is recognised as a polynomial from its values."""


def singularities(activation: Activation, variance: Any) -> tuple[Part, Part]:
    """The nearest singularities of kappa, from the even and from the odd Hermite coefficients.

    Parameters
    ----------
    activation : Activation
    variance : Fraction or mpmath number, positive

    Returns
    -------
    even, odd : Part

    Raises
    ------
    DerivationError
        If E[phi(u)^2] is infinite.

    Notes
    -----
    Kinks are found in the expression, and jumps of derivatives up to the eighth; exponents and strengths are exact.
    Of activations that are analytic on the real line, exp(a x + b x^2) poly(x), also times Phi(c x + d), are analysed
    as such (strength unknown where Phi is multiplied by an exponential), and all others through
    `derive.strip`: "unknown" if that does not know the expression. Cost: 0.05 to 0.5 s, kept between calls.
    """
    return tuple(_part(activation, variance, parity) for parity in (0, 1))  # type: ignore[return-value]  # two of them


@lru_cache(maxsize=256)
def _part(activation: Activation, variance: Any, parity: int) -> Part:
    with mpmath.workdps(DIGITS):
        parts = _pieces(activation)
        Q = mpf(variance)
        return _kinks(parts, Q, parity) or _analytic(_outer(parts, parity), variance, Q, parity)


@lru_cache(maxsize=128)
def _pieces(activation: Activation) -> Pieces:
    return pieces(activation.expr.subs(activation.values))


def _outer(parts: Pieces, parity: int) -> sympy.Expr:
    """The even or odd part of phi for large x; for all x, where it is analytic."""
    right, left = parts.branches[-1], parts.branches[0].subs(SYMBOL, -SYMBOL)
    return sympy.expand((right - left if parity else right + left) / 2)


def _degree(function: sympy.Expr) -> int | None:
    """Degree of a smooth function if it is a polynomial, by divided differences; -1 for 0."""
    f = sympy.lambdify(SYMBOL, function, modules="mpmath")
    summands = [sympy.lambdify(SYMBOL, term, modules="mpmath") for term in sympy.Add.make_args(function)]
    points = [mpmath.mpf(2 * i + 1) / 9 for i in range(POLYNOMIAL + 5)]
    degree = -1
    size = max(abs(term(x)) for term in summands for x in points)
    for order, column in enumerate(divided_differences([f(x) for x in points], points)):
        if max(map(abs, column)) > size * NOISE:
            degree = order
    return degree if degree <= POLYNOMIAL else None


def _number(expr: sympy.Expr) -> Any:
    return mpmath.mpmathify(sympy.N(expr, DIGITS + 5))


# ---- kinks


def _kinks(parts: Pieces, Q: Any, parity: int) -> Part | None:
    """The lowest derivative whose jumps J at s this parity sees; f = J (x - s)^n / n! beyond s has the transform J (i/tau)^(n+1)."""
    jumps = {
        edge: right - left for edge, (left, right) in zip(parts.edges, pairwise(parts.branches), strict=True)
    }
    for n in range(SMOOTH + 1 if jumps else 0):
        values = {edge: _number(jump.subs(SYMBOL, edge)) for edge, jump in jumps.items()}
        terms = [
            _local_wave(_number(s), J * (1j * mpmath.sqrt(Q)) ** (n + 1), Q, parity)
            for s, J in values.items()
        ]
        waves = _squared(terms)
        if waves:
            at = ", ".join(str(s) for s, J in values.items() if abs(J) > NOISE)
            name = "phi" + "'" * n if n < 4 else f"phi^({n})"
            return Part(
                parity,
                "algebraic",
                mpmath.mpf(1),
                sympy.Integer(1),
                mpmath.mpf(2 * n + 1) / 2,
                waves,
                source=f"jump of {name} at {at}",
            )
        jumps = {edge: jump.diff(SYMBOL) for edge, jump in jumps.items()}
    return None


def _local_wave(s: Any, transform: Any, Q: Any, parity: int) -> tuple[Any, Any]:
    """A and theta of the wave Re(A exp(i theta sqrt(j))) of a singularity at s whose transform is that tau^-p, tau = sqrt(j / Q).

    N(0,1)'s density times He_j(z) / sqrt(j!) ~ (2 / (pi j))^(1/4) exp(-z^2/4) cos(z sqrt(j) - j pi/2) / sqrt(2 pi). Of
    (-i)^j the factor (-1)^((j - parity) / 2) is dropped, which squares do not see.
    """
    scale = mpmath.root(2 / mpmath.pi, 4) / mpmath.sqrt(2 * mpmath.pi * Q)
    return scale * mpmath.exp(-s * s / (4 * Q)) * transform * mpmath.mpc(0, -1) ** parity, s / mpmath.sqrt(Q)


def _squared(terms: list[tuple[Any, Any]]) -> tuple[Wave, ...]:
    """(sum Re(A exp(i theta sqrt(j))))^2 as waves: those that decay least."""
    pairs = [(A / 2, theta) for A, theta in terms] + [
        (mpmath.conj(A) / 2, -mpmath.conj(theta)) for A, theta in terms
    ]
    return _products([(A, theta, mpmath.mpf(0)) for A, theta in pairs], 0)


def _products(terms: list[tuple[Any, Any, Any]], parity: int) -> tuple[Wave, ...]:
    """Pairwise products of A exp(i psi j / 2 + i theta sqrt(j)), without those that still turn with j."""
    merged: list[list[Any]] = []
    for A, theta, psi in terms:
        _merge(merged, (mpmath.mpmathify(theta), mpmath.mpmathify(psi)), A)
    size = max((abs(A) for A, *_ in terms), default=0)
    kept = [(A, *key) for key, A in merged if abs(A) > size * NOISE and size > 0]
    waves: list[list[Any]] = []
    for A, theta, psi in kept:
        for B, other, psi2 in kept:
            turns = (psi + psi2) / (2 * mpmath.pi)
            if abs(turns - mpmath.nint(turns)) < NOISE:
                frequency, amplitude = theta + other, A * B * mpmath.expjpi(turns * parity)
                if mpmath.re(frequency) < 0:
                    frequency, amplitude = -mpmath.conj(frequency), mpmath.conj(amplitude)
                _merge(waves, (frequency,), amplitude)
    least = min((mpmath.im(key[0]) for key, _ in waves), default=mpmath.mpf(0))
    found = [Wave(key[0], a) for key, a in waves if mpmath.im(key[0]) < least + NOISE]
    return tuple(sorted((_tidy(wave) for wave in found), key=lambda wave: float(mpmath.re(wave.frequency))))


def _merge(found: list[list[Any]], key: tuple[Any, ...], amplitude: Any) -> None:
    for entry in found:
        if all(abs(a - b) < NOISE * (1 + abs(a)) for a, b in zip(entry[0], key, strict=True)):
            entry[1] += amplitude
            return
    found.append([key, amplitude])


def _tidy(wave: Wave) -> Wave:
    """Frequencies and amplitudes free of rounding: a constant wave is real."""
    re, im = mpmath.re(wave.frequency), mpmath.im(wave.frequency)
    re, im = (mpmath.mpf(0) if abs(x) < NOISE else x for x in (re, im))
    return Wave(mpmath.mpc(re, im), mpmath.re(wave.amplitude) if re == 0 else wave.amplitude)


# ---- analytic on the real line


def _analytic(function: sympy.Expr, variance: Any, Q: Any, parity: int) -> Part:
    degree = _degree(function)
    if degree is not None:
        return Part(parity, "polynomial", degree=degree)
    try:
        terms = terms_of(Activation(function))
    except (NoClosedForm, BadExpression):
        terms = None
    if terms is not None and not any(isinstance(t.gate, Gate) and t.gate.noise == 0 for t in terms):
        return _gaussians(terms, variance, Q, parity)
    branches = nearest_branches(function)
    return _strip(branches, Q, parity) if branches else Part(parity, "unknown")


def _strip(branches: tuple[Branch, ...], Q: Any, parity: int) -> Part:
    """f^(k) ~ R (x - s)^power has the transform (i/tau)^k 2 pi R exp(-i pi power / 2) tau^(-power - 1) / Gamma(-power)."""
    power = min(branch.power - branch.order for branch in branches)
    terms = []
    for branch in branches:
        if branch.power - branch.order == power:
            decay = branch.order + branch.power + 1
            transform = (
                2
                * mpmath.pi
                * branch.phased
                * 1j**branch.order
                * mpmath.sqrt(Q) ** decay
                / mpmath.gamma(-branch.power)
            )
            terms.append(_local_wave(branch.at, transform, Q, parity))
    decay = max(b.order + b.power + 1 for b in branches if b.power - b.order == power)
    waves = _squared(terms)
    source = f"phi singular at x = {mpmath.nstr(branches[0].at, 8)}"
    if not waves:
        return Part(parity, "unknown", source=source)
    return Part(
        parity, "stretched", mpmath.mpf(1), sympy.Integer(1), decay - mpmath.mpf(1) / 2, waves, source=source
    )


def _gaussians(terms: tuple[Term, ...], variance: Any, Q: Any, parity: int) -> Part:
    """Sums of x^n exp(alpha x + beta x^2), and of x^n Phi(lambda x + tau), which n + 1 derivatives turn into such sums."""
    if any(4 * mpmath.re(_number(t.beta)) * Q >= 1 for t in terms):
        raise DerivationError(
            f"E[phi(u)^2] is infinite at variance {mpmath.nstr(Q, 6)}: choose a smaller q, W_std or b_std."
        )
    gated = [t for t in terms if isinstance(t.gate, Gate)]
    if any(t.alpha != 0 or t.beta != 0 for t in gated):
        return _weighted_gates(terms, variance, Q, parity)
    order = max((t.power + 1 for t in gated), default=0)
    for _ in range(order):
        terms = derivative(terms, {})
    groups: dict[tuple[sympy.Expr, sympy.Expr], list[Term]] = {}
    for term in terms:
        groups.setdefault((term.alpha, sympy.expand(term.beta)), []).append(term)
    generating = {key: R for key, group in groups.items() if (R := _generating(group, Q))}
    largest = max((abs(_b(beta, Q)) for _, beta in generating), default=mpmath.mpf(0))
    if largest == 0:
        if all(alpha == 0 for alpha, _ in generating):
            return Part(
                parity,
                "polynomial",
                degree=max((len(R) - 1 + order for R in generating.values()), default=-1),
            )
        return Part(parity, "entire")
    leading = {key: R for key, R in generating.items() if abs(_b(key[1], Q)) > largest * (1 - NOISE)}
    degree = max(len(R) - 1 for R in leading.values())
    highest = {key: R[-1] for key, R in leading.items() if len(R) - 1 == degree}
    waves = _products(
        [w for key, r in highest.items() for w in _hermite_waves(key, r, degree, order, Q, parity)], parity
    )
    kind: Kind = "algebraic" if any(wave.frequency == 0 for wave in waves) else "stretched"
    betas = {beta for _, beta in highest}
    gamma = order - degree - mpmath.mpf(1) / 2
    return Part(parity, kind, 1 / (2 * largest), _exact(betas, variance), gamma, waves, source=_source(betas))


def _weighted_gates(terms: tuple[Term, ...], variance: Any, Q: Any, parity: int) -> Part:
    """Phi times exponentials: g and gamma from the densities alone, gamma = 1/2 - n, barring cancellation."""
    found = []  # (alpha, beta, gamma)
    for term in terms:
        found.append((term.alpha, term.beta, -mpmath.mpf(1) / 2 - term.power))
        if isinstance(term.gate, Gate):
            slope, offset = term.gate.slope, term.gate.offset
            density = (term.alpha - slope * offset, sympy.expand(term.beta - slope**2 / 2))
            found.append((*density, mpmath.mpf(1) / 2 - term.power))
    largest = max(abs(_b(beta, Q)) for _, beta, _ in found)
    leading = [entry for entry in found if abs(_b(entry[1], Q)) > largest * (1 - NOISE)]
    betas = {beta for _, beta, _ in leading}
    if any(alpha != 0 and not beta.is_negative for alpha, beta, _ in leading):
        return Part(parity, "unknown", source=_source(betas))
    gamma = min(gamma for *_, gamma in leading)
    return Part(parity, "algebraic", 1 / (2 * largest), _exact(betas, variance), gamma, source=_source(betas))


def _b(beta: sympy.Expr, Q: Any) -> Any:
    """b of E[exp(alpha x + beta x^2)] ~ exp(a w + b w^2), x ~ N(sqrt(Q) w, Q)."""
    value = _number(beta) * Q
    return value / (1 - 2 * value)


def _exact(betas: set[sympy.Expr], variance: Any) -> sympy.Expr | None:
    """g = (1 - 2 beta Q) / (2 |beta| Q) for one real beta and a rational Q."""
    beta = next(iter(betas))
    if len(betas) > 1 or not isinstance(variance, Fraction) or not beta.is_real or beta.has(sympy.Float):
        return None
    Q = sympy.Rational(variance.numerator, variance.denominator)
    return (
        sympy.nsimplify((1 - 2 * beta * Q) / (2 * abs(beta) * Q))
        if beta.is_Rational
        else (1 - 2 * beta * Q) / (2 * abs(beta) * Q)
    )


def _source(betas: set[sympy.Expr]) -> str:
    return " and ".join(f"exp({sympy.expand(beta * SYMBOL**2)})" for beta in sorted(betas, key=str))


def _generating(group: list[Term], Q: Any) -> list[Any]:
    """R of E[sum c x^n exp(alpha x + beta x^2)] = R(w) exp(a w + b w^2), x ~ N(sqrt(Q) w, Q): x acts as sqrt(Q) (w + d/dw)."""
    alpha, beta = _number(group[0].alpha), _number(group[0].beta)
    D = 1 - 2 * beta * Q
    a, b, root = alpha * mpmath.sqrt(Q) / D, beta * Q / D, mpmath.sqrt(Q)
    power = [mpmath.exp(alpha**2 * Q / (2 * D)) / mpmath.sqrt(D)]
    total, size = [mpmath.mpf(0)], [mpmath.mpf(0)]
    for n in range(max(t.power for t in group) + 1):
        coefficient = mpmath.fsum(_number(t.coefficient) for t in group if t.power == n)
        scale = mpmath.fsum(abs(_number(t.coefficient)) for t in group if t.power == n)
        total = (
            [u + coefficient * v for u, v in zip([*total, 0], power, strict=False)]
            if n
            else [coefficient * power[0]]
        )
        size = (
            [u + scale * abs(v) for u, v in zip([*size, 0], power, strict=False)]
            if n
            else [scale * abs(power[0])]
        )
        padded = [mpmath.mpf(0), *power, mpmath.mpf(0), mpmath.mpf(0)]
        power = [
            root * ((1 + 2 * b) * padded[i] + a * padded[i + 1] + (i + 1) * padded[i + 2])
            for i in range(len(power) + 1)
        ]
    while total and abs(total[-1]) <= NOISE * max(size):
        total.pop()
    return total


def _hermite_waves(
    key: tuple[sympy.Expr, sympy.Expr], r: Any, n: int, order: int, Q: Any, parity: int
) -> list[Any]:
    """(A, theta, psi) of the two waves of sqrt(j!) [w^j] r w^n exp(a w - B w^2), integrated `order` times.

    [w^m] exp(a w - B w^2) = B^(m/2) H_m(x) / m!, x = a / (2 sqrt(B)), and
    H_m(x) / sqrt(2^m m!) ~ (2 / (pi m))^(1/4) exp(x^2/2) cos(x sqrt(2 m) - m pi/2).
    """
    alpha, beta = map(_number, key)
    D = 1 - 2 * beta * Q
    B, root = -beta * Q / D, mpmath.sqrt(mpmath.mpmathify(-beta * Q / D))
    x = alpha * mpmath.sqrt(Q) / D / (2 * root)
    size = r * (2 * abs(B)) ** (-(mpmath.mpf(n) + order) / 2) * mpmath.sqrt(Q) ** order
    size *= mpmath.root(2 / mpmath.pi, 4) * mpmath.exp(x * x / 2) / 2
    psi, shift = mpmath.arg(B), n + order
    size *= mpmath.expj(-psi * shift / 2)
    return [
        (size * mpmath.mpc(0, -sign) ** parity * mpmath.mpc(0, sign) ** shift, sign * x * mpmath.sqrt(2), psi)
        for sign in (1, -1)
    ]

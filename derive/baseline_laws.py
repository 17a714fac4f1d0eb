"""The laws of eigenvalue decay of the baselines, from their formulas (theory.md, section 5).

On |x|^2 = |y|^2 = q dim with cosine t, D = 2 q (1 - t): a baseline is a function of 1 - t alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import sympy

from derive.curves import Entire, Tail, as_float, constant_of, rate_of, width_of
from derive.ir import KernelIR
from derive.numbers import mpf
from derive.parts import Wave
from derive.prediction import Branch, Prediction

DIGITS = 30
LONGEST_EXACT = 40
"""Characters of a t* whose rate is worth showing exactly."""
Values = Mapping[str, Fraction]


def baseline_law(kernel: KernelIR, dim: int, q: Fraction, get: str = "ntk") -> Prediction:
    """Predict how the eigenvalues of a baseline on the sphere |x|^2 = q dim in R^dim decay with the degree.

    Parameters
    ----------
    kernel : KernelIR
        Of a baseline (`derive.baselines`).
    dim : int
        2 or more.
    q : Fraction > 0
    get : {"ntk", "nngp", "rounding"}
        "rounding" is 0.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        If the kernel is no baseline.

    Notes
    -----
    Everything is a closed form; cost: milliseconds.
    """
    if kernel.baseline is None:
        raise ValueError("This kernel is a network's, not a baseline: `predict_decay` takes both.")
    family, n = kernel.baseline
    values = {"q": q, **dict(kernel.parameters)}
    if get == "rounding":
        return _finite(None, dim, q, get)
    if family in ("gaussian", "gaussian_mixture"):
        return _gaussians(_rates(values), dim, q, get)
    if family == "rational_quadratic":
        return _rational_quadratic(values, dim, q, get)
    nu = Fraction(1, 2) if family == "laplace" else Fraction(2 * n + 1, 2)
    return _matern(nu, values, dim, q, get)


def _finite(last: int | None, dim: int, q: Fraction, get: str) -> Prediction:
    """A constant, or 0 (last is None)."""
    even = Branch("zero") if last is None else Branch("finite-rank", last=last)
    return _prediction("finite-rank", even, dim, q, get, rank=0 if last is None else 1, odd=Branch("zero"))


# ---- Gaussians and their mixtures: K = sum_i w_i exp(c_i (t - 1)), c = q s = q / l^2


def _rates(values: Values) -> dict[Fraction, Fraction]:
    """The weight of each c that has one."""
    if "length_scale" in values:
        return {values["q"] / values["length_scale"] ** 2: Fraction(1)}
    weights: dict[Fraction, Fraction] = {}
    for name, weight in values.items():
        if name.startswith("w_") and weight:
            c = values["q"] * values[f"s_{name[2:]}"]
            weights[c] = weights.get(c, Fraction(0)) + weight
    return weights


def _gaussians(weights: Mapping[Fraction, Fraction], dim: int, q: Fraction, get: str) -> Prediction:
    """lambda_k = sum_i w_i e^-c_i (c_i/2)^k Gamma(dim/2) / Gamma(k + dim/2) 0F1(; k + dim/2; c_i^2/4); 0F1 -> 1."""
    if not any(weights):
        return _finite(0, dim, q, get)
    with mpmath.workdps(DIGITS):
        terms = tuple((mpf(weights[c]), mpf(c)) for c in sorted(weights, reverse=True) if c)
        w, c = terms[0]
        constant = w * mpmath.exp(-c) * mpmath.gamma(mpmath.mpf(dim) / 2)
        branch = Branch(
            "super-exponential",
            constant=as_float(constant),
            base=as_float(c / 2),
            entire=Entire(terms, mpf(weights.get(Fraction(0), Fraction(0)))),
        )
        notes = tuple(_notes_of_gaussians(terms, branch, dim))
    return _prediction("super-exponential", branch, dim, q, get, notes=notes)


def _notes_of_gaussians(terms: tuple[tuple[Any, Any], ...], branch: Branch, dim: int) -> Iterator[str]:
    w, c = terms[0]
    yield f"the law sets in for k >> {float(max(1, c * c / 4)):.3g}; log_eigenvalue(k) is lambda_k itself"
    crossings = [mpmath.log(v / w * mpmath.exp(c - d)) / mpmath.log(c / d) for v, d in terms[1:]]
    if crossings and max(crossings) > 1:
        yield f"the term of the shortest length is the largest from degree {float(max(crossings)):.3g} on"
    if branch.constant is None:
        log_constant = mpmath.log(w) - c + mpmath.loggamma(mpmath.mpf(dim) / 2)
        yield f"C = exp({mpmath.nstr(log_constant, 10)}) is no double"


# ---- algebraic singularities: K = regular + S (1 - t/t*)^gamma, coefficients a j^-(gamma + 1) t*^-j, a = S / Gamma(-gamma)


def _rational_quadratic(values: Values, dim: int, q: Fraction, get: str) -> Prediction:
    """K = (1 + v (1 - t))^-alpha = (1 + v)^-alpha (1 - t/t*)^-alpha, t* = 1 + 1/v."""
    alpha = values["alpha"]
    v = values["q"] / (alpha * values["length_scale"] ** 2)
    with mpmath.workdps(DIGITS + len(str(int(v)))):  # t* - 1 keeps its digits
        gamma, t_star = -mpf(alpha), 1 + 1 / mpf(v)
        a = (1 + mpf(v)) ** gamma / mpmath.gamma(-gamma)
        power = -(gamma + mpmath.mpf(dim) / 2)
        tail = Tail(t_star, gamma, (Wave(mpmath.mpc(0), a),))
        branch = _algebraic("exponential", rate_of(t_star), power, tail, dim)
        late = max(1, power**2, mpf(alpha) ** 2) * width_of(t_star)
    notes = (f"the power sets in for k >> {float(late):.3g}; log_eigenvalue(k) is lambda_k itself",)
    t = 1 + 1 / sympy.Rational(v.numerator, v.denominator)
    exact = sympy.simplify(t - sympy.sqrt(t**2 - 1)) if len(str(t)) <= LONGEST_EXACT else None
    return _prediction("exponential", branch, dim, q, get, notes=notes, exact=exact)


def _matern(nu: Fraction, values: Values, dim: int, q: Fraction, get: str) -> Prediction:
    """K = even powers of u + Gamma(-nu) / Gamma(nu) (u/2)^(2 nu) + ..., u^2 = 4 nu q (1 - t) / l^2."""
    with mpmath.workdps(DIGITS):
        gamma, scale = mpf(nu), mpf(nu * values["q"] / values["length_scale"] ** 2)
        a = scale**gamma / mpmath.gamma(gamma)
        power = -(2 * gamma + dim - 1)
        branch = _algebraic("power", 1.0, power, Tail(mpmath.mpf(1), gamma, (Wave(mpmath.mpc(0), a),)), dim)
        late = mpmath.sqrt(-power * scale)
    notes = (f"the power sets in for k >> {float(max(1, late)):.3g}",)
    return _prediction("power", branch, dim, q, get, notes=notes, exact=sympy.Integer(1))


def _algebraic(law: str, rate: float, power: Any, tail: Tail, dim: int) -> Branch:
    constant = as_float(constant_of(tail, dim))
    return Branch(law, rate, float(power), float(tail.gamma), constant, tail=tail)


def _prediction(
    law: str,
    even: Branch,
    dim: int,
    q: Fraction,
    get: str,
    *,
    odd: Branch | None = None,
    rank: int | None = None,
    exact: sympy.Expr | None = None,
    notes: tuple[str, ...] = (),
) -> Prediction:
    """The law of both parities, unless `odd` is given."""
    return Prediction(
        law=law,
        rate=even.rate or 0.0,
        power=even.power,
        singularity=float(even.tail.t_star) if even.tail is not None else float("inf"),
        exact=exact,
        layer=None,
        gamma=even.gamma,
        constant=even.constant,
        even=even,
        odd=even if odd is None else odd,
        mirror=None,
        mirror_rate=None,
        oscillation=None,
        stretch=None,
        rank=rank,
        error=1e-15,
        notes=notes,
        dim=dim,
        q=float(q),
        get=get,
        base=even.base,
    )

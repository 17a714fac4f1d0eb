"""Certificates: a closed form is accepted only where it agrees with the independent oracle."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import mpmath
import sympy

from derive import oracle, special
from derive.activation import Activation
from derive.errors import CertificateError
from derive.numbers import mpf

DIGITS = 30
"""Digits that must agree; the oracle works with 15 more."""


@dataclass(frozen=True)
class DualCertificate:
    """What the oracle found.

    Attributes
    ----------
    points : int
        Random covariances (var1, var2, cov12) at which kappa and kappa_dot were compared.
    digits : float
        Agreeing decimal digits at the worst of them, relative to sqrt(E[phi(u)^2] E[phi(v)^2]).
    seed : int
        Of the random covariances.
    """

    points: int
    digits: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return asdict(self)


def certify(
    activation: Activation,
    kinks: tuple[sympy.Expr, ...],
    forms: dict[str, sympy.Expr],
    bound: sympy.Expr | None = None,
    points: int = 4,
    seed: int = 0,
) -> DualCertificate:
    """Compare the four closed forms of a dual with quadrature at random covariances and parameters, to 30 digits.

    Parameters
    ----------
    activation : Activation
    kinks : tuple of sympy.Expr
        Where phi or a derivative of it jumps.
    forms : dict
        "phi", "dphi", "phi_diagonal", "dphi_diagonal", as in `derive.dual`; the last may be infinite.
    bound : sympy.Expr, optional
        The variance from which on E[phi^2] is infinite.

    Raises
    ------
    CertificateError
        If they disagree.

    Notes
    -----
    About 0.5 s: one set of Hermite coefficients for each of two variances serves all points.
    """
    rng = random.Random(seed)
    with mpmath.workdps(DIGITS + 15):
        values = {
            name: mpf(value) * mpmath.mpf(rng.uniform(0.5, 1.5)) for name, value in activation.parameters
        }
        largest = 3.0 if bound is None else min(3.0, 0.5 * float(_function(bound)(values)))
        var1, var2 = (mpmath.mpf(rng.uniform(0.07, 1.0) * largest) for _ in range(2))
        cosines = [mpmath.mpf(rng.uniform(-0.5, 0.5)) for _ in range(points)]
        found = list(_deviations(activation, kinks, forms, values, (var1, var2), cosines))
        digits = {
            name: float(-mpmath.log10(max(deviation, mpmath.mpf(10) ** -45))) for name, deviation in found
        }
    worst = min(digits, key=digits.__getitem__)
    if digits[worst] < DIGITS:
        raise CertificateError(
            f"The closed form of {worst} for {activation.name} has only {digits[worst]:.1f} digits in common "
            "with quadrature: scales below 1e-3 or above 1e3 are beyond what it resolves. Rescale the expression if it has such; "
            "if not, please report it: it is then a defect of this program."
        )
    return DualCertificate(points=points, digits=digits[worst], seed=seed)


def _deviations(
    activation: Activation,
    kinks: tuple[sympy.Expr, ...],
    forms: dict[str, sympy.Expr],
    values: dict[str, Any],
    variances: tuple[Any, Any],
    cosines: list[Any],
) -> Iterator[tuple[str, Any]]:
    """Each form's deviation from the oracle, in units of its natural scale, with the oracle's own error added."""
    form = {name: _function(expr) for name, expr in forms.items() if expr is not sympy.oo}
    phi = _function(activation.expr)
    edges = [_function(kink)(values) for kink in kinks]
    var1, var2 = variances

    def function(x: Any) -> Any:
        return phi({**values, "x": x})

    samples = [oracle.sample(function, variance, edges) for variance in variances]
    norms = [sample.second_moment() for sample in samples]
    h1, h2 = (sample.hermite_coefficients() for sample in samples)
    scale, root = mpmath.sqrt(norms[0] * norms[1]) or mpmath.mpf(1), mpmath.sqrt(var1 * var2)
    own = norms[0] or mpmath.mpf(1)
    for rho in cosines:
        at = {**values, "var1": var1, "var2": var2, "cov12": rho * root}
        kappa = oracle.dual(h1, h2, norms[0], norms[1], rho)
        slope = oracle.dual_of_derivative(h1, h2, norms[0], norms[1], rho, root)
        where = f"at var1 = {float(var1)}, var2 = {float(var2)}, cov12 = {float(rho * root)}"
        yield f"kappa {where}", (abs(form["phi"](at) - kappa.value) + kappa.error) / scale
        yield f"kappa_dot {where}", (abs(form["dphi"](at) - slope.value) + slope.error) * root / scale
    at = {**values, "q": var1}
    yield f"E[phi^2] at q = {float(var1)}", abs(form["phi_diagonal"](at) - norms[0]) / own
    if "dphi_diagonal" in form:
        limit = oracle.sample(lambda x: mpmath.diff(function, x), var1, edges).second_moment()
        yield f"E[phi'^2] at q = {float(var1)}", abs(form["dphi_diagonal"](at) - limit) * var1 / own


def _function(expr: sympy.Expr) -> Callable[[dict[str, Any]], Any]:
    """The expression as a function of its symbols' values."""
    symbols = sorted(expr.free_symbols, key=str)
    functions = {cls.__name__: special.BY_MPMATH[name] for cls, name in special.NAMES.items()}
    compiled = sympy.lambdify(symbols, expr, modules=[functions, "mpmath"])
    names = [str(symbol) for symbol in symbols]
    return lambda at: mpmath.mpf(compiled(*(at[name] for name in names)))

"""Certificates: a closed form is accepted only where it agrees with the independent oracle."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import mpmath
import sympy

from derive import oracle
from derive.activation import Activation
from derive.errors import CertificateError
from derive.parse import SYMBOL

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
    phi: sympy.Expr,
    dphi: sympy.Expr,
    phi_diagonal: sympy.Expr,
    dphi_diagonal: sympy.Expr,
    points: int = 4,
    seed: int = 0,
) -> DualCertificate:
    """Compare the four closed forms of a dual with quadrature at random covariances, to 30 digits.

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
        var1, var2 = (mpmath.mpf(rng.uniform(0.2, 3.0)) for _ in range(2))
        cosines = [mpmath.mpf(rng.uniform(-0.5, 0.5)) for _ in range(points)]
        found = list(_deviations(activation, (phi, dphi, phi_diagonal, dphi_diagonal), var1, var2, cosines))
        digits = {
            name: float(-mpmath.log10(max(deviation, mpmath.mpf(10) ** -45))) for name, deviation in found
        }
    worst = min(digits, key=digits.__getitem__)
    if digits[worst] < DIGITS:
        raise CertificateError(
            f"The closed form of {worst} for {activation.name} has only {digits[worst]:.1f} digits in common "
            "with quadrature. Please report this expression: it is a defect of this program."
        )
    return DualCertificate(points=points, digits=digits[worst], seed=seed)


def _deviations(
    activation: Activation, forms: tuple[sympy.Expr, ...], var1: Any, var2: Any, cosines: list[Any]
) -> Iterator[tuple[str, Any]]:
    """Each form's deviation from the oracle, in units of its natural scale, with the oracle's own error added."""
    phi, dphi, phi_diagonal, dphi_diagonal = map(_numeric, forms)
    function = sympy.lambdify(SYMBOL, activation.expr, modules=["mpmath"])
    kinks = [mpmath.mpf(0)]
    norms = [oracle.second_moment(function, var, kinks) for var in (var1, var2)]
    h1, h2 = (oracle.hermite_coefficients(function, var, kinks) for var in (var1, var2))
    scale, root = mpmath.sqrt(norms[0] * norms[1]) or mpmath.mpf(1), mpmath.sqrt(var1 * var2)
    own = norms[0] or mpmath.mpf(1)
    for rho in cosines:
        at = {"var1": var1, "var2": var2, "cov12": rho * root}
        kappa = oracle.dual(h1, h2, norms[0], norms[1], rho)
        slope = oracle.dual_of_derivative(h1, h2, norms[0], norms[1], rho, root)
        where = f"at var1 = {float(var1)}, var2 = {float(var2)}, cov12 = {float(rho * root)}"
        yield f"kappa {where}", (abs(phi(at) - kappa.value) + kappa.error) / scale
        yield f"kappa_dot {where}", (abs(dphi(at) - slope.value) + slope.error) * root / scale
    yield f"E[phi^2] at q = {float(var1)}", abs(phi_diagonal({"q": var1}) - norms[0]) / own
    if forms[-1] is not sympy.oo:
        limit = oracle.second_moment(lambda x: mpmath.diff(function, x), var1, kinks)
        yield f"E[phi'^2] at q = {float(var1)}", abs(dphi_diagonal({"q": var1}) - limit) * var1 / own


def _numeric(form: sympy.Expr) -> Callable[[dict[str, Any]], Any]:
    """The form as a function of its symbols' values."""
    functions = {
        "Sine": lambda a, b, c: mpmath.sqrt(a * b - c * c),
        "Angle": lambda a, b, c: mpmath.acos(c / mpmath.sqrt(a * b)),
    }
    symbols = sorted(form.free_symbols, key=str)
    compiled = sympy.lambdify(symbols, form, modules=[functions, "mpmath"])
    return lambda at: compiled(*(at[str(symbol)] for symbol in symbols))

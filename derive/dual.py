"""Dual activations: kappa = E[phi(u) phi(v)] and kappa_dot = E[phi'(u) phi'(v)] in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy

from derive import gaussian
from derive.activation import Activation
from derive.certificate import DualCertificate, certify
from derive.errors import CertificateError, DerivationError
from derive.quadrant import angle, cov12, quadrant_moment, reduce_sine, sine, var1, var2
from derive.terms import Term, derivative, jump_at_zero, terms_of


@dataclass(frozen=True)
class DualActivation:
    """Closed forms of one activation's dual, for (u, v) ~ N(0, [[var1, cov12], [cov12, var2]]).

    Attributes
    ----------
    activation : Activation
    phi, dphi : sympy.Expr
        kappa and kappa_dot, in the symbols var1, var2, cov12 of `derive.quadrant`.
    phi_diagonal, dphi_diagonal : sympy.Expr
        E[phi(u)^2] and E[phi'(u)^2] for u ~ N(0, q), in the symbol q of `derive.gaussian`;
        dphi_diagonal is infinite where phi jumps.
    homogeneity : int or None
        n where phi(s x) = s^n phi(x) for all s > 0.
    certificate : DualCertificate
        What the independent oracle found.
    """

    activation: Activation
    phi: sympy.Expr
    dphi: sympy.Expr
    phi_diagonal: sympy.Expr
    dphi_diagonal: sympy.Expr
    homogeneity: int | None
    certificate: DualCertificate

    def of_phi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa at the given covariance."""
        return self.phi.subs({var1: var_x, var2: var_y, cov12: cov}, simultaneous=True)

    def of_dphi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa_dot at the given covariance."""
        return self.dphi.subs({var1: var_x, var2: var_y, cov12: cov}, simultaneous=True)

    def of_phi_diagonal(self, var: sympy.Expr) -> sympy.Expr:
        """E[phi(u)^2], Var u = var."""
        return self.phi_diagonal.subs(gaussian.variance, var)

    def of_dphi_diagonal(self, var: sympy.Expr) -> sympy.Expr:
        """E[phi'(u)^2], Var u = var.

        Raises
        ------
        DerivationError
            If it is infinite, because phi jumps.
        """
        if self.dphi_diagonal is sympy.oo:
            raise DerivationError(
                f"{self.activation.name} jumps, so its NTK is infinite at x = y before any rounded layer. "
                "Round a layer before it, or set trained=False on the layers up to it."
            )
        return self.dphi_diagonal.subs(gaussian.variance, var)


@lru_cache(maxsize=128)
def dual_activation(activation: Activation) -> DualActivation:
    """Derive both duals of an activation and certify them (theory.md, section 4).

    Raises
    ------
    NoClosedForm
        If the activation is outside the class of `derive.terms`.
    CertificateError
        If a closed form disagrees with the independent oracle, which is a defect of this program.

    Notes
    -----
    0.1 s for ReLU, plus about 0.5 s for the certificate; kept between calls.
    """
    terms = terms_of(activation)
    phi = _bilinear(terms, terms)
    dphi, dphi_diagonal = _derivative_dual(terms, phi)
    phi_diagonal = gaussian.second_moment(terms)
    forms = {"phi": phi, "dphi": dphi, "phi_diagonal": phi_diagonal, "dphi_diagonal": dphi_diagonal}
    return DualActivation(
        activation=activation,
        **forms,
        homogeneity=terms[0].power if len({term.power for term in terms}) == 1 else None,
        certificate=certify(activation, **forms),
    )


def _bilinear(left: tuple[Term, ...], right: tuple[Term, ...]) -> sympy.Expr:
    """E[left(u) right(v)], linear in both sums of terms."""
    pairs = (
        s.coefficient * t.coefficient * quadrant_moment(s.power, t.power, s.step, t.step)
        for s in left
        for t in right
    )
    return _textbook(reduce_sine(sum(pairs, sympy.Integer(0))))


def _derivative_dual(terms: tuple[Term, ...], phi: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """kappa_dot and its diagonal. Price's theorem, kappa_dot = d kappa / d cov12, is checked symbolically."""
    by_price = reduce_sine(sympy.diff(phi, cov12))
    if jump_at_zero(terms) != 0:
        return _textbook(by_price), sympy.oo
    slope = derivative(terms)
    dphi = _bilinear(slope, slope)
    if reduce_sine(sympy.expand((by_price - dphi) * sine)) != 0:
        raise CertificateError(
            f"Price's theorem fails: d kappa / d cov12 = {by_price}, but kappa_dot = {dphi}."
        )
    return dphi, gaussian.second_moment(slope)


def _textbook(expr: sympy.Expr) -> sympy.Expr:
    """rest + slope (pi - theta), with pi, pi/2 or 0 in the bracket, whichever leaves the shortest rest."""
    slope = expr.coeff(angle)
    shifts = (sympy.pi, sympy.pi / 2, sympy.Integer(0))
    rest = {shift: sympy.expand(expr - slope * angle + slope * shift) for shift in shifts}
    shift = min(shifts, key=lambda shift: sympy.count_ops(rest[shift]))
    return sympy.factor_terms(sympy.together(rest[shift] - slope * (shift - angle)))

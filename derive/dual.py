"""Dual activations: kappa = E[phi(u) phi(v)] and kappa_dot = E[phi'(u) phi'(v)] in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy

from derive import gaussian
from derive.activation import Activation
from derive.certificate import DualCertificate, certify
from derive.errors import DerivationError, jumps_message
from derive.notebook import displayed
from derive.pieces import pieces
from derive.present import cov12, var1, var2
from derive.printing import latex
from derive.terms import Gate, Term, derivative, jumps_of, terms_of


@dataclass(frozen=True)
class DualActivation:
    """Closed forms of one activation's dual, for (u, v) ~ N(0, [[var1, cov12], [cov12, var2]]).

    Attributes
    ----------
    activation : Activation
    phi, dphi : sympy.Expr
        kappa and kappa_dot, in the symbols var1, var2, cov12 of `derive.gaussian`.
    phi_diagonal, dphi_diagonal : sympy.Expr
        E[phi(u)^2] and E[phi'(u)^2] for u ~ N(0, q), in the symbol q of `derive.gaussian`;
        dphi_diagonal is infinite where phi jumps.
    mean, second_moment : sympy.Expr
        mu' and tau' of the quasi network, in nu and sig (theory.md, section 2).
    homogeneity : int or None
        n where phi(s x) = s^n phi(x) for all s > 0.
    bound : sympy.Expr or None
        The variance from which on E[phi(u)^2] is infinite.
    certificate : DualCertificate
        What the independent oracle found.
    """

    activation: Activation
    phi: sympy.Expr
    dphi: sympy.Expr
    phi_diagonal: sympy.Expr
    dphi_diagonal: sympy.Expr
    mean: sympy.Expr
    second_moment: sympy.Expr
    homogeneity: int | None
    bound: sympy.Expr | None
    certificate: DualCertificate

    @property
    def least(self) -> sympy.Expr | None:
        """There is no smallest variance."""
        return None

    def in_layer(self, layer: int) -> DualActivation:
        """The formulas are the same in every layer."""
        return self

    def of_phi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa at the given covariance."""
        return self.phi.xreplace({var1: var_x, var2: var_y, cov12: cov})

    def of_dphi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa_dot at the given covariance."""
        return self.dphi.xreplace({var1: var_x, var2: var_y, cov12: cov})

    def of_phi_diagonal(self, var: sympy.Expr, side: int = 0) -> sympy.Expr:
        """E[phi(u)^2], Var u = var."""
        return self.phi_diagonal.xreplace({gaussian.variance: var})

    def of_dphi_diagonal(self, var: sympy.Expr) -> sympy.Expr:
        """E[phi'(u)^2], Var u = var.

        Raises
        ------
        DerivationError
            If it is infinite, because phi jumps.
        """
        if self.dphi_diagonal is sympy.oo:
            raise DerivationError(jumps_message(self.activation.name))
        return self.dphi_diagonal.xreplace({gaussian.variance: var})

    def __repr__(self) -> str:
        return f"<Dual of {self.activation.name} in closed form, certified to {self.certificate.digits:.0f} digits>"

    def __str__(self) -> str:
        return f"kappa(var1, var2, cov12) = {self.phi}\nkappa_dot(var1, var2, cov12) = {self.dphi}"

    def _repr_latex_(self) -> str:
        phi, arguments = latex(self.activation.expr), ", ".join(map(latex, (var1, var2, cov12)))
        return displayed(
            [
                rf"\phi(x) &= {phi}",
                rf"\kappa({arguments}) &= {latex(self.phi)}",
                rf"\dot{{\kappa}}({arguments}) &= {latex(self.dphi)}",
            ]
        )


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
    0.02 s for ReLU and 0.5 s for hard swish, plus about 0.5 s for the certificate; kept between calls.
    """
    terms, jumps = terms_of(activation), jumps_of(activation)
    slope = derivative(terms, jumps)
    forms = {
        "phi": gaussian.dual(terms, terms),
        "dphi": gaussian.dual(slope, slope),
        "phi_diagonal": gaussian.second_moment(terms),
        "dphi_diagonal": sympy.oo if jumps else gaussian.second_moment(slope),
    }
    bound = _bound(terms)
    return DualActivation(
        activation=activation,
        **forms,
        mean=gaussian.quasi_mean(terms),
        second_moment=gaussian.quasi_second_moment(terms),
        homogeneity=_homogeneity(terms),
        bound=bound,
        certificate=certify(activation, pieces(activation.expr).edges, forms, bound),
    )


def _bound(terms: tuple[Term, ...]) -> sympy.Expr | None:
    """1 / (4 beta) for the largest beta > 0: from this variance on E[phi^2] is infinite."""
    bounds = [1 / (4 * term.beta) for term in terms if term.beta.is_positive]
    return sympy.Min(*bounds) if bounds else None


def _homogeneity(terms: tuple[Term, ...]) -> int | None:
    """The common power of x, where nothing but x and steps at 0 occurs; 1 for the zero function."""
    powers = {term.power for term in terms}
    plain = all(
        term.alpha == 0
        and term.beta == 0
        and (
            term.gate is None
            or (isinstance(term.gate, Gate) and (term.gate.noise, term.gate.offset) == (0, 0))
        )
        for term in terms
    )
    if not terms:
        return 1
    return powers.pop() if plain and len(powers) == 1 else None

"""Duals of activations without a closed form: functions that formulas name and Hermite series evaluate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sympy

from derive import ir
from derive.activation import Activation
from derive.certificate import DualCertificate
from derive.errors import DerivationError, jumps_message
from derive.notebook import displayed
from derive.printing import latex


class _OfLayer(sympy.Function):  # type: ignore[misc]  # SymPy is untyped
    """A function of an activation layer's number l, counted from 1, and of variances."""

    is_real = True
    symbol = ""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        layer, *arguments = map(printer._print, self.args)
        power = f"^{{{exp}}}" if exp else ""
        return rf"{self.symbol}_{{{layer}}}{power}\left({', '.join(arguments)}\right)"


class Kappa(_OfLayer):
    """Kappa(l, var1, var2, cov12) = E[phi(u) phi(v)], phi the activation of layer l."""

    nargs, symbol = 4, r"\kappa"


class KappaDot(_OfLayer):
    """KappaDot(l, var1, var2, cov12) = E[phi'(u) phi'(v)]."""

    nargs, symbol = 4, r"\dot{\kappa}"


class KappaDiagonal(_OfLayer):
    """KappaDiagonal(l, side, var) = E[phi(u)^2], side 0 for x and 1 for y."""

    nargs, symbol, is_nonnegative = 3, r"\kappa", True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        layer, _, var = self.args
        whole = _OfLayer(layer, var, var, var)._latex(printer, exp)
        return whole.replace("_", f"{self.symbol}_", 1)


class KappaDotDiagonal(KappaDiagonal):
    """KappaDotDiagonal(l, side, var) = E[phi'(u)^2]."""

    symbol = r"\dot{\kappa}"


@dataclass(frozen=True)
class SeriesDual:
    """The dual of one activation as a certified rule, for numbers; in formulas it stays a function.

    Attributes
    ----------
    activation : Activation
        Without parameters.
    rule : derive.ir.SeriesIR
    certificate : DualCertificate
        Agreement of the rule in float64 with the oracle, at random variances.
    reason : str
        Why there is no closed form.
    layer : int
        The activation layer that the formulas belong to.
    """

    activation: Activation
    rule: ir.SeriesIR
    certificate: DualCertificate
    reason: str = ""
    layer: int = 1

    @property
    def homogeneity(self) -> int | None:
        """No activation without a closed form is homogeneous."""
        return None

    @property
    def bound(self) -> sympy.Expr:
        """The largest certified variance."""
        return sympy.Rational(self.rule.largest)

    @property
    def least(self) -> sympy.Expr | None:
        """The smallest certified variance, if it is not 0."""
        return sympy.Rational(self.rule.smallest) if self.rule.smallest else None

    def in_layer(self, layer: int) -> SeriesDual:
        """The same dual in another layer."""
        return replace(self, layer=layer)

    def of_phi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa at the given covariance."""
        return Kappa(self.layer, var_x, var_y, cov)

    def of_dphi(self, var_x: sympy.Expr, var_y: sympy.Expr, cov: sympy.Expr) -> sympy.Expr:
        """kappa_dot at the given covariance."""
        return KappaDot(self.layer, var_x, var_y, cov)

    def of_phi_diagonal(self, var: sympy.Expr, side: int = 0) -> sympy.Expr:
        """E[phi(u)^2], Var u = var."""
        return KappaDiagonal(self.layer, side, var)

    def of_dphi_diagonal(self, var: sympy.Expr) -> sympy.Expr:
        """E[phi'(u)^2], Var u = var; raises DerivationError where phi jumps."""
        if any(height for _, height in self.rule.kinks):
            raise DerivationError(jumps_message(self.activation.name))
        return KappaDotDiagonal(self.layer, 0, var)

    def __repr__(self) -> str:
        digits = f"certified to {self.certificate.digits:.0f} digits"
        return f"<Dual of {self.activation.name} as a Hermite series, {digits}>"

    def __str__(self) -> str:
        return (
            f"kappa(var1, var2, cov12) = sum_j h_j(var1) h_j(var2) rho^j, rho = cov12 / sqrt(var1 var2), "
            f"h_j(a) = E[phi(sqrt(a) z) He_j(z)] / sqrt(j!), phi(x) = {self.activation.text}\n{self.reason}".rstrip()
        )

    def _repr_latex_(self) -> str:
        terms = r"{name}(q_1, q_2, c) &= \sum_{{j \ge 0}} {h}(q_1)\, {h}(q_2)\, \rho^j"
        return displayed(
            [
                rf"\phi(x) &= {latex(self.activation.expr)}",
                terms.format(name=r"\kappa", h="h_j") + r",\quad \rho = \frac{c}{\sqrt{q_1 q_2}}",
                terms.format(name=r"\dot{\kappa}", h=r"\dot{h}_j"),
                r"h_j(q) &= \frac{1}{\sqrt{j!}}\, \mathbb{E}\left[\phi(\sqrt{q}\, z)\, \mathrm{He}_j(z)\right]"
                r",\quad \dot{h}_j \text{ the same of the derivative of } \phi,\quad z \sim \mathcal{N}(0, 1)",
            ]
        )

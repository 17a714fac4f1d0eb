"""A predicted law of eigenvalue decay, and the curve it stands for (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy

from derive.curves import Entire, Tail, log_of_entire, log_of_tail
from derive.notebook import displayed, html_table, latex_number

_CURVES = ("tail", "entire")
"""Fields of a branch that are no part of its law."""


@dataclass(frozen=True)
class Branch:
    """The law on the even or on the odd degrees.

    Attributes
    ----------
    law : str
        As `Prediction.law`, or "zero" where all eigenvalues vanish, or "undecided".
    rate, power, gamma, constant : float or None
        lambda_k ~ constant k^power rate^k, where the power is known.
    base : float or None
        lambda_k ~ constant base^k / Gamma(k + dim/2), super-exponential and known.
    last : int or None
        Highest degree with an eigenvalue that is not 0, if there is one.
    """

    law: str
    rate: float | None = None
    power: float | None = None
    gamma: float | None = None
    constant: float | None = None
    last: int | None = None
    tail: Tail | None = field(default=None, repr=False, compare=False)
    base: float | None = None
    entire: Entire | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Prediction:
    """How the eigenvalues lambda_k of a kernel on the sphere in R^dim decay with the degree k.

    Attributes
    ----------
    law : {"exponential", "power", "stretched", "super-exponential", "finite-rank"}
        lambda_k ~ C k^power rate^k; C k^power; rate^k exp(-stretch sqrt(k)), or exp(-stretch k^(2/3)) if rate is 1; faster than
        every rate^k (of Gaussian kernels C base^k / Gamma(k + dim/2)); or 0 beyond some degree.
    rate : float
        rho; 1 for a power law, 0 for laws without one.
    power : float or None
        Exponent of k; None where the law is not algebraic or the exponent is not known.
    singularity : float
        t*, the nearest singularity of K(t); inf if there is none.
    exact : sympy.Expr or None
        rho exactly.
    layer : int or None
        The activation layer, from 1, whose dual is singular at t*; None for baselines.
    gamma : float or None
        K = regular + S (1 - t/t*)^gamma at t*.
    constant : float or None
        C; None where even and odd degrees differ (see `even`, `odd`), it is not known, or float64 does not hold it.
    even, odd : Branch
        The law on even and on odd degrees. They differ for good where no bias mixes them.
    mirror, mirror_rate : float or None
        -t2, the nearest singularity on the negative axis, and its rate: (-1)^k mirror_rate^k fades where it is smaller than rate.
    oscillation : float or None
        omega of a factor 1 + B cos(omega sqrt(k) + phase), from kinks away from 0 or tilted Gaussians.
    stretch : float or None
        c of exp(-c sqrt(k)), or of exp(-c k^(2/3)) if rate is 1; negative where the eigenvalues decay less than rate^k.
    rank : int or None
        Number of eigenvalues that are not 0, with multiplicity, of a finite-rank kernel.
    error : float
        Estimated relative error of log(rate).
    notes : tuple of str
        What is approximate, and where the law sets in.
    dim, q, get : int, float, str
        What was asked for.
    base : float or None
        b of C b^k / Gamma(k + dim/2), the law of Gaussian kernels and their mixtures.
    """

    law: str
    rate: float
    power: float | None
    singularity: float
    exact: sympy.Expr | None
    layer: int | None
    gamma: float | None
    constant: float | None
    even: Branch
    odd: Branch
    mirror: float | None
    mirror_rate: float | None
    oscillation: float | None
    stretch: float | None
    rank: int | None
    error: float
    notes: tuple[str, ...]
    dim: int
    q: float
    get: str
    base: float | None = None

    @property
    def last(self) -> int | None:
        """The last degree with an eigenvalue that is not 0, of a finite-rank kernel."""
        ends = [branch.last for branch in (self.even, self.odd) if branch.last is not None]
        return max(ends) if self.rank is not None and ends else None

    def log_eigenvalue(self, k: int) -> float:
        """log lambda_k of the predicted curve, exact in k for the singular part of K(t); -inf where lambda_k vanishes.

        Raises
        ------
        ValueError
            If k is negative, or the law has no curve: its constant is unknown, or it is a network's super-exponential one.

        Notes
        -----
        Without oscillation and stretching a closed form: for t* > 1

            S Gamma(k - gamma) / (Gamma(-gamma) k!) t*^-k c_kk 2F1((k - gamma)/2, (k - gamma + 1)/2; k + dim/2; 1/t*^2),

        for t* = 1 its limit, a ratio of Gammas. Of Gaussian kernels and rational quadratics it is lambda_k itself. Otherwise the sum over j of the asymptotic Taylor coefficients, up to
        0.3 s. Close to k = gamma and below, the curve means nothing.
        """
        if isinstance(k, bool) or not hasattr(k, "__index__") or k < 0:
            raise ValueError(f"k must be an integer from 0 on, got {k!r}.")
        branch = self.odd if k % 2 else self.even
        if branch.law == "zero" or (branch.last is not None and k > branch.last):
            return -math.inf
        if branch.entire is not None:
            return log_of_entire(branch.entire, int(k), self.dim)
        if branch.tail is None:
            raise ValueError(f"There is no curve for degree {k}: {self._missing(branch)}.")
        return log_of_tail(branch.tail, int(k), self.dim)

    @staticmethod
    def _missing(branch: Branch) -> str:
        if branch.law in ("finite-rank", "super-exponential"):
            return f"a {branch.law} law has no asymptotic form; compute the spectrum"
        return "the strength of the singularity is not known; fit the constant to the computed spectrum"

    @property
    def formula(self) -> str:
        """The law in one line of LaTeX."""
        if self.law == "finite-rank":
            return rf"\lambda_k = 0 \text{{ beyond degree }} {self.last}"
        constant = "C" if self.constant is None else latex_number(f"{self.constant:.6g}")
        if self.base is not None:
            return rf"\lambda_k \sim {constant}\, \frac{{{self.base:.10g}^k}}{{\Gamma(k + {Fraction(self.dim, 2)})}}"
        if self.law == "super-exponential":
            return r"\lambda_k = o(\rho^k) \text{ for every } \rho > 0"
        rho = sympy.latex(self.exact) if self.exact is not None else f"{self.rate:.10g}"
        parts = [constant]
        if self.power is not None:
            parts.append(f"k^{{{self.power:g}}}")
        if self.rate != 1:
            parts.append(rf"\left({rho}\right)^k")
        if self.stretch is not None:
            root = r"k^{2/3}" if self.rate == 1 else r"\sqrt{k}"
            parts.append(f"e^{{{latex_number(f'{-self.stretch:.6g}')} {root}}}")
        if self.oscillation is not None:
            omega = latex_number(f"{self.oscillation:.6g}")
            parts.append(rf"\left(1 + B \cos({omega} \sqrt{{k}} + \varphi)\right)")
        return r"\lambda_k \sim " + r"\, ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("even", "odd"):
            branch = plain[name]
            plain[name] = {
                key: getattr(branch, key) for key in branch.__dataclass_fields__ if key not in _CURVES
            }
        plain["exact"] = None if self.exact is None else str(self.exact)
        plain["singularity"] = self.singularity if math.isfinite(self.singularity) else None
        plain["notes"] = list(self.notes)
        return plain

    def __str__(self) -> str:
        return "\n".join(f"{name:12} {value}" for name, value in self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "law", f"{self.law} ({self.get}, dim {self.dim})"
        if self.rank is not None:
            yield "rank", str(self.rank)
        if self.law in ("exponential", "stretched", "power"):
            exact = f" = {self.exact}" if self.exact not in (None, 1) else ""
            yield "rate", f"{self.rate:.12g}{exact}"
            layer = f", activation layer {self.layer}" if self.layer is not None else ""
            yield "singularity", f"t* = {self.singularity:.12g}{layer}"
        if self.base is not None:
            yield "decay", f"C {self.base:.10g}^k / Gamma(k + {Fraction(self.dim, 2)})"
        if self.power is not None:
            yield "power", f"{self.power:g} (gamma = {self.gamma:g})"
        if self.stretch is not None:
            yield "stretch", f"exp(-{self.stretch:.8g} {'k^(2/3)' if self.rate == 1 else 'sqrt(k)'})"
        if self.oscillation is not None:
            yield "oscillation", f"cos({self.oscillation:.8g} sqrt(k) + phase)"
        if self.constant is not None:
            yield "constant", f"{self.constant:.10g}"
        elif self.even != self.odd:
            yield "even degrees", _text(self.even)
            yield "odd degrees", _text(self.odd)
        if self.mirror is not None:
            yield "mirror", f"t = {self.mirror:.8g}: (-1)^k {self.mirror_rate:.8g}^k"
        for note in self.notes:
            yield "note", note

    def __repr__(self) -> str:
        rate = f", rate {self.rate:.6g}" if self.law in ("exponential", "stretched") else ""
        power = "" if self.power is None else f", power {self.power:g}"
        return f"<Prediction: {self.law}{rate}{power}; {self.get}, dim {self.dim}>"

    def _repr_html_(self) -> str:
        (_, law), *rows = self._rows()
        return html_table([f"Predicted: {law}"], (), rows)

    def _repr_latex_(self) -> str:
        return displayed([self.formula])


def _text(branch: Branch) -> str:
    if branch.law in ("zero", "finite-rank"):
        return "0" if branch.last in (None, -1) else f"0 beyond degree {branch.last}"
    parts = [branch.law]
    for name in ("rate", "power", "base", "constant"):
        value = getattr(branch, name)
        if value is not None:
            parts.append(f"{name} {value:.10g}")
    return ", ".join(parts)

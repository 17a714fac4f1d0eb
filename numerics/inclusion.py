"""Which of two kernels has the larger function space on the sphere (theory.md, section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import NoClosedForm
from derive.notebook import displayed, html_table, latex_number
from derive.numbers import Real, exact
from derive.predict import predict_decay
from derive.prediction import Prediction
from numerics.arrays import require_kernel
from numerics.ratio_limits import Found, judge
from numerics.ratios import draw_ratio, ratio_of, sup_of
from numerics.zonal import spectrum

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
VERDICTS: dict[tuple[bool | None, bool | None], tuple[str, str]] = {
    (True, True): ("equal", "H_A = H_B"),
    (True, False): ("strictly inside", r"H_A \subsetneq H_B"),
    (False, True): ("strictly contains", r"H_A \supsetneq H_B"),
    (False, False): ("incomparable", r"H_A \not\subseteq H_B \not\subseteq H_A"),
}
UNDECIDED = ("undecided", r"H_A \overset{?}{\sim} H_B")


@dataclass(frozen=True, eq=False)
class Inclusion:
    """The ratio lambda_k(A) / lambda_k(B) by degree, where it tends, and which space lies in which.

    Attributes
    ----------
    degree : ndarray of int, shape (K + 1,)
    log_ratio : ndarray, shape (K + 1,)
        Natural logarithm; -inf where A's eigenvalue vanishes, inf where B's does, nan where both do.
    ratio_error : ndarray, shape (K + 1,)
        Relative error of the ratio; inf where an eigenvalue's own reaches 1.
    sup, sup_inverse : float
        Largest A / B and B / A over the computed degrees (inf beyond 1e308 too; nan if both kernels are 0).
    sup_degree, sup_inverse_degree : int or None
        The degree where it lies, the lowest one if there are several.
    limit_even, limit_odd : float or None
        Predicted limit of the ratio on even and on odd degrees: 0, a positive number, inf, nan where both kernels
        have finitely many such degrees, None where it is not known or does not exist (oscillation).
    a_in_b, b_in_a : bool or None
        Whether H_A lies in H_B, and H_B in H_A; None where undecided.
    verdict : {"strictly inside", "equal", "strictly contains", "incomparable", "undecided"}
        What H_A is to H_B.
    reason : str
    prediction_a, prediction_b : Prediction or None
    dim, q, get, label_a, label_b : int, float, str, str, str
        What was asked for.
    """

    degree: NDArray[np.int64]
    log_ratio: Floats
    ratio_error: Floats
    sup: float
    sup_degree: int | None
    sup_inverse: float
    sup_inverse_degree: int | None
    limit_even: float | None
    limit_odd: float | None
    a_in_b: bool | None
    b_in_a: bool | None
    verdict: str
    reason: str
    prediction_a: Prediction | None
    prediction_b: Prediction | None
    dim: int
    q: float
    get: str
    label_a: str
    label_b: str

    @property
    def limit(self) -> float | None:
        """The limit over all degrees; None where it is not known or even and odd degrees have different ones."""
        limits = [one for one in (self.limit_even, self.limit_odd) if one is None or not math.isnan(one)]
        if None in limits or len({f"{one:.9g}" for one in limits}) > 1:
            return None
        return limits[0] if limits else math.nan

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; what is not finite is the text that `float` reads: "inf", "-inf", "nan"."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, value in plain.items():
            if isinstance(value, np.ndarray):
                plain[name] = [_safe(one) for one in value.tolist()]
            elif isinstance(value, Prediction):
                plain[name] = value.to_dict()
        return {name: _safe(value) for name, value in plain.items()} | {"limit": _safe(self.limit)}

    def plot(self, ax: Any = None) -> Any:
        """Draw the ratio by degree on a logarithmic axis, with its errors where these show, and the predicted laws' as thin lines.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import panels

        (axes,) = panels(ax, 1, 6.4, 4.2)
        title = f"{self._relation()}: {self._limits()}"
        laws = (self.prediction_a, self.prediction_b)
        draw_ratio(axes, self.degree, self.log_ratio, self.ratio_error, laws, title)
        return axes

    def _relation(self) -> str:
        links = {
            "incomparable": "A and B are incomparable",
            "equal": "A equals B",
            "undecided": "A and B: undecided",
        }
        return links.get(self.verdict, f"A {self.verdict} B")

    def _limits(self) -> str:
        if self.limit is not None:
            return f"limit {self.limit:.6g}"
        texts = ["not known" if one is None else f"{one:.6g}" for one in (self.limit_even, self.limit_odd)]
        return f"limit {texts[0]} (even), {texts[1]} (odd)"

    def __repr__(self) -> str:
        return f"<Inclusion: {self._relation()}; {self._limits()}; {self.get}, dim {self.dim}>"

    def __str__(self) -> str:
        verdict = f"A and B are {self.verdict}" if self.verdict == "incomparable" else f"A is {self.verdict}"
        return "\n".join([*self._names(), f"verdict: {verdict}", self.reason, self._numbers()])

    def _names(self) -> list[str]:
        return [f"A = {self.label_a}", f"B = {self.label_b}"]

    def _numbers(self) -> str:
        return (
            f"{self._limits()}; sup A/B = {self.sup:.6g} (degree {self.sup_degree}), "
            f"sup B/A = {self.sup_inverse:.6g} (degree {self.sup_inverse_degree})"
        )

    def _repr_html_(self) -> str:
        rows = (
            (k, f"{ratio / math.log(10):.6f}", f"{error:.0e}")
            for k, ratio, error in zip(self.degree, self.log_ratio, self.ratio_error, strict=True)
        )
        lines = [self._relation(), *self._names(), self.reason, self._numbers()]
        return html_table(lines, ("degree", "log10 of A / B", "rel. error"), rows)

    def _repr_latex_(self) -> str:
        relation = VERDICTS.get((self.a_in_b, self.b_in_a), UNDECIDED)[1]
        even, odd = (_latex(one) for one in (self.limit_even, self.limit_odd))
        limit = even if even == odd else rf"{even}\ (k \text{{ even}}),\ {odd}\ (k \text{{ odd}})"
        return displayed([rf"{relation}, \quad \lambda_k(A) / \lambda_k(B) \to {limit}"])


def compare(
    kernel_a: Kernel, kernel_b: Kernel, dim: int, q: Real = 1.0, get: str = "ntk", degrees: int = 100
) -> Inclusion:
    """Compare the function spaces (RKHS) of two kernels on the sphere |x|^2 = q dim in R^dim.

    Parameters
    ----------
    kernel_a, kernel_b : Kernel
    dim : int
        2 or more.
    q : real number > 0
    get : {"ntk", "nngp", "rounding"}
    degrees : int
        Highest degree of the computed ratio.

    Returns
    -------
    Inclusion

    Raises
    ------
    TypeError, ValueError
        If an argument is no kernel, or lies outside its domain.
    DerivationError, NumericalError
        As `spectrum` and `predict_decay` do; laws that are not known leave the verdict "undecided".

    Notes
    -----
    H_A lies in H_B iff sup_k lambda_k(A) / lambda_k(B) is finite, strictly iff the infimum is 0 as well. Whether an eigenvalue
    vanishes, and where the ratio tends, comes from `predict_decay`; the computed ratio must not contradict it. Laws whose
    exponents agree to the predictions' stated errors, 1e-15, count as the same law.
    Cost: that of the two spectra and predictions, 0.1 to 1 s for ReLU at depth 2, 7 s for tanh with real weights.

    Examples
    --------
    >>> import quasintk as qn
    >>> from numerics.inclusion import compare
    >>> compare(qn.kernel("relu", b_std=1), qn.kernel("relu", weights="real", b_std=1), dim=10).verdict
    'strictly inside'
    """
    for kernel in (kernel_a, kernel_b):
        require_kernel(kernel)
    a, b = (spectrum(kernel, dim, degrees, get, q) for kernel in (kernel_a, kernel_b))
    log_ratio, error = ratio_of(a, b)
    law_a, law_b = (_predicted(kernel, dim, q, get) for kernel in (kernel_a, kernel_b))
    if kernel_a == kernel_b:
        found = Found((1.0, 1.0), True, True, "A and B are the same kernel")
    elif isinstance(law_a, Prediction) and isinstance(law_b, Prediction):
        found = judge((law_a, law_b), (a, b), log_ratio, error)
    else:
        found = Found((None, None), None, None, f"The laws are not known. {_first_text(law_a, law_b)}")
    (sup, at), (sup_inverse, at_inverse) = (sup_of(sign * log_ratio, error) for sign in (1, -1))
    return Inclusion(
        degree=a.degree,
        log_ratio=log_ratio,
        ratio_error=error,
        sup=sup,
        sup_degree=at,
        sup_inverse=sup_inverse,
        sup_inverse_degree=at_inverse,
        limit_even=found.limits[0],
        limit_odd=found.limits[1],
        a_in_b=found.a_in_b,
        b_in_a=found.b_in_a,
        verdict=VERDICTS.get((found.a_in_b, found.b_in_a), UNDECIDED)[0],
        reason=f"{found.reason.rstrip('.')}.",
        prediction_a=law_a if isinstance(law_a, Prediction) else None,
        prediction_b=law_b if isinstance(law_b, Prediction) else None,
        dim=dim,
        q=float(exact(q, "q")),
        get=get,
        label_a=repr(kernel_a),
        label_b=repr(kernel_b),
    )


def _predicted(kernel: Kernel, dim: int, q: Real, get: str) -> Prediction | str:
    try:
        return predict_decay(kernel, dim, q, get)
    except NoClosedForm as error:
        return str(error)


def _first_text(*laws: Prediction | str) -> str:
    return next(f"{name}: {law}" for name, law in zip("AB", laws, strict=True) if isinstance(law, str))


def _safe(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _latex(limit: float | None) -> str:
    return (
        "{?}"
        if limit is None
        else r"\infty"
        if limit == math.inf
        else "-"
        if math.isnan(limit)
        else latex_number(f"{limit:.6g}")
    )

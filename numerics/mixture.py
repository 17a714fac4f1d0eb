"""The mixture of Gaussian kernels nearest to a kernel on the sphere (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.baselines import baseline_ir
from derive.errors import NoClosedForm
from derive.notebook import displayed, html_table, latex_number
from derive.numbers import Real, exact
from derive.predict import predict_decay
from derive.prediction import Prediction
from numerics.arrays import require_kernel
from numerics.harmonic_sums import harmonic_sums
from numerics.kernel import Kernel
from numerics.mixture_fit import TailDensity, fit_mixture, poisson, tail_of
from numerics.power_series import LONG_EPS
from numerics.series import TaylorSeries
from numerics.sphere import OnSphere
from numerics.zonal import Spectrum, spectrum, zonal_eigenvalues

Floats = NDArray[np.float64]
ENOUGH, LONGEST = 1e-6, 2000
"""Share of an eigenvalue left to coefficients that are not known, far below any mismatch, and the most of them (2 s)."""

SHOWN = 4
"""Gaussians of a formula."""


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """K(t) ~ sum_i w_i exp(-s_i (1 - t)), and how far its eigenvalues are from the kernel's.

    Attributes
    ----------
    scale, weight : ndarray, shape (n,)
        s_i >= 0, ascending, and w_i > 0, n <= 64.
    degree : ndarray of int, shape (K + 1,)
    mismatch : ndarray, shape (K + 1,)
        lambda_k of the mixture / lambda_k of the kernel - 1; inf where the kernel's vanishes.
    mismatch_error : ndarray, shape (K + 1,)
        Error of the mismatch, from those of both eigenvalues, relative to 1 + mismatch.
    residual : float
        Root mean square of the Taylor coefficients' relative mismatch, which was made least.
    predicted_tail : TailDensity or None
        From the kernel's predicted law: exponent -gamma - 1, rate t* - 1, if it is exponential or a power.
    fitted_tail : TailDensity or None
        From the upper half of the atoms, where one is predicted; a rough estimate.
    notes : tuple of str
        What no mixture can do.
    dim, q, get, label : int, Fraction, str, str
        What was asked for.
    """

    scale: Floats
    weight: Floats
    degree: NDArray[np.int64]
    mismatch: Floats
    mismatch_error: Floats
    residual: float
    predicted_tail: TailDensity | None
    fitted_tail: TailDensity | None
    notes: tuple[str, ...]
    dim: int
    q: Fraction
    get: str
    label: str

    @property
    def length_scale(self) -> Floats:
        """sqrt(q / s_i), the length scale of each as `quasintk.baselines.gaussian` takes it; inf for a constant."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.sqrt(float(self.q) / self.scale))

    @property
    def worst(self) -> float:
        """Largest |mismatch| over the degrees where the kernel does not vanish."""
        return float(np.max(np.abs(self.mismatch[np.isfinite(self.mismatch)]), initial=0.0))

    @property
    def worst_degree(self) -> int:
        """The lowest degree of the largest |mismatch|."""
        return int(np.argmax(np.where(np.isfinite(self.mismatch), np.abs(self.mismatch), -1)))

    def kernel(self) -> Kernel:
        """The mixture as a kernel, `quasintk.baselines.gaussian_mixture` of the scales s_i / q = 1 / length_scale^2."""
        values = {f"s_{i}": Fraction(s) / self.q for i, s in enumerate(self.scale.tolist(), 1)}
        values |= {f"w_{i}": Fraction(w) for i, w in enumerate(self.weight.tolist(), 1)}
        return Kernel(baseline_ir("gaussian_mixture", len(self.scale), values))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; what is not finite is None."""
        plain = {name: getattr(self, name) for name in (*self.__dataclass_fields__, "length_scale", "worst")}
        for name, value in plain.items():
            if isinstance(value, np.ndarray):
                plain[name] = [one if math.isfinite(one) else None for one in value.tolist()]
            elif isinstance(value, TailDensity):
                plain[name] = vars(value)
        return plain | {"q": float(self.q), "notes": list(self.notes), "worst_degree": self.worst_degree}

    def plot(self, ax: Any = None) -> Any:
        """Draw the weights by scale, and beside them the eigenvalues' mismatch by degree with its errors.

        Parameters
        ----------
        ax : two matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import GREY, STYLES, panels

        left, right = axes = panels(ax, 2, 9.6, 4.0)
        marker, color = STYLES[0]
        left.vlines(self.scale, 0, self.weight, color=color, linewidth=0.8)
        left.plot(self.scale, self.weight, marker, color=color, markersize=4)
        left.set(xlabel="scale $s$", ylabel="weight $w$", yscale="log")
        left.set_title(r"$\sum_i w_i\ \exp(-s_i (1 - t))$", fontsize=10)
        shown = np.isfinite(self.mismatch) & np.isfinite(self.mismatch_error)
        bars = 100 * ((1 + self.mismatch) * self.mismatch_error)[shown]
        where = self.degree[shown], 100 * self.mismatch[shown]
        right.errorbar(*where, bars, fmt=marker, color=color, markersize=3.5, elinewidth=0.8, capsize=1.5)
        right.axhline(0, color=GREY, linewidth=0.8)
        right.set(xlabel="degree $k$", ylabel=r"mismatch of $\lambda_k$ in %")
        right.set_title(f"Largest: {100 * self.worst:.3g} % at degree {self.worst_degree}", fontsize=10)
        return axes

    def __repr__(self) -> str:
        return f"<GaussianMixture of {len(self.scale)} for {self.label}, mismatch {self.worst:.3g}, dim {self.dim}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [
            f"{len(self.scale)} Gaussian{'s' if len(self.scale) > 1 else ''} for {self.label}",
            f"mismatch     {self.worst:.3g} at degree {self.worst_degree}, dim {self.dim}, degrees to {self.degree[-1]}",
        ]
        tails = {"predicted": self.predicted_tail, "fitted": self.fitted_tail}
        lines += [f"{name:12} {tail}" for name, tail in tails.items() if tail is not None]
        return [*lines, *(f"note         {note}" for note in self.notes)]

    def _repr_html_(self) -> str:
        rows = (
            (f"{scale:.6g}", f"{length:.6g}", f"{weight:.6e}")
            for scale, length, weight in zip(self.scale, self.length_scale, self.weight, strict=True)
        )
        return html_table(self._lines(), ("scale", "length scale", "weight"), rows)

    def _repr_latex_(self) -> str:
        pairs = zip(self.scale[:SHOWN], self.weight[:SHOWN], strict=True)
        first = [rf"{latex_number(f'{w:.4g}')}\,e^{{-{latex_number(f'{s:.4g}')}(1-t)}}" for s, w in pairs]
        more = r" + \cdots" if len(self.scale) > SHOWN else ""
        return displayed([rf"K(t) \approx {' + '.join(first)}{more}"])


def equivalent_gaussian_mixture(
    kernel: Kernel, dim: int = 10, q: Real = 1.0, get: str = "ntk", degrees: int = 60
) -> GaussianMixture:
    """The mixture of Gaussian kernels whose Taylor coefficients in the cosine are nearest to a kernel's.

    Parameters
    ----------
    kernel : Kernel
    dim : int
        Dimension of the inputs, 2 or more, of the eigenvalues that are compared; the mixture hardly depends on it.
    q : real number > 0
        The inputs' |x|^2 / dim.
    get : {"ntk", "nngp", "rounding"}
    degrees : int
        Highest degree that is compared.

    Returns
    -------
    GaussianMixture

    Raises
    ------
    TypeError, ValueError
        If an argument is no kernel, lies outside its domain, or K is 0.
    DerivationError, NumericalError
        As `spectrum` does.

    Notes
    -----
    exp(-s (1 - t)) has the Taylor coefficients e^-s s^j / j!. Their mixture is fitted to a_j by non-negative least squares of
    the relative differences, on a grid of scales; neighbours are merged and all scales and weights then improved together. As
    eigenvalues are sums of a_j with positive weights, none is off by more than the largest difference of an a_j. An exact
    mixture is analytic in Re t < t*; kernels of ReLU are not. Coefficients that vanish cannot be met by any mixture and are left out.
    Cost: 0.3 s for binary weights, 2 to 4 s for real ones.
    """
    require_kernel(kernel)
    own = spectrum(kernel, dim, degrees, get, q)
    if own.trace == 0:
        raise ValueError(f"The {get} of {kernel!r} is 0 on this sphere: there is nothing to fit.")
    series = _long_enough(kernel.on_sphere(q, get), dim, degrees)
    scale, weight, residual = fit_mixture(series, degrees)
    both = _mixed(scale, weight, dim, degrees, len(series.coefficients))
    mismatch, error = _mismatch(both, own)
    law = _predicted(kernel, dim, q, get)
    notes, predicted = tuple(_notes(own, law, series)), _predicted_tail(law)
    tails = predicted, None if predicted is None else tail_of(scale, weight)
    fit = scale, weight, own.degree, mismatch, error, residual
    return GaussianMixture(*fit, *tails, notes, dim, exact(q, "q"), get, own.label)


def _long_enough(sphere: OnSphere, dim: int, degrees: int) -> TaylorSeries:
    """Twice as many coefficients until the rest no longer counts in any eigenvalue."""
    terms = 2 * degrees + 24
    while True:
        series = sphere.taylor_series(terms)
        rest = harmonic_sums(series, dim, degrees, extrapolate=False).tail
        if rest.max() <= ENOUGH or 2 * terms > max(LONGEST, 4 * degrees):
            return series
        terms *= 2


def _mixed(scale: Floats, weight: Floats, dim: int, degrees: int, terms: int) -> Spectrum:
    """Eigenvalues of the mixture from its own Taylor coefficients, until 1e-30 of its largest scale's are left."""
    last = max(terms, math.ceil(scale[-1] + 12 * math.sqrt(scale[-1]) + 40))
    a = poisson(scale, last) @ weight.astype(np.longdouble)
    error = np.full(last + 1, 2.0 * LONG_EPS * last)
    return zonal_eigenvalues(a, dim, degrees, float(weight.sum()), error)


def _mismatch(mixture: Spectrum, own: Spectrum) -> tuple[Floats, Floats]:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mismatch = np.expm1(mixture.log_eigenvalue - own.log_eigenvalue)
        return np.asarray(mismatch), np.asarray((1 + mixture.rel_error) / (1 - own.rel_error) - 1)


def _predicted(kernel: Kernel, dim: int, q: Real, get: str) -> Prediction | None:
    try:
        return predict_decay(kernel, dim, q, get)
    except NoClosedForm:
        return None


def _predicted_tail(law: Prediction | None) -> TailDensity | None:
    """a_j ~ j^(-gamma - 1) t*^-j is the integral of s^(-gamma - 1) exp(-(t* - 1) s) e^-s s^j / j!."""
    if law is None or law.gamma is None:
        return None
    return TailDensity(-law.gamma - 1, law.singularity - 1)


def _notes(own: Spectrum, law: Prediction | None, series: TaylorSeries) -> Iterator[str]:
    absent = own.degree[~np.isfinite(own.log_eigenvalue)]
    if len(absent):
        yield (
            f"the kernel's eigenvalues vanish at {len(absent)} degrees, the first {absent[0]}, and those of no mixture do: "
            "the coefficients of that parity cannot be matched"
        )
    if law is not None and law.mirror is not None:
        yield (
            f"K is singular at t = {law.mirror:.6g}, and a mixture analytic to the left of t* = {law.singularity:.6g}: "
            "none is exact"
        )
    if (rest := 1 - float(series.coefficients.sum()) / series.total) > ENOUGH:
        yield (
            f"{100 * rest:.3g} % of K(1) lie in coefficients beyond the last that was fitted, {len(series.coefficients) - 1}, "
            "and are met in sum alone: high degrees in low dimensions suffer"
        )

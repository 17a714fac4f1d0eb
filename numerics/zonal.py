"""Eigenvalues on the sphere from Taylor coefficients: sums of positive terms (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from derive.ir import KernelIR
from derive.notebook import displayed, html_table, latex_number, shortened
from derive.numbers import Real, decimal
from derive.prediction import Prediction
from numerics.arrays import require_kernel
from numerics.funk_hecke import AngleIntegrals, funk_hecke, is_cheap
from numerics.harmonic_sums import EPS, PRECISE, TRUNCATION, HarmonicSums, harmonic_sums
from numerics.moments import total
from numerics.series import TaylorSeries

if TYPE_CHECKING:
    from numerics.kernel import Kernel
    from numerics.sphere import OnSphere

Floats = NDArray[np.float64]
HEAD, WIDTHS = ("degree", "multiplicity", "eigenvalue", "rel. error"), (6, 14, 17, 12)
ROUNDING = 1e-12
"""Share of K(1) that the eigenvalues' errors and their sum leave open."""
CHEAP_LIMIT = 512
"""Coefficients up to which the series is faster than quadrature, at depth 3."""
LARGEST_DIGITS = 2000
FIRST_DIGITS = 64
"""Of quadrature; they are doubled until the smallest eigenvalue is met, at most up to what its first Taylor coefficient asks for."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a kernel K(t) on the sphere in R^dim, uniform probability measure, by degree.

    Attributes
    ----------
    dim : int
    degree : ndarray of int, shape (K + 1,)
        0 .. K.
    eigenvalue, log_eigenvalue : ndarray, shape (K + 1,)
        lambda_k (0 where it underflows or vanishes) and its natural logarithm (-inf where it vanishes).
    multiplicity : ndarray, shape (K + 1,)
        N(dim, k), the dimension of the space of harmonics of degree k.
    rel_error : ndarray, shape (K + 1,)
        Estimated relative error of each eigenvalue, the bound on dropped coefficients included.
    trace : float
        K(1) = sum_k N(dim, k) lambda_k over all degrees.
    label : str
    """

    dim: int
    degree: NDArray[np.int64]
    eigenvalue: Floats
    log_eigenvalue: Floats
    multiplicity: Floats
    rel_error: Floats
    trace: float
    label: str = ""

    @property
    def remainder(self) -> float:
        """Share of the trace that lies in higher degrees: 1 - sum_k N lambda_k / K(1)."""
        return 1 - math.fsum(self.multiplicity * self.eigenvalue) / self.trace

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; a vanishing eigenvalue's logarithm is None."""
        arrays = ("degree", "eigenvalue", "multiplicity", "rel_error")
        logs = [value if math.isfinite(value) else None for value in self.log_eigenvalue.tolist()]
        return {
            "dim": self.dim,
            **{name: getattr(self, name).tolist() for name in arrays},
            "log_eigenvalue": logs,
            "trace": self.trace,
            "label": self.label,
        }

    def plot(self, ax: Any = None, *, prediction: Prediction | None = None, label: str | None = None) -> Any:
        """Draw the eigenvalues by degree, with their errors where these show, and a predicted law as a thin line.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure; several spectra may go into the same ones.
        prediction : Prediction, optional
            From `predict_decay`.
        label : str, optional
            In the legend.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError
            If the prediction is none, or of another dimension or q; or as `numerics.plots.panels` says.
        ImportError
            If matplotlib is missing.
        """
        from numerics.plots import draw_spectra, panels

        _check_prediction(prediction, self.dim)
        (axes,) = panels(ax, 1, 6.4, 4.2)
        name = self.label or "eigenvalues" if label is None else label
        draw_spectra(axes, {name: self}, (), (prediction,))
        return axes

    def eigenvalue_text(self, k: int) -> str:
        """An eigenvalue in seven digits, also where it lies below 1e-308."""
        log10 = float(self.log_eigenvalue[k]) / math.log(10)
        if self.eigenvalue[k] > 1e-300 or log10 == -math.inf:
            return f"{self.eigenvalue[k]:.6e}"
        return decimal(log10)

    def __repr__(self) -> str:
        label = f", {self.label}" if self.label else ""
        return f"<Spectrum of degrees 0 to {self.degree[-1]}, dim {self.dim}{label}>"

    def __str__(self) -> str:
        first, left_out, last = shortened(self._rows())
        gap = [f"   ... {left_out} more ..."] if left_out else []
        lines = [*map(_line, [HEAD, *first]), *gap, *map(_line, last)]
        return "\n".join([*filter(None, [self.label]), *lines, self._held()])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for k, count, error in zip(self.degree, self.multiplicity, self.rel_error, strict=True):
            yield str(k), f"{count:.6g}", self.eigenvalue_text(int(k)), f"{error:.0e}"

    def _held(self) -> str:
        rest = self.remainder if self.trace else 0.0
        share = f"all but {rest:.2g} of it" if rest > ROUNDING else "all of it"
        return f"dim {self.dim}, K(1) = {self.trace:.6g}, {share} in these degrees"

    def _repr_html_(self) -> str:
        return html_table([self.label or "Spectrum", self._held()], HEAD, self._rows())

    def _repr_latex_(self) -> str:
        rows = (rf"{k} & {latex_number(value)} \\" for k, _, value, _ in self._rows())
        first, left_out, last = shortened(rows)
        gap = [r"\vdots & \vdots \\"] if left_out else []
        body = " ".join([*first, *gap, *last])
        return displayed([rf"\begin{{array}}{{rl}} k & \lambda_k \\ \hline {body} \end{{array}}"])


def _check_prediction(prediction: Any, dim: int) -> None:
    if prediction is not None and not isinstance(prediction, Prediction):
        raise TypeError(f"prediction must come from predict_decay, got {type(prediction).__name__}.")
    if prediction is not None and prediction.dim != dim:
        raise ValueError(
            f"The prediction is for dim {prediction.dim}, the spectrum for dim {dim}: predict_decay(kernel, dim={dim})."
        )


def _line(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def spectrum(kernel: Kernel, dim: int = 10, degrees: int = 60, get: str = "ntk", q: Real = 1.0) -> Spectrum:
    """Eigenvalues of a kernel on the sphere |x|^2 = q dim.

    Parameters
    ----------
    kernel : Kernel
    dim : int
        Dimension of the inputs, 2 or more.
    degrees : int
        Highest degree; the result has degrees + 1 entries.
    get : {"ntk", "nngp", "rounding"}
    q : real number > 0

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If an argument lies outside its domain.

    Notes
    -----
    Sums of positive Taylor coefficients, as many as it takes for the rest to stay below 1e-15 of every eigenvalue. Where
    that is more than 512 and the kernel's formulas are cheap at many digits, quadrature in the angle (`numerics.funk_hecke`);
    for all others up to 4,000 coefficients, 16,000 at depth 1 and 2,000 for Hermite series by panels, and `rel_error` says what that leaves.
    Cost: 0.1 s for binary weights at 61 degrees, 0.3 to 0.5 s with real weights or tanh, depth 3.
    """
    require_kernel(kernel)
    _check(dim, degrees)
    sphere, label = kernel.on_sphere(q, get), f"{get} of {kernel!r}"
    program = kernel.ir.pair.restricted(get)
    if not is_cheap(program):
        series, sums, complete = _long_enough(sphere, dim, degrees, _limit(kernel.ir))
        return _spectrum(sums if complete else harmonic_sums(series, dim, degrees), dim, series.total, label)

    def angles(wanted: Sequence[int], digits: int, hasty: bool) -> AngleIntegrals:
        parameters = dict(kernel.ir.parameters)
        return funk_hecke(program, parameters, sphere.q, dim, wanted, digits, PRECISE / 10, hasty)

    try:
        series, sums, complete = _long_enough(sphere, dim, degrees, CHEAP_LIMIT)
    except NumericalError:
        return _by_quadrature(
            angles, _unknown(dim, degrees, float(total(kernel.ir, sphere.q, get, 0)[0]), label)
        )
    found = _spectrum(sums, dim, series.total, label)
    return found if complete else _by_quadrature(angles, found)


def _limit(kernel: KernelIR) -> int:
    """How many coefficients are worth their time."""
    if any(function.series is not None for function in kernel.functions):
        return 2_000
    return 16_000 if len(kernel.functions) <= 1 else 4_000


def _long_enough(
    sphere: OnSphere, dim: int, degrees: int, limit: int
) -> tuple[TaylorSeries, HarmonicSums, bool]:
    """As many coefficients as it takes, at most max(limit, 2 degrees), their sums, and whether they suffice.

    The cheap limit is not gone to in vain. Where one parity's coefficients fall below the range of long doubles while the
    other's still count (a sine beside a kink), those in the range are all there are.
    """
    limit, terms = max(limit, 2 * degrees), degrees + 24 + degrees // 2
    series = sphere.taylor_series(terms)
    while True:
        sums = harmonic_sums(series, dim, degrees, extrapolate=False)
        wanted = _wanted(series.coefficients, float(np.max(sums.tail)), terms)
        if wanted <= terms:
            return series, sums, True
        if terms >= limit or (limit <= CHEAP_LIMIT and wanted > limit):
            return series, sums, False
        longer = _in_range(sphere, terms, min(wanted, limit))
        if longer is None:
            return series, sums, False
        series, terms = longer, len(longer.coefficients) - 1


def _in_range(sphere: OnSphere, terms: int, wanted: int) -> TaylorSeries | None:
    """A series of `wanted` coefficients, or of half as many, and so on, that are in the range; None where that is no more than `terms`."""
    while wanted > terms:
        try:
            return sphere.taylor_series(wanted)
        except NumericalError:
            wanted //= 2
    return None


def _wanted(a: NDArray[np.longdouble], tail: float, terms: int) -> int:
    """Terms at which the tail should fall below TRUNCATION, from how fast the last fifth of the coefficients falls."""
    if tail <= TRUNCATION:
        return terms
    fifth = terms // 5
    before, last = a[-2 * fifth : -fifth].sum(), a[-fifth:].sum()
    if not 0 < last < before:
        return 2 * terms
    rate = float(np.log(before / last)) / fifth
    missing = math.log(min(tail, 1e200) / TRUNCATION)
    return min(terms + max(terms // 8, math.ceil(1.1 * missing / max(rate, 1e-9))), 10**9)


def _unknown(dim: int, degrees: int, total: float, label: str) -> Spectrum:
    """Nothing known but K(1)."""
    sums = HarmonicSums(*(np.full(degrees + 1, value) for value in (0.0, 0, math.inf, math.inf)))
    return _spectrum(sums, dim, total, label)


def _by_quadrature(angles: Callable[[Sequence[int], int, bool], AngleIntegrals], found: Spectrum) -> Spectrum:
    """The degrees that the series leaves imprecise."""
    imprecise = np.flatnonzero(found.rel_error > PRECISE)
    if not len(imprecise):
        return found
    least = min((log for log in found.log_eigenvalue if math.isfinite(log)), default=-LARGEST_DIGITS)
    enough = min(30 + math.ceil((math.log(abs(found.trace)) - least) / math.log(10)), LARGEST_DIGITS)
    digits = min(enough, FIRST_DIGITS)
    while True:
        integrals = angles(imprecise.tolist(), digits, digits < enough)
        pairs = list(zip(integrals.values, integrals.errors, strict=True))
        if digits >= enough or all(error <= PRECISE * value for value, error in pairs):
            break
        digits = min(enough, 2 * digits)
    mantissa, exponent, error = (np.zeros(len(imprecise)) for _ in range(3))
    for i, (value, deviation) in enumerate(pairs):
        if value > deviation:
            fraction, power = mpmath.frexp(value)
            mantissa[i], exponent[i], error[i] = float(fraction), float(power), float(deviation / value) + EPS
        else:
            error[i] = math.inf
    better = error < found.rel_error[imprecise]
    values, logs = _values(mantissa, exponent.astype(np.int64))
    result = replace(
        found,
        **{name: getattr(found, name).copy() for name in ("eigenvalue", "log_eigenvalue", "rel_error")},
    )
    chosen = imprecise[better]
    result.eigenvalue[chosen], result.log_eigenvalue[chosen] = values[better], logs[better]
    result.rel_error[chosen] = error[better]
    return result


def zonal_eigenvalues(
    coefficients: NDArray[Any],
    dim: int,
    degrees: int,
    total: float,
    coefficient_error: Floats,
    label: str = "",
) -> Spectrum:
    """Eigenvalues from non-negative Taylor coefficients a_0 .. a_n of K(t) and total = K(1).

    Raises
    ------
    NumericalError
        If there are fewer coefficients than degrees.
    """
    _check(dim, degrees)
    series = TaylorSeries(
        np.asarray(coefficients, np.longdouble), coefficient_error, total, 4 * EPS * abs(total)
    )
    return _spectrum(harmonic_sums(series, dim, degrees), dim, total, label)


def multiplicity(dim: int, k: int) -> int:
    """N(dim, k) = (2k + dim - 2) / k binom(k + dim - 3, k - 1), and 1 for k = 0."""
    return 1 if k == 0 else (2 * k + dim - 2) * math.comb(k + dim - 3, k - 1) // k


def _check(dim: int, degrees: int) -> None:
    for name, value, least in (("dim", dim, 2), ("degrees", degrees, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer from {least} on, got {value!r}.")


def _spectrum(sums: HarmonicSums, dim: int, total: float, label: str) -> Spectrum:
    degree = np.arange(len(sums.mantissa))
    eigenvalue, log = _values(sums.mantissa, sums.exponent)
    counts = np.array([float(min(multiplicity(dim, int(k)), 10**308)) for k in degree])
    return Spectrum(dim, degree, eigenvalue, log, counts, sums.rel_error, total, label)


def _values(mantissa: Floats, exponent: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """mantissa 2^exponent, 0 where it underflows, and its logarithm."""
    with np.errstate(under="ignore", divide="ignore"):
        return np.ldexp(mantissa, exponent), np.log(mantissa) + exponent * math.log(2)

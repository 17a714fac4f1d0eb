"""Eigenvalues on the sphere from Taylor coefficients: sums of positive terms (theory.md, section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from derive.ir import KernelIR
from derive.numbers import Real
from numerics.arrays import require_kernel
from numerics.funk_hecke import SLOW, funk_hecke
from numerics.series import TaylorSeries
from numerics.tails import extrapolated_tails

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
LONG_EPS = float(np.finfo(np.longdouble).eps)
TRUNCATION = 1e-15
"""Relative share of the dropped tail at which more terms are no longer worth their time."""
FIRST_DIGITS = 64
"""Of quadrature; they are doubled until the smallest eigenvalue is met, at most up to what its first Taylor coefficient asks for."""
PRECISE = 1e-13
"""Relative error beyond which quadrature takes over where it can."""
SAFETY = 2.0
"""On the relative error of extrapolated tails, the largest up to each degree: it was seen to be up to 1.4 times too small
where a law changes behind the last coefficient (8 bits), tests/numerics/test_power_series.py.
"""


@dataclass(frozen=True)
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

    def plot(self, path: str | None = None) -> Any:
        """Eigenvalues by degree on a logarithmic axis; a matplotlib figure, saved to `path` if given."""
        from numerics.plots import plot_spectra

        return plot_spectra({self.label or "eigenvalues": self}, path)

    def _repr_html_(self) -> str:
        rows = zip(self.degree, self.multiplicity, self.eigenvalue, self.rel_error, strict=True)
        cells = "".join(
            f"<tr><td>{k}</td><td>{n:.6g}</td><td>{v:.6e}</td><td>{e:.0e}</td></tr>" for k, n, v, e in rows
        )
        head = "<tr><th>degree</th><th>multiplicity</th><th>eigenvalue</th><th>rel. error</th></tr>"
        return f"<table>{head}{cells}</table>"

    def _repr_latex_(self) -> str:
        rows = zip(self.degree, self.eigenvalue, strict=True)
        body = r" \\ ".join(f"{k} & {v:.6e}" for k, v in rows)
        return rf"$\begin{{array}}{{rl}} k & \lambda_k \\ \hline {body} \end{{array}}$"


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
    that is more than 1,024 and the kernel's formulas are cheap at many digits, quadrature in the angle (`numerics.funk_hecke`);
    for all others up to 4,000 coefficients, 16,000 at depth 1 and 2,000 for Hermite series by panels, and `rel_error` says what that leaves.
    Cost: 0.1 s for binary weights at 61 degrees, 0.5 to 2 s with real weights or tanh.
    """
    require_kernel(kernel)
    _check(dim, degrees)
    sphere, label = kernel.on_sphere(q, get), f"{get} of {kernel!r}"
    exact = not any(call in SLOW for call in kernel.ir.pair.restricted(get).functions())
    limit = max(1024 if exact else _limit(kernel.ir), 2 * degrees)
    terms = degrees + max(96, degrees // 2)
    while True:
        series = sphere.taylor_series(terms)
        sums = _sums(series, dim, degrees)
        wanted = _wanted(series.coefficients, sums, terms)
        if wanted <= terms or terms >= limit or (exact and wanted > 2 * limit):
            break
        terms = min(wanted, limit)
    found = _spectrum(sums, dim, series.total, label)
    if exact and (found.rel_error > PRECISE).any():
        return _with_quadrature(found, kernel.ir, get, sphere.q)
    return found


def _limit(kernel: KernelIR) -> int:
    """How many coefficients are worth their time."""
    if any(function.series is not None for function in kernel.functions):
        return 2_000
    return 16_000 if len(kernel.functions) <= 1 else 4_000


def _wanted(a: NDArray[np.longdouble], sums: _Sums, terms: int) -> int:
    """Terms at which the tail should fall below TRUNCATION, from how fast the last fifth of the coefficients falls."""
    tail = float(np.max(sums.tail))
    if tail <= TRUNCATION:
        return terms
    fifth = terms // 5
    before, last = a[-2 * fifth : -fifth].sum(), a[-fifth:].sum()
    rate = float(np.log(before / last)) / fifth if 0 < last < before else 0.0
    missing = math.log(min(tail, 1e200) / TRUNCATION)
    return min(terms + max(terms // 8, math.ceil(1.1 * missing / max(rate, 1e-9))), 10**9)


def _with_quadrature(found: Spectrum, kernel: KernelIR, get: str, q: Fraction) -> Spectrum:
    """The degrees that the series leaves imprecise, by quadrature."""
    least = min((log for log in found.log_eigenvalue if math.isfinite(log)), default=0.0)
    enough = 30 + math.ceil((math.log(abs(found.trace)) - least) / math.log(10))
    digits = min(enough, FIRST_DIGITS)
    while True:
        integrals = funk_hecke(kernel, get, q, found.dim, len(found.degree) - 1, digits, PRECISE / 10)
        pairs = zip(integrals.values, integrals.errors, strict=True)
        if digits >= enough or all(error <= PRECISE * value for value, error in pairs):
            break
        digits = min(enough, 2 * digits)
    mantissa, exponent, error = (np.zeros(len(found.degree)) for _ in range(3))
    for k, (value, deviation) in enumerate(zip(integrals.values, integrals.errors, strict=True)):
        if value > deviation:
            fraction, power = mpmath.frexp(value)
            mantissa[k], exponent[k], error[k] = float(fraction), float(power), float(deviation / value) + EPS
        else:
            error[k] = math.inf
    better = (found.rel_error > PRECISE) & (error < found.rel_error)
    values, logs = _values(mantissa, exponent.astype(np.int64))
    return replace(
        found,
        eigenvalue=np.where(better, values, found.eigenvalue),
        log_eigenvalue=np.where(better, logs, found.log_eigenvalue),
        rel_error=np.where(better, error, found.rel_error),
    )


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
    return _spectrum(_sums(series, dim, degrees), dim, total, label)


def multiplicity(dim: int, k: int) -> int:
    """N(dim, k) = (2k + dim - 2) / k binom(k + dim - 3, k - 1), and 1 for k = 0."""
    return 1 if k == 0 else (2 * k + dim - 2) * math.comb(k + dim - 3, k - 1) // k


def _check(dim: int, degrees: int) -> None:
    for name, value, least in (("dim", dim, 2), ("degrees", degrees, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer from {least} on, got {value!r}.")


@dataclass(frozen=True)
class _Sums:
    """lambda_k as mantissa * 2^exponent, with relative errors and the share of the dropped tail in them."""

    mantissa: Floats
    exponent: NDArray[np.int64]
    rel_error: Floats
    tail: Floats


def _sums(series: TaylorSeries, dim: int, degrees: int) -> _Sums:
    """lambda_k = c_{k,k} sum_j a_j c_{k,j} / c_{k,k}, every term positive; long doubles hold the weights."""
    a, error, total = series.coefficients, series.relative_error, series.total
    if len(a) <= degrees:
        raise NumericalError(
            f"Degree {degrees} needs more than {degrees} Taylor coefficients, there are {len(a)}."
        )
    if (a < 0).any():
        raise ValueError(
            f"Coefficient {int(np.argmax(a < 0))} is negative: K(t) is no kernel on every sphere."
        )
    known = LONG_EPS * abs(total) + series.total_error + float(a @ error)
    missing = max(total - float(a.sum()), 0.0) + known
    mantissa, exponent = np.zeros(degrees + 1), np.zeros(degrees + 1, np.int64)
    rel_error, tail = np.zeros(degrees + 1), np.zeros(degrees + 1)
    lead, lead_exponent, doubt = np.longdouble(1), 0, 0.0
    for k in range(degrees + 1):
        weights = _weights(k, len(a), dim)
        terms = a[k::2] * weights[:-1]
        value = terms.sum()
        if value > 0:
            known_error = float((terms @ error[k::2]) / value) + 2 * EPS + LONG_EPS * 4 * len(terms)
            rest = _geometric_tail(terms)
            if rest > TRUNCATION * value:
                rest = min(rest, missing * _peak(weights[-1], k, len(a), dim))
            tail[k] = float(rest / value)
            if tail[k] > PRECISE and missing > known and 4 * k < len(a):
                more, deviation = extrapolated_tails(a, dim, k, weights, missing - known)
                doubt = max(doubt, deviation / more if more else 0.0, known / missing)
                rest, value = min(rest, SAFETY * doubt * more), value + more
            rel_error[k] = known_error + float(rest / value)
            fraction, shift = np.frexp(lead * value)
            mantissa[k], exponent[k] = fraction, int(shift) + lead_exponent
        lead, shift = np.frexp(lead * np.longdouble(k + 1) / np.longdouble(2 * k + dim))
        lead_exponent += int(shift)
    return _Sums(mantissa, exponent, rel_error, tail)


def _weights(k: int, count: int, dim: int) -> NDArray[np.longdouble]:
    """c_{k,j} / c_{k,k} for j = k, k + 2, ... below count, and one more."""
    ratios = _ratio(np.arange(k, count, 2, dtype=np.longdouble), k, dim)
    return np.concatenate([[np.longdouble(1)], np.cumprod(ratios)])


def _ratio(j: NDArray[np.longdouble], k: int, dim: int) -> NDArray[np.longdouble]:
    """c_{k,j+2} / c_{k,j}."""
    return (j + 1) * (j + 2) / ((j - k + 2) * (j + k + dim))


def _geometric_tail(terms: Any) -> Any:
    """Bound on the dropped terms where each fifth of the series is at most half of the one before: the last one."""
    fifth = max(len(terms) // 5, 1)
    before, last = terms[-2 * fifth : -fifth].sum(), terms[-fifth:].sum()
    return last if last <= before / 2 else np.inf


def _peak(weight: Any, k: int, j: int, dim: int) -> Any:
    """Largest c_{k,i} / c_{k,k} from i = j on; the ratio of neighbours exceeds 1 while i < k (k + dim - 2) / (dim - 1)."""
    i = np.arange(j, k * (k + dim - 2) / (dim - 1) + 2, 2, dtype=np.longdouble)
    growth = np.cumprod(_ratio(i, k, dim))
    return weight * max([1, *growth.tolist()])


def _spectrum(sums: _Sums, dim: int, total: float, label: str) -> Spectrum:
    degree = np.arange(len(sums.mantissa))
    eigenvalue, log = _values(sums.mantissa, sums.exponent)
    counts = np.array([float(min(multiplicity(dim, int(k)), 10**308)) for k in degree])
    return Spectrum(dim, degree, eigenvalue, log, counts, sums.rel_error, total, label)


def _values(mantissa: Floats, exponent: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """mantissa 2^exponent, 0 where it underflows, and its logarithm."""
    with np.errstate(under="ignore", divide="ignore"):
        return np.ldexp(mantissa, exponent), np.log(mantissa) + exponent * math.log(2)

"""Taylor coefficients of K(t) on a sphere: of a network by its moment recursion, of a baseline by its formula."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive import ir
from derive.baselines import matern_coefficient
from numerics.interpret import interpret
from numerics.moment_series import DIGITS, Bounded, long_double_of, moment_series, require_range, rounding
from numerics.moments import total
from numerics.power_series import SERIES, Coefficients, PowerSeries, integral


@dataclass(frozen=True, eq=False)
class TaylorSeries:
    """K(t) = sum_j a_j t^j on a sphere.

    Attributes
    ----------
    coefficients : ndarray of long double, shape (terms + 1,)
        a_0 .. a_terms.
    relative_error : ndarray, shape (terms + 1,)
        Bound on the relative error of each coefficient.
    total, total_error : float
        K(1) and a bound on its error.
    """

    coefficients: Coefficients
    relative_error: NDArray[np.float64]
    total: float
    total_error: float


def taylor_series(kernel: ir.KernelIR, output: str, q: Fraction, terms: int) -> TaylorSeries:
    """Taylor coefficients of a kernel on the sphere |x|^2 / d = q.

    Raises
    ------
    NumericalError
        If a coefficient falls out of the range of long doubles, 1e-4900.

    Notes
    -----
    Cost O(terms^2) for one hidden layer and O(terms^2.5) for each further one: 0.1 s for 300 terms at depth 3 in the closed
    class, 1 s for 1,300; Hermite coefficients by quadrature add 0.2 s a layer at 150 terms.
    """
    kernel.pair.restricted(output)
    if kernel.baseline is not None:
        with mpmath.workdps(DIGITS + 8):
            found = Bounded(_baseline(kernel, q, terms, output), rounding(terms))
    else:
        found = moment_series(kernel, q, output, terms)
    require_range(found.a, found.a > 0)
    end, end_error = total(kernel, q, output, terms)
    return TaylorSeries(found.a, found.error, float(end), float(end_error))


def _baseline(kernel: ir.KernelIR, q: Fraction, terms: int, output: str) -> Coefficients:
    cosine = np.zeros(terms + 1, np.longdouble)
    cosine[1:2] = long_double_of(q)
    assert kernel.baseline is not None
    if kernel.baseline[0] == "matern" and output != "rounding":
        return _matern(kernel.baseline[1], dict(kernel.parameters)["length_scale"], q, terms)
    values = {**dict(kernel.parameters), "q_x": q, "q_y": q, "m_0": PowerSeries(cosine)}
    result = interpret(kernel.pair.restricted(output), values, SERIES)[output]
    if isinstance(result, PowerSeries):
        return result.a
    constant = np.zeros_like(cosine)
    constant[0] = result
    return constant


def _matern(p: int, length_scale: Fraction, q: Fraction, terms: int) -> Coefficients:
    """nu = p + 1/2, with u^2 = c (1 - t): M_0 = exp(-u), M_i' = c / (2 (2 i - 1)) M_{i-1}, which adds positive numbers only."""
    c = long_double_of(2 * (2 * p + 1) * q / length_scale**2)
    line = np.zeros(terms + 1, np.longdouble)
    line[:2] = [c, -c][: terms + 1]
    u = SERIES.functions["sqrt"](PowerSeries(line))
    a = SERIES.functions["exp"](u * -1).a
    for i in range(1, p + 1):
        at_zero = sum(
            long_double_of(Fraction(str(matern_coefficient(i, j)))) * u.a[0] ** j for j in range(i + 1)
        )
        a = integral(a * c / (2 * (2 * i - 1)), np.exp(-u.a[0]) * at_zero)
    return np.asarray(a)

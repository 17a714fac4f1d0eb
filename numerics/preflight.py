"""What a data set's norms say, before time is spent on its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from numerics.arrays import as_rows, require_kernel
from numerics.blocks import squared_norms

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
NORMS = 30.0
"""Largest |x| over the median; Gaussian data of one feature and a million rows have 8."""
FEATURES = 300.0
"""Largest root mean square of a feature over the median; a standardised one beside indicators of one row in 10^4 has 100."""
ORDINARY = (1e-3, 1e3)
"""Median q = |x|^2 / d where activations with a scale of their own are neither linear nor saturated; standardised data have 1."""
CONDITION = 1e14
"""Of K + penalty I: beyond, two digits of a solution are left."""
SHRUNK = 1e3
"""penalty / trace(K) from which on the fit is 0 to three digits."""


@dataclass(frozen=True)
class Preflight:
    """What was found.

    Attributes
    ----------
    norm_spread : float
        Largest |x| over the median.
    feature_spread : float
        Largest root mean square of a feature over the median of those that are not 0.
    q : (float, float, float)
        Least, median and largest |x|^2 / d.
    zeros : int
        Rows of zeros.
    condition : float or None
        Upper bound on the condition number of K + penalty I, where a penalty was given.
    findings : tuple of str
        What should be looked at, and what to do; empty for ordinary data.
    """

    norm_spread: float
    feature_spread: float
    q: tuple[float, float, float]
    zeros: int
    condition: float | None
    findings: tuple[str, ...]


def preflight(kernel: Kernel, X: object, penalty: float | None = None) -> Preflight:
    """Look at a data set through a kernel: norms, scales of features, rows of zeros and, given a penalty, conditioning.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    penalty : float, optional
        What is added to the diagonal of K: `alpha` of scikit-learn's estimators.

    Returns
    -------
    Preflight

    Raises
    ------
    TypeError, ValueError
        If the data are no finite real rows.

    Notes
    -----
    O(n d), with a penalty n values K(x, x) too. No matrix is computed: the condition number is bounded by trace(K) / penalty + 1.
    """
    require_kernel(kernel)
    rows, _ = as_rows(X)
    if len(rows) == 0:
        return Preflight(1.0, 1.0, (0.0, 0.0, 0.0), 0, None, ())
    with np.errstate(over="ignore", under="ignore"):
        q = squared_norms(rows)
        scales = np.sqrt(np.mean(np.square(rows), axis=0))
    zeros = int(np.sum(q == 0))
    norms, features = float(np.sqrt(_spread(q))), _spread(scales)
    low, middle, high = float(q.min()), float(np.median(q)), float(q.max())
    findings = []
    if norms > NORMS:
        findings.append(
            f"The largest row of X is {norms:.3g} times as long as the median row, row {int(np.argmax(q))}: it may decide the fit "
            "alone. Look for outliers, or scale rows (sklearn.preprocessing.Normalizer) or features (QuantileTransformer)."
        )
    if features > FEATURES:
        findings.append(
            f"Feature {int(np.argmax(scales))} of X is {features:.3g} times as large as the median feature: the kernel hardly sees "
            "the others. Scale the features (sklearn.preprocessing.StandardScaler)."
        )
    if middle and kernel.ir.homogeneity is None and not ORDINARY[0] <= middle <= ORDINARY[1]:
        shape = "almost linear" if middle < 1 else "saturated, or as good as piecewise linear,"
        findings.append(
            f"The median of |x|^2 / d is {middle:.3g}, where the activation is {shape} unless W_std makes up for it. Scale the "
            "features (sklearn.preprocessing.StandardScaler): it is 1 then."
        )
    if zeros and float(kernel.diag(np.zeros((1, rows.shape[1])))[0]) < 1e-90:
        findings.append(
            f"{zeros} row(s) of X, the first of them row {int(np.argmin(q))}, are zero, where a network without biases is 0 "
            "whatever it learns. Give it a bias (b_std=0.1)."
        )
    condition = None
    if penalty is not None:
        trace = float(np.sum(kernel.diag(rows)))
        condition = 1 + trace / penalty if penalty > 0 else np.inf
        findings += _on_penalty(trace, penalty, condition)
    return Preflight(norms, features, (low, middle, high), zeros, condition, tuple(findings))


def _spread(values: Floats) -> float:
    """Largest over the median of those that are not 0."""
    some = values[values > 0]
    return float(some.max() / np.median(some)) if some.size else 1.0


def _on_penalty(trace: float, penalty: float, condition: float) -> list[str]:
    if condition > CONDITION:
        return [
            f"The penalty {penalty:.3g} is {penalty / trace if trace else 0:.1g} of trace(K): the equations keep fewer than two digits. "
            "Raise alpha."
        ]
    if trace and penalty > SHRUNK * trace:
        return [
            f"The penalty {penalty:.3g} is {penalty / trace:.3g} times trace(K) = {trace:.3g}: predictions will be 0. "
            "Lower alpha, or scale the data up."
        ]
    return []

"""Fits of decay laws to eigenvalues. They see numbers only, never the network they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import NumericalError
from numerics.decay_data import DecayData, decay_data
from numerics.decay_fit import DecayFit, LawFit
from numerics.laws import LAWS, law
from numerics.regression import Regression, bootstrap, corrected, miss, predicted, profile, regress, settled
from numerics.verdict import Evidence, Verdict, finite, judge
from numerics.zonal import Spectrum

Floats = NDArray[np.float64]
FEWEST = 3
"""Values that a fit needs at all; a verdict needs more (`numerics.verdict`)."""
WINDOWS = ((1 / 2, 24), (1 / 6, 12))
"""The default window is the upper half of the degrees, where corrections of order 1/k have faded, if it has 24 values; else five sixths, if
they have 12; else all.
"""


def fit_decay(
    spectrum: Spectrum | Mapping[str, Any] | Any,
    laws: tuple[str, ...] = LAWS,
    window: tuple[float, float] | None = None,
    by: str = "degree",
) -> DecayFit:
    """Fit laws of decay and judge which one the numbers carry.

    Parameters
    ----------
    spectrum : Spectrum, mapping or array
        Eigenvalues by degree; a mapping needs "degree" and "eigenvalue" (or "log_eigenvalue") and may give "dim", "rel_error" and
        "multiplicity"; an array is taken as eigenvalues of one matrix, fitted by index 1, 2, ...
    laws : tuple of str
        Of "exponential" (C k^power rho^k), "exponential-root" (rho^k exp(-c sqrt(k))), "power", "stretched" (exp(-c k^s)) and
        "super-exponential"; with the dimension known, in the form that a singularity of K(t) gives (`numerics.laws`).
    window : (low, high), optional
        Degrees or indices to use; by default the upper half, or more where that has fewer than 24 values. Exact
        zeros and values below their error floor are never used. Even and odd degrees get a constant each where both are there.
    by : {"degree", "index"}
        With "index", degrees are replaced by the number of eigenvalues up to them, which needs "multiplicity".

    Returns
    -------
    DecayFit

    Raises
    ------
    ValueError
        If the input is none of these, or a law is unknown.
    NumericalError
        If fewer than three values are left.

    Notes
    -----
    Cost: 0.2 to 1 s.
    """
    if isinstance(laws, str):
        raise ValueError(f"laws must be a tuple of names, such as ({laws!r},).")
    if not laws:
        raise ValueError(f"laws is empty: use some of {', '.join(LAWS)}.")
    whole = decay_data(spectrum, by)
    chosen = [law(name, whole.dim, float(whole.k.max(initial=1))) for name in dict.fromkeys(laws)]
    data = _windowed(whole, window)
    if len(data.k) < FEWEST:
        if (ended := finite(whole)) is not None:
            return _result(ended, (), whole, whole)
        raise NumericalError(
            f"Only {len(data.k)} usable values lie in the window"
            + (
                f" {window[0]:g} to {window[1]:g}: widen it."
                if window
                else ": give more eigenvalues; where all others are 0, nothing decays."
            )
        )
    fits = sorted((regress(shape, data) for shape in chosen), key=lambda fit: fit.aicc)
    parts = [part for part in _split(data, 1 / 2) if len(part.k) > 4]
    halves = [[regress(fit.law, part, fit.at) for fit in fits] for part in parts]
    first, last = _split(data, 2 / 3)
    outside = [
        miss(regress(fit.law, first, fit.at), last) if len(first.k) >= FEWEST else math.nan for fit in fits
    ]
    verdict = judge(Evidence(whole, data, fits, halves, outside))
    fitted = [
        _law_fit(
            fit,
            data,
            whole,
            [half[i] for half in halves],
            outside[i],
            detailed=fit.law.name == (verdict.law or fits[0].law.name),
        )
        for i, fit in enumerate(fits)
    ]
    found = tuple(sorted(fitted, key=lambda fit: fit.name != verdict.law))
    return _result(verdict, found, data, whole)


def _result(verdict: Verdict, laws: tuple[LawFit, ...], data: DecayData, whole: DecayData) -> DecayFit:
    best = next((fit for fit in laws if fit.name == verdict.law), None)
    window = (float(data.k.min()), float(data.k.max()))
    warning = "; ".join(filter(None, (verdict.warning, data.doubt)))
    judged = (verdict.verdict, verdict.reason, warning, verdict.rank)
    return DecayFit(best, laws, window, len(data.k), data.by, *judged, whole.k, whole.log_value)


def _windowed(data: DecayData, window: tuple[float, float] | None) -> DecayData:
    if window is not None:
        try:
            low, high = map(float, window)
        except (TypeError, ValueError):
            raise ValueError(f"The window must be two numbers (low, high), got {window!r}.") from None
        if not low <= high:
            raise ValueError(f"The window must be (low, high), low <= high, got {window}.")
        return data.select((data.k >= low) & (data.k <= high))
    end = data.k.max(initial=0)
    for share, least in WINDOWS:
        used = data.k >= end * share
        if used.sum() >= least:
            return data.select(used)
    return data


def _split(data: DecayData, share: float) -> tuple[DecayData, DecayData]:
    border = data.k[max(math.ceil(len(data.k) * share) - 1, 0)]
    return data.select(data.k <= border), data.select(data.k > border)


def _law_fit(
    fit: Regression,
    data: DecayData,
    whole: DecayData,
    halves: list[Regression],
    outside: float,
    detailed: bool,
) -> LawFit:
    parameters = fit.law.report(fit.at)
    reports = [parameters, *bootstrap(fit, data), *(half.law.report(half.at) for half in halves)]
    reports += [*profile(fit, data), *corrected(fit, data), *settled(fit, data, halves)] if detailed else []
    interval = {name: (min(r[name] for r in reports), max(r[name] for r in reports)) for name in parameters}
    return LawFit(fit.law.name, parameters, interval, fit.aicc, fit.rms, outside, predicted(fit, whole))

"""What a fit of decay sees of its input: numbers alone, by degree or by index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.harmonic_sums import EPS
from numerics.zonal import Spectrum

Floats = NDArray[np.float64]
FLOOR = 0.05
"""Values whose relative error exceeds it are no data."""
UNDERFLOW = 1e-290
"""A 0 behind values below it may be a number too small for a double."""


@dataclass(frozen=True)
class DecayData:
    """Usable values, and what is known of the others.

    Attributes
    ----------
    k : ndarray, shape (n,)
        Degrees > 0, or indices from 1, ascending.
    log_value, error : ndarray, shape (n,)
        Logarithms of the eigenvalues and their errors (relative ones of the eigenvalues).
    odd : ndarray of bool, shape (n,)
        Whether the degree is odd; False where there are no degrees.
    dim : int or None
        Of the sphere, where k are degrees and it is known.
    by : str
        "degree" or "index".
    zeros : int
        How many values behind the last usable one vanish, exactly or below the floor.
    floor : float
        Logarithm of the largest value that they may have; -inf where they are exact zeros.
    """

    k: Floats
    log_value: Floats
    error: Floats
    odd: NDArray[np.bool_]
    dim: int | None
    by: str
    zeros: int
    floor: float

    def select(self, mask: NDArray[np.bool_]) -> DecayData:
        """A part of the values."""
        columns = {name: getattr(self, name)[mask] for name in ("k", "log_value", "error", "odd")}
        return replace(self, **columns)


def decay_data(source: Spectrum | Mapping[str, Any] | Any, by: str) -> DecayData:
    """Read a spectrum, a mapping or an array (`numerics.fit.fit_decay`).

    Raises
    ------
    ValueError
        If it is none of these, or lacks what `by` needs.
    """
    if by not in ("degree", "index"):
        raise ValueError(f"by must be 'degree' or 'index', got {by!r}.")
    if not isinstance(source, Spectrum | Mapping):
        return _of_array(_numbers(source, "Eigenvalues"))
    table = _table(source)
    degree, log_value, error = table["degree"], table["log_eigenvalue"], table["rel_error"]
    order = np.argsort(degree, kind="stable")
    if by == "index":
        if table["multiplicity"] is None:
            raise ValueError("Eigenvalues by index need 'multiplicity'.")
        k = np.cumsum(table["multiplicity"][order])
    else:
        k = degree[order]
    log_value, error = log_value[order], error[order]
    usable = np.isfinite(log_value) & (error < FLOOR) & (degree[order] > 0)
    last = int(np.flatnonzero(usable)[-1]) if usable.any() else -1
    behind, doubt = log_value[last + 1 :], error[last + 1 :]
    exact = bool((behind == -np.inf).all() and (doubt < FLOOR).all())
    floor = -np.inf if exact else float(np.max(behind, initial=-np.inf))
    dim = table["dim"] if by == "degree" else None
    odd = degree[order] % 2 == 1
    whole = DecayData(k, log_value, error, odd, dim, by, len(behind), floor)
    return whole.select(usable)


def _table(source: Spectrum | Mapping[str, Any]) -> dict[str, Any]:
    """Columns as arrays of one length; dim as an integer or None."""
    columns = vars(source) if isinstance(source, Spectrum) else source
    if not ("degree" in columns and ("eigenvalue" in columns or "log_eigenvalue" in columns)):
        raise ValueError(f"A mapping needs 'degree' and 'eigenvalue', got {', '.join(map(repr, columns))}.")
    degree = _numbers(columns["degree"], "Degrees")
    found: dict[str, Any] = {"degree": degree}
    below = np.zeros(1, bool)
    if columns.get("log_eigenvalue") is not None:
        logs = [-np.inf if x is None else x for x in np.asarray(columns["log_eigenvalue"], object).ravel()]
        found["log_eigenvalue"] = np.asarray(logs, np.float64)
    else:
        values = _numbers(columns["eigenvalue"], "Eigenvalues")
        if (values < 0).any():
            raise ValueError(f"Eigenvalue {int(np.argmax(values < 0))} is negative: {values.min():.6g}.")
        with np.errstate(divide="ignore"):
            found["log_eigenvalue"] = np.log(values)
        below = (values == 0) & (values[values > 0].min(initial=1.0) < UNDERFLOW)
        found["log_eigenvalue"][below] = np.log(UNDERFLOW)
    for name in ("rel_error", "multiplicity"):
        found[name] = _numbers(columns[name], name) if columns.get(name) is not None else None
    if found["rel_error"] is None:
        found["rel_error"] = np.zeros_like(degree)
    for name, column in found.items():
        if column is not None and column.shape != degree.shape:
            raise ValueError(f"{name} has {len(column)} values, degree has {len(degree)}.")
    if below.any():
        found["rel_error"] = np.where(below, np.inf, found["rel_error"])
    dim = columns.get("dim")
    if dim is not None and (isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 2):
        raise ValueError(f"dim must be an integer from 2 on, got {dim!r}.")
    return {**found, "dim": dim}


def _numbers(values: Any, name: str) -> Floats:
    """A one-dimensional array of finite numbers; relative errors may be infinite or None, which is the same."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, got {values!r:.80}.") from None
    if name == "rel_error":
        array = np.nan_to_num(array, nan=np.inf, posinf=np.inf)
    if array.ndim != 1 or not (name == "rel_error" or np.isfinite(array).all()):
        raise ValueError(
            f"{name} must be a one-dimensional array of finite numbers, got shape {array.shape}."
        )
    return array


def _of_array(values: Floats) -> DecayData:
    """Eigenvalues of one matrix: what lies below n eps lambda_max is rounding (numerics.gram_spectrum)."""
    values = np.sort(values)[::-1]
    largest = max(float(values.max(initial=0)), 0.0)
    noise = len(values) * EPS * largest
    usable = values > noise / FLOOR
    count = int(usable.sum())
    with np.errstate(divide="ignore"):
        log = np.log(values[:count])
        floor = float(np.log(np.max(values[count:], initial=0.0)))
    index = np.arange(1.0, count + 1)
    odd = np.zeros(count, bool)
    return DecayData(index, log, noise / values[:count], odd, None, "index", len(values) - count, floor)

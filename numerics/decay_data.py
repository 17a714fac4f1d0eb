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
SMALL, UNDERFLOW = 1e-6, 1e-290
"""Zeros beside values below SMALL times the largest may be numbers too small to have been written, and, where relative errors are given, beside
values below UNDERFLOW."""
NEGATIVE = 1e-3
"""Of the largest value: below minus that, an eigenvalue is no rounding error."""
LARGEST_DEGREE, MOST = 1_000_000, 100_000
"""Degrees are gone through one by one; so many values."""
LONGEST_LOG = 1e7
"""Of |log lambda|: beyond, the laws' shapes overflow."""


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
    doubt : str
        What is to be known of the data; empty if nothing is.
    """

    k: Floats
    log_value: Floats
    error: Floats
    odd: NDArray[np.bool_]
    dim: int | None
    by: str
    zeros: int
    floor: float
    doubt: str = ""

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
    whole = DecayData(k, log_value, error, odd, dim, by, len(behind), floor, table["doubt"])
    return whole.select(usable)


def _table(source: Spectrum | Mapping[str, Any]) -> dict[str, Any]:
    """Columns as arrays of one length; dim as an integer or None; what is doubtful."""
    columns = vars(source) if isinstance(source, Spectrum) else source
    if not ("degree" in columns and ("eigenvalue" in columns or "log_eigenvalue" in columns)):
        raise ValueError(f"A mapping needs 'degree' and 'eigenvalue', got {', '.join(map(repr, columns))}.")
    found: dict[str, Any] = {"degree": _degrees(columns["degree"]), "doubt": ""}
    for name in ("rel_error", "multiplicity"):
        found[name] = _numbers(columns[name], name) if columns.get(name) is not None else None
    known = found["rel_error"] is not None
    if not known:
        found["rel_error"] = np.zeros_like(found["degree"])
    if (found["rel_error"] < 0).any():
        raise ValueError("rel_error must not be negative.")
    if found["multiplicity"] is not None and (found["multiplicity"] < 1).any():
        raise ValueError("multiplicity must be at least 1.")
    if columns.get("log_eigenvalue") is not None:
        found["log_eigenvalue"] = _logarithms(columns["log_eigenvalue"])
    else:
        values = _numbers(columns["eigenvalue"], "eigenvalue")
        if (values < 0).any():
            raise ValueError(f"Eigenvalue {int(np.argmax(values < 0))} is negative: {values.min():.6g}.")
        with np.errstate(divide="ignore"):
            found["log_eigenvalue"] = np.log(values)
    for name, column in found.items():
        if isinstance(column, np.ndarray) and column.shape != found["degree"].shape:
            raise ValueError(f"{name} has {len(column)} values, degree has {len(found['degree'])}.")
    if columns.get("log_eigenvalue") is None:
        _resolve(values, found, UNDERFLOW if known else SMALL * values.max(initial=0))
    dim = columns.get("dim")
    if isinstance(dim, float) and dim.is_integer():
        dim = int(dim)
    if dim is not None and (isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 2):
        raise ValueError(f"dim must be an integer from 2 on, got {dim!r}.")
    return {**found, "dim": dim}


def _resolve(values: Floats, found: dict[str, Any], small: float) -> None:
    """Where zeros stand beside small values, nothing is known below the smallest, and the others may be rounded by as much."""
    zero, smallest = values == 0, float(values[values > 0].min(initial=np.inf))
    if zero.any() and smallest < small:
        found["log_eigenvalue"] = np.where(zero, np.log(smallest), found["log_eigenvalue"])
        with np.errstate(divide="ignore"):
            found["rel_error"] = np.where(zero, np.inf, np.maximum(found["rel_error"], smallest / values))
        found["doubt"] = (
            f"zeros may be numbers below {smallest:.1g} that were cut off, and are no evidence of a rank: give log_eigenvalue, or rel_error"
        )


def _degrees(values: Any) -> Floats:
    degree = _numbers(values, "degree")
    if len(degree) > MOST:
        raise ValueError(f"There are {len(degree)} degrees: at most {MOST} are fitted.")
    wrong = (degree < 0) | (degree % 1 != 0) | (degree > LARGEST_DEGREE)
    if wrong.any():
        raise ValueError(
            f"Degrees must be whole numbers from 0 to {LARGEST_DEGREE}, got {degree[np.argmax(wrong)]:g}."
        )
    distinct, counts = np.unique(degree, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"Degree {distinct[np.argmax(counts > 1)]:g} is there {counts.max()} times: give each degree once, with its multiplicity."
        )
    return degree


def _logarithms(values: Any) -> Floats:
    """Numbers; None and -inf where the eigenvalue vanishes."""
    logs = [-np.inf if x is None else x for x in np.asarray(values, object).ravel()]
    found = np.asarray(logs, np.float64)
    if np.isnan(found).any() or (found[np.isfinite(found)] > LONGEST_LOG).any() or (found == np.inf).any():
        raise ValueError(
            f"log_eigenvalue must be numbers below {LONGEST_LOG:g}, -inf or None, got {values!r:.80}."
        )
    return np.where(found < -LONGEST_LOG, -np.inf, found)


def _numbers(values: Any, name: str) -> Floats:
    """A one-dimensional array of finite real numbers; relative errors may be infinite or None, which is the same."""
    try:
        array = np.asarray(values)
        array = np.asarray(values, np.float64) if not np.iscomplexobj(array) else array
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, got {values!r:.80}.") from None
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real, got complex numbers.")
    if array.ndim != 1:
        hint = ": numpy.linalg.eigvalsh gives a symmetric matrix' eigenvalues" if array.ndim == 2 else ""
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}{hint}.")
    if name == "rel_error":
        return np.asarray(np.nan_to_num(array, nan=np.inf, posinf=np.inf))
    if not np.isfinite(array).all():
        place = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} holds {array[place]} at place {place}, from 0: drop or fill it.")
    return array


def _of_array(values: Floats) -> DecayData:
    """Eigenvalues of one matrix: what lies below n eps lambda_max is rounding (numerics.gram_spectrum)."""
    values = np.sort(values)[::-1]
    largest = max(float(values.max(initial=0)), 0.0)
    if values.min(initial=0) < -NEGATIVE * largest:
        raise ValueError(
            f"Eigenvalue {values[-1]:.6g} is negative beyond rounding: kernels' matrices have none."
        )
    noise = len(values) * EPS * largest
    usable = values > noise / FLOOR
    count = int(usable.sum())
    with np.errstate(divide="ignore"):
        log = np.log(values[:count])
        floor = float(np.log(np.max(values[count:], initial=0.0)))
    index = np.arange(1.0, count + 1)
    odd = np.zeros(count, bool)
    return DecayData(index, log, noise / values[:count], odd, None, "index", len(values) - count, floor)

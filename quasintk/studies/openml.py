"""UCI's tables by way of OpenML, as numbers; needs no pandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
OPENML = (
    "balance-scale", "banknote-authentication", "blood-transfusion-service-center", "breast-w", "cmc", "credit-approval", "credit-g",
    "dermatology", "diabetes", "ecoli", "glass", "haberman", "heart-statlog", "hepatitis", "ionosphere", "lymph",
    "mfeat-fourier", "mfeat-karhunen", "mfeat-zernike", "monks-problems-2", "primary-tumor", "qsar-biodeg", "sonar", "soybean", "tic-tac-toe",
    "vehicle", "vote", "zoo",
)  # fmt: skip
"""UCI's tables of at most 2,000 rows, by their names on OpenML, version 1; wdbc is scikit-learn's breast_cancer."""


def fetched(name: str) -> tuple[Floats, NDArray[Any]]:
    """Inputs and raw classes of one table: numbers with gaps filled by the median, a column for each category, gaps as one more.

    Raises
    ------
    OSError
        If OpenML does not answer.
    """
    import sklearn.datasets as tables

    try:
        found = tables.fetch_openml(name=name, version=1, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise OSError(
            f"OpenML did not give {name} ({error}): the same command with --resume goes on; without --openml, in another folder, none is needed."
        ) from None
    categories = found.categories or {}
    columns = [
        column
        for name, values in zip(found.feature_names, np.asarray(found.data, float).T, strict=True)
        for column in _columns(values, len(categories.get(name) or ()))
    ]
    return np.column_stack(columns), np.asarray(found.target).astype(str)


def _columns(values: Floats, categories: int) -> Iterator[Floats]:
    gaps = np.isnan(values)
    if not categories:
        yield np.where(gaps, np.median(values[~gaps]) if not gaps.all() else 0.0, values)
        return
    for category in range(categories):
        yield (values == category).astype(float)
    if gaps.any():
        yield gaps.astype(float)

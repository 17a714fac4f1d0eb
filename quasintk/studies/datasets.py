"""The tables that ship with scikit-learn, and on request UCI's by way of OpenML, each with a hash of what was read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quasintk.studies.openml import fetched
from quasintk.studies.study import Rows, Table

Floats = NDArray[np.float64]
BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")
RARE = 5
"""A class with fewer rows is left out: it cannot be in every fold."""
PREFIX = "openml/"
NEEDED = "scikit-learn is needed for the studies' data: pip install 'quasintk[experiments]'."


def load(name: str, most: int | None = None) -> Data:
    """A table by its name in BUNDLED, or in OPENML behind "openml/".

    Parameters
    ----------
    name : str
    most : int, optional
        Keep so many rows, drawn at random with a fixed seed.

    Raises
    ------
    ImportError, OSError
        Without scikit-learn; if OpenML does not answer.
    """
    try:
        import sklearn.datasets as tables
    except ImportError:
        raise ImportError(NEEDED) from None
    if name.startswith(PREFIX):
        X, raw = fetched(name.removeprefix(PREFIX))
    else:
        found = getattr(tables, f"load_{name}")()
        X, raw = np.asarray(found.data, float), np.asarray(found.target)
    regression = name == "diabetes"
    y = np.asarray(raw, float) if regression else np.unique(raw, return_inverse=True)[1].astype(float)
    digest = hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest()
    if not regression:
        codes = y.astype(int)
        kept = np.bincount(codes)[codes] >= RARE
        X, y = X[kept], np.unique(codes[kept], return_inverse=True)[1].astype(float)
    if most is not None and most < len(X):
        rows = np.sort(np.random.default_rng(0).permutation(len(X))[:most])
        X, y = X[rows], y[rows]
    return Data(name, X, y, regression, digest)


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs, and classes 0, 1, ... or a number to predict; `digest` is the SHA-256 of all rows."""

    name: str
    X: Floats
    y: Floats
    regression: bool
    digest: str

    @property
    def targets(self) -> Floats:
        """What least squares fit, shape (n, outputs): +1 for the class and -1 for the others, or the number."""
        if self.regression:
            return self.y[:, None]
        signs: Floats = 2.0 * (self.y[:, None] == np.arange(self.y.max() + 1)) - 1.0
        return signs

    def splits(self, folds: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Training and test rows of each fold, classes in equal shares."""
        from sklearn.model_selection import KFold, StratifiedKFold

        kind = KFold if self.regression else StratifiedKFold
        return list(kind(folds, shuffle=True, random_state=seed).split(self.X, self.y))

    def described(self) -> dict[str, Any]:
        """Columns that say which data a row is about."""
        classes = 0 if self.regression else int(self.y.max()) + 1
        return {
            "data": self.name,
            "rows": len(self.X),
            "features": self.X.shape[1],
            "classes": classes,
            "sha256": self.digest[:16],
        }


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs and targets."""

    X: Floats
    Y: Floats


@dataclass(frozen=True, eq=False)
class Split:
    """One fold, scaled by its training rows alone."""

    train: Part
    test: Part
    regression: bool

    @staticmethod
    def of(data: Data, train: NDArray[np.int64], test: NDArray[np.int64]) -> Split:
        """Inputs of mean 0 and variance 1 on the training rows, so that q is 1 on average; a number to predict likewise."""
        centre, scale = data.X[train].mean(axis=0), data.X[train].std(axis=0)
        X = (data.X - centre) / np.where(scale > 0, scale, 1.0)
        X /= np.sqrt(np.mean(X[train] ** 2))
        Y = data.targets
        if data.regression:
            Y = (Y - Y[train].mean()) / Y[train].std()
        return Split(Part(X[train], Y[train]), Part(X[test], Y[test]), data.regression)

    def score(self, guess: NDArray[np.floating], Y: Floats) -> float:
        """Accuracy, or R^2 of a number."""
        if self.regression:
            return float(1 - np.sum((guess - Y) ** 2) / np.sum((Y - Y.mean()) ** 2))
        return float(np.mean(guess.argmax(axis=1) == Y.argmax(axis=1)))


def data_table(rows: Rows) -> Table:
    """The data sets that rows are about."""
    names = ("data", "rows", "features", "classes", "sha256")
    found = {row["data"]: {name: row[name] for name in names} for row in rows}
    caption = "Data; classes 0 is a number to predict, scored by R^2 instead of accuracy; hashes are of all rows, before any are left out."
    return Table("data", caption, tuple(found.values()))


def regressions(rows: Rows) -> set[Any]:
    """The data sets whose score is R^2."""
    return {row["data"] for row in rows if row["classes"] == 0}

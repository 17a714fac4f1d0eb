"""What is measured: kernels, their data and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import quasintk as qn
from quasintk import baselines

Dtype = Literal["float32", "float64"]

DEPTH = 3
W_STD = 2**0.5
"""Keeps the second moment of ReLU networks from layer to layer."""
BIAS = 0.3
NORMS = (0.5, 2.0)
"""|x| / sqrt(d) where norms are unequal: variances over a factor of 16."""
SEED = 0


@dataclass(frozen=True)
class Subject:
    """A kernel, what its peer is told of it, and whether its rows have norm 1 or unequal norms."""

    name: str
    build: Callable[[], Any]
    peer: str
    told: dict[str, Any]
    unit: bool = False


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    subject: Subject
    n: int
    d: int
    dtype: Dtype

    def rows(self) -> np.ndarray:
        """The data (n, d): normal directions, with norms 1 or sqrt(d) times NORMS."""
        rng = np.random.default_rng(SEED)
        X = rng.standard_normal((self.n, self.d))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        if not self.subject.unit:
            X *= self.d**0.5 * rng.uniform(*NORMS, (self.n, 1))
        return X.astype(self.dtype)


def network(
    name: str, activation: str, weights: Any = "real", b_std: float = 0.0, depth: int = DEPTH
) -> Subject:
    """A multilayer perceptron; rows have norm 1 where it has no bias."""
    told = {
        "activation": activation,
        "depth": depth,
        "W_std": W_STD,
        "b_std": b_std,
        "latent_fraction": 1.0 if weights == "real" else float(weights.latent_fraction),
    }
    return Subject(
        name, lambda: qn.kernel(activation, depth=depth, weights=weights, W_std=W_STD, b_std=b_std),
        "neural-tangents", told, unit=not b_std,
    )  # fmt: skip


SUBJECTS = (
    network("relu, real", "relu"),
    network("relu, binary", "relu", qn.Levels(2)),
    network("relu, 4 bits", "relu", qn.Levels(16)),
    network("erf, bias, norms", "erf", b_std=BIAS),
    network("gelu, bias, norms", "gelu", b_std=BIAS),
    network("tanh, bias, norms", "tanh", b_std=BIAS),
    Subject("gaussian, norms", baselines.gaussian, "scikit-learn", {"family": "gaussian"}),
    Subject("laplace, norms", baselines.laplace, "scikit-learn", {"family": "laplace"}),
)
DTYPES: tuple[Dtype, ...] = ("float64", "float32")


@dataclass(frozen=True)
class Size:
    """Rows and features of the table, and those along which growth is shown."""

    n: tuple[int, ...]
    d: tuple[int, ...]
    growth_n: tuple[int, ...]
    growth_d: tuple[int, ...] = (8, 32, 128, 784)
    growth_depth: tuple[int, ...] = (1, 2, 4, 8)

    def lines(self, only: str = "") -> Iterator[Line]:
        """The table's lines, largest last, of the subjects whose names hold `only`."""
        for n in self.n:
            for d in self.d:
                for dtype in DTYPES:
                    yield from (Line(subject, n, d, dtype) for subject in SUBJECTS if only in subject.name)


SIZES = {
    "quick": Size((1000,), (8, 32, 784), (250, 500, 1000)),
    "usual": Size((8000,), (32, 784), (1000, 2000, 4000, 8000)),
    "full": Size((1000, 4000, 8000), (8, 32, 784), (1000, 2000, 4000, 8000)),
}

"""Classical kernels by scikit-learn; it runs in the product's own environment (extra `sklearn`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from serve import Refused, serve
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics.pairwise import rbf_kernel


def prepare(kernel: dict[str, Any], rows: np.ndarray) -> Callable[[], Any]:
    """The kernel of |x - y|^2 / d, as docs/baselines.md has it."""
    d, scale = rows.shape[1], kernel.get("length_scale", 1.0)
    families: dict[str, Callable[[], Any]] = {
        "gaussian": lambda: rbf_kernel(rows, gamma=1 / (2 * scale**2 * d)),
        "laplace": lambda: Matern(scale * d**0.5, nu=0.5)(rows),
    }
    if kernel.get("family") not in families:
        raise Refused(f"no kernel {kernel.get('family', kernel.get('activation'))}")
    return families[kernel["family"]]


if __name__ == "__main__":
    serve(("scikit-learn", "numpy", "scipy"), prepare)

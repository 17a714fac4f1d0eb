"""Study 2: how fast eigenvalues decay, on the sphere and of Gram matrices: binary, real, Gaussian, Laplace."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from derive.errors import QuasintkError
from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.gram_spectrum import gram_spectrum
from numerics.inclusion import compare
from numerics.kernel import Kernel
from quasintk import baselines
from quasintk.decay import decay_of
from quasintk.pipeline import kernel as derive_kernel
from quasintk.studies.datasets import Split, load
from quasintk.studies.decay_tables import GRAM, INCLUSION, KERNELS, SPHERE, summary
from quasintk.studies.study import Cell, Rows, Study


@dataclass(frozen=True)
class Settings:
    """Which spectra.

    Attributes
    ----------
    dim, degrees : int
        Of the sphere, and the highest degree.
    depth : int
    W_std, b_std : float
        Of ReLU networks.
    data : str
    most : int or None
        Rows of the Gram matrix.
    top : int
        Eigenvalues of it.
    """

    dim: int = 10
    degrees: int = 200
    depth: int = 2
    W_std: float = 1.4142
    b_std: float = 0.1
    data: str = "digits"
    most: int | None = None
    top: int = 200


FULL = Settings()
QUICK = replace(FULL, degrees=120, most=600)


def decay_study(settings: Settings, seed: int) -> Study:
    """Spectra with fitted and predicted laws, kernel by kernel; and which function space lies in which, pair by pair."""
    cells = [
        *(Cell(f"{SPHERE}-{name}", 1.0, partial(_sphere, settings, name)) for name in KERNELS),
        *(Cell(f"{GRAM}-{name}", 2.0, partial(_gram, settings, name)) for name in KERNELS),
        *(
            Cell(f"{INCLUSION}-{a}-{b}", 1.0, partial(_inclusion, settings, a, b))
            for a, b in combinations(KERNELS, 2)
        ),
    ]
    return Study(
        "decay",
        "eigenvalues of binary and real NTK, Gaussian and Laplace",
        {"seed": seed, **asdict(settings)},
        tuple(cells),
        summary,
    )


def _kernel(settings: Settings, name: str) -> Kernel:
    if name in ("binary", "real"):
        return derive_kernel(
            "relu", depth=settings.depth, weights=name, W_std=settings.W_std, b_std=settings.b_std
        )
    return {"Gaussian": baselines.gaussian, "Laplace": baselines.laplace}[name]()


def _sphere(settings: Settings, name: str) -> Rows:
    found = decay_of(name, _kernel(settings, name), settings.dim, settings.degrees, 1, "ntk")
    law = found.predicted
    line = {
        "kind": SPHERE, "kernel": name, **_fit_columns(found.fit),
        "predicted": str(found.prediction) if law is None else law.law, "predicted rho": None if law is None else law.rate,
        "predicted power": None if law is None else law.power,
    }  # fmt: skip
    values = found.spectrum
    points = [
        {
            "kind": f"{SPHERE} value", "kernel": name, "at": int(k),
            "log10": float(log / math.log(10)) if math.isfinite(log) else None, "relative error": float(error),
        }
        for k, log, error in zip(values.degree, values.log_eigenvalue, values.rel_error, strict=True)
    ]  # fmt: skip
    return [line, *points]


def _gram(settings: Settings, name: str) -> Rows:
    data = load(settings.data, settings.most)
    rows = np.arange(len(data.X))
    K = _kernel(settings, name)(Split.of(data, rows, rows).train.X)
    found = gram_spectrum(K, top=min(settings.top, len(K)))
    kept = found.above_floor
    try:
        fit: DecayFit | str = fit_decay(found.value[kept])
    except QuasintkError as error:
        fit = f"nothing is fitted: {error}"
    line = {"kind": GRAM, "kernel": name, **_fit_columns(fit)}
    points = [
        {
            "kind": f"{GRAM} value", "kernel": name, "at": i, "log10": float(np.log10(value / len(K))),
            "relative error": float(bound / value),
        }
        for i, (value, bound) in enumerate(zip(found.value[kept], found.bound[kept], strict=True), 1)
    ]  # fmt: skip
    return [line, *points]


def _inclusion(settings: Settings, a: str, b: str) -> Rows:
    found = compare(_kernel(settings, a), _kernel(settings, b), settings.dim, degrees=settings.degrees)
    return [
        {
            "kind": INCLUSION, "A": a, "B": b, "A is": found.verdict, "limit A/B": None if found.limit is None else f"{found.limit:g}",
            "reason": found.reason,
        }
    ]  # fmt: skip


def _fit_columns(fit: DecayFit | str | None) -> dict[str, Any]:
    """The verdict, its law's parameters with intervals as text, and what casts doubt on it."""
    if not isinstance(fit, DecayFit):
        return {"fitted": "none", "parameters": "", "window": "", "doubt": fit or ""}
    best = fit.best
    parameters = "" if best is None else ", ".join(
        f"{name} {value:.4g} [{best.interval[name][0]:.4g}, {best.interval[name][1]:.4g}]" for name, value in best.parameters.items()
    )  # fmt: skip
    doubt = fit.warning or (fit.reason if fit.verdict == "undecided" else "")
    window = f"{fit.window[0]:g} to {fit.window[1]:g}"
    return {"fitted": fit.verdict, "parameters": parameters, "window": window, "doubt": doubt}

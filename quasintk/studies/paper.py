"""The experiments of the source paper (arXiv:2206.05916), study by study."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from numerics.plan import machine
from quasintk.studies import approximation, decay, gap, kernels, precision
from quasintk.studies.datasets import BUNDLED, PREFIX
from quasintk.studies.openml import OPENML
from quasintk.studies.study import Study

STUDIES = ("approximation", "decay", "gap", "kernels", "precision")
MOST = 2000
"""Rows kept of each table from OpenML."""


def paper_studies(
    only: Sequence[str] = STUDIES, quick: bool = False, seed: int = 0, openml: bool = False
) -> list[Study]:
    """The studies of these names, in the order of STUDIES.

    Parameters
    ----------
    only : sequence of str
    quick : bool
        Smaller settings: a minute or two in all instead of 20 minutes.
    seed : int
        Of latents, roundings, splits and training.
    openml : bool
        Whether the gap and the kernel machines see UCI's tables too.
    """
    build: dict[str, Callable[[], Study]] = {
        "approximation": lambda: approximation.approximation_study(
            approximation.QUICK if quick else approximation.FULL, seed
        ),
        "decay": lambda: decay.decay_study(decay.QUICK if quick else decay.FULL, seed),
        "gap": lambda: gap.gap_study(_with_tables(gap.QUICK if quick else gap.FULL, openml), seed),
        "kernels": lambda: kernels.kernels_study(
            _with_tables(kernels.QUICK if quick else kernels.FULL, openml), seed
        ),
        "precision": lambda: precision.precision_study(precision.QUICK if quick else precision.FULL, seed),
    }
    return [build[name]() for name in STUDIES if name in only]


def conditions() -> dict[str, Any]:
    """What numbers depend on beside a study's settings: the same bytes are promised for the same ones."""
    processor, blas, own = machine()
    others = ", ".join(f"{name} {version(name)}" for name in ("scipy", "scikit-learn"))
    return {
        "versions": f"python {platform.python_version()}, {own}, {others}",
        "processor": processor,
        "blas": blas,
    }


def _with_tables(settings: Any, openml: bool) -> Any:
    if not openml:
        return settings
    most = min(settings.most or MOST, MOST)
    return replace(settings, data=(*BUNDLED, *(PREFIX + name for name in OPENML)), most=most)

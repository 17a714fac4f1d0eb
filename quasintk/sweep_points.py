"""The networks of a sweep, and how they are written down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from derive.columns import aligned
from derive.weights import WeightLaw
from quasintk.decay import Decay

ALLOWED = 0.01
"""Relative difference of log rho, fitted and predicted, that is worth a note."""
HEADS = ("bits", "weights", "r", "b_std", "predicted law", "rho", "fitted law", "rho [95 % interval]")
SIDES = "><>><><<"


@dataclass(frozen=True)
class Point:
    """One network of a sweep.

    Attributes
    ----------
    law : WeightLaw
    b_std : Fraction
    decay : Decay
        Its spectrum with the fitted and the predicted law.
    """

    law: WeightLaw
    b_std: Fraction
    decay: Decay

    @property
    def bits(self) -> float | None:
        """log2 of the number of levels; inf for real weights, None for a latent fraction alone."""
        if self.law.latent == "two-point":
            return None
        return math.log2(self.law.levels) if self.law.levels else math.inf

    @property
    def predicted_rate(self) -> float | None:
        """rho of the predicted law."""
        law = self.decay.predicted
        return None if law is None else law.rate

    @property
    def fitted_rate(self) -> tuple[float, float, float] | None:
        """rho of the fitted law and the ends of its 95 % interval; None where that is undecided."""
        fit = self.decay.fitted
        return None if fit is None else fit.rate

    @property
    def off(self) -> float:
        """Relative difference of log rho, fitted and predicted; 0 where one of them is missing or both are 1."""
        if self.predicted_rate is None or self.fitted_rate is None:
            return 0.0
        fitted, predicted = (
            -math.log(rate) if rate else math.inf for rate in (self.fitted_rate[0], self.predicted_rate)
        )
        return 0.0 if fitted == predicted else abs(fitted - predicted) / predicted if predicted else math.inf

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; the bits of real weights are None."""
        bits = self.bits
        return {
            "bits": bits if bits is not None and math.isfinite(bits) else None,
            "latent_fraction": float(self.law.latent_fraction),
            "b_std": float(self.b_std),
            "predicted_rate": self.predicted_rate,
            "fitted_rate": self.fitted_rate,
            **self.decay.to_dict(),
        }


def rows(points: Sequence[Point]) -> list[str]:
    """A table, one line per network."""
    return aligned([HEADS, *map(cells, points)], SIDES)


def cells(one: Point) -> tuple[str, ...]:
    """A network's entries under HEADS."""
    law, fit = one.decay.predicted, one.decay.fitted
    return (
        "" if one.bits is None else f"{one.bits:.3g}",
        one.decay.label,
        f"{float(one.law.latent_fraction):.6f}",
        f"{float(one.b_std):g}",
        "not known" if law is None else law.law,
        "" if law is None else f"{law.rate:.6g}",
        "none" if fit is None else fit.verdict,
        _interval(one.fitted_rate),
    )


def _interval(rate: tuple[float, float, float] | None) -> str:
    if rate is None:
        return ""
    return f"{rate[0]:.6g}" + (f" [{rate[1]:.6g}, {rate[2]:.6g}]" if rate[1] < rate[2] else "")


def grids(points: Sequence[Point]) -> Iterator[str]:
    """Predicted and fitted rates, r across and b_std down; a question mark where there is none."""
    fractions = dict.fromkeys(one.law.latent_fraction for one in points)
    for name, rates in (
        ("predicted rho", [one.predicted_rate for one in points]),
        ("fitted rho", [None if one.fitted_rate is None else one.fitted_rate[0] for one in points]),
    ):
        yield f"{name:13}  r =" + "".join(f"{float(r):9.4g}" for r in fractions)
        for start in range(0, len(points), len(fractions)):
            row = ("?" if rate is None else f"{rate:.5f}" for rate in rates[start : start + len(fractions)])
            yield f"  b_std = {float(points[start].b_std):<7g}  " + "".join(f"{cell:>9}" for cell in row)
        yield ""


def notes(points: Sequence[Point]) -> Iterator[str]:
    """Why a fit or prediction is missing, undecided or not to be relied on, by network."""
    for one in points:
        name = f"{one.decay.label}, b_std {float(one.b_std):g}"
        for text in (one.decay.fit, one.decay.prediction):
            if isinstance(text, str):
                yield f"{name}: {text}"
        fit = one.decay.fitted
        if fit is not None and (doubt := fit.warning or (fit.reason if one.fitted_rate is None else "")):
            yield f"{name}: {doubt}"
        elif one.off > ALLOWED:
            yield f"{name}: the fitted rate is not the predicted one, which sets in beyond degree {fit.window[1]:g}"  # type: ignore[union-attr]  # it has a rate

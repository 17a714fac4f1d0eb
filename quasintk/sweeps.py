"""How fast eigenvalues decay, from binary to real weights, and over the latent fraction and the biases."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from derive.numbers import Real, exact
from derive.weights import NAMED, Levels, WeightLaw
from quasintk.decay import Decay, decay_of
from quasintk.pipeline import kernel

PRECISIONS: tuple[WeightLaw, ...] = (*map(Levels, (2, 3, 4, 8, 16, 32, 64, 128, 256)), NAMED["real"])
"""Binary, ternary, 2 to 8 bits, real."""
FRACTIONS = ("0.1", "0.2", "1/3", "0.5", "2/3", "0.8", "0.9", "0.95", "0.99", "1")
"""Latent fractions of the phase diagram: binary weights have 1/3, ternary ones 2/3, real ones 1."""
BIASES = ("0", "0.1", "0.3", "1", "3")
"""Its b_std."""
ALLOWED = 0.01
"""Relative difference of log rho, fitted and predicted, that is worth a note."""
HEADS = ("bits", "weights", "r", "b_std", "predicted law", "rho", "fitted law", "rho [95 % interval]")
ROW = "{:>5}  {:11}  {:>8}  {:>5}  {:17}  {:>10}  {:17}  {}"


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


@dataclass(frozen=True)
class Sweep:
    """Decay rates of a family of networks, predicted and fitted.

    Attributes
    ----------
    kind : {"weights", "phase"}
    points : tuple of Point
        In the order of the precisions; of a phase diagram row by row of b_std, in each by latent fraction.
    title : str
    """

    kind: str
    points: tuple[Point, ...]
    title: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary; its "spectra" are what `quasintk fit` reads."""
        return {"sweep": self.kind, "title": self.title, "spectra": [one.to_dict() for one in self.points]}

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Rates and spectra by precision, or the phase diagram; a figure, saved to `path` if given."""
        from quasintk.sweep_plots import plot_sweep

        return plot_sweep(self, path)

    def __str__(self) -> str:
        table = _table(self.points) if self.kind == "weights" else _grids(self.points)
        return "\n".join([self.title, "", *table, "", *_notes(self.points)]).rstrip()

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in HEADS)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(one)) for one in self.points)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{html.escape(self.title)}</p><table><tr>{head}</tr>{body}</table>"


def sweep(
    activation: object,
    over: str = "weights",
    dim: int = 10,
    degrees: int = 200,
    q: Real = 1.0,
    get: str = "ntk",
    fractions: Sequence[Real] = FRACTIONS,
    biases: Sequence[Real] = BIASES,
    watch: Callable[[Sequence[Any]], Iterable[Any]] = iter,
    **network: Any,
) -> Sweep:
    """Spectra, fits and predictions of one architecture with many weights.

    Parameters
    ----------
    activation : name, expression in x, or SymPy expression
    over : {"weights", "phase"}
        Binary, ternary, 2 to 8 bits and real weights; or a grid of latent fractions r and b_std, whose networks are binary with two-point
        latents (real weights at r = 1).
    dim, degrees, q, get
        As `quasintk.spectrum` takes them.
    fractions, biases : sequences of real numbers
        Latent fractions and b_std of the phase diagram.
    watch : callable
        Passes the networks on one by one, for a bar of progress.
    network
        depth, W_std, b_std and parameterization, as `quasintk.mlp` takes them; "phase" sets b_std itself.

    Returns
    -------
    Sweep

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain, or is what the sweep runs over.
    BadExpression, DerivationError, NumericalError
        As `quasintk.kernel` and `quasintk.spectrum` do.

    Notes
    -----
    Cost: that of 10 or 50 spectra, fits and predictions: 15 s and 60 s for ReLU and erf of depth 2.
    """
    if over not in ("weights", "phase"):
        raise ValueError(f"over must be 'weights' or 'phase', got {over!r}.")
    for name in ("weights", "b_std") if over == "phase" else ("weights",):
        if name in network:
            raise TypeError(f"{name} is what the sweep over {over!r} varies: leave it out.")
    chosen = _precisions(network.pop("b_std", 0)) if over == "weights" else _phase(fractions, biases)
    points = []
    for law, b_std in watch(list(chosen)):
        one = kernel(activation, weights=law, b_std=b_std, **network)
        points.append(Point(law, b_std, decay_of(name_of(law), one, dim, degrees, q, get)))
    asked = {"depth": 1, **network, "dim": dim, "q": q, "get": get, "degrees": degrees}
    return Sweep(
        over, tuple(points), f"{activation}: {', '.join(f'{name} {value}' for name, value in asked.items())}"
    )


def name_of(law: WeightLaw) -> str:
    """The name under which a law of weights is listed."""
    named = next((name for name, known in NAMED.items() if known == law), None)
    if named is not None:
        return named
    return f"{law.levels} levels" if law.latent == "uniform" else f"r={float(law.latent_fraction):g}"


def _precisions(b_std: Real) -> Iterator[tuple[WeightLaw, Fraction]]:
    return ((law, exact(b_std, "b_std")) for law in PRECISIONS)


def _phase(fractions: Sequence[Real], biases: Sequence[Real]) -> Iterator[tuple[WeightLaw, Fraction]]:
    shares = [exact(r, "latent_fraction") for r in fractions]
    laws = [NAMED["real"] if r == 1 else WeightLaw(r) for r in shares]
    return ((law, exact(b, "b_std")) for b in biases for law in laws)


def _table(points: Sequence[Point]) -> Iterator[str]:
    return (ROW.format(*cells).rstrip() for cells in (HEADS, *map(_cells, points)))


def _cells(one: Point) -> tuple[str, ...]:
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


def _grids(points: Sequence[Point]) -> Iterator[str]:
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


def _notes(points: Sequence[Point]) -> Iterator[str]:
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

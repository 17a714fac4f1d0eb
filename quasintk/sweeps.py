"""How fast eigenvalues decay, from binary to real weights, and over the latent fraction and the biases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from derive.notebook import html_table
from derive.numbers import Real, exact
from derive.weights import NAMED, Levels, WeightLaw
from numerics.progress import Report, progress
from quasintk.decay import decay_of
from quasintk.pipeline import kernel
from quasintk.sweep_points import HEADS, Point, cells, grids, notes, rows

PRECISIONS: tuple[WeightLaw, ...] = (*map(Levels, (2, 3, 4, 8, 16, 32, 64, 128, 256)), NAMED["real"])
"""Binary, ternary, 2 to 8 bits, real."""
FRACTIONS = ("0.1", "0.2", "1/3", "0.5", "2/3", "0.8", "0.9", "0.95", "0.99", "1")
"""Latent fractions of the phase diagram: binary weights have 1/3, ternary ones 2/3, real ones 1."""
BIASES = ("0", "0.1", "0.3", "1", "3")
"""Its b_std."""


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

    def plot(self, ax: Any = None) -> Any:
        """Draw rates by precision and the spectra behind them; or maps of the predicted and of the fitted rate.

        Parameters
        ----------
        ax : two matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import panels
        from quasintk.sweep_plots import HEIGHT, WIDTH, draw_sweep

        left, right = axes = panels(ax, 2, WIDTH, HEIGHT)
        draw_sweep(left, right, self)
        return axes

    def __repr__(self) -> str:
        return f"<Sweep over {self.kind}, {len(self.points)} networks; {self.title}>"

    def __str__(self) -> str:
        table = rows(self.points) if self.kind == "weights" else grids(self.points)
        return "\n".join([self.title, "", *table, "", *notes(self.points)]).rstrip()

    def _repr_html_(self) -> str:
        return html_table([self.title, *notes(self.points)], HEADS, map(cells, self.points))


def sweep(
    activation: object,
    over: str = "weights",
    dim: int = 10,
    degrees: int = 200,
    q: Real = 1.0,
    get: str = "ntk",
    fractions: Sequence[Real] = FRACTIONS,
    biases: Sequence[Real] = BIASES,
    report: Report | None = None,
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
    report : callable, optional
        Called with how many networks are done, how many there are, and the next one. By default a line in a notebook or an
        interactive session.
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
    asked = {"depth": 1, **network, "dim": dim, "q": q, "get": get, "degrees": degrees}
    title = f"{activation}: {', '.join(f'{name} {value}' for name, value in asked.items())}"
    chosen = _precisions(network.pop("b_std", 0)) if over == "weights" else _phase(fractions, biases)
    networks, points = list(chosen), list[Point]()
    with progress(report) as told:
        for law, b_std in networks:
            told(len(points), len(networks), f"{name_of(law)}, b_std {float(b_std):g}")
            one = kernel(activation, weights=law, b_std=b_std, **network)
            points.append(Point(law, b_std, decay_of(name_of(law), one, dim, degrees, q, get)))
    return Sweep(over, tuple(points), title)


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

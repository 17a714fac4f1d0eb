"""Eigenvalues of a Gram matrix with their bounds, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.notebook import html_table, shortened

Floats = NDArray[np.float64]
HEAD = ("index", "eigenvalue", "within")


@dataclass(frozen=True, eq=False)
class GramSpectrum:
    """The algebraically largest eigenvalues of a Gram matrix.

    Attributes
    ----------
    value : ndarray, shape (top,)
        Descending.
    bound : ndarray, shape (top,)
        |K v - value v| for the unit vector v found, computed from products with K, plus n eps lambda_max for
        their rounding: an eigenvalue of K lies within this distance. It is the i-th one where the iteration
        has converged, that is, where no bound exceeds 2 n eps lambda_max; LAPACK's always is.
    floor : float
        n eps lambda_max: what rounding of K's entries alone may move an eigenvalue by. eps is that of the
        entries' type, lambda_max the largest absolute eigenvalue.
    n : int
    trace : float or None
        None for an operator, whose diagonal is not seen.
    route : {"dense", "krylov"}
    passes : int
        How often the whole of K was multiplied by vectors.
    """

    value: Floats
    bound: Floats
    floor: float
    n: int
    trace: float | None
    route: str = "dense"
    passes: int = 1

    @property
    def above_floor(self) -> NDArray[np.bool_]:
        """Which values are more than rounding noise."""
        return np.asarray(self.value > self.floor)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary."""
        return {
            "value": self.value.tolist(),
            "bound": self.bound.tolist(),
            "floor": self.floor,
            "n": self.n,
            "trace": self.trace,
            "route": self.route,
            "passes": self.passes,
        }

    def plot(self, ax: Any = None, *, label: str = "eigenvalues") -> Any:
        """Draw the eigenvalues by index with their bounds, and where rounding begins; what is not positive is left out.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure; several spectra may go into the same ones.
        label : str
            In the legend.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import draw_gram_spectrum, panels

        (axes,) = panels(ax, 1, 6.4, 4.2)
        draw_gram_spectrum(axes, self, label)
        return axes

    def __repr__(self) -> str:
        return f"<GramSpectrum: {len(self.value)} of {self.n} eigenvalues, from {self.value[0]:.6g} to {self.value[-1]:.3g}>"

    def __str__(self) -> str:
        first, left_out, last = shortened(self._rows())
        gap = [f"   ... {left_out} more ..."] if left_out else []
        return "\n".join([*self._lines(), "", *map(_line, [HEAD, *first]), *gap, *map(_line, last)])

    def _lines(self) -> Iterator[str]:
        yield f"{len(self.value)} largest eigenvalues of a Gram matrix of {self.n} rows"
        if self.trace:
            yield f"trace {self.trace:.6g}, {100 * float(self.value.sum()) / self.trace:.4g} % of it in these"
        above = int(self.above_floor.sum())
        passes = f"{self.passes} pass{'es' if self.passes > 1 else ''}"
        yield f"{above} above rounding, {self.floor:.1e}; {self.route} route, {passes} over the matrix"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for i, (value, bound) in enumerate(zip(self.value, self.bound, strict=True), 1):
            yield str(i), f"{value:.6e}", f"{bound:.0e}"

    def _repr_html_(self) -> str:
        return html_table(self._lines(), HEAD, self._rows())


def _line(cells: tuple[str, str, str]) -> str:
    index, value, bound = cells
    return f"{index:>6}  {value:>13}  {bound:>7}"

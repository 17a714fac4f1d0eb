"""The kernel on a sphere: a function K(t) of the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from numpy.typing import NDArray

from derive.notebook import displayed
from derive.numbers import as_text
from derive.printing import latex
from derive.special import NAMES
from numerics.pair_route import of_cosines
from numerics.series import TaylorSeries, taylor_series

if TYPE_CHECKING:
    from numerics.kernel import Kernel

t = sympy.Symbol("t", real=True)
LAYERS = 3
"""Layers of which K(t) is a formula of a few lines; of more, and of quadrants, notebooks show the recursion."""
LONG, DIGITS = 10_000, 6
"""Integers above are shown as decimals of so many digits."""


@dataclass(frozen=True)
class OnSphere:
    """K(t) for inputs with |x|^2 = |y|^2 = q d and x.y = t q d.

    Attributes
    ----------
    kernel : Kernel
    q : Fraction
    get : str
        "ntk", "nngp" or "rounding".
    """

    kernel: Kernel
    q: Fraction
    get: str

    def __post_init__(self) -> None:
        if self.q <= 0:
            raise ValueError(f"q must be positive, got {float(self.q)}.")

    def __call__(self, cosine: object) -> NDArray[np.float64]:
        """K at cosines in [-1, 1] (8 eps beyond are taken as +-1), elementwise.

        Raises
        ------
        ValueError
            If a cosine lies outside.
        """
        cosines = np.asarray(cosine, dtype=np.float64)
        if not (np.abs(cosines) <= 1 + 8 * np.finfo(float).eps).all():
            raise ValueError("A cosine lies outside [-1, 1].")
        values = of_cosines(self.kernel, float(self.q), np.clip(cosines, -1, 1).ravel(), self.get)
        return values.reshape(cosines.shape)[()]

    @property
    def symbolic(self) -> sympy.Expr:
        """K(t) as one SymPy expression in the symbol t, parameters inserted exactly."""
        values: dict[Any, Any] = {
            "q_x": _rational(self.q),
            "q_y": _rational(self.q),
            "m_0": _rational(self.q) * t,
        }
        values |= {name: _rational(value) for name, value in self.kernel.parameters.items()}
        layers = self.kernel.layers
        for layer in layers:
            for equation in layer.equations:
                inserted = equation.value.subs({s: values[str(s)] for s in equation.value.free_symbols})
                values[str(equation.symbol)] = inserted.replace(
                    lambda e: type(e) in NAMES and hasattr(e, "elementary"), lambda e: e.elementary()
                )
        last = layers[-1].moments
        result = {"ntk": last.k, "nngp": last.m, "rounding": last.p - last.m}[self.get]
        return result.subs({s: values[str(s)] for s in result.free_symbols})

    def plot(self, ax: Any = None, *, label: str | None = None) -> Any:
        """Draw K(t) over the cosine.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure; several kernels may go into the same ones.
        label : str, optional
            In the legend.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import draw_cosines, panels

        (axes,) = panels(ax, 1, 6.4, 4.2)
        draw_cosines(axes, self, f"{self.get} of {self.kernel!r}" if label is None else label)
        return axes

    def __repr__(self) -> str:
        return f"<K(t), {self.get} for |x|^2 = {as_text(self.q)} d, of {self.kernel!r}>"

    def _repr_latex_(self) -> str:
        try:
            formula = self.symbolic if len(self.kernel.layers) <= LAYERS else None
        except NotImplementedError:
            formula = None
        if formula is None:
            return self.kernel._repr_latex_()
        long = {
            x: sympy.Float(x, DIGITS) for x in formula.atoms(sympy.Rational) if x.q > LONG or abs(x.p) > LONG
        }
        relation = r"\approx" if long else "="
        return displayed([rf"K(t) {relation} {latex(formula.xreplace(long))}"])

    def taylor(self, n: int) -> NDArray[np.float64]:
        """Taylor coefficients a_0 .. a_n of K at t = 0."""
        return self.taylor_series(n).coefficients.astype(np.float64)

    def taylor_series(self, terms: int) -> TaylorSeries:
        """Taylor coefficients with their errors and K(1)."""
        if type(terms) is not int or terms < 0:
            raise ValueError(f"The number of terms must be an integer >= 0, got {terms!r}.")
        return taylor_series(self.kernel.ir, self.get, self.q, terms)


def _rational(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)

"""How the Hermite coefficients of one parity decay: what `derive.singularity` finds of an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import mpmath
import sympy

NOISE = mpmath.mpf(10) ** -25
"""What is smaller than this share of its summands has cancelled: everything is computed to 50 digits."""

Kind = Literal["polynomial", "entire", "algebraic", "stretched", "unknown"]


@dataclass(frozen=True)
class Wave:
    """Re(amplitude exp(i frequency sqrt(j))); the frequency's real part is >= 0."""

    frequency: Any
    amplitude: Any


@dataclass(frozen=True)
class Part:
    """h_j^2 ~ g^-j j^-(gamma + 1) (sum of waves) for the j of one parity.

    Attributes
    ----------
    parity : {0, 1}
        Even or odd j.
    kind : str
        "polynomial": h_j = 0 beyond `degree` (-1: all vanish); "entire": faster than every power g^-j;
        "algebraic": as above, with one constant wave (frequency 0) and perhaps oscillating ones, which then make
        kappa singular in another way; "stretched": every wave has one imaginary frequency, h_j^2 ~ exp(-c sqrt(j)),
        and kappa is infinitely smooth on one side of g; "unknown".
    g : mpmath.mpf
        |rho| of the singularities, at +g and -g alike; inf where there is none.
    exact : sympy.Expr or None
        g, where it is known exactly.
    gamma : mpmath.mpf or None
        Exponent of kappa: its singular part is S (1 - rho / g)^gamma.
    waves : tuple of Wave
        Empty where the strength is unknown.
    degree : int or None
    source : str
        What the singularity comes from.
    """

    parity: int
    kind: Kind
    g: Any = mpmath.inf
    exact: sympy.Expr | None = None
    gamma: Any = None
    waves: tuple[Wave, ...] = ()
    degree: int | None = None
    source: str = ""

    @property
    def strength(self) -> Any:
        """S of kappa ~ S (1 - rho / g)^gamma at +g, from this parity alone; at -g it is S (-1)^parity. None if unknown."""
        constant = [wave.amplitude for wave in self.waves if wave.frequency == 0]
        return mpmath.re(constant[0]) * mpmath.gamma(-self.gamma) / 2 if constant else None

"""Weight laws: which grid the weights are rounded to, and what survives averaging (theory.md, section 1).

Latent weights w have mean 0 and second moment s2 = E[w^2]; the weights used, W, are a stochastic
rounding of w onto a grid, so that E[W | w] = w, with second moment e = E[W^2]. The kernels depend on
one number, the latent fraction r = s2 / e.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from derive.notebook import displayed
from derive.numbers import Real, as_text, exact

Latent = Literal["normal", "uniform", "two-point"]


@dataclass(frozen=True)
class WeightLaw:
    """Law of a dense layer's latent weights and of the grid they are rounded to.

    Parameters
    ----------
    latent_fraction : real number in (0, 1]
        r = E[w^2] / E[W^2]. On its own it stands for binary weights whose latents are
        -sqrt(r) or +sqrt(r) with equal probability, so that any r has a network to sample.
    levels : int, optional
        Number of equally spaced grid points on [-1, 1]; None means that weights are not rounded.
    latent : {"normal", "uniform", "two-point"}
        Law of the latents: N(0, 1), uniform on [-1, 1], or +-sqrt(r).

    Raises
    ------
    ValueError
        If latent_fraction lies outside (0, 1], or does not belong to the other two.
    """

    latent_fraction: Fraction
    levels: int | None = 2
    latent: Latent = "two-point"

    def __init__(self, latent_fraction: Real, levels: int | None = 2, latent: Latent = "two-point"):
        fraction = exact(latent_fraction, "latent_fraction")
        if not 0 < fraction <= 1:
            raise ValueError(f"latent_fraction must lie in (0, 1], got {latent_fraction}.")
        step = Fraction(0) if levels is None else Fraction(2, levels - 1)
        consistent = {
            "normal": levels is None and fraction == 1,
            "uniform": fraction == 1 / (1 + step**2 / 2),
            "two-point": levels == 2,
        }
        if not consistent[latent]:
            raise ValueError(f"No law has latent_fraction {fraction}, {levels} levels and {latent} latents.")
        object.__setattr__(self, "latent_fraction", fraction)
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "latent", latent)

    @property
    def rounded(self) -> bool:
        """Whether rounding takes place at all."""
        return self.levels is not None

    @property
    def step(self) -> Fraction:
        """Distance D of neighbouring grid points; 0 where weights are not rounded."""
        return Fraction(0) if self.levels is None else Fraction(2, self.levels - 1)

    @property
    def latent_second_moment(self) -> Fraction:
        """s2 = E[w^2]."""
        moments = {"normal": Fraction(1), "uniform": Fraction(1, 3), "two-point": self.latent_fraction}
        return moments[self.latent]

    @property
    def second_moment(self) -> Fraction:
        """e = E[W^2] = s2 / r."""
        return self.latent_second_moment / self.latent_fraction

    def __str__(self) -> str:
        """As `weight_law` reads it."""
        named = next((name for name, law in NAMED.items() if law == self), None)
        return named or (
            str(self.levels) if self.latent == "uniform" else f"r={as_text(self.latent_fraction)}"
        )

    def _repr_latex_(self) -> str:
        latents = {
            "normal": r"w \sim \mathcal{N}(0, 1)",
            "uniform": r"w \sim \mathcal{U}[-1, 1]",
            "two-point": r"w = \pm\sqrt{r}",
        }[self.latent]
        r = self.latent_fraction
        share = f"r = {r}" if r.denominator < 1000 else rf"r \approx {float(r):.6g}"
        if self.levels is None:
            return displayed([rf"W = {latents},\quad {share}"])
        step = rf"\tfrac{{2}}{{{self.levels - 1}}}" if self.levels > 2 else "2"
        grid = rf"-1 + {step}\,\{{0, \dots, {self.levels - 1}\}}" if self.levels > 2 else r"\{-1, 1\}"
        rows = [rf"{latents},\quad W \in {grid},\quad \mathbb{{E}}[W \mid w] = w,\quad {share}"]
        return displayed(rows)


def Levels(count: int) -> WeightLaw:
    """Weights rounded to `count` equally spaced levels on [-1, 1], latents uniform on [-1, 1].

    With D = 2 / (count - 1): e = 1/3 + D^2/6 and r = 1 / (1 + D^2/2) (theory.md, section 1);
    2 levels are binary weights, 3 ternary ones, 2^b a grid of b bits.
    """
    if type(count) is not int or not 2 <= count <= 2**16:
        raise ValueError(f"Levels needs an integer from 2 to 65536, got {count!r}.")
    step = Fraction(2, count - 1)
    return WeightLaw(1 / (1 + step**2 / 2), levels=count, latent="uniform")


REAL = WeightLaw(1, levels=None, latent="normal")
NAMED = {"real": REAL, "binary": Levels(2), "ternary": Levels(3)}


def weight_law(spec: str | int | WeightLaw) -> WeightLaw:
    """The weight law that a user names: "real", "binary", "ternary", 16 or "16" levels, "r=0.4", or a law itself.

    Raises
    ------
    ValueError
        If it is none of these, or lies outside its domain.
    """
    if isinstance(spec, WeightLaw):
        return spec
    text = str(spec).strip() if isinstance(spec, str) or type(spec) is int else ""
    if text in NAMED:
        return NAMED[text]
    if text.startswith("r="):
        return WeightLaw(text.removeprefix("r="))
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return Levels(int(text))
    raise ValueError(
        f"{str(spec)[:40]!r} is not real, binary, ternary, a number of levels such as 16, or r=0.4."
    )

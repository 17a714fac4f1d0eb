"""Everything that a page says, computed once: plain data, every number with its error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from derive.activation import Activation
from derive.errors import QuasintkError
from derive.numbers import exact
from derive.weights import WeightLaw, weight_law
from numerics.kernel import Kernel
from quasintk.page.comparisons import Comparison, comparisons
from quasintk.page.formulas import Formulas, formulas_of, number_text
from quasintk.page.sampling import Sampling, sampling
from quasintk.page.spectra import Curve, curves
from quasintk.pipeline import kernel
from verify.check import seconds_of, verify
from verify.report import Certificate
from verify.rerun import law_text

Watch = Callable[[str], None]
"""Is told what is computed next."""


@dataclass(frozen=True)
class Settings:
    """What was asked for, as it is typed.

    Attributes
    ----------
    expression, weights, W_std, b_std, parameterization, get, budget : str
    depth, dim, degrees, seed : int
    """

    expression: str
    depth: int
    weights: str
    W_std: str
    b_std: str
    parameterization: str
    get: str
    dim: int
    degrees: int
    budget: str
    seed: int


@dataclass(frozen=True)
class Study:
    """One network's kernel from its derivation to its tests, from `study_of`.

    Attributes
    ----------
    settings : Settings
    formulas : Formulas
        The activation, its dual, the recursion and the proof, as MathML.
    curves : tuple of Curve
        Eigenvalues with their laws, for every precision and depth.
    comparisons : tuple of Comparison
        This kernel against classical ones.
    certificate : Certificate or str
        Of `quasintk.verify`; or why there is none.
    sampling : Sampling or str
        The quasi network against rounded networks; or why there is none.
    """

    settings: Settings
    formulas: Formulas
    curves: tuple[Curve, ...]
    comparisons: tuple[Comparison, ...]
    certificate: Certificate | str
    sampling: Sampling | str

    @property
    def own(self) -> Curve:
        """The curve of the network itself."""
        return next(curve for curve in self.curves if curve.own)


def study_of(
    activation: str,
    depth: int = 1,
    weights: str | int | WeightLaw = "binary",
    W_std: Any = 1,
    b_std: Any = 0,
    parameterization: str = "ntk",
    get: str = "ntk",
    dim: int = 10,
    degrees: int = 60,
    budget: str | float = "10s",
    seed: int = 0,
    watch: Watch = lambda _: None,
) -> Study:
    """Derive, compute, compare and check one network's kernel.

    Parameters
    ----------
    activation : str
        A name, or an expression in x; it is parsed, never executed.
    depth, weights, W_std, b_std, parameterization
        As `quasintk.mlp` takes them.
    get : {"ntk", "nngp"}
        "nngp": of the network whose readout alone is trained, for activations whose NTK is infinite.
    dim, degrees : int
        Of the sphere |x|^2 = dim, and the highest degree, from 8 on.
    budget : str or float
        Of `quasintk.verify`.
    seed : int
        Of all that is sampled.
    watch : callable
        Is told, in a few words, what is computed next.

    Returns
    -------
    Study

    Raises
    ------
    BadExpression, DerivationError, ValueError, TypeError
        Where the network's own kernel or spectrum cannot be had. What else cannot be derived, fitted, predicted, compared or
        sampled says so in its place.

    Notes
    -----
    45 s of computing for ReLU, 100 s for tanh, whose eigenvalues are most of it.
    """
    law = weight_law(weights)
    if isinstance(degrees, bool) or not isinstance(degrees, int) or not 8 <= degrees <= 1000:
        raise ValueError(f"degrees must be an integer from 8 to 1000, got {degrees!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer from 0 to 2^63 - 1, got {seed!r}.")
    seconds_of(budget)
    settings = Settings(
        activation, depth, law_text(law), number_text(exact(W_std, "W_std")), number_text(exact(b_std, "b_std")),
        parameterization, get, dim, degrees, budget if isinstance(budget, str) else f"{budget:g}s", seed,
    )  # fmt: skip
    phi = Activation(activation)

    def derived(depth: int, law: WeightLaw) -> Kernel:
        options = {"W_std": W_std, "b_std": b_std, "parameterization": parameterization}
        return kernel(phi, get=get, depth=depth, weights=law, **options)

    watch("deriving the kernel")
    own = derived(depth, law)
    formulas = formulas_of(own)
    found = curves(derived, depth, law, dim, degrees, watch)
    compared = comparisons(own, lambda: derived(depth, weight_law("real")), law, dim, degrees, watch)
    watch(f"checking the kernel, for about {settings.budget}")
    certificate = _or_reason(lambda: verify(own, seed=seed, budget=budget))
    drawn = _or_reason(lambda: sampling(own.network, dim, seed, watch))
    return Study(settings, formulas, found, compared, certificate, drawn)


def _or_reason(compute: Callable[[], Any]) -> Any:
    """What is computed; or why it cannot be."""
    try:
        return compute()
    except (QuasintkError, ValueError) as error:
        return str(error)

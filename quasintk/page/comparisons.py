"""The kernel's function space beside those of classical kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from derive.errors import QuasintkError
from derive.weights import WeightLaw
from numerics.inclusion import Inclusion, compare
from numerics.kernel import Kernel
from quasintk.baselines import gaussian, laplace

LN10 = math.log(10)


@dataclass(frozen=True)
class Comparison:
    """The page's kernel, A, against another, B, from `numerics.inclusion.compare`.

    Attributes
    ----------
    name : str
        Of B.
    verdict : str
        What A's function space is to B's; "not known" where they cannot be compared.
    reason : str
    degree : tuple of int
    log10_ratio : tuple of float or None
        Of lambda_k(A) / lambda_k(B); None where an eigenvalue vanishes.
    rel_error : tuple of float
        Of the ratio.
    sup, sup_inverse : float
        Largest A / B and B / A over the degrees.
    sup_degree, sup_inverse_degree : int or None
    limit_even, limit_odd : float or None
        Predicted; None where they are not known.
    """

    name: str
    verdict: str
    reason: str
    degree: tuple[int, ...] = ()
    log10_ratio: tuple[float | None, ...] = ()
    rel_error: tuple[float, ...] = ()
    sup: float = math.nan
    sup_degree: int | None = None
    sup_inverse: float = math.nan
    sup_inverse_degree: int | None = None
    limit_even: float | None = None
    limit_odd: float | None = None


def comparisons(
    own: Kernel,
    real: Callable[[], Kernel],
    law: WeightLaw,
    dim: int,
    degrees: int,
    watch: Callable[[str], None],
) -> tuple[Comparison, ...]:
    """Against the Gaussian and the Laplace kernel of length scale 1, and the same network with real weights, where they differ."""
    others = [("Gaussian", lambda: gaussian(1)), ("Laplace", lambda: laplace(1))]
    if law.rounded:
        others.append(("real weights", real))
    return tuple(_comparison(name, own, other, dim, degrees, watch) for name, other in others)


def _comparison(
    name: str,
    own: Kernel,
    other: Callable[[], Kernel],
    dim: int,
    degrees: int,
    watch: Callable[[str], None],
) -> Comparison:
    watch(f"comparing with {name}")
    try:
        return _plain(name, compare(own, other(), dim, degrees=degrees))
    except QuasintkError as error:
        return Comparison(name, "not known", str(error))


def _plain(name: str, found: Inclusion) -> Comparison:
    logs = (log / LN10 if math.isfinite(log) else None for log in found.log_ratio.tolist())
    return Comparison(
        name,
        found.verdict,
        found.reason,
        tuple(found.degree.tolist()),
        tuple(logs),
        tuple(found.ratio_error.tolist()),
        found.sup,
        found.sup_degree,
        found.sup_inverse,
        found.sup_inverse_degree,
        found.limit_even,
        found.limit_odd,
    )

"""Classical kernels to compare networks' kernels with, as the same `Kernel` objects (docs/baselines.md).

>>> from quasintk.baselines import matern
>>> matern("3/2", length_scale=0.5)
<Kernel matern(3/2); length_scale=0.5>
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import islice
from typing import Any

from derive.baselines import FAMILIES, baseline_ir
from derive.network import mlp
from derive.numbers import Real, exact
from derive.spelling import did_you_mean
from numerics.kernel import Kernel
from quasintk.pipeline import kernel, readout_only

_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?(/\d{1,30})?")
_CALL = re.compile(r"\s*(\w+)\s*(?:\((.*)\)\s*)?")
LONGEST = 2000
"""Characters of a text that is read; a mixture of 64 scales has less."""


def baseline(text: str) -> Kernel:
    """The baseline of a text: "gaussian", "laplace(0.5)", "matern(3/2, 0.5)", "real_ntk(relu, 2)".

    Parameters
    ----------
    text : str
        A name of BASELINES, and in brackets the function's arguments in their order; text is parsed, never executed.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If the name is unknown (the message lists all, and the nearest), or an argument lies outside its domain.
    """
    if not isinstance(text, str):
        raise TypeError(f"A baseline's text is needed, got {type(text).__name__}.")
    found = _CALL.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise ValueError(f"{text[:60]!r} is no baseline: write a name, or name(number, ...). {_known()}")
    name, inner = found[1], found[2] or ""
    if name not in BASELINES:
        raise ValueError(f"Unknown baseline {name[:60]!r}.{did_you_mean(name, BASELINES)} {_known()}")
    arguments = split(inner) if inner.strip() else []
    try:
        inspect.signature(BASELINES[name]).bind(*arguments)
    except TypeError as error:
        raise ValueError(f"{text[:60]!r}: {error}; write {_usage(name)}.") from None
    return BASELINES[name](*arguments)


def gaussian(length_scale: Real = 1) -> Kernel:
    """exp(-D / (2 l^2)), D = |x - y|^2 / d.

    Parameters
    ----------
    length_scale : real number
        l, from 1e-50 to 1e50, relative to sqrt(d); a run-time parameter.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.
    """
    return _kernel("gaussian", 0, length_scale=length_scale)


def laplace(length_scale: Real = 1) -> Kernel:
    """exp(-sqrt(D) / l), D = |x - y|^2 / d.

    Parameters
    ----------
    length_scale : real number
        l, from 1e-50 to 1e50, relative to sqrt(d); a run-time parameter.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.
    """
    return _kernel("laplace", 0, length_scale=length_scale)


def rational_quadratic(alpha: Real = 1, length_scale: Real = 1) -> Kernel:
    """(1 + D / (2 alpha l^2))^(-alpha), D = |x - y|^2 / d.

    Parameters
    ----------
    alpha : real number
        From 1e-3 to 1e3; a run-time parameter. As it grows the kernel tends to `gaussian`'s, which takes its place beyond.
    length_scale : real number
        l, from 1e-50 to 1e50, relative to sqrt(d); a run-time parameter.

    Raises
    ------
    TypeError, ValueError
        If they are no such numbers.
    """
    return _kernel("rational_quadratic", 0, alpha=alpha, length_scale=length_scale)


def matern(nu: Real = Fraction(3, 2), length_scale: Real = 1) -> Kernel:
    """Matern's kernel of order nu = p + 1/2: exp(-u) times a polynomial in u = sqrt(2 nu D) / l of degree p.

    Parameters
    ----------
    nu : real number
        1/2 (`laplace`), 3/2, 5/2, ... 41/2; part of the structure, so that another nu is another kernel.
    length_scale : real number
        l, from 1e-50 to 1e50, relative to sqrt(d); a run-time parameter.

    Raises
    ------
    TypeError, ValueError
        If they are no such numbers.
    """
    order = _exact("nu", nu) - Fraction(1, 2)
    most = FAMILIES["matern"].most
    if order.denominator != 1 or not 0 <= order <= most:
        raise ValueError(
            f"nu must be a half-integer, 1/2, 3/2, 5/2, ... up to {2 * most + 1}/2, got {str(nu)[:40]}: other orders have "
            "no closed form, and gaussian is the limit of high ones."
        )
    return _kernel("matern", int(order), length_scale=length_scale)


def gaussian_mixture(scales: Iterable[Real], weights: Iterable[Real] | None = None) -> Kernel:
    """sum_i w_i exp(-s_i D / 2), D = |x - y|^2 / d: a discrete mixture of Gaussians.

    Parameters
    ----------
    scales : 1 to 64 real numbers
        s_i = 1 / l_i^2, from 0 to 1e50; run-time parameters s_1, s_2, ...
    weights : as many real numbers, optional
        w_i, from 0 to 1e50 and not all 0, by default 1 / n each; run-time parameters w_1, w_2, ... Their sum is K(x, x).

    Raises
    ------
    TypeError, ValueError
        If they are no such numbers, none or too many.
    """
    first = _numbers("scales", scales)
    second = [Fraction(1, len(first))] * len(first) if weights is None else _numbers("weights", weights)
    if len(first) != len(second):
        raise ValueError(f"Every scale needs one weight, got {len(first)} scales and {len(second)} weights.")
    values = {f"s_{i}": value for i, value in enumerate(first, 1)}
    values |= {f"w_{i}": value for i, value in enumerate(second, 1)}
    return _kernel("gaussian_mixture", len(first), **values)


def real_ntk(activation: object = "relu", depth: int = 1, W_std: Real = 1, b_std: Real = 0) -> Kernel:
    """Kernel of the multilayer perceptron with real weights, whose "ntk" is the usual NTK.

    Parameters
    ----------
    activation, depth, W_std, b_std
        As in `quasintk.mlp`.

    Raises
    ------
    BadExpression, DerivationError
        As `quasintk.kernel` does.
    """
    return kernel(activation, depth=depth, weights="real", W_std=W_std, b_std=b_std)


def real_nngp(activation: object = "relu", depth: int = 1, W_std: Real = 1, b_std: Real = 0) -> Kernel:
    """The same network with only its readout trained: its "ntk" is its "nngp", the kernel of random features.

    Parameters
    ----------
    activation, depth, W_std, b_std
        As in `quasintk.mlp`.

    Raises
    ------
    BadExpression, DerivationError
        As `quasintk.kernel` does; activations that jump, whose NTK is infinite, have this kernel.
    """
    return kernel(readout_only(mlp(activation, depth, "real", W_std, b_std)))


def split(text: str) -> list[str]:
    """The parts of a text between commas, stripped; commas in brackets belong to a part."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _mixture(*scales: Real) -> Kernel:
    return gaussian_mixture(scales)


def _network(function: Callable[..., Kernel]) -> Callable[..., Kernel]:
    """`real_ntk` or `real_nngp` with all arguments as text."""

    def _from_text(activation: str = "relu", depth: str = "1", W_std: str = "1", b_std: str = "0") -> Kernel:
        if not re.fullmatch(r"\d{1,9}", depth, re.ASCII):
            raise ValueError(f"depth must be an integer from 1 to 64, got {depth[:40]!r}.")
        return function(activation, int(depth), _exact("W_std", W_std), _exact("b_std", b_std))

    return _from_text


NETWORKS: dict[str, Callable[..., Kernel]] = {"real_ntk": real_ntk, "real_nngp": real_nngp}
"""Baselines with layers; their "ntk" is the kernel that they are named for."""
BASELINES: dict[str, Callable[..., Kernel]] = {
    "gaussian": gaussian,
    "laplace": laplace,
    "rational_quadratic": rational_quadratic,
    "matern": matern,
    "gaussian_mixture": _mixture,
    **{name: _network(function) for name, function in NETWORKS.items()},
}
"""By the name that `baseline` reads; a mixture's arguments are its scales, of equal weights."""


def _known() -> str:
    return f"Baselines are {', '.join(map(_usage, BASELINES))}."


def _usage(name: str) -> str:
    parameters = inspect.signature(BASELINES[name]).parameters.values()
    named = ["s_1, s_2, ..." if p.kind is p.VAR_POSITIONAL else p.name for p in parameters]
    return f"{name}({', '.join(named)})"


def _kernel(family: str, n: int, **values: Any) -> Kernel:
    return Kernel(baseline_ir(family, n, {name: _exact(name, value) for name, value in values.items()}))


def _numbers(name: str, values: object) -> list[Fraction]:
    """The numbers of a sequence; one more than allowed is the last that is looked at."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of real numbers, got {type(values).__name__}.")
    most = FAMILIES["gaussian_mixture"].most
    found = list(islice(values, most + 1))
    if not found:
        raise ValueError(f"A mixture needs at least one of its {name}, got none.")
    if len(found) > most:
        raise ValueError(
            f"A mixture has at most {most} {name}, got more: meet the measure by a Gauss rule of fewer points."
        )
    return [_exact(f"{name}[{i}]", value) for i, value in enumerate(found)]


def _exact(name: str, value: object) -> Fraction:
    """The exact number; a text's length is limited before it is computed."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{name} must be a number such as 0.5 or 3/2, got {value[:40]!r}.")
    return exact(value, name)

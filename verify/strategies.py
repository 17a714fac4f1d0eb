"""Hypothesis strategies for activations, expressions, weight laws, networks and data sets.

All that is drawn can be derived: no second moment is infinite at |x|^2 = d, and no activation that jumps comes before
anything is rounded. Numbers are short decimals or fractions, and everything shrinks to the plainest case.

>>> from hypothesis import given
>>> from quasintk import kernel
>>> @given(mlps(max_depth=2), data_sets())
... def test_ntk_is_symmetric(network, X):
...     K = kernel(network)(X, X)
...     assert abs(K - K.T).max() <= 1e-7 * abs(K).max()
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from derive.activation import Activation
from derive.library import NAMED
from derive.network import Dense, Layer, Network, mlp
from derive.parse import SYMBOL
from derive.pieces import pieces
from derive.weights import Levels, WeightLaw

__all__ = ["activations", "data_sets", "expressions", "mlps", "networks", "weight_laws"]

SERIES = frozenset({
    "gelu_tanh", "tanh", "sigmoid", "silu", "mish", "softplus", "softsign", "logsigmoid", "tanhshrink",
})  # fmt: skip
"""Library names without a closed form (docs/activations.md)."""
LEAST, MOST = 0.05, 40.0
"""Second moments that networks keep to: Hermite series are certified there, and nothing overflows in three layers."""


def activations(closed: bool = True) -> SearchStrategy[str]:
    """Names of the library, with values where they have parameters: "identity", "relu", "prelu(0.3)", ...

    Parameters
    ----------
    closed : bool
        Only those with a closed form; otherwise Hermite series too, whose first kernel of a process compiles for 5 s.

    Returns
    -------
    SearchStrategy
        Of what `Activation` and `mlp` take; it shrinks to "identity", and without it to "relu".

    Examples
    --------
    >>> from hypothesis import find
    >>> find(activations(), lambda name: name != "identity")
    'relu'
    """
    first = ["identity", "relu"]
    names = [*first, *(name for name in NAMED if name not in first and not (closed and name in SERIES))]
    return st.sampled_from(names).flatmap(_with_parameters)


def expressions(closed: bool = True) -> SearchStrategy[str]:
    """Expressions in x as a person types them: one to three different terms, each with a factor.

    Parameters
    ----------
    closed : bool
        Only those with a closed form.

    Returns
    -------
    SearchStrategy
        Of texts for `Activation`; it shrinks to "x".

    Examples
    --------
    >>> from hypothesis import find
    >>> find(expressions(), lambda text: True)
    'x'
    """
    kinds = st.sampled_from(_CLOSED if closed else (*_CLOSED, (*_PLAIN, *_SERIES, *_GATED, *_WAVES)))
    terms = kinds.flatmap(lambda k: st.lists(_terms(k), min_size=1, max_size=3, unique_by=lambda t: t[0]))
    return terms.map(_sum).filter(_usual)


def weight_laws() -> SearchStrategy[str | WeightLaw]:
    """What `Dense` takes as weights: "binary", "ternary", "real", `Levels(k)`, `WeightLaw(latent_fraction=r)`.

    It shrinks to "binary".

    Examples
    --------
    >>> from hypothesis import find
    >>> find(weight_laws(), lambda law: law != "binary")
    'ternary'
    """
    fractions = st.integers(1, 9).map(lambda n: WeightLaw(f"{n}/10"))
    return st.sampled_from(["binary", "ternary", "real"]) | st.integers(4, 16).map(Levels) | fractions


def mlps(
    max_depth: int = 3, activation: SearchStrategy[str] | None = None, closed: bool = True
) -> SearchStrategy[Network]:
    """Networks of `mlp`: equal hidden layers and a real readout.

    Parameters
    ----------
    max_depth : int
    activation : SearchStrategy, optional
        Of activations; by default `activations` and `expressions`. Each new one is derived in 0.5 to 4 s, so that
        tests of many examples choose from a few: `st.sampled_from(["relu", "erf"])`.
    closed : bool
        Of the default.

    Returns
    -------
    SearchStrategy
        It shrinks to mlp("identity").

    Examples
    --------
    >>> from hypothesis import find
    >>> find(mlps(), lambda network: len(network.dense_layers) > 2) == mlp("identity", depth=2)
    True
    """
    drawn = st.builds(
        mlp,
        _any(activation, closed),
        depth=st.integers(1, max_depth),
        weights=weight_laws(),
        W_std=scales(),
        b_std=tenths(0, 10),
        parameterization=st.sampled_from(["ntk", "latent"]),
    )
    return drawn.filter(_derivable)


def networks(
    max_depth: int = 3, activation: SearchStrategy[str] | None = None, closed: bool = True
) -> SearchStrategy[Network]:
    """Any sequence of dense and activation layers, with at least one activation.

    Dense layers follow each other here and there; their laws, scales, biases and whether they are trained differ.

    Parameters
    ----------
    max_depth : int
        Largest number of activation layers.
    activation, closed
        As for `mlps`.

    Returns
    -------
    SearchStrategy
        It shrinks to [Dense("binary"), Activation("identity"), Dense("real")].

    Examples
    --------
    >>> from hypothesis import find
    >>> [type(layer).__name__ for layer in find(networks(), lambda network: True).layers]
    ['Dense', 'Activation', 'Dense']
    """
    hidden = st.lists(_blocks(_any(activation, closed)), min_size=1, max_size=max_depth)
    readout = st.lists(_dense(first="real"), min_size=1, max_size=2)
    drawn = st.builds(_network, hidden, readout, parameterization=st.sampled_from(["ntk", "latent"]))
    return drawn.filter(_derivable)


@st.composite
def data_sets(
    draw: DrawFn, max_rows: int = 6, max_features: int = 4, zeros: bool = False
) -> NDArray[np.float64]:
    """Rows of features (n, d), all finite: of unequal norms or all on the unit sphere.

    Some rows repeat an earlier one, are parallel, antiparallel or nearly parallel (1e-3 to 1e-9) to it.

    Parameters
    ----------
    max_rows, max_features : int
    zeros : bool
        Whether rows of zeros occur.

    Returns
    -------
    SearchStrategy
        Of float64 arrays; it shrinks to [[1.]], with `zeros` to [[0.]].

    Examples
    --------
    >>> from hypothesis import find
    >>> find(data_sets(), lambda X: len(X) == 2)
    array([[1.],
           [1.]])
    """
    d, n = draw(st.integers(1, max_features)), draw(st.integers(1, max_rows))
    entries = st.lists(tenths(-30, 30), min_size=d, max_size=d)
    rows: list[NDArray[np.float64]] = []
    for _ in range(n):
        kind = draw(st.sampled_from(["free", "equal", "opposite", "scaled", "near"] if rows else ["free"]))
        if kind == "free":
            row = np.array(draw(entries), dtype=np.float64)
            if not (zeros or row.any()):
                row[0] = 1.0
        else:
            row = rows[draw(st.integers(0, len(rows) - 1))].copy()
            row *= {"opposite": -1.0, "scaled": float(draw(scales())) if kind == "scaled" else 1.0}.get(
                kind, 1.0
            )
            if kind == "near":
                row[draw(st.integers(0, d - 1))] += 10.0 ** -draw(st.integers(3, 9))
        rows.append(row)
    X = np.stack(rows)
    if draw(st.booleans()):
        X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-300)
    return X


def tenths(low: int, high: int) -> SearchStrategy[Fraction]:
    """low/10 .. high/10."""
    return st.integers(low, high).map(lambda n: Fraction(n, 10))


def scales() -> SearchStrategy[Fraction]:
    """Values of W_std: 1, and tenths from 0.5 to 2."""
    return st.just(Fraction(1)) | tenths(5, 20)


def _any(activation: SearchStrategy[str] | None, closed: bool) -> SearchStrategy[str]:
    return activations(closed) | expressions(closed) if activation is None else activation


def _with_parameters(name: str) -> SearchStrategy[str]:
    """The name alone, or with values in tenths: "prelu(0.3)", "abrelu(0.5, 1.2)"."""
    count = len(NAMED[name].parameters)
    if count == 0:
        return st.just(name)
    values = st.lists(tenths(1, 20).map(lambda value: f"{float(value):g}"), min_size=count, max_size=count)
    return st.just(name) | values.map(lambda listed: f"{name}({', '.join(listed)})")


_PLAIN = ("x", "max(x, 0)", "abs(x)", "x**2", "x**3")
_SMOOTH = ("exp(-x**2)", "x*exp(-{s}*x**2)", "exp({s}*x/2)")
_GATED = (
    "max(x - {t}, 0)", "abs(x + {t})", "min(1, max(-1, x))", "sign(x)", "x*heaviside(x - {t})", "x*Phi({s}*x)",
    "erf({s}*x)", "(x if x > 0 else exp(x) - 1)", "(x if x > {t} else exp({s}*x))", "max(x + {t}, 0)*exp(-{s}*x)",
)  # fmt: skip
_WAVES = ("sin({s}*x)", "cos({s}*x + {t})")
_SERIES = (
    "tanh({s}*x)", "x*sigmoid({s}*x)", "softplus(x)", "atan({s}*x)", "x/(1 + abs(x))", "log(1 + x**2)",
    "sqrt(1 + x**2)", "Phi(x)**2", "sin(x)*max(x, 0)", "x*tanh(softplus(x))",
)  # fmt: skip
"""Terms, {s} a scale and {t} a threshold."""
_CLOSED = ((*_PLAIN, *_SMOOTH, *_GATED), ("x", "x**2", "x**3", *_SMOOTH, *_WAVES))
"""Sines and cosines beside kinks or Phi have no closed form."""


@st.composite
def _terms(draw: DrawFn, kinds: tuple[str, ...]) -> tuple[str, str, str]:
    """Kind, sign, and the term with its factor."""
    kind = draw(st.sampled_from(kinds))
    factor = draw(st.just("") | tenths(1, 30).map(lambda f: f"{float(f):g}*"))
    s = f"{float(draw(tenths(1, 15))):g}" if "{s}" in kind else ""
    t = f"{float(draw(tenths(1, 20))):g}" if "{t}" in kind else ""
    return kind, draw(st.sampled_from(["+", "-"])), factor + kind.format(s=s, t=t)


def _sum(terms: list[tuple[str, str, str]]) -> str:
    (_, sign, text), *others = terms
    return "-" * (sign == "-") + text + "".join(f" {sign} {text}" for _, sign, text in others)


def _dense(first: str = "binary") -> SearchStrategy[Dense]:
    laws = st.just(first) | weight_laws()
    trained = st.booleans().map(lambda frozen: not frozen)
    return st.builds(Dense, laws, W_std=scales(), b_std=tenths(0, 10), trained=trained)


def _blocks(activation: SearchStrategy[str]) -> SearchStrategy[list[Layer]]:
    """One or two dense layers and an activation."""
    dense = st.lists(_dense(), min_size=1, max_size=2)
    return st.builds(lambda layers, name: [*layers, _known(name)], dense, activation)


def _network(hidden: list[list[Layer]], readout: list[Dense], parameterization: Any) -> Network:
    layers = [layer for block in hidden for layer in block] + readout
    values = {pair for layer in layers if isinstance(layer, Activation) for pair in layer.parameters}
    assume(len(values) == len({name for name, _ in values}))  # a network's parameters have one value
    return Network(layers, parameterization)


@lru_cache(maxsize=1000)
def _known(text: str) -> Activation:
    """The activation, which takes 10 ms to read."""
    return Activation(text)


@lru_cache(maxsize=1000)
def _usual(text: str) -> bool:
    """Whether phi is neither 0 nor large: x - 2*max(x, 0) + abs(x) is 0."""
    return 1e-4 <= _second_moment(_known(text), 1.0) <= 1e4


def _derivable(network: Network) -> bool:
    """Whether the second moments at |x|^2 = d stay moderate, and no activation jumps before anything is rounded."""
    q, rounded = 1.0, False
    for layer in network.layers:
        if isinstance(layer, Dense):
            q = float(layer.W_std) ** 2 * q + float(layer.b_std) ** 2
            rounded = rounded or layer.law.rounded
        elif rounded or not _jumps(layer):
            q = _second_moment(layer, q)
        else:
            return False
        if not LEAST <= q <= MOST:
            return False
    return True


_NODES = np.linspace(-12, 12, 4001)
_WEIGHTS = np.exp(-_NODES * _NODES / 2)


def _second_moment(activation: Activation, variance: float) -> float:
    """E[phi(u)^2], u ~ N(0, variance), by the trapezoidal rule: to 1 %, with jumps."""
    x, (edges, branches) = np.sqrt(variance) * _NODES, _branches(activation)
    at = np.searchsorted(edges, x)
    values = np.empty_like(x)
    with np.errstate(all="ignore"):
        for i, branch in enumerate(branches):
            values[at == i] = branch(x[at == i])
        return float((_WEIGHTS * values**2).sum() / _WEIGHTS.sum())


def _jumps(activation: Activation) -> bool:
    edges, branches = _branches(activation)
    pairs = zip(edges, pairwise(branches), strict=True)
    return any(abs(left(edge) - right(edge)) > 1e-9 for edge, (left, right) in pairs)


@lru_cache(maxsize=1000)
def _branches(activation: Activation) -> tuple[list[float], list[Callable[[Any], Any]]]:
    """Edges and the functions between them, over arrays."""
    values = {
        sympy.Symbol(name, positive=True): sympy.Rational(v.numerator, v.denominator)
        for name, v in activation.parameters
    }
    parts = pieces(activation.expr.subs(values))
    functions = [sympy.lambdify(SYMBOL, branch, modules=["scipy", "numpy"]) for branch in parts.branches]
    return [float(edge) for edge in parts.edges], functions

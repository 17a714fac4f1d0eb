"""Checks without chance: compiled code against many digits, and the claims' duals against the independent oracle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from derive import oracle, special
from derive.activation import Activation
from derive.ir import OUTPUTS
from derive.network import Dense, Network
from derive.parse import SYMBOL
from derive.pieces import pieces
from numerics.kernel import Kernel
from verify.claims import PAIRS, Claims, Moment, scales
from verify.report import Check, Gate

Floats = NDArray[np.float64]
CODE_TOLERANCE = 1e-12
"""Compiled code against many digits, inputs not parallel; about ten layers of rounding."""
SINGLE_TOLERANCE = 1e-6
"""Single precision: its eps is 1.2e-7, and results are rounded once."""
LEAST_SINGLE, LARGEST_SINGLE = 1e-30, 1e38
"""Single precision's range, beyond which a result in it says nothing."""
QUADRATURE_TOLERANCE = 1e-11
"""Of the oracle at 20 digits; claims are doubles."""
EQUATION_TOLERANCE = 1e-14
"""Three operations on doubles."""
ROWS = 300
"""More than one block of the Gram matrix (numerics.blocks)."""
FEATURES = 6
BLOCK_TOLERANCE = 1e-10
"""Two routes through one program; "rounding" is a difference, and may be small beside its terms."""


def code_checks(kernel: Kernel, X: Floats, claims: Claims) -> Iterator[Check]:
    """Every route through the compiled code, for two inputs X (2, d), against the interpreted programs."""
    expected, last = _outputs(claims.outputs), _outputs(claims.layers[-1])
    unit = {
        "ntk": scales(claims.outputs.ntk),
        "nngp": scales(claims.outputs.cross),
        "rounding": scales(claims.outputs.same),
    }
    square, turned = kernel(X, get=OUTPUTS), kernel(X, X[::-1].copy(), get=OUTPUTS)
    diagonals, single = kernel.diag(X, get=OUTPUTS), X.astype(np.float32)
    with np.errstate(over="ignore"):
        narrows = kernel(single, get=OUTPUTS)
    singles = zip(narrows, kernel(single.astype(np.float64), get=OUTPUTS), strict=True)
    routes = zip(OUTPUTS, square, turned, diagonals, singles, strict=True)
    for name, K, XY, diagonal, (narrow, wide) in routes:
        exact, of = expected[name], unit[name]
        yield check("code", f"{name}(X) = {claims.digits} digits", K, exact, of, CODE_TOLERANCE)
        yield check("code", f"{name}(X, Y)", XY[:, ::-1], exact, of, CODE_TOLERANCE)
        yield check("code", f"diagonal of {name}", diagonal, np.diag(exact), np.diag(of), CODE_TOLERANCE)
        yield check("code", f"output {name} = last layer's", exact, last[name], of, CODE_TOLERANCE)
        if LEAST_SINGLE < np.abs(wide).max() < LARGEST_SINGLE:
            yield check("code", f"{name} in float32", narrow.astype(np.float64), wide, of, SINGLE_TOLERANCE)
    yield from _block_checks(kernel, X)


def _outputs(moment: Moment) -> dict[str, Floats]:
    return {"ntk": moment.ntk, "nngp": moment.cross, "rounding": moment.same - moment.cross}


def _block_checks(kernel: Kernel, X: Floats) -> Iterator[Check]:
    """A Gram matrix of several blocks: symmetric to the last bit, and equal to the matrix of X with itself as Y."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(ROWS, FEATURES))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    norms = np.sqrt((X**2).mean(axis=1))
    rows = directions * rng.uniform(norms.min(), norms.max(), size=(ROWS, 1)) * math.sqrt(FEATURES)
    for name, K, XX in zip(OUTPUTS, kernel(rows, get=OUTPUTS), kernel(rows, rows, get=OUTPUTS), strict=True):
        yield check("code", f"{name} of {ROWS} rows, symmetry", K, K.T, scales(K), 0.0)
        yield check("code", f"{name} of {ROWS} rows = of X, X", K, XX, scales(K), BLOCK_TOLERANCE)


def quadrature_checks(network: Network, claims: Claims, margin: float) -> Iterator[Check]:
    """Each layer's claims from those before it: dense layers' equations, and kappa and kappa_dot by `derive.oracle`.

    Where Mehler's series leaves more than the margin, near |rho| = 1, there is no check. Cost: 0.2 s for each different
    variance.
    """
    dense = activations = 0
    for layer, before, behind in zip(network.layers, claims.layers[:-1], claims.layers[1:], strict=True):
        if isinstance(layer, Dense):
            dense += 1
            expected = _behind_dense(layer, before, network.parameterization == "latent")
            for quantity in ("p", "m", "ntk"):
                found = _of(behind, quantity)
                name, unit = f"{quantity} behind dense {dense}", scales(found)
                yield check("quadrature", name, found, _of(expected, quantity), unit, EQUATION_TOLERANCE)
            continue
        activations += 1
        with mpmath.workdps(20):
            for quantity, i, j, value, error in _duals(layer, before):
                found = _of(behind, quantity)
                unit = scales(found)[i, j]
                tolerance = QUADRATURE_TOLERANCE + error / unit
                if tolerance <= margin:
                    name = f"{quantity}(x{i}, x{j}) behind activation {activations}"
                    yield check("quadrature", name, found[i, j], np.array(value), unit, tolerance)


def _behind_dense(layer: Dense, before: Moment, latent: bool) -> Moment:
    """P, M and K (theory.md, section 3), with E[w^2] and E[W^2] from the grid itself."""
    W2, b2 = float(layer.W_std) ** 2, float(layer.b_std) ** 2
    s2, e = _second_moments(layer)
    own = W2 * (1 if latent else s2) / e * before.cross + b2
    return Moment(
        same=W2 * before.same + b2,
        cross=s2 / e * W2 * before.cross + b2,
        ntk=s2 / e * W2 * before.ntk + (own if layer.trained else 0.0),
    )


def _second_moments(layer: Dense) -> tuple[float, float]:
    """E[w^2] of the latents and E[W^2] = E[w^2] + sum over the grid's cells of E[(w - low)(high - w)]."""
    law = layer.law
    if law.latent == "normal":
        return 1.0, 1.0
    if law.latent == "two-point":
        return float(law.latent_fraction), 1.0
    assert law.levels is not None
    cells = law.levels - 1
    return 1 / 3, 1 / 3 + cells * (2 / cells) ** 3 / 6 / 2


def _of(moment: Moment, quantity: str) -> Floats:
    return {"p": moment.same, "m": moment.cross, "ntk": moment.ntk}[quantity]


def _duals(activation: Activation, before: Moment) -> Iterator[tuple[str, int, int, float, float]]:
    """(quantity, i, j, value, bound on its error) behind an activation layer."""
    phi, kinks = _function(activation, activation.expr), _kinks(activation)

    @cache
    def known(i: int) -> tuple[Any, Any]:
        samples = oracle.sample(phi, mpmath.mpf(before.same[i, i]), kinks)
        return samples.second_moment(), samples.hermite_coefficients()

    for i, j in PAIRS:
        (norm1, h1), (norm2, h2) = known(i), known(j)
        root = mpmath.sqrt(mpmath.mpf(before.same[i, i])) * mpmath.sqrt(mpmath.mpf(before.same[j, j]))
        for quantity, covariance in (("p", before.same[i, j]), ("m", before.cross[i, j])):
            if i == j and covariance == before.same[i, i]:
                yield quantity, i, j, float(norm1), 0.0
            else:
                found = oracle.dual(h1, h2, norm1, norm2, mpmath.mpf(covariance) / root)
                yield quantity, i, j, float(found.value), float(found.error)
        if not (i == j and before.cross[i, j] == before.same[i, i]):
            rho = mpmath.mpf(before.cross[i, j]) / root
            slope = oracle.dual_of_derivative(h1, h2, norm1, norm2, rho, root)
            K = before.ntk[i, j]
            yield "ntk", i, j, float(slope.value) * K, abs(float(slope.error) * K)
        elif before.ntk[i, i]:
            derivative = _derivative(activation)
            samples = oracle.sample(derivative, mpmath.mpf(before.same[i, i]), kinks)
            yield "ntk", i, j, float(samples.second_moment()) * before.ntk[i, i], 0.0


def _kinks(activation: Activation) -> list[Any]:
    return [mpmath.mpf(_number(activation, edge)) for edge in pieces(activation.expr).edges]


def _derivative(activation: Activation) -> Any:
    """phi', between the kinks."""
    parts = pieces(activation.expr)
    slopes = [_function(activation, branch.diff(SYMBOL)) for branch in parts.branches]
    edges = _kinks(activation)
    return lambda x: slopes[sum(x > edge for edge in edges)](x)


def _number(activation: Activation, expr: sympy.Expr) -> Any:
    return sympy.N(expr.subs(_values(activation)), 40)


def _values(activation: Activation) -> dict[Any, Any]:
    return {
        sympy.Symbol(name, positive=True): sympy.Rational(value.numerator, value.denominator)
        for name, value in activation.parameters
    }


def _function(activation: Activation, expr: sympy.Expr) -> Any:
    """An expression in x as a function of an mpmath number."""
    functions = {cls.__name__: special.BY_MPMATH[name] for cls, name in special.NAMES.items()}
    compiled = sympy.lambdify(SYMBOL, expr.subs(_values(activation)), modules=[functions, "mpmath"])
    return lambda x: mpmath.mpf(compiled(x))


def check(gate: Gate, name: str, found: Floats, expected: Floats, unit: Floats, tolerance: float) -> Check:
    """The entry of the largest deviation."""
    deviation = np.abs(found - expected) / unit
    deviation = np.where(np.isfinite(deviation), deviation, np.where(found == expected, 0.0, np.inf))
    worst = np.unravel_index(int(np.argmax(deviation)), deviation.shape)
    return Check(
        gate=gate,
        name=name,
        claimed=float(found[worst]),
        estimate=float(np.broadcast_to(expected, found.shape)[worst]),
        error=0.0,
        detectable=tolerance,
        evidence=0.0,
        status="PASS" if deviation[worst] <= tolerance else "FAIL",
    )

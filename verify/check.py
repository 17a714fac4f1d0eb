"""Check a kernel: its code against the interpreter, its values against sampled finite networks."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.ir import OUTPUTS
from derive.network import Dense, Network
from numerics.arrays import require_kernel
from numerics.interpret import interpret
from numerics.kernel import Kernel
from numerics.quadrature import multiprecision
from numerics.rules import has_series
from verify.eprocess import Status, Test, decide, detectable
from verify.estimators import Sums
from verify.report import Certificate, Check
from verify.sampler import activations, sample

Floats = NDArray[np.float64]
LIMIT = 12.0
"""Clipping of one sample's deviation, in units of the claim's scale; the samples' standard deviation is 0.3 to 1."""
CODE_TOLERANCE = 1e-12
"""Compiled code against 40 digits, inputs not parallel; about ten layers of rounding."""

Claims = dict[str, tuple[float, float]]
"""Claimed value and scale sqrt(K(x, x) K(y, y)) of every quantity and pair, by name."""


@dataclass(frozen=True)
class Stage:
    """Networks to sample and what is claimed of them.

    Attributes
    ----------
    network : Network
    functions : module
        Compiled activations.
    width : int
    biased : bool
        Whether finite width biases the estimates: Richardson's step with networks of twice the width then
        removes the leading term.
    round : int
        Samples between two looks.
    test : Test
        In units of the claims' scales. Its tolerance is what Richardson's step may leave of the bias; measured
        below 1e-3 at widths 64 and 128 for three binary ReLU layers.
    claims : Claims
    share : float
        Of the time budget.
    """

    network: Network
    functions: Any
    width: int
    biased: bool
    round: int
    test: Test
    claims: Claims
    share: float


def verify(
    kernel: Kernel, seed: int = 0, budget: str | float = "20s", against: Network | None = None
) -> Certificate:
    """Test a kernel with guaranteed error rates.

    Parameters
    ----------
    kernel : Kernel
        Whose values are claimed.
    seed : int
        Of the inputs and the networks.
    budget : str or float
        Seconds, or "20s", "2m": sampling stops there if not everything is decided before; compiling the sampler,
        about 5 s once in a process, comes on top.
    against : Network, optional
        Whose sampled behaviour is the truth; by default the kernel's own network.

    Returns
    -------
    Certificate
        FAIL: a wrong one has probability at most 1e-9 per check. PASS: no check is off by more than the margin,
        with the same guarantee. INCONCLUSIVE: the budget ended first, or an activation jumps, so that the point masses
        in its NTK cannot be sampled; p and m are then checked nevertheless.

    Raises
    ------
    ValueError
        If the budget cannot be read.

    Notes
    -----
    For two inputs x0, x1: first the second moments P and M of the first pre-activation, which finite width does not
    bias; then p, m and the NTK of the whole network, every sample being Richardson's estimate
    2 Y_2n - (Y_n + Y'_n) / 2 from independent networks of widths n, n and 2 n (theory.md, section 6).
    """
    start = time.perf_counter()
    require_kernel(kernel)
    seconds = _seconds(budget)
    network = kernel.network if against is None else against
    X = _inputs(seed)
    checks, networks = [_code_check(kernel, X)], 0
    if kernel.jumps:
        claimed = float(kernel.diag(X[:1])[0])
        checks.append(Check("ntk (phi jumps: no sample)", claimed, 0.0, 0.0, 1.0, 0.0, "INCONCLUSIVE"))
    for stage in _stages(kernel, network, X):
        if "FAIL" not in {check.status for check in checks}:
            found, count = _run(stage, X, seed, stage.share * seconds)
            checks, networks = [*checks, *found], networks + count
    statuses = [check.status for check in checks]
    overall: Status = (
        "FAIL" if "FAIL" in statuses else "PASS" if set(statuses) == {"PASS"} else "INCONCLUSIVE"
    )
    return Certificate(
        status=overall,
        checks=tuple(checks),
        kernel=repr(kernel).strip("<>"),
        against="its own network" if against is None else "the network given",
        networks=networks,
        seed=seed,
        seconds=time.perf_counter() - start,
    )


def _stages(kernel: Kernel, network: Network, X: Floats) -> Iterator[Stage]:
    before = list(takewhile(lambda layer: isinstance(layer, Dense), network.layers))
    functions, whole = activations(network), 1.0
    if len(before) < len(network.layers):
        head, whole = Network([*before, Dense("real", label="readout")]), 0.6
        first = Test(tolerance=1e-6, margin=1e-2)
        yield Stage(head, functions, 64, False, 16_384, first, _first_claims(kernel, X), 0.4)
    outputs = Test(tolerance=2e-3, margin=4e-2)
    yield Stage(network, functions, 64, True, 2048, outputs, _claims(kernel, X), whole)


def _run(stage: Stage, X: Floats, seed: int, seconds: float) -> tuple[list[Check], int]:
    """Sample until everything is decided, something failed, or the time, after compilation, is over."""
    sample(stage.network, X, stage.width, 1, seed, functions=stage.functions)
    start = time.perf_counter()
    sums = {name: Sums(LIMIT) for name in stage.claims}
    done = 0
    while True:
        for name, values in _samples(stage, X, seed, done).items():
            sums[name] = sums[name].add(values)
        done += stage.round
        states = [decide(total, stage.test)[0] for total in sums.values()]
        if "FAIL" in states or "INCONCLUSIVE" not in states or time.perf_counter() - start > seconds:
            return [_check(name, sums[name], stage) for name in sums], done * (3 if stage.biased else 1)


def _seconds(budget: str | float) -> float:
    if isinstance(budget, int | float) and not isinstance(budget, bool):
        value = float(budget)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|)\s*", str(budget))
        value = float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]] if match else math.nan
    if not 0 < value < math.inf:
        raise ValueError(
            f"budget must be a positive number of seconds, or read like '20s' or '2m', got {budget!r}."
        )
    return value


def _inputs(seed: int) -> Floats:
    """Two inputs of unequal norms and moderate angle, of two features."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer from 0 to 2^63 - 1, got {seed!r}.")
    rng = np.random.default_rng(seed)
    first, between = rng.uniform(0, 2 * np.pi), np.arccos(rng.uniform(0.3, 0.8))
    angles = np.array([first, first + between])
    X: Floats = np.array([[1.4], [1.1]]) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return X


def _claims(kernel: Kernel, X: Floats) -> Claims:
    rounding, nngp, ntk = kernel(X, get=("rounding", "nngp", "ntk"))
    return _named({"p": rounding + nngp, "m": nngp, **({} if kernel.jumps else {"ntk": ntk})})


def _first_claims(kernel: Kernel, X: Floats) -> Claims:
    """P and M before the first activation, from the kernel's own program."""
    number = [kind for kind, *_ in kernel.ir.network].index("activation")
    P, M = np.empty((2, 2)), np.empty((2, 2))
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        values = kernel.explain(X[i], X[j])
        P[i, j] = values[f"P_{number}"]
        M[i, j] = values.get(f"M_{number}", P[i, j])
    return _named({"P": P, "M": M})


def _named(matrices: dict[str, Floats]) -> Claims:
    return {
        f"{quantity}(x{i}, x{j})": (float(K[i, j]), float(math.sqrt(K[i, i] * K[j, j])) or 1.0)
        for quantity, K in matrices.items()
        for i, j in ((0, 0), (0, 1), (1, 1))
    }


def _samples(stage: Stage, X: Floats, seed: int, done: int) -> dict[str, Floats]:
    """One round of samples, as deviations from the claims in units of their scales."""
    copies = 2 if stage.biased else 1
    narrow = sample(stage.network, X, stage.width, copies * stage.round, seed, copies * done, stage.functions)
    wide = None
    if stage.biased:
        wide = sample(stage.network, X, 2 * stage.width, stage.round, seed + 2**62, done, stage.functions)
    deviations = {}
    for name, (claimed, scale) in stage.claims.items():
        quantity, i, j = re.fullmatch(r"(\w+)\(x(\d), x(\d)\)", name).groups()  # type: ignore[union-attr]  # our names
        column = narrow.pairs.index((int(i), int(j)))
        values = getattr(narrow, quantity.lower())[:, column].reshape(stage.round, copies).mean(axis=1)
        if wide is not None:
            values = 2 * getattr(wide, quantity.lower())[:, column] - values
        deviations[name] = (values - claimed) / scale
    return deviations


def _check(name: str, sums: Sums, stage: Stage) -> Check:
    claimed, scale = stage.claims[name]
    status, evidence = decide(sums, stage.test)
    return Check(
        name=name,
        claimed=claimed,
        estimate=claimed + scale * sums.mean,
        error=scale * sums.standard_error,
        detectable=detectable(sums, stage.test),
        evidence=evidence,
        status=status,
    )


def _code_check(kernel: Kernel, X: Floats) -> Check:
    """Compiled code against the interpreter at 40 digits, or at 25 with Hermite series."""
    d = X.shape[1]
    exact = [[Fraction(float(value)) for value in row] for row in X]
    q_x, q_y, m_0 = (
        sum(map(Fraction.__mul__, a, b)) / d for a, b in ((exact[0],) * 2, (exact[1],) * 2, exact)
    )
    found = kernel(X[:1], X[1:], get=OUTPUTS)
    with mpmath.workdps(25 if has_series(kernel.ir) else 40):
        inputs = {**kernel.parameters, "q_x": q_x, "q_y": q_y, "m_0": m_0}
        values = interpret(kernel.ir.pair, inputs, multiprecision(kernel.ir))
        expected = {name: float(values[name]) for name in OUTPUTS}
    scale = max(max(map(abs, expected.values())), 1e-300)
    worst = max(OUTPUTS, key=lambda name: abs(found[OUTPUTS.index(name)][0, 0] - expected[name]))
    value = float(found[OUTPUTS.index(worst)][0, 0])
    status: Status = "PASS" if abs(value - expected[worst]) <= CODE_TOLERANCE * scale else "FAIL"
    return Check(f"code = interpreter ({worst})", value, expected[worst], 0.0, CODE_TOLERANCE, 0.0, status)

"""verify(): a kernel against its own digits, the independent oracle, what holds of every kernel, and sampled networks."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from derive.derivation import derive_kernel
from derive.errors import BadKernelFile, NumericalError
from derive.network import Dense, Network
from numerics.arrays import require_kernel
from numerics.cluster import Workers, workers
from numerics.kernel import Kernel
from numerics.progress import Report, progress
from verify import __quasintk__
from verify.claims import Claims, claims
from verify.deterministic import code_checks, quadrature_checks
from verify.ensemble import LANES, compiled_activations
from verify.eprocess import Status, Test
from verify.finite import NETWORKS, hidden_layers, network_stage
from verify.layerwise import layer_stages
from verify.properties import properties
from verify.render import GATES
from verify.report import Certificate, Check, Gate, overall
from verify.rerun import rerun
from verify.sequential import run
from verify.tails import HEAVIEST, heaviness

Floats = NDArray[np.float64]
MARGIN = 5e-3
COARSEST = 10.0
"""Times the margin: what a check may leave undetected where the budget does not reach the margin itself, if none was
asked for.
"""
LAYERS_SHARE = 0.4
"""Of the budget, for sampling layers; networks get the rest."""
WIDTHS = ((2, 12, 1.5e-3), (3, 24, 3e-3), (64, 32, 8e-3))
"""Hidden layers up to, least width, and what Richardson's step may leave of the bias there (docs/verify.md)."""


def verify(
    kernel: Kernel,
    seed: int = 0,
    budget: str | float = "20s",
    against: Network | None = None,
    margin: float | None = None,
    alpha: float = 1e-9,
    beta: float = 1e-9,
    cluster: str | None = None,
    report: Report | None = None,
) -> Certificate:
    """Test a kernel with guaranteed error rates.

    Parameters
    ----------
    kernel : Kernel
        Whose values are claimed.
    seed : int
        Of the inputs and the networks, from 0 to 2^63 - 1.
    budget : str or float
        Seconds, or "20s", "2m": sampling stops there if not everything is decided before; checks without chance,
        1 to 15 s, and compiling the sampler, 20 s once in an installation, come on top.
    against : Network, optional
        Whose behaviour is the truth; by default the kernel's own network.
    margin : float, optional
        Deviation, relative to sqrt(K(x, x) K(y, y)), whose absence a PASS shows, in (0, 0.1]. By default 0.005, or up to
        ten times as much where the budget does not suffice for it: every check states the margin it attained.
    alpha, beta : float
        Probabilities of a wrong FAIL and of a wrong PASS for each sampled check, in (0, 0.5).
    cluster : "local:N", "tcp://host:port" or "file:scheduler.json", optional
        Where networks are sampled (numerics.cluster); each one's bits are those drawn here.
    report : callable, optional
        Called with the seconds of the budget that are spent, all of them (0 before sampling begins), and what is checked. By
        default a line in a notebook or an interactive session.

    Returns
    -------
    Certificate
        FAIL: some check failed. PASS: all passed, and no quantity is off by more than its check's margin.
        INCONCLUSIVE: the budget ended first, which is no pass.

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain.

    Notes
    -----
    Five gates, in this order; behind one that fails no other is tried (docs/verify.md):
    code (every compiled route against 40 digits), quadrature (each layer's dual against the oracle), property (what holds
    of every kernel), layer (weights and Gaussians of one layer sampled), network (finite networks of widths n and 3 n).
    Where phi's tails are so heavy that rare events carry the kernel (cubes, exp at variance 1), layers and networks are
    not sampled and INCONCLUSIVE. Where the kernel's layers are not those of `against`, single layers cannot be compared and networks alone decide.
    """
    start = time.perf_counter()
    require_kernel(kernel)
    seconds = seconds_of(budget)
    network = _truth(kernel, against)
    goal, coarsest = (MARGIN, COARSEST) if margin is None else (margin, 1.0)
    test = _test(goal, alpha, beta)
    X = _inputs(seed)
    checks: list[Check] = []
    with progress(report) as told, nullcontext() if cluster is None else workers(cluster) as found:
        for gate in _gates(kernel, network, X, seed, seconds, test, coarsest, found, told):
            checks += gate
            if any(check.status == "FAIL" for check in checks):
                break
    return Certificate(
        status=overall(checks),
        checks=tuple(checks),
        kernel=repr(kernel).strip("<>"),
        against="its own network" if against is None else "the network given",
        margin=goal,
        alpha=alpha,
        beta=beta,
        networks=max((NETWORKS * check.samples for check in checks if check.gate == "network"), default=0),
        seed=int(seed),
        seconds=time.perf_counter() - start,
        rerun=rerun(kernel, against, int(seed), budget, margin),
        version=__quasintk__,
    )


def _gates(
    kernel: Kernel,
    network: Network,
    X: Floats,
    seed: int,
    seconds: float,
    test: Test,
    coarsest: float,
    cluster: Workers | None,
    report: Report,
) -> Iterator[list[Check]]:
    report(0, 0, GATES["code"])
    claimed = _claims(kernel, X)
    yield list(code_checks(kernel, X, claimed))
    keys = [int(key) for key in np.random.SeedSequence(seed).generate_state(2, np.uint64)]
    comparable = _kinds(network) == _kinds(kernel.network)
    if comparable:
        report(0, 0, GATES["quadrature"])
        yield list(quadrature_checks(network, claimed, test.margin))
    report(0, 0, GATES["property"])
    yield list(_property_checks(kernel, seed))
    heavy = _heavy(network, claimed) if comparable else frozenset()
    stages = list(layer_stages(network, claimed, keys[0], test, heavy)) if comparable else []
    report(0, 0, "compiling the sampler")
    for stage in stages:
        stage.draw(0, 1)  # compiles
    start = time.perf_counter()

    def tick(gate: Gate) -> None:
        report(time.perf_counter() - start, seconds, GATES[gate])

    for number, stage in enumerate(stages):
        left = LAYERS_SHARE * seconds - (time.perf_counter() - start)
        yield run(stage, left / (len(stages) - number), coarsest, partial(tick, "layer"))
    yield [_unsampled("layer", f"activation {number}") for number in sorted(heavy)]
    if heavy:
        yield [_unsampled("network", "p, m and the NTK")]
        return
    left = seconds - (time.perf_counter() - start)
    yield _network_checks(
        network, X, claimed, keys[1], left, test, coarsest, cluster, partial(tick, "network")
    )


def _claims(kernel: Kernel, X: Floats) -> Claims:
    try:
        return claims(kernel, X)
    except ZeroDivisionError:
        raise NumericalError(f"{kernel!r} divides by 0 in {X.tolist()}: raise W_std or b_std.") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadKernelFile(f"The kernel's formulas are damaged ({error!r}): derive it again.") from None


def _heavy(network: Network, claimed: Claims) -> frozenset[int]:
    """Activation layers, from 1, that rest on events too rare to be sampled."""
    function = compiled_activations(network)
    places = [i for i, layer in enumerate(network.layers) if not isinstance(layer, Dense)]
    ratios = (
        max(heaviness(function, number, float(variance)) for variance in np.diag(claimed.layers[place].same))
        for number, place in enumerate(places)
    )
    return frozenset(number for number, ratio in enumerate(ratios, 1) if ratio > HEAVIEST)


def _unsampled(gate: Gate, what: str) -> Check:
    name = f"{what} (tails too heavy to sample)"
    return Check(gate, name, math.nan, math.nan, 0.0, math.inf, 0.0, "INCONCLUSIVE")


def _network_checks(
    network: Network,
    X: Floats,
    claimed: Claims,
    key: int,
    seconds: float,
    test: Test,
    coarsest: float,
    cluster: Workers | None,
    tick: Callable[[], None],
) -> list[Check]:
    """A failure counts where networks of twice the width confirm it: their bias is a quarter."""
    _, width, bias = next(row for row in WIDTHS if hidden_layers(network) <= row[0])
    tolerant = replace(test, tolerance=min(bias, 0.5 * test.margin))
    jumps = any(derive_kernel(network).jumping)
    for factor in (1, 2):
        stage = network_stage(network, X, claimed.outputs, key, jumps, factor * width, tolerant, cluster)
        stage.draw(0, LANES)  # compiles
        found = run(stage, seconds, coarsest, tick)
        if not any(check.status == "FAIL" for check in found):
            break
    return found


def _property_checks(kernel: Kernel, seed: int) -> Iterator[Check]:
    for finding in properties(kernel, seed):
        if finding.holds is not None:
            name = finding.name if finding.holds else f"{finding.name} ({finding.detail})"
            status: Status = "PASS" if finding.holds else "FAIL"
            yield Check("property", name, finding.worst, 0.0, 0.0, finding.tolerance, 0.0, status)


def _kinds(network: Network) -> list[bool]:
    return [isinstance(layer, Dense) for layer in network.layers]


def _truth(kernel: Kernel, against: Network | None) -> Network:
    if against is not None and not isinstance(against, Network):
        raise TypeError(
            f"against must be a Network, got {type(against).__name__}: make one with qn.mlp(...)."
        )
    return kernel.network if against is None else against


def _test(margin: float, alpha: float, beta: float) -> Test:
    for name, value, most in (("margin", margin, 0.1), ("alpha", alpha, 0.5), ("beta", beta, 0.5)):
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= most:
            raise ValueError(f"{name} must be a number above 0 and at most {most}, got {value!r}.")
    return Test(tolerance=0.0, margin=margin, alpha=alpha, beta=beta)


def seconds_of(budget: str | float) -> float:
    """Seconds of a number or of a text such as "20s", "2m", "1h"."""
    if isinstance(budget, int | float) and not isinstance(budget, bool):
        value = float(budget)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|)\s*", str(budget), re.ASCII)
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

"""The command that repeats a verification."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.numbers import as_text
from derive.weights import NAMED, WeightLaw
from numerics.kernel import Kernel


def rerun(
    kernel: Kernel, against: Network | None, seed: int, budget: str | float, margin: float | None
) -> str:
    """A command line where the kernel is that of an mlp, otherwise a call in Python."""
    options = _options(kernel.network) if against is None else None
    if options is None:
        truth = "" if against is None else ", against=network"
        wanted = "" if margin is None else f", margin={margin}"
        return f"qn.verify(kernel, seed={seed}, budget={budget!r}{truth}{wanted})"
    seconds = budget if isinstance(budget, str) else f"{budget}s"
    wanted_options = [] if margin is None else ["--margin", str(margin)]
    return shlex.join(
        ["quasintk", "verify", *options, "--seed", str(seed), "--budget", seconds, *wanted_options]
    )


def law_text(law: WeightLaw) -> str:
    """The law of weights as it is typed: a name, a number of levels, or r=0.4."""
    names = {law: name for name, law in NAMED.items()}
    if law in names:
        return names[law]
    return str(law.levels) if law.latent == "uniform" else f"r={as_text(law.latent_fraction)}"


def _options(network: Network) -> list[str] | None:
    """What the command line needs to know of an mlp; None for any other network."""
    layers, activations = network.dense_layers, [x for x in network.layers if isinstance(x, Activation)]
    if not activations:
        return None
    first = layers[0]
    parts = (first.law, first.W_std, first.b_std, network.parameterization)
    if network != mlp(activations[0], len(activations), *parts):
        return None
    return [_activation_text(activations[0]), *_changed(first, len(activations), network.parameterization)]


def _activation_text(activation: Activation) -> str:
    values = ", ".join(as_text(value) for _, value in activation.parameters)
    return f"{activation.name}({values})" if values else activation.name


def _changed(first: Dense, depth: int, parameterization: str) -> Iterator[str]:
    """Options that differ from the command line's defaults."""
    yield from ("--depth", str(depth)) if depth != 1 else ()
    yield from ("--weights", law_text(first.law)) if first.law != NAMED["binary"] else ()
    yield from ("--W-std", as_text(first.W_std)) if first.W_std != 1 else ()
    yield from ("--b-std", as_text(first.b_std)) if first.b_std != 0 else ()
    yield from ("--parameterization", parameterization) if parameterization != "ntk" else ()

"""From a network to its kernel's representation: remembered, or derived by a process with limits."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from derive import cache, codec, ir, worker
from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import BadKernelFile
from derive.formulas import dual_ir, dual_of
from derive.lower import lower, network_of, rebuilt, structure
from derive.network import Network
from derive.recursion import Recursion, parameters, unroll

SECONDS = 60.0
"""A closed form takes 0.1 to 4 s; a busy machine some times longer."""


def derive_kernel(network: Network) -> ir.KernelIR:
    """The kernel's programs, from the cache or derived in the worker process.

    Raises
    ------
    NoClosedForm, DerivationError
        If the kernel cannot be derived.
    DerivationTimeout
        If that took more than a minute or 4 GB.

    Notes
    -----
    0.5 to 4 s where nothing is remembered, else 10 ms. Parameter values make no difference: they are put in last.
    """
    values = parameters(network)
    content = json.dumps(structure(network))
    argument = json.dumps([*structure(network), {name: str(value) for name, value in values.items()}])
    text = cache.remember("kernel", content, lambda: worker.run("kernel", argument, SECONDS), _is_kernel)
    return replace(codec.from_json(text), parameters=tuple(values.items()))


def task(argument: str) -> str:
    """What the worker does: the network's text to the kernel's."""
    parameterization, layers, values = json.loads(argument)
    network = rebuilt(parameterization, layers, {name: Fraction(value) for name, value in values.items()})
    activations = dict.fromkeys(layer for layer in network.layers if isinstance(layer, Activation))
    duals = tuple(dual_ir(dual_activation(activation)) for activation in activations)
    return codec.to_json(lower(network, unroll(network), duals))


def formulas(kernel: ir.KernelIR) -> Recursion:
    """The recursion of a kernel in SymPy, from the duals it was stored with."""
    stored = {dual.activation: dual for dual in kernel.duals}
    return unroll(network_of(kernel), lambda activation: dual_of(stored[activation.name], activation))


def _is_kernel(text: str) -> Any:
    try:
        return bool(codec.from_json(text))
    except BadKernelFile:
        return False

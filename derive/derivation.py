"""From a network to its kernel's representation: remembered, or derived by a process with limits."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from derive import cache, codec, ir, worker
from derive.activation import Activation
from derive.baselines import recursion_of
from derive.dual import dual_activation
from derive.errors import BadKernelFile, DerivationTimeout, NoClosedForm
from derive.formulas import closed_ir, duals_of, series_ir
from derive.lower import kernel_of, network_of, rebuilt, structure
from derive.network import Network
from derive.recursion import Recursion, parameters, unroll
from derive.rule import integration_rule

SECONDS = 60.0
"""A closed form takes 0.1 to 4 s; a busy machine some times longer."""
NONE = "none: "
"""Begins what is remembered of an activation without a closed form; the reason follows."""


def derive_kernel(network: Network) -> ir.KernelIR:
    """The kernel's programs, from the cache or derived in the worker process.

    An activation without a closed form, or with one that is not found within a minute and 4 GB, gets a Hermite
    series; its parameters' values become part of the network's structure.

    Raises
    ------
    DerivationError
        If the kernel cannot be derived.

    Notes
    -----
    0.5 to 4 s where nothing is remembered, else 10 ms. Run-time parameters' values make no difference.
    """
    distinct = dict.fromkeys(layer for layer in network.layers if isinstance(layer, Activation))
    derived = {activation: _derived(activation) for activation in distinct}
    network = Network(
        [derived[layer][0] if isinstance(layer, Activation) else layer for layer in network.layers],
        network.parameterization,
    )
    texts = list(dict.fromkeys(text for _, text in derived.values()))
    values = parameters(network)
    content = json.dumps(structure(network))
    argument = json.dumps([*structure(network), {name: str(value) for name, value in values.items()}, texts])
    text = cache.remember("kernel", content, lambda: worker.run("kernel", argument, SECONDS), _is_kernel)
    return replace(codec.from_json(text), parameters=tuple(values.items()))


def _derived(activation: Activation) -> tuple[Activation, str]:
    """The activation as the network will hold it, and its `derive.ir.ActivationIR` as text."""
    content = json.dumps([activation.name, [name for name, _ in activation.parameters]])
    text = cache.remember("closed", content, lambda: _closed(activation), _is_known)
    if not text.startswith(NONE):
        return activation, text
    fixed = activation
    if activation.parameters:
        fixed = Activation(activation.expr.subs(activation.values))
    argument = json.dumps([fixed.name, text.removeprefix(NONE)])
    return fixed, cache.remember(
        "series", argument, lambda: worker.run("series", argument, SECONDS), _is_known
    )


def _closed(activation: Activation) -> str:
    values = {name: str(value) for name, value in activation.parameters}
    try:
        return worker.run("closed", json.dumps([activation.name, values]), SECONDS)
    except (NoClosedForm, DerivationTimeout) as error:
        return f"{NONE}{error}"


def closed_task(argument: str) -> str:
    """What the worker does first: an activation's text to its closed form, or NoClosedForm."""
    name, values = json.loads(argument)
    return codec.activation_to_json(closed_ir(dual_activation(Activation(name, **values))))


def series_task(argument: str) -> str:
    """What the worker does where there is no closed form, and why there is none."""
    name, reason = json.loads(argument)
    return codec.activation_to_json(series_ir(integration_rule(Activation(name)), reason))


def kernel_task(argument: str) -> str:
    """What the worker does last: the network's text and its activations' to the kernel's."""
    parameterization, layers, values, texts = json.loads(argument)
    network = rebuilt(parameterization, layers, {name: Fraction(value) for name, value in values.items()})
    stored = {one.dual.activation: one for one in map(codec.activation_from_json, texts)}
    return codec.to_json(kernel_of(network, stored))


def formulas(kernel: ir.KernelIR) -> Recursion:
    """The recursion of a kernel in SymPy, from the duals it was stored with; of a baseline its formula."""
    if kernel.baseline is not None:
        return recursion_of(*kernel.baseline)
    network = network_of(kernel)
    duals = duals_of(network, activations(kernel))
    return unroll(network, lambda activation: duals[activation.name])


def activations(kernel: ir.KernelIR) -> dict[str, ir.ActivationIR]:
    """What a kernel was derived from, by the activations' names."""
    names = [rest[0] for kind, *rest in kernel.network if kind == "activation"]
    functions = dict(zip(names, kernel.functions, strict=True))
    return {dual.activation: ir.ActivationIR(dual, functions[dual.activation]) for dual in kernel.duals}


def _is_kernel(text: str) -> Any:
    try:
        return bool(codec.from_json(text))
    except BadKernelFile:
        return False


def _is_known(text: str) -> Any:
    try:
        return text.startswith(NONE) or bool(codec.activation_from_json(text))
    except BadKernelFile:
        return False

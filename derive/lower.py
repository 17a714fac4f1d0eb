"""From a network's recursion to its kernel's programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy

from derive import ir
from derive.activation import Activation
from derive.baselines import baseline_text
from derive.errors import DerivationError
from derive.formulas import duals_of
from derive.network import Dense, Network
from derive.nodes import to_node
from derive.recursion import LayerMoments, Recursion, m_0, parameters, q_x, q_y, unroll
from derive.weights import WeightLaw


def kernel_of(network: Network, stored: Mapping[str, ir.ActivationIR]) -> ir.KernelIR:
    """The kernel of a network, given what was derived of its activations, by name.

    Raises
    ------
    DerivationError
        If the NTK is infinite on the diagonal.
    """
    duals = duals_of(network, stored)
    recursion = unroll(network, lambda activation: duals[activation.name])
    return lower(network, recursion, stored)


def lower(network: Network, recursion: Recursion, stored: Mapping[str, ir.ActivationIR]) -> ir.KernelIR:
    """The programs of a recursion, and everything else that numerics and verify need."""
    names = [layer.name for layer in network.layers if isinstance(layer, Activation)]
    guarded = recursion.homogeneity is None
    return ir.KernelIR(
        network=tuple(map(_layer, network.layers)),
        parameterization=network.parameterization,
        homogeneity=recursion.homogeneity,
        pair=_program(recursion.pair, (q_x, q_y, m_0), network, guarded),
        diagonal=_program(recursion.diagonal, (q_x,), network, guarded),
        domain=_domain(network, recursion, stored),
        functions=tuple(stored[name].function for name in names),
        duals=tuple(stored[name].dual for name in dict.fromkeys(names)),
        parameters=tuple(parameters(network).items()),
    )


def network_of(kernel: ir.KernelIR) -> Network:
    """The network a kernel belongs to, with the kernel's parameter values.

    Raises
    ------
    DerivationError
        If the kernel is a baseline, which belongs to none.
    """
    if kernel.baseline is not None:
        raise DerivationError(
            f"{baseline_text(*kernel.baseline)} is a baseline, a formula of |x - y|, and no network's kernel: it has no "
            "layers to sample or to verify. Compare it by its Gram matrices and spectra."
        )
    return rebuilt(kernel.parameterization, kernel.network, dict(kernel.parameters))


def rebuilt(parameterization: str, layers: Iterable[Any], values: dict[str, Fraction]) -> Network:
    """The network of a `structure` and its parameters' values."""
    parts: list[Dense | Activation] = []
    for kind, *rest in layers:
        if kind == "activation":
            text, names = rest
            parts.append(Activation(text, **{name: values[name] for name in names}))
            continue
        levels, latent, trained, label = rest
        suffix = f"_{label}" if label else ""
        law = _law(levels, latent, values.get(f"latent_fraction{suffix}", Fraction(1)))
        parts.append(Dense(law, values[f"W_std{suffix}"], values[f"b_std{suffix}"], trained, label))
    return Network(parts, parameterization)  # type: ignore[arg-type]  # checked by Network


def _law(levels: int | None, latent: Any, fraction: Fraction) -> WeightLaw:
    """The layer's own law, or the one that stands for another latent fraction."""
    try:
        return WeightLaw(fraction, levels, latent)
    except ValueError:
        return WeightLaw(fraction)


def _layer(layer: Dense | Activation) -> tuple[Any, ...]:
    if isinstance(layer, Activation):
        return ("activation", layer.name, tuple(name for name, _ in layer.parameters))
    return ("dense", layer.law.levels, layer.law.latent, layer.trained, layer.label)


def structure(network: Network) -> tuple[Any, ...]:
    """The network without its parameters' values: what a kernel's programs depend on."""
    return (network.parameterization, tuple(map(_layer, network.layers)))


def _program(
    layers: tuple[LayerMoments, ...], inputs: tuple[sympy.Symbol, ...], network: Network, guarded: bool
) -> ir.Program:
    """`guarded`: variances of 0 are lifted, for closed forms that divide by them."""
    last = layers[-1].moments
    outputs = {"ntk": last.k, "nngp": last.m, "rounding": last.p - last.m}
    body = _body(layers, guarded)
    if not outputs["rounding"].is_number:
        body.append(ir.Assign("rounding", to_node(outputs["rounding"]), "rounding = P - M", "output"))
        outputs["rounding"] = sympy.Symbol("rounding")
    return ir.Program(
        inputs=tuple(map(str, inputs)),
        parameters=tuple(parameters(network)),
        body=tuple(body),
        outputs=tuple((name, to_node(value)) for name, value in outputs.items()),
    )


def _body(layers: tuple[LayerMoments, ...], guarded: bool) -> list[ir.Assign]:
    body = []
    for layer in layers:
        for equation in layer.equations:
            node, name = to_node(equation.value), str(equation.symbol)
            if guarded and name.startswith("Q"):
                node = ir.Call("positive", (node,))
            body.append(ir.Assign(name, node, equation.source, layer.title))
    return body


def _domain(
    network: Network, recursion: Recursion, stored: Mapping[str, ir.ActivationIR]
) -> ir.Program | None:
    """margin = min over the layers of 1 - Q / bound, where E[phi^2] is infinite, or not certified, from Q = bound on.

    Below the smallest certified variance it is negative too.
    """
    margins, variance, duals = [], None, duals_of(network, stored)
    for layer, step in zip(network.layers, recursion.diagonal, strict=True):
        if isinstance(layer, Dense):
            variance = step.moments.q_x
        else:
            dual = duals[layer.name]
            margins += [1 - variance / dual.bound] if dual.bound is not None else []
            margins += [variance / dual.least - 1] if dual.least is not None else []
    if not margins:
        return None
    margin = ir.Assign("margin", to_node(sympy.Min(*margins)), "margin = 1 - Q / bound", "domain")
    body = (*_body(recursion.diagonal, guarded=True), margin)
    program = ir.Program((str(q_x),), tuple(parameters(network)), body, (("margin", ir.Name("margin")),))
    return program.restricted("margin")

"""From a network to a kernel: the stages in their order, wired here and nowhere else."""

from __future__ import annotations

from inspect import signature
from typing import Any

from derive.derivation import derive_kernel
from derive.errors import DerivationError, jumps_message
from derive.ir import KernelIR
from derive.network import Dense, Network, mlp
from derive.spelling import did_you_mean
from numerics.domain import require_finite
from numerics.kernel import Kernel


def kernel(network: object, *, get: str = "ntk", **options: Any) -> Kernel:
    """Derive the kernel of a network.

    Parameters
    ----------
    network : Network, or an activation
        With an activation (a name, an expression in x or a SymPy expression), `options` are those of
        `quasintk.mlp`: depth, weights, W_std, b_std, parameterization.
    get : {"ntk", "nngp"}
        "nngp" freezes all layers but the readout, whose "ntk" is then the "nngp": for activations that jump, whose NTK
        may be infinite, and for whatever takes a kernel's "ntk".

    Returns
    -------
    Kernel

    Raises
    ------
    BadExpression
        If the activation's text is refused.
    NoClosedForm, DerivationError
        If the kernel cannot be derived or is infinite.
    TypeError, ValueError
        If an option is unknown or outside its domain.

    Examples
    --------
    >>> import quasintk as qn
    >>> qn.kernel("relu", depth=2, weights="ternary").parameters["latent_fraction"]
    Fraction(2, 3)
    """
    if isinstance(network, Network) and options:
        raise TypeError(f"Options {', '.join(options)} belong to an activation; this network has its own.")
    if get not in ("ntk", "nngp"):
        raise ValueError(f"get must be 'ntk' or 'nngp', got {get!r}; every kernel also has its 'rounding'.")
    known = list(signature(mlp).parameters)[1:]
    if unknown := sorted(options.keys() - set(known)):
        hint = did_you_mean(unknown[0], known)
        raise TypeError(f"{unknown[0]!r} is no option of a network.{hint} They are {', '.join(known)}.")
    net: Network = network if isinstance(network, Network) else mlp(network, **options)
    try:
        ir: KernelIR = derive_kernel(net if get == "ntk" else readout_only(net))
    except DerivationError as error:
        if str(error).endswith(jumps_message("")):
            raise DerivationError(
                f'{error} For the NNGP, which is finite: get="nngp" in quasintk.kernel, or --get nngp.'
            ) from None
        raise
    return require_finite(Kernel(ir))


def readout_only(network: Network) -> Network:
    """The same network with its last dense layer trained and all others frozen."""
    *hidden, readout = network.layers
    frozen = [
        Dense(layer.law, layer.W_std, layer.b_std, trained=False, label=layer.label)
        if isinstance(layer, Dense)
        else layer
        for layer in hidden
    ]
    return Network([*frozen, readout], network.parameterization)

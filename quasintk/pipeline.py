"""From a network to a kernel: the stages in their order, wired here and nowhere else."""

from __future__ import annotations

from typing import Any

from derive.derivation import derive_kernel
from derive.ir import KernelIR
from derive.network import Network, mlp
from numerics.domain import require_finite
from numerics.kernel import Kernel


def kernel(network: object, **options: Any) -> Kernel:
    """Derive the kernel of a network.

    Parameters
    ----------
    network : Network, or an activation
        With an activation (a name, an expression in x or a SymPy expression), `options` are those of
        `quasintk.mlp`: depth, weights, W_std, b_std, parameterization.

    Returns
    -------
    Kernel

    Raises
    ------
    BadExpression
        If the activation's text is refused.
    NoClosedForm, DerivationError
        If the kernel cannot be derived or is infinite.

    Examples
    --------
    >>> import quasintk as qn
    >>> qn.kernel("relu", depth=2, weights="ternary").parameters["latent_fraction"]
    Fraction(2, 3)
    """
    if isinstance(network, Network) and options:
        raise TypeError(f"Options {', '.join(options)} belong to an activation; this network has its own.")
    net: Network = network if isinstance(network, Network) else mlp(network, **options)
    ir: KernelIR = derive_kernel(net)
    return require_finite(Kernel(ir))

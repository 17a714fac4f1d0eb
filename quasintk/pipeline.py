"""From a network to a kernel: the stages in their order, wired here and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from derive.derivation import derive_kernel
from derive.errors import DerivationError
from derive.ir import KernelIR
from derive.network import Network, mlp
from numerics.gram import outside
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
    return _finite(Kernel(ir))


def _finite(kernel: Kernel) -> Kernel:
    """The kernel, unless it is infinite for inputs of the usual norm, |x|^2 = d."""
    margin = kernel.margin(np.ones(1))
    if margin is not None and margin[0] <= 0:
        raise DerivationError(outside(kernel, f"inputs with |x|^2 = d in {kernel!r}"))
    return kernel

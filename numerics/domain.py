"""Where a kernel is finite at all."""

from __future__ import annotations

import numpy as np

from derive.errors import DerivationError
from numerics.kernel import Kernel
from numerics.pair_route import outside


def require_finite(kernel: Kernel) -> Kernel:
    """The kernel itself, unless it is infinite for inputs of the usual norm, |x|^2 = d.

    Raises
    ------
    DerivationError
        If it is.
    """
    margin = kernel.margin(np.ones(1))
    if margin is not None and margin[0] <= 0:
        raise DerivationError(outside(kernel, f"inputs with |x|^2 = d in {kernel!r}"))
    return kernel

"""By which route all pairs of rows of a data set, or of two, are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numerics.cosine_route import CosineRoute, cosine_route
from numerics.pair_route import PairRoute, pair_route

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]
GramRoute = CosineRoute | PairRoute


def gram_route(
    kernel: Kernel, outputs: tuple[str, ...], dtype: np.dtype[Any], rows: Floats, others: Floats | None = None
) -> GramRoute:
    """The polynomial of the cosine where kernel and data allow it, else the recursion of every pair.

    The data as a whole decide, not which block is asked for: all of them, and so all bytes, come from one route.
    """
    data = (rows,) if others is None else (rows, others)
    return cosine_route(kernel, outputs, dtype, *data) or pair_route(kernel, outputs, dtype, *data)

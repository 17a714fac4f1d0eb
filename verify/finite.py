"""Whole finite networks against a kernel: the width's bias removed by Richardson's step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from derive.network import Dense, Network
from verify.claims import PAIRS, Moment, scales
from verify.ensemble import LANES, ensemble
from verify.eprocess import Test
from verify.sequential import Stage

Floats = NDArray[np.float64]
RATIO = 3
"""Widths n and 3 n: of 2, 3 and 4 the ratio with the least variance for the same time."""
ROUND = 2**23
"""Weights of a wide layer in one round: about 0.15 s, so that looking costs little and threads have enough to share."""
NETWORKS = 1 + RATIO
"""In one sample."""


def network_stage(
    network: Network, X: Floats, outputs: Moment, key: int, jumps: bool, width: int, test: Test
) -> Stage:
    """p, m and the NTK at the output of networks of widths n and 3 n.

    Parameters
    ----------
    network : Network
        The truth.
    X : ndarray, shape (2, d)
    outputs : Moment
        The claims.
    key : int
        Of the random bits.
    jumps : bool
        Whether phi jumps: the NTK's point masses are then seen by no sampled gradient, and it is left out.
    width : int
        n.
    test : Test
        In units of the claims' scales; its tolerance is what Richardson's step may leave of the bias.

    Notes
    -----
    A sample is (3 Y_3n - (Y_n + Y'_n + Y''_n) / 3) / 2: the bias c / n cancels, c' / n^2 is divided by -3. The narrow
    networks are parts of the wide one, the same weights on a third of its neurons, which lowers the variance.
    """
    quantities = {"p": outputs.same, "m": outputs.cross, **({} if jumps else {"ntk": outputs.ntk})}
    names = tuple(f"{quantity}(x{i}, x{j})" for quantity in quantities for i, j in PAIRS)
    claimed = np.array([K[p] for K in quantities.values() for p in PAIRS])
    scale = np.array([scales(K)[p] for K in quantities.values() for p in PAIRS])
    pairs = np.array(PAIRS)

    def draw(first: int, count: int) -> Floats:
        wide = ensemble(network, X, pairs, RATIO * width, count, key, first)
        narrow = (
            sum(ensemble(network, X, pairs, width, count, key, first, width * i) for i in range(RATIO))
            / RATIO
        )
        found: Floats = ((RATIO * wide - narrow) / (RATIO - 1)).reshape(9, count)
        return found[: len(names)]

    count = LANES * max(1, ROUND // (RATIO * width) ** 2 // LANES)
    return Stage("network", names, claimed, scale, draw, count, test)


def hidden_layers(network: Network) -> int:
    """Activation layers: what finite width biases grows with their number."""
    return sum(not isinstance(layer, Dense) for layer in network.layers)

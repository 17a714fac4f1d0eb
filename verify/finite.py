"""Whole finite networks against a kernel: the width's bias removed by Richardson's step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from derive.network import Dense, Network
from numerics.cluster import Workers
from verify.claims import PAIRS, Moment, scales
from verify.ensemble import LANES, ensemble
from verify.eprocess import Test
from verify.sequential import Stage

Floats = NDArray[np.float64]
RATIO = 3
"""Widths n and 3 n: of 2, 3 and 4 the ratio with the least variance for the same time."""
ROUND = 2**23
"""Weights of a wide layer in one round: about 0.15 s, so that looking costs little and threads have enough to share."""
SPREAD = 2
"""Tasks of each worker of a cluster between two looks."""
NETWORKS = 1 + RATIO
"""In one sample."""


def network_stage(
    network: Network,
    X: Floats,
    outputs: Moment,
    key: int,
    jumps: bool,
    width: int,
    test: Test,
    workers: Workers | None = None,
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
    workers : Workers, optional
        Who draws; the same samples, more of them between two looks.

    Notes
    -----
    A sample is (3 Y_3n - (Y_n + Y'_n + Y''_n) / 3) / 2: the bias c / n cancels, c' / n^2 is divided by -3. The narrow
    networks are parts of the wide one, the same weights on a third of its neurons, which lowers the variance.
    """
    quantities = {"p": outputs.same, "m": outputs.cross, **({} if jumps else {"ntk": outputs.ntk})}
    names = tuple(f"{quantity}(x{i}, x{j})" for quantity in quantities for i, j in PAIRS)
    claimed = np.array([K[p] for K in quantities.values() for p in PAIRS])
    scale = np.array([scales(K)[p] for K in quantities.values() for p in PAIRS])
    networks = Networks(network, X, key, width)
    count = LANES * max(1, ROUND // (RATIO * width) ** 2 // LANES)
    sample = networks.samples if workers is None else spread(networks, workers, count)
    round_size = count if workers is None else SPREAD * len(workers) * count

    def draw(first: int, count: int) -> Floats:
        return sample(first, count)[: len(names)]

    return Stage("network", names, claimed, scale, draw, round_size, test)


@dataclass(frozen=True)
class Networks:
    """Networks of widths n and 3 n, drawn by number: any process draws the same."""

    network: Network
    X: Floats
    key: int
    width: int

    def samples(self, first: int, count: int) -> Floats:
        """Those of numbers first, .., first + count - 1: p, m and the NTK of every pair, shape (9, count)."""
        pairs, width = np.array(PAIRS), self.width
        wide, *narrow = (
            ensemble(self.network, self.X, pairs, size, count, self.key, first, start)
            for size, start in ((RATIO * width, 0), *((width, width * i) for i in range(RATIO)))
        )
        found: Floats = ((RATIO * wide - sum(narrow) / RATIO) / (RATIO - 1)).reshape(9, count)
        return found


def spread(networks: Networks, workers: Workers, size: int) -> Callable[[int, int], Floats]:
    """`Networks.samples` by a cluster, `size` samples a task."""
    shared = workers.share(networks)

    def samples(first: int, count: int) -> Floats:
        parts = [(start, min(size, first + count - start)) for start in range(first, first + count, size)]
        found = dict(workers.run(_samples, shared, parts))
        return np.hstack([found[part] for part in parts])

    return samples


def _samples(networks: Networks, part: tuple[int, int]) -> Floats:
    return networks.samples(*part)


def hidden_layers(network: Network) -> int:
    """Activation layers: what finite width biases grows with their number."""
    return sum(not isinstance(layer, Dense) for layer in network.layers)

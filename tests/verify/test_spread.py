"""Sampling on a cluster: the same networks, bit by bit."""

import numpy as np
import pytest

from derive.network import mlp
from numerics.cluster import workers
from quasintk.pipeline import kernel
from verify.check import verify
from verify.ensemble import LANES
from verify.finite import Networks, spread


def test_workers_draw_what_is_drawn_here():
    networks = Networks(
        mlp("relu", depth=2, b_std=0.25), np.array([[1.0, 0.5], [-0.3, 1.2]]), key=7, width=16
    )
    with workers("local:2") as found:
        drawn = spread(networks, found, LANES)(LANES, 3 * LANES)
    assert drawn.tobytes() == networks.samples(LANES, 3 * LANES).tobytes()


@pytest.mark.slow
def test_verify_on_a_cluster():
    right, wrong = kernel("relu", depth=2), kernel("relu", depth=2, W_std="1.1")
    assert verify(right, budget="10s", cluster="local:2").status == "PASS"
    assert verify(wrong, against=right.network, budget="10s", cluster="local:2").status == "FAIL"

"""One layer at a time: right claims deviate by chance only, and one wrong claim shows at its layer."""

import dataclasses

import numpy as np
import pytest

from derive.activation import Activation
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw
from quasintk.pipeline import kernel
from verify.claims import claims, scales
from verify.eprocess import Test
from verify.layerwise import layer_stages
from verify.sequential import PILOT, run

X = np.array([[1.4, 0.2], [-0.3, 1.0]])
TEST = Test(tolerance=0.0, margin=5e-3)
COUNT = 2000
"""Of samples, 64 draws each."""

NETWORKS = {
    "relu, binary": mlp("relu", depth=2, b_std=0.3),
    "erf, ternary, latent": mlp("erf", depth=2, weights="ternary", parameterization="latent"),
    "gelu, 16 levels": mlp("gelu", weights=Levels(16), W_std=1.3),
    "real": mlp("relu", weights="real", b_std=0.5),
    "sign: kappa_dot by the score": mlp("sign", depth=2, weights=WeightLaw("0.7"), b_std=0.2),
    "untrained, two activations": Network(
        [
            Dense("real", 1.2, trained=False),
            Dense("ternary", 1.1, 0.2),
            Activation("tanh"),
            Dense("binary", 0.9),
            Activation("x**2"),
            Dense("binary", 0.7, 0.4),
        ]
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_right_claims_deviate_by_chance(name):
    """Each of the nine quantities of every layer within six standard errors, plus 1e-9 where nothing varies."""
    network = NETWORKS[name]
    for stage in layer_stages(network, claims(kernel(network), X), key=12, test=TEST):
        values = stage.draw(0, COUNT)
        error = values.std(axis=1) / np.sqrt(COUNT)
        deviation = np.abs(values.mean(axis=1) - stage.claimed)
        assert (deviation <= 6 * error + 1e-9 * stage.scale).all(), stage.names[
            int(np.argmax(deviation / error))
        ]


def test_samples_depend_on_key_and_number_only():
    network = NETWORKS["relu, binary"]
    for stage in layer_stages(network, claims(kernel(network), X), key=12, test=TEST):
        assert np.array_equal(stage.draw(0, 700)[:, 300:], stage.draw(300, 400))
        tested, pilot = stage.draw(0, 200), stage.draw(PILOT, 200)
        varies = tested.std(axis=1) > 1e-9 * stage.scale
        assert varies.any()
        assert not any(np.array_equal(*rows) for rows in zip(tested[varies], pilot[varies], strict=True))


@pytest.mark.parametrize("layer", range(5))
@pytest.mark.parametrize("quantity", ["same", "cross", "ntk"])
def test_one_wrong_claim_fails_at_its_layer(layer, quantity):
    """2 % off the diagonal, claimed consistently ever after: the layers before pass, this one fails."""
    network = NETWORKS["relu, binary"]
    right = claims(kernel(network), X)
    K = getattr(right.layers[layer + 1], quantity)
    wrong_K = K.copy()
    wrong_K[0, 1] = wrong_K[1, 0] = K[0, 1] + 0.02 * scales(K)[0, 1]
    wrong = dataclasses.replace(right.layers[layer + 1], **{quantity: wrong_K})
    claimed = dataclasses.replace(
        right, layers=(*right.layers[: layer + 1], wrong, *right.layers[layer + 2 :])
    )
    stages = list(layer_stages(network, claimed, key=12, test=TEST))
    checks = run(stages[layer], seconds=60, coarsest=4)
    failed = [check.name for check in checks if check.status == "FAIL"]
    symbol = {"same": "p", "cross": "m", "ntk": "ntk"}[quantity]
    assert [name.partition(" ")[0] for name in failed] == [f"{symbol}(x0,"]
    if layer > 0:
        assert "FAIL" not in {check.status for check in run(stages[layer - 1], seconds=1, coarsest=4)}


def test_claims_are_the_kernel_s_values():
    for network in (NETWORKS["relu, binary"], NETWORKS["untrained, two activations"]):
        k = kernel(network)
        found, (rounding, nngp, ntk) = claims(k, X), k(X, get=("rounding", "nngp", "ntk"))
        for moment in (found.outputs, found.layers[-1]):
            for K, expected in ((moment.ntk, ntk), (moment.cross, nngp), (moment.same, rounding + nngp)):
                assert pytest.approx(expected, rel=1e-11) == K
        assert len(found.layers) == len(network.layers) + 1
        values = k.explain(X[0], X[1])
        assert found.layers[1].same[0, 1] == pytest.approx(values["P_1"], rel=1e-12)

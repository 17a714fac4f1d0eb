"""Kernel files: exact round trips, and refusal of anything that was tampered with."""

import json
import re

import pytest

from derive import codec, lower
from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import BadKernelFile
from derive.formulas import closed_ir
from derive.lower import network_of
from derive.network import Dense, Network, mlp
from derive.weights import Levels, WeightLaw

NETWORKS = [
    mlp("relu", depth=2, W_std=1.4142, b_std=0.1),
    mlp("max(x, 0)**2 - x/3", weights=Levels(16), W_std="4/3", parameterization="latent"),
    Network(
        [Dense("real", trained=False), Dense(WeightLaw("0.7")), Activation("abs"), Dense("ternary", b_std=1)]
    ),
]


def kernel_of(network):
    activations = [layer for layer in network.layers if isinstance(layer, Activation)]
    return lower.kernel_of(network, {one.name: closed_ir(dual_activation(one)) for one in activations})


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "latent", "mixed"])
def test_round_trip(network):
    kernel = kernel_of(network)
    text = codec.to_json(kernel)
    assert codec.from_json(text) == kernel
    assert codec.to_json(codec.from_json(text)) == text
    assert network_of(kernel) == network


def test_the_signature_is_the_structure():
    base = kernel_of(mlp("relu", W_std=1.5))
    assert codec.signature(base) == codec.signature(kernel_of(mlp("relu", W_std=2.5, b_std=1)))
    assert codec.signature(base) != codec.signature(kernel_of(mlp("abs", W_std=1.5)))
    assert codec.signature(base) != codec.signature(kernel_of(mlp("relu", depth=2, W_std=1.5)))


def first(node, content):
    """The first encoded node of a kind."""
    if isinstance(content, dict):
        if content.get("node") == node:
            return content
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            found = first(node, item)
            if found is not None:
                return found
    return None


def tampered(change):
    content = json.loads(codec.to_json(kernel_of(NETWORKS[0])))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "holds no kernel"),
        ("[1]", "holds no kernel"),
        ('{"quasintk_ir": 99}', "version 99"),
        ('{"quasintk_ir": 3, "kernel": null}', "main entry is no kernel"),
        ('{"quasintk_ir": 3, "kernel": ' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ('{"quasintk_ir": 3, "kernel": {"node": "os.system"}}', "unknown node 'os.system'"),
        (tampered(lambda c: first("Call", c).update(function="__import__")), "bad node"),
        (tampered(lambda c: first("Name", c).update(name="__import__('os')")), "bad node"),
        (tampered(lambda c: first("Assign", c).update(target="x; import os")), "bad or repeated name"),
        (tampered(lambda c: first("Assign", c).update(source="a\nimport os")), "not printable"),
        (tampered(lambda c: first("Power", c).update(exponent=10**9)), "bad node"),
        (tampered(lambda c: first("Number", c).update(value={"number": "1/0"})), "bad number"),
        (tampered(lambda c: c["kernel"].update(parameters=[])), "lacks values of W_std"),
        (tampered(lambda c: c["kernel"].update(pair=None)), "lacks a program"),
        (tampered(lambda c: c["kernel"].pop("pair")), "unknown node"),
    ],
    ids=lambda value: re.sub(r"\W+", "-", value)[:40],
)
def test_a_damaged_file_is_refused(text, message):
    with pytest.raises(BadKernelFile, match=message):
        codec.from_json(text)

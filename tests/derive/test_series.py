"""Rules of integration: what is certified, and up to where; the fall back from closed forms; damaged files."""

import json
from fractions import Fraction

import mpmath
import pytest
import sympy

from derive import codec, worker
from derive.activation import Activation
from derive.derivation import derive_kernel
from derive.errors import BadKernelFile, DerivationError, DerivationTimeout
from derive.network import mlp
from derive.parse import SYMBOL
from derive.rule import integration_rule

TANH = derive_kernel(mlp("tanh", depth=2))


@pytest.mark.parametrize("text", ["tanh", "softsign", "mish", "tanh(x) + sign(x - 1)", "sin(x)*tanh(x)"])
def test_phi_is_resolved_on_every_panel(text):
    """Chebyshev interpolation of degree 31 on every panel, at points between its nodes."""
    derived = integration_rule(Activation(text))
    rule = derived.dual.rule
    function = sympy.lambdify("x", derived.phi, modules="mpmath")
    for left, right in list(zip(rule.edges, rule.edges[1:], strict=False))[:: max(1, len(rule.edges) // 8)]:
        a, b = float(left), float(right)
        half, middle = (b - a) / 2, (a + b) / 2
        nodes = [mpmath.cos(mpmath.pi * (2 * k + 1) / 64) for k in range(32)]
        values = [function(middle + half * node) for node in nodes]
        scale = max(*map(abs, values), abs(function(max(abs(a), abs(b)))))
        for z in (-0.97, -0.31, 0.005, 0.77):
            basis = [
                (-1) ** k * mpmath.sin(mpmath.pi * (2 * k + 1) / 64) / (z - node)
                for k, node in enumerate(nodes)
            ]
            found = mpmath.fdot(basis, values) / mpmath.fsum(basis)
            assert abs(found - function(middle + half * z)) <= 1e-12 * scale


def test_certified_intervals():
    assert integration_rule(Activation("tanh")).dual.rule.largest == 1600
    assert integration_rule(Activation("exp(x)*tanh(x)")).dual.rule.largest == 4
    assert integration_rule(Activation("tanhshrink")).dual.rule.smallest == 0
    cancelling = integration_rule(Activation("max(x, 0) - tanh(max(x, 0))")).dual.rule
    assert cancelling.smallest == Fraction(1, 10**6)
    assert cancelling.kinks == ((0, 0),)


@pytest.mark.parametrize(
    "text", ["tanh(1000*x)", "sqrt(x**2 + 1e-6)", "sigmoid(100*x)*x", "softplus(100*x)/100"]
)
def test_narrow_features_and_overflow_are_no_obstacle(text):
    """A step or bend behind a panel's end; exp(1000) on the way."""
    dual = integration_rule(Activation(text)).dual
    assert dual.rule.largest == 1600
    assert dual.certificate.digits >= 14


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sqrt(abs(x))", "singular near x"),
        ("tanh(20*x)/x", "float64 loses its digits near"),
        ("1/x", "no finite real value|singular"),
        ("exp(x**2)*tanh(x)", "grows too fast"),
        ("sin(x**8)", "float64 loses its digits"),
        ("sqrt(x) if x > 0 else 0", "singular near x"),
    ],
)
def test_no_rule(text, reason):
    with pytest.raises(DerivationError, match=reason):
        integration_rule(Activation(text))


@pytest.mark.parametrize("text", ["sin(x)/x", "tanh(x)/x"])
def test_a_removable_singularity_at_0(text):
    """Float64 has 0/0 there; its Taylor polynomial stands for it."""
    function = integration_rule(Activation(text))
    assert function.dual.rule.smallest == 0
    assert float(function.phi.subs(SYMBOL, 0)) == 1


def test_a_closed_form_that_takes_too_long_becomes_a_series(monkeypatch):
    """The worker is the real one; only its answer to the first question is late."""
    run = worker.run

    def late(task, *arguments):
        if task == "closed":
            raise DerivationTimeout("The derivation 'closed' was stopped after 60 s.")
        return run(task, *arguments)

    monkeypatch.setenv("QUASINTK_CACHE", "off")
    monkeypatch.setattr(worker, "run", late)
    kernel = derive_kernel(mlp("gelu"))
    assert kernel.functions[0].series is not None
    assert "stopped after 60 s" in kernel.duals[0].reason


def test_a_series_goes_through_a_file():
    assert codec.from_json(codec.to_json(TANH)) == TANH


@pytest.mark.parametrize(
    "change",
    [
        lambda kernel: kernel["functions"][0].update(series=None),
        lambda kernel: kernel["functions"][0]["series"].update(edges=[{"number": 2.0}, {"number": 1.0}]),
        lambda kernel: kernel["functions"][0]["series"].update(largest="1"),
        lambda kernel: kernel["functions"][0]["series"].update(kinks=[[{"number": 1.0}]]),
        lambda kernel: kernel.update(domain=None),
        lambda kernel: kernel["duals"][0].update(reason=1),
    ],
)
def test_a_damaged_rule_is_refused(change):
    content = json.loads(codec.to_json(TANH))
    change(content["kernel"])
    with pytest.raises(BadKernelFile):
        codec.from_json(json.dumps(content))


def test_a_call_of_another_layers_series_is_refused():
    text = codec.to_json(TANH)
    call = '"function":"kappa","node":"Call"'
    assert call in text
    start = text.index('{"number":1.0}')
    with pytest.raises(BadKernelFile):
        codec.from_json(text[:start] + '{"number":7.0}' + text[start + len('{"number":1.0}') :])

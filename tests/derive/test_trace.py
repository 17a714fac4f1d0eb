"""Proofs: complete, in order, and their identities hold in numbers."""

import re

import mpmath
import pytest
import sympy

from derive.activation import Activation
from derive.dual import dual_activation
from derive.rule import integration_rule
from derive.trace import proof
from quasintk.pipeline import kernel

RELU = [str(step.expression) for step in proof(dual_activation(Activation("relu")))]


def test_the_arc_cosine_kernel_step_by_step():
    """Cho and Saul's kernel: E[u v 1(u > 0) 1(v > 0)] by Stein, Sheppard's quadrant, the collected form."""
    text = "\n".join(RELU)
    assert "phi(x) = (x 1(x > 0))" in RELU
    assert "phi'(x) = (1 1(x > 0))" in RELU
    assert "E[u v 1(u > 0) 1(v > 0)] = (cov12) E[1(u > 0) 1(v > 0)]" in text
    assert "E[1(u > 0) 1(v > 0)] = -Angle(var1, var2, cov12)/(2*pi) + 1/2" in RELU
    order = [
        text.index(part) for part in ("E[u v", "E[1(u > 0)", "kappa(var1", "kappa_dot(var1", "digits at")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(
    "text", ["gelu", "max(x - 1/2, 0)", "x if x > 0 else exp(x) - 1", "sign(x)", "x*exp(-x**2/2)"]
)
def test_every_expectation_that_is_used_is_derived(text):
    steps = proof(dual_activation(Activation(text)))
    left = {found[0] for step in steps if (found := re.match(r"E\[[^]]*\]", step.expression))}
    for step in steps:
        if step.rule == "reduce a power":
            right = re.findall(r"E\[[^]]*\]", step.expression)[1:]
            assert all(one in left or re.fullmatch(r"E\[1( \|.*)?\]", one) for one in right), step
    assert steps[-1].rule == "certificate"


def test_the_steps_of_stein_are_true():
    """Plain Gaussians over half-spaces: both sides of every identity by quadrature."""
    var1, var2, cov12 = 1.3, 0.8, 0.6
    determinant = var1 * var2 - cov12**2

    def density(u, v):
        square = (var2 * u * u - 2 * cov12 * u * v + var1 * v * v) / determinant
        return mpmath.exp(-square / 2) / (2 * mpmath.pi * mpmath.sqrt(determinant))

    def quadrant(i, j):
        return mpmath.quad(lambda u, v: u**i * v**j * density(u, v), [0, 8], [0, 8])

    (step,) = [text for text in RELU if text.startswith("E[u v 1(u > 0) 1(v > 0)] = ")]
    factors = re.split(r" E\[[^]]*\](?: \+ )?", step.split(" = ", 1)[1])[:-1]
    values = [float(sympy.sympify(f).subs({"var1": var1, "var2": var2, "cov12": cov12})) for f in factors]
    given_u = mpmath.sqrt(determinant / var1 / (2 * mpmath.pi))  # E[v 1(v > 0) | u = 0]
    right = values[0] * quadrant(0, 0) + values[1] * given_u
    assert float(quadrant(1, 1)) == pytest.approx(float(right), rel=1e-8)


def test_a_kernels_trace_ends_with_its_recursion():
    steps = kernel("relu").trace
    assert steps[0].expression == "phi(x) = max(0, x)"
    assert steps[-1].expression.startswith("K_2 = ")
    assert all(step.rule and step.source and step.expression for step in steps)
    assert "[Mehler's formula]" in "\n".join(map(str, kernel("tanh").trace))
    assert proof(integration_rule(Activation("tanh")).dual)[-1].rule == "certificate"


def test_a_coefficient_that_is_a_sum_keeps_its_brackets():
    """phi' of prelu is a + (1 - a) 1(x > 0)."""
    lines = [str(step) for step in kernel("prelu(0.1)").trace]
    assert any("(a) + ((1 - a) 1(x > 0))" in line for line in lines)

"""Generated code: golden text, independence, agreement of the dialects, and the whitelist."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derive.activation import Activation
from derive.ir import OUTPUTS
from numerics.build import build
from numerics.emit import emit_activation, emit_functions
from quasintk.pipeline import kernel

GOLDEN = Path(__file__).parents[1] / "golden"
KERNELS = {
    "relu_binary_2": kernel("relu", depth=2, weights="binary", W_std=1.4142, b_std=0.1),
    "relu2_real_1": kernel("max(x, 0)**2", weights="real"),
    "tanh_binary_1": kernel("tanh", weights="binary"),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", ["numba", "numpy"])
def test_generated_text(name, target, request):
    """Golden files are for text only; `pytest --update-golden` rewrites them."""
    text = KERNELS[name].source(target)
    path = GOLDEN / f"{name}_{target}.txt"
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", KERNELS)
def test_numpy_text_stands_alone_and_agrees(name, tmp_path):
    """Run in an interpreter that sees nothing of this project."""
    (tmp_path / "generated.py").write_text(KERNELS[name].source("numpy"))
    one = KERNELS[name]
    values = ", ".join(repr(float(value)) for value in one.parameters.values())
    code = f"import generated; print(*generated.pair(1.5, 0.75, 0.5, {values}))"
    run = subprocess.run([sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
                         capture_output=True, text=True, check=True, cwd=tmp_path)  # fmt: skip
    x, y = np.array([[np.sqrt(3), 0.0]]), np.array([[1 / np.sqrt(3), np.sqrt(1.5 - 1 / 3)]])
    expected = [matrix[0, 0] for matrix in one(x, y, get=OUTPUTS)]
    # the inner products of x and y round
    assert [float(text) for text in run.stdout.split()] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        '"""t"""\nimport os\n',
        '"""t"""\nfrom subprocess import run\n',
        '"""t"""\nx = ().__class__\n',
        '"""t"""\n__import__("os")\n',
        '"""t"""\nf = lambda: 0\n',
        '"""t"""\nwith x:\n    x = 1\n',
        '"""t"""\nclass A:\n    x = 1\n',
    ],
)
def test_code_outside_the_whitelist_is_not_run(text):
    with pytest.raises(ValueError, match="not run"):
        build(text)


def test_functions_of_a_neuron():
    first, second = (kernel(text).ir.functions[0] for text in ("max(x, 0)**2 - x/4", "abs(x)"))
    module = build(emit_functions((first, second, first), {}))
    for layer in (0, 2):
        assert [module.phi(layer, x) for x in (-2.0, 0.0, 3.0)] == [0.5, 0.0, 8.25]
        assert [module.dphi(layer, x) for x in (-2.0, 3.0)] == [-0.25, 5.75]
    assert [module.phi(1, x) for x in (-2.0, 3.0)] == [2.0, 3.0]
    assert [module.dphi(1, x) for x in (-2.0, 3.0)] == [-1.0, 1.0]


def test_one_activation_elementwise():
    module = build(emit_activation(kernel(Activation("max(x, 0)**2 - a*x", a=0.25)).ir.functions[0]))
    x = np.array([[-2.0, 3.0]])
    np.testing.assert_array_equal(module.phi(x, 0.25), [[0.5, 8.25]])
    np.testing.assert_array_equal(module.dphi(x, 0.25), [[-0.25, 5.75]])

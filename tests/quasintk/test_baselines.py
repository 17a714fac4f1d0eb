"""Baselines as users hold them: against NumPy and SciPy, exact diagonals, storage, hostile arguments, and by name."""

import inspect
import itertools
import json
import math
import pickle
import re
import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from click.testing import CliRunner
from numba.core import event
from scipy.spatial.distance import cdist
from scipy.special import gamma, kv

import quasintk as qn
from derive.errors import BadKernelFile, DerivationError
from derive.ir import OUTPUTS
from numerics.build import build
from numerics.kernel import Kernel
from quasintk.baselines import (
    BASELINES,
    baseline,
    gaussian,
    gaussian_mixture,
    laplace,
    matern,
    rational_quadratic,
    real_nngp,
    real_ntk,
)
from quasintk.cli import gram_command, verify_command
from quasintk.cli.kernels import names_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(300, 5)), RNG.normal(size=(40, 5))  # more than one block
EPS = float(np.finfo(float).eps)
TOLERANCE = 1e-13
"""D errs by at most 7 eps (q_x + q_y) < 2e-14 for these rows; |dK/dD| < 5 in the cases below, most often below 1."""


def bessel(nu, length):
    """Matern's kernel as Rasmussen and Williams (2006), equation 4.14, have it; 1 at D = 0."""

    def function(D):
        u = np.sqrt(2 * nu * np.maximum(D, 1e-300)) / length
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(u < 1e-12, 1.0, 2 ** (1 - nu) / gamma(nu) * u**nu * kv(nu, u))

    return function


CASES = {
    "gaussian": (gaussian(0.7), lambda D: np.exp(-D / (2 * 0.7**2))),
    "laplace": (laplace("4/5"), lambda D: np.exp(-np.sqrt(D) / 0.8)),
    "rational quadratic": (rational_quadratic(1.7, 0.6), lambda D: (1 + D / (3.4 * 0.36)) ** -1.7),
    "matern 1/2": (matern(0.5, 0.9), bessel(0.5, 0.9)),
    "matern 3/2": (matern("3/2", 0.9), bessel(1.5, 0.9)),
    "matern 5/2": (matern(2.5, 2), bessel(2.5, 2)),
    "matern 15/2": (matern(7.5), bessel(7.5, 1)),
    "matern 41/2": (matern(Fraction(41, 2), 1.5), bessel(20.5, 1.5)),
    "mixture": (gaussian_mixture([0, 0.5, 4], ["0.2", 2, 0]), lambda D: 0.2 + 2 * np.exp(-D / 4)),
}
KERNELS = {name: kernel for name, (kernel, _) in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_against_numpy(name):
    kernel, function = CASES[name]
    assert isinstance(kernel, Kernel)
    for one, other in ((X, Y), (X, None)):
        D = cdist(one, X if other is None else other, "sqeuclidean") / 5
        found, nngp, rounding = kernel(one, other, get=OUTPUTS)
        assert np.abs(found - function(D)).max() <= TOLERANCE
        assert np.array_equal(nngp, found)
        assert not rounding.any()


@pytest.mark.parametrize("name", CASES)
def test_the_diagonal_is_exact_and_the_matrix_symmetric(name):
    kernel = KERNELS[name]
    rows = np.concatenate([X, X[:7], np.zeros((1, 5))])
    K = kernel(rows)
    total = math.fsum(float(v) for key, v in kernel.parameters.items() if key.startswith("w")) or 1.0
    assert np.array_equal(np.diag(K), np.full(308, total))
    assert np.array_equal(np.diag(K[300:307, :7]), np.full(7, total))
    assert np.array_equal(kernel.diag(rows), np.diag(K))
    assert np.array_equal(K, K.T)
    assert np.array_equal(kernel(X, Y), kernel(Y, X).T)
    assert np.array_equal(qn.gram(kernel, rows), K)


@pytest.mark.parametrize("name", CASES)
def test_positive_semi_definite(name):
    """An entry errs by TOLERANCE, hence an eigenvalue by at most n times that."""
    assert np.linalg.eigvalsh(KERNELS[name](X[:150])).min() > -150 * TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_stored_and_pickled(name):
    kernel = KERNELS[name]
    for again in (pickle.loads(pickle.dumps(kernel)), Kernel.from_json(kernel.to_json())):
        assert again == kernel
        assert again.signature == kernel.signature
        assert np.array_equal(again(Y), kernel(Y))


@pytest.mark.parametrize("name", CASES)
def test_on_the_sphere(name):
    """On |x|^2 = q d, D = 2 q (1 - t); the symbolic form is the same function, to the roundings of a dozen operations."""
    kernel, function = CASES[name]
    t = np.linspace(-1, 1, 9)
    for q in (1, 2.5):
        assert kernel.on_sphere(q)(t) == pytest.approx(function(2 * q * (1 - t)), rel=0, abs=TOLERANCE)
    symbolic = kernel.on_sphere("5/2").symbolic
    (variable,) = symbolic.free_symbols
    values = [float(sympy.N(symbolic.subs(variable, sympy.Rational(i, 4)), 30)) for i in range(-4, 5)]
    assert values == pytest.approx(kernel.on_sphere(2.5)(t), rel=0, abs=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_the_numpy_module_and_explain_agree(name):
    kernel, x, y = KERNELS[name], X[0], X[1]
    values = kernel.explain(x, y)
    K = kernel(x[None], y[None])[0, 0]
    assert values["ntk"] == values["nngp"] == values["K"] == pytest.approx(K, abs=TOLERANCE)
    assert values["D"] == pytest.approx(np.sum((x - y) ** 2) / 5, rel=1e-13)  # D is of order q here
    module = build(kernel.source("numpy", "ntk"))
    inputs = [values[name] for name in ("q_x", "q_y", "m_0")]
    assert module.pair(*inputs, *kernel.parameter_values)[0] == pytest.approx(K, abs=TOLERANCE)
    total = sum(float(v) for key, v in kernel.parameters.items() if key.startswith("w")) or 1.0
    assert kernel.explain(x, x)["ntk"] == pytest.approx(total, rel=EPS)


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_them(name):
    kernel = KERNELS[name]
    assert repr(kernel).startswith(f"<Kernel {kernel.ir.network[0][1]}")
    assert kernel.route == (f"{repr(kernel)[8:].split(';')[0]}: closed formula of D = |x - y|^2 / d",)
    first, *_, last = kernel.expressions
    assert (first, last) == ("D", "K")
    assert kernel.latex().count("&=") == len(kernel.expressions) == len(kernel.trace)
    assert kernel.duals == ()
    assert not kernel.jumps
    assert not kernel.homogeneous
    assert kernel.require_closed() is kernel
    assert kernel.margin(np.ones(1)) is None
    assert "2 (1 - t)" in kernel.conventions


def test_repr():
    assert repr(gaussian()) == "<Kernel gaussian; length_scale=1>"
    assert repr(matern(2.5, "1/3")) == "<Kernel matern(5/2); length_scale=1/3>"
    assert repr(rational_quadratic(2, 0.5)) == "<Kernel rational_quadratic; alpha=2, length_scale=0.5>"
    assert repr(gaussian_mixture([3])) == "<Kernel gaussian_mixture of 1; s_1=3, w_1=1>"


def test_float32():
    single = X.astype(np.float32)
    K = laplace(0.5)(single)
    assert K.dtype == np.float32
    assert np.array_equal(K, laplace(0.5)(single.astype(float)).astype(np.float32))
    assert laplace(0.5)(single, X).dtype == np.float64
    assert laplace(0.5).diag(single).dtype == np.float32


@pytest.mark.parametrize("name", CASES)
def test_changing_a_parameter_compiles_nothing(name):
    kernel = KERNELS[name]
    kernel(Y)
    with event.install_recorder("numba:compile") as recorder:
        for value in (0.5, 1.0, 2.0):
            changed = kernel.with_parameters(**dict.fromkeys(kernel.parameters, value))
            assert changed.signature == kernel.signature
            changed(Y)
    assert recorder.buffer == []


def test_parameters_do_what_a_new_baseline_does():
    assert gaussian().with_parameters(length_scale=0.3) == gaussian(0.3)
    both = rational_quadratic().with_parameters(alpha=5, length_scale="1/3")
    assert both == rational_quadratic(5, "1/3")
    assert gaussian_mixture([1, 2]).with_parameters(s_2=7, w_1=0) == gaussian_mixture([1, 7], [0, 0.5])


def test_matern_of_order_one_half_is_laplace():
    assert np.array_equal(matern("1/2", 0.7)(X), laplace(0.7)(X))


def test_rational_quadratic_tends_to_gaussian():
    """0 <= K - exp(-z) <= z^2 / (2 alpha) K, as log(1 + v) >= v - v^2 / 2; z^2 K is below 1.3 for alpha >= 10."""
    limit = gaussian(0.8)(Y)
    for alpha in (10, 100, 1000):
        difference = rational_quadratic(alpha, 0.8)(Y) - limit
        assert difference.min() >= -TOLERANCE
        assert 0.01 / alpha < difference.max() <= 0.65 / alpha


def test_a_mixture_by_gauss_laguerre_is_rational_quadratic():
    """For alpha = l = 1 the scales are exponential: 40 nodes are exact to (z / (2 + z))^80, z = D / 2 < 6."""
    nodes, weights = np.polynomial.laguerre.laggauss(40)
    D = cdist(X, Y, "sqeuclidean") / 5
    assert D.max() < 12
    bound = (6 / 8) ** 80 + TOLERANCE
    assert np.abs(gaussian_mixture(nodes, weights)(X, Y) - 1 / (1 + D / 2)).max() <= bound


def test_a_mixture_of_one_scale_is_gaussian():
    assert gaussian_mixture([4])(Y) == pytest.approx(gaussian(0.5)(Y), abs=4 * EPS)


@pytest.mark.parametrize("shift", [1e-3, 1e-6, 1e-8, 1e-10, 1e-14])
def test_nearly_equal_rows_keep_the_stated_error(shift):
    """docs/baselines.md: D errs by (d + 2) eps (q_x + q_y), laplace by at most its root."""
    rows = np.stack([X[0], X[0] * (1 + shift)])
    with mpmath.workdps(50):
        squares = [(mpmath.mpf(a) - mpmath.mpf(b)) ** 2 for a, b in rows.T]
        D = mpmath.fsum(squares) / 5
        exact = {"laplace": mpmath.exp(-mpmath.sqrt(D)), "gaussian": mpmath.exp(-D / 2)}
    error = 7 * EPS * float((rows**2).sum() / 5)
    assert laplace()(rows)[0, 1] == pytest.approx(float(exact["laplace"]), abs=math.sqrt(error) + EPS)
    assert gaussian()(rows)[0, 1] == pytest.approx(float(exact["gaussian"]), abs=error + EPS)


@pytest.mark.parametrize("name", [name for name in CASES if name != "mixture"])
@pytest.mark.parametrize("scale", [1e-49, 1e-25, 1e25, 1e49])
def test_extreme_scales(name, scale):
    """The kernel depends on x / l alone; far apart it is 0, near by 1."""
    kernel = KERNELS[name]
    own = float(kernel.parameters["length_scale"])
    moved = kernel.with_parameters(length_scale=own * scale)
    difference = moved(X * scale, Y * scale) - kernel(X, Y)
    assert np.abs(difference).max() <= TOLERANCE  # x and l round, each by an eps
    far = kernel.with_parameters(length_scale=1e-50)(X * 1e150, Y * 1e150)
    near = kernel.with_parameters(length_scale=1e50)(X, Y)
    assert np.isfinite(far).all()
    assert np.array_equal(near, np.ones_like(near))


def test_rows_at_the_edge_of_float64():
    """(q_x - m_0) + (q_y - m_0) does not overflow where q_x + q_y does."""
    rows = np.array([[1.3e154], [1.2e154], [-1.3e154]])
    assert np.array_equal(gaussian()(rows), np.eye(3))
    with pytest.raises(ValueError, match="exceeds the range of float64"):
        gaussian()(rows * 2)


def test_real_networks():
    assert real_ntk("relu", 2, W_std=1.4) == qn.kernel("relu", depth=2, weights="real", W_std=1.4)
    full, readout = (make("relu", depth=2, W_std=1.4, b_std=0.3) for make in (real_ntk, real_nngp))
    assert np.array_equal(readout(Y), full(Y, get="nngp"))
    assert np.array_equal(readout(Y, get="nngp"), readout(Y))
    assert not readout(Y, get="rounding").any()
    assert np.isfinite(real_nngp("sign")(Y)).all()
    with pytest.raises(DerivationError, match="sign jumps"):
        real_ntk("sign")
    with pytest.raises(ValueError, match="depth"):
        real_nngp("relu", depth=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian(-1), ValueError, "length_scale must lie between 1e-50"),
        (lambda: gaussian(0), ValueError, "got 0"),
        (lambda: gaussian(1e-51), ValueError, "got 1e-51"),
        (lambda: gaussian(10**5000), ValueError, "beyond 1e300"),
        (lambda: gaussian(math.nan), ValueError, "length_scale must be finite"),
        (lambda: gaussian(math.inf), ValueError, "must be finite"),
        (lambda: gaussian("wide"), ValueError, "must be a number such as 0.5 or 3/2, got 'wide'"),
        (lambda: gaussian("1e1000000000"), ValueError, "must be a number such as"),
        (lambda: gaussian("1/0"), ValueError, "must be a number"),
        (lambda: gaussian(None), TypeError, "length_scale must be a real number, got NoneType"),
        (lambda: gaussian(1j), TypeError, "real number"),
        (lambda: gaussian([1, 2]), TypeError, "real number"),
        (lambda: laplace(-0.5), ValueError, "got -0.5"),
        (lambda: rational_quadratic(0), ValueError, "alpha must lie between 0.001 and 1000, got 0"),
        (lambda: rational_quadratic(1e9), ValueError, r"got 1e\+09"),
        (lambda: matern(1), ValueError, "half-integer, 1/2, 3/2, 5/2, ... up to 41/2, got 1"),
        (lambda: matern(10**6), ValueError, "got 1000000"),
        (lambda: matern("1000001/2"), ValueError, "gaussian is the limit"),
        (lambda: matern(-0.5), ValueError, "half-integer"),
        (lambda: matern(math.nan), ValueError, "nu must be finite"),
        (lambda: matern("high"), ValueError, "nu must be a number"),
        (lambda: gaussian_mixture([]), ValueError, "needs at least one of its scales"),
        (lambda: gaussian_mixture(range(10**4)), ValueError, "at most 64 scales"),
        (lambda: gaussian_mixture(itertools.count()), ValueError, "at most 64 scales"),
        (lambda: gaussian_mixture([1], itertools.count()), ValueError, "at most 64 weights"),
        (lambda: gaussian_mixture([1, 2], [1]), ValueError, "2 scales and 1 weights"),
        (lambda: gaussian_mixture([1, -2]), ValueError, "s_2 must lie between 0"),
        (lambda: gaussian_mixture([1], [-1]), ValueError, "w_1 must lie between 0"),
        (lambda: gaussian_mixture([1, 2], [0, 0]), ValueError, "must not all be 0"),
        (lambda: gaussian_mixture([1, math.nan]), ValueError, r"scales\[1\] must be finite"),
        (lambda: gaussian_mixture("12"), TypeError, "scales must be a sequence of real numbers, got str"),
        (lambda: gaussian_mixture(1), TypeError, "got int"),
        (lambda: gaussian_mixture([[1, 2]]), TypeError, r"scales\[0\] must be a real number"),
        (lambda: gaussian().with_parameters(length_scale=-1), ValueError, "must lie between"),
        (lambda: gaussian().with_parameters(alpha=1), ValueError, "Unknown parameter 'alpha'"),
        (lambda: gaussian_mixture([1]).with_parameters(w_1=0), ValueError, "must not all be 0"),
        (lambda: gaussian()(np.eye(2), get="kernel"), ValueError, "get must be one of"),
        (lambda: gaussian().network, DerivationError, "gaussian is a baseline"),
        (lambda: qn.verify(matern(2.5)), DerivationError, r"matern\(5/2\) is a baseline.*verify"),
    ],
)  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("gaussian", gaussian()),
        (" gaussian ( ) ", gaussian()),
        ("gaussian(0.5)", gaussian(0.5)),
        ("gaussian(5e-1)", gaussian("0.5")),
        ("laplace", laplace()),
        ("matern", matern()),
        ("matern(3/2)", matern(1.5)),
        ("matern( 3/2 , 0.5 )", matern(1.5, 0.5)),
        ("rational_quadratic(1, 0.5)", rational_quadratic(1, 0.5)),
        ("gaussian_mixture(1, 4)", gaussian_mixture([1, 4])),
        ("real_ntk", real_ntk()),
        ("real_ntk(min(max(x, 0), 6), 2, 1.5, 1/10)", real_ntk("min(max(x, 0), 6)", 2, "3/2", "0.1")),
        ("real_nngp(sign)", real_nngp("sign")),
    ],
)
def test_by_name(text, kernel):
    assert baseline(text) == kernel


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gausian", r"Unknown baseline 'gausian'. Did you mean 'gaussian'\? Baselines are gaussian\(length_scale\)"),
        ("Laplace", "Did you mean 'laplace'"),
        ("matern52", "Did you mean 'matern'"),
        ("rbf", r"Unknown baseline 'rbf'. Baselines are .*matern\(nu, length_scale\)"),
        ("", "is no baseline"),
        ("gaussian(1", "is no baseline"),
        ("gaussian)1(", "is no baseline"),
        ("gaussian(1)(2)", "must be a number"),
        ("gaussian(1, 2)", r"too many.*write gaussian\(length_scale\)"),
        ("gaussian(length_scale=1)", "must be a number such as"),
        ("gaussian(,)", "too many"),
        ("gaussian(-1)", "must lie between"),
        ("gaussian(1e9999999999)", "must be a number"),
        ("gaussian(__import__('os'))", "must be a number"),
        ("matern(1)", "half-integer"),
        ("gaussian_mixture", "at least one"),
        ("real_ntk(relu, deep)", "depth must be an integer from 1 to 64, got 'deep'"),
        ("real_ntk(relu, 65)", "depth must be an integer"),
        ("real_ntk(relu, 1, wide)", "W_std must be a number"),
        ("real_ntk(__import__('os'))", "column"),
        ("real_ntk(sign)", "sign jumps"),
        ("real_ntk(relu, 1, 1, 0, 5)", r"too many.*write real_ntk\(activation, depth, W_std, b_std\)"),
        ("gaussian_mixture(" + "1," * 900 + "1)", "at most 64"),
        ("gaussian_mixture(" + "1," * 10**5 + "1)", "is no baseline"),
        ("x" * 10**6, "is no baseline"),
    ],
    ids=lambda value: re.sub(r"\W+", "-", value)[:30],
)  # fmt: skip
def test_no_such_name(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        baseline(text)
    assert len(str(caught.value)) < 500


def test_a_name_is_text():
    with pytest.raises(TypeError, match="text is needed, got int"):
        baseline(5)


def test_names_in_a_list():
    assert names_of("real, gaussian,matern(3/2, 0.5) ,16") == ["real", "gaussian", "matern(3/2, 0.5)", "16"]
    assert names_of(" , ") == names_of("") == []
    assert names_of("laplace(1, 2") == ["laplace(1, 2"]
    assert names_of("real_ntk(min(max(x, 0), min(x, 6)), 2),16") == [
        "real_ntk(min(max(x, 0), min(x, 6)), 2)",
        "16",
    ]


def test_every_function_documents_its_domain():
    for function in (*BASELINES.values(), real_ntk, real_nngp):
        if not function.__name__.startswith("_"):
            assert "Parameters" in inspect.getdoc(function)
            assert "Raises" in inspect.getdoc(function)


def test_a_file_at_the_command_line(tmp_path):
    file, data, out = (tmp_path / name for name in ("kernel.json", "X.npy", "K.npy"))
    file.write_text(matern("3/2", 0.5).to_json())
    np.save(data, Y)
    done = CliRunner().invoke(gram_command.command, [str(file), str(data), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load(out), matern("3/2", 0.5)(Y))
    refused = CliRunner().invoke(verify_command.command, [str(file)])
    assert isinstance(refused.exception, DerivationError)
    assert "is a baseline" in str(refused.exception)
    content = json.loads(file.read_text())
    content["kernel"]["network"][0][2] = 2
    with pytest.raises(BadKernelFile, match=r"not those of matern"):
        Kernel.from_json(json.dumps(content))


def test_the_import_is_lazy():
    """And needs no import of its own; errors and testing neither."""
    code = (
        "import quasintk, sys; assert not {'numba', 'sympy', 'numpy'} & sys.modules.keys(); "
        "assert {'baselines', 'errors', 'testing'} <= set(dir(quasintk)); quasintk.baselines.matern(2.5); "
        "quasintk.errors.NoClosedForm; quasintk.testing.strategies"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

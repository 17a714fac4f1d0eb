"""Properties of kernels: correct kernels have them, and each is refuted by a kernel broken for it."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verify.properties as module
from derive.errors import NumericalError
from derive.ir import Name
from numerics.kernel import Kernel
from quasintk.pipeline import kernel
from verify.findings import sample_rows, worst
from verify.strategies import data_sets, mlps

KERNELS = {
    "relu": kernel("relu", depth=2, weights="binary"),
    "erf": kernel("erf", weights="ternary", b_std=0.3),
    "real": kernel("relu", weights="real"),
}
UNROUNDED = {"p free of the latent fraction", "monotone in the latent fraction", "r = 1 is the real network"}
TAYLOR = {"Taylor coefficients >= 0", "trace"}
SAYS_NOTHING = {
    "relu": set(),
    "erf": {"homogeneity"},
    "real": UNROUNDED,
    "tanh": {"homogeneity"} | TAYLOR,
}


@pytest.mark.parametrize("name", ["relu", "erf", "real", pytest.param("tanh", marks=pytest.mark.slow)])
def test_correct_kernels_have_them_all(name):
    one = KERNELS[name] if name in KERNELS else kernel(name, b_std=0.2)
    findings = module.properties(one, seed=3)
    assert len({finding.name for finding in findings}) == len(findings) == 12
    assert [finding for finding in findings if finding.holds is False] == []
    silent = [finding for finding in findings if finding.holds is None]
    assert {finding.name for finding in silent} == SAYS_NOTHING[name]
    assert all(finding.detail for finding in findings)


class Broken:
    """A kernel with another call, or other attributes: `change` gets values, output, X, Y."""

    def __init__(self, one, change=None, **attributes):
        self.one, self.change, self.__dict__ = one, change, {"one": one, "change": change, **attributes}

    def __getattr__(self, name):
        return getattr(self.one, name)

    def __call__(self, X, Y=None, get="ntk"):
        found = self.one(X, Y, get=get)
        if self.change is None:
            return found
        Y = X if Y is None else np.array(Y)  # another object
        return tuple(self.change(K.copy(), o, X, Y) for K, o in zip(found, get, strict=True))


def equal(X, Y):
    return (X[:, None, :] == Y).all(axis=2)


def norms(X):
    return np.linalg.norm(X, axis=1)


def series(one, **changes):
    """`on_sphere` with some of a TaylorSeries's fields changed."""

    @dataclasses.dataclass
    class OnSphere:
        q: object
        get: str

        def taylor_series(self, terms):
            found = one.on_sphere(self.q, self.get).taylor_series(terms)
            return dataclasses.replace(
                found, **{key: change(getattr(found, key)) for key, change in changes.items()}
            )

    return OnSphere


def negative(a):
    return np.where(np.arange(len(a)) == 3, -a, a)


RELU, ERF = KERNELS["relu"], KERNELS["erf"]
SMALL = 1e-6
"""What the changes are in size, where not written out: far above rounding, far below what one would see."""
BROKEN = {
    "a pair that depends on its order": (
        module.symmetry, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 + SMALL * (norms(X)[:, None] - norms(Y))))),
    "a block that is not the whole's": (
        module.symmetry, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 if X is Y else 1 + SMALL))),
    "a constant missing": (
        module.positive_semidefinite, lambda: Broken(ERF, lambda K, o, X, Y: K - 0.1 * (o == "ntk"))),
    "a sign in p - m": (
        module.positive_semidefinite, lambda: Broken(RELU, lambda K, o, X, Y: -K if o == "rounding" else K)),
    "large off the diagonal": (
        module.cauchy_schwarz, lambda: Broken(ERF, lambda K, o, X, Y: K * (1 + 0.5 * ~equal(X, Y)))),
    "not a number": (
        module.cauchy_schwarz, lambda: Broken(RELU, lambda K, o, X, Y: np.where(equal(X, Y), K, np.nan))),
    "m above p": (
        module.diagonal_order, lambda: Broken(RELU, lambda K, o, X, Y: -K if o == "rounding" else K)),
    "a diagonal that is no limit": (
        module.diagonal_order, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 + SMALL * equal(X, Y)))),
    "p that grows with r": (
        module.total_moment, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 + SMALL * (o == "rounding")))),
    "falling in r": (
        module.monotone, lambda: Broken(RELU, with_parameters=lambda latent_fraction:
                                        RELU.with_parameters(latent_fraction=1 / (9 * latent_fraction)))),
    "almost real": (
        module.real_weights, lambda: Broken(RELU, with_parameters=lambda latent_fraction:
                                            RELU.with_parameters(latent_fraction=latent_fraction * (1 - SMALL)))),
    "the real kernel of another scale": (
        module.real_weights, lambda: Broken(RELU, with_parameters=lambda latent_fraction:
                                            RELU.with_parameters(latent_fraction=1, W_std=1 + SMALL))),
    "called homogeneous": (module.homogeneity, lambda: Broken(ERF, homogeneous=True)),
    "a constant added": (
        module.homogeneity, lambda: Broken(RELU, lambda K, o, X, Y: K + SMALL)),
    "a feature that counts twice": (
        module.rotation, lambda: Broken(RELU, lambda K, o, X, Y: K + SMALL * np.outer(X[:, 0], Y[:, 0]))),
    "rows by number": (
        module.permutation, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 + SMALL * np.arange(len(Y))))),
    "features by number": (
        module.permutation, lambda: Broken(RELU, lambda K, o, X, Y: K + SMALL * np.outer(X[:, 0], Y[:, 0]))),
    "a negative coefficient": (
        module.taylor_coefficients, lambda: Broken(ERF, on_sphere=series(ERF, coefficients=negative))),
    "a negative coefficient, in the trace": (
        module.trace, lambda: Broken(ERF, on_sphere=series(ERF, coefficients=negative))),
    "coefficients too large": (
        module.trace, lambda: Broken(RELU, on_sphere=series(RELU, coefficients=lambda a: a * (1 + SMALL)))),
    "coefficients missing": (
        module.trace, lambda: Broken(RELU, on_sphere=series(RELU, coefficients=lambda a: np.where(np.arange(len(a)) < 9, a, 0)))),
    "another K(1)": (
        module.trace, lambda: Broken(RELU, on_sphere=series(RELU, total=lambda K: K * (1 + SMALL)))),
    "other compiled code": (module.trace, lambda: Broken(RELU, lambda K, o, X, Y: K * (1 + SMALL))),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_kernel_is_refuted(name):
    predicate, make = BROKEN[name]
    X = sample_rows(RELU)
    finding = predicate(make(), X)
    assert finding.holds is False, finding
    assert not finding.worst <= finding.tolerance
    assert finding.detail


def test_the_finding_names_the_output_and_the_pair():
    def change(K, o, X, Y):
        K[2, 5] *= 1.001 if o == "nngp" else 1.0
        return K

    finding = module.symmetry(Broken(RELU, change), sample_rows(RELU))
    assert finding.detail in ("nngp, rows 2 and 5", "nngp, rows 5 and 2")
    K = RELU(sample_rows(RELU), get="nngp")
    assert finding.worst == pytest.approx(1e-3 * K[2, 5] / math.sqrt(K[2, 2] * K[5, 5]), rel=1e-6)


@pytest.mark.parametrize("share", [1.0 + 1e-6, 1.0 - 1e-6])
def test_a_wrong_spectrum_is_refuted(share, monkeypatch):
    """Eigenvalues that are too large exceed K(1), too small ones the coefficients of low degree."""
    right = module.zonal_eigenvalues

    def wrong(*arguments):
        found = right(*arguments)
        return dataclasses.replace(found, eigenvalue=found.eigenvalue * share)

    X = sample_rows(RELU)
    assert module.trace(RELU, X).holds
    monkeypatch.setattr(module, "zonal_eigenvalues", wrong)
    finding = module.trace(RELU, X)
    assert finding.holds is False
    assert "sum of N lambda_k" in finding.detail


@pytest.mark.parametrize("check", [module.taylor_coefficients, module.trace])
def test_a_kernel_without_a_series_is_left_undecided(check):
    """b_std = 1000 makes K nearly constant: its Taylor series at t = 0 is refused, which is no fault of the kernel."""
    nearly_constant = kernel("relu", b_std=1000)
    finding = check(nearly_constant, sample_rows(nearly_constant))
    assert finding.holds is None
    assert "nearly constant" in finding.detail


def test_a_layer_whose_rounding_is_forgotten_off_the_diagonal():
    """A wrong line of the intermediate representation: M = P in the second layer's pairs."""
    body = tuple(
        dataclasses.replace(assign, value=Name("P_2")) if assign.target == "M_2" else assign
        for assign in RELU.ir.pair.body
    )
    assert body != RELU.ir.pair.body
    wrong = Kernel(dataclasses.replace(RELU.ir, pair=dataclasses.replace(RELU.ir.pair, body=body)))
    refuted = {finding.name for finding in module.properties(wrong) if finding.holds is False}
    assert {"Cauchy-Schwarz", "trace"} <= refuted


def test_real_weights_keep_half_of_the_digits_of_parallel_rows():
    """The tolerance knows it: an angle of 0 errs by the root of eps; rows of cosine 0 are held to 1e-11."""
    X = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    found = module.matrices(KERNELS["real"], X)["ntk"].tolerance
    assert 1e-9 < found[0, 1] < 1e-6
    assert found[0, 2] < 1e-11


def test_the_rows_hold_what_kernels_may_trip_over():
    X = sample_rows(RELU)
    n = norms(X)
    cosines = X @ X.T / np.outer(n, n)
    off = ~np.eye(len(X), dtype=bool)
    assert len(X) == 12
    assert (equal(X, X) & off).any()
    assert (cosines[off] < -1 + 1e-12).any()
    assert n.min() < 2e-2 * n.max() / 10
    assert np.isclose(n, math.sqrt(5)).sum() >= 5


def test_rows_stay_inside_the_domain():
    bounded = Broken(RELU, margin=lambda q: 1 - q / 2)
    q = (sample_rows(bounded) ** 2).mean(axis=1)
    assert (1 - q / 2 > 0.125).all()
    assert (
        len(q) >= 9
    )  # the two at 2 and 1.5 times the norm are gone, and no factor of the large row is small enough

    def overflow(K, o, X, Y):
        if norms(X).max() > 6:
            raise NumericalError("exceeds the range of float64")
        return K

    X = sample_rows(Broken(RELU, overflow))
    assert len(X) >= 10
    assert norms(X).max() <= 6

    def never(K, o, X, Y):
        raise NumericalError("exceeds the range of float64")

    with pytest.raises(NumericalError, match="cannot be computed for rows"):
        sample_rows(Broken(RELU, never))


def test_nan_is_the_worst():
    assert worst("name", [(0.0, 0.0, "a"), (math.nan, 1.0, "b"), (2.0, 1.0, "c")]).holds is False
    assert worst("name", [(math.nan, 1.0, "b")]).holds is False
    assert worst("name", []).holds is None


SELDOM = mlps(max_depth=1, activation=st.sampled_from(["relu", "erf"]))
"""At most eight structures: each is compiled."""


@settings(max_examples=6)
@given(SELDOM, data_sets(max_rows=5))
def test_drawn_networks_have_them(network, X):
    one = kernel(network)
    for predicate in (
        module.symmetry,
        module.positive_semidefinite,
        module.cauchy_schwarz,
        module.diagonal_order,
        module.monotone,
        module.homogeneity,
        module.rotation,
        module.permutation,
    ):
        finding = predicate(one, X)
        assert finding.holds is not False, finding


def test_finite_quasi_networks_approach_the_kernel():
    finding = module.width_limit(RELU, rng=1, width=64, networks=24)
    assert finding.holds
    assert finding.tolerance < 0.6


@pytest.mark.parametrize("output", ["ntk", "nngp"])
def test_finite_quasi_networks_leave_a_wrong_kernel(output):
    """p in m's place is about twice as much; so is the NTK doubled."""

    def change(K, o, X, Y):
        return 2 * K if o == output else K

    finding = module.width_limit(Broken(RELU, change), rng=1, width=64, networks=24)
    assert finding.holds is False
    assert finding.detail.startswith(output)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "erf", "real"])
def test_finite_quasi_networks_approach_the_kernel_closely(name):
    finding = module.width_limit(KERNELS[name], rng=2, width=128, networks=1000)
    assert finding.holds
    assert finding.tolerance < 0.06


@pytest.mark.parametrize("name", ["hardtanh", "softshrink"])
def test_an_odd_network_is_odd(name):
    """With real weights and no biases f(-x) = -f(x), so m(x, -x) = -m(x, x), where the pair's formulas are 0/0."""
    one, X = kernel(name, depth=2, weights="real"), np.random.default_rng(0).normal(size=(100, 5))
    m = one(np.concatenate([X, -X]), get="nngp")
    assert np.allclose(np.diag(m[:100, 100:]), -np.diag(m)[:100], rtol=1e-6)

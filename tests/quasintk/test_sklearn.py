"""QuasiNTK and LowRankRidge as scikit-learn's own estimators and checks see them."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import quasintk as qn
from numerics import preflight as module
from quasintk.errors import BadExpression, DataWarning
from quasintk.sklearn import LowRankRidge, QuasiNTK, preflight

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.sin(X[:, 0]) + X[:, 1] ** 2
LABELS = Y > 0.8
NOISE = 0.3 * RNG.normal(size=60)
ONE = QuasiNTK(W_std=1.2, b_std=0.3)


@parametrize_with_checks([LowRankRidge()])
def test_estimator_checks(estimator, check):
    check(estimator)


def test_clone_and_parameters():
    first = QuasiNTK(
        "relu", 3, qn.Levels(4), W_std=1.4, b_std=0.1, latent_fraction=0.5, latent_fraction_bounds=(0.1, 1)
    )
    again = clone(first)
    assert again == first
    assert again.get_params() == first.get_params()
    assert again.set_params(depth=2) != first
    assert pickle.loads(pickle.dumps(first)) == first
    assert np.array_equal(pickle.loads(pickle.dumps(ONE))(X), ONE(X))
    assert repr(ONE) == "QuasiNTK('relu', depth=1, weights='binary', W_std=1.2, b_std=0.3)"
    assert not first.is_stationary()
    assert first.requires_vector_input


def test_theta_is_what_is_free():
    assert np.allclose(np.exp(ONE.theta), (1.2, 0.3))
    assert ONE.bounds.shape == (2, 2)
    assert QuasiNTK().theta.shape == (1,)  # a bias of 0 stays
    freed = QuasiNTK(b_std=0.3, b_std_bounds="fixed", latent_fraction_bounds=(0.01, 1))
    assert np.allclose(np.exp(freed.theta), (1, 1 / 3))
    moved = freed.clone_with_theta(np.log([2, 0.9]))
    assert (moved.W_std, moved.latent_fraction) == pytest.approx((2, 0.9))
    assert QuasiNTK(weights="real", latent_fraction_bounds=(0.01, 1)).theta.shape == (1,)
    fixed = QuasiNTK(W_std_bounds="fixed")
    assert fixed(X, eval_gradient=True)[1].shape == (60, 60, 0)


def test_values_are_the_kernels():
    kernel = qn.kernel("relu", W_std=1.2, b_std=0.3)
    assert np.array_equal(ONE(X), kernel(X))
    assert np.array_equal(ONE(X[:9], X), kernel(X[:9], X))
    assert np.array_equal(ONE.diag(X), np.diag(ONE(X)))
    assert np.abs(ONE(X, eval_gradient=True)[0] - ONE(X)).max() < 1e-13 * ONE(X).max()
    assert ONE(X.astype(np.float32)).dtype == np.float64
    assert ONE.to_kernel().parameters == kernel.parameters
    assert np.array_equal(QuasiNTK(weights=np.int64(2), depth=np.int64(1))(X), QuasiNTK()(X))
    assert np.array_equal(QuasiNTK("sign", get="nngp")(X), qn.kernel("sign", get="nngp")(X))


@pytest.mark.parametrize("weights", ["binary", "real"])
@pytest.mark.parametrize("activation", ["relu", "erf", "gelu"])
def test_gradient_against_differences(activation, weights):
    kernel = QuasiNTK(activation, 1, weights, 1.2, 0.3, latent_fraction_bounds=(1e-2, 1))
    K, slopes = kernel(X, eval_gradient=True)
    assert slopes.shape == (60, 60, 3 if weights == "binary" else 2)
    h, theta = 1e-3, kernel.theta
    for i, direction in enumerate(np.eye(len(theta))):
        moved = [kernel.clone_with_theta(theta + k * h * direction) for k in (-2, -1, 1, 2)]
        values = [other(X, eval_gradient=True)[0] for other in moved]  # one compilation less
        differences = np.tensordot([1, -8, 8, -1], values, 1) / (12 * h)
        assert np.abs(slopes[:, :, i] - differences).max() < 1e-10 * K.max()  # eps / h


def test_gaussian_process_regression_reaches_a_stationary_point():
    kernel = QuasiNTK("relu", W_std=0.5, b_std=0.3) + WhiteKernel(1.0)
    model = GaussianProcessRegressor(kernel).fit(X, Y + NOISE)
    before, slope = model.log_marginal_likelihood(kernel.theta, eval_gradient=True)
    after, left = model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)
    assert after > before + 1
    assert np.abs(left).max() < 1e-2 * np.abs(slope).max()
    assert model.predict(X[:3], return_std=True)[1].shape == (3,)


def test_estimators_call_it_once_for_a_matrix(monkeypatch):
    shapes = []
    whole = QuasiNTK.__call__

    def counted(self, A, B=None, eval_gradient=False):
        shapes.append((len(A), len(A if B is None else B)))
        return whole(self, A, B, eval_gradient)

    monkeypatch.setattr(QuasiNTK, "__call__", counted)
    K = ONE(X)
    shapes.clear()
    ridge = KernelRidge(kernel=ONE, alpha=0.1).fit(X, Y)
    assert shapes == [(60, 60)]
    assert np.allclose(ridge.predict(X[:5]), K[:5] @ np.linalg.solve(K + 0.1 * np.eye(60), Y))
    assert shapes == [(60, 60), (5, 60)]
    shapes.clear()
    support = SVC(kernel=ONE).fit(X, LABELS)
    given = SVC(kernel="precomputed").fit(K, LABELS)
    assert shapes == [(60, 60)]
    assert np.array_equal(support.decision_function(X), given.decision_function(K))
    shapes.clear()
    KernelPCA(2, kernel=ONE).fit(X)
    Nystroem(kernel=ONE, n_components=20, random_state=0).fit_transform(X)
    assert shapes == [(60, 60), (20, 20), (60, 20)]
    classifier = GaussianProcessClassifier(ONE, optimizer=None).fit(X, LABELS)
    assert classifier.score(X, LABELS) > 0.7


def test_grid_search_reaches_the_network():
    grid = [
        {"kernel__depth": [1, 2]},
        {"kernel__weights": ["real", "ternary"]},
        {"kernel__activation": ["erf", "x*Phi(x)"]},
    ]
    search = GridSearchCV(KernelRidge(kernel=QuasiNTK(), alpha=0.1), grid, cv=2).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert len({round(score, 12) for score in scores}) == 6
    nested = GridSearchCV(
        make_pipeline(LowRankRidge(QuasiNTK())), {"lowrankridge__kernel__depth": [1, 2]}, cv=2
    )
    assert nested.fit(X, Y).best_params_.keys() == {"lowrankridge__kernel__depth"}


def test_ridge_is_kernel_ridge_at_full_rank():
    exact = KernelRidge(kernel=ONE, alpha=0.1).fit(X, Y).predict(X[:5])
    for model in (LowRankRidge(ONE, 0.1), LowRankRidge(ONE.to_kernel(), 0.1, rank=20, exact=True)):
        assert np.allclose(model.fit(X, Y).predict(X[:5]), exact, atol=1e-6)
    low = LowRankRidge(ONE, 0.1, rank=20, random_state=np.random.RandomState(1)).fit(X, np.c_[Y, -Y])
    assert 0 < low.error_ < 0.1
    assert low.predict(X[:5]).shape == (5, 2)
    assert pickle.loads(pickle.dumps(low)).predict(X[:5]).shape == (5, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"W_std_bounds": (-1, 1)}, "W_std_bounds must be"),
        ({"W_std_bounds": (2, 1)}, "W_std_bounds must be"),
        ({"W_std_bounds": "free"}, "W_std_bounds must be"),
        ({"b_std": 0.1, "b_std_bounds": (0, 1)}, "b_std_bounds must be"),
        ({"b_std_bounds": (0.1, 1)}, "b_std = 0 has no logarithm"),
        ({"latent_fraction_bounds": (0.1, 2)}, "latent_fraction_bounds must be .* <= 1"),
    ],
)
def test_wrong_bounds(options, message):
    with pytest.raises(ValueError, match=message):
        QuasiNTK(**options).theta  # noqa: B018


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"activation": "nothing"}, BadExpression, "nothing"),
        ({"activation": ["relu"]}, BadExpression, "list"),
        ({"depth": 0}, ValueError, "depth"),
        ({"weights": "quaternary"}, ValueError, "quaternary"),
        ({"W_std": -1.0}, ValueError, "W_std"),
        ({"weights": "real", "latent_fraction": 0.5}, ValueError, "rounded"),
        ({"latent_fraction": 1.5}, ValueError, "latent_fraction"),
        ({"get": "rounding"}, ValueError, "get"),
    ],
)
def test_wrong_parameters_raise_when_computed(options, error, message):
    with pytest.raises(error, match=message):
        QuasiNTK(**options)(X)


def test_wrong_data():
    holes = X.copy()
    holes[7, 2] = np.nan
    with pytest.raises(ValueError, match="row 7, column 2"):
        ONE(holes)
    with pytest.raises(TypeError, match="sparse"):
        ONE(scipy.sparse.csr_array(X))
    with pytest.raises(ValueError, match="shape"):
        ONE(X[0])
    with pytest.raises(ValueError, match="Y=None"):
        ONE(X, X, eval_gradient=True)
    with pytest.raises(TypeError, match="QuasiNTK or"):
        LowRankRidge("rbf").fit(X, Y)
    with pytest.raises(ValueError, match="alpha must be positive"):
        LowRankRidge(alpha=0).fit(X, Y)


def with_zero(rows):
    return np.vstack([rows, np.zeros((1, rows.shape[1]))])


@pytest.mark.parametrize(
    ("kernel", "rows", "message"),
    [
        (QuasiNTK(), np.vstack([X, 1e3 * X[:1]]), "times as long as the median row, row 60"),
        (QuasiNTK(), X * (1, 1, 1e6, 1), "Feature 2 of X"),
        (QuasiNTK("erf"), 1e2 * X, "saturated"),
        (QuasiNTK("erf"), 1e-2 * X, "almost linear"),
        (QuasiNTK(), with_zero(X), "biases"),
    ],
)
def test_odd_data_warn(kernel, rows, message):
    with pytest.warns(DataWarning, match=message) as caught:
        kernel(rows)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DataWarning)
        kernel(rows)


def test_odd_penalties_warn():
    with pytest.warns(DataWarning, match="fewer than two digits"):
        LowRankRidge(ONE, alpha=1e-16, rank=5).fit(X, Y)
    with pytest.warns(DataWarning, match="predictions will be 0"):
        LowRankRidge(ONE, alpha=1e9, rank=5).fit(X, Y)


@pytest.mark.parametrize(
    "rows",
    [
        RNG.normal(size=(2000, 1)),
        RNG.uniform(size=(500, 20)),
        np.eye(50),
        RNG.poisson(0.1, size=(500, 60)) + 1.0 * (np.arange(60) == 0),
        RNG.standard_t(3, size=(500, 10)),
        np.zeros((0, 3)),
    ],
    ids=["gaussian", "uniform", "indicators", "counts", "heavy tails", "nothing"],
)
def test_ordinary_data_do_not_warn(rows):
    """Nothing is said, with biases or (of data without rows of zeros) without; filterwarnings makes a warning an error."""
    for kernel in (ONE, QuasiNTK(), QuasiNTK("erf", b_std=0.1)):
        found = preflight(kernel.to_kernel(), rows, 1e-10)
        assert found.findings == ()
    assert found.condition is None or 1 <= found.condition < module.CONDITION


def test_without_scikit_learn_the_message_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None\nimport quasintk.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'quasintk[sklearn]'" in done.stderr

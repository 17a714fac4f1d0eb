"""The science of the studies against independent facts: statistics, training, data, machines, what each one reports."""

import hashlib
import math

import numpy as np
import pytest
import scipy.stats
import sklearn.datasets
from sklearn.svm import SVC

import quasintk as qn
from derive.weights import weight_law
from quasintk.studies import (
    approximation,
    approximation_tables,
    comparison,
    datasets,
    decay,
    gap,
    kernels,
    machines,
    precision,
)
from quasintk.studies.statistics import SLOPES, is_open, mean_over, mean_over_splits, ranks, rate, share, side
from quasintk.studies.training import Recipe, Trainable, gradient, initial, outputs_of, rounded, train

RNG = np.random.default_rng
WIDTHS = np.array([64.0, 128, 256, 512, 1024, 2048, 4096])


@pytest.mark.parametrize(("count", "draws"), [(7, 6), (3, 4)])
def test_a_rate_is_covered_by_its_interval(count, draws):
    """Errors width^-0.75; the squares' noise, estimated from a few draws, hides them at the largest widths."""
    hits, rng, width = 0, RNG(0), WIDTHS[:count]
    noise = np.array([0.2, 0.1, 0.1, 0.1, 0.15, 0.3, 0.4])[:count, None]
    truth = (width / 64) ** -1.5
    for _ in range(200):
        seen = truth[:, None] + noise * rng.normal(size=(count, draws))
        found = rate(width, seen.mean(axis=1), seen.std(axis=1, ddof=1) / math.sqrt(draws), draws)
        hits += found[1] <= -0.75 <= found[2]
    assert hits >= 187  # 97 % of 200, less 3 standard deviations


def test_a_rate_without_noise_is_exact_and_one_of_noise_alone_is_open():
    value, low, high = rate(WIDTHS, 3 * WIDTHS**-2.0, 1e-6 * WIDTHS**-2.0, 5)
    assert value == pytest.approx(-1, abs=1e-3)  # the grid's step
    assert (low, high) == pytest.approx((-1, -1), abs=2e-3)
    assert is_open(rate(WIDTHS, RNG(1).normal(size=7), np.ones(7), 5))
    assert rate(WIDTHS[:2], WIDTHS[:2] ** -1.0, np.ones(2), 5)[1:] == (SLOPES[0], SLOPES[-1])


def test_intervals_of_means():
    values = RNG(0).normal(size=8)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert mean_over(values)[1:] == pytest.approx(tuple(expected))
    plain, corrected = mean_over(values), mean_over_splits(values, 0.25)
    assert (corrected[2] - corrected[0]) / (plain[2] - plain[0]) == pytest.approx(math.sqrt(1 + 8 * 0.25))
    assert mean_over([1.0]) == (1.0, -math.inf, math.inf)
    assert [side(*ends) for ends in ((0.1, 0.2), (-2, -1), (-1, 1), (None, None), (1e-17, 1e-17))] == [
        "higher", "lower", "undecided", "undecided", "undecided",
    ]  # fmt: skip


@pytest.mark.parametrize(("hits", "of"), [(0, 4), (3, 4), (4, 4)])
def test_intervals_of_shares(hits, of):
    expected = scipy.stats.binomtest(hits, of).proportion_ci(method="exact")
    assert share(hits, of) == pytest.approx((hits / of, *expected))


def test_ranks_share_ties():
    np.testing.assert_array_equal(
        ranks(np.array([[0.9, 0.8, 0.9], [0.1, 0.2, 0.3]])), [[1.5, 3, 1.5], [3, 2, 1]]
    )


@pytest.mark.parametrize("weights", ["binary", "ternary", "16", "real"])
def test_roundings_lie_on_the_grid_and_average_to_the_latents(weights):
    found = initial(qn.mlp("relu", weights=weights), 5, 7, 2, seed=0)
    draws = np.array([rounded(found, RNG(seed))[0] for seed in range(4000)])
    law = weight_law(weights)
    if law.levels is None:
        assert (draws == found.layers[0][0]).all()
        return
    place = (draws + 1) / float(law.step)
    assert np.abs(place - np.round(place)).max() < 1e-5
    assert np.abs(draws).max() <= 1
    assert np.abs(draws.mean(axis=0) - found.layers[0][0]).max() < 4.5 * float(law.step) / 2 / math.sqrt(4000)


@pytest.mark.parametrize("weights", ["binary", "real"])
def test_gradients_are_difference_quotients(weights):
    rng = RNG(0)
    found = initial(qn.mlp("relu", depth=2, weights=weights, W_std=1.4142, b_std=0.3), 4, 6, 2, seed=1)
    X, Y = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(9, 2)).astype(np.float32)
    W = rounded(found, rng)

    def loss(k, at, step):
        """In double precision: `outputs_of` holds single ones, which the step of 1e-2 allows."""
        moved = [w.copy() for w in W]
        biases = [b.copy() for _, b in found.layers]
        (moved if k % 2 == 0 else biases)[k // 2][at] += step
        layers = tuple((w, b) for (w, _), b in zip(found.layers, biases, strict=True))
        return float(np.mean((outputs_of(Trainable(found.dense, layers), moved, X).astype(float) - Y) ** 2))

    for k, exact in enumerate(gradient(found, W, X, Y)):
        for at in (tuple(rng.integers(exact.shape)) for _ in range(4)):
            quotient = (loss(k, at, 1e-2) - loss(k, at, -1e-2)) / 2e-2
            assert exact[at] == pytest.approx(quotient, rel=0.02, abs=2e-3 * float(np.abs(exact).max()))


def test_the_trained_network_is_the_one_that_is_sampled():
    """Real weights: the sampler's output is ours."""
    network = qn.mlp("relu", depth=2, weights="real", W_std=1.4142, b_std=0.2)
    latents = qn.sample_network(network, 32, rng=0)
    X = RNG(1).normal(size=(5, 3))
    same = Trainable(network.dense_layers, tuple(zip(latents.weights, latents.biases, strict=True)))
    ours = outputs_of(same, rounded(same, RNG(0)), latents.lifted(X))
    np.testing.assert_allclose(ours[:, 0], latents.sample(X, 1, rng=2).outputs[0], rtol=1e-4, atol=1e-5)


def test_training_learns_and_keeps_latents_of_rounded_layers_in_range():
    X = RNG(0).normal(size=(200, 6))
    Y = np.sign(X[:, :1])
    start = initial(qn.mlp("relu", depth=2, b_std=0.1, W_std=1.4142), 6, 64, 1, seed=0)
    found = train(start, X, Y, Recipe(200, 32, 0.03, 0))

    def accuracy(network):
        return np.mean(
            [np.mean(np.sign(outputs_of(network, rounded(network, RNG(s)), X)) == Y) for s in range(20)]
        )

    assert accuracy(start) < 0.7
    assert accuracy(found) > 0.8
    assert [np.abs(w).max() <= 1 for w, _ in found.layers] == [True, True, False]  # the readout is real
    again = train(start, X, Y, Recipe(200, 32, 0.03, 0))
    assert all((a == b).all() for a, b in zip(sum(found.layers, ()), sum(again.layers, ()), strict=True))


def test_a_square_is_that_of_the_bias():
    """Four batches of deviations 0.1 + noise of size 1, over 1e6 places: noise of 1 / sqrt(6e6) in the mean of six products."""
    rng = RNG(0)
    deviations = [0.1 + rng.normal(size=1_000_000) for _ in range(4)]
    assert approximation._square(deviations) == pytest.approx(0.01, abs=5 / math.sqrt(6e6))


@pytest.mark.parametrize(
    ("interval", "course"),
    [((-0.7, -0.9, -0.5), "falls"), ((0.5, 0.1, 0.9), "grows"), ((-1, -2, 0.1), "undecided"), ((-1, -3, -0.1), "falls")],
)  # fmt: skip
def test_an_error_falls_where_its_rate_is_known_to_be_negative(interval, course):
    assert approximation_tables._course(interval) == course


def test_the_first_layer_is_exact_and_a_wrong_claim_is_seen(monkeypatch):
    """nu and sig2 of the first layer hold at every width (theory.md, section 2); a variance 10 % off shows as 0.1."""
    network = qn.mlp("relu", depth=1, W_std=1.4142)
    latents = qn.sample_network(network, 64, rng=0)
    X = RNG(0).normal(size=(16, 8))
    first = next(iter(approximation.measured(network, latents, X, 4000, 64, RNG(1))))
    assert abs(first["nu"]) < 1e-4  # 1 / 4000, over 64 neurons and 16 inputs that share roundings
    assert abs(first["sig2"]) < 2e-4
    assert first["distance"] == pytest.approx(first["gaussian"], rel=0.1)  # 64 neurons, each off by a third
    right = approximation.quasi_network

    class Wrong:
        def __init__(self, *given):
            self.moments = lambda X: [
                type(m)(m.nu, m.sig2 / 1.1, m.mu, m.tau) for m in right(*given).moments(X)
            ]

    monkeypatch.setattr(approximation, "quasi_network", Wrong)
    wrong = next(iter(approximation.measured(network, latents, X, 4000, 64, RNG(1))))
    assert math.sqrt(wrong["sig2"]) == pytest.approx(0.1, rel=0.1)


def test_data_are_scikit_learns_and_hashed():
    raw = sklearn.datasets.load_wine()
    data = datasets.load("wine", most=50)
    assert data.digest == hashlib.sha256(raw.data.tobytes() + raw.target.astype(float).tobytes()).hexdigest()
    assert data.described()["rows"] == 50
    assert (data.targets.sum(axis=1) == -1).all()
    assert datasets.load("diabetes").regression


def test_a_split_is_scaled_by_its_training_rows_alone():
    data = datasets.load("breast_cancer")
    train_rows, test_rows = data.splits(3, 0)[0]
    split = datasets.Split.of(data, train_rows, test_rows)
    assert np.mean(split.train.X**2) == pytest.approx(1)
    moved = datasets.Data(data.name, data.X.copy(), data.y, False, "")
    moved.X[test_rows] *= 5
    assert (datasets.Split.of(moved, train_rows, test_rows).train.X == split.train.X).all()
    shares = [data.y[rows].mean() for rows in (train_rows, test_rows)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)


def test_scores():
    split = datasets.Split(*(datasets.Part(np.empty((0, 0)), np.empty((0, 0))),) * 2, regression=False)
    Y = np.array([[1.0, -1], [1, -1], [-1, 1], [-1, 1]])
    assert split.score(np.array([[0.2, 0.1], [0, 1], [0, 1], [0, 1]]), Y) == 0.75
    number = datasets.Split(split.train, split.test, regression=True)
    y = np.array([[1.0], [2], [3]])
    assert number.score(y, y) == 1
    assert number.score(np.full((3, 1), 2.0), y) == 0


def test_tables_from_openml_become_numbers(monkeypatch):
    """A number with a gap, a category with a gap; a class of three rows is left out."""
    n = 23
    X = np.column_stack((np.arange(n, dtype=float), np.tile([0.0, 1, 2], n)[:n]))
    X[4, 0] = X[5, 1] = np.nan
    bunch = sklearn.utils.Bunch(
        data=X,
        target=np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 3),
        feature_names=["x", "kind"],
        categories={"kind": ["u", "v", "w"]},
    )
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda **given: bunch)
    data = datasets.load("openml/anything")
    assert data.X.shape == (20, 5)
    assert data.X[4, 0] == np.median(np.delete(np.arange(n), 4))
    np.testing.assert_array_equal(data.X[5, 1:], [0, 0, 0, 1])
    np.testing.assert_array_equal(data.X[1, 1:], [0, 1, 0, 0])
    assert data.described()["classes"] == 2

    def silent(**given):
        raise OSError("no route")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", silent)
    with pytest.raises(OSError, match="--resume goes on"):
        datasets.load("openml/anything")


def test_ridge_solves_its_equations():
    rng = RNG(0)
    A = rng.normal(size=(12, 12))
    K, Y, new = A @ A.T, rng.normal(size=(12, 2)), rng.normal(size=(3, 12))
    for found, ridge in zip(machines.ridge(K, Y, new, (0.1, 2.0), False), (0.1, 2.0), strict=True):
        np.testing.assert_allclose(found, new @ np.linalg.solve(K + ridge * np.eye(12), Y), rtol=1e-8)


def test_support_vectors_are_scikit_learns_on_the_inputs():
    data = datasets.load("iris")
    X = data.X / 3
    K = np.exp(-((X[:, None] - X) ** 2).sum(axis=2))
    (found,) = machines.support_vectors(K, data.targets, K, (1.0,), False)
    expected = SVC(kernel="rbf", gamma=1.0, C=1.0).fit(X, data.y).predict(X)
    np.testing.assert_array_equal(found.argmax(axis=1), expected)


def test_choices_do_not_see_the_test_rows(monkeypatch):
    settings = kernels.replace(kernels.QUICK, depths=(1,), scales=(1.0, 2.0), folds=2, most=100)
    honest = kernels._cell(settings, 0, "iris", 0, 0)
    right = datasets.Split.of

    def poisoned(data, train_rows, test_rows):
        split = right(data, train_rows, test_rows)
        return datasets.Split(split.train, datasets.Part(split.test.X, -split.test.Y), split.regression)

    monkeypatch.setattr(kernels.Split, "of", poisoned)
    found = kernels._cell(settings, 0, "iris", 0, 0)
    assert [row["chosen"] for row in found] == [row["chosen"] for row in honest]
    assert [row["train"] for row in found] == [row["train"] for row in honest]
    assert [row["test"] for row in found] != [row["test"] for row in honest]
    assert min(row["test"] for row in honest) > 0.85  # iris is that easy


def made_up(scores):
    """Rows of two methods on data sets of three splits: scores[data] = (classes, a's tests, b's tests); training score 1."""
    return [
        {
            "data": data,
            "rows": 9,
            "features": 1,
            "classes": classes,
            "sha256": "",
            "split": str(k),
            "method": method,
            "train": 1.0,
            "test": test,
        }
        for data, (classes, *tests) in scores.items()
        for method, values in zip("ab", tests, strict=True)
        for k, test in enumerate(values)
    ]


def test_comparisons_by_hand():
    rows = made_up(
        {
            "one": (2, [0.9, 0.8, 0.7], [0.5, 0.5, 0.3]),
            "two": (3, [0.6, 0.6, 0.6], [0.6, 0.6, 0.6]),
            "number": (0, [0.1] * 3, [0.2] * 3),
        }
    )
    _, scores, differences, ranking = comparison.compared(rows, [("a", "b")], 0.5)
    first = scores.rows[0]
    assert (first["data"], first["method"], first["test"], first["gap"]) == (
        "one",
        "a",
        pytest.approx(0.8),
        pytest.approx(0.2),
    )
    half = 4.302653 * np.std([0.4, 0.3, 0.4], ddof=1) * math.sqrt(1 / 3 + 0.5)  # t of 2 degrees of freedom
    assert differences.rows[0]["test_low"] == pytest.approx(1.1 / 3 - half, rel=1e-6)
    assert [row["test is"] for row in differences.rows] == ["higher", "undecided", "lower", "undecided"]
    assert differences.rows[-1]["test lower on"] == "1 of 3"
    assert differences.rows[-1]["gap lower on"] == "1 of 3"
    assert [row["mean rank"] for row in ranking.rows] == pytest.approx([4.5 / 3, 4.5 / 3])
    assert [row["P90"] for row in ranking.rows] == [1.0, 0.5]  # the number to predict has no accuracy
    assert comparison.sentence(differences, ("a", "b"), "gap", "Gap").endswith(
        "lower on 1 of 3: no difference is decided."
    )
    said = comparison.by_data_set(differences, ("a", "b"), "test", "Test")
    assert said == "Test, a minus b, by data set: lower: number; higher: one; undecided: two."


@pytest.mark.parametrize(
    ("sides", "verdict"),
    [(("lower", "lower"), "alike"), (("lower", "higher"), "unlike"), (("lower", "undecided"), "undecided")],
)
def test_an_analogy_needs_both_differences(sides, verdict):
    assert kernels._verdict(*sides) == verdict


def test_laws_and_inclusions_are_the_theorys():
    """ReLU: rho = 3 - sqrt(8) for binary weights, a power law for real ones; real and Laplace have one space."""
    settings = decay.replace(decay.QUICK, degrees=40, most=80)
    rows = [row for cell in decay.decay_study(settings, 0).cells for row in cell.compute()]
    sphere = {row["kernel"]: row for row in rows if row["kind"] == decay.SPHERE}
    assert sphere["binary"]["predicted rho"] == pytest.approx(3 - math.sqrt(8), rel=1e-12)
    assert sphere["real"]["predicted power"] == sphere["Laplace"]["predicted power"] == -settings.dim
    found = {(row["A"], row["B"]): row["A is"] for row in rows if row["kind"] == decay.INCLUSION}
    assert found["binary", "real"] == found["Gaussian", "Laplace"] == "strictly inside"
    assert found["real", "Laplace"] == "equal"
    gram = [row for row in rows if row["kind"] == f"{decay.GRAM} value" and row["kernel"] == "Gaussian"]
    X = datasets.load("digits", 80)
    X = datasets.Split.of(X, np.arange(80), np.arange(80)).train.X
    K = np.exp(-((X[:, None] - X) ** 2).sum(axis=2) / X.shape[1] / 2)
    top = np.linalg.eigvalsh(K)[::-1][: len(gram)] / 80
    np.testing.assert_allclose([10 ** row["log10"] for row in gram][:40], top[:40], rtol=1e-9)


def test_rates_by_bits_are_the_theorys_and_gaps_are_paired():
    training = gap.replace(gap.QUICK, folds=2, width=8, steps=5, rates=(0.1,), roundings=2)
    settings = precision.replace(
        precision.QUICK, weights=("binary", "4", "real"), data=("iris",), training=training
    )
    study = precision.precision_study(settings, 3)
    rows = [row for cell in study.cells for row in cell.compute()]
    lines = study.summarise(rows).tables[1].rows
    for line, r in zip(lines, (1 / 3, 9 / 11, 1), strict=True):
        assert line["predicted rho"] == pytest.approx(1 / r - math.sqrt(1 / r**2 - 1), rel=1e-12)
    gaps = {
        w: [row["train"] - row["test"] for row in rows if row.get("method") == w] for w in settings.weights
    }
    assert lines[0]["gap minus real"] == pytest.approx(np.mean(np.subtract(gaps["binary"], gaps["real"])))
    assert [line["bits"] for line in lines] == [1.0, 2.0, None]

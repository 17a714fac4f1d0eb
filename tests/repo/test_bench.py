"""The harness of `python -m benchmarks.gram` at tiny size: what it times, compares, judges and survives."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import quasintk as qn
from quasintk import baselines

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.gram import agreement, lines, report, targets, timing
from benchmarks.gram.__main__ import main, run
from benchmarks.gram.growth import Curve, curves
from benchmarks.gram.limits import limits
from benchmarks.gram.machine import growth
from benchmarks.gram.measure import Row, measured
from benchmarks.gram.peers import WORKERS, NoPeer, Peer

ROW = Row(
    "relu, real", targets.N, 32, "float64", "neural-tangents", "",
    {"out": (1.0, 2.0), "fresh": (2.0, 4.0), "peer": (20.0, 36.0),
     "gemm": (1.0, 1.0), "syrk": (0.5, 1.0), "write": (0.5, 1.0)},
    0, 0.0, 0.0, False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def awake(monkeypatch):
    monkeypatch.setattr(timing, "SETTLE", 0)


@pytest.fixture(scope="module")
def peer():
    """scikit-learn's worker, a real process."""
    found = Peer(Path(sys.executable), WORKERS / "scikit_learn_worker.py", "install it")
    yield found
    found.close()


@pytest.fixture
def missing(tmp_path):
    found = Peer(tmp_path / "python", tmp_path / "worker.py", "make the environment")
    yield found
    found.close()


def faulty(tmp_path, code, patience=60.0):
    """A worker of these lines; Python's own start is inside its patience."""
    script = tmp_path / "worker.py"
    script.write_text(code)
    return Peer(Path(sys.executable), script, "", patience)


def test_systems_take_turns_and_the_first_one_changes():
    order = []
    found = timing.interleaved({name: lambda name=name: order.append(name) or 1.0 for name in "abc"}, 2)
    assert "".join(order) == "abcbca"
    assert found == {"a": (1.0, 1.0), "b": (1.0, 1.0), "c": (1.0, 1.0)}


def test_a_ratio_is_formed_within_a_round():
    ours, theirs = (1.0, 10.0, 2.0), (8.0, 80.0, 16.0)  # a load of ten in one round
    assert timing.ratio(theirs, ours) == 8
    assert timing.ratio(ours, (0.5, 5.0, 1.0), (0.5, 5.0, 1.0)) == 1


def test_the_limits_compute_what_they_say():
    X, K = np.random.default_rng(0).normal(size=(70, 5)), np.full((70, 70), 7.0)
    found, expected = limits(X, K), X @ X.T
    found["syrk"]()
    np.testing.assert_allclose(np.tril(K), np.tril(expected), atol=1e-14)  # 5 products of order 1
    assert (K[np.triu_indices(70, 1)] == 7).all()
    found["gemm"]()
    np.testing.assert_allclose(K, expected, atol=1e-14)
    found["write"]()
    assert (K == 1).all()


def test_the_data_are_the_same_each_time_and_have_the_norms_they_say():
    for subject in lines.SUBJECTS:
        line = lines.Line(subject, 50, 8, "float32")
        X = line.rows()
        norms = np.linalg.norm(X, axis=1)
        assert X.dtype == np.float32
        np.testing.assert_array_equal(X, line.rows())
        if subject.unit:
            np.testing.assert_allclose(norms, 1, rtol=1e-6)  # float32
        else:
            assert 0.5 <= norms.min() / 8**0.5 < 0.7 < 1.7 < norms.max() / 8**0.5 <= 2.0


def test_peers_are_told_the_rounding():
    told = {subject.name: subject.told.get("latent_fraction") for subject in lines.SUBJECTS}
    assert told["relu, real"] == 1
    assert told["relu, binary"] == pytest.approx(1 / 3)  # uniform latents, signs
    assert told["relu, 4 bits"] == pytest.approx(225 / 227)  # k levels: (k - 1)^2 / ((k - 1)^2 + 2)


def test_a_difference_is_found_where_it_is():
    K = np.full((600, 600), 0.5) + 0.5 * np.eye(600)
    other = K + 1e-6 * np.eye(600)  # the diagonal is not the peer's to judge
    assert agreement.apart(K, other)[0] == 0
    other[400, 3] += 1e-9
    difference, where = agreement.apart(K, other)
    assert where == (400, 3)
    assert difference == pytest.approx(2e-9, rel=1e-6)  # 1e-16 / 1e-9
    other[500, 7] = np.nan
    assert agreement.apart(K, other)[1] == (500, 7)
    assert np.isnan(agreement.apart(K, other)[0])


def test_at_a_zero_the_scale_is_that_of_the_diagonal():
    K = np.diag([4.0, 9.0])
    other = K.copy()
    other[0, 1] = 6e-9
    assert agreement.apart(K, other)[0] == pytest.approx(1e-9)  # by sqrt(4 * 9)


def test_errors_are_held_against_the_interpreter():
    kernel, X = qn.kernel("relu", weights="binary"), np.random.default_rng(0).normal(size=(30, 4))
    K, pairs = kernel(X), agreement.sampled(30)
    assert {i == j for i, j in pairs} == {True, False}
    assert agreement.error(kernel, X, K, pairs) < 1e-14
    for i, j in (pairs[0], pairs[-1]):
        wrong = K.copy()
        wrong[i, j] *= 1 + 1e-7
        assert agreement.error(kernel, X, wrong, pairs) == pytest.approx(1e-7, rel=1e-5)


def test_growth_of_memory_is_that_of_the_run():
    def fill():
        scratch = np.ones(20_000_000)  # 160 MB, given back
        return scratch[:1_000_000].copy()

    grown, result = growth(fill)
    assert len(result) == 1_000_000
    assert 150e6 < grown < 200e6  # pages are counted, and other threads may give some back


def test_a_worker_computes_times_and_hands_over(peer):
    X = np.random.default_rng(0).normal(size=(40, 3))
    squares = ((X[:, None] - X) ** 2).sum(axis=2)
    for told, expected in (
        ({"family": "gaussian"}, np.exp(-squares / 3 / 2)),
        ({"family": "laplace", "length_scale": 2.0}, np.exp(-np.sqrt(squares / 3) / 2)),
    ):
        peer.load(told, X)
        assert 0 < peer.seconds() < 60
        np.testing.assert_allclose(
            peer.matrix(), expected, atol=1e-7
        )  # |x|^2 + |y|^2 - 2 x.y near 0, under a root
    assert "scikit-learn" in peer.versions


def test_a_kernel_that_a_peer_has_not_is_refused_and_the_next_one_works(peer):
    X = np.eye(3)
    with pytest.raises(NoPeer, match="no kernel tanh"):
        peer.load({"activation": "tanh"}, X)
    with pytest.raises(NoPeer, match="nothing is loaded"):
        peer.seconds()
    with pytest.raises(NoPeer, match="failed: ValueError"):
        peer.load({"family": "gaussian"}, X * np.nan)
    peer.load({"family": "gaussian"}, X)
    assert peer.matrix().shape == (3, 3)


def test_a_missing_peer_is_named_with_the_remedy(missing):
    with pytest.raises(NoPeer, match="not installed: make the environment"):
        missing.load({}, np.eye(2))


def test_a_worker_that_ends_is_lost_with_its_last_line_and_starts_again(tmp_path):
    peer = faulty(tmp_path, "import sys\nprint('no memory', file=sys.stderr)\nsys.exit(3)")
    for _ in range(2):
        with pytest.raises(NoPeer, match=r"lost: it ended \(exit code 3\): no memory"):
            peer.load({}, np.eye(2))
    peer.close()


def test_a_silent_worker_is_given_up(tmp_path):
    peer = faulty(tmp_path, "import sys\nsys.stdin.read()", patience=0.2)
    with pytest.raises(NoPeer, match=r"no answer in 0\.2 s"):
        peer.load({}, np.eye(2))
    peer.close()


def test_a_line_with_a_peer(peer):
    line = lines.Line(next(one for one in lines.SUBJECTS if one.name == "gaussian, norms"), 30, 4, "float64")
    row = measured(line, peer, 2)
    assert row.absent == ""
    assert set(row.seconds) == {"out", "fresh", "peer", "gemm", "syrk", "write"}
    assert all(len(values) == 2 for values in row.seconds.values())
    assert row.apart < 1e-13  # scikit-learn's distances: 16 digits of sums of order d
    assert row.error < 1e-13
    assert "| none |" not in report.line(row)


def test_a_peer_lost_between_rounds_leaves_a_line_without_it(peer, monkeypatch):
    def lost():
        raise NoPeer("lost: it ended")

    monkeypatch.setattr(peer, "seconds", lost)
    line = lines.Line(replace(lines.SUBJECTS[-2], build=baselines.gaussian), 30, 4, "float64")
    row = measured(line, peer, 2)
    assert row.absent == "lost: it ended"
    assert "peer" not in row.seconds
    assert row.apart is not None


def test_a_run_without_peers(missing, tmp_path, capsys):
    path, plot = tmp_path / "bench" / "gram.json", tmp_path / "gram.svg"
    size = lines.Size((30,), (3,), (10, 20))
    systems = {"neural-tangents": missing, "scikit-learn": missing}
    assert run(size, systems, 2, path, plot, only="gaussian") == 0
    out = capsys.readouterr().out
    assert out.count("| gaussian, norms | 30 | 3 | float") == 2
    assert "no scikit-learn: not installed: make the environment (gaussian, norms)" in out
    assert "no line was compared with a peer" in out
    content = json.loads(path.read_text())
    assert [row["dtype"] for row in content["rows"]] == ["float64", "float32"]
    assert len(content["rows"][0]["seconds"]["out"]) == 2
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["versions"]["numpy"] == np.__version__
    assert "gaussian, norms" in plot.read_text()


def test_growth_is_timed_at_every_value_and_shown():
    found = curves(lines.Size((), (), (10, 20, 40), (3, 4), (3,)), 2)
    assert [(curve.kernel, curve.over) for curve in found[:3]] == [
        ("relu, real", over) for over in ("n", "d", "depth")
    ]
    assert found[0].fixed == "d = 32, depth 3"
    assert found[1].fixed == "n = 20, depth 3"
    assert set(found[0].doublings()) == {10, 20}
    assert report.growth(found).count("\n| relu, binary |") == 3


def test_targets_are_judged_at_their_bounds():
    judged = {target.text: target for target in targets.targets([ROW], [])}
    where = "n = 8000, d = 32, float64"
    assert judged[f"peer / ours, relu, real, {where}"].value == 19
    assert judged[f"peer / ours, relu, real, {where}"].met
    assert judged[f"peer / ours in fresh memory, relu, real, {where}"].value == 9.5
    assert judged[f"ours / (syrk + write), relu, real, {where}"].met  # 1.0
    assert judged["peer / ours, relu, real, n = 8000, d = 784, float64"].met is None
    slow = replace(ROW, seconds={**ROW.seconds, "peer": (17.0, 35.0)})
    assert "MISSED       peer / ours, relu, real, n = 8000, d = 32" in "\n".join(
        map(str, targets.targets([slow], []))
    )
    assert not targets.Target("", 1.31, targets.LIMIT).met
    assert targets.Target("", 8.0, 8.0, least=True).met


@pytest.mark.parametrize(
    "wrong", [{"error": 2e-12}, {"error": float("nan")}, {"extra": 300_000_000}], ids=str
)
def test_one_line_that_errs_or_swells_is_missed(wrong):
    fine = replace(ROW, kernel="relu, binary", error=1e-15)
    missed = [
        target for target in targets.targets([fine, replace(ROW, **wrong), fine], []) if target.met is False
    ]
    assert len(missed) == 1
    assert "relu, real" in missed[0].text


def test_series_are_judged_by_what_the_interpreter_is_good_to():
    row = replace(ROW, kernel="tanh, bias, norms", error=2e-12, series=True)
    (found,) = [one for one in targets.targets([row], []) if one.text.startswith("error, series, float64")]
    assert found.met
    assert not replace(found, value=2e-11).met


def test_doublings_count_from_a_thousand_rows():
    curve = Curve("relu, real", "n", "d = 32, depth 3", (500, 1000, 2000), ((1.0,), (5.0,), (21.5,)))
    (target,) = targets.targets([], [curve])[-1:]
    assert target.value == 4.3
    assert target.met is False
    assert not any("at n = 1000 / at 500" in one.text for one in targets.targets([], [curve]))


def test_a_missed_target_is_the_exit_code(missing, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(targets.ERROR, "float64", 0.0)
    size = lines.Size((30,), (3,), (10, 20))
    systems = {"neural-tangents": missing, "scikit-learn": missing}
    assert run(size, systems, 1, tmp_path / "gram.json", only="gaussian") == 1
    assert "MISSED       error, float64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "cubic"], "relu, real"),
        (["--rounds", "0"], "at least 1"),
        (["--quick", "--full"], "not allowed"),
    ],
)
def test_bad_options_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err

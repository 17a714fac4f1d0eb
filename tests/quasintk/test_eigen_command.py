"""`quasintk eigen` in this process: notes in place of laws, pictures refused early, networks to compare with, shares of K(1)."""

import importlib.util
import json
import os

import numpy as np
import pytest
from scipy.special import spherical_in

import quasintk as qn
import quasintk.cli
from numerics.plots import check_path, figure
from quasintk.cli import eigen_command
from quasintk.cli.options import WeightsType
from quasintk.decay import Decay


@pytest.fixture
def spectra(run):
    """What `quasintk eigen ... --json` prints, by label."""

    def start(*arguments):
        code, out, err = run("eigen", *arguments, "--json")
        assert code == 0, err
        return {entry["weights"]: entry for entry in json.loads(out)["spectra"]}

    return start


@pytest.mark.parametrize("arguments", [("relu", "--degrees", 0), ("x", "--degrees", 6)], ids=str)
def test_a_spectrum_without_a_fit_is_shown(run, spectra, tmp_path, arguments):
    """One eigenvalue, or one that does not vanish, has no law; everything else is there."""
    code, out, err = run("eigen", *arguments, "--fit", "--predict", "--plot", "s.pdf")
    assert code == 0, err
    assert out.count("\n     ") == arguments[2] + 1
    note = "nothing is fitted: Only" if arguments[0] == "relu" else "verdict: finite-rank"
    assert f"binary, fitted:\n{note}" in out
    assert "binary, predicted:\n" in out
    assert (tmp_path / "s.pdf").read_bytes()[:4] == b"%PDF"
    entry = spectra(*arguments, "--fit")["binary"]
    if arguments[0] == "relu":
        assert entry["fit"].keys() == {"note"}
        assert entry["fit"]["note"].startswith("nothing is fitted: Only")
    else:
        assert (entry["fit"]["verdict"], entry["fit"]["rank"]) == ("finite-rank", 1)
    assert len(entry["eigenvalue"]) == arguments[2] + 1


def test_a_law_is_drawn_beside_a_spectrum_without_one():
    """The legend's law belongs to its own spectrum."""
    one, two = (qn.spectrum(qn.kernel(name), degrees=60) for name in ("x", "relu"))
    _, axes = figure(6.4, 4.2)
    Decay("x", one, None, None).plot(axes)
    Decay("relu", two, qn.fit_decay(two), None).plot(axes)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0] == "x"
    assert labels[1].startswith("relu: exponential")


def test_pictures_that_cannot_be_drawn_are_refused_before_anything_is_computed(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    monkeypatch.setattr(eigen_command, "kernel_of", None)
    for path, message in (
        ("a.xyz", "ends in .png, .pdf, .svg, got 'a.xyz'"),
        ("png", "ends in .png"),
        ("no/a.png", "no folder no"),
        ("file/a.png", "no folder file"),
        ("folder.png", "is a directory"),
    ):
        code, out, err = run("eigen", "relu", "--plot", path)
        assert (code, out) == (2, "")
        assert message in err
        assert "--plot" in err
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "may not be written" in run("eigen", "relu", "--plot", "a.png")[2]
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"ends in .png"):
        check_path("a.xyz")


def test_without_matplotlib_the_extra_s_command_is_said(run, monkeypatch):
    monkeypatch.setattr(eigen_command, "kernel_of", None)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    code, _, err = run("eigen", "relu", "--plot", "a.svg")
    assert code == 2
    assert "pip install 'quasintk[report]'" in err


def test_weights_are_spelled_alike_everywhere():
    expected = qn.kernel("relu", weights=qn.Levels(16))
    assert qn.kernel("relu", weights="16") == qn.kernel("relu", weights=16) == expected
    assert WeightsType().convert("16", None, None) == qn.Levels(16)
    fraction = qn.WeightLaw("0.4")
    assert qn.kernel("relu", weights="r=0.4") == qn.kernel("relu", weights=fraction)
    assert WeightsType().convert("r=0.4", None, None) == fraction
    assert qn.kernel("relu", weights="ternary") == qn.kernel("relu", weights="3")
    for wrong, message in (
        ("half", "number of levels such as 16, or r=0.4"),
        (1.5, "'1.5' is not real"),
        (True, "'True' is not real"),
        (None, "'None' is not real"),
        ("1", "from 2 to 65536"),
        ("9" * 5000, "is not real"),
        ("r=2", r"lie in \(0, 1\]"),
        ("r=1e999999999", "exponent of four digits"),
        ("r=", "must be a number"),
    ):
        with pytest.raises(ValueError, match=message):
            qn.kernel("relu", weights=wrong)


def test_networks_with_real_weights_beside_a_network(spectra):
    """Of the same activation, depth and scales; real_nngp whatever --get says."""
    like = ("erf", "--depth", 2, "--W-std", "1.5", "--b-std", "0.1", "--dim", 5, "--degrees", 6)
    beside = spectra(*like, "--compare", "real, real_ntk, real_nngp, real_ntk(max(x, 0), 1)")
    nngp = spectra(*like, "--compare", "real, real_ntk, real_nngp", "--get", "nngp")
    assert list(beside) == ["binary", "real", "real_ntk", "real_nngp", "real_ntk(max(x, 0), 1)"]
    assert beside["real_ntk"]["eigenvalue"] == beside["real"]["eigenvalue"] == nngp["real_ntk"]["eigenvalue"]
    assert beside["real_nngp"]["eigenvalue"] == nngp["real"]["eigenvalue"] == nngp["real_nngp"]["eigenvalue"]
    other = qn.spectrum(qn.kernel("relu", weights="real"), dim=5, degrees=6)
    assert beside["real_ntk(max(x, 0), 1)"]["eigenvalue"] == pytest.approx(other.eigenvalue, rel=1e-13)


def test_networks_beside_a_kernel_file_need_their_arguments(run, spectra, tmp_path):
    (tmp_path / "k.json").write_text(qn.kernel("sin").to_json())
    code, _, err = run("eigen", "k.json", "--compare", "real_ntk")
    assert code == 2
    assert "such as real_ntk(relu, 2)" in err
    found = spectra("k.json", "--degrees", 3, "--compare", "real_ntk(sin)")
    assert list(found) == ["k.json", "real_ntk(sin)"]


def test_the_share_of_the_trace(run, spectra):
    """exp(t - 1) in 3 dimensions: the eigenvalues exp(-1) i_k(1) with multiplicities 2k + 1 add to 1; x has degree 1 alone."""
    found = spectra("x", "--dim", 3, "--degrees", 2, "--compare", "gaussian,gaussian(0.01)")
    held = (np.array([1, 3, 5]) * np.exp(-1) * spherical_in(range(3), 1.0)).sum()
    assert found["gaussian"]["held"] == pytest.approx(held, rel=1e-14)
    assert found["binary"]["held"] == pytest.approx(1, rel=1e-14)
    out = run("eigen", "x", "--dim", 3, "--degrees", 2, "--compare", "gaussian,gaussian(0.01)")[1]
    table, lines = out.split("\n\n")
    assert len(table.splitlines()) == 4
    first, second, third = lines.splitlines()
    assert first == "binary: degrees 0-2 hold all of K(1)"
    assert second == f"gaussian: degrees 0-2 hold {100 * held:.2f} % of K(1)"
    assert third.endswith("% of K(1): raise --degrees")
    assert "hold 0.0" in third
    rest = 1 - (np.arange(1, 14, 2) * np.exp(-1) * spherical_in(range(7), 1.0)).sum()
    last = run("eigen", "x", "--dim", 3, "--degrees", 6, "--compare", "gaussian")[1].splitlines()[-1]
    assert last == f"gaussian: degrees 0-6 hold all but {100 * rest:.2g} % of K(1)"
    assert "K(1) is 0" in run("eigen", "x", "--weights", "real", "--degrees", 2, "--get", "rounding")[1]


def test_activations_that_jump_have_an_nngp(run, spectra, tmp_path):
    """sign with real weights: (2 / pi) arcsin(t); its message leads there, in the interface and at the command line."""
    with pytest.raises(qn.errors.DerivationError, match=r'get="nngp" in quasintk.kernel, or --get nngp'):
        qn.kernel("sign", weights="real")
    X = np.random.default_rng(0).normal(size=(6, 4))
    cosine = np.clip(X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1)), -1, 1)
    kernel = qn.kernel("sign", weights="real", get="nngp")
    for get in ("ntk", "nngp"):  # arcsin has an infinite slope at 1
        assert kernel(X, get=get) == pytest.approx(2 / np.pi * np.arcsin(cosine), abs=1e-7)
    network = qn.mlp("sign", weights="real")
    assert qn.kernel(network, get="nngp") == kernel == qn.baselines.real_nngp("sign")
    with pytest.raises(ValueError, match="'ntk' or 'nngp'"):
        qn.kernel("sign", get="rounding")

    np.save(tmp_path / "X.npy", X)
    for command in ("derive", "eigen", "verify"):
        code, _, err = run(command, "sign", "--weights", "real")
        assert code == 2
        assert "--get nngp" in err
    assert run("gram", "sign", "X.npy", "-o", "G.npy", "--weights", "real", "--get", "nngp")[0] == 0
    assert np.array_equal(np.load("G.npy"), kernel(X))
    assert "nngp = P_2" in run("derive", "sign", "--weights", "real", "--get", "nngp")[1]
    found = spectra("sign", "--weights", "real", "--get", "nngp", "--dim", 3, "--degrees", 1)["real"]
    assert found["eigenvalue"][1] == pytest.approx(1 / 4, rel=1e-14)  # (1/2) int (2/pi) arcsin(t) t dt = 1/4


def test_get_does_not_change_a_kernel_file(run, tmp_path):
    (tmp_path / "k.json").write_text(qn.kernel("relu").to_json())
    code, _, err = run("verify", "k.json", "--get", "nngp")
    assert code == 2
    assert "drop --get" in err

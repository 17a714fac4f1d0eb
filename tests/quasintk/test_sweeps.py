"""Sweeps over weights: rates predicted and fitted, tables, pictures, and what they refuse."""

import json
import math

import numpy as np
import pytest

import quasintk as qn
import quasintk.cli
from derive.weights import weight_law
from numerics.decay_fit import DecayFit
from numerics.plots import figure, save
from quasintk.sweep_plots import HEIGHT, WIDTH
from quasintk.sweeps import PRECISIONS, name_of, sweep


@pytest.fixture(scope="module")
def weights():
    """ReLU of depth 2 with biases, from binary to real weights."""
    return sweep("relu", depth=2, W_std="1.4142", b_std="0.3", degrees=120)


def test_rates_grow_with_the_bits_and_fits_agree_with_them(weights):
    """t* = 1 / r for ReLU, so that rho = 1/r - sqrt(1/r^2 - 1) (theory.md, section 5)."""
    bits = [one.bits for one in weights.points]
    assert bits == [1, math.log2(3), 2, 3, 4, 5, 6, 7, 8, math.inf]
    fractions = np.array([float(one.law.latent_fraction) for one in weights.points])
    expected = 1 / fractions - np.sqrt(1 / fractions**2 - 1)
    predicted = np.array([one.predicted_rate for one in weights.points])
    np.testing.assert_allclose(predicted, expected, rtol=1e-12)
    for one in weights.points[:4]:
        value, low, high = one.fitted_rate
        assert low <= value <= high
        assert abs(math.log(value) / math.log(one.predicted_rate) - 1) < 0.01
        assert not one.decay.fitted.warning
    assert weights.points[-1].fitted_rate == (1.0, 1.0, 1.0)


def test_a_rate_that_is_off_comes_with_a_note(weights):
    """From 4 bits on the law sets in later than degree 120: nothing 1 % off goes without a word."""
    noted = [line.partition(",")[0] for line in str(weights).splitlines() if ", b_std" in line]
    off = [one.decay.label for one in weights.points if one.off > 0.01]
    assert "128 levels" in off
    assert set(off) <= set(noted)
    assert not {"binary", "ternary", "4 levels", "real"} & set(noted)


def test_table_json_html_and_picture(weights, tmp_path):
    text = str(weights)
    for one in weights.points:
        assert any(line.split()[1:2] == [one.decay.label.split()[0]] for line in text.splitlines())
    found = json.loads(json.dumps(weights.to_dict()))
    assert len(found["spectra"]) == len(PRECISIONS)
    assert found["spectra"][-1]["bits"] is None
    assert weights._repr_html_().count("<tr>") == 1 + len(PRECISIONS)
    drawing, axes = figure(WIDTH, HEIGHT, columns=2)
    left, right = weights.plot(axes)
    save(drawing, tmp_path / "bits.svg")
    assert (tmp_path / "bits.svg").read_text().startswith("<?xml")
    assert len(right.lines) == len(PRECISIONS)
    assert [label.get_text() for label in left.get_xticklabels()][-1] == "real"


def test_the_phase_diagram(tmp_path):
    """erf: the predicted rate falls with b_std for large r and not for small ones."""
    grid = {"fractions": ("0.2", "0.9", 1), "biases": (0, 3)}
    found = sweep("erf", "phase", depth=2, W_std="1.4142", degrees=40, **grid)
    rates = np.array([one.predicted_rate for one in found.points]).reshape(2, 3)
    assert (np.diff(rates, axis=1) > 0).all()
    assert (rates[1, 1:] < rates[0, 1:]).all()
    assert rates[1, 0] == pytest.approx(rates[0, 0], rel=1e-12)
    text = str(found)
    assert text.count("b_std = ") == 4
    drawing, axes = figure(WIDTH, HEIGHT, columns=2)
    found.plot(axes)
    save(drawing, tmp_path / "phase.png")
    assert (tmp_path / "phase.png").read_bytes()[:4] == b"\x89PNG"
    assert len(drawing.axes) == 3
    assert len(axes[0].texts) == len(found.points)


def test_the_command_and_its_way_to_fit(run, tmp_path):
    code, out, err = run("eigen", "erf", "--sweep", "weights", "--degrees", 30, "--plot", "s.png", "--json")
    assert code == 0, err
    assert (tmp_path / "s.png").stat().st_size > 10_000
    spectra = json.loads(out)["spectra"]
    assert len(spectra) == len(PRECISIONS)
    (tmp_path / "s.json").write_text(json.dumps({"spectra": spectra[:2]}))
    code, out, err = run("fit", "s.json")
    assert code == 0, err
    assert out.count("verdict: exponential") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--sweep", "weights", "--weights", "real"), "--weights"),
        (("--sweep", "weights", "--compare", "real", "--fit"), "--compare, --fit"),
        (("--sweep", "phase", "--b-std", "1"), "--b-std"),
        (("--sweep", "depth"), "'weights', 'phase'"),
    ],
    ids=str,
)
def test_refused(run, arguments, expected):
    code, _, err = run("eigen", "relu", *arguments)
    assert code == 2
    assert expected in err


def test_a_stored_kernel_has_no_weights_to_vary(run, tmp_path):
    (tmp_path / "k.json").write_text(qn.kernel("relu").to_json())
    code, _, err = run("eigen", "k.json", "--sweep", "weights")
    assert code == 2
    assert "give --sweep the activation" in err


def test_misuse_of_the_function():
    with pytest.raises(ValueError, match="'weights' or 'phase'"):
        sweep("relu", "depth")
    with pytest.raises(TypeError, match="weights is what the sweep"):
        sweep("relu", weights="real")
    with pytest.raises(TypeError, match="b_std is what the sweep"):
        sweep("relu", "phase", b_std=1)


@pytest.mark.parametrize(
    ("spec", "name"),
    [("2", "binary"), ("3", "ternary"), ("real", "real"), ("r=0.4", "r=0.4"), (16, "16 levels")],
)
def test_names_of_weights(spec, name):
    assert name_of(weight_law(spec)) == name


def test_the_rate_of_every_verdict():
    """rho with its interval, 1 for slower laws, 0 for faster ones and those that end, none where undecided."""
    k = np.arange(1.0, 101)
    cases = {
        "exponential": np.exp(-0.3 * k) / k,
        "power": k**-3.0,
        "super-exponential": np.exp(-np.array([math.lgamma(i) for i in k])),
        "finite-rank": np.where(k < 20, k**-1.0, 0.0),
    }
    rates = {name: _checked(qn.fit_decay(values), name).rate for name, values in cases.items()}
    value, low, high = rates["exponential"]
    assert low <= math.exp(-0.3) <= high
    assert abs(value - math.exp(-0.3)) < 1e-6
    assert rates["power"] == (1.0, 1.0, 1.0)
    assert rates["super-exponential"] == rates["finite-rank"] == (0.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    assert qn.fit_decay(np.sort(np.exp(rng.normal(size=40) * 3))[::-1] * 0 + rng.random(40) + 1).rate is None


def _checked(fit: DecayFit, verdict: str) -> DecayFit:
    assert fit.verdict == verdict
    return fit

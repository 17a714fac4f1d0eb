"""quasintk fit: the output of eigen, CSV, .npy and bad input."""

import json
import math
import os

import numpy as np
import pytest
from click.testing import CliRunner

import quasintk as qn
from numerics.plots import figure
from quasintk.cli.eigen_command import command as eigen
from quasintk.cli.fit_command import command as fit


def run(*arguments, text=None):
    return CliRunner().invoke(fit, list(arguments), input=text)


@pytest.fixture(scope="module")
def eigen_json():
    result = CliRunner().invoke(eigen, ["relu", "--depth", "2", "--dim", "10", "--compare", "real", "--json"])
    assert result.exit_code == 0
    return result.stdout


def test_eigen_into_fit(eigen_json):
    result = run("-", text=eigen_json)
    assert result.exit_code == 0, result.output
    assert "binary:\nverdict: exponential" in result.stdout
    assert "real:\nverdict: power" in result.stdout


def test_json(eigen_json):
    found = json.loads(run("-", "--json", "--laws", "exponential,power", text=eigen_json).stdout)["fits"]
    assert [one["label"] for one in found] == ["binary", "real"]
    assert {law["name"] for law in found[0]["laws"]} == {"exponential", "power"}
    assert found[0]["best"]["parameters"]["rho"] == pytest.approx(3 - np.sqrt(8), rel=0.01)


@pytest.mark.parametrize("header", ["degree,eigenvalue\n", "# mine\nDegree, Eigenvalue\n", ""])
def test_csv_of_a_users_own(tmp_path, header):
    path = tmp_path / "mine.csv"
    path.write_text(header + "".join(f"{k},{3.0 * 0.5**k * (k + 1) ** -2.0!r}\n" for k in range(41)))
    result = run(str(path), "--window", "5,40")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("verdict: exponential")
    assert "window:  degree 5 to 40" in result.stdout


def test_gram_eigenvalues(tmp_path):
    """500 eigenvalues of a Gram matrix: exp(-|x - y|) on a line, whose eigenvalues fall like n^-2."""
    x = np.sort(np.random.default_rng(0).uniform(size=500))
    values = np.linalg.eigvalsh(np.exp(-np.abs(x[:, None] - x)))
    np.save(tmp_path / "values.npy", values)
    result = run(str(tmp_path / "values.npy"), "--window", "5,60", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["fits"][0]
    assert found["by"] == "index"
    power = next(law for law in found["laws"] if law["name"] == "power")
    assert power["parameters"]["power"] == pytest.approx(-2, abs=0.2)


@pytest.mark.parametrize("separator", [",", ";", "\t", " "], ids=repr)
@pytest.mark.parametrize(
    "head",
    [
        "",
        "degree,eigenvalue,multiplicity,rel_error\n",
        "\ufeff# a file\ndegree,eigenvalue,multiplicity,rel_error\n",
    ],
)
def test_ways_to_write_a_table(tmp_path, separator, head):
    """With and without a header, with Excel's byte order mark, by any separator."""
    lines = [f"{k},{math.exp(-0.5 * k)!r},{k + 1},1e-12" for k in range(40)]
    (tmp_path / "t.csv").write_text((head + "\n".join(lines)).replace(",", separator), encoding="utf-8")
    result = run(str(tmp_path / "t.csv"), "--by", "degree")
    assert result.exit_code == 0, result.output
    assert "verdict: exponential" in result.stdout


def test_a_column_of_eigenvalues(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(repr(i**-2.0) for i in range(1, 60)))
    result = run(str(tmp_path / "t.txt"))
    assert "verdict: power" in result.stdout
    assert "by index" in run(str(tmp_path / "t.txt"), "--dim", "5").output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("degree,degree,eigenvalue\n1,1,1\n", "each once"),
        ("k,lambda\n1,1\n", "columns are"),
        ("", "is empty"),
        ("{", "is no JSON"),
        ('{"spectra": []}', "holds no spectra"),
        ('{"spectra": [{"a": 1}]}', "needs 'degree'"),
        ("degree,eigenvalue\n1\n", "line 2: 1 cells"),
        ("degree,eigenvalue\n1,x\n", "'x' is no number"),
        ("degree,value\n1,2\n", "columns are"),
        ("1,2\n2,1\n", "Only 2 usable"),
        ("degree,eigenvalue\n1,-2\n2,1\n3,1\n", "negative"),
        ("degree,eigenvalue\n1,inf\n2,1\n3,1\n", "holds inf at place 0"),
        ("[1, [2], 3]", "must be numbers"),
        ('{"degree": [1, 2], "eigenvalue": [1]}', "has 1 values"),
        ('{"degree": [1, 2], "eigenvalue": [1, 1], "dim": "x"}', "dim must be"),
    ],
)
def test_bad_input(text, message):
    result = run("-", text=text)
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)


@pytest.mark.parametrize("arguments", [("--laws", "cubic"), ("--window", "1"), ("--window", "9,3")])
def test_bad_options(arguments, eigen_json):
    assert run("-", *arguments, text=eigen_json).exit_code != 0


def test_the_picture_shows_window_laws_and_misses():
    """The window is where the fit says, and the misses are those of its residual."""
    fits = {
        name: qn.fit_decay(qn.spectrum(qn.kernel("relu", weights=name, b_std=1), 10))
        for name in ("binary", "real")
    }
    for found in fits.values():
        left, right = found.plot(figure(10.4, 3.9, columns=2)[1])
        assert f"window, {found.points} values" in [text.get_text() for text in left.get_legend().get_texts()]
        misses = right.lines[0].get_ydata()
        assert len(misses) == found.points
        np.testing.assert_allclose(np.sqrt(np.mean(misses**2)), found.best.residual, rtol=1e-6)
    finite = qn.fit_decay({"degree": range(30), "eigenvalue": [1.0] * 4 + [0.0] * 26, "dim": 3})
    assert len(finite.plot(figure(10.4, 3.9, columns=2)[1])) == 2


def test_the_picture_of_a_file_has_a_row_for_each_spectrum(tmp_path, eigen_json):
    result = run("-", "--plot", str(tmp_path / "fits.png"), text=eigen_json)
    assert result.exit_code == 0, result.output
    picture = (tmp_path / "fits.png").read_bytes()
    assert picture[:4] == b"\x89PNG"
    assert int.from_bytes(picture[20:24]) == round(160 * 3.9 * len(json.loads(eigen_json)["spectra"]))
    assert os.listdir(tmp_path) == ["fits.png"]

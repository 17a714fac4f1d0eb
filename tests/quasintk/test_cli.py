"""The command line as a user meets it: real processes, results on stdout, exit codes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import spherical_in

from numerics.kernel import Kernel
from quasintk.pipeline import kernel

COMMAND = Path(sys.executable).parent / "quasintk"


def run(*args, cwd=None, code=0):
    done = subprocess.run([COMMAND, *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_derive_text_reads_as_the_recursion():
    text = run("derive", "relu", "--depth", 2).stdout
    for line in (
        "kappa     = E[phi(u) phi(v)]",
        "dense layer 2: rounded weights",
        "M_1",
        "digits against independent",
    ):
        assert line in text


def test_derive_json_is_the_kernel(tmp_path):
    run(
        "derive",
        "max(x, 0)",
        "--depth",
        2,
        "--W-std",
        "1.5",
        "--format",
        "json",
        "-o",
        "k.json",
        cwd=tmp_path,
    )
    assert Kernel.from_json((tmp_path / "k.json").read_text().strip()) == kernel(
        "max(x, 0)", depth=2, W_std="1.5"
    )


@pytest.mark.parametrize("form", ["latex", "numba", "numpy"])
def test_derive_formats(form):
    done = run("derive", "relu", "--format", form)
    one = kernel("relu")
    assert done.stdout.strip() == (one.latex() if form == "latex" else one.source(form)).strip()
    assert done.stderr == ""


@pytest.mark.parametrize(
    "where", [("derive", "-x*max(x, 0)"), ("derive", "--depth", "2", "-abs(x)"), ("derive", "--", "-x")]
)
def test_an_expression_may_begin_with_a_minus(where):
    assert "phi(x) = -" in run(*where).stdout


def test_eigen(tmp_path):
    done = run(
        "eigen", "relu", "--depth", 2, "--dim", 3, "--degrees", 12, "--compare", "real,16", "--fit", "--json"
    )
    spectra = json.loads(done.stdout)["spectra"]
    assert [entry["weights"] for entry in spectra] == ["binary", "real", "16 levels"]
    assert len(spectra[0]["eigenvalue"]) == 13
    table = run("eigen", "relu", "--degrees", 8, "--plot", "s.png", cwd=tmp_path)
    assert len([line for line in table.stdout.splitlines() if line.strip()[:1].isdigit()]) == 9
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_eigen_beside_baselines_with_predictions():
    """exp(t - 1) in 3 dimensions: exp(-1) times spherical Bessel functions; binary ReLU's rate is 3 - 2 sqrt(2)."""
    options = (
        "--depth",
        2,
        "--dim",
        3,
        "--degrees",
        8,
        "--compare",
        "real, gaussian, matern(3/2, 0.5)",
        "--predict",
    )
    spectra = json.loads(run("eigen", "relu", *options, "--json").stdout)["spectra"]
    assert [entry["weights"] for entry in spectra] == ["binary", "real", "gaussian", "matern(3/2, 0.5)"]
    assert spectra[2]["eigenvalue"] == pytest.approx(np.exp(-1) * spherical_in(range(9), 1.0), rel=1e-13)
    assert spectra[0]["prediction"]["exact"] == "3 - 2*sqrt(2)"
    assert spectra[1]["prediction"]["power"] == -3
    assert "3 - 2*sqrt(2)" in run("eigen", "relu", *options).stdout


def test_eigen_of_a_kernel_file_and_far_below_doubles(tmp_path):
    (tmp_path / "k.json").write_text(kernel("sin").to_json())
    lines = run(
        "eigen", "k.json", "--degrees", 201, "--compare", "gaussian", cwd=tmp_path
    ).stdout.splitlines()
    assert lines[0].split()[2] == "k.json"
    # kappa + rho kappa' of sin is exp(-1) sum (1 + j) rho^j / j! over odd j; the next term of the eigenvalue is 1e-4 of the first
    k, dim = 201, 10
    leading = -1 + math.log(1 + k) - math.lgamma(k + 1) - k * math.log(3)
    leading += sum(math.log((i + 1) / (2 * i + dim)) for i in range(k))
    last = next(line for line in lines if line.split()[:1] == ["201"])
    assert last.split()[2].endswith(f"e{math.floor(leading / math.log(10))}")
    for wrong in (("--depth", 2), ("--compare", "real"), ("--compare", "gausian")):
        assert run("eigen", "k.json", *wrong, cwd=tmp_path, code=2).stderr


def test_gram_from_an_expression_and_from_a_kernel_file(tmp_path):
    X = np.random.default_rng(0).normal(size=(20, 3))
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "k.json").write_text(kernel("relu", depth=2).to_json())
    run("gram", "relu", "X.npy", "--depth", 2, "-o", "G.npy", cwd=tmp_path)
    run("gram", "k.json", "X.npy", "-o", "H.npy", cwd=tmp_path)
    for name in ("G.npy", "H.npy"):
        assert np.array_equal(np.load(tmp_path / name), kernel("relu", depth=2)(X))


def test_verify_passes_and_prints_the_smallest_detectable_error():
    assert "PASS" in run("verify", "relu", "--budget", "60s").stdout


@pytest.mark.parametrize("arguments", [("--help",), ("eigen",), ("nothing",), ("derive", "foo(x)")], ids=str)
def test_as_a_module_it_is_the_same_command(arguments, tmp_path):
    command, module = (
        subprocess.run([*start, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120)
        for start in ([COMMAND], [sys.executable, "-W", "error", "-m", "quasintk"])
    )
    assert (module.returncode, module.stdout, module.stderr) == (
        command.returncode,
        command.stdout,
        command.stderr,
    )


def test_as_a_module_its_doctor_finds_a_file_that_shadows_a_package(tmp_path):
    """The working folder comes first on the import path of `python -m`."""
    (tmp_path / "verify.py").write_text("")
    start = [sys.executable, "-m", "quasintk"]
    done = subprocess.run([*start, "doctor"], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert "BAD  package verify" in done.stdout
    done = subprocess.run([*start, "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert "rename or move that file" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor():
    assert "package verify" in run("doctor").stdout
    assert all(finding["ok"] for finding in json.loads(run("doctor", "--json").stdout))


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("derive", "foo(x)"), 2, "column 1"),
        (("derive", "__import__('os')"), 2, "column"),
        (("derive", "exp(x**2)"), 2, "infinite"),
        (("derive", "tanh(x)", "--require-closed"), 3, "No closed form"),
        (("derive", "sqrt(abs(x))"), 2, "singular near x"),
        (("derive", "relu", "--weights", "half"), 2, "not real, binary"),
        (("derive", "relu", "--W-std", "-1"), 2, "must be positive"),
        (("derive", "relu", "--depth", "0"), 2, "depth"),
        (("derive", "relu", "-o", "no/folder/f"), 2, "no/folder"),
        (("derive",), 2, "Missing argument 'EXPR'"),
        (("eigen", "relu", "--dim", "1"), 2, "dim"),
        (("eigen", "relu", "--compare", "half"), 2, "not real, binary"),
        (("eigen", "relu", "--q", "0"), 2, "q must be positive"),
        (("gram", "relu", "missing.npy", "-o", "G.npy"), 2, "missing.npy"),
        (("gram", "relu", "text.npy", "-o", "G.npy"), 2, "no .npy file"),
        (("gram", "relu", "cut.npy", "-o", "G.npy"), 2, "header declares"),
        (("gram", "relu", "objects.npy", "-o", "G.npy"), 2, "Python objects"),
        (("gram", "relu", "nan.npy", "-o", "G.npy"), 2, "row 1, column 0"),
        (("gram", "relu", "X.npy", "-o", "X.npy"), 2, "is the data file"),
        (("gram", "relu", "X.npy", "-o", "G.npy", "--memory", "10B"), 2, "more than memory"),
        (("gram", "bad.json", "X.npy", "-o", "G.npy"), 2, "no kernel"),
        (("gram", "k.json", "X.npy", "-o", "G.npy", "--depth", "3"), 2, "fixes the network"),
        (("nothing",), 2, "There is no command"),
    ],
    ids=lambda value: "-".join(map(str, value))[:50] if isinstance(value, tuple) else "",
)
def test_errors_have_a_message_and_a_code(args, code, message, tmp_path):
    np.save(tmp_path / "X.npy", np.eye(3))
    np.save(tmp_path / "nan.npy", np.array([[1.0], [np.nan]]))
    np.save(tmp_path / "objects.npy", np.array([[object()]]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:-8])
    (tmp_path / "text.npy").write_text("not an array")
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "k.json").write_text(kernel("relu").to_json())
    done = run(*args, cwd=tmp_path, code=code)
    assert message in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "G.npy").exists()

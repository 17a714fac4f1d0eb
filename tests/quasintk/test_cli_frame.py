"""What all commands share: examples, hints, settings from a file, completion, colours, and what to cite."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quasintk import citation
from quasintk.cli import COMMANDS, SUMMARIES, app

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SLOW = ("eigen", "verify", "reproduce", "study")
ESCAPE = "\x1b["


def command(name):
    return app.get_command(app.make_context("quasintk", [name]), name)


def run(*args, cwd=None, code=0, **environment):
    done = subprocess.run(
        [BIN / "quasintk", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_are_the_command(name):
    lines = run(name, "--help").stdout.partition("\nExamples:\n")[2].splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("  quasintk ") for line in lines)
    assert any(f"quasintk {name}" in line for line in lines)
    assert name in SUMMARIES


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in COMMANDS]
)
@pytest.mark.timeout(900)
def test_examples_run_as_they_stand(name, tmp_path):
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(300, 10)))
    np.save(tmp_path / "eigenvalues.npy", np.exp(-0.5 * np.arange(60.0)))
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    if "doctor" in name:
        run("gram", "relu", "X.npy", "-o", "G.zarr", cwd=tmp_path)
    for line in command(name).examples:
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (line, done.stderr)


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["eigne", "relu"], "eigen"),
        (["eigen", "relo"], "relu"),
        (["eigen", "relu", "--weights", "binry"], "binary"),
        (["eigen", "relu", "--compare", "gausian"], "gaussian"),
        (["eigen", "relu", "--compare", "ternry"], "ternary"),
        (["fit", "values.csv", "--laws", "exponentail"], "exponential"),
        (["reproduce", "paper", "-o", "d", "--only", "decai"], "decay"),
    ],
)
def test_a_mistyped_name_gets_the_one_that_was_meant(args, meant, tmp_path):
    (tmp_path / "values.csv").write_text("1\n.5\n.25\n.125\n")
    assert f"Did you mean {meant!r}?" in run(*args, cwd=tmp_path, code=2).stderr


def test_an_unknown_option_is_met_with_the_near_one():
    assert "--depth" in run("eigen", "relu", "--dpth", 2, code=2).stderr


def test_a_refused_expression_is_shown_with_a_mark_below():
    lines = run("derive", "2*silu(x)", code=2).stderr.splitlines()
    assert "x*sigmoid(x)" in lines[0]
    assert lines[-2].index("silu") == lines[-1].index("^")


# settings from a file


def test_a_file_gives_defaults_and_the_command_line_wins(tmp_path):
    (tmp_path / "run.toml").write_text(
        'depth = 2\nW-std = 1.5\n[eigen]\ndim = 3\ncompare = ["real", "16"]\njson = true\ndegrees = 9\n'
        "[verify]\nbudget = '5s'\n"
    )
    plain = run("eigen", "relu", "--depth", 2, "--W-std", 1.5, "--dim", 3, "--compare", "real,16", "--json",
                "--degrees", 7, cwd=tmp_path)  # fmt: skip
    for args in (
        ("eigen", "relu", "--config", "run.toml", "--degrees", 7),
        ("--config", "run.toml", "eigen", "relu", "--degrees", 7),
    ):
        assert run(*args, cwd=tmp_path).stdout == plain.stdout
    assert (
        "-> relu -> Dense(binary) -> relu ->"
        in run("derive", "relu", "--config", "run.toml", cwd=tmp_path).stdout
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depht = 2", "'depht' is no option of any command. Did you mean 'depth'?"),
        ("[eigen]\nsede = 2", "'sede' is no option of quasintk eigen"),
        ("[eigne]\ndim = 3", "[eigne] is no command. Did you mean 'eigen'?"),
        ("depth = 'two'", "run.toml: 'two' is not a valid integer"),
        ("depth = 99", "run.toml: 99 is not in the range 1<=x<=64"),
        ("[eigen]\nfit = 'yes'", "fit is on or off: write fit = true"),
        ("depth = true", "depth needs a number"),
        ("depth = {a = 1}", "[depth] is no command"),
        ("depth = 1979-05-27", "depth needs a number"),
        ("W-std = 1\nW_std = 2", "an option stands twice"),
        ("depth = ", "run.toml is no TOML (Invalid value (at"),
        ("x = " + "[" * 100_000, "run.toml is no TOML"),
        ("\x00", "run.toml is no TOML"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(text, message, tmp_path):
    (tmp_path / "run.toml").write_text(text)
    assert message in run("eigen", "relu", "--config", "run.toml", cwd=tmp_path, code=2).stderr


def test_a_file_that_never_ends_and_one_that_is_not_there(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("/dev/zero", "pipe"):
        assert f"{name} is no file" in run("eigen", "relu", "--config", name, cwd=tmp_path, code=2).stderr
    (tmp_path / "large.toml").write_text("#" * 1_000_001)
    assert "1,000,000 bytes" in run("eigen", "relu", "--config", "large.toml", cwd=tmp_path, code=2).stderr
    assert "does not exist" in run("eigen", "relu", "--config", "no.toml", cwd=tmp_path, code=2).stderr


def test_options_of_a_file_beside_a_stored_kernel_are_refused_like_typed_ones(tmp_path):
    run("derive", "relu", "--format", "json", "-o", "k.json", cwd=tmp_path)
    (tmp_path / "run.toml").write_text("depth = 2")
    refused = run("eigen", "k.json", "--config", "run.toml", cwd=tmp_path, code=2).stderr
    assert "k.json fixes the network: drop --depth" in refused


# completion, colours


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("quasintk ei", ["eigen"]),
        ("quasintk eigen gel", ["gelu", "gelu_tanh"]),
        ("quasintk eigen relu --wei", ["--weights"]),
        ("quasintk eigen relu --weights te", ["ternary"]),
        ("quasintk eigen relu --config run", ["run.toml"]),
    ],
)
def test_bash_completes(line, expected, tmp_path):
    """A real bash: the function that the printed script installs, called as the tab key calls it."""
    (tmp_path / "run.toml").write_text("")
    words = line.split(" ")
    script = f"""
        eval "$(_QUASINTK_COMPLETE=bash_source quasintk)"
        COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
        compopt() {{ COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")); }}
        _quasintk_completion quasintk
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == expected, done.stderr


def test_colours_only_where_they_are_wanted():
    forced = {"FORCE_COLOR": "1", "NO_COLOR": ""}
    assert ESCAPE in run("doctor", **forced).stdout
    assert ESCAPE in run("eigne", code=2, **forced).stderr
    assert ESCAPE in run("eigen", "--help", **forced).stdout
    for environment in ({"FORCE_COLOR": "", "NO_COLOR": ""}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}):
        assert ESCAPE not in run("doctor", **environment).stdout
        assert ESCAPE not in run("eigne", code=2, **environment).stderr
        assert ESCAPE not in run("eigen", "--help", **environment).stdout


# what to cite


def test_cite_says_what_the_citation_file_says():
    cff = (ROOT / "CITATION.cff").read_text()
    titles = re.findall(r'title: "(.*)"', cff)
    assert titles == [citation.TITLE, citation.PAPER.replace("{", "").replace("}", "")]
    names = list(
        zip(re.findall(r"family-names: (.*)", cff), re.findall(r"given-names: (.*)", cff), strict=True)
    )
    assert [f"{family}, {given}" for family, given in names] == list(citation.PAPER_AUTHORS)
    assert f"arXiv:{citation.ARXIV}" in cff
    assert f"version: {citation.__version__}" in cff
    assert f"year: {citation.YEAR}" in cff


def test_cite_prints_two_entries_whose_braces_close():
    text = run("cite").stdout
    entries = re.findall(r"^@(\w+)\{(\w+),$", text, re.MULTILINE)
    assert entries == [("software", "quasintk"), ("article", "zhang2022quantization")]
    depth = 0
    for sign in re.findall(r"[{}]", text):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert "arXiv:2206.05916" in run("cite", "--format", "text").stdout

"""`quasintk verify`: formats, files, exit codes and messages; the guide's command lines for real."""

import dataclasses
import shlex
import sys
from pathlib import Path

import pytest

import quasintk.cli
from quasintk.cli import verify_command
from quasintk.pipeline import kernel
from verify.report import Certificate, Check

BIN = Path(sys.executable).parent
CHECK = Check("network", "ntk(x0, x1)", 1.0, 1.001, 1e-3, 0.0043, -0.3, "PASS", 64, 0.005)


@pytest.fixture
def run(monkeypatch, capsys):
    """The command in this process, with what answers at once in place of `verify`: (code, stdout, stderr, calls)."""

    def start(*arguments, check=CHECK):
        calls = []

        def answer(claimed, seed, budget, margin, cluster):
            calls.append(
                {"kernel": claimed, "seed": seed, "budget": budget, "margin": margin, "cluster": cluster}
            )
            goal = 0.005 if margin is None else margin
            return Certificate(
                check.status,
                (dataclasses.replace(check, margin=goal),),
                "Kernel",
                "its own",
                goal,
                1e-9,
                1e-9,
                64,
                seed,
                1.0,
                "qn.verify()",
                "0",
            )

        monkeypatch.setattr(verify_command, "verify", answer)
        monkeypatch.setattr(sys, "argv", ["quasintk", "verify", *map(str, arguments)])
        code = quasintk.cli.run()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err, calls

    return start


def test_what_verify_is_asked(run):
    options = ("--depth", 2, "--weights", "ternary", "--seed", 5, "--budget", "90s", "--margin", "2%")
    options += ("--cluster", "local:2")
    code, out, err, calls = run("relu", *options)
    assert (code, err) == (0, "")
    expected = kernel("relu", depth=2, weights="ternary")
    assert calls == [{"kernel": expected, "seed": 5, "budget": "90s", "margin": 0.02, "cluster": "local:2"}]
    assert out.startswith("PASS: Kernel")


def test_without_the_ntk(run):
    """sign has none with real weights; the certificate's command is one that asks for the same."""
    options = ("--weights", "r=0.4", "--W-std", "1.5", "--get", "nngp", "--seed", 3, "--budget", "90s")
    _, out, _, calls = run("sign", *options, "--margin", 0.02)
    again = shlex.split(next(line for line in out.splitlines() if "quasintk verify" in line))
    repeated = run(*again[again.index("verify") + 1 :])[3]
    assert calls == repeated
    assert calls[0]["kernel"] == kernel("sign", weights="r=0.4", W_std="1.5", get="nngp")
    assert calls[0]["seed"] == 3


@pytest.mark.parametrize(
    ("text", "margin"), [("0.5%", 0.005), ("0.5 %", 0.005), ("0.005", 0.005), ("1e-2", 0.01)]
)
def test_margins(text, margin, run):
    assert run("relu", "--margin", text)[3][0]["margin"] == pytest.approx(margin, rel=1e-15)


def test_the_formats_say_the_same(run):
    outputs = {form: run("relu", "--format", form)[1] for form in ("text", "json", "markdown", "html")}
    certificate = Certificate.from_json(outputs["json"])
    assert outputs["text"].rstrip("\n") == str(certificate) == run("relu")[1].rstrip("\n")
    assert outputs["markdown"].rstrip("\n") == certificate.to_markdown()
    assert outputs["html"].rstrip("\n") == certificate.to_html()
    assert run("relu", "--json")[1] == run("relu", "--json", "--format", "json")[1] == outputs["json"]


def test_a_file_instead_of_stdout(run, tmp_path):
    code, out, err, _ = run("relu", "--format", "html", "-o", tmp_path / "c.html")
    assert (code, out) == (0, "")
    assert "Wrote" in err
    assert (tmp_path / "c.html").read_text().startswith("<!DOCTYPE html>")


def test_a_failure_exits_with_4_and_its_certificate(run, tmp_path):
    wrong = dataclasses.replace(CHECK, status="FAIL")
    code, out, err, _ = run("relu", "--format", "json", check=wrong)
    assert code == 4
    assert Certificate.from_json(out).status == "FAIL"
    assert "1 of 1 checks contradict the kernel, first ntk(x0, x1)" in err
    assert run("relu", "-o", tmp_path / "c.txt", check=wrong)[0] == 4
    assert (tmp_path / "c.txt").read_text().startswith("FAIL")


@pytest.mark.parametrize(("budget", "doubled"), [("20s", "40s"), ("1.5m", "3m"), ("7", "14"), ("2h", "4h")])
def test_an_ended_budget_exits_with_5_and_the_next_command(budget, doubled, run):
    coarse = dataclasses.replace(CHECK, status="INCONCLUSIVE", detectable=0.019)
    options = ["--depth", "2", "--weights", "16", "--W-std", "1.5", "--seed", "3", "--margin", "0.25%"]
    code, out, err, calls = run("max(x, 0)", *options, "--budget", budget, check=coarse)
    assert code == 5
    assert out.startswith("INCONCLUSIVE")
    assert "precision 1.9 % attained, 0.25 % asked" in err
    again = shlex.split(err.split("Next: ")[1])
    assert again[:2] == ["quasintk", "verify"]
    repeated = run(*again[2:])[3]
    assert repeated == [{**calls[0], "budget": doubled}]
    assert run(*shlex.split(out.split("run again: ")[1])[2:])[3] == calls


def test_where_no_margin_is_asked_a_coarser_pass_says_so(run):
    code, out, _, calls = run("relu", check=dataclasses.replace(CHECK, detectable=0.006))
    assert (code, calls[0]["margin"]) == (0, None)
    assert "No deviation above 0.6 % of sqrt(K(x,x)K(y,y)) could have hidden (the goal was 0.5 %)." in out


def test_what_cannot_be_sampled_suggests_no_budget(run):
    code, _, err, _ = run("relu", check=dataclasses.replace(CHECK, status="INCONCLUSIVE", samples=0))
    assert code == 5
    assert "cannot be sampled: no budget decides it" in err
    assert "Next:" not in err


def test_a_kernel_file(run, tmp_path):
    claimed = kernel("relu", depth=2, W_std="1.5")
    path = tmp_path / "kernel.json"
    path.write_text(claimed.to_json())
    code, out, _, calls = run(path)
    assert (code, calls[0]["kernel"]) == (0, claimed)
    assert out.rstrip().endswith(f"run again: quasintk verify {path} --seed 0 --budget 20s")
    assert run(path, "--margin", "1%")[1].rstrip().endswith("--seed 0 --budget 20s --margin 0.01")
    code, out, err, _ = run(path, "--depth", 3)
    assert (code, out) == (2, "")
    assert "fixes the network: drop --depth" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("relu", "--json", "--format", "html"), "--json and --format html exclude each other"),
        (("relu", "--format", "pdf"), "pdf"),
        (("relu", "--margin", "wide"), "no number such as 0.005 or 0.5%"),
        (("relu", "--seed", "-1"), "seed"),
        (("foo(x)",), "column 1"),
        (("missing.json",), "missing.json"),
        ((), "Missing argument 'EXPR'"),
    ],
)
def test_bad_input_exits_with_2(arguments, message, run):
    code, out, err, calls = run(*arguments)
    assert (code, out, calls) == (2, "", [])
    assert message in err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--budget", "soon", "budget must be"), ("--margin", "-1%", "margin must be"), ("--margin", "nan", "margin must be")],
)  # fmt: skip
def test_what_verify_refuses_exits_with_2(option, value, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["quasintk", "verify", "relu", option, value])
    assert quasintk.cli.run() == 2
    assert message in capsys.readouterr().err


def test_a_damaged_kernel_file_exits_with_2(run, tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    code, _, err, calls = run(tmp_path / "bad.json")
    assert (code, calls) == (2, [])
    assert "no kernel" in err

"""A study's page without a browser: whole, escaped, without addresses, the same bytes again; and the command's refusals."""

import html.parser
import json
import math
import os
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from derive.weights import NAMED, weight_law
from numerics import files
from quasintk import page
from quasintk.page import commands, findings, sampling, spectra
from quasintk.page import study as module
from quasintk.page.comparisons import comparisons
from quasintk.pipeline import kernel
from verify.report import Certificate, Check

CHECK = Check("network", "ntk(x0, x1)", 1.0, 1.001, 1e-3, 0.0043, -0.3, "PASS", 64, 0.005)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def shorten(patch, check=CHECK):
    """Two precisions, one depth, few roundings; the verification, 10 s of compilation, is answered at once."""

    def certificate(kernel, seed, budget):
        name, status = repr(kernel), check.status
        return Certificate(status, (check,), name, "its own", 0.005, 1e-9, 1e-9, 64, seed, 1.0, "again", "0")

    patch.setattr(spectra, "PRECISIONS", (NAMED["binary"], NAMED["real"]))
    patch.setattr(spectra, "DEPTHS", (1,))
    patch.setattr(sampling, "ROUNDINGS", {4: 40, 8: 40})
    patch.setattr(module, "verify", certificate)


def small(patch, **options):
    shorten(patch)
    return page.study_of(**{"activation": "relu", "dim": 4, "degrees": 16, "b_std": 0.5, **options})


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        yield small(patch)


class Tags(html.parser.HTMLParser):
    """Tags that stay open, and what the page would load."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.addresses, self.scripts = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.addresses += [
            value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")
        ]
        if any(name.startswith("on") for name, _ in attributes):
            self.wrong.append(tag)
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"/{tag}")


def read(text):
    tags = Tags()
    tags.feed(text)
    tags.close()
    return tags


def test_the_page_is_whole_and_needs_nothing_else(study):
    text = page.html_of(study)
    tags = read(text)
    assert (tags.open, tags.wrong) == ([], [])
    assert tags.scripts == 2
    assert all(address.startswith(("#", "data:")) for address in tags.addresses)
    formulas = re.findall(r"<math.*?</math>", text, re.DOTALL)
    assert len(formulas) > 20
    for formula in formulas:
        ElementTree.fromstring(formula)
    assert "@import" not in text
    assert "url(http" not in text


def test_what_is_embedded_is_the_study(study):
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page.html_of(study), re.DOTALL)[1])
    points = [one for one in charts["spectrum"]["series"] if one["kind"] == "points"]
    assert len(points) == 4  # two precisions, even and odd
    even = next(one for one in points if one["at"] == {"precision": "binary", "depth": "1", "parity": "even"})
    assert even["log10"] == list(study.own.log10[::2])
    assert even["error"] == list(study.own.rel_error[::2])
    assert charts.keys() == {"spectrum", "ratio", "sampling"}


def test_the_same_study_gives_the_same_bytes(study, monkeypatch):
    assert page.html_of(small(monkeypatch)) == page.html_of(study)
    assert small(monkeypatch, seed=1).sampling != study.sampling


def test_hostile_text_stays_text(study):
    """Wherever a text comes from outside, and in the embedded numbers."""
    settings = replace(study.settings, expression=HOSTILE)
    formulas = replace(study.formulas, name=HOSTILE, network=HOSTILE, route=(HOSTILE,), conventions=HOSTILE)
    curves = (
        replace(study.curves[0], precision=HOSTILE, fit_note=HOSTILE, prediction_notes=(HOSTILE,)),
        *study.curves[1:],
    )
    compared = tuple(replace(one, name=HOSTILE, reason=HOSTILE) for one in study.comparisons)
    hostile = replace(
        study,
        settings=settings,
        formulas=formulas,
        curves=curves,
        comparisons=compared,
        certificate=HOSTILE,
        sampling=HOSTILE,
    )
    text = page.html_of(hostile)
    tags = read(text)
    assert (tags.scripts, tags.open, tags.wrong) == (2, [], [])
    assert "<img" not in text
    assert "&lt;script&gt;" in text


def test_findings_are_made_of_the_numbers(study):
    said = {one.title: one for one in findings.findings(study)}
    assert list(said) == ["Decay", "Prediction", "Function space", "Checks", "Finite networks"]
    assert f"{study.own.predicted:.6g}" in said["Prediction"].text
    assert "strict subset" in said["Function space"].text
    assert said["Checks"].tone == "good"
    failed = replace(
        study, certificate=replace(study.certificate, status="FAIL", checks=(replace(CHECK, status="FAIL"),))
    )
    assert {one.title: one.tone for one in findings.findings(failed)}["Checks"] == "bad"
    wrong = replace(study.own, verdict="exponential", fitted=(0.5, 0.4, 0.45))
    text = findings.findings(replace(study, curves=(wrong, *study.curves[1:])))[1]
    assert (text.tone, "outside" in text.text) == ("bad", True)


def test_the_python_lines_give_the_numbers(study):
    typed = commands.commands(study.settings)
    names = {}
    for lines in (typed.kernel, typed.spectrum, typed.compare, typed.sampling):
        exec(lines, names)
    assert (names["values"].log_eigenvalue / math.log(10)).tolist() == list(study.own.log10)
    assert "--b-std 0.5" in typed.study
    hostile = commands.commands(replace(study.settings, expression="x; rm -rf '$HOME'"))
    assert hostile.derive.startswith("quasintk derive 'x; rm -rf '\"'\"'$HOME'\"'\"''")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"activation": "x", "degrees": 8}, "finite-rank"),
        ({"weights": "real"}, "No weight is rounded"),
        ({"activation": "sign(x)", "get": "nngp"}, "NNGP kernel"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_said(options, said, monkeypatch):
    text = page.html_of(small(monkeypatch, **options))
    assert said in text
    assert read(text).wrong == []


def test_refusals_come_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "kernel", None)
    (tmp_path / "folder.html").mkdir()
    for arguments, message in (
        (("relu", "-o", "page.txt"), "ends in .html"),
        (("relu", "-o", "none/page.html"), "no folder none"),
        (("relu", "-o", "folder.html"), "is a folder"),
        (("relu",), "Missing option '-o'"),
        (("relu", "-o", "page.html", "--budget", "soon"), "'20s' or '2m'"),
        (("relu", "-o", "page.html", "--degrees", "3"), "8<=x<=1000"),
        (("relu", "-o", "page.html", "--seed", 2**63), "--seed"),
        (("kernel.json", "-o", "page.html"), "give the activation instead"),
        (("<script>alert(1)</script>", "-o", "page.html"), "Error"),
    ):
        code, out, err = run("study", *arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err, arguments
    assert os.listdir(tmp_path) == ["folder.html"]


@pytest.mark.parametrize(("status", "exit_code"), [("PASS", 0), ("INCONCLUSIVE", 0), ("FAIL", 4)])
def test_the_command_writes_the_page(run, tmp_path, monkeypatch, status, exit_code):
    """An expression may begin with a minus sign; progress goes to stderr; a failed check is the page's and the exit code's."""
    shorten(monkeypatch, replace(CHECK, status=status))
    code, out, err = run("study", "-cos(x)", "--dim", 3, "--degrees", 8, "-o", "page.html")
    assert (code, out) == (exit_code, "")
    assert "spectrum 2 of 2: real, depth 1 ..." in err
    assert "Wrote page.html" in err
    assert f'class="status {status}"' in (tmp_path / "page.html").read_text()
    assert os.listdir(tmp_path) == ["page.html"]


def test_an_infinite_kernel_names_the_way_out(run, tmp_path):
    code, _, err = run("study", "sign(x)", "--weights", "real", "-o", "page.html")
    assert code == 2
    assert "--get nngp" in err
    assert os.listdir(tmp_path) == []


def test_the_page_appears_whole_or_not_at_all(study, tmp_path, monkeypatch):
    page.write(study, tmp_path / "page.html")
    before = (tmp_path / "page.html").read_bytes()

    def full(operation, path):
        if operation == "truncate":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "before", full)
    with pytest.raises(OSError, match="No space"):
        page.write(replace(study, certificate="other"), tmp_path / "page.html")
    assert os.listdir(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_bytes() == before


def test_a_comparison_that_cannot_be_had_says_why():
    """Real weights: sign's NTK is infinite there, and finite behind a rounded layer."""
    jumps, law = kernel("sign"), weight_law("binary")
    *others, real = comparisons(jumps, lambda: kernel("sign", weights="real"), law, 3, 8, lambda doing: None)
    assert real.verdict == "not known"
    assert "infinite" in real.reason
    assert all(other.degree for other in others)

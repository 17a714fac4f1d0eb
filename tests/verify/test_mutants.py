"""Every wrong line of verify.mutants still applies, the mechanism judges the changed copy, and nothing survives."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from derive.errors import CertificateError, DerivationError, NumericalError
from derive.network import Network
from verify import cases, mutants
from verify.cases import CASES, Verdict, judge
from verify.mutants import MUTANTS, PACKAGES, ROOT, Mutant, control, copy, judge_copy, main, run

NAMED = {mutant.name: mutant for mutant in MUTANTS}
FAST = ["density without its 2", "tilt without its half", "denominators without brackets"]
"""Caught by the certificate or the first gate: no network is sampled."""


def packages_text():
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*.py")
    }


def test_every_mutant_still_applies():
    """Its text occurs exactly once and is changed, and the changed file is Python."""
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text()
        assert text.count(mutant.old) == 1, mutant.name
        assert mutant.old != mutant.new, mutant.name
        assert ast.dump(ast.parse(mutant.applied(text))) != ast.dump(ast.parse(text)), mutant.name


def test_there_are_enough_different_mutants():
    assert len(MUTANTS) >= 25
    assert len(NAMED) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.case for mutant in MUTANTS} == set(CASES)
    assert {mutant.file.split("/")[0] for mutant in MUTANTS} >= {"derive", "numerics"}


@pytest.mark.parametrize("name", CASES)
def test_cases_are_networks(name):
    assert isinstance(CASES[name](), Network)


@pytest.mark.parametrize("old", ["q = 3", "q = 1\n"], ids=["absent", "twice"])
def test_a_mutant_that_lost_its_text_says_so(old):
    mutant = Mutant("wrong q", "derive/network.py", old, "q = 2", "relu")
    with pytest.raises(ValueError, match=r"'wrong q' cannot be applied.*derive/network\.py.*Adapt it"):
        mutant.applied("q = 1\nq = 1\n")


def test_one_file_of_the_copy_is_changed(monkeypatch):
    """And nothing of the original."""
    before, seen = packages_text(), {}

    def look(folder, case, budget):
        seen.update({str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()})
        seen.update({name: path.read_text() for name, path in seen.items()})
        return Verdict(case, "code", "", "FAIL", 1.0)

    monkeypatch.setattr(mutants, "judge_copy", look)
    mutant = NAMED["M without the bias"]
    assert run(mutant).case == mutant.case
    assert packages_text() == before
    assert not any("__pycache__" in name for name in seen)
    changed = {name for name, text in before.items() if seen[name] != text}
    assert changed == {mutant.file}
    assert seen[mutant.file] == before[mutant.file].replace(mutant.old, mutant.new)


@pytest.mark.parametrize(
    ("name", "taken"), [("M without the bias", True), ("rounding by a fair coin", False)]
)
def test_compiled_samplers_serve_mutants_elsewhere(monkeypatch, tmp_path, name, taken):
    """A mutant in verify, whose machine code a stale cache would hide, compiles anew."""
    copy(tmp_path)
    (tmp_path / "verify" / "__pycache__").mkdir()
    (tmp_path / "verify" / "__pycache__" / "ensemble._simulate.nbc").write_bytes(b"code")
    found = []

    def look(folder, case, budget):
        found.extend(path.name for path in folder.rglob("*.nbc"))
        original, copied = ((root / "verify" / "eprocess.py").stat() for root in (ROOT, folder))
        assert original.st_mtime_ns == copied.st_mtime_ns  # by which Numba knows its files
        return Verdict(case, "code", "", "FAIL", 1.0)

    monkeypatch.setattr(mutants, "judge_copy", look)
    run(NAMED[name], tmp_path)
    assert found == (["ensemble._simulate.nbc"] if taken else [])


def test_compiled_functions_do_not_serve_mutants_of_their_package(monkeypatch, tmp_path):
    """Numba sees a change of a function's own file, not of one that it has compiled in."""
    copy(tmp_path)
    for package in ("numerics", "verify"):
        (tmp_path / package / "__pycache__").mkdir()
        (tmp_path / package / "__pycache__" / f"{package}.nbc").write_bytes(b"code")
    found = []

    def look(folder, case, budget):
        found.extend(path.name for path in folder.rglob("*.nbc"))
        return Verdict(case, "code", "", "FAIL", 1.0)

    monkeypatch.setattr(mutants, "judge_copy", look)
    run(NAMED["Horner's scheme skips a coefficient"], tmp_path)
    assert found == ["verify.nbc"]


WHERE = """
import json, sys
import derive, numerics, verify
from derive import worker
worker.TASKS["where"] = "derive.where:task"
found = [derive.__file__, numerics.__file__, verify.__file__, worker.run("where", "")]
print(json.dumps({"case": sys.argv[2], "caught_by": "code", "check": json.dumps(found), "status": "", "seconds": 1}))
"""


def test_the_copy_and_no_other_is_judged(tmp_path):
    """In the process that verifies, and in the one that derives."""
    copy(tmp_path)
    (tmp_path / "derive" / "where.py").write_text("def task(text):\n    return __file__\n")
    (tmp_path / "verify" / "cases.py").write_text(WHERE)
    found = json.loads(judge_copy(tmp_path, "relu", 1.0).check)
    assert len(found) == 4
    assert all(Path(name).is_relative_to(tmp_path) for name in found)


def test_a_copy_that_cannot_be_imported_is_a_crash(tmp_path):
    copy(tmp_path)
    (tmp_path / "derive" / "errors.py").write_text("raise ImportError('gone')\n")
    verdict = judge_copy(tmp_path, "relu", 1.0)
    assert (verdict.caught_by, verdict.caught) == ("crash", False)
    assert "gone" in verdict.check


def certificate(status, *checks):
    named = tuple(SimpleNamespace(gate=gate, name=name, status=one) for gate, name, one in checks)
    return SimpleNamespace(status=status, checks=named)


def judged(monkeypatch, outcome):
    def verify(*_, **__):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(cases, "verify", verify)
    monkeypatch.setattr(cases, "derive_kernel", lambda network: network)
    monkeypatch.setattr(cases, "Kernel", lambda ir: ir)
    return judge("relu", 1.0)


def test_the_first_gate_that_fails_is_named(monkeypatch):
    found = certificate("FAIL", ("code", "a", "PASS"), ("layer", "b", "FAIL"), ("network", "c", "FAIL"))
    verdict = judged(monkeypatch, found)
    assert (verdict.caught_by, verdict.check, verdict.caught) == ("layer", "b", True)


@pytest.mark.parametrize("status", ["PASS", "INCONCLUSIVE"])
def test_what_is_undecided_survives(monkeypatch, status):
    verdict = judged(monkeypatch, certificate(status, ("code", "a", "PASS"), ("layer", "b", status)))
    assert (verdict.caught_by, verdict.status, verdict.caught) == ("nothing", status, False)


@pytest.mark.parametrize(
    ("error", "caught_by"),
    [
        (CertificateError("The closed form of kappa for relu ...: it is a defect of this program."), "certificate"),
        (DerivationError("The rule for tanh has only 9.0 digits in common with independent quadrature."), "certificate"),
        (DerivationError("W_std is too large."), "crash"),
        (NumericalError("neither the Hermite series nor direct quadrature is sure"), "crash"),
        (RuntimeError("it is a defect of this program."), "crash"),
        (ZeroDivisionError("division by zero"), "crash"),
    ],
)  # fmt: skip
def test_only_an_error_that_names_a_defect_catches(monkeypatch, error, caught_by):
    verdict = judged(monkeypatch, error)
    assert verdict.caught_by == caught_by
    assert verdict.caught == (caught_by == "certificate")


@pytest.mark.parametrize(("caught_by", "status"), [("network", 0), ("nothing", 1), ("crash", 1)])
def test_a_survivor_ends_with_status_1(monkeypatch, tmp_path, caught_by, status):
    monkeypatch.setattr(
        mutants, "run", lambda mutant, _: Verdict(mutant.case, caught_by, "m(x0, x1)", "", 2.0)
    )
    target = tmp_path / "table.md"
    assert main(["-o", str(target), "--only", "r = 0.34"]) == status
    assert f"**{1 - status} of 1 caught.**" in target.read_text()
    assert f"| r = 0.34 for binary weights | derive/recursion.py | relu | {caught_by} |" in target.read_text()


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "no such mutant"])


@pytest.mark.parametrize("name", FAST)
def test_a_wrong_formula_is_caught(name):
    verdict = run(NAMED[name])
    assert verdict.caught, verdict
    assert verdict.caught_by in ("certificate", "code")


def test_the_table_is_of_these_mutants_and_all_are_caught():
    text = (ROOT / "docs" / "mutants.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert [(row[0].removeprefix("| "), row[1], row[2]) for row in rows] == [
        (mutant.name, mutant.file, mutant.case) for mutant in MUTANTS
    ]
    assert {row[3] for row in rows} <= {"certificate", "code", "quadrature", "property", "layer", "network"}
    assert re.search(rf"\*\*{len(MUTANTS)} of {len(MUTANTS)} caught\.\*\*", text)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_mutant_is_caught():
    verdicts = dict(zip(NAMED, mutants.run_all(MUTANTS), strict=True))
    assert {name: verdict for name, verdict in verdicts.items() if not verdict.caught} == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_without_a_mutant_every_case_passes(case):
    verdict = control(case)
    assert (verdict.caught_by, verdict.status) == ("nothing", "PASS"), verdict

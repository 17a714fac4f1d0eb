"""A package of the same name before ours: the stated ImportError, and pytest still runs. Real processes throughout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def python(code, cwd):
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(params=["package", "file", "namespace"])
def shadowed(request, tmp_path):
    """A folder with a foreign `verify`: a package, a single file, or a folder without any file."""
    if request.param == "file":
        (tmp_path / "verify.py").write_text("answer = 42\n")
        return tmp_path, "verify.py"
    (tmp_path / "verify").mkdir()
    if request.param == "package":
        (tmp_path / "verify" / "__init__.py").write_text("answer = 42\n")
        return tmp_path, "__init__.py"
    return tmp_path, None


def test_a_foreign_package_is_named_with_the_remedy(shadowed):
    folder, intruder = shadowed
    done = python("import quasintk", folder)
    if intruder is None:
        assert done.returncode == 0  # a folder without __init__.py loses against our regular package
        return
    assert done.returncode == 1
    assert "ImportError: quasintk needs its own package 'verify', but" in done.stderr
    assert str(folder) in done.stderr
    assert intruder in done.stderr
    assert "Remedy: rename or move that file" in done.stderr


def test_an_intruder_that_was_imported_already(tmp_path):
    (tmp_path / "numerics.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numerics; sys.path.pop(0); import quasintk"
    done = python(code, Path(sys.prefix))
    assert "quasintk needs its own package 'numerics'" in done.stderr


def test_an_intruder_that_comes_after_the_import(tmp_path):
    (tmp_path / "derive.py").write_text("")
    code = f"import sys, quasintk; sys.path.insert(0, {str(tmp_path)!r}); quasintk.mlp"
    done = python(code, Path(sys.prefix))
    assert "quasintk needs its own package 'derive'" in done.stderr


def test_the_owning_distribution_is_named(tmp_path):
    (tmp_path / "verify.py").write_text("")
    info = tmp_path / "proofs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: proofs\nVersion: 1.0\n")
    (info / "RECORD").write_text("verify.py,,\nproofs-1.0.dist-info/METADATA,,\n")
    done = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import quasintk", Path(sys.prefix))
    assert "of the distribution proofs" in done.stderr
    assert "Remedy: uninstall proofs" in done.stderr


def test_another_version_of_ours(tmp_path):
    (tmp_path / "derive").mkdir()
    (tmp_path / "derive" / "__init__.py").write_text('__quasintk__ = "9.9"\n')
    done = python("import quasintk", tmp_path)
    assert "package 'derive' in version 9.9" in done.stderr
    assert "install quasintk again" in done.stderr


@pytest.mark.parametrize(
    "command", [[str(BIN / "pytest")], [sys.executable, "-m", "pytest"]], ids=["pytest", "-m"]
)
def test_pytest_still_runs(shadowed, command):
    folder, intruder = shadowed
    own = (
        "import verify\n\ndef test_own():\n    assert verify.answer == 42\n"
        if intruder
        else "def test_own():\n    pass\n"
    )
    (folder / "test_own.py").write_text(own)
    done = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_in_such_a_session_the_error_comes_with_the_first_name(tmp_path):
    (tmp_path / "verify.py").write_text("")
    (tmp_path / "test_use.py").write_text("import quasintk\n\ndef test_use():\n    quasintk.mlp('relu')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "quasintk needs its own package 'verify'" in done.stdout
    assert "1 failed" in done.stdout


def test_a_missing_package_is_named(tmp_path):
    code = "import importlib.abc, sys\n"
    code += "class Hide(importlib.abc.MetaPathFinder):\n"
    code += "    def find_spec(self, name, path=None, target=None):\n"
    code += "        if name == 'numerics': raise ModuleNotFoundError(name)\n"
    code += "sys.meta_path.insert(0, Hide())\nimport quasintk"
    done = python(code, tmp_path)
    assert "quasintk needs its package 'numerics', which cannot be found" in done.stderr
    assert "install quasintk again" in done.stderr


def test_a_file_of_two_distributions_is_blamed_on_the_other(tmp_path):
    """Another distribution's `verify` written over ours: both list the file as theirs."""
    for package in ("derive", "numerics", "quasintk"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "__init__.py").write_text("")
    for name in ("quasintk", "proofs"):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("verify/__init__.py,,\n")
    done = python("import quasintk", tmp_path)
    assert "Remedy: uninstall proofs, then install quasintk again" in done.stderr


def test_the_plugin_imports_nothing_of_the_library_and_names_the_version(tmp_path):
    code = "import sys\nHEAVY = {'derive', 'numerics', 'verify', 'sympy', 'numba'}\n\n"
    code += "def test_light():\n    assert not HEAVY & set(sys.modules)\n"
    (tmp_path / "test_light.py").write_text(code)
    command = [str(BIN / "pytest"), "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "quasintk 0.1.0" in done.stdout
    assert "1 passed" in done.stdout


def test_doctor_reports_a_shadowed_package_and_other_commands_stop_with_one_message(tmp_path):
    (tmp_path / "verify.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    doctor, derive = (
        subprocess.run([BIN / "quasintk", *args], capture_output=True, text=True, env=environment)
        for args in (["doctor"], ["derive", "relu"])
    )
    assert doctor.returncode == derive.returncode == 1
    assert "BAD  package verify" in doctor.stdout
    for text in (doctor.stdout, derive.stderr):
        assert "quasintk needs its own package 'verify'" in text
    assert "Traceback" not in doctor.stderr + derive.stderr

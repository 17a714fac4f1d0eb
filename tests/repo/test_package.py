"""The wheel holds the four packages with their type markers, and works where it is unpacked."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"derive", "numerics", "verify", "quasintk"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True
    )
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_source_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    sources = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    sources |= {
        path for ending in ("html", "css", "js") for path in (ROOT / "quasintk/page").glob(f"*.{ending}")
    }
    assert len(sources) > 200
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= names
    assert {name.partition("/")[0] for name in names} == PACKAGES


def test_wheel_works_unpacked(wheel, tmp_path):
    """Put first on the import path: every package comes from the wheel, and the guard is content."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import quasintk\n"
        "print(quasintk.mlp('relu', depth=2).layers[0].W_std, quasintk.__file__)\n"
        "for sibling in quasintk._siblings.siblings(): print(sibling.problem, sibling.file)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    files = ("quasintk", "derive", "numerics", "verify")
    values = ("1", "None", "None", "None")
    expected = [
        f"{value} {tmp_path / name / '__init__.py'}" for value, name in zip(values, files, strict=True)
    ]
    assert done.stdout.splitlines() == expected

"""House rules that a machine can check."""

import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("derive", "numerics", "verify", "quasintk")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TOP = {"derive", "numerics", "verify", "tests", "quasintk", "benchmarks", "docs", ".ci"}
BANNED = re.compile(
    r"sympify\(|parse_expr\(|fastmath\s*=\s*True|allow_pickle\s*=\s*True|/home/|/root/|index-url|find-links|://[^ ]*/simple"
)
ADDRESSES = re.compile(r"/home/|/root/|/work/|/Users/|pythonhosted|pypi\.org|registry\.npmjs|://[^ ]*/simple")


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: n for path, n in lengths.items() if n > 400} == {}
    assert statistics.median(lengths.values()) <= 150


def test_folders_are_those_of_the_house():
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    assert folders <= TOP


def test_no_package_markers_under_tests():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_nothing_banned_is_in_the_sources():
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SOURCES
        for match in BANNED.finditer(path.read_text())
    }
    assert found == set()


def test_no_file_names_a_machine_path_or_a_registry():
    texts = {path: path.read_bytes().decode(errors="ignore") for path in tracked() if path != Path(__file__)}
    found = {
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path, text in texts.items()
        for hit in ADDRESSES.finditer(text)
    }
    assert found == set()


def test_the_lock_has_hashes_and_no_addresses():
    text = (ROOT / "lock.txt").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text

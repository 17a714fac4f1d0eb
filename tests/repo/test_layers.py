"""The layer rule, and the oracle's independence, by import-linter; and that the linter would notice."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"


def test_contracts_hold():
    done = subprocess.run([LINT, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_an_upward_import_is_noticed(tmp_path):
    for package in ("derive", "numerics", "verify", "quasintk"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "derive" / "oracle.py").write_text("import numerics\n")
    contracts = (ROOT / "pyproject.toml").read_text().split("[tool.importlinter]")[1].split("[[tool")
    (tmp_path / "pyproject.toml").write_text("[tool.importlinter]" + contracts[0] + "[[tool" + contracts[1])
    done = subprocess.run([LINT, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "derive.oracle -> numerics" in done.stdout

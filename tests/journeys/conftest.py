"""The wheel in an environment of its own: what a user has, outside of the repository."""

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSET = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTHONPATH")


@dataclass(frozen=True)
class Installed:
    """An environment with quasintk from its wheel; the dependencies are the running interpreter's."""

    prefix: Path

    @property
    def environment(self):
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        return {**kept, "PATH": f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def start(self, *command, cwd):
        return subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *command, cwd, timeout=280):
        return subprocess.run(
            [str(part) for part in command], cwd=cwd, env=self.environment, capture_output=True, text=True,
            timeout=timeout,
        )  # fmt: skip

    def shell(self, line, cwd, timeout=280):
        done = self.run("bash", "-ec", line, cwd=cwd, timeout=timeout)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("somebody")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    found = Installed(folder / "env")
    install = ("pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check")
    done = found.run("python", "-m", *install, next(folder.glob("*.whl")), cwd=folder)
    assert done.returncode == 0, done.stderr
    site = next((folder / "env" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found

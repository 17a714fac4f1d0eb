"""README's examples run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
PYTHON = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
SHELL = re.findall(r"```shell\n(.*?)```", README, re.DOTALL)


def environment():
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_readme_opens_with_the_two_commands():
    commands = [line.split("#")[0].strip() for line in SHELL[0].splitlines()]
    assert commands == ["make demo", "make test"]
    assert README.index("make demo") < 60


@pytest.mark.timeout(250)
def test_the_python_lines(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PYTHON], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["exponential", "PASS"]


@pytest.mark.timeout(250)
@pytest.mark.parametrize("line", SHELL[1].splitlines())
def test_a_shell_line(line, tmp_path):
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr

"""What tests of commands have in common."""

import sys

import pytest

import quasintk.cli


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """The command line: (code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["quasintk", *map(str, arguments)])
        code = quasintk.cli.run()
        done = capsys.readouterr()
        return code, done.out, done.err

    return start

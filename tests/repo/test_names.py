"""The public names: few, lazy, and never hidden by a submodule."""

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys

import quasintk


def test_at_most_twenty_names_and_all_resolve():
    assert len(quasintk.__all__) <= 20
    for name in quasintk.__all__:
        assert getattr(quasintk, name).__name__ == name
        assert name in dir(quasintk)


def test_no_submodule_bears_a_public_name():
    modules = {module.name for module in pkgutil.iter_modules(quasintk.__path__)}
    assert not modules & set(quasintk.__all__)


def test_an_unknown_name_is_an_attribute_error():
    code = "import quasintk\ntry:\n    quasintk.nothing\nexcept AttributeError as e:\n    print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "module 'quasintk' has no attribute 'nothing'"


def test_every_version_is_the_same():
    packages = [importlib.import_module(name) for name in ("derive", "numerics", "verify", "quasintk")]
    versions = {package.__quasintk__ for package in packages} | {quasintk._siblings.VERSION}
    assert versions == {importlib.metadata.version("quasintk")}

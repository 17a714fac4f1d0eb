"""Numbers: generated code, Gram matrices, spectra and fitted laws."""

import os as _os
import sys as _sys
from pathlib import Path as _Path

__quasintk__ = "0.1.0"


def _give_numba_a_folder() -> None:
    """Where neither this package nor the user's cache can be written, Numba would refuse to compile: a folder of this process's own."""
    package = _Path(__file__).parent
    user = _Path(_os.environ.get("XDG_CACHE_HOME") or _Path("~/.cache").expanduser()) / "numba"
    places = [package / "__pycache__" if (package / "__pycache__").exists() else package]
    places += [next(folder for folder in (user, *user.parents) if folder.exists())]
    if "NUMBA_CACHE_DIR" not in _os.environ and not any(_os.access(place, _os.W_OK) for place in places):
        import atexit
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="quasintk-numba-")
        atexit.register(folder.cleanup)
        _os.environ["NUMBA_CACHE_DIR"] = folder.name
        if "numba" in _sys.modules:
            _sys.modules["numba"].config.CACHE_DIR = folder.name


_give_numba_a_folder()

"""Kernels of infinitely wide networks with rounded weights: derived, computed and verified.

>>> import quasintk as qn
>>> kernel = qn.kernel("relu", depth=3, weights="binary", W_std=1.4142)
>>> kernel([[1.0, 0.0], [0.0, 1.0]]).shape
(2, 2)
"""

import sys
from typing import TYPE_CHECKING, Any

from quasintk import _siblings

__quasintk__ = "0.1.0"
__version__ = __quasintk__

if sys.argv[:1] != ["-m"]:  # `python -m quasintk`, as the command, checks for itself
    _siblings.check_on_import()

if TYPE_CHECKING:
    from derive.activation import Activation as Activation
    from derive.network import Dense as Dense
    from derive.network import Network as Network
    from derive.network import mlp as mlp
    from derive.predict import predict_decay as predict_decay
    from derive.weights import Levels as Levels
    from derive.weights import WeightLaw as WeightLaw
    from numerics.fit import fit_decay as fit_decay
    from numerics.gram import gram as gram
    from numerics.gram_spectrum import gram_spectrum as gram_spectrum
    from numerics.inclusion import compare as compare
    from numerics.kernel import Kernel as Kernel
    from numerics.mixture import equivalent_gaussian_mixture as equivalent_gaussian_mixture
    from numerics.stored import open_gram as open_gram
    from numerics.zonal import spectrum as spectrum
    from quasintk import baselines as baselines
    from quasintk import errors as errors
    from quasintk import lowrank as lowrank
    from quasintk import page as page
    from quasintk import sklearn as sklearn
    from quasintk import testing as testing
    from quasintk.pipeline import kernel as kernel
    from verify.check import verify as verify
    from verify.latents import sample_network as sample_network
    from verify.quasi import quasi_network as quasi_network

_PUBLIC = {
    "Activation": "derive.activation",
    "Dense": "derive.network",
    "Kernel": "numerics.kernel",
    "Levels": "derive.weights",
    "Network": "derive.network",
    "WeightLaw": "derive.weights",
    "compare": "numerics.inclusion",
    "equivalent_gaussian_mixture": "numerics.mixture",
    "fit_decay": "numerics.fit",
    "gram": "numerics.gram",
    "gram_spectrum": "numerics.gram_spectrum",
    "kernel": "quasintk.pipeline",
    "mlp": "derive.network",
    "open_gram": "numerics.stored",
    "predict_decay": "derive.predict",
    "spectrum": "numerics.zonal",
    "quasi_network": "verify.quasi",
    "sample_network": "verify.latents",
    "verify": "verify.check",
}
__all__ = list(_PUBLIC)
_MODULES = ("baselines", "errors", "lowrank", "page", "sklearn", "testing")


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC and name not in _MODULES:
        raise AttributeError(f"module 'quasintk' has no attribute {name!r}")
    import importlib

    _siblings.check()
    if name in _MODULES:
        return importlib.import_module(f"quasintk.{name}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES})

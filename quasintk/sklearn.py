"""Kernels and estimators for scikit-learn, which the extra `sklearn` brings.

>>> from sklearn.kernel_ridge import KernelRidge
>>> from quasintk.sklearn import QuasiNTK
>>> model = KernelRidge(kernel=QuasiNTK("relu", depth=2, weights="binary"))
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"quasintk.sklearn needs scikit-learn: pip install 'quasintk[sklearn]' ({error})."
    ) from error

from numerics.gradient import gradient
from numerics.preflight import Preflight, preflight
from quasintk.sklearn_kernel import QuasiNTK
from quasintk.sklearn_ridge import LowRankRidge

__all__ = ["LowRankRidge", "Preflight", "QuasiNTK", "gradient", "preflight"]

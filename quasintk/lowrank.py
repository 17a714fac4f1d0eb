"""Kernels of very many inputs: low-rank factors, and ridge regression with them.

>>> import numpy as np, quasintk as qn
>>> X = np.random.default_rng(0).normal(size=(2000, 3))
>>> fit = qn.lowrank.ridge(qn.kernel("relu", depth=2), X, np.sin(X[:, 0]), penalty=1e-3, rank=200)
>>> fit.predict(X[:5]).shape
(5,)
"""

from numerics.lowrank import LowRank, cholesky
from numerics.ridge import RidgeFit, ridge

__all__ = ["LowRank", "RidgeFit", "cholesky", "ridge"]

"""LowRankRidge: kernel ridge regression for very many inputs, as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from derive.errors import DataWarning
from numerics.kernel import Kernel
from numerics.preflight import preflight
from numerics.ridge import ridge
from quasintk.sklearn_kernel import QuasiNTK

Floats = NDArray[np.float64]


class LowRankRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Kernel ridge regression on a low-rank factor of the Gram matrix, which is never formed.

    Minimises |f - y|^2 + alpha |f|^2, as `KernelRidge(alpha)` does, with F F^T in K's place (`quasintk.lowrank`).

    Parameters
    ----------
    kernel : QuasiNTK or quasintk.Kernel, optional
        By default QuasiNTK(): one hidden layer of binary ReLU.
    alpha : float
        Penalty, positive.
    rank : int
        The most columns of the factor; n rank kernel values are computed.
    exact : bool
        Whether to solve with K itself, by conjugate gradients that the factor preconditions.
    tol : float
        Relative residual of the exact solution.
    random_state : int, RandomState or None
        Of the pivots.

    Attributes
    ----------
    fit_ : quasintk.lowrank.RidgeFit
        With the factor (`fit_.low_rank`), the coefficients and the residual.
    error_ : float
        trace(K - F F^T) / trace(K): what the factor leaves out.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = LowRankRidge(QuasiNTK("relu", depth=2), alpha=1e-3, rank=100).fit(X, np.sin(X[:, 0]))
    """

    def __init__(
        self,
        kernel: QuasiNTK | Kernel | None = None,
        alpha: float = 1.0,
        rank: int = 500,
        exact: bool = False,
        tol: float = 1e-8,
        random_state: Any = 0,
    ):
        self.kernel = kernel
        self.alpha = alpha
        self.rank = rank
        self.exact = exact
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: object, y: object) -> LowRankRidge:
        """Factor K(X, X) and solve.

        Parameters
        ----------
        X : array, shape (n, d)
        y : array, shape (n,) or (n, outputs)

        Returns
        -------
        LowRankRidge
            Itself.

        Raises
        ------
        TypeError, ValueError
            If the data or a parameter is not of the kind stated.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        kernel = self._kernel()
        if not 0 < self.alpha < np.inf:
            raise ValueError(f"alpha must be positive, got {self.alpha!r}.")
        for finding in preflight(kernel, X, self.alpha).findings:
            warnings.warn(finding, DataWarning, stacklevel=2)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.fit_ = ridge(
            kernel, X, y, self.alpha, rank=self.rank, exact=self.exact, tolerance=self.tol, seed=seed
        )
        self.error_ = self.fit_.low_rank.error
        return self

    def predict(self, X: object) -> Floats:
        """Values at inputs (m, d), shape (m,) or (m, outputs)."""
        check_is_fitted(self)
        return self.fit_.predict(validate_data(self, X, dtype=np.float64, reset=False))

    def _kernel(self) -> Kernel:
        if self.kernel is None:
            return QuasiNTK().to_kernel()
        if isinstance(self.kernel, QuasiNTK):
            return self.kernel.to_kernel()
        if isinstance(self.kernel, Kernel):
            return self.kernel
        raise TypeError(f"kernel must be a QuasiNTK or a quasintk.Kernel, got {type(self.kernel).__name__}.")

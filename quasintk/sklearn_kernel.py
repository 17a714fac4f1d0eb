"""QuasiNTK: the kernel of a network as scikit-learn's kernels are."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from derive.errors import DataWarning
from derive.weights import weight_law
from numerics import kernel as kernels
from numerics.arrays import as_rows
from numerics.gradient import gradient
from numerics.preflight import preflight
from quasintk.pipeline import kernel as derive

Floats = NDArray[np.float64]
Bounds = tuple[float, float] | str | None
B_STD_BOUNDS = (1e-3, 1e2)
_derived: dict[tuple[object, ...], kernels.Kernel] = {}
"""One kernel of each structure in this process: other parameter values are set in it, in microseconds."""


class QuasiNTK(Kernel):  # type: ignore[misc]  # scikit-learn is untyped
    """Neural tangent kernel of an infinitely wide network with rounded weights.

    [Dense(weights) -> activation] * depth -> Dense(real, W_std=1, b_std=0), as `quasintk.mlp` has it. It combines with other kernels
    (`ConstantKernel() * QuasiNTK() + WhiteKernel()`), and serves GaussianProcessRegressor and -Classifier, KernelRidge, SVC,
    SVR, KernelPCA and Nystroem, each in one call for the whole matrix.

    Parameters
    ----------
    activation : str, sympy.Expr or quasintk.Activation
        A name of the library, or an expression in x.
    depth : int
        Hidden layers.
    weights : {"real", "binary", "ternary"}, int or quasintk.WeightLaw
        An int is a number of levels.
    W_std, b_std : float
        Standard deviations of the hidden layers' weights (> 0) and biases (>= 0).
    latent_fraction : float in (0, 1], optional
        r = E[w^2] / E[W^2], the share of the weights that survives averaging; by default that of `weights`, 1/3 for binary ones.
    W_std_bounds, b_std_bounds, latent_fraction_bounds : (float, float) or "fixed"
        Between which a Gaussian process optimises them; 0 < low <= high, high <= 1 for latent_fraction. b_std = 0
        has no logarithm and stays; above 0 it is free between 1e-3 and 100 by default. Real weights have no latent_fraction.
    get : {"ntk", "nngp"}
        The tangent kernel, or that of the network at initialisation, which activations that jump need.

    Notes
    -----
    Parameters are looked at when the kernel is first computed: a wrong one raises there, as scikit-learn has it. The first call derives
    and compiles, 1 to 10 s in a fresh installation. Rows of zeros, outliers and unscaled features give a
    `quasintk.errors.DataWarning`. theta are the logarithms of what is free, in the order W_std, b_std, latent_fraction.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> model = SVC(kernel=QuasiNTK("relu", depth=3, weights="binary", W_std=1.4))
    """

    def __init__(
        self,
        activation: Any = "relu",
        depth: int = 1,
        weights: Any = "binary",
        W_std: float = 1.0,
        b_std: float = 0.0,
        latent_fraction: float | None = None,
        W_std_bounds: Bounds = (1e-2, 1e2),
        b_std_bounds: Bounds = None,
        latent_fraction_bounds: Bounds = "fixed",
        get: str = "ntk",
    ):
        self.activation = activation
        self.depth = depth
        self.weights = weights
        self.W_std = W_std
        self.b_std = b_std
        self.latent_fraction = latent_fraction
        self.W_std_bounds = W_std_bounds
        self.b_std_bounds = b_std_bounds
        self.latent_fraction_bounds = latent_fraction_bounds
        self.get = get

    def __call__(self, X: object, Y: object = None, eval_gradient: bool = False) -> Any:
        """K(X, Y), or K(X, X), in float64.

        Parameters
        ----------
        X, Y : array, shapes (n, d) and (m, d)
        eval_gradient : bool
            Whether to give the derivatives by theta too; only without Y.

        Returns
        -------
        ndarray, shape (n, m)
        ndarray, shape (n, n, len(theta))
            With eval_gradient.

        Raises
        ------
        TypeError, ValueError
            If the data are no finite real rows, or a parameter of the kernel is wrong.
        """
        found, rows = self.to_kernel(), as_rows(X)[0]
        if eval_gradient:
            if Y is not None:
                raise ValueError("The gradient is for Y=None: it can only be computed of K(X, X).")
            free = tuple(hyper.name for hyper in self.hyperparameters if not hyper.fixed)
            K, slopes = gradient(found, rows, free)
            return K, np.moveaxis(slopes, 0, -1)
        if Y is not None and Y is not X:
            return found(rows, as_rows(Y, "Y")[0])
        for finding in preflight(found, rows).findings:
            warnings.warn(finding, DataWarning, stacklevel=2)
        return found(rows)

    def diag(self, X: object) -> Floats:
        """K(x, x) of every row, shape (n,)."""
        values: Floats = self.to_kernel().diag(as_rows(X)[0])
        return values

    def is_stationary(self) -> bool:
        """No: it depends on the angle and the norms of x and y, not on x - y."""
        return False

    def to_kernel(self) -> kernels.Kernel:
        """The `quasintk.Kernel` of these parameters: its spectrum, proof, verification and low-rank factors are that object's."""
        shape = _plain(self.activation), _plain(self.depth), _plain(self.weights), self.get
        values = {"W_std": self.W_std, "b_std": self.b_std}
        try:
            known = _derived.get(shape)
        except TypeError:  # what has no hash is no activation either: the derivation says so
            known = None
        if known is None:
            activation, depth, weights, get = shape
            known = derive(activation, depth=depth, weights=weights, get=get, **values)
            _derived[shape] = known
        if self.latent_fraction is not None:
            values["latent_fraction"] = self.latent_fraction
            if "latent_fraction" not in known.parameters:
                raise ValueError(
                    f"latent_fraction={self.latent_fraction!r} is for weights that are rounded, not for weights={self.weights!r}."
                )
        elif "latent_fraction" in known.parameters:
            values["latent_fraction"] = _latent_fraction(self.weights)
        return known.with_parameters(**values)

    @property
    def hyperparameter_W_std(self) -> Hyperparameter:
        """Scale of the weights."""
        return _hyperparameter("W_std", self.W_std_bounds)

    @property
    def hyperparameter_b_std(self) -> Hyperparameter:
        """Scale of the biases; fixed where it is 0."""
        bounds = self.b_std_bounds
        if bounds is None:
            bounds = "fixed" if self.b_std == 0 else B_STD_BOUNDS
        found = _hyperparameter("b_std", bounds)
        if not found.fixed and self.b_std == 0:
            raise ValueError(
                "b_std = 0 has no logarithm to optimise: begin with a positive b_std, or leave b_std_bounds out."
            )
        return found

    @property
    def hyperparameter_latent_fraction(self) -> Hyperparameter:
        """Share of the weights that survives averaging; fixed for weights that are not rounded."""
        return _hyperparameter(
            "latent_fraction", self.latent_fraction_bounds if _rounded(self.weights) else "fixed", most=1.0
        )

    @property
    def theta(self) -> Floats:
        """Logarithms of the parameters that are free."""
        own = self.latent_fraction
        values = {"W_std": self.W_std, "b_std": self.b_std, "latent_fraction": own}
        free = [hyper.name for hyper in self.hyperparameters if not hyper.fixed]
        if own is None and "latent_fraction" in free:
            values["latent_fraction"] = float(_latent_fraction(self.weights))
        return np.log([float(values[name]) for name in free])  # type: ignore[arg-type]  # none is None

    @theta.setter
    def theta(self, theta: Floats) -> None:
        free = [hyper.name for hyper in self.hyperparameters if not hyper.fixed]
        self.set_params(**dict(zip(free, np.exp(theta).tolist(), strict=True)))

    def __repr__(self) -> str:
        rest = "" if self.get == "ntk" else f", get={self.get!r}"
        if self.latent_fraction is not None:
            rest = f", latent_fraction={self.latent_fraction:.3g}{rest}"
        return (
            f"QuasiNTK({str(self.activation)!r}, depth={self.depth}, weights={self.weights!r}, W_std={self.W_std:.3g}, "
            f"b_std={self.b_std:.3g}{rest})"
        )


def _hyperparameter(name: str, bounds: Any, most: float = np.inf) -> Hyperparameter:
    if isinstance(bounds, str) and bounds == "fixed":
        return Hyperparameter(name, "numeric", "fixed")
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = np.nan
    if not 0 < low <= high < np.inf or high > most:
        end = "" if most == np.inf else f" <= {most:g}"
        raise ValueError(
            f"{name}_bounds must be 'fixed' or (low, high), 0 < low <= high{end}, got {bounds!r}."
        )
    return Hyperparameter(name, "numeric", (low, high))


def _plain(value: object) -> object:
    """Integers and texts of NumPy, which parameter grids hold, as Python's."""
    if isinstance(value, np.integer):
        return operator.index(value)
    return str(value) if isinstance(value, np.str_) else value


def _law(weights: object) -> Any:
    return weight_law(_plain(weights))  # type: ignore[arg-type]  # anything: it raises


def _rounded(weights: object) -> bool:
    return bool(_law(weights).rounded)


def _latent_fraction(weights: object) -> Any:
    return _law(weights).latent_fraction

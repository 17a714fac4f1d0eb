"""Gram matrices: the kernel of all pairs of rows, block by block on all cores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import DerivationError, NumericalError
from numerics import blocks
from numerics.arrays import as_rows, require_kernel
from numerics.mehler import ACCEPTED, ORDER
from numerics.memory import guard
from numerics.rules import has_series

if TYPE_CHECKING:
    from numerics.kernel import Kernel

Floats = NDArray[np.float64]


def gram(
    kernel: Kernel,
    X: object,
    out: NDArray[Any] | str | os.PathLike[str] | None = None,
    dtype: object = None,
    memory: str | int | None = "4GB",
    get: str = "ntk",
) -> NDArray[Any]:
    """Gram matrix of a data set.

    Parameters
    ----------
    kernel : Kernel
    X : array, shape (n, d)
    out : ndarray (n, n) or path ending in ".npy", optional
        Where the result goes: an array of the result's dtype, or a file, written whole or not at all.
    dtype : float32 or float64, optional
        By default float32 for float32 data, else float64. The arithmetic is float64 either way.
    memory : str or int
        The most that the result may take in memory.
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    ndarray, shape (n, n)
        Symmetric to the last bit; equal rows of X give equal rows.

    Raises
    ------
    TypeError, ValueError
        If X, out or dtype is not of the kind stated.
    NotEnoughMemory
        If the result exceeds `memory`, or 80 % of what is available.

    Notes
    -----
    Cost O(n^2 (d + layers)); the same bits for any number of threads.
    """
    require_kernel(kernel)
    rows, natural = as_rows(X)
    result_dtype = natural if dtype is None else np.dtype(dtype)  # type: ignore[call-overload]  # checked below
    if result_dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {result_dtype}.")
    shape = (1, len(rows), len(rows))
    if isinstance(out, np.ndarray):
        _check_out(out, shape[1:], result_dtype)
        symmetric(kernel, rows, (get,), out[None])
        return out
    path = _npy_path(out) if out is not None else None
    guard(len(rows) ** 2, result_dtype.itemsize, memory, f"The Gram matrix of {len(rows)} rows")
    result: NDArray[Any] = symmetric(kernel, rows, (get,), np.empty(shape, result_dtype))[0]
    if path is not None:
        _write_npy(path, result)
    return result


def symmetric(kernel: Kernel, rows: Floats, outputs: tuple[str, ...], result: NDArray[Any]) -> NDArray[Any]:
    """Fill result (outputs, n, n): blocks on and below the diagonal are computed and mirrored."""
    code = _Code.of(kernel, outputs)
    data = _prepare(code, rows, "X")

    def block(pair: tuple[slice, slice]) -> None:
        low, high = pair
        values = _block(code, data, low, data, high)
        result[:, low, high] = values
        if low != high:
            result[:, high, low] = values.transpose(0, 2, 1)
        else:
            lower = np.tril_indices(low.stop - low.start, -1)
            result[:, low, high].transpose(0, 2, 1)[:, *lower] = values[:, *lower]

    parts = list(blocks.ranges(len(rows)))
    _on_all_cores(block, [(low, high) for i, low in enumerate(parts) for high in parts[: i + 1]])
    return result


def rectangular(
    kernel: Kernel, rows: Floats, others: Floats, outputs: tuple[str, ...], result: NDArray[Any]
) -> NDArray[Any]:
    """Fill result (outputs, n, m) for two data sets."""
    code = _Code.of(kernel, outputs)
    left, right = _prepare(code, rows, "X"), _prepare(code, others, "Y")

    def block(pair: tuple[slice, slice]) -> None:
        result[:, pair[0], pair[1]] = _block(code, left, pair[0], right, pair[1])

    columns = list(blocks.ranges(len(others)))
    _on_all_cores(block, [(low, high) for low in blocks.ranges(len(rows)) for high in columns])
    return result


def diagonal(kernel: Kernel, rows: Floats, outputs: tuple[str, ...]) -> Floats:
    """K(x, x) of every row, shape (outputs, n)."""
    code = _Code.of(kernel, outputs)
    data = _prepare(code, rows, "X")
    values = np.empty((len(outputs), len(rows)))
    code.module.fill_diagonal(*data.arguments(slice(None)), code.parameters, values)
    return _scaled(code, values, 2 * data.exponent)


def of_cosines(kernel: Kernel, q: float, cosines: Floats, output: str) -> Floats:
    """K of pairs with |x|^2 = |y|^2 = q d and these cosines (n,)."""
    code = _Code.of(kernel, (output,))
    tables, margin = code.tables(np.full(1, q))
    if margin is not None and not margin[0] > 0:
        raise DerivationError(outside(kernel, f"|x|^2 / d = {q:.6g}"))
    values = np.empty((1, 1, len(cosines)))
    for part in blocks.ranges(len(cosines)):
        count = len(cosines[part])
        repeated = None if tables is None else np.repeat(tables, count, axis=0)
        rows = _Rows(np.empty((count, 0)), np.full(count, q), np.zeros(count, np.int64), repeated)
        one, dots, out = rows.arguments(slice(1)), cosines[None, part] * q, np.empty((1, 1, count))
        code.module.fill(dots, *one, *rows.arguments(slice(None)), code.parameters, out)
        values[:, :, part] = out
    result: Floats = values[0, 0]
    return result


@dataclass(frozen=True)
class _Code:
    """A kernel's compiled functions for some outputs, with what they are called with."""

    kernel: Kernel
    module: Any
    parameters: Floats
    outputs: int
    homogeneity: int

    @staticmethod
    def of(kernel: Kernel, outputs: tuple[str, ...]) -> _Code:
        module, parameters = kernel.compiled(outputs), kernel.parameter_values
        return _Code(kernel, module, parameters, len(outputs), kernel.ir.homogeneity or 0)

    def tables(self, q: Floats) -> tuple[Floats | None, Floats | None]:
        """Hermite coefficients of every row, where the kernel has series; and its margins, positive in its domain."""
        if not has_series(self.kernel.ir):
            return None, self.kernel.margin(q)
        shape = (len(q), len(self.kernel.ir.functions), 2, ORDER + 3)
        guard(int(np.prod(shape)), 8, None, f"The Hermite coefficients of {len(q)} rows")
        found, margins = np.empty(shape), np.empty(len(q))

        def some(part: slice) -> None:
            self.module.tables(q[part], self.parameters, found[part], margins[part])

        _on_all_cores(some, blocks.ranges(len(q)))
        return found, np.where(np.isfinite(margins), margins, -1.0)


@dataclass(frozen=True)
class _Rows:
    """Rows scaled by powers of two, x = 2^exponent scaled, with q and the Hermite coefficients of the scaled rows."""

    scaled: Floats
    q: Floats
    exponent: NDArray[np.int64]
    tables: Floats | None

    def arguments(self, part: slice) -> tuple[Floats, ...]:
        """What compiled code takes for these rows."""
        return (self.q[part],) if self.tables is None else (self.q[part], self.tables[part])


def _prepare(code: _Code, rows: Floats, name: str) -> _Rows:
    with np.errstate(over="ignore", under="ignore"):
        q = blocks.squared_norms(rows)
    extreme = ~((q > 1e-140) & (q < 1e140)) & rows.any(axis=1)
    exponent = np.zeros(len(rows), np.int64)
    if extreme.any() and code.kernel.homogeneous:
        exponent[extreme] = np.frexp(np.abs(rows[extreme]).max(axis=1))[1]
        rows = np.ldexp(rows, -exponent[:, None])
        q = blocks.squared_norms(rows)
    if not np.isfinite(q).all():
        row = int(np.argmin(np.isfinite(q)))
        raise ValueError(f"|x|^2 of {name}'s row {row} exceeds the range of float64: rescale the data.")
    tables, margin = code.tables(q)
    if margin is not None and not (margin > 0).all():
        row = int(np.argmin(margin > 0))
        raise DerivationError(outside(code.kernel, f"row {row} of {name}, |x|^2 / d = {q[row]:.6g}"))
    return _Rows(rows, q, exponent, tables)


def outside(kernel: Kernel, where: str) -> str:
    """The message for an input outside a kernel's domain."""
    rules = {f.text: f.series for f in kernel.ir.functions if f.series is not None}
    if not rules:
        return (
            f"E[phi(u)^2] is infinite for {where}: the activation grows too fast for its W_std^2 q + b_std^2. "
            "Scale the data down, lower W_std, or use a bounded activation."
        )
    listed = ", ".join(
        f"{text} from {float(rule.smallest):g} to {float(rule.largest):g}" for text, rule in rules.items()
    )
    return (
        f"A variance W_std^2 q + b_std^2 lies outside its certified interval for {where}; Hermite series are certified for "
        f"{listed}. Scale the data, or change W_std."
    )


def _block(code: _Code, left: _Rows, low: slice, right: _Rows, high: slice) -> Floats:
    dots = np.empty((low.stop - low.start, high.stop - high.start))
    blocks.inner_products(left.scaled[low], right.scaled[high], dots)
    values = np.empty((code.outputs, *dots.shape))
    code.module.fill(dots, *left.arguments(low), *right.arguments(high), code.parameters, values)
    values = _scaled(code, values, left.exponent[low, None] + right.exponent[high])
    if not np.isfinite(values).all():
        _, i, j = np.argwhere(~np.isfinite(values))[0]
        if np.isnan(values[:, i, j]).any() and has_series(code.kernel.ir):
            raise NumericalError(
                f"The kernel of rows {low.start + i} and {high.start + j} could not be computed to {ACCEPTED:g}: neither the "
                "Hermite series nor direct quadrature is sure there. Scale the data or W_std down."
            )
        raise NumericalError(
            f"The kernel of rows {low.start + i} and {high.start + j} is {values[:, i, j][0]}: "
            "it exceeds the range of float64. Rescale the data or lower W_std."
        )
    return values


def _scaled(code: _Code, values: Floats, exponent: NDArray[np.int64]) -> Floats:
    if not exponent.any():
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, code.homogeneity * exponent)


def _on_all_cores(task: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures = [pool.submit(task, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _check_out(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable array of shape {shape} and dtype {dtype}, got {out.shape}, {out.dtype}."
        )


def _npy_path(out: str | os.PathLike[str]) -> Path:
    if not isinstance(out, str | os.PathLike):
        raise TypeError(f"out must be an array or a path ending in .npy, got {type(out).__name__}.")
    path = Path(out)
    if path.suffix != ".npy":
        raise ValueError(f"out must be an array or a path ending in .npy, got {str(out)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} of out does not exist: make it first.")
    return path


def _write_npy(path: Path, result: NDArray[Any]) -> None:
    """Write beside the target, then rename: an interrupted run leaves no half file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, result, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

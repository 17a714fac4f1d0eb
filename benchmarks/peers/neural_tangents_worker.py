"""NTKs by neural-tangents, compiled by JAX; run by the interpreter of build/peers/neural-tangents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from neural_tangents import stax
from serve import Refused, serve

ACTIVATIONS = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu}
"""Those of the table that have a closed form there; others it knows by quadrature alone, which gives another result."""


def prepare(kernel: dict[str, Any], rows: np.ndarray) -> Callable[[], Any]:
    """The compiled NTK of these rows, in their own precision."""
    if kernel.get("activation") not in ACTIVATIONS:
        raise Refused(f"no closed form of {kernel.get('activation', kernel.get('family'))}")
    jax.config.update("jax_enable_x64", rows.dtype == np.float64)
    of_inputs = _network(**kernel)[2]
    compiled, inputs = jax.jit(lambda x: of_inputs(x, None, "ntk")), jax.numpy.asarray(rows)
    return lambda: compiled(inputs).block_until_ready()


def _network(activation: str, depth: int, W_std: float, b_std: float, latent_fraction: float) -> Any:
    """[share -> Dense -> activation] * depth -> Dense."""
    share = [] if latent_fraction == 1 else [_share(latent_fraction)]
    block = [*share, stax.Dense(1, W_std=W_std, b_std=b_std), ACTIVATIONS[activation]()]
    return stax.serial(*block * depth, stax.Dense(1, W_std=1.0, b_std=0.0))


def _share(r: float) -> Any:
    """A layer of ours for quasi networks: covariances of two inputs times r, variances kept (theory.md, section 3)."""
    return (
        lambda rng, shape: (shape, ()),
        lambda parameters, inputs, **_: inputs,
        lambda k, **_: k.replace(nngp=r * k.nngp, ntk=None if k.ntk is None else r * k.ntk),
    )


if __name__ == "__main__":
    serve(("neural-tangents", "jax", "jaxlib", "numpy"), prepare)

"""Roundings of one binary network: ours against plain NumPy and PyTorch, measured side by side in one run.

python benchmarks/sampler.py [--roundings 1000] [--width 1024] [--inputs 64] [--json FILE]

PyTorch takes part where it is installed (the extra `experiments`). The systems take turns, `--turns` times each, with
the same number of threads; the table shows the least time of each, which background load disturbs least.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from quasintk import mlp, sample_network

DEPTH = 3


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (
        ("roundings", 1000),
        ("width", 1024),
        ("inputs", 64),
        ("features", 32),
        ("turns", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    X = np.random.default_rng(0).normal(size=(arguments.inputs, arguments.features))
    latents = sample_network(mlp("relu", depth=DEPTH, weights="binary"), arguments.width, rng=0)
    systems: dict[str, Callable[[int], Any]] = {
        "quasintk": lambda n: latents.sample(X, n, rng=1).outputs,
        "NumPy, float32": lambda n: with_numpy(latents, X, n, np.float32),
        "NumPy, float64": lambda n: with_numpy(latents, X, n, np.float64),
    }
    if importlib.util.find_spec("torch"):
        systems["PyTorch, float32"] = lambda n: with_torch(latents, X, n)
    seconds = {name: float("inf") for name in systems}
    spreads = {name: np.std(run(8), axis=0).mean() for name, run in systems.items()}  # also compiles
    for _ in range(arguments.turns):
        for name, run in systems.items():
            start = time.perf_counter()
            run(arguments.roundings)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    print(
        f"{arguments.roundings} roundings, {DEPTH} x {arguments.width}, {arguments.inputs} inputs, {machine()}"
    )
    print(f"{'system':18} {'seconds':>8} {'of ours':>8}")
    for name, value in seconds.items():
        print(f"{name:18} {value:8.2f} {value / seconds['quasintk']:7.1f}x")
    assert max(spreads.values()) < 3 * min(spreads.values()), f"the systems disagree: {spreads}"
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(
                {"machine": machine(), "arguments": vars(arguments), "seconds": seconds}, file, indent=1
            )


def with_numpy(latents: Any, X: np.ndarray, roundings: int, dtype: Any) -> np.ndarray:
    """What one writes first: W = where(random < (1 + w) / 2, 1, -1)."""
    rng = np.random.default_rng(1)
    chances = [((1 + w) / 2).astype(dtype) for w in latents.weights[:-1]]
    readout, inputs = latents.weights[-1].astype(dtype), latents.lifted(X).astype(dtype).T
    scale, one = dtype(latents.width**-0.5), dtype(1)
    outputs = np.empty((roundings, len(X)), dtype)
    for r in range(roundings):
        h = inputs
        for chance in chances:
            W = np.where(rng.random(chance.shape, dtype) < chance, one, -one)
            h = np.maximum(scale * (W @ h), 0)
        outputs[r] = scale * (readout @ h)[0]
    return outputs


def with_torch(latents: Any, X: np.ndarray, roundings: int) -> np.ndarray:
    """The same in PyTorch, on all its threads."""
    import torch

    torch.manual_seed(1)
    chances = [torch.tensor((1 + w) / 2, dtype=torch.float32) for w in latents.weights[:-1]]
    readout = torch.tensor(latents.weights[-1], dtype=torch.float32)
    inputs = torch.tensor(latents.lifted(X).T.copy(), dtype=torch.float32)
    scale = latents.width**-0.5
    outputs = torch.empty((roundings, len(X)))
    with torch.inference_mode():
        for r in range(roundings):
            h = inputs
            for chance in chances:
                W = torch.where(torch.rand(chance.shape) < chance, 1.0, -1.0)
                h = torch.relu(scale * (W @ h))
            outputs[r] = scale * (readout @ h)[0]
    return outputs.numpy()


def machine() -> str:
    """Processor, cores and library versions."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, NumPy {np.__version__}"


if __name__ == "__main__":
    main()

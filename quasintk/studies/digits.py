"""The main job on real data: the NTK of a binary ReLU network on scikit-learn's handwritten digits.

Run as `python -m quasintk.studies.digits -o FOLDER`; needs the extras `sklearn` and `report`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.gram import gram
from numerics.gram_eigenvalues import GramSpectrum
from numerics.gram_spectrum import gram_spectrum
from numerics.kernel import Kernel
from numerics.plots import STYLES, draw_spectra, figure, save
from numerics.zonal import Spectrum, spectrum
from quasintk.cli.derive_command import as_text
from quasintk.pipeline import kernel as derive_kernel
from verify.check import verify
from verify.report import Certificate

DEPTH = 3
W_STD = 2**0.5
RIDGES = tuple(10.0**power for power in range(-6, 1))
"""Multiples of the kernel's mean diagonal."""


@dataclass(frozen=True)
class Accuracy:
    """Cross-validated accuracy of kernel ridge classification at the best ridge."""

    mean: float
    error: float
    ridge: float


@dataclass(frozen=True)
class Result:
    """Everything computed for one kind of weights."""

    kernel: Kernel
    gram: GramSpectrum
    zonal: Spectrum
    fit: DecayFit
    accuracy: Accuracy


@click.command()
@click.option("-o", "--output", default="build/demo", show_default=True, type=click.Path(file_okay=False))
@click.option("--budget", default="20s", show_default=True, help="Time for the sampled networks.")
def main(output: str, budget: str) -> None:
    """Derive, compute, fit, classify and verify; write digits.png and digits.txt to the folder."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    X, labels = _digits()
    results: dict[str, Result] = {}
    for weights in ("binary", "real"):
        results[weights] = _study(weights, X, labels)
    with _timed("check against sampled binary networks"):
        certificate = verify(results["binary"].kernel, seed=0, budget=budget)
    text = _summary(results, certificate, X)
    (folder / "digits.txt").write_text(text + "\n", encoding="utf-8")
    _picture(results, folder / "digits.png")
    click.echo(text)
    click.echo(f"\nWrote {folder / 'digits.txt'} and {folder / 'digits.png'}", err=True)


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """1797 images of 8 x 8, centred and scaled to |x|^2 = d, so that q = 1."""
    from sklearn.datasets import load_digits

    data = load_digits()
    X = data.data - data.data.mean(axis=0)
    return X * (np.sqrt(X.shape[1]) / np.linalg.norm(X, axis=1, keepdims=True)), data.target


def _study(weights: str, X: NDArray[np.float64], labels: NDArray[np.int64]) -> Result:
    with _timed(f"{weights} weights: derive"):
        kernel = derive_kernel("relu", depth=DEPTH, weights=weights, W_std=W_STD)
    if weights == "binary":
        click.echo(as_text(kernel) + "\n")
    with _timed(f"{weights} weights: Gram matrix {len(X)} x {len(X)}"):
        K = gram(kernel, X)
    with _timed(f"{weights} weights: eigenvalues of the Gram matrix"):
        values = gram_spectrum(K)
    with _timed(f"{weights} weights: spectrum on the sphere, laws fitted"):
        zonal = spectrum(kernel, dim=X.shape[1], degrees=60)
        fit = fit_decay(zonal)
    with _timed(f"{weights} weights: kernel ridge, cross-validated"):
        accuracy = _cross_validate(K, labels)
    return Result(kernel, values, zonal, fit, accuracy)


def _cross_validate(K: NDArray[np.float64], labels: NDArray[np.int64]) -> Accuracy:
    """Five folds; one-versus-rest ridge regression on +-1 targets, best of RIDGES."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import StratifiedKFold

    targets = 2.0 * (labels[:, None] == np.arange(10)) - 1.0
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(K, labels))
    best = Accuracy(0.0, 0.0, 0.0)
    for ridge in RIDGES:
        scores = []
        for train, test in folds:
            model = KernelRidge(alpha=ridge * np.trace(K) / len(K), kernel="precomputed")
            model.fit(K[np.ix_(train, train)], targets[train])
            guess = model.predict(K[np.ix_(test, train)]).argmax(axis=1)
            scores.append(float((guess == labels[test]).mean()))
        mean, error = float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
        if mean > best.mean:
            best = Accuracy(mean, error, ridge)
    return best


def _summary(results: dict[str, Result], certificate: Certificate, X: NDArray[np.float64]) -> str:
    degrees = (0, 1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 60)
    names = list(results)
    lines = [f"Digits: {X.shape[0]} images of {X.shape[1]} pixels, ReLU network of depth {DEPTH}, NTK", ""]
    lines.append("Eigenvalues on the sphere" + "".join(f"{name:>24}" for name in names))
    for k in degrees:
        cells = (f"{r.zonal.eigenvalue[k]:15.6e} +- {r.zonal.rel_error[k]:.0e}" for r in results.values())
        lines.append(f"  degree {k:2d}                " + "".join(f"{cell:>24}" for cell in cells))
    lines += ["", "Fitted laws"]
    for name, result in results.items():
        lines += [f"  {name}:", *(f"    {line}" for line in str(result.fit).splitlines())]
    lines += ["", "Gram matrix, largest eigenvalues / n"]
    for name, result in results.items():
        top = ", ".join(f"{value / len(X):.3e}" for value in result.gram.value[:6])
        lines.append(f"  {name:7} {top}")
    lines += ["", "Kernel ridge classification, 5-fold cross-validated accuracy"]
    for name, result in results.items():
        a = result.accuracy
        lines.append(
            f"  {name:7} {100 * a.mean:.2f} % +- {100 * a.error:.2f} % (ridge {a.ridge:g} of the mean diagonal)"
        )
    lines += ["", "Binary networks, sampled", *(f"  {line}" for line in str(certificate).splitlines())]
    return "\n".join(lines)


def _picture(results: dict[str, Result], path: Path) -> None:
    drawing, (left, right) = figure(10.4, 4.2, columns=2)
    draw_spectra(
        left,
        {f"{name} weights": result.zonal for name, result in results.items()},
        [result.fit for result in results.values()],
    )
    for (name, result), (marker, color) in zip(results.items(), STYLES, strict=False):
        values = np.asarray(result.gram.value)
        index = np.arange(1, len(values) + 1)
        right.loglog(
            index,
            values / result.gram.n,
            marker,
            color=color,
            markersize=2.5,
            label=f"{name} weights",
        )
    right.set_xlabel("index")
    right.set_ylabel("eigenvalue / n")
    right.set_title("Gram matrix of the digits", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    save(drawing, path)


@contextmanager
def _timed(what: str) -> Iterator[Any]:
    start = time.perf_counter()
    yield
    click.echo(f"  {what}: {time.perf_counter() - start:.1f} s", err=True)


if __name__ == "__main__":
    main()

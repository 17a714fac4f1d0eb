"""The gallery: a page for every named activation, made by the program itself before the site is read.

Pages are kept in build/gallery under a hash of the packages, so that only a change of theirs computes them again: 4 minutes
of two cores. `console` fences there are command lines that were run here, with what they printed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
SETTING = ("--depth", "2", "--dim", "10", "--degrees", "40", "--fit", "--predict")
LONGEST = 1200
"""Characters of LaTeX that a page shows; longer formulas are in the text of `quasintk derive`."""
GROUPS = {
    "Kinks": "relu leaky_relu prelu abrelu relu6 relu2 relu3 abs hardtanh hardsigmoid hardswish softshrink",
    "Exponentials and their kinks": "elu celu selu gaussian xgaussian exp",
    "Normal distribution": "gelu erf Phi",
    "Steps": "sign heaviside staircase threshold hardshrink",
    "Sines": "sin cos snake",
    "Polynomials": "identity cubic hermite2 hermite3 hermite4",
    "Hermite series": "gelu_tanh tanh sigmoid silu mish softplus softsign logsigmoid tanhshrink",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry point."""
    app.connect("builder-inited", lambda _: build(ROOT / "docs" / "gallery"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def build(target: Path) -> None:
    """Write the pages that are not there, two at a time, and the index; unchanged files are not touched."""
    from derive.library import NAMED

    grouped = set(" ".join(GROUPS.values()).split())
    if grouped != NAMED.keys():
        raise ValueError(
            f"docs/_site/gallery.py and derive.library differ in {sorted(grouped ^ NAMED.keys())}."
        )
    kept = ROOT / "build" / "gallery" / _hash()
    kept.mkdir(parents=True, exist_ok=True)
    missing = [name for name in NAMED if not (kept / f"{name}.md").exists()]
    if missing:
        with ProcessPoolExecutor(min(os.cpu_count() or 1, 4), get_context("spawn")) as pool:
            list(pool.map(_compute, missing, [kept] * len(missing)))
    target.mkdir(exist_ok=True)
    pages = {file.name: file.read_bytes() for file in kept.iterdir() if file.suffix in (".md", ".svg")}
    pages["index.md"] = _index().encode()
    for file in target.iterdir():
        if file.name not in pages:
            file.unlink()
    for name, content in pages.items():
        if not (target / name).exists() or (target / name).read_bytes() != content:
            (target / name).write_bytes(content)


def _hash() -> str:
    found = hashlib.sha256()
    packages = (sorted((ROOT / name).rglob("*.py")) for name in ("derive", "numerics", "quasintk"))
    for path in chain(*packages, [Path(__file__), ROOT / "verify" / "quasi.py"]):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _index() -> str:
    parts = [
        "# Gallery\n\nEvery activation with a name: how its kernel is derived, how surely, and how the kernel's eigenvalues "
        "decay. These pages are made by the program; any expression of yours gives the same ([a new activation in ten "
        "minutes](../new-activation.md)). One table of all: [activations](../activations.md).\n"
    ]
    for title, names in GROUPS.items():
        parts += [f"## {title}\n", "::::{grid} 2 3 4 4\n:gutter: 2\n"]
        for name in names.split():
            parts.append(
                f":::{{grid-item-card}} {name}\n:link: {name}\n:link-type: doc\n:img-bottom: {name}-phi.svg\n:::\n"
            )
        parts.append("::::\n")
    listed = "\n".join(sorted(" ".join(GROUPS.values()).split(), key=str.lower))
    return "\n".join([*parts, f"```{{toctree}}\n:hidden:\n\n{listed}\n```"]) + "\n"


def _compute(name: str, kept: Path) -> None:
    """One activation's page and pictures; the page is written last."""
    from derive.derivation import activations
    from derive.library import NAMED
    from quasintk.pipeline import kernel

    get = "nngp" if kernel(name, depth=2).jumps else "ntk"
    binary, real = (kernel(name, depth=2, weights=weights, get=get) for weights in ("binary", "real"))
    (stored,) = {id(one): one for one in activations(binary.ir).values()}.values()
    _draw(name, stored.function, (binary, real), get, kept)
    named, dual = NAMED[name], binary.duals[0]
    values = ", ".join(f"{key} = {value}" for key, value in named.parameters.items())
    parts = [
        f"# {name}\n",
        f"`{named.text}`{f', {values}' if values else ''}\n",
        f"![{name} and its averages over the rounding; the kernel along the cosine]({name}.svg)\n",
        "Left: the activation, and what stands in its place when the rounding of the weights before it is averaged out, at "
        "|x|² = d. Right: its kernel with two hidden layers, divided by K(1).\n",
        "## How it is derived\n",
        f"{_route(binary.route[0])}\n",
        *_formulas(dual),
        _command(["derive", name], f"The derivation: `quasintk derive {name}`"),
        "## How its eigenvalues decay\n",
        *_decay(name, get, kept),
    ]
    (kept / f"{name}.md").write_text("\n".join(parts), encoding="utf-8")


def _route(text: str) -> str:
    found = text.split(": ", 1)[1]
    return f"{found[0].upper()}{found[1:]}."


def _formulas(dual: Any) -> list[str]:
    """The dual activation in LaTeX, where there is a closed form that a page can hold."""
    from derive.printing import latex

    if not hasattr(dual, "phi_diagonal"):
        return []
    shown = [
        (r"\kappa = \mathrm{E}[\varphi(u)\varphi(v)]", dual.phi),
        (r"\dot\kappa = \mathrm{E}[\varphi'(u)\varphi'(v)]", dual.dphi),
    ]
    texts = [f"$$\n{left} = {latex(right)}\n$$\n" for left, right in shown]
    short = [text for text in texts if len(text) <= LONGEST]
    known = "(u, v) is Gaussian with variances q₁, q₂ and covariance c.\n"
    if not short:
        return [f"{known[:-2]}; the formulas take {len(texts[0])} characters, and stand in the text below.\n"]
    return [known, *short]


def _decay(name: str, get: str, kept: Path) -> list[str]:
    picture = kept / f"{name}-decay.svg"
    chosen = [] if get == "ntk" else ["--get", "nngp"]
    arguments = ["eigen", name, *SETTING, *chosen]
    code, text, message = _run([*arguments, "--compare", "real", "--plot", str(picture)])
    line, why = [*arguments, "--compare", "real"], []
    if chosen:
        why = ["The activation jumps: its NTK with real weights is infinite at x = y, so this is the NNGP.\n"]
    if code:
        why.append(f"Not with real weights: {message.removeprefix('Error: ').strip()}\n")
        code, text, message = _run([*arguments, "--plot", str(picture)])
        line = arguments
    if code:
        return [f"Not to be had: {message.removeprefix('Error: ').strip()}\n"]
    return [
        *why,
        f"![Eigenvalues by degree, with fitted and predicted laws]({picture.name})\n",
        f"Two hidden layers, dimension 10, no bias. {_laws(text)}\n",
        _dropdown(
            "All eigenvalues, fits and predictions",
            f"$ {shlex.join(['quasintk', *line, '--plot', 'decay.svg'])}\n{text}",
        ),
    ]


def _laws(text: str) -> str:
    """Verdict and predicted law of both kernels, from the command's output."""
    found = []
    for weights in ("binary", "real"):
        parts = text.split(f"\n{weights}, ")
        if len(parts) == 1:
            continue
        fitted = next((p for p in parts if p.startswith("fitted:")), "")
        predicted = next((p for p in parts if p.startswith("predicted:")), "")
        verdict = next(
            (line.partition(": ")[2] for line in fitted.splitlines() if line.startswith("verdict")), "none"
        )
        law = next((line[4:].strip() for line in predicted.splitlines() if line.startswith("law ")), "none")
        found.append(f"{weights} weights: predicted {law.split(' (')[0]}, fitted {verdict.split(' (')[0]}")
    return "; ".join(found).capitalize() + "."


def _command(arguments: list[str], title: str) -> str:
    _, text, message = _run(arguments)
    return _dropdown(title, f"$ {shlex.join(['quasintk', *arguments])}\n{text or message}")


def _dropdown(title: str, text: str) -> str:
    return f":::{{dropdown}} {title}\n```console\n{text.rstrip()}\n```\n:::\n"


def _run(arguments: list[str]) -> tuple[int, str, str]:
    """The command line in this process: exit code, standard output, message."""
    import contextlib
    import io
    import sys

    from quasintk import cli

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["quasintk", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run()
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def _draw(name: str, function: Any, kernels: tuple[Any, Any], get: str, kept: Path) -> None:
    import numpy as np

    from numerics.plots import GREY, STYLES, figure
    from verify.quasi import elementwise, smoothed

    (_, blue), (_, orange), *_ = STYLES
    x = np.linspace(-3, 3, 601)
    values = kernels[0].parameters
    phi = elementwise(function, values, x)[0]
    drawing, axes = figure(9.0, 3.4, columns=2)
    axes[0].plot(x, phi, color=GREY, label="φ")
    for weights, noise, style in (("ternary", 1 / 3, "--"), ("binary", 2 / 3, "-")):
        mean = smoothed(function, values, x, np.full_like(x, noise)).mu
        axes[0].plot(x, mean, style, color=blue, label=f"averaged, {weights} weights")
    axes[0].set_xlabel("pre-activation")
    axes[0].legend(frameon=False, fontsize=8)
    cosine = np.linspace(-1, 1, 201)
    for one, label, color in zip(kernels, ("binary", "real"), (blue, orange), strict=True):
        along = one.on_sphere()(cosine)
        axes[1].plot(cosine, along / along[-1], color=color, label=f"{label} weights")
    axes[1].set_xlabel("cosine of the inputs")
    axes[1].set_title(f"{get.upper()}, two hidden layers", fontsize=10)
    axes[1].legend(frameon=False, fontsize=8)
    drawing.savefig(kept / f"{name}.svg")
    small, panel = figure(2.4, 1.6)
    panel.plot(x, phi, color=blue, linewidth=2)
    panel.tick_params(labelsize=7)
    small.savefig(kept / f"{name}-phi.svg")

"""The command line and the Python lines that repeat each part of a page."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from quasintk.page.sampling import INPUTS, ROUNDINGS
from quasintk.page.study import Settings


@dataclass(frozen=True)
class Commands:
    """Shell and Python text of every section; Python's continues from `kernel`'s."""

    study: str
    derive: str
    kernel: str
    eigen: str
    spectrum: str
    compare: str
    verify: str
    sampling: str


def commands(settings: Settings) -> Commands:
    """What to type; the expression is quoted for the shell and for Python."""
    network = _network(settings)
    shown = [f"--{name.replace('_', '-')} {value}" for name, value in network.items()]
    tail = f" {' '.join(shown)}" if shown else ""
    start = shlex.quote(settings.expression)
    get = f" --get {settings.get}" if settings.get != "ntk" else ""
    sphere = f" --dim {settings.dim} --degrees {settings.degrees}"
    sampled = f" --budget {shlex.quote(settings.budget)} --seed {settings.seed}"
    options = "".join(f", {name}={_value(name, value)}" for name, value in network.items())
    derived = f", get={settings.get!r}" if get else ""
    return Commands(
        study=f"quasintk study {start}{tail}{get}{sphere}{sampled} -o report.html",
        derive=f"quasintk derive {start}{tail}{get}",
        kernel=f'import quasintk as qn\n\nkernel = qn.kernel({settings.expression!r}{options}{derived})\nprint(*kernel.trace, sep="\\n")',
        eigen=f"quasintk eigen {start}{tail}{sphere}{get} --fit --predict",
        spectrum=f"values = qn.spectrum(kernel, dim={settings.dim}, degrees={settings.degrees})\n"
        f"print(values.eigenvalue, values.rel_error)\nprint(qn.fit_decay(values))\nprint(qn.predict_decay(kernel, dim={settings.dim}))",
        compare=_compare(settings, options, derived),
        verify=f"quasintk verify {start}{tail}{get}{sampled}",
        sampling=_sampling(settings),
    )


def _network(settings: Settings) -> dict[str, str]:
    """The options that differ from the defaults."""
    asked = {
        "depth": (str(settings.depth), "1"),
        "weights": (settings.weights, "binary"),
        "W_std": (settings.W_std, "1"),
        "b_std": (settings.b_std, "0"),
        "parameterization": (settings.parameterization, "ntk"),
    }
    return {name: value for name, (value, default) in asked.items() if value != default}


def _value(name: str, value: str) -> str:
    return value if name == "depth" else repr(value)


def _compare(settings: Settings, options: str, derived: str) -> str:
    others = ["qn.baselines.gaussian(1)", "qn.baselines.laplace(1)"]
    if settings.weights != "real":
        kept = "".join(
            f", {name}={_value(name, value)}"
            for name, value in {**_network(settings), "weights": "real"}.items()
        )
        others.append(f"qn.kernel({settings.expression!r}{kept}{derived})")
    listed = "".join(f"    {other},\n" for other in others)
    return f"for other in (\n{listed}):\n    print(qn.compare(kernel, other, dim={settings.dim}, degrees={settings.degrees}))"


def _sampling(settings: Settings) -> str:
    width, roundings = next(iter(ROUNDINGS.items()))
    return (
        "import numpy as np\nfrom verify.approximation import approximation\n\n"
        f"rng = np.random.default_rng([{settings.seed}, {width}])\n"
        f"X = rng.normal(size=({INPUTS}, {settings.dim}))\n"
        f"X *= {settings.dim} ** 0.5 / np.linalg.norm(X, axis=1, keepdims=True)\n"
        f"latents = qn.sample_network(kernel.network, {width}, rng)  # the first draw of width {width}\n"
        f"print(approximation(latents, X, {roundings}, rng, {width}))"
    )

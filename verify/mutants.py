"""Does `verify` notice wrong formulas? Each mutant is one wrong line; every one must be caught.

`python -m verify.mutants [-o docs/mutants.md] [--only NAME]` applies each to a copy of the packages, judges the copy in
a process of its own, and ends with status 1 if one survives.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from verify.cases import Verdict

ROOT = Path(__file__).parents[1]
PACKAGES = ("derive", "numerics", "verify", "quasintk")
BUDGET = 12.0
"""Seconds of sampling: a mutant that needs more to be noticed is a weakness of `verify`."""
CONTROL_BUDGET = 90.0
"""Seconds of sampling without a mutant: a PASS takes more samples than a FAIL."""
LONGEST = 180.0
"""Seconds for a process, of which compilation on a busy machine may take many."""
AT_ONCE = 2


@dataclass(frozen=True)
class Mutant:
    """One wrong line.

    Attributes
    ----------
    name : str
        What is wrong.
    file : str
        Path below the folder that holds the packages.
    old, new : str
        `old` occurs exactly once in the file.
    case : str
        The network in `verify.cases.CASES` that it is judged on.
    """

    name: str
    file: str
    old: str
    new: str
    case: str

    def applied(self, text: str) -> str:
        """The file's text with the wrong line; ValueError where `old` does not occur exactly once."""
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"The mutant {self.name!r} cannot be applied: its text occurs {count} times in {self.file} instead of once. "
                f"Adapt it in verify/mutants.py: {self.old!r}"
            )
        return text.replace(self.old, self.new)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants and write the table; 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m verify.mutants", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="file for the table; by default standard output")
    parser.add_argument("--only", metavar="NAME", help="the mutants whose name contains this")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.only is None or options.only in mutant.name]
    if not chosen:
        parser.error(f"no mutant's name contains {options.only!r}")
    verdicts = run_all(chosen)
    text = table(chosen, verdicts)
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text)
    return 0 if all(verdict.caught for verdict in verdicts) else 1


def run_all(mutants: Sequence[Mutant]) -> list[Verdict]:
    """`run` each, two at a time, with a line of progress on standard error.

    What is compiled into files is compiled once, in a copy without a mutant, for all mutants of other packages.
    """

    def one(mutant: Mutant) -> Verdict:
        verdict = run(mutant, Path(compiled))
        print(f"{verdict.caught_by:12} {verdict.seconds:6.1f} s  {mutant.name}: {verdict.check[:150]}", file=sys.stderr, flush=True)  # fmt: skip
        return verdict

    with tempfile.TemporaryDirectory(prefix="quasintk-mutant-") as compiled:
        copy(Path(compiled))
        if len(mutants) > 1:
            judge_copy(Path(compiled), mutants[0].case, 1.0)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, mutants))


def run(mutant: Mutant, compiled: Path | None = None) -> Verdict:
    """Judge a copy of the packages with one wrong line.

    Parameters
    ----------
    mutant : Mutant
    compiled : Path, optional
        A copy that was judged before: the files of Numba's cache in it are taken over, but for those of the mutant's own package,
        whose functions compile each other in.

    Raises
    ------
    ValueError
        If the mutant cannot be applied.
    """
    with tempfile.TemporaryDirectory(prefix="quasintk-mutant-") as folder:
        copy(Path(folder), compiled or ROOT, anew=mutant.file.partition("/")[0])
        target = Path(folder) / mutant.file
        target.write_text(mutant.applied(target.read_text()))
        return judge_copy(Path(folder), mutant.case, BUDGET)


def control(case: str) -> Verdict:
    """Judge a copy of the packages as they are."""
    with tempfile.TemporaryDirectory(prefix="quasintk-mutant-") as folder:
        copy(Path(folder))
        return judge_copy(Path(folder), case, CONTROL_BUDGET)


def copy(folder: Path, source: Path = ROOT, anew: str = "") -> None:
    """Copy the packages; of the originals, and of the package `anew`, no compiled file, which could hide a change."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__") if source == ROOT or package == anew else None
        shutil.copytree(source / package, folder / package, ignore=ignored)


def judge_copy(folder: Path, case: str, budget: float) -> Verdict:
    """`verify.cases` in a process that imports the packages from this folder and derives everything anew.

    The working directory is an empty one: the process that derives searches it last.
    """
    (folder / "run").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CACHE")},
        "PYTHONPATH": str(folder),
        "QUASINTK_CACHE": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "verify.cases", str(budget), case],
            cwd=folder / "run",
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(case, "crash", f"no answer within {LONGEST:g} s", "CRASH", LONGEST)
    if done.returncode != 0:
        return Verdict(case, "crash", done.stderr.strip().splitlines()[-1], "CRASH", 0.0)
    return Verdict(**json.loads(done.stdout))


def table(mutants: Sequence[Mutant], verdicts: Sequence[Verdict]) -> str:
    """The outcome as Markdown."""
    caught = sum(verdict.caught for verdict in verdicts)
    lines = [
        "# Mutants",
        "",
        "Generated by `python -m verify.mutants -o docs/mutants.md`: each line was made wrong in a copy of the packages, and",
        "`verify` was run there. \"certificate\": the derivation was refused. Everything else is the first gate of `verify`",
        "that failed, with its check. The seconds hold everything, compilation too.",
        "",
        f"**{caught} of {len(mutants)} caught.**",
        "",
        "| what is wrong | file | case | caught by | check | s |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {m.name} | {m.file} | {m.case} | {v.caught_by} | {v.check.replace('|', '/')[:80]} | {v.seconds:.0f} |"
        for m, v in zip(mutants, verdicts, strict=True)
    ]
    return "\n".join(lines) + "\n"


MUTANTS = (
    # The recursion and what it takes from the network.
    Mutant("Q with W_std for W_std^2", "derive/recursion.py",
        "W_std**2 * q_x + b_std**2", "W_std * q_x + b_std**2", "relu"),
    Mutant("P with b_std for b_std^2", "derive/recursion.py",
        'let("P", W_std**2 * p + b_std**2', 'let("P", W_std**2 * p + b_std', "relu, biases"),
    Mutant("M without the bias", "derive/recursion.py",
        "r * W_std**2 * m + b_std**2", "r * W_std**2 * m", "relu, biases"),
    Mutant("M takes rounded weights for real ones", "derive/recursion.py",
        "same = p == m and not layer.law.rounded", "same = p == m", "relu"),
    Mutant("K passes a rounded layer without r", "derive/recursion.py",
        'let("K", r * W_std**2 * k + (M', 'let("K", W_std**2 * k + (M', "relu, biases"),
    Mutant("K without the layer's own term", "derive/recursion.py",
        "(M if layer.trained else ZERO)", "ZERO", "relu"),
    Mutant("untrained layers count", "derive/recursion.py",
        "(M if layer.trained else ZERO)", "M", "untrained"),
    Mutant("'latent' parameterization: own term off by 1 / e", "derive/recursion.py",
        'W_std**2 * m / _parameter("second_moment", layer)', "W_std**2 * m", "latent"),
    Mutant("'latent' parameterization: e of the wrong law", "derive/recursion.py",
        "layer.law.second_moment", "layer.law.latent_second_moment", "latent"),
    Mutant("r = 0.34 for binary weights", "derive/recursion.py",
        "= layer.law.latent_fraction", "= layer.law.latent_fraction * Fraction(102, 100)", "relu"),
    Mutant("p for m in m'", "derive/recursion.py",
        'dual.of_phi(Q_x, Q_y, M)), "m\'', 'dual.of_phi(Q_x, Q_y, P)), "m\'', "erf, ternary"),
    Mutant("m for p in p'", "derive/recursion.py",
        "dual.of_phi(Q_x, Q_y, P))", "dual.of_phi(Q_x, Q_y, M))", "erf, ternary"),
    Mutant("q of x for both inputs", "derive/recursion.py",
        "dual.of_phi_diagonal(Q_y, 1)", "dual.of_phi_diagonal(Q_x, 1)", "relu, biases"),
    Mutant("kappa_dot at (Q_x, Q_x, M)", "derive/recursion.py",
        "dual.of_dphi(Q_x, Q_y, M)", "dual.of_dphi(Q_x, Q_x, M)", "erf, ternary"),
    Mutant("kappa for kappa_dot in the NTK", "derive/recursion.py",
        "dual.of_dphi(Q_x, Q_y, M)", "dual.of_phi(Q_x, Q_y, M)", "relu, biases"),
    Mutant("diagonal as if nothing were rounded", "derive/recursion.py",
        "elif diagonal and Q_x == M:", "elif diagonal:", "relu, biases"),
    Mutant("one activation too few", "derive/recursion.py",
        "        moments = step.moments\n",
        "        moments = step.moments if activations != 1 or isinstance(layer, Dense) else moments\n", "relu"),
    Mutant("kappa and kappa_dot swapped behind the certificate", "derive/dual.py",
        "return self.dphi.xreplace({var1: var_x, var2: var_y, cov12: cov})",
        "return self.phi.xreplace({var1: var_x, var2: var_y, cov12: cov})", "elu"),
    # The law of the weights.
    Mutant("latents of second moment 0.34", "derive/weights.py",
        '"uniform": Fraction(1, 3)', '"uniform": Fraction(34, 100)', "relu"),
    Mutant("e = s2 r for s2 / r", "derive/weights.py",
        "return self.latent_second_moment / self.latent_fraction",
        "return self.latent_second_moment * self.latent_fraction", "16 levels"),
    Mutant("ternary r = 1/2: D^2 for D^2 / 2", "derive/weights.py",
        'object.__setattr__(self, "latent_fraction", fraction)',
        'object.__setattr__(self, "latent_fraction", fraction if step in (0, 2) else 1 / (1 + step**2))', "erf, ternary"),
    Mutant("16 levels' r: D^2 for D^2 / 2", "derive/weights.py",
        'object.__setattr__(self, "latent_fraction", fraction)',
        'object.__setattr__(self, "latent_fraction", 1 / (1 + step**2) if levels == 16 else fraction)', "16 levels"),
    # The derivation of duals.
    Mutant("density without its 2", "derive/stein.py",
        "return 1 / (sympy.sqrt(2 * sympy.pi) * sympy.sqrt(variance))",
        "return 1 / (sympy.sqrt(sympy.pi) * sympy.sqrt(variance))", "relu"),
    Mutant("Stein without the power's factor", "derive/stein.py",
        "Summand(power * gaussian.cov[i][j]", "Summand(gaussian.cov[i][j]", "mixed"),
    Mutant("density of the wrong distance", "derive/stein.py",
        "gaussian.shift - distance**2 / (2 * variance)", "gaussian.shift - distance**2 / variance", "hardtanh"),
    Mutant("Sheppard's angle with the wrong sign", "derive/stein.py",
        "sheppard[scale * angle] = -factor / (2 * sympy.pi)", "sheppard[scale * angle] = factor / (2 * sympy.pi)", "relu"),
    Mutant("tilt without its half", "derive/gaussian.py",
        "shift = tidy((mean[0] * s.alpha + mean[1] * t.alpha) / 2)",
        "shift = tidy(mean[0] * s.alpha + mean[1] * t.alpha)", "elu"),
    Mutant("erf = Phi - 1 for 2 Phi - 1", "derive/terms.py",
        "(replace(plain, gate=gate), 2 * coefficient)", "(replace(plain, gate=gate), coefficient)", "erf, ternary"),
    Mutant("kappa_dot derived from phi", "derive/dual.py",
        '"dphi": gaussian.dual(slope, slope)', '"dphi": gaussian.dual(terms, terms)', "elu"),
    Mutant("sqrt(1 - rho) for sqrt(1 - rho^2)", "derive/special.py",
        "return mpmath.sqrt(max(a * b - c * c, mpmath.mpf(0)))",
        "return mpmath.sqrt(max(a * b - c * mpmath.sqrt(a * b), mpmath.mpf(0)))", "relu"),
    Mutant("Hermite recursion of the oracle", "derive/oracle.py",
        "fixed(mpmath.sqrt(mpmath.mpf(j) / (j + 1)))", "fixed(mpmath.sqrt(mpmath.mpf(j) / (j + 2)))", "relu"),
    Mutant("x's Hermite coefficients for y's", "derive/series.py",
        "return Kappa(self.layer, var_x, var_y, cov)", "return Kappa(self.layer, var_x, var_x, cov)", "tanh"),
    Mutant("E[phi^2] for E[phi'^2] on the diagonal", "derive/dual.py",
        "return self.dphi_diagonal.xreplace({gaussian.variance: var})",
        "return self.phi_diagonal.xreplace({gaussian.variance: var})", "relu, real"),
    # From formulas to code.
    Mutant("square roots left out", "derive/nodes.py",
        'ir.Call("sqrt", (to_node(base),))', "to_node(base)", "erf, ternary"),
    Mutant("rounding = m - p", "derive/lower.py",
        "last.p - last.m", "last.m - last.p", "relu"),
    Mutant("+0.5 % on the NTK", "derive/lower.py",
        '"ntk": last.k,', '"ntk": last.k * sympy.Rational(201, 200),', "relu"),
    Mutant("outputs taken before the readout", "derive/lower.py",
        "last = layers[-1].moments", "last = layers[-2].moments", "relu"),
    Mutant("wrong homogeneity", "derive/dual.py",
        "return powers.pop() if plain", "return 2 * powers.pop() if plain", "relu"),
    Mutant("denominators without brackets", "numerics/emit.py",
        "/ {self.node(denominator, POWER)}", "/ {self.node(denominator, PRODUCT)}", "relu, biases"),
    Mutant("differences printed as sums", "numerics/emit.py",
        'f" - {part[1:]}"', 'f" + {part[1:]}"', "relu, biases"),
    Mutant("parameters in the wrong order", "numerics/emit_fill.py",
        'for i, name in enumerate(parameters))', 'for i, name in enumerate(reversed(parameters)))', "relu, biases"),
    Mutant("+0.5 % on a compiled output", "numerics/emit_fill.py",
        'f"o_{k}[j] = values[{k}]"', 'f"o_{k}[j] = 1.005 * values[{k}]"', "relu, biases"),
    Mutant("the compiled diagonal forgets an output", "numerics/emit_fill.py",
        "out[o, i] = values[o]\n", "out[o, i] = values[0]\n", "relu, biases"),
    Mutant("values of one row given to the other", "numerics/emit_fill.py",
        'y_{k} = Y_{k}[j]"', 'y_{k} = Y_{k}[i]"', "relu, biases"),
    # Numbers.
    Mutant("compiled sqrt(1 - rho) for sqrt(1 - rho^2)", "numerics/special.py",
        "math.sqrt(max(root - cov12, 0.0)) * math.sqrt(max(root + cov12, 0.0))",
        "math.sqrt(max(root - cov12, 0.0)) * math.sqrt(root)", "relu, biases"),
    Mutant("Genz: sign of h k in the bivariate normal", "numerics/special.py",
        "h * h + k * k - 2.0 * h * k * t", "h * h + k * k + 2.0 * h * k * t", "hardtanh"),
    Mutant("Genz: 4 pi for 2 pi", "numerics/special.py",
        "joint = half * total / (2.0 * math.pi)", "joint = half * total / (4.0 * math.pi)", "hardtanh"),
    Mutant("half of the Gaussian tail", "numerics/special.py",
        "return 0.5 * exponential(shift) * math.erfc(z)", "return 0.25 * exponential(shift) * math.erfc(z)", "elu"),
    Mutant("Hermite recursion of compiled code", "numerics/mehler.py",
        "math.sqrt(j / (j + 1.0))", "math.sqrt(j / (j + 2.0))", "tanh"),
    Mutant("Hermite series cut off", "numerics/mehler.py",
        "if abs(power) < 1e-18:", "if abs(power) < 1e-4:", "tanh"),
    Mutant("short series with too lax a tail bound", "numerics/mehler.py",
        "ORDER = 256\nTOLERANCE, ACCEPTED = 1e-12, 1e-11", "ORDER = 6\nTOLERANCE, ACCEPTED = 1e-1, 1e-11", "tanh"),
    Mutant("float32 too early", "numerics/pair_route.py",
        "np.empty(shape), np.empty(shape, np.bool_)", "np.empty(shape, np.float32), np.empty(shape, np.bool_)", "relu, biases"),
    Mutant("mirror images from the diagonal", "numerics/mirror.py",
        "result[first + j, first + i] = values[i, j]", "result[first + j, first + i] = values[j, j]", "relu"),
    Mutant("rectangular route with x and y swapped", "numerics/pair_route.py",
        'PairRoute(code, left, left if others is None else _prepare(code, others, "Y"))',
        'PairRoute(code, left if others is None else _prepare(code, others, "Y"), left)', "relu, biases"),
    Mutant("squared norms over d - 1", "numerics/blocks.py",
        "out[i] = total / d", "out[i] = total / (d - 1)", "relu"),
    Mutant("inner products with one row's norm alone", "numerics/blocks.py",
        "row[j] * (left * root_B[j])", "row[j] * (left * left)", "relu, biases"),
    Mutant("norms of one side forgotten", "numerics/cosine_pass.py",
        "row[j] *= left * right[j]", "row[j] *= left * left", "relu"),
    Mutant("Horner's scheme skips a coefficient", "numerics/chebyshev_evaluate.py",
        "* z + c[1]) * z + c[0]", "* z + c[0]) * z + c[0]", "relu"),
    # The sampled networks.
    Mutant("rounding to the nearest level", "verify/ensemble.py",
        "1.0 if unit(word) < place - low else 0.0", "1.0 if 0.5 < place - low else 0.0", "relu"),
    Mutant("rounding by a fair coin", "verify/ensemble.py",
        "1.0 if unit(word) < place - low else 0.0", "1.0 if unit(word) < 0.5 else 0.0", "erf, ternary"),
    Mutant("the second rounding is the first", "verify/ensemble.py",
        "= rounded(place, b, step)", "= rounded(place, a, step)", "relu"),
    Mutant("gradients of one rounding", "verify/ensemble.py",
        "_inner(g[k, s, a, :rows], g[k, t, b, :rows]", "_inner(g[k, s, a, :rows], g[k, s, b, :rows]", "relu"),
    Mutant("biases without gradients", "verify/ensemble.py",
        "weight * layers[k, BIAS] ** 2", "0.0 * layers[k, BIAS] ** 2", "relu, biases"),
)  # fmt: skip
"""Wrong factors, signs, arguments, laws, series, routes and outputs."""


if __name__ == "__main__":
    sys.exit(main())

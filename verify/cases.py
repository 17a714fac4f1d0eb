"""The networks that mutants are judged on, and the judge: `python -m verify.cases NAME ...` prints JSON."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from derive.activation import Activation
from derive.derivation import derive_kernel
from derive.errors import QuasintkError
from derive.network import Dense, Layer, Network
from derive.weights import Levels
from numerics.kernel import Kernel
from verify.check import verify

NAMES_A_DEFECT = re.compile(r"defect of this program|digits in common with independent quadrature")
"""What the certificates of closed forms and of rules of integration say when they refuse one."""


@dataclass(frozen=True)
class Verdict:
    """What became of one case.

    Attributes
    ----------
    case : str
    caught_by : str
        "certificate" if the derivation was refused as a defect, the gate of the first check that failed, "crash" for
        any other exception, "nothing" if no check failed.
    check : str
        The first check that failed, else the exception or the checks left undecided.
    status : str
        Of the certificate; "REFUSED" or "CRASH" where there is none.
    seconds : float
    """

    case: str
    caught_by: str
    check: str
    status: str
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether something wrong was noticed as such."""
        return self.caught_by not in ("crash", "nothing")


def judge(case: str, budget: str | float) -> Verdict:
    """Derive a case's kernel and verify it against the case's network.

    Parameters
    ----------
    case : str
        A name in CASES.
    budget : str or float
        Of `verify`.

    Returns
    -------
    Verdict
        Exceptions are part of it.

    Notes
    -----
    The network is given as the truth, because a kernel with a wrong parameter belongs, consistently, to another
    network. 5 to 15 s, most of it compilation.
    """
    start = time.perf_counter()

    def verdict(caught_by: str, check: str, status: str) -> Verdict:
        return Verdict(case, caught_by, check, status, round(time.perf_counter() - start, 1))

    try:
        network = CASES[case]()
        certificate = verify(Kernel(derive_kernel(network)), seed=0, budget=budget, against=network)
    except Exception as error:  # whatever a wrong formula leads to
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, QuasintkError) and NAMES_A_DEFECT.search(message):
            return verdict("certificate", _refused(message), "REFUSED")
        return verdict("crash", message, "CRASH")
    failed = [check for check in certificate.checks if check.status == "FAIL"]
    if failed:
        return verdict(failed[0].gate, failed[0].name, certificate.status)
    open_ones = [check.name for check in certificate.checks if check.status != "PASS"]
    return verdict("nothing", ", ".join(open_ones), certificate.status)


def _refused(message: str) -> str:
    """Which formula the certificate refused, without the numbers."""
    found = re.search(r"closed form of (\S+)(?: at q)?", message)
    return found[1] if found else "rule of integration"


def _hidden(activation: str, *layers: Dense, parameterization: str = "ntk") -> Network:
    """Each layer followed by the activation, then a readout; written out here, so that no defect of `mlp` is shared."""
    body: list[Layer] = []
    for layer in layers:
        body += [layer, Activation(activation)]
    return Network([*body, Dense("real")], parameterization)  # type: ignore[arg-type]  # checked by Network


def _relu() -> Network:
    return _hidden("max(x, 0)", *[Dense("binary", W_std=1.5)] * 2)


def _relu_biased() -> Network:
    return _hidden("max(x, 0)", *[Dense("binary", W_std=1.3, b_std=0.4)] * 3)


def _erf_ternary() -> Network:
    return _hidden("erf(x)", Dense("ternary", W_std=1.4, b_std=0.3), Dense("ternary", W_std=0.8, b_std=0.6))


def _tanh() -> Network:
    return _hidden("tanh(x)", Dense("binary", W_std=1.3, b_std=0.3))


def _hardtanh() -> Network:
    return _hidden("max(-1, min(1, x))", Dense("binary", W_std=1.3, b_std=0.3))


def _elu() -> Network:
    return _hidden("x if x > 0 else exp(x) - 1", Dense("binary", W_std=1.3, b_std=0.3))


def _relu_real() -> Network:
    return _hidden("max(x, 0)", *[Dense("real", W_std=1.3, b_std=0.3)] * 2)


def _latent() -> Network:
    layers = [Dense("ternary", W_std=1.3, b_std=0.3)] * 2
    return _hidden("max(x, 0)", *layers, parameterization="latent")


def _untrained() -> Network:
    return _hidden(
        "max(x, 0)", Dense("real", W_std=1.3, trained=False), Dense("binary", W_std=1.2, b_std=0.3)
    )


def _levels16() -> Network:
    return _hidden("max(x, 0)", Dense(Levels(16), W_std=1.3))


def _mixed() -> Network:
    return Network([
        Dense("ternary", W_std=1.2, b_std=0.2),
        Activation("erf(x)"),
        Dense("binary", W_std=1.4, b_std=0.5),
        Activation("x**2"),
        Dense("real", W_std=0.9, b_std=0.1),
    ])  # fmt: skip


CASES: dict[str, Callable[[], Network]] = {
    "relu": _relu,
    "relu, biases": _relu_biased,
    "erf, ternary": _erf_ternary,
    "tanh": _tanh,
    "hardtanh": _hardtanh,
    "elu": _elu,
    "relu, real": _relu_real,
    "latent": _latent,
    "untrained": _untrained,
    "16 levels": _levels16,
    "mixed": _mixed,
}
"""Networks by name; they are made when judged, because a mutant may not survive making one."""


def main(arguments: Sequence[str]) -> None:
    """Judge the cases named after the budget in seconds, one line of JSON each."""
    budget, *names = arguments
    for name in names:
        print(json.dumps(asdict(judge(name, float(budget)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

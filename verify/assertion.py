"""assert_kernel_matches: a kernel's values are those of sampled networks, as an assertion of a test suite."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable
from typing import Any

import hypothesis

from derive.derivation import derive_kernel
from derive.errors import VerificationFailed
from derive.network import Network, mlp
from numerics.domain import require_finite
from numerics.kernel import Kernel
from verify.check import verify
from verify.render import evidence, number, percent
from verify.report import Certificate, Check

BUDGET, SEED = "QUASINTK_BUDGET", "QUASINTK_SEED"
"""Environment variables with the defaults of `budget` and `seed`; the pytest plugin's options set them."""
DEFAULT_BUDGET = "20s"


def assert_kernel_matches(
    kernel: object,
    against: Network | None = None,
    *,
    margin: float | None = None,
    budget: str | float | None = None,
    seed: int | None = None,
    alpha: float = 1e-9,
    beta: float = 1e-9,
    record: Callable[[Certificate], None] | None = None,
    **options: Any,
) -> Certificate:
    """Assert that a kernel passes `verify`.

    Parameters
    ----------
    kernel : Kernel, Network, or an activation
        An activation is a name, an expression in x or a SymPy expression; `options` are then those of `quasintk.mlp`:
        depth, weights, W_std, b_std, parameterization.
    against : Network, optional
        Whose sampled behaviour is the truth; by default the kernel's own network.
    margin : float, optional
        Deviation, relative to sqrt(K(x, x) K(y, y)), that must be excluded; by default 0.005, or up to ten times as much where
        the budget does not suffice for it: the certificate returned says what was attained.
    budget : str or float, optional
        Seconds, or "20s", "2m"; by default $QUASINTK_BUDGET (pytest --quasintk-budget), else "20s".
    seed : int, optional
        By default $QUASINTK_SEED (pytest --quasintk-seed), else a hash of the running test's name and of the kernel:
        every test has networks of its own, and the same ones in every run.
    alpha, beta : float
        Probabilities that this assertion's sampled checks fail wrongly, and pass wrongly, each. Inside a Hypothesis test
        they are divided by its max_examples, so that they hold for the test as a whole.
    record : callable, optional
        Is given the certificate, whatever its status, before anything is raised.

    Returns
    -------
    Certificate

    Raises
    ------
    VerificationFailed
        An AssertionError: some check failed, or the budget ended before everything was decided.
    DerivationError, TypeError, ValueError
        If there is no such kernel, or an argument lies outside its domain.

    Notes
    -----
    Costs the budget at most, besides derivation (0.5 to 4 s, remembered) and compilation (about 10 s in a process).

    Examples
    --------
    >>> from quasintk.testing import assert_kernel_matches
    >>> def test_my_activation():
    ...     assert_kernel_matches("x*(1 + erf(x/sqrt(2)))/2", depth=2, weights="ternary", margin=0.02)
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    claimed = _kernel(kernel, options)
    share = _examples()
    certificate = verify(
        claimed,
        seed=_seed(claimed) if seed is None else seed,
        budget=os.environ.get(BUDGET, DEFAULT_BUDGET) if budget is None else budget,
        against=against,
        margin=margin,
        alpha=alpha / share,
        beta=beta / share,
    )
    if record is not None:
        record(certificate)
    if certificate.status == "FAIL":
        raise VerificationFailed(_contradiction(certificate))
    if not certificate.passed:
        raise VerificationFailed(_shortfall(certificate))
    return certificate


def _kernel(kernel: object, options: dict[str, Any]) -> Kernel:
    if isinstance(kernel, Kernel | Network):
        if options:
            raise TypeError(
                f"Options {', '.join(options)} belong to an activation; a {type(kernel).__name__} has its own."
            )
        return kernel if isinstance(kernel, Kernel) else require_finite(Kernel(derive_kernel(kernel)))
    return require_finite(Kernel(derive_kernel(mlp(kernel, **options))))


def _examples() -> int:
    """Examples of the Hypothesis test that runs now; 1 outside. In its body, the default settings are the test's own."""
    current = hypothesis.settings.default if hypothesis.currently_in_test_context() else None
    return 1 if current is None else current.max_examples


def _seed(kernel: Kernel) -> int:
    """32 bits of a hash: `hash` would differ from process to process, a chosen seed could be one that passes."""
    given = os.environ.get(SEED)
    if given is not None:
        try:
            return int(given)
        except ValueError:
            raise ValueError(f"${SEED} must be an integer, got {given!r}.") from None
    text = f"{_test_name()}\0{kernel.to_json()}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def _test_name() -> str:
    """Pytest's name of the running test, without " (call)"; nothing outside of pytest."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _contradiction(certificate: Certificate) -> str:
    worst, *others = sorted(certificate.failed, key=lambda check: -check.evidence)
    lines = [f"the kernel is wrong: {worst.name}, at the gate {worst.gate!r}", *_facts(certificate, worst)]
    if others:
        named = ", ".join(check.name for check in others[:3])
        lines.append(f"  also failed  {len(others)} more: {named}{', ...' if len(others) > 3 else ''}")
    return "\n".join([*lines, *_again(certificate)])


def _shortfall(certificate: Certificate) -> str:
    worst = certificate.undecided[0]
    limit = percent(certificate.detectable)
    attained = f"precision {limit} attained" if limit else "no precision attained"
    remedy = f"no budget decides {worst.name!r}: it cannot be sampled"
    if worst.samples:
        wider = 1.05 * certificate.detectable  # two digits of it are never less than was attained
        margin = f" (margin={wider:.2g})" if wider < 0.1 else ""
        remedy = (
            "raise the budget (budget=..., --quasintk-budget; half the error takes four times as long) "
            f"or the margin{margin}"
        )
    first = f"not shown: {attained}, {percent(worst.margin or certificate.margin)} asked; {remedy}"
    return "\n".join([first, *_facts(certificate, worst), *_again(certificate)])


def _facts(certificate: Certificate, check: Check) -> list[str]:
    error = f" +- {check.error:.1e}" if check.samples else ""
    limit = percent(check.detectable)
    return [
        f"  kernel       {certificate.kernel}",
        f"  against      {certificate.against}",
        f"  check        {check.name} (gate {check.gate})",
        f"  claimed      {number(check.claimed)}",
        f"  estimate     {number(check.estimate)}{error}",
        f"  evidence     {evidence(check)}",
        f"  margin       {percent(check.margin or certificate.margin)}; smallest detectable error {limit or 'unbounded'}",
        f"  seed         {certificate.seed}, {certificate.networks} networks, {certificate.seconds:.1f} s",
    ]


def _again(certificate: Certificate) -> list[str]:
    lines = [f"  run again    {certificate.rerun}"]
    if test := _test_name():
        lines.append(f"  or           pytest {shlex.quote(test)} --quasintk-seed {certificate.seed}")
    return lines

"""What `verify` returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from verify.eprocess import Status


@dataclass(frozen=True)
class Check:
    """One quantity compared with its claim.

    Attributes
    ----------
    name : str
        What was compared, such as "ntk(x0, x1)".
    claimed, estimate, error : float
        The kernel's value, the sampled one, and its standard error (0 for a deterministic check).
    detectable : float
        Smallest deviation that could not have hidden, relative to sqrt(K(x, x) K(y, y)).
    evidence : float
        log10 of the evidence against the claim; FAIL from 9 on.
    status : {"PASS", "FAIL", "INCONCLUSIVE"}
    """

    name: str
    claimed: float
    estimate: float
    error: float
    detectable: float
    evidence: float
    status: Status


@dataclass(frozen=True)
class Certificate:
    """The outcome of `verify`.

    Attributes
    ----------
    status : {"PASS", "FAIL", "INCONCLUSIVE"}
        FAIL if any check failed, PASS if all passed.
    checks : tuple of Check
    kernel, against : str
        The kernel, and the network whose sampled behaviour was the truth.
    networks : int
        Sampled networks.
    seed : int
    seconds : float
    """

    status: Status
    checks: tuple[Check, ...]
    kernel: str
    against: str
    networks: int
    seed: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.status == "PASS"

    @property
    def detectable(self) -> float:
        """The largest of the checks' smallest detectable errors."""
        return max(check.detectable for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary."""
        return asdict(self)

    def __str__(self) -> str:
        head = (
            f"{'check':24} {'claimed':>12} {'estimate':>12} {'error':>8} {'detectable':>10} {'evidence':>8}"
        )
        lines = [
            f"{c.name:24} {c.claimed:12.6g} {c.estimate:12.6g} {c.error:8.1e} {c.detectable:10.2%} {c.evidence:8.1f}  {c.status}"
            for c in self.checks
        ]
        return "\n".join([
            f"{self.status}: {self.kernel}",
            f"against {self.against}",
            head,
            *lines,
            f"{self.networks} networks, seed {self.seed}, {self.seconds:.1f} s; smallest detectable error {self.detectable:.2%}",
        ])  # fmt: skip

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

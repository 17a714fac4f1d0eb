"""What `verify` returns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from verify import render
from verify.eprocess import Status

Gate = Literal["code", "quadrature", "property", "layer", "network"]
"""What a check rests on, from the sharpest to the most real: compiled code against many digits, claims against the
independent oracle, predicates that hold of every kernel, one layer sampled at a time, whole finite networks.
"""
FORMAT = 1
"""Version of the JSON; another one is refused."""
SLACK = 1e-6
"""Relative: what was attained is found by bisection, to 1e-12 of the clipping limit."""


@dataclass(frozen=True)
class Check:
    """One quantity compared with its claim.

    Attributes
    ----------
    gate : {"code", "quadrature", "property", "layer", "network"}
    name : str
        What was compared, such as "ntk(x0, x1)".
    claimed, estimate, error : float
        The kernel's value, the other route's, and that one's standard error (0 where nothing is sampled).
    detectable : float
        Smallest deviation that could not have hidden, relative to sqrt(K(x, x) K(y, y)).
    evidence : float
        log10 of the evidence against the claim; a sampled check fails from -log10(alpha) on.
    status : {"PASS", "FAIL", "INCONCLUSIVE"}
    samples : int
        0 for a deterministic check.
    margin : float
        Of a sampled check: the deviation whose absence its PASS shows, relative as `detectable`.
    """

    gate: Gate
    name: str
    claimed: float
    estimate: float
    error: float
    detectable: float
    evidence: float
    status: Status
    samples: int = 0
    margin: float = 0.0


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
    margin : float
        A PASS shows that no check is off by more, relative to sqrt(K(x, x) K(y, y)).
    alpha, beta : float
        Probabilities of a wrong FAIL and of a wrong PASS, for each check.
    networks : int
        Sampled networks.
    seed : int
    seconds : float
    rerun : str
        The command that repeats it.
    version : str
    """

    status: Status
    checks: tuple[Check, ...]
    kernel: str
    against: str
    margin: float
    alpha: float
    beta: float
    networks: int
    seed: int
    seconds: float
    rerun: str
    version: str

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.status == "PASS"

    @property
    def detectable(self) -> float:
        """The precision attained: the largest of the checks' smallest detectable errors; inf without checks.

        Properties are left out: they hold of every kernel, so that they bound no value.
        """
        return max((check.detectable for check in self.checks if check.gate != "property"), default=math.inf)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that contradict the kernel."""
        return tuple(check for check in self.checks if check.status == "FAIL")

    @property
    def undecided(self) -> tuple[Check, ...]:
        """The checks that the budget did not decide, the least precise first."""
        left = (check for check in self.checks if check.status == "INCONCLUSIVE")
        return tuple(sorted(left, key=lambda check: -check.detectable))

    @property
    def precise(self) -> bool:
        """Whether the precision attained is the margin's."""
        return self.detectable <= self.margin * (1 + SLACK)

    @property
    def attained(self) -> str:
        """One sentence: what could, and what could not, have remained unnoticed."""
        return render.attained(self)

    def to_dict(self) -> dict[str, Any]:
        """Dictionary for JSON, with "format": 1; what is not finite becomes the text "nan", "inf" or "-inf"."""
        values = {**asdict(self), "checks": [_safe(asdict(check)) for check in self.checks]}
        return {"format": FORMAT, **_safe(values), **_safe({"detectable": self.detectable})}

    def to_json(self) -> str:
        """The certificate as text, read back by `from_json`; strict JSON."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Certificate:
        """Read a certificate from `to_json`'s text.

        Raises
        ------
        ValueError
            On anything else, damaged or of another format.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError, TypeError) as error:
            raise ValueError(
                f"This is no certificate: {error}. Write one with Certificate.to_json()."
            ) from None
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            found = values.get("format") if isinstance(values, dict) else None
            raise ValueError(f'A certificate has "format": {FORMAT}, this has {found!r}: write it again.')
        listed = values.get("checks")
        if not isinstance(listed, list):
            raise ValueError("This certificate is damaged: it has no list of checks.")
        checks = tuple(Check(**_read(Check, one, f"check {i}")) for i, one in enumerate(listed))
        found = Certificate(**{**_read(Certificate, values, "the certificate"), "checks": checks})
        if found.status != overall(checks):
            raise ValueError(
                f"This certificate is damaged: it says {found.status}, its checks {overall(checks)}."
            )
        return found

    def to_markdown(self) -> str:
        """Markdown: the outcome, the precision attained and a table of all checks."""
        return render.markdown(self)

    def to_html(self) -> str:
        """One self-contained page, without network access, for light and dark screens and for print."""
        return render.page(self)

    def __repr__(self) -> str:
        return f"<Certificate: {self.status}, {len(self.checks)} checks of {self.kernel}; {self.attained}>"

    def __str__(self) -> str:
        return render.text(self)

    def _repr_html_(self) -> str:
        return render.notebook(self)


def overall(checks: Sequence[Check]) -> Status:
    """FAIL if any check failed, PASS if there are some and all passed."""
    statuses = {check.status for check in checks}
    return "FAIL" if "FAIL" in statuses else "PASS" if statuses == {"PASS"} else "INCONCLUSIVE"


def _safe(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _read(cls: type[Check] | type[Certificate], values: Any, where: str) -> dict[str, Any]:
    """The fields of a class from JSON, each of its type; annotations are texts here."""
    if not isinstance(values, dict):
        raise ValueError(f"This certificate is damaged: {where} is no object.")
    found = {}
    for field in fields(cls):
        if field.name not in values:
            raise ValueError(f"This certificate is damaged: {where} has no {field.name!r}.")
        try:
            found[field.name] = _of_type(str(field.type), values[field.name])
        except (TypeError, ValueError):
            raise ValueError(
                f"This certificate is damaged: {field.name!r} of {where} is {values[field.name]!r}."
            ) from None
    return found


def _of_type(kind: str, value: Any) -> Any:
    """The value, if JSON's kind of it belongs to the annotation."""
    literals = {"Gate": get_args(Gate), "Status": get_args(Status)}
    if kind in literals:
        fits = value in literals[kind]
    elif kind == "float":
        fits = value in ("nan", "inf", "-inf") or type(value) in (int, float)
        value = float(value) if fits else value
    else:
        fits = type(value) is {"int": int, "str": str}.get(kind, list)
    if not fits:
        raise TypeError(kind)
    return value

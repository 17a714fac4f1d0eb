"""What the numbers say, in a few sentences made of them alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from quasintk.page.sampling import QUANTITIES, Error, Sampling
from quasintk.page.spectra import Curve
from quasintk.page.study import Study
from verify.report import Certificate

DIGITS = 4
"""Of a rate in a sentence; the tables have more."""
_ADVERBS = {
    "exponential": "exponentially",
    "power": "like a power of the degree",
    "stretched": "like a stretched exponential",
    "super-exponential": "faster than every exponential",
    "finite-rank": "to 0 at a finite degree",
}


@dataclass(frozen=True)
class Finding:
    """One sentence under a short title; `tone` is "good", "bad" or "open"."""

    title: str
    text: str
    tone: str = "good"


def findings(study: Study) -> tuple[Finding, ...]:
    """How the eigenvalues decay, what was predicted, which space lies in which, and whether the kernel was borne out."""
    own = study.own
    return (_decay(own), _prediction(own), *_space(study), _checks(study), _finite(study.sampling))


def rate_text(rate: tuple[float, float, float] | None, digits: int = DIGITS) -> str:
    """rho with its interval; nothing where there is none or it is fixed by the law."""
    if rate is None:
        return ""
    value, low, high = (f"{one:#.{digits}g}" for one in rate)
    return f"{rate[0]:g}" if rate[1] == rate[2] else f"{value} [{low}, {high}]"


def _decay(own: Curve) -> Finding:
    if own.verdict in ("none", "undecided"):
        return Finding("Decay", f"No law is decided by the eigenvalues alone. {own.fit_note}", "open")
    verb = f"The {own.degree[-1] + 1} eigenvalues computed decay {_ADVERBS[own.verdict]}"
    if own.fitted is None or own.fitted[1] == own.fitted[2]:
        return Finding("Decay", f"{verb}, judged by the numbers alone.")
    return Finding(
        "Decay", f"{verb}, ρ = {rate_text(own.fitted)} (95 % interval), fitted to the numbers alone."
    )


def _prediction(own: Curve) -> Finding:
    if own.predicted is None:
        return Finding("Prediction", " ".join(own.prediction_notes), "open")
    said = f"From the network alone the law is {own.law}"
    if own.law in ("exponential", "stretched") and own.predicted < 1:
        said += f" with ρ = {own.predicted:.6g}"
    if own.verdict in ("none", "undecided"):
        return Finding("Prediction", f"{said}; the fit does not decide.", "open")
    if own.verdict != own.law:
        return Finding("Prediction", f"{said}; the fit says {own.verdict}.", "bad")
    if own.fitted is None or own.fitted[1] == own.fitted[2]:
        return Finding("Prediction", f"{said}, as fitted.")
    within = own.fitted[1] <= own.predicted <= own.fitted[2]
    where = "inside" if within else "outside"
    return Finding("Prediction", f"{said}, {where} the fitted interval.", "good" if within else "bad")


def _space(study: Study) -> Iterator[Finding]:
    real = next((one for one in study.comparisons if one.name == "real weights"), None)
    if real is None:
        others = ", ".join(f"{one.verdict} that of the {one.name} kernel" for one in study.comparisons)
        yield Finding("Function space", f"It is {others}.".replace("incomparable", "incomparable with"))
        return
    texts = {
        "strictly inside": "The function space is a strict subset of that of the same network with real weights",
        "strictly contains": "The function space strictly contains that of the same network with real weights",
        "equal": "The function space is that of the same network with real weights",
        "incomparable": "Neither it nor that of the same network with real weights lies in the other",
    }
    if real.verdict not in texts:
        yield Finding(
            "Function space",
            f"Whether it lies in that of real weights is {real.verdict}. {real.reason}",
            "open",
        )
        return
    limits = {one for one in (real.limit_even, real.limit_odd) if one is None or not math.isnan(one)}
    ratio = "the ratio of the eigenvalues has no single limit" if limits else "both have a finite rank"
    if len(limits) == 1 and (limit := limits.pop()) is not None:
        ratio = f"the ratio of the eigenvalues tends to {'infinity' if math.isinf(limit) else f'{limit:.6g}'}"
    yield Finding("Function space", f"{texts[real.verdict]}: {ratio}.")


def _checks(study: Study) -> Finding:
    found = study.certificate
    if not isinstance(found, Certificate):
        return Finding("Checks", f"They were not made: {found}", "open")
    tone = {"PASS": "good", "FAIL": "bad"}.get(found.status, "open")
    return Finding(
        "Checks",
        f"{found.status}: {found.attained}.".replace("sqrt(K(x,x)K(y,y))", "√(K(x, x) K(y, y))"),
        tone,
    )


def _finite(found: Sampling | str) -> Finding:
    if not isinstance(found, Sampling):
        return Finding("Finite networks", found, "open")
    layer = found.layers[-2] if len(found.layers) > 1 else found.layers[-1]
    name = found.telling
    first, *_, last = found.of(name, layer)
    return Finding(
        "Finite networks",
        f"Against rounded networks the quasi network's {QUANTITIES[name]} in layer {layer} errs by {_percent(first)} at width "
        f"{first.width}, by {_percent(last)} at width {last.width}.",
    )


def _percent(error: Error) -> str:
    value, low, high = (f"{100 * one:#.2g}".rstrip(".") for one in (error.value, error.low, error.high))
    return f"{value} % [{low}, {high}]" if error.low > 0 else f"at most {high} %"

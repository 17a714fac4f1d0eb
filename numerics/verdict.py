"""Which law the numbers carry, if any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numerics.decay_data import DecayData
from numerics.finite_rank import finite_rank
from numerics.regression import Regression

FEWEST = 10
"""Values below which nothing is decided."""
EVIDENCE = 10.0
"""AICc difference below which two laws are not told apart (Burnham & Anderson 2002)."""
WORST_FIT = 0.15
"""Largest rms residual of log lambda_k at which a law is said to describe the numbers."""
FALL = 1.0
"""What sets a law apart from a power must take eigenvalues down by exp(FALL) within the window; a power with corrections of order 1/k else looks so."""
SIMPLE, CORRECTION = 0.02, 5.0
"""Largest rms residual, and largest |b| of the correction 1 + b/k that the power's change from half to half amounts to, at which a power is
preferred to a law that fits better and falls less."""
SLOWEST = -0.5
"""Slope of log lambda against log k from which on values are not said to decay: a kernel's sum is finite."""
TWINS = "rho^k is sure; beside it a power of k, or exp(-c sqrt(k)) which fits as well or nearly so"
CLOSE = 1.5
"""Factor between residuals by which the best law must lead where noise does not explain them."""
AHEAD = 2.0
"""Factor by which misses outside the window decide where residuals are close."""
DRIFT = 0.01
"""Relative difference of log rho between the halves of the window that is worth a warning."""
BENT = 0.1
"""Relative difference of the powers of the halves that is worth one."""
BROKEN = 0.3
"""The same from which on there is no power: a floor shows through, or another law."""
FAR = 0.02
"""The same from which on rho^k exp(-c sqrt(k)), which a change from one law to another imitates, is no verdict."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict rests on.

    Attributes
    ----------
    whole, data : DecayData
        All usable values, and those in the window.
    fits : sequence of Regression
        On the window, from the smallest AICc on.
    halves : sequence of sequence of Regression
        The same laws in the same order, on the lower and on the upper half of the window.
    outside : sequence of float
        Each law's miss on the last third, fitted to the first two.
    """

    whole: DecayData
    data: DecayData
    fits: Sequence[Regression]
    halves: Sequence[Sequence[Regression]]
    outside: Sequence[float]


@dataclass(frozen=True)
class Verdict:
    """The decision (`numerics.fit.DecayFit`); `law` is the name of the law it rests on."""

    verdict: str
    law: str | None
    reason: str
    warning: str = ""
    rank: int | None = None


def judge(evidence: Evidence) -> Verdict:
    """The law that the numbers carry, or "undecided"."""
    if (ended := finite(evidence.whole)) is not None:
        return ended
    fits, data = evidence.fits, evidence.data
    best, power = fits[0], next((fit for fit in fits if fit.law.name == "power"), None)
    if len(data.k) < FEWEST:
        return _undecided(f"only {len(data.k)} usable values")
    if (slope := float(np.polyfit(np.log(data.k), data.log_value, 1)[0])) > SLOWEST:
        return _undecided(
            f"the values do not decay in the window, ~ k^{slope:.2g}: a floor? Move the window, or subtract it"
        )
    if best.rms > WORST_FIT:
        return _undecided(f"no law fits: rms residual {best.rms:.2f} of the best, {best.law.name}")
    if power is not None and beyond_power(best, data) < FALL:
        lead = power.aicc - best.aicc
        small = power.rms <= SIMPLE and _correction(evidence) <= CORRECTION
        if small or (lead < EVIDENCE and power.rms <= WORST_FIT):
            own = f"{best.law.name} differs from it by exp({beyond_power(best, data):.2g}) only"
            if doubt := _bent(evidence, BROKEN):
                return _undecided(doubt)
            reason = f"residual {power.rms:.1e}; {own}" if best is not power else _lead(evidence)
            return Verdict("power", "power", reason, _bent(evidence))
        return _undecided(
            f"{best.law.name} differs from a power by a factor e within the window, and {power.rms:.1e} is left of that"
        )
    doubt = _rival(evidence) or _flip(evidence)
    if doubt:
        return _undecided(doubt)
    if _twin(evidence):
        return Verdict("exponential", "exponential", TWINS, _drift(evidence, law="exponential"))
    if family(best.law.name) == "stretched" and data.by == "degree" and data.dim is None:
        return _undecided("without dim a power k^-p looks stretched for k << dim^2: give dim")
    if family(best.law.name) == "stretched" and (doubt := _drift(evidence, FAR)):
        return _undecided(doubt)
    return Verdict(family(best.law.name), best.law.name, _lead(evidence), _drift(evidence))


def finite(whole: DecayData) -> Verdict | None:
    """The verdict on eigenvalues that end; None where they do not."""
    found = finite_rank(whole)
    return None if found is None else Verdict("finite-rank", None, found[1], rank=found[0])


def _undecided(reason: str) -> Verdict:
    return Verdict("undecided", None, reason)


def beyond_power(fit: Regression, data: DecayData) -> float:
    """By how much the factor of the law that no power has falls within the window, in logarithms."""
    at, first, last = fit.law.report(fit.at), float(data.k[0]), float(data.k[-1])
    if "order" in at:
        return math.inf
    fall = -math.log(at["rho"]) * (last - first) if at.get("rho") else 0.0
    if "stretch" in at:
        exponent = at.get("exponent", 0.5)
        fall += at["stretch"] * (last**exponent - first**exponent)
    return fall


def family(law: str) -> str:
    """The verdict that a law stands for: rho^k exp(-c sqrt(k)) is a stretched one."""
    return "stretched" if law == "exponential-root" else law


def _twin(evidence: Evidence) -> bool:
    """Whether rho^k is sure, but not whether a power or exp(-c sqrt(k)) stands beside it."""
    twins = [fit for fit in evidence.fits if fit.law.name in ("exponential", "exponential-root")]
    return len(twins) == 2 and twins[0] is evidence.fits[0] and bool(_ties(twins[0], twins[1], evidence))


def _ties(best: Regression, other: Regression, evidence: Evidence) -> str:
    noise = float(np.sqrt(np.mean(evidence.data.error**2)))
    names = [fit.law.name for fit in evidence.fits]
    if other.aicc - best.aicc < EVIDENCE:
        return (
            f"{other.law.name} fits as well as {best.law.name}: AICc differs by {other.aicc - best.aicc:.1f}"
        )
    ahead = evidence.outside[names.index(other.law.name)] / max(
        evidence.outside[names.index(best.law.name)], 1e-15
    )
    if other.rms < CLOSE * best.rms and best.rms > 3 * noise and other.rms < WORST_FIT and ahead < AHEAD:
        return f"{other.law.name} leaves {other.rms:.1e}, {best.law.name} {best.rms:.1e}: neither is clearly ahead"
    if ahead < 1:
        return f"{other.law.name} predicts the last third of the window better than {best.law.name}"
    return ""


def _lead(evidence: Evidence) -> str:
    fits = evidence.fits
    return f"AICc ahead by {fits[1].aicc - fits[0].aicc:.0f}" if len(fits) > 1 else "the only law tried"


def _rival(evidence: Evidence) -> str:
    """A law of another kind that does as well; rho^k times a power and rho^k exp(-c sqrt(k)) are of one kind."""
    best, *others = evidence.fits
    doubts = (_ties(best, other, evidence) for other in others if _kind(other) != _kind(best))
    return next(filter(None, doubts), "")


def _kind(fit: Regression) -> str:
    return fit.law.name.partition("-root")[0]


def _flip(evidence: Evidence) -> str:
    """Another law that half of the window prefers clearly."""
    best = evidence.fits[0].law.name
    for half, where in zip(evidence.halves, ("lower", "upper"), strict=False):
        own = half[0]
        if not math.isfinite(own.aicc) or len(own.residual) < FEWEST:
            continue
        for other in half[1:]:
            if _kind(other) != _kind(own) and own.aicc - other.aicc > EVIDENCE:
                return f"the {where} half of the window prefers {other.law.name} to {best}: the verdict flips with the window"
        if own.rms > WORST_FIT:
            return f"{best} does not fit the {where} half of the window"
    return ""


def _powers(evidence: Evidence) -> list[float]:
    """The exponents of the power law on the halves of the window."""
    fits = [next((fit for fit in half if fit.law.name == "power"), None) for half in evidence.halves]
    return [fit.law.report(fit.at)["power"] for fit in fits if fit is not None]


def _correction(evidence: Evidence) -> float:
    """|b| of a factor 1 + b/k that would change the power as much as it does between the halves of the window."""
    if len(powers := _powers(evidence)) < 2:
        return 0.0
    first, last = evidence.data.k[0], evidence.data.k[-1]
    lower, upper = (first + share * (last - first) for share in (1 / 4, 3 / 4))
    return float(abs(powers[1] - powers[0]) / (1 / lower - 1 / upper))


def _bent(evidence: Evidence, least: float = BENT) -> str:
    """Powers of the two halves that differ by more than that."""
    powers = _powers(evidence)
    if len(powers) < 2 or abs(powers[1] / powers[0] - 1) <= least:
        return ""
    return f"the power changes: k^{powers[0]:.4g} in the lower half of the window, k^{powers[1]:.4g} in the upper"


def _drift(evidence: Evidence, least: float = DRIFT, law: str | None = None) -> str:
    """Rates of that law, or of the best one, on the two halves that differ by more than that."""
    i = [fit.law.name for fit in evidence.fits].index(law or evidence.fits[0].law.name)
    reports = [half[i].law.report(half[i].at) for half in evidence.halves]
    if len(reports) < 2 or not all("rho" in report for report in reports):
        return ""
    low, high = (report["rho"] for report in reports)
    if abs(math.log(high) / math.log(low) - 1) <= least:
        return ""
    return f"the law has not set in: rho = {low:.6g} in the lower half of the window, {high:.6g} in the upper"

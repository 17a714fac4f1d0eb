"""Where the ratio of two predicted laws tends, and whether computed eigenvalues bear it out (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.curves import oscillation_of, stretch_of
from derive.prediction import Branch, Prediction
from numerics.harmonic_sums import EPS
from numerics.ratios import PARITIES, contradiction
from numerics.zonal import Spectrum

Floats = NDArray[np.float64]
LARGEST = 700.0
"""Logarithm of a constant that is still a double."""


@dataclass(frozen=True)
class Found:
    """The limits on even and on odd degrees, whether H_A lies in H_B and H_B in H_A, and why; None where not known."""

    limits: tuple[float | None, float | None]
    a_in_b: bool | None
    b_in_a: bool | None
    reason: str


@dataclass(frozen=True)
class _Limit:
    """On one parity: the limit of A / B, whether A / B and B / A are bounded, and a sentence."""

    value: float | None
    a_below: bool | None
    b_below: bool | None
    text: str


def judge(
    laws: tuple[Prediction, Prediction], spectra: tuple[Spectrum, Spectrum], log_ratio: Floats, error: Floats
) -> Found:
    """Compare two predicted laws and hold their ratio against the computed one.

    Parameters
    ----------
    laws : two predictions
    spectra : two spectra of the same degrees
    log_ratio, error : ndarray, shape (K + 1,)
        log lambda_k(A) / lambda_k(B), and the ratio's relative error.

    Notes
    -----
    All Taylor coefficients are >= 0, and lambda_k sums those of order k, k + 2, ...: it vanishes only beyond the last one of
    its parity, so that a law without end has no zeros, and boundedness is a matter of the limits alone.
    """
    tolerance = sum(law.error for law in laws) + 4 * EPS
    a, b = laws
    even = _limit(a.even, b.even, PARITIES[0], a.dim, tolerance)
    odd = _limit(a.odd, b.odd, PARITIES[1], a.dim, tolerance)
    limits = (even, odd)
    texts = [one.text for one in limits]
    alike = texts[0].replace(PARITIES[0], "") == texts[1].replace(PARITIES[1], "")
    reason = texts[0].replace("on even degrees ", "").replace(PARITIES[0], "") if alike else "; ".join(texts)
    doubts = [
        doubt
        for parity, limit in enumerate(limits)
        for doubt in (
            *_misplaced(laws, spectra, parity),
            *contradiction(limit.value, laws, log_ratio, error, parity),
        )
    ]
    values = (even.value, odd.value)
    if doubts:
        return Found(values, None, None, f"{reason}. But {'; '.join(doubts)}")
    return Found(values, _all(one.a_below for one in limits), _all(one.b_below for one in limits), reason)


def _all(answers: Iterator[bool | None]) -> bool | None:
    """False if one is, else None if one is not known."""
    known = list(answers)
    return False if False in known else None if None in known else True


# ---- limits


def _limit(a: Branch, b: Branch, parity: str, dim: int, tolerance: float) -> _Limit:
    last_a, last_b = _last(a), _last(b)
    if math.isinf(last_a) and math.isinf(last_b):
        return _endless(a, b, parity, dim, tolerance)
    value = math.nan if last_a < math.inf > last_b else 0.0 if last_a < last_b else math.inf
    return _Limit(value, last_a <= last_b, last_b <= last_a, _ends(last_a, last_b, parity))


def _last(branch: Branch) -> float:
    """The last degree whose eigenvalue is not 0; -1 if there is none."""
    if branch.law == "zero" or branch.last is not None:
        return -1.0 if branch.last is None or branch.last < 0 else float(branch.last)
    return math.inf


def _ends(last_a: float, last_b: float, parity: str) -> str:
    if last_a == last_b:
        return f"neither has {_absent(last_a, parity)}"
    (short, shorter), (long, longer) = sorted([(last_a, "A"), (last_b, "B")])
    has = f"{longer} has them" + ("" if math.isinf(long) else f" up to {long:.0f}")
    return f"{shorter} has no {_absent(short, parity)}, {has}"


def _absent(last: float, parity: str) -> str:
    return f"{parity}degrees" + ("" if last < 0 else f" >= {last + 2:.0f}")


def _endless(a: Branch, b: Branch, parity: str, dim: int, tolerance: float) -> _Limit:
    """The first exponent in which two laws differ decides."""
    text = f"on {parity}degrees A decays like {_text(a, dim)} and B like {_text(b, dim)}"
    sign = _compared(_order(a, dim), _order(b, dim), tolerance)
    if sign is None:
        return _Limit(None, None, None, f"{text}, and which is the faster is not known")
    if sign < 0:
        return _Limit(0.0, True, False, f"{text}: A / B tends to 0")
    if sign > 0:
        return _Limit(math.inf, False, True, f"{text}: A / B tends to infinity")
    log_a, log_b = _log_constant(a), _log_constant(b)
    if log_a is None or log_b is None:
        return _Limit(None, None, None, f"{text}, and the constants are not known")
    if any(oscillation_of(one.tail) is not None for one in (a, b)):
        return _Limit(None, True, True, f"{text}: A / B oscillates between positive bounds")
    if abs(log_a - log_b) > LARGEST:
        return _Limit(None, True, True, f"{text}: A / B tends to exp({log_a - log_b:.6g})")
    value = math.exp(log_a - log_b)
    return _Limit(value, True, True, f"{text}: A / B tends to {value:.6g}")


def _order(branch: Branch, dim: int) -> tuple[float | None, ...]:
    """log lambda_k = x_1 k + x_2 k^(2/3) + x_3 sqrt(k) + x_4 log k + log C, where x_0 is 0; None where it is not known.

    x_0 = -1 for what falls faster than every rate^k; of Gaussian kernels, up to log Gamma(k + dim/2).
    """
    if branch.entire is not None:
        return -1.0, float(mpmath.log(branch.entire.terms[0][1])), 0.0, 0.0, 0.0
    if branch.law == "super-exponential":
        return -1.0, None, None, None, None
    if branch.law == "undecided" or branch.rate is None:
        return (None,) * 5
    k = math.log(branch.rate)
    if branch.law != "stretched":
        return 0.0, k, 0.0, 0.0, branch.power
    stretch = stretch_of(branch.tail)
    if branch.tail is None or stretch is None:
        return 0.0, k, None, None, None
    if branch.rate == 1:
        return 0.0, 0.0, -stretch, None, None
    return 0.0, k, 0.0, -stretch, -float(branch.tail.gamma) - dim / 2


def _compared(a: tuple[float | None, ...], b: tuple[float | None, ...], tolerance: float) -> int | None:
    """Sign of the first difference beyond the tolerance; None if something is not known before."""
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            return None
        if not math.isclose(x, y, rel_tol=tolerance, abs_tol=2 * EPS):
            return -1 if x < y else 1
    return 0


def _log_constant(branch: Branch) -> float | None:
    """log C, but for the Gamma(dim/2) that Gaussian kernels of one dim share."""
    if branch.entire is not None:
        w, c = branch.entire.terms[0]
        return float(mpmath.log(w) - c)
    return None if branch.constant is None or branch.constant <= 0 else math.log(branch.constant)


def _text(branch: Branch, dim: int) -> str:
    if branch.entire is not None:
        return f"{mpmath.nstr(branch.entire.terms[0][1] / 2, 6)}^k / Gamma(k + {Fraction(dim, 2)})"
    if branch.law == "super-exponential":
        return "o(r^k) for every r > 0"
    power = [] if branch.power is None else [f"k^{branch.power:g}"]
    rate = [] if branch.rate in (None, 1) else [f"{branch.rate:.6g}^k"]
    stretch = stretch_of(branch.tail)
    root = "k^(2/3)" if branch.rate == 1 else "sqrt(k)"
    factors = [*power, *rate, *([] if stretch is None else [f"exp({-stretch:.4g} {root})"])]
    return " ".join(factors) or "a law that is not known"


# ---- the computed ratio


def _misplaced(
    laws: tuple[Prediction, Prediction], spectra: tuple[Spectrum, Spectrum], parity: int
) -> Iterator[str]:
    """Degrees where an eigenvalue is 0 and should not be, or the other way round."""
    for name, law, found in zip("AB", laws, spectra, strict=True):
        last = _last(law.odd if parity else law.even)
        degrees = found.degree[parity::2]
        wrong = degrees[np.isfinite(found.log_eigenvalue[parity::2]) != (degrees <= last)]
        if len(wrong):
            value = found.eigenvalue[wrong[0]]
            yield f"{name}'s eigenvalue of degree {wrong[0]} is computed as {value:.3g}, against the prediction"

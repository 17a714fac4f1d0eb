"""Eigenvalues and their laws, for every precision and depth that the chart offers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from derive.errors import QuasintkError
from derive.prediction import Prediction
from derive.weights import NAMED, Levels, WeightLaw
from numerics.decay_fit import DecayFit
from numerics.kernel import Kernel
from quasintk.decay import Decay, decay_of
from quasintk.page.formulas import law_mathml
from quasintk.sweeps import name_of

PRECISIONS = (NAMED["binary"], NAMED["ternary"], Levels(16), NAMED["real"])
DEPTHS = (1, 2, 3)
FIRST = 4
"""Degree from which on an asymptotic law is drawn."""
DRAWN = 12
"""Points of a predicted curve, on even and on odd degrees each: some take 0.3 s."""
LN10 = math.log(10)
Points = tuple[tuple[int, ...], tuple[float, ...]]
"""Degrees and log10 of a curve there."""


@dataclass(frozen=True)
class Curve:
    """One kernel's eigenvalues by degree, and their law.

    Attributes
    ----------
    precision : str
    depth : int
    own : bool
        Whether this is the network that the page is about.
    degree : tuple of int
    log10 : tuple of float or None
        Of the eigenvalue; None where it vanishes.
    rel_error : tuple of float
        Of the eigenvalue, estimated.
    multiplicity : tuple of float
    verdict : str
        Of the fit; "none" where nothing is fitted.
    fitted : tuple of float or None
        rho and the ends of its 95 % interval; None where undecided.
    fitted_power : tuple of float or None
        The exponent of k and the ends of its interval, of a power law.
    fit_note : str
        The fit's reason, or its warning, or why there is none.
    law, law_mathml : str
        The predicted law in one word ("" where there is none), and as a formula.
    predicted, predicted_error : float or None
        rho, and the estimated relative error of its logarithm; None where that is 0 or infinite.
    prediction_notes : tuple of str
    fitted_line : Points
    predicted_lines : tuple of Points
        On even and on odd degrees.
    failure : str
        Why there is no kernel or spectrum; all the rest is then empty.
    """

    precision: str
    depth: int
    own: bool
    degree: tuple[int, ...] = ()
    log10: tuple[float | None, ...] = ()
    rel_error: tuple[float, ...] = ()
    multiplicity: tuple[float, ...] = ()
    verdict: str = "none"
    fitted: tuple[float, float, float] | None = None
    fitted_power: tuple[float, float, float] | None = None
    fit_note: str = ""
    law: str = ""
    law_mathml: str = ""
    predicted: float | None = None
    predicted_error: float | None = None
    prediction_notes: tuple[str, ...] = ()
    fitted_line: Points = ((), ())
    predicted_lines: tuple[Points, Points] = (((), ()), ((), ()))
    failure: str = ""


def curves(
    derived: Callable[[int, WeightLaw], Kernel],
    depth: int,
    law: WeightLaw,
    dim: int,
    degrees: int,
    watch: Callable[[str], None],
) -> tuple[Curve, ...]:
    """Every precision of `PRECISIONS` and every depth of `DEPTHS`, and the network's own.

    A kernel of another network that cannot be had says why; the own one's error is raised.
    """
    laws = sorted({*PRECISIONS, law}, key=lambda one: (one.latent_fraction, one.rounded))
    pairs = [(one, d) for one in laws for d in sorted({*DEPTHS, depth})]
    found = []
    for number, (one, d) in enumerate(pairs, 1):
        name, own = name_of(one), (one, d) == (law, depth)
        watch(f"spectrum {number} of {len(pairs)}: {name}, depth {d}")
        try:
            found.append(_curve(name, d, own, decay_of(name, derived(d, one), dim, degrees, 1, "ntk")))
        except QuasintkError as error:
            if own:
                raise
            found.append(Curve(name, d, own, failure=str(error)))
    return tuple(found)


def _curve(name: str, depth: int, own: bool, decay: Decay) -> Curve:
    values = decay.spectrum
    logs = [log / LN10 if math.isfinite(log) else None for log in values.log_eigenvalue.tolist()]
    return Curve(
        name,
        depth,
        own,
        degree=tuple(values.degree.tolist()),
        log10=tuple(logs),
        rel_error=tuple(values.rel_error.tolist()),
        multiplicity=tuple(values.multiplicity.tolist()),
        **_fit(decay.fit),
        **_prediction(decay.prediction, logs),
    )


def _fit(fit: DecayFit | str | None) -> dict[str, Any]:
    if not isinstance(fit, DecayFit):
        return {"fit_note": _sentence(fit or "")}
    line: Points = ((), ())
    if fit.best is not None:
        pairs = zip(fit.k.tolist(), (fit.best.log_law / LN10).tolist(), strict=True)
        kept = [(int(k), log) for k, log in pairs if k >= FIRST and math.isfinite(log)]
        line = tuple(k for k, _ in kept), tuple(log for _, log in kept)
    note = fit.warning or fit.reason
    power = (
        (fit.best.parameters["power"], *fit.best.interval["power"])
        if fit.verdict == "power" and fit.best
        else None
    )
    return {
        "verdict": fit.verdict,
        "fitted": fit.rate,
        "fitted_power": power,
        "fit_note": _sentence(note),
        "fitted_line": line,
    }


def _prediction(prediction: Prediction | str | None, logs: list[float | None]) -> dict[str, Any]:
    if not isinstance(prediction, Prediction):
        return {"prediction_notes": (_sentence(prediction or ""),)}
    even, odd = (tuple(zip(*_line(prediction, logs, parity), strict=True)) or ((), ()) for parity in (0, 1))
    return {
        "law": prediction.law,
        "law_mathml": law_mathml(prediction),
        "predicted": prediction.rate,
        "predicted_error": prediction.error if 0 < prediction.rate < 1 else None,
        "prediction_notes": tuple(map(_sentence, prediction.notes)),
        "predicted_lines": (even, odd),
    }


def _line(prediction: Prediction, logs: list[float | None], parity: int) -> Iterator[tuple[int, float]]:
    """Some points of the predicted curve, the last one among them, where eigenvalues do not vanish."""
    degrees = [k for k, log in enumerate(logs) if k >= FIRST and k % 2 == parity and log is not None]
    chosen = degrees[:: -max(1, len(degrees) // DRAWN)][::-1]
    try:
        heights = [prediction.log_eigenvalue(k) / LN10 for k in chosen]
    except ValueError:
        return
    yield from ((k, height) for k, height in zip(chosen, heights, strict=True) if math.isfinite(height))


def _sentence(text: str) -> str:
    """With a full stop, and a capital where a word stands first."""
    text = text.strip().rstrip(".")
    first = text[:1].upper() if text.partition(" ")[0].isalpha() else text[:1]
    return text and f"{first}{text[1:]}."

"""The charts' data: what the script draws, and the same as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from derive.numbers import decimal
from quasintk.page.sampling import QUANTITIES, Sampling
from quasintk.page.spectra import Curve
from quasintk.page.study import Study
from quasintk.studies.tables import as_csv

Chart = dict[str, Any]
"""title, axes, switches and series; a series is shown where every switch it names has its value chosen."""
PARITIES = ("even", "odd")
LAWS = ("fitted", "predicted")
Points = tuple[Sequence[int], Sequence[float | None]]


def charts_of(study: Study) -> dict[str, Chart]:
    """Every chart by its name; all heights are log10, None where a value is 0."""
    found = {"spectrum": _spectrum(study.curves, study.own)}
    if any(one.degree for one in study.comparisons):
        found["ratio"] = _ratio(study)
    if isinstance(study.sampling, Sampling):
        found["sampling"] = _sampled(study.sampling)
    return found


def tables_of(study: Study) -> dict[str, str]:
    """The numbers of every chart, the laws and the comparisons as CSV, by file name."""
    found = {
        "spectrum.csv": as_csv(list(_eigenvalues(study.curves))),
        "laws.csv": as_csv(list(_laws(study.curves))),
        "ratio.csv": as_csv(list(_ratios(study))),
    }
    if isinstance(study.sampling, Sampling):
        found["sampling.csv"] = as_csv(list(_errors(study.sampling)))
    if not isinstance(study.certificate, str):
        found["checks.csv"] = as_csv([
            {
                "gate": one.gate, "check": one.name, "claimed": one.claimed, "estimate": one.estimate, "standard_error": one.error,
                "detectable": one.detectable, "log10_evidence": one.evidence, "samples": one.samples, "margin": one.margin,
                "status": one.status,
            }
            for one in study.certificate.checks
        ])  # fmt: skip
    return found


def _spectrum(curves: Sequence[Curve], own: Curve) -> Chart:
    precisions = list(dict.fromkeys(one.precision for one in curves))
    depths = list(dict.fromkeys(str(one.depth) for one in curves))
    series: list[Any] = []
    for one in curves:
        at = {"precision": one.precision, "depth": str(one.depth)}
        name, colour = f"{one.precision}, depth {one.depth}", precisions.index(one.precision)
        lines = ((one.fitted_line, {"law": LAWS[0]}), *_predicted(one))
        for points, more in lines:
            if points[0]:
                series.append(_series(name, colour, {**at, **more}, points, kind="line"))
        points = one.degree, one.log10
        series += _by_parity(name, colour, at, points, one.rel_error)
    return {
        "title": "Eigenvalues by degree",
        "x": {"label": "degree k", "name": "k"},
        "y": {"label": "eigenvalue λ", "name": "λ"},
        "switches": [
            _switch("precision", "Precision", precisions, precisions, many=True, role="colour"),
            _switch("depth", "Depth", depths, [str(own.depth)], many=False),
            _switch("parity", "Degrees", PARITIES, PARITIES, many=True, role="fill"),
            _switch("law", "Laws", LAWS, [LAWS[1]], many=True, role="line"),
        ],
        "series": series,
    }


def _predicted(one: Curve) -> Iterator[tuple[Points, dict[str, str]]]:
    for parity, line in zip(PARITIES, one.predicted_lines, strict=True):
        yield line, {"law": LAWS[1], "parity": parity}


def _ratio(study: Study) -> Chart:
    names = [one.name for one in study.comparisons if one.degree]
    series: list[Any] = []
    for one in study.comparisons:
        if one.degree:
            points = one.degree, one.log10_ratio
            series += _by_parity(
                one.name, names.index(one.name) + 1, {"kernel": one.name}, points, one.rel_error
            )
    return {
        "title": "Ratio of eigenvalues by degree",
        "x": {"label": "degree k", "name": "k"},
        "y": {"label": "λ of this kernel / λ of the other", "name": "ratio"},
        "unit": True,
        "switches": [
            _switch("kernel", "The other", names, names, many=True, role="colour", first=1),
            _switch("parity", "Degrees", PARITIES, PARITIES, many=True, role="fill"),
        ],
        "series": series,
    }


def _sampled(found: Sampling) -> Chart:
    layers = [f"layer {layer}" for layer in found.layers]
    shown = [name for name in QUANTITIES if any(found.of(name, layer) for layer in found.layers)]
    series = []
    for quantity in shown:
        for colour, layer in enumerate(found.layers):
            if errors := found.of(quantity, layer):
                widths = [one.width for one in errors]
                heights, low, high = (
                    [_log10(getattr(one, end)) for one in errors] for end in ("value", "low", "high")
                )
                at = {"layer": f"layer {layer}", "quantity": QUANTITIES[quantity]}
                more: dict[str, Any] = {"low": low, "high": high, "joined": True}
                series.append(_series(f"layer {layer}", colour, at, (widths, heights), **more))
    texts = [QUANTITIES[name] for name in shown]
    return {
        "title": "Error of the quasi network by width",
        "x": {"label": "width", "name": "width", "log": True},
        "y": {"label": "error", "name": "error"},
        "switches": [
            _switch("quantity", "Quantity", texts, [QUANTITIES[found.telling]], many=False),
            _switch("layer", "Layers", layers, layers, many=True, role="colour"),
        ],
        "series": series,
    }


def _switch(name: str, label: str, options: Iterable[str], chosen: Iterable[str], **more: Any) -> Chart:
    return {"name": name, "label": label, "options": list(options), "chosen": list(chosen), **more}


def _by_parity(
    name: str, colour: int, at: dict[str, str], points: Points, errors: Sequence[float]
) -> Iterator[Chart]:
    for parity, text in enumerate(PARITIES):
        part = points[0][parity::2], points[1][parity::2]
        finite = [error if math.isfinite(error) else None for error in errors[parity::2]]
        yield _series(name, colour, {**at, "parity": text}, part, error=finite, hollow=bool(parity))


def _series(
    name: str, colour: int, at: dict[str, str], points: Points, kind: str = "points", **more: Any
) -> Chart:
    lists = {"x": list(points[0]), "log10": list(points[1])}
    return {"name": name, "colour": colour, "at": at, "kind": kind, **lists, **more}


def _log10(value: float) -> float | None:
    return math.log10(value) if value > 0 else None


def _eigenvalues(curves: Sequence[Curve]) -> Iterator[dict[str, Any]]:
    for one in curves:
        rows = zip(one.degree, one.multiplicity, one.log10, one.rel_error, strict=True)
        for degree, multiplicity, log10, error in rows:
            yield {
                "precision": one.precision, "depth": one.depth, "degree": degree, "multiplicity": multiplicity,
                "eigenvalue": decimal(log10, 15), "log10_eigenvalue": "-inf" if log10 is None else log10, "rel_error": error,
            }  # fmt: skip


def _laws(curves: Sequence[Curve]) -> Iterator[dict[str, Any]]:
    for one in curves:
        value, low, high = one.fitted or ("", "", "")
        power, power_low, power_high = one.fitted_power or ("", "", "")
        yield {
            "precision": one.precision, "depth": one.depth, "fitted_law": one.verdict, "fitted_rho": value, "fitted_rho_low": low,
            "fitted_rho_high": high, "fitted_power": power, "fitted_power_low": power_low, "fitted_power_high": power_high, "predicted_law": one.law, "predicted_rho": one.predicted,
            "predicted_log_rho_rel_error": one.predicted_error,
            "notes": " ".join(filter(None, (one.fit_note, *one.prediction_notes, one.failure))),
        }  # fmt: skip


def _ratios(study: Study) -> Iterator[dict[str, Any]]:
    for one in study.comparisons:
        for degree, log10, error in zip(one.degree, one.log10_ratio, one.rel_error, strict=True):
            yield {"other": one.name, "degree": degree, "log10_ratio": log10, "rel_error": error}


def _errors(found: Sampling) -> Iterator[dict[str, Any]]:
    for one in found.errors:
        yield {
            "quantity": one.quantity, "layer": one.layer, "width": one.width, "error": one.value, "low": one.low, "high": one.high,
        }  # fmt: skip

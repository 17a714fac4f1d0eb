"""Certificates for people: a terminal's text, Markdown, and one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Context, Decimal
from html import escape
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from derive.notebook import html_table

if TYPE_CHECKING:
    from verify.report import Certificate, Check

COLUMNS = 100
"""Width of the terminal that the text is laid out for; only a line that cannot be broken is longer."""
UNIT = "sqrt(K(x,x)K(y,y))"
GATES = {
    "code": "compiled code against many digits",
    "quadrature": "duals against the independent oracle",
    "property": "what holds of every kernel",
    "layer": "one layer at a time, sampled",
    "network": "whole finite networks, sampled",
}
HEAD = ("check", "claimed", "estimate", "error", "detect. %", "evidence", "status")
GATE_HEAD = ("gate", "checks", "passed", "no deviation above")
BADGES = {"PASS": "#1a6b32", "FAIL": "#b3001b", "INCONCLUSIVE": "#7a5200"}
"""Of a notebook, under white text."""
WIDTHS = (35, 11, 11, 7, 9, 8, 12)
"""Of HEAD's columns, with one space between: 99 columns."""
STYLE = """
.qn-certificate { --ink: #1a1a1a; --paper: #fff; --line: #c9c9c9; --soft: #f1f3f5; --PASS: #1a6b32;
  --FAIL: #b3001b; --INCONCLUSIVE: #7a5200; color: var(--ink); background: var(--paper); padding: 1em;
  font: 15px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .qn-certificate { --ink: #e8e8e8; --paper: #16181b; --line: #44484d;
  --soft: #22262a; --PASS: #6fd08c; --FAIL: #ff8a8a; --INCONCLUSIVE: #f0c060; } }
.qn-certificate table { border-collapse: collapse; font-variant-numeric: tabular-nums; color: inherit; }
.qn-certificate th, .qn-certificate td { padding: .15em .7em; text-align: right; border-bottom: 1px solid var(--line); }
.qn-certificate th[scope=row], .qn-certificate th:first-child { text-align: left; font-weight: normal; }
.qn-certificate th[scope=rowgroup] { background: var(--soft); font-weight: bold; }
.qn-certificate thead th { font-weight: bold; }
.qn-certificate .PASS { color: var(--PASS); } .qn-certificate .FAIL { color: var(--FAIL); font-weight: bold; }
.qn-certificate .INCONCLUSIVE { color: var(--INCONCLUSIVE); font-weight: bold; }
.qn-certificate h1 { font-size: 1.3em; line-height: 1.3; } .qn-certificate .scroll { overflow-x: auto; } .qn-certificate code { overflow-wrap: anywhere; }
@media print { .qn-certificate { --ink: #000; --paper: #fff; --line: #999; --soft: #fff; --PASS: #000; --FAIL: #000;
  --INCONCLUSIVE: #000; font-size: 10px; padding: 0; } .qn-certificate thead { display: table-header-group; }
  .qn-certificate tr { break-inside: avoid; } .qn-certificate .scroll { overflow: visible; } }
"""


def text(certificate: Certificate) -> str:
    """For a terminal of 100 columns: the checks gate by gate, then the precision attained and how to repeat it."""
    lines = [_filled(f"{certificate.status}: {certificate.kernel}"), f"against {certificate.against}", ""]
    for gate, checks in _by_gate(certificate):
        lines += [f"{gate}: {GATES[gate]}", *_told(checks), ""]
    return "\n".join([*lines, *_closing(certificate)])


def _told(checks: list[Check]) -> list[str]:
    """One line where all is well and nothing was left to chance; every check is in JSON, Markdown and HTML."""
    if all(check.status == "PASS" and not check.samples for check in checks):
        limit = percent(max(check.detectable for check in checks))
        return [f"  {len(checks)} checks without chance, each precise to {limit} or better: PASS"]
    return [_line(HEAD), *(_line(_cells(check)) for check in checks)]


def attained(certificate: Certificate) -> str:
    """The sentence that says what could, and what could not, have remained unnoticed."""
    count, limit = len(certificate.checks), percent(certificate.detectable)
    if certificate.status == "FAIL":
        return f"{len(certificate.failed)} of {count} checks contradict the kernel"
    if certificate.status == "PASS":
        wider = "" if certificate.precise else f" (the goal was {percent(certificate.margin)})"
        return f"no deviation above {limit} of {UNIT} could have hidden{wider}"
    size = f"deviations up to {limit} of {UNIT}" if limit else "deviations of any size"
    return (
        f"{len(certificate.undecided)} of {count} checks are undecided: {size} could still hide, "
        f"where {percent(certificate.undecided[0].margin or certificate.margin)} was asked"
    )


def percent(value: float) -> str:
    """Two digits, rounded up, because it bounds something; nothing where there is no bound."""
    digits = _percent_digits(value)
    return f"{digits} %" if digits else ""


def number(value: float) -> str:
    """Five digits."""
    return f"{value:.5g}"


def evidence(check: Check) -> str:
    """The odds against the claim."""
    return (
        f"1 in 10^{max(check.evidence, 0.0):.1f} if the claim held" if check.samples else "exact, no chance"
    )


def markdown(certificate: Certificate) -> str:
    """The outcome, the precision attained and a table of all checks."""
    head = ("gate", *HEAD)
    lines = [
        f"**{certificate.status}**: {_quoted(certificate.kernel)}, against {_plain(certificate.against)}.",
        "",
        f"**{_sentence(certificate)}**",
        "",
        f"| {' | '.join(head)} |",
        "|---|---|" + "---:|" * 5 + "---|",
    ]
    lines += [f"| {' | '.join([c.gate, *map(_plain, _cells(c))])} |" for c in certificate.checks]
    return "\n".join(
        [*lines, "", *(f"- {line}" for line in _facts(certificate)), "", f"    {certificate.rerun}"]
    )


def page(certificate: Certificate) -> str:
    """One HTML page that needs nothing else."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(certificate.status)}: {escape(certificate.kernel)}</title>\n</head>\n<body>\n"
        f"{section(certificate)}\n</body>\n</html>"
    )


def section(certificate: Certificate) -> str:
    """The page's content."""
    bodies = "\n".join(_body(gate, checks) for gate, checks in _by_gate(certificate))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in HEAD)
    facts = "".join(f"<li>{escape(line)}</li>" for line in _facts(certificate))
    return (
        f'<section class="qn-certificate">\n<style>{STYLE}</style>\n'
        f'<h1><span class="{certificate.status}">{certificate.status}</span> {escape(certificate.kernel)}</h1>\n'
        f"<p>Against {escape(certificate.against)}.</p>\n<p><strong>{escape(_sentence(certificate))}</strong></p>\n"
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n{bodies}\n</table></div>\n'
        f"<ul>{facts}</ul>\n<p>Run again: <code>{escape(certificate.rerun)}</code></p>\n</section>"
    )


def notebook(certificate: Certificate) -> str:
    """Outcome and a line for each gate; behind a click every check. Colours are the page's own but the badge's, which brings both."""
    color = BADGES[certificate.status]
    badge = f'<b style="color: #fff; background-color: {color}; padding: 2px 8px">{certificate.status}</b>'
    doubtful = [*certificate.failed, *certificate.undecided]
    shown = html_table([_sentence(certificate)], GATE_HEAD, map(_summed, _by_gate(certificate)))
    if doubtful:
        shown += html_table(["Not passed"], HEAD, map(_cells, doubtful))
    every = html_table((), ("gate", *HEAD), ((check.gate, *_cells(check)) for check in certificate.checks))
    facts = "".join(f"<p>{escape(line)}</p>" for line in _facts(certificate))
    return (
        f"<div><p>{badge} {escape(certificate.kernel)}</p><p>against {escape(certificate.against)}</p>{shown}"
        f"<details><summary>{len(certificate.checks)} checks</summary>{every}{facts}"
        f"<p>run again: <code>{escape(certificate.rerun)}</code></p></details></div>"
    )


def _summed(group: tuple[str, list[Check]]) -> tuple[object, ...]:
    """A gate in GATE_HEAD's columns."""
    gate, checks = group
    passed = sum(check.status == "PASS" for check in checks)
    precision = "" if gate == "property" else percent(max(check.detectable for check in checks)) or "any"
    return f"{gate}: {GATES[gate]}", len(checks), passed, precision


def _body(gate: str, checks: list[Check]) -> str:
    rows = "\n".join(_row(check) for check in checks)
    title = f"{gate}: {GATES[gate]}"
    return (
        f'<tbody>\n<tr><th scope="rowgroup" colspan="{len(HEAD)}">{escape(title)}</th></tr>\n{rows}\n</tbody>'
    )


def _row(check: Check) -> str:
    name, *values, status = _cells(check)
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}<td class="{status}">{status}</td></tr>'


def _by_gate(certificate: Certificate) -> Iterator[tuple[str, list[Check]]]:
    order = list(GATES)
    checks = sorted(certificate.checks, key=lambda check: order.index(check.gate))
    for gate, group in groupby(checks, key=lambda check: check.gate):
        yield gate, list(group)


def _cells(check: Check) -> tuple[str, ...]:
    """A check in HEAD's columns."""
    return (
        check.name,
        number(check.claimed),
        number(check.estimate),
        f"{check.error:.1e}" if check.samples else "-",
        _percent_digits(check.detectable) or "any",
        f"10^{round(check.evidence, 1) + 0.0:.1f}" if check.samples else "exact",
        check.status,
    )


def _line(cells: tuple[str, ...]) -> str:
    """A name that is too long has a line of its own."""
    name, *values, status = cells
    padded = "".join(f" {value:>{width}}" for value, width in zip(values, WIDTHS[1:], strict=False))
    first = f"  {name:{WIDTHS[0] - 2}}" if len(name) <= WIDTHS[0] - 2 else f"  {name}\n{'':{WIDTHS[0]}}"
    return f"{first}{padded} {status}"


def _closing(certificate: Certificate) -> list[str]:
    return [_filled(_sentence(certificate)), *_facts(certificate), f"run again: {certificate.rerun}"]


def _facts(certificate: Certificate) -> list[str]:
    guarantee = (
        f"each sampled check: a wrong FAIL has probability at most {certificate.alpha:.1g}, "
        f"a wrong PASS {certificate.beta:.1g}"
    )
    return [
        guarantee,
        f"{certificate.networks} networks, {certificate.seconds:.1f} s, seed {certificate.seed}, "
        f"quasintk {certificate.version}",
    ]


def _sentence(certificate: Certificate) -> str:
    sentence = attained(certificate)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _filled(line: str) -> str:
    return fill(line, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _percent_digits(value: float) -> str:
    """100 value, its first six digits rounded up to two; nothing if it is not finite."""
    exact = 100 * Decimal(f"{value:.6g}")
    if not exact.is_finite():
        return ""
    return f"{float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(exact)):.2g}"


def _quoted(value: str) -> str:
    """As code; a backquote inside it cannot end it."""
    return "`" + value.replace("`", "'") + "`"


def _plain(value: str) -> str:
    """In a cell of a Markdown table, with nothing read as a mark."""
    safe = escape(value, quote=False)
    return "".join(f"\\{c}" if c in "\\|`*_[]" else c for c in safe).replace("\n", " ")

"""A study as one HTML page that needs nothing else: no network, and no script for what it says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from derive.numbers import decimal
from quasintk import __version__
from quasintk.citation import bibtex
from quasintk.page.charts import charts_of, tables_of
from quasintk.page.commands import commands
from quasintk.page.findings import findings, rate_text
from quasintk.page.study import Study
from verify.render import GATES, percent
from verify.report import Certificate

MISSING = "The page needs jinja2: pip install 'quasintk[report]'."
PACKAGES = ("numpy", "scipy", "numba", "sympy", "mpmath")


def html_of(study: Study) -> str:
    """The page. The same study gives the same bytes on one installation: no time is written.

    Raises
    ------
    ImportError
        If jinja2 is missing; the message has the command that installs it.
    """
    environment = _environment()
    script, charts = _file("page.js"), charts_of(study)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    certificate = study.certificate if isinstance(study.certificate, Certificate) else None
    return str(
        environment.get_template("page.html").render(
            study=study,
            settings=study.settings,
            formulas=study.formulas,
            findings=findings(study),
            commands=commands(study.settings),
            certificate=certificate,
            gates=list(_gates(certificate)) if certificate else [],
            depth_curves=[
                one for one in study.curves if one.depth == study.settings.depth and not one.failure
            ],
            charts=charts,
            data=_json(charts),
            downloads={name: _address(text, "text/csv") for name, text in tables_of(study).items()},
            bibtex=bibtex(),
            bibtex_address=_address(bibtex(), "application/x-bibtex"),
            facts=list(_facts(study)),
            style=_file("page.css"),
            script=script,
            policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )


def _environment() -> Any:
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError:
        raise ImportError(MISSING) from None
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "math": lambda markup: Markup(f"<math>{markup}</math>"),
        "displayed": lambda markup: Markup(f'<math displaystyle="true"><mrow>{markup}</mrow></math>'),
        "decimal": decimal,
        "error": lambda value: f"{value:.1e}",
        "rate": lambda rate: rate_text(rate, 6),
        "number": lambda value: Markup(_number(value)),
        "prose": lambda text: Markup(_prose(text)),
        "percent": lambda value: Markup(_prose(percent(value))),
    }
    return environment


def _file(name: str) -> str:
    return files("quasintk.page").joinpath(name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that no browser takes for the end of its element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _address(text: str, kind: str) -> str:
    """The text itself as a link's address."""
    return f"data:{kind};charset=utf-8,{quote(text, safe=',-._~:;=()*')}"


def _number(value: float) -> str:
    """Six digits; powers of ten as such."""
    mantissa, _, power = f"{value:.6g}".partition("e")
    plain = {"inf": "∞", "-inf": "−∞", "nan": "–"}.get(mantissa, mantissa)
    return f"{plain}·10<sup>{int(power)}</sup>".replace("-", "−") if power else plain


def _prose(text: str) -> str:
    """A message's formulas with raised exponents and the field's letters, escaped."""
    for name, sign in (
        ("sqrt(K(x,x)K(y,y))", "√(K(x, x) K(y, y))"),
        ("sqrt(k)", "√k"),
        ("log_eigenvalue(k)", "the curve"),
        (">>", "≫"),
        (">=", "≥"),
        ("k^(2/3)", "k^2/3"),
    ):
        text = text.replace(name, sign)
    for name, letter in (
        ("rho", "ρ"),
        ("Gamma", "Γ"),
        ("gamma", "γ"),
        ("kappa_dot", "κ̇"),
        ("kappa", "κ"),
        ("Phi", "Φ"),
    ):
        text = re.sub(rf"\b{name}\b", letter, text)
    text = re.sub(r"(\d)e([-+]\d+)\b", lambda found: f"{found[1]}·10^{int(found[2])}", text)
    return re.sub(r"\^(-?\d/\d|-?[\d.]*\d|[a-z]\b)", r"<sup>\1</sup>", escape(text)).replace(
        "<sup>-", "<sup>−"
    )


def _gates(certificate: Certificate) -> Iterator[tuple[str, str, list[Any]]]:
    for gate, title in GATES.items():
        checks = [check for check in certificate.checks if check.gate == gate]
        if checks:
            yield gate, title, checks


def _facts(study: Study) -> Iterator[tuple[str, str]]:
    yield "quasintk", __version__
    yield "Python", platform.python_version()
    for name in PACKAGES:
        yield name, version(name)
    yield "system", f"{platform.system()}, {platform.machine()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield "machine", f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB of memory"
    yield "seed", str(study.settings.seed)

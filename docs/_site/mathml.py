"""Formulas as MathML, which browsers set by themselves: the pages need no script and no network for them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry point."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(self: Any, node: nodes.math) -> None:
    text = node.astext()
    broad = _markup(text, "block" if text.startswith("\\displaystyle") else "inline")
    self.body.append(f'<div class="formula">{broad}</div>' if "\\begin{" in text else broad)
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{_markup(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _markup(text: str, display: str) -> str:
    """The converter knows align*, and aligned not."""
    return str(convert(text.replace("{aligned}", "{align*}"), display=display))

"""The site: `make docs`."""

from __future__ import annotations

import hashlib
import os
import sys
from itertools import chain
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS / "_site"))
os.environ["PYTHONPATH"] = str(DOCS / "_site")  # for the pages' processes

IPYTHON = ROOT / "build" / "ipython"
"""The pages' processes know no user's settings, and say nothing of their own."""
(IPYTHON / "profile_default").mkdir(parents=True, exist_ok=True)
(IPYTHON / "profile_default" / "ipython_kernel_config.json").write_text('{"IPKernelApp": {"log_level": 40}}')
os.environ["IPYTHONDIR"] = str(IPYTHON)

from quasintk import __version__  # noqa: E402


def _sources() -> str:
    """A hash of all that an example's output depends on."""
    found = hashlib.sha256()
    packages = (sorted((ROOT / name).rglob("*.py")) for name in ("derive", "numerics", "verify", "quasintk"))
    for path in chain(*packages, [DOCS / "_site" / "page.py"]):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


project = "quasintk"
author = "the quasintk developers"
copyright = author
version = release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "mathml",
    "docstrings",
    "gallery",
]
exclude_patterns = ["_site", "Thumbs.db"]
source_suffix = {".md": "myst-nb"}
templates_path: list[str] = []
default_role = "py:obj"
nitpicky = False

slow = "tags" in globals() and tags.has("slow")  # type: ignore[name-defined]  # noqa: F821  # Sphinx's
nb_custom_formats = {".md": ["pages.read", {"sources": _sources(), "slow": slow}, False]}
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 4 * 3600 if slow else 600
nb_execution_show_tb = True
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    "ref.python"
]  # types are words, "shape (n, rank)": a rank of several classes is none of them

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "quasintk"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"index": [], "new-activation": []}
html_theme_options = {
    "logo": {"text": "quasintk"},
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button-field", "theme-switcher"],
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}

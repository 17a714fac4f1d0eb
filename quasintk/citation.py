"""How to cite: BibTeX of the paper and of this program."""

from __future__ import annotations

from quasintk import __version__

_PAPER = """\
@misc{zhang2022quantization,
  title         = {Why Quantization Improves Generalization: {NTK} of Binary Weight Neural Networks},
  author        = {Zhang, Kaiqi and Yin, Ming and Wang, Yu-Xiang},
  year          = {2022},
  eprint        = {2206.05916},
  archivePrefix = {arXiv},
  primaryClass  = {cs.LG}
}"""


def bibtex() -> str:
    """Two entries: the paper whose construction is implemented, and the software at its version."""
    software = f"""\
@software{{quasintk,
  title   = {{quasintk: kernels of infinitely wide networks with rounded weights}},
  author  = {{{{The quasintk developers}}}},
  version = {{{__version__}}},
  note    = {{Python package; implements the construction of arXiv:2206.05916}}
}}"""
    return f"{_PAPER}\n\n{software}\n"

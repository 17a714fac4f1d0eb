"""What to cite."""

from __future__ import annotations

from quasintk import __version__

TITLE = "quasintk: kernels of infinitely wide networks with rounded weights"
AUTHORS = "the quasintk developers"
PAPER = "Why Quantization Improves Generalization: {NTK} of Binary Weight Neural Networks"
PAPER_AUTHORS = ("Zhang, Kaiqi", "Yin, Ming", "Wang, Yu-Xiang")
YEAR = 2022
ARXIV = "2206.05916"


def bibtex() -> str:
    """BibTeX entries of this software and of the paper."""
    return f"""\
@software{{quasintk,
  title   = {{{TITLE}}},
  author  = {{{{{AUTHORS[0].upper()}{AUTHORS[1:]}}}}},
  version = {{{__version__}}},
  license = {{MIT}}
}}

@article{{zhang{YEAR}quantization,
  title         = {{{PAPER}}},
  author        = {{{" and ".join(PAPER_AUTHORS)}}},
  year          = {{{YEAR}}},
  journal       = {{arXiv preprint arXiv:{ARXIV}}},
  eprint        = {{{ARXIV}}},
  archivePrefix = {{arXiv}},
  primaryClass  = {{cs.LG}}
}}"""


def words() -> str:
    """The same two as sentences."""
    names = [" ".join(reversed(name.split(", "))) for name in PAPER_AUTHORS]
    title = PAPER.translate(str.maketrans("", "", "{}"))
    return (
        f"{AUTHORS[0].upper()}{AUTHORS[1:]}. {TITLE}. Version {__version__}, MIT licence.\n"
        f"{', '.join(names[:-1])} and {names[-1]}. {title}. arXiv:{ARXIV}, {YEAR}."
    )

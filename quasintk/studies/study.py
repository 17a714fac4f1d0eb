"""What every study of `quasintk reproduce` is made of: pieces of work, tables, findings, a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Value = str | int | float | bool | None
Row = Mapping[str, Value]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Study:
    """One experiment: what it asks, the pieces it consists of, and what they amount to.

    Attributes
    ----------
    name, title : str
    settings : mapping
        JSON-safe; all that the pieces' rows depend on beside the versions. A run is resumed with the same ones only.
    cells : tuple of Cell
        Independent of each other; each one's rows are a checkpoint.
    summarise : callable
        From all cells' rows, in the cells' order, to the summary; pure.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    cells: tuple[Cell, ...]
    summarise: Callable[[Rows], Summary]


@dataclass(frozen=True)
class Cell:
    """A piece of work that is done as a whole or not at all.

    Attributes
    ----------
    key : str
        Its file's name, unique within the study.
    cost : float
        Seconds that it took on two cores when the study was written, for the time left.
    compute : callable
        Its rows; the same ones whenever it is called.
    """

    key: str
    cost: float
    compute: Callable[[], Rows]


@dataclass(frozen=True)
class Table:
    """Rows with a heading; x, x_low and x_high are a value and the ends of its 95 % interval."""

    name: str
    caption: str
    rows: Rows


@dataclass(frozen=True)
class Summary:
    """What a study found.

    Attributes
    ----------
    tables : tuple of Table
    findings : tuple of str
        Sentences, made from the tables alone.
    draw : callable
        A matplotlib figure; raises ImportError without matplotlib.
    """

    tables: tuple[Table, ...]
    findings: tuple[str, ...]
    draw: Callable[[], Any]


def seed_of(*numbers: int) -> int:
    """A seed of its own for each sequence of numbers, such as (seed, repetition, fold)."""
    return int(np.random.default_rng(numbers).integers(2**31))

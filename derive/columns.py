"""Tables of plain text."""

from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[str]], sides: str) -> list[str]:
    """Rows of cells as lines with two blanks between columns.

    Parameters
    ----------
    rows : iterable of sequences of str
        As long as `sides`, the head first where there is one.
    sides : str
        For every column "<" (text, to the left) or ">" (numbers, to the right).

    Examples
    --------
    >>> aligned([("law", "AICc"), ("power", "9.5")], "<>")
    ['law    AICc', 'power   9.5']
    """
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    columns = list(zip(sides, widths, strict=True)) if table else []
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, (side, width) in zip(row, columns, strict=True)).rstrip()
        for row in table
    ]

"""docs/experiments.md from a full run: `python -m quasintk.studies.document DIR docs/experiments.md`.

The page's sentences and tables are those that the studies make of the run's rows, which are kept beside the tests.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from quasintk.studies.paper import STUDIES, paper_studies
from quasintk.studies.runner import CELLS
from quasintk.studies.study import Row, Rows
from quasintk.studies.tables import as_markdown

ROWS = Path("tests/reference/paper.json")
HEAD = """\
# The paper's experiments, run again

```shell slow
quasintk reproduce paper -o paper            # this page: 22 minutes on 2 cores
quasintk reproduce paper --quick -o quick    # the same with smaller settings, under 3 minutes
```

UCI's tables too, fetched from OpenML:

```shell elsewhere
quasintk reproduce paper --only gap,kernels --openml -o uci
```

Needs `pip install 'quasintk[experiments]'` (scikit-learn and matplotlib). The folder gets `summary.md`, which is the rest of this page; for every study a table of
all rows (`gap.csv`; with hashes of the data where data sets are compared), its summaries (`gap-scores.csv`, ...), settings, versions and findings (`gap.json`), and a picture. Interrupted
or killed, the same command with `--resume` goes on, and leaves byte for byte the files of an undisturbed run; `cells/` holds the checkpoints, with their seconds. `--seed` is that of
networks, roundings, splits and training.

How each study measures is said here; what it found is said below by the program, from its tables. "Undecided" and "no difference is decided" mean that the 95 %
interval holds both answers: not that there is no difference. Each interval is of 95 % by itself, not corrected for their number: of twenty that hold no difference, one is expected to
"decide" for one. Exponents are looked for between -3 and 1; an interval that ends there is open. Where all splits agree, an interval has no width. Means "over all data sets" mix accuracies with
the R^2 of diabetes.

- **approximation**. Binary ReLU networks of three hidden layers behind a linear lift, images of digits as inputs. The same latents are rounded many times
  (`verify.sampler`); the quasi network claims mean nu and variance sig2 of every pre-activation, and mean mu and second moment tau behind the activation
  ([theory.md](theory.md), section 2). Squares of errors are estimated without bias from independent batches of roundings, so that sampling adds no floor, but noise. The exponent of the
  width is fitted to the squares of all widths, each with its error. "Output" averages over random readouts of the last hidden layer; layer 4 is the one readout that was drawn, or trained. "After
  training": Adam on latents clipped to [-1, 1], weights rounded anew in each step, straight-through gradients (decision 15).
- **decay**. The NTKs of one architecture with binary and with real weights, beside Gaussian and Laplace of length scale 1: on the sphere by degree, and their Gram matrices on the digits
  by index. Predictions come from the formulas alone, fits from the numbers alone ([decay-fits.md](decay-fits.md)).
- **gap**. Binary and real networks of one shape, trained for as many steps by the same optimiser, its rate chosen by an inner split. "binary": networks rounded once, on average; "binary
  averaged": the mean output of {roundings} roundings. Scores are accuracies, and R^2 for diabetes, which is a number to predict.
- **kernels**. Ridge regression and support vector machines. Depth and bias of the networks' kernels, length scales of the others (as many candidates for each) and regularisation are chosen by an
  inner cross-validation.
- **precision**. The networks of **gap** with k-level weights, beside the decay rate of their kernels.

"""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def main(folder: Path, output: Path) -> None:
    """Write the page, its pictures and the rows it is made from."""
    kept: dict[str, Any] = {}
    for study in paper_studies():
        cells = [folder / CELLS / study.name / f"{cell.key}.json" for cell in study.cells]
        kept[study.name] = packed([row for cell in cells for row in json.loads(cell.read_text())["rows"]])
        shutil.copyfile(
            folder / f"{study.name}.png", output.parent / "pictures" / f"experiments-{study.name}.png"
        )
    ROWS.write_text(json.dumps(kept, separators=(",", ":")).replace("[[", "[\n[") + "\n", encoding="utf-8")
    output.write_text(page(json.loads(ROWS.read_text(encoding="utf-8"))), encoding="utf-8")


def page(run: Mapping[str, Any]) -> str:
    """The page of a run: its rows, packed, study by study."""
    studies = paper_studies(STUDIES)
    parts = (
        as_markdown(study, study.summarise(unpacked(run[study.name]))).replace(
            f"({study.name}.png)", f"(pictures/experiments-{study.name}.png)"
        )
        for study in studies
    )
    roundings = next(study.settings["roundings"] for study in studies if study.name == "gap")
    return HEAD.format(roundings=roundings) + "\n\n".join(parts) + "\n"


def packed(rows: Rows) -> list[Any]:
    """Neighbouring rows of the same columns share one list of names: [[names, values, values, ...], ...]."""
    groups = groupby(rows, key=tuple)
    return [[list(names), *(list(row.values()) for row in group)] for names, group in groups]


def unpacked(groups: Sequence[Any]) -> list[Row]:
    """The rows that were packed."""
    return [dict(zip(names, values, strict=True)) for names, *rows in groups for values in rows]


if __name__ == "__main__":
    main()

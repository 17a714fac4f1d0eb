"""docs/experiments.md says what the studies make of the stored rows of its run, and nothing else."""

import json
from pathlib import Path

import pytest

from quasintk.studies.document import packed, page, unpacked
from quasintk.studies.paper import STUDIES, paper_studies
from quasintk.studies.tables import columns

ROOT = Path(__file__).parents[2]
RUN = json.loads((ROOT / "tests" / "reference" / "paper.json").read_text())


def test_the_page_is_made_of_the_rows():
    assert (ROOT / "docs" / "experiments.md").read_text() == page(RUN)


def test_the_rows_are_those_of_the_full_settings():
    found = {name: unpacked(groups) for name, groups in RUN.items()}
    assert tuple(found) == STUDIES
    study = {one.name: one for one in paper_studies()}
    widths = {row["width"] for row in found["approximation"]}
    assert widths == set(study["approximation"].settings["roundings"])
    for name in ("gap", "kernels"):
        splits = {(row["data"], row["split"]) for row in found[name]}
        assert len(splits) == len(study[name].cells)
    assert {row["weights"] for row in found["precision"] if "weights" in row} == set(
        study["precision"].settings["weights"]
    )


@pytest.mark.parametrize("name", STUDIES)
def test_pictures_are_there_and_small(name):
    assert 10_000 < (ROOT / "docs" / "pictures" / f"experiments-{name}.png").stat().st_size < 200_000


def test_packing():
    rows = [{"a": 1, "b": None}, {"a": 2, "b": 0.1}, {"b": 1}, {"a": 3, "b": 4}]
    assert unpacked(json.loads(json.dumps(packed(rows)))) == rows
    assert columns(rows) == ["a", "b"]

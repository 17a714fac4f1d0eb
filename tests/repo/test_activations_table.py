"""docs/activations.md: complete, closed where theory.md says so, and what the program gives now."""

from pathlib import Path

import pytest

from derive.library import NAMED
from quasintk.studies.activations import row

LINES = (Path(__file__).parents[2] / "docs" / "activations.md").read_text().splitlines()
TABLE = {cells[1].strip(): cells for line in LINES if (cells := line.split("|")) and len(cells) == 7}
CLOSED_IN_PYTORCH = [
    "elu", "hardshrink", "hardsigmoid", "hardtanh", "hardswish", "leaky_relu", "prelu", "relu", "relu6", "selu",
    "celu", "gelu", "softshrink", "threshold",
]  # fmt: skip
SERIES = ["logsigmoid", "gelu_tanh", "sigmoid", "silu", "mish", "softplus", "softsign", "tanh", "tanhshrink"]


def test_every_name_is_there_with_its_text_and_route():
    assert TABLE.keys() - {"name", "---"} == NAMED.keys()
    assert all(f"`{named.text}`" in TABLE[name][2] for name, named in NAMED.items())
    routes = {name: TABLE[name][3].strip() for name in NAMED}
    assert [name for name, route in routes.items() if route == "Hermite series"] == [
        n for n in NAMED if n in SERIES
    ]
    assert {routes[name] for name in CLOSED_IN_PYTORCH} == {"closed form"}
    assert all(float(TABLE[name][4]) <= 3 for name in NAMED)


@pytest.mark.parametrize("name", ["hardshrink", "tanhshrink"])
def test_a_line_is_what_the_program_gives(name, monkeypatch):
    """All but the seconds."""
    monkeypatch.setenv("QUASINTK_CACHE", "off")
    found = row(name).split("|")
    assert [*found[:4], found[5]] == [*TABLE[name][:4], TABLE[name][5]]

"""What is at hand in a notebook shows as a table there."""

import xml.etree.ElementTree as ElementTree

import pytest

from assembler import LAYERS, plan
from assembler.html import html_table
from assembler.planning.tables import MAX_ROWS
from assembler.registry.entries import Entry
from assembler.sweeps.table import Columns

HOSTILE = "<script>alert(1)</script>&\"'"


def read(html):
    """The cells of the table, and the lines below it; refused if it is not well-formed."""
    tree = ElementTree.fromstring(html)
    table = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    return table, ["".join(line.itertext()) for line in tree.findall("div")]


def test_a_plan_shows_its_layers_and_what_they_come_to():
    table, below = read(plan("Dense(8, 128) + Centered", input=(4, 8))._repr_html_())
    assert table == [
        ["#", "layer", "arguments", "input", "output", "trainable", "MACs", "memory"],
        ["0", "Dense", "8, 128", "(4, 8)", "(4, 128)", "1,152", "4,096", "2.0 KiB"],
        ["1", "Centered", "", "(4, 128)", "(4, 128)", "0", "0", "2.0 KiB"],
    ]
    assert below == [
        "2 layers, 1,152 trainable parameters (4.5 KiB), 4,096 MACs",
        "(4, 8) → (4, 128) float32, about 4.1 KiB of activations",
    ]


def test_equal_neighbours_are_one_row():
    table, below = read(plan("1000 * ReLU", input=(4, 8))._repr_html_())
    assert [row[:3] for row in table[1:]] == [["0–999", "ReLU × 1,000", ""]]
    assert below[0].startswith("1,000 layers, ")
    assert below[-1] == "× n: equal neighbours, added up; show('layers') shows all 1,000 layers"


def test_a_long_plan_shows_both_ends():
    long = plan(" + ".join(f"Dense(_, {width})" for width in range(1, 101)), input=(4, 8))
    table, _ = read(long._repr_html_())
    half = MAX_ROWS // 2
    assert [row[0] for row in table[1:]] == [*map(str, range(half)), "…", *map(str, range(100 - half, 100))]
    assert table[half + 1][1] == "40 more"
    table, _ = read(long.show("layers")._repr_html_())
    assert [row[0] for row in table[1:]] == [*map(str, range(100))]


def test_an_entry_shows_its_arguments():
    table, below = read(LAYERS["LayerNorm"]._repr_html_())
    assert table[:2] == [["argument", "default", "may be _"], ["normalized_shape", "", "axis [-1] of the input"]]
    assert ["epsilon", "1e-07", ""] in table
    assert below[1] == "mindspore.nn.LayerNorm"


def test_the_registry_shows_its_layers():
    table, below = read(LAYERS._repr_html_())
    assert ["Dense", "mindspore.nn.Dense", "in_channels"] in table
    assert len(table) == len(LAYERS) + 1
    assert below == [f"{len(LAYERS)} layers"]


def test_a_sweep_shows_its_jobs():
    columns = Columns({"job": ["0", "1"], "macs": [4, None]})
    assert read(columns._repr_html_()) == ([["job", "macs"], ["0", "4"], ["1", ""]], ["2 rows"])
    many = Columns({"job": list(map(str, range(100)))})
    table, below = read(many._repr_html_())
    assert (len(table), below) == (MAX_ROWS + 2, ["100 rows"])


@pytest.mark.parametrize(
    "html",
    [
        html_table([HOSTILE], [[HOSTILE]], below=[HOSTILE]),
        Columns({HOSTILE: [HOSTILE]})._repr_html_(),
        Entry("Odd", HOSTILE, {"x": HOSTILE}, signature="Odd(x)")._repr_html_(),
    ],
)
def test_texts_are_escaped(html):
    assert "<script" not in html
    read(html)


def test_nothing_is_fetched_and_no_colour_is_set():
    html = plan("ReLU", input=(4, 8))._repr_html_()
    assert "http" not in html
    assert "color" not in html.replace("border-bottom: 1px solid rgba(127, 127, 127, 0.35)", "")

"""The outline of a plan: sums that are those of the rows, equal neighbours as one node, and nothing lost."""

from collections import Counter
from itertools import groupby

import pytest
from mindspore import nn

from assembler import plan
from assembler.planning.outline import SUMMED, outline
from tests.conftest import ZOO


def rows_below(node):
    return [inner.row for inner, _ in node.walk() if inner.row is not None]


def sums(rows):
    return {key: sum(getattr(row, key) for row in rows) for key in SUMMED} | {"layers": len(rows)}


@pytest.mark.parametrize("name", ZOO)
def test_an_outline_that_is_not_folded_has_every_row_in_order(planned, name):
    whole = outline(planned(name), fold=False)
    assert rows_below(whole) == list(planned(name).rows)
    assert {node.times for node, _ in whole.walk()} <= {1}
    for node, _ in whole.walk():  # each node's sums, added up row by row
        own = [node.row] if node.row is not None else []
        assert dict(node.each) == sums([*own, *rows_below(node)])


@pytest.mark.parametrize("name", ZOO)
def test_a_folded_outline_has_the_sums_of_the_plan(planned, name):
    whole, rows = outline(planned(name)), planned(name).rows
    assert {key: whole.total(key) for key in whole.each} == sums(rows)
    counted = Counter()  # rows by what they are, each as often as its node occurs
    for node, _ in whole.walk():
        if node.row is not None:
            counted[alike(node.row)] += node.count
    assert counted == Counter(map(alike, rows))
    for node, _ in whole.walk():
        if node.children:
            own = getattr(node.row, "macs", 0) * node.count
            assert own + sum(child.total("macs") for child in node.children) == node.total("macs")


def alike(row):
    return (row.layer, row.arguments, row.input, row.output, row.trainable, row.frozen, row.other, row.macs)


@pytest.mark.parametrize("name", ZOO)
def test_no_equal_neighbours_are_left(planned, name):
    whole = outline(planned(name))
    for node in (whole, *(inner for inner, _ in whole.walk())):
        keys = [(child.key, child.times) for child in node.children]
        assert all(len(list(run)) == 1 for _, run in groupby(keys))
        assert all(child.kind != "repeat" or child.times > 1 for child in node.children)


def told(whole):
    """Each node with its level, how often it occurs, and where."""
    return [(level, node.kind, node.title, node.times, node.paths) for node, level in whole.walk()]


def test_the_first_of_other_in_channels_stands_alone():
    recipe = {
        "input": {"shape": [4, 16]},
        "blocks": {"Unit(n)": "Dense(_, n) + ReLU"},
        "stack": "4 * Unit(8) + Unit(2)",
    }
    assert told(outline(plan(recipe))) == [
        (0, "block", "Unit", 1, "0–1"),
        (1, "layer", "Dense", 1, "0"),
        (1, "layer", "ReLU", 1, "1"),
        (0, "block", "Unit", 3, "2–7"),
        (1, "layer", "Dense", 1, "2"),
        (1, "layer", "ReLU", 1, "3"),
        (0, "block", "Unit", 1, "8–9"),
        (1, "layer", "Dense", 1, "8"),
        (1, "layer", "ReLU", 1, "9"),
    ]


def test_a_repeat_of_several_nodes_is_one_node_with_a_title_of_theirs():
    whole = outline(plan("3 * (Dense(8, 8) + Residual(ReLU)) + Dense(8, 2)", input=(4, 8)))
    assert told(whole) == [
        (0, "repeat", "Dense + Residual", 3, "0–5"),
        (1, "layer", "Dense", 1, "0"),
        (1, "layer", "Residual", 1, "1"),
        (2, "layer", "ReLU", 1, "1.inner"),
        (0, "layer", "Dense", 1, "6"),
    ]
    (repeat, _), *_ = whole.walk()
    assert (repeat.total("trainable"), repeat.each["trainable"]) == (3 * 72, 72)
    assert [child.count for child in repeat.children] == [3, 3]


def test_neighbours_fold_without_a_repeat_in_the_recipe():
    whole = outline(plan("Dense(8, 8) + ReLU + Dense(8, 8) + ReLU + Dense(8, 8) + ReLU", input=(4, 8)))
    assert told(whole)[0] == (0, "repeat", "Dense + ReLU", 3, "0–5")
    assert told(outline(plan("1000 * ReLU", input=(4, 8)))) == [(0, "layer", "ReLU", 1000, "0–999")]


@pytest.mark.parametrize(
    ("stack", "times"),
    [
        ("Dense(8, 8) + Dense(8, 8)", [2]),
        ("Dense(8, 8) + Dense(8, 8, has_bias=False)", [1, 1]),  # another argument
        ("Dense(8, 8) + Dense(8, 4)", [1, 1]),  # another figure
        ("LeakyReLU(0.1) + LeakyReLU(0.3)", [1, 1]),
        ("MyLinear(8, 8) + Dense(8, 8)", [1, 1]),  # another layer
        ("Residual(ReLU) + Residual(Tanh)", [1, 1]),  # another layer inside
    ],
)
def test_neighbours_fold_if_they_are_equal(stack, times):
    assert [child.times for child in outline(plan(stack, input=(4, 8))).children] == times


def test_what_is_frozen_is_not_equal_to_what_is_trained():
    recipe = {"input": {"shape": [4, 8]}, "stack": "3 * Dense(8, 8)", "freeze": ["0.*"]}
    assert [child.times for child in outline(plan(recipe)).children] == [1, 2]


def test_a_shared_part_is_counted_where_it_is_used_first():
    recipe = {
        "input": {"shape": [4, 8]},
        "shared": {"twice": "Dense(8, 8) + ReLU"},
        "stack": "twice + Tanh + twice + Tanh",
    }
    planned = plan(recipe)
    whole = outline(planned)
    assert rows_below(whole) == list(planned.rows)
    assert [(node.title, node.total("trainable")) for node in whole.children] == [
        ("SequentialCell", 72), ("Tanh", 0), ("SequentialCell (again)", 0), ("Tanh", 0),
    ]  # fmt: skip


def test_arguments_that_are_defaults_or_layers_are_left_out():
    stack = "Conv2d(_, 6, 3, 1, pad_mode='same', group=1, has_bias=True) + Residual(ReLU) + MaxPool2d(2, stride=1)"
    conv, residual, pool = outline(plan(stack, input=(1, 3, 8, 8))).children
    assert conv.row.arguments == "3, 6, 3, 1, pad_mode='same', group=1, has_bias=True"
    assert conv.arguments == "3, 6, 3, has_bias=True"  # 1 is the stride by default, and 'same' the padding
    assert (residual.row.arguments, residual.arguments) == ("…", "")
    assert pool.arguments == "2"


class Branch(nn.Cell):
    def __init__(self, width):
        super().__init__()
        self.body = nn.SequentialCell(nn.Dense(width, width), nn.ReLU())

    def construct(self, x):
        return self.body(x)


class Tower(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.Dense(4, 8)
        self.blocks = nn.CellList([Branch(8) for _ in range(5)])

    def construct(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x


def test_containers_of_a_cell_made_by_hand_have_sums():
    planned = plan(Tower, input=(2, 4))
    whole = outline(planned, fold=False)
    assert [node.row for node, _ in whole.walk() if node.row in planned.rows] == list(planned.rows)
    assert told(outline(planned)) == [
        (0, "layer", "Dense", 1, "stem"),
        (0, "layer", "Branch", 5, "blocks.0–4"),
        (1, "layer", "SequentialCell", 1, "blocks.0.body"),
        (2, "layer", "Dense", 1, "blocks.0.body.0"),
        (2, "layer", "ReLU", 1, "blocks.0.body.1"),
    ]
    branch = outline(planned).children[1]
    assert branch.total("trainable") == 5 * (8 * 8 + 8)
    assert branch.total("macs") == 5 * 2 * 8 * 8
    assert branch.total("layers") == 10


def test_a_cell_that_runs_operators_itself_is_around_its_layers():
    class Adds(nn.Cell):
        def __init__(self):
            super().__init__()
            self.inner = nn.Dense(4, 4)

        def construct(self, x):
            return x + self.inner(x)

    (model,) = outline(plan(Adds, input=(2, 4))).children
    assert (model.title, model.path, [child.path for child in model.children]) == ("Adds", "", ["inner"])
    assert model.total("trainable") == 20


def test_a_plan_without_an_input_has_no_outline():
    from assembler.binding.bind import bind
    from assembler.language.grammar import parse
    from assembler.planning.planner import plan_steps
    from assembler.registry.registry import LAYERS

    whole = outline(plan_steps(bind(parse("Dense(8, 8) + ReLU"), LAYERS)))
    assert (whole.children, whole.total("macs")) == ((), 0)

"""The tree of blocks and repeats: what binding keeps, and what of it is there after planning."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler import LAYERS, plan
from assembler.binding.bind import bind
from assembler.binding.structure import (
    BlockNode,
    PassedNode,
    RepeatNode,
    Step,
    Steps,
    equal_neighbours,
    leaf_steps,
    walk,
    walk_tree,
)
from assembler.language.grammar import parse
from assembler.language.recipe import Definitions
from assembler.language.yaml_form import parse_block

BLOCKS = {
    "Unit(n)": "Dense(_, n) + ReLU",
    "Around(part, times=1)": "Tanh + times * part + Residual(part)",
    "Outer(part)": "Around(part + Sigmoid)",
    "Nothing": "0 * ReLU",
}


def planned(stack, **rest):
    return plan({"input": {"shape": [4, 8]}, "blocks": BLOCKS, "stack": stack, **rest})


def outline(nodes):
    """A tree as text: blocks by their calls, steps by their layers and paths."""
    return [line for node in nodes for line in _outline(node)]


def _outline(node):
    match node:
        case Step():
            return [f"{node.path} {node.shared or node.layer.name}"]
        case BlockNode():
            return [{str(node.call): outline(node.nodes)}]
        case RepeatNode():
            return [{f"{len(node.turns)} *": [outline(turn) for turn in node.turns]}]
        case PassedNode():
            return [{f"from {node.depth}": outline(node.nodes)}]


def test_a_plan_keeps_blocks_and_repeats():
    assert outline(planned("2 * Unit(8) + Unit(n=4) + Flatten").steps.nodes) == [
        {"2 *": [[{"Unit(8)": ["0 Dense", "1 ReLU"]}], [{"Unit(8)": ["2 Dense", "3 ReLU"]}]]},
        {"Unit(n=4)": ["4 Dense", "5 ReLU"]},
        "6 Flatten",
    ]


def test_layers_that_are_passed_in_are_where_they_are_used():
    found = planned("Around(Unit(8), times=2)").steps
    unit = {"Unit(8)": ["1 Dense", "2 ReLU"]}
    again = {"Unit(8)": ["3 Dense", "4 ReLU"]}
    assert outline(found.nodes) == [
        {
            "Around(Dense(_, 8) + ReLU, times=2)": [
                "0 Tanh",
                {"2 *": [[{"from 0": [unit]}], [{"from 0": [again]}]]},
                "5 Residual",
            ]
        }
    ]
    inner = found[5].arguments["inner"]
    assert outline(inner.nodes) == [{"from 0": [{"Unit(8)": ["5.inner.0 Dense", "5.inner.1 ReLU"]}]}]


def test_layers_are_passed_on_from_block_to_block():
    (outer,) = planned("Outer(ReLU)").steps.nodes
    (around,) = outer.nodes
    assert outline(around.nodes)[1] == {"1 *": [[{"from 1": [{"from 0": ["1 ReLU"]}, "2 Sigmoid"]}]]}


def test_a_call_knows_where_it_was_written():
    (outer,) = planned("Outer(ReLU)").steps.nodes
    (around,) = outer.nodes
    assert outer.call.place.key == "recipe.stack"
    assert around.call.place.within[0][0] == "the block Outer"


def test_a_block_without_layers_is_not_there():
    assert outline(planned("ReLU + Nothing").steps.nodes) == ["0 ReLU"]


def test_every_use_of_a_shared_part_is_one_step_with_a_tree():
    found = planned("pair + Tanh + pair", shared={"pair": "Unit(8) + ReLU"}).steps
    assert found[0] is found[2]
    assert outline(found.nodes) == ["pair pair", "1 Tanh", "pair pair"]
    assert outline(found[0].chain.nodes) == [{"Unit(8)": ["pair.0 Dense", "pair.1 ReLU"]}, "pair.2 ReLU"]
    assert [step for chain in found[0].extra for step in chain] == list(found[0].chain)
    assert [step.path for step in walk(found)] == ["pair", "pair.0", "pair.1", "pair.2", "1"]


def test_each_wire_of_a_graph_has_a_tree():
    graph = {"left": "Unit(8) @ input", "sum": "Add @ (left, input)"}
    (step,) = plan({"input": {"shape": [4, 8]}, "blocks": BLOCKS, "graph": graph}).steps
    assert outline(step.arguments["cells"]["left"].nodes) == [{"Unit(8)": ["left.0 Dense", "left.1 ReLU"]}]
    assert [type(node).__name__ for node in walk_tree(Steps([step]))] == ["Step", "BlockNode", "Step", "Step", "Step"]


def test_a_tree_survives_pickling():
    steps = bind(parse("2 * (ReLU + Tanh)"), LAYERS)
    assert str(pickle.loads(pickle.dumps(steps)).nodes) == str(steps.nodes)


DEFINITIONS = Definitions({}, {b.name: b for b in (parse_block(header, body, "b") for header, body in BLOCKS.items())})
STACKS = st.recursive(
    st.sampled_from(["ReLU", "Unit(4)", "Nothing"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(" + ".join),
        st.tuples(st.integers(0, 3), inner).map(lambda one: f"{one[0]} * ({one[1]})"),
        st.tuples(st.sampled_from(["Residual", "Outer", "Around"]), inner).map(lambda one: f"{one[0]}({one[1]})"),
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(STACKS)
def test_the_leaves_of_a_tree_are_the_steps(stack):
    try:
        steps = bind(parse(f"Tanh + {stack}"), LAYERS, DEFINITIONS)
    except Exception as error:
        assert "zero layers" in str(error)
        return
    assert [step for node in steps.nodes for step in leaf_steps(node)] == list(steps)
    assert steps.mapped(lambda step: step) == steps
    assert steps.mapped(lambda step: step).nodes == steps.nodes
    assert list(walk(steps)) == [node for node in walk_tree(steps) if isinstance(node, Step)]


@pytest.mark.parametrize(
    ("text", "shortest", "least", "expected"),
    [
        ("", 1, 2, []),
        ("ababac", 2, 2, [(2, 2), (1, 1), (1, 1)]),
        ("aaab", 1, 3, [(1, 3), (1, 1)]),
        ("aab", 1, 3, [(1, 1), (1, 1), (1, 1)]),
        ("aaaa", 2, 2, [(2, 2)]),
        ("abcabcabc", 1, 3, [(3, 3)]),
        ("abcdefghiabcdefghi", 1, 2, [(1, 1)] * 18),  # longer than is looked for
    ],
)
def test_equal_neighbours_are_found(text, shortest, least, expected):
    assert list(equal_neighbours(text, shortest, least)) == expected

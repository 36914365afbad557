"""The diagram of a plan: what is drawn, what is folded, and that no name breaks out of its label."""

import json
import re
from functools import cache
from importlib.metadata import PackageNotFoundError
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mindspore import nn

from assembler import LAYERS, Registry, plan, tasks
from assembler.language.grammar import parse
from assembler.planning.planner import plan_stack
from assembler.planning.specs import Spec, print_shape
from assembler.reading.places import Sources
from assembler.views import diagram as view
from assembler.views.diagram import (
    MAX_EDGES,
    MAX_NODES,
    Diagram,
    Edge,
    Group,
    Node,
    diagram,
    to_dot,
    to_mermaid,
    to_svg,
)
from assembler.views.diagram.cards import Card, Frame, Row, arranged, turning_point
from assembler.views.diagram.picture import TALLEST
from tests.conftest import OF_EACH_KIND, RECIPES, ROOT, ZOO, mostly_slow

PATHS = [ROOT / "conf" / "recipe" / f"{name}.yaml" for name in RECIPES if name != "inline"]

PROGRAMS = list(view.svg._programs())

drawing = pytest.mark.skipif(not PROGRAMS, reason="no program is installed that draws")

SVG = "{http://www.w3.org/2000/svg}"


def drawn(stack, shape=(4, 8), **rest):
    inputs = {} if "inputs" in rest else {"input": {"shape": list(shape)}}
    return diagram(plan({**inputs, **({"stack": stack} if stack else {}), **rest}))


def boxes(found):
    """The headings of the nodes between input and output."""
    return [node.lines[0] for node in found.nodes if node.kind not in ("input", "output")]


def arrows(found):
    """Every edge by the headings of its ends, and what stands on it."""
    return [(found.nodes[e.source].lines[0], found.nodes[e.target].lines[0], e.label) for e in found.edges]


def layers(found):
    """How many layers are drawn, all repeats written out."""

    def times(one):
        return one.repeat * (times(found.groups[one.group]) if one.group >= 0 else 1)

    return sum(one.layers * times(one) for one in (*found.nodes, *found.groups))


def holds_together(found):
    assert all(0 <= edge.source < edge.target < len(found.nodes) for edge in found.edges)
    assert all(node.group < len(found.groups) for node in found.nodes)
    assert all(group.group < at for at, group in enumerate(found.groups))
    assert len(found.nodes) <= MAX_NODES
    assert len(found.edges) <= MAX_EDGES
    assert {node.group for node in found.nodes} | {group.group for group in found.groups} >= set(
        range(len(found.groups))
    )
    assert view.from_record(json.loads(json.dumps(view.record(found)))) == found
    assert to_mermaid(found).count("\n") == 1 + len(found.nodes) + 2 * len(found.groups) + len(found.edges)


def shapes(planned):
    """The shapes that flow somewhere, as an edge shows them."""
    specs = [planned.input, planned.output, *(one for row in planned.rows for one in (row.input, row.output))]
    flat = [one for each in specs for one in ([each] if isinstance(each, Spec) else [each, *each])]
    return {print_shape(one) for one in flat}


SHARED = {"gpt2_small", "qwen2_0_5b", "siamese", "t5_small", "whisper_tiny"}
"""Recipes with a shared part that has layers in it, or that a layer takes: it is drawn at each use, its rows are not."""


@pytest.mark.parametrize("path", mostly_slow(PATHS, lambda path: path.stem in OF_EACH_KIND), ids=lambda path: path.stem)
def test_a_recipe_is_drawn_whole(path):
    planned = plan(path)
    found = recipe(path.stem)
    holds_together(found)
    again = layers(found) - len(planned.rows)
    assert again > 0 if path.stem in SHARED else again == 0
    paths = {row.path for row in planned.rows}
    inner = {one for one in paths if not any(other.startswith(f"{one}.") for other in paths)}  # others are frames, too
    assert inner <= {one for node in found.nodes for one in node.paths} <= paths or path.stem in SHARED
    assert {edge.shape for edge in found.edges if not edge.dashed} <= shapes(planned)
    assert found.nodes[0].kind == "input"
    assert found.nodes[-1].kind == "output"
    assert not any(node.kind == "more" for node in found.nodes)
    assert len(json.dumps(view.record(found))) < 10_000


def shown(svg):
    """The lines of text in an SVG."""
    return [(one.text or "").replace("\xa0", " ").strip() for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def heads(found):
    """The headings of nodes and groups, as often as they are drawn; equal ones below each other are all there."""
    return sorted([node.heading for node in found.nodes] + [group.label for group in found.groups])


@pytest.fixture(
    params=[pytest.param(one, marks=[pytest.mark.slow] * (one != PROGRAMS[-1]), id=Path(one).name) for one in PROGRAMS]
)
def program(request, monkeypatch):
    """Each program that draws, alone."""
    monkeypatch.setattr(view.svg, "_programs", lambda: iter([request.param]))


@cache
def recipe(name):
    if name == "yolov8n":
        file = {"file": str(ROOT / "tests" / "yolo" / "mindyolo" / "yolov8n.yaml")}
        return diagram(plan({"input": {"shape": [1, 3, 640, 640]}, **file}), name)
    return diagram(plan(ROOT / "conf" / "recipe" / f"{name}.yaml"), name)


@drawing
@pytest.mark.parametrize("name", [*(case for case in ZOO if case.values != ("inline",)), "yolov8n"])
def test_every_recipe_is_drawn_at_every_depth_and_no_arrow_crosses_a_title(name, program):
    for one in view.levels(recipe(name)):
        text = to_svg(to_dot(one))
        assert text.startswith("<svg ")
        root = ElementTree.fromstring(text)
        assert root.get("role") == "img"
        assert (root[0].tag, root[0].text) == (f"{SVG}title", name)
        assert not set(heads(one)) - {""} - set(shown(text))
        assert all(shown(text).count(head) >= heads(one).count(head) for head in heads(one) if head)
        assert {view.data.clip(edge.shape) for edge in one.edges} <= {""} | {
            line.split(" × ")[0] for line in shown(text)
        }
        assert crossed(text) == []
    assert to_svg(to_dot(one)) == text


@drawing
@pytest.mark.parametrize("name", ["resnet18", "unet", "gpt2_small", "mobilenet_v2", "densenet121"])
def test_a_picture_shows_at_first_what_fits_two_screens(name, program):
    made = view.picture(recipe(name))
    assert view.svg.height(made.depths[made.shown]) * 4 / 3 <= 1800
    later = made.depths[made.shown + 1 :]
    assert all(view.svg.height(svg) > TALLEST for svg in later[:1])


HALF = 0.5
"""Of a point, which nobody sees."""


def crossed(svg):
    """The texts that the arrows of an SVG cross."""
    root = ElementTree.fromstring(svg)
    lines = [line for one in root.iter(f"{SVG}path") for line in pairwise(along(one.get("d")))]
    found = []
    for text in root.iter(f"{SVG}text"):
        x, y, width = (float(text.get(name, 0)) for name in ("x", "y", "textLength"))
        x -= {"middle": width / 2}.get(text.get("text-anchor"), 0)
        if any(
            min(a[0], b[0]) < x + width
            and max(a[0], b[0]) > x + HALF
            and min(a[1], b[1]) < y
            and max(a[1], b[1]) > y - 7
            for a, b in lines
        ):
            found.append(text.text)
    return found


def along(path):
    """Points on a curve of Graphviz, such as ``M0,0C1,1 2,2 3,3``; none of a closed one, which is a box."""
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", path)]
    ends = list(zip(numbers[::2], numbers[1::2], strict=True))
    if ends[0] == ends[-1]:
        return
    for at in range(0, len(ends) - 3, 3):
        for step in range(21):
            t = step / 20
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            yield tuple(
                sum(w * end[axis] for w, end in zip(weights, ends[at : at + 4], strict=True)) for axis in (0, 1)
            )


def test_a_title_moves_beside_the_arrows_that_cross_it():
    def titled(x, *arrows):
        edges = "".join(f'<g class="edge"><path d="M{at},-40C{at},-30 {at},-20 {at},40"/></g>' for at in arrows)
        frame = '<g class="cluster"><path d="M0,0C0,0 0,90 0,90C0,90 200,90 200,90C200,90 200,0 200,0C200,0 0,0 0,0"/>'
        return f'<svg xmlns="http://www.w3.org/2000/svg">{frame}<text x="{x}" y="15" font-size="10">Unit</text></g>{edges}</svg>'

    def place(text):
        root = ElementTree.fromstring(text)
        view.titles.clear_titles(root)
        return float(next(root.iter(f"{SVG}text")).get("x"))

    assert place(titled(90)) == 8
    assert place(titled(90, 100)) == 8
    assert place(titled(90, 20, 40)) == 44
    assert place(titled(90, *range(0, 200, 15))) == 90  # nowhere else is better


@drawing
def test_the_boxes_of_a_picture_have_the_paths_of_their_rows(program):
    """A row of equal layers, which are drawn once, has the paths of all."""
    found = drawn(
        "Unit(8) + Tanh + Unit(8) + 2 * (Tanh + ReLU) + Residual(ReLU)", blocks={"Unit(n)": "Dense(_, n) + Sigmoid"}
    )
    closed, opened = view.rows(found)
    assert [one for box in closed.values() for one in box] == [
        (), ("0", "1"), ("2",), ("3", "4"), ("5", "7", "6", "8"), ("9.inner",), ("9",), ()
    ]  # fmt: skip
    assert [one for box in opened.values() for one in box] == [
        (), ("0",), ("1",), ("2",), ("3",), ("4",), ("5", "7"), ("6", "8"), ("9.inner",), ("9",), ()
    ]  # fmt: skip
    for rows, text in zip((closed, opened), view.picture(found).depths, strict=True):
        groups = {int(one.get("data-box")): one for one in ElementTree.fromstring(text).iter() if one.get("data-box")}
        strips = {at: [one for one in group.iter(f"{SVG}polygon") if one.get("fill") != "none" and not one.get("fill-opacity")] for at, group in groups.items()}  # fmt: skip
        assert {at: len(found) or 1 for at, found in strips.items()} == {at: len(inside) for at, inside in rows.items()}
    assert "paths" not in json.dumps(view.record(found))


@drawing
def test_an_svg_can_stand_in_any_page(program):
    text = to_svg(to_dot(drawn("2 * Residual(Dense(8, 8) + ReLU)")))
    elements = list(ElementTree.fromstring(text).iter())
    assert {element.tag.removeprefix(SVG) for element in elements} <= {*view.svg._ELEMENTS, "title"}
    assert not any(
        name in ("id", "class", "style") or "href" in name for element in elements for name in element.attrib
    )
    colours = {element.get(name) for element in elements for name in ("fill", "stroke")}
    assert colours <= {None, "none", "currentColor", *view.svg._FIXED}
    assert {element.get("fill") for element in elements if element.tag == f"{SVG}text"} == {"currentColor"}
    assert text.count("http") == 1  # the name of the language itself


def test_what_a_program_draws_is_rebuilt_from_what_is_harmless():
    evil = """<svg xmlns="http://www.w3.org/2000/svg" onload="a" viewBox="0 0 9 9" style="b"><g id="d" class="e" transform="rotate(0) url(f)"><a href="g"><text>h</text></a><image href="i"/><style>j</style><script>c</script>
    <polygon points="0,0 1,1" fill="url(#k)" stroke="red" onclick="l"/><text x="1" font-size="9">m</text></g></svg>"""
    text = view.svg._cleaned(ElementTree.fromstring(evil))
    assert text == (
        '<svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg" role="img" font-family="Helvetica,Arial,sans-serif">'
        '<title>d</title><g><polygon points="0,0 1,1" fill="currentColor" stroke="currentColor" />'
        '<text x="1" font-size="9" fill="currentColor" textLength="7.5" lengthAdjust="spacingAndGlyphs">m</text></g></svg>\n'
    )


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("Dense(8, 8)", ["Dense"]),
        ("3 * Dense(8, 8)", ["Dense × 3"]),
        ("Dense(8, 8) + Dense(8, 8)", ["Dense × 2"]),
        ("Dense(8, 16) + Dense(16, 8)", ["Dense", "Dense"]),
        ("2 * Dense(8, 8) + 3 * Dense(8, 8)", ["Dense × 5"]),
        ("12 * (Dense(8, 8) + ReLU)", ["Dense", "ReLU"]),
        ("Dense(8, 8) + ReLU + Dense(8, 8) + ReLU", ["Dense", "ReLU"]),
        ("Tanh + 3 * (Dense(_, 4) + ReLU)", ["Tanh", "Dense", "ReLU", "Dense", "ReLU"]),  # the first is another
        ("2 * Residual(Dense(8, 8))", ["Dense", "Residual"]),
        ("Residual(2 * Dense(8, 8), shortcut=Identity)", ["Dense × 2", "Identity", "Residual"]),
    ],
)  # fmt: skip
def test_what_comes_several_times_is_drawn_once(stack, expected):
    found = drawn(stack)
    holds_together(found)
    assert boxes(found) == expected


def test_a_repeat_of_several_layers_is_a_box_around_them():
    assert [(group.label, group.repeat) for group in drawn("12 * (Dense(8, 8) + ReLU)").groups] == [("× 12", 12)]
    assert [group.label for group in drawn("2 * Residual(Dense(8, 8))").groups] == ["Residual × 2"]


def test_layers_that_pass_other_shapes_are_not_folded():
    found = drawn("3 * Parallel(Identity, Dense(_, 8))")
    assert boxes(found) == ["Identity", "Dense", "Parallel"] * 3
    assert [shape for _, target, shape in arrows(found) if target == "Identity"] == ["(4, 8)", "(4, 16)", "(4, 24)"]


def test_a_residual_shows_both_ways():
    assert arrows(drawn("Flatten + Residual(Dense(8, 8) + ReLU)")) == [
        ("input", "Flatten", "(4, 8)"),
        ("Flatten", "Dense", "(4, 8)"),
        ("Dense", "ReLU", "(4, 8)"),
        ("ReLU", "Residual", "(4, 8)"),
        ("Flatten", "Residual", "(4, 8)"),
        ("Residual", "output", "(4, 8)"),
    ]
    projected = drawn("Residual(Dense(8, 4), shortcut=Dense(8, 4))")
    assert [arrow for arrow in arrows(projected) if arrow[1] == "Residual"] == [("Dense", "Residual", "(4, 4)")] * 2


def test_blocks_are_boxes():
    found = drawn("Twice + Tanh", blocks={"Unit": "Dense(_, 8) + ReLU", "Twice": "Unit + Sigmoid", "One": "Softmax"})
    assert [(group.label, group.group) for group in found.groups] == [("Twice", -1), ("Unit", 0)]
    assert [node.group for node in found.nodes] == [-1, 1, 1, 0, -1, -1]


def test_a_block_of_one_layer_is_that_layer():
    found = drawn("One + Around(Tanh)", blocks={"One": "Softmax", "Around(part)": "Residual(Dense(8, 8) + part)"})
    assert boxes(found) == ["Softmax", "Dense", "Tanh", "Residual"]
    assert [group.label for group in found.groups] == ["Around · Residual"]


def test_a_block_holds_what_it_was_given():
    blocks = {
        "Pair": "Dense(_, 8) + ReLU",
        "Between(part)": "Tanh + part + Sigmoid",
        "Around(part)": "Residual(LayerNorm(_) + part)",
    }
    between = drawn("Between(Pair)", blocks=blocks)
    assert [(group.label, group.group) for group in between.groups] == [("Between", -1), ("Pair", 0)]
    around = drawn("Around(Pair)", blocks=blocks)
    assert [(group.label, group.group) for group in around.groups] == [("Around · Residual", -1), ("Pair", 0)]


WIRED = {
    "inputs": {"image": {"shape": [2, 8]}, "text": {"shape": [2, 4]}},
    "graph": {
        "left": "Dense(_, 4) @ image",
        "right": "2 * (Dense(4, 4) + ReLU) @ text",
        "both": "Add @ (left, right)",
        "square": "Multiply @ (both, both)",
        "out": "Concat(axis=1) @ (square, text)",
    },
    "outputs": ["out", "both"],
}


def test_a_graph_shows_its_wires():
    found = drawn(None, **WIRED)
    holds_together(found)
    assert arrows(found) == [
        ("image · input", "left · Dense", "(2, 8)"),
        ("text · input", "Dense", "(2, 4)"),
        ("Dense", "ReLU", "(2, 4)"),
        ("left · Dense", "both · Add", "(2, 4)"),
        ("ReLU", "both · Add", "(2, 4)"),
        ("both · Add", "square · Multiply", "(2, 4) × 2"),
        ("square · Multiply", "out · Concat", "(2, 4)"),
        ("text · input", "out · Concat", "(2, 4)"),
        ("out · Concat", "out · output", "(2, 8)"),
        ("both · Add", "both · output", "(2, 4)"),
    ]
    assert [(group.label, group.group) for group in found.groups] == [("right × 2", -1)]


def test_an_element_of_a_tuple_has_its_own_shape():
    graph = {"lstm": "LSTM(8, 16, batch_first=True)", "last": "Dense(_, 4) @ lstm[0]"}
    assert arrows(drawn(None, (2, 5, 8), graph=graph))[1:] == [
        ("lstm · LSTM", "last · Dense", "(2, 5, 16)"),
        ("last · Dense", "output", "(2, 5, 4)"),
    ]


def test_a_graph_in_a_block_is_a_box():
    block = {"inputs": ["x"], "graph": {"a": "Dense(8, 8) @ x", "b": "Tanh @ x"}, "outputs": ["a", "b"]}
    found = drawn(None, blocks={"Fork": block}, graph={"fork": "Fork", "sum": "Add @ (fork[0], fork[1])"})
    assert [group.label for group in found.groups] == ["fork · Fork"]
    assert arrows(found)[2:] == [
        ("a · Dense", "sum · Add", "(4, 8)"),
        ("b · Tanh", "sum · Add", "(4, 8)"),
        ("sum · Add", "output", "(4, 8)"),
    ]
    assert layers(found) == 4


def test_each_use_of_a_shared_part_says_that_it_is_one():
    found = drawn("head + Tanh + head + Residual(pair)", shared={"head": "Dense(8, 8)", "pair": "Dense(8, 8) + ReLU"})
    assert [node.lines for node in found.nodes if node.shared] == [["Dense", "8, 8", "shared: head"]] * 2
    assert [group.label for group in found.groups] == ["SequentialCell (shared: pair)"]


def test_turns_with_a_shared_part_in_a_layer_are_drawn_once():
    near = {"near": "RelativeBias(2)"}
    found = drawn("3 * Residual(Attention(_, 2, positions=near))", [1, 4, 8], shared=near)
    assert [(group.label, group.repeat) for group in found.groups] == [("Residual × 3", 3), ("Attention", 1)]


def test_a_shared_part_that_is_used_with_another_shape_has_that():
    found = drawn(None, shared={"act": "ReLU"}, graph={"a": "act", "b": "Dense(_, 2)", "c": "act", "d": "Dense(2, 3)"})
    assert [shape for _, _, shape in arrows(found)] == ["(4, 8)", "(4, 8)", "(4, 2)", "(4, 2)", "(4, 3)"]


def test_uses_of_shared_parts_in_shared_parts_are_looked_at_once(monkeypatch):
    looked = []
    look = view.parts.Parts.look
    monkeypatch.setattr(view.parts.Parts, "look", lambda *all: looked.append(1) or look(*all))
    shared = {"s0": "ReLU + Tanh"} | {f"s{n}": f"s{n - 1} + Tanh + s{n - 1}" for n in range(1, 9)}
    found = drawn("s8", shared=shared)
    assert layers(found) == 3 * 2**8 + 2 * (2**8 - 1)
    assert len(looked) < 100


class Holder(nn.Cell):
    """Nobody knows what it does with its layer."""

    def __init__(self, inner, unused=None):
        super().__init__()
        self.inner = inner
        self.unused = unused

    def construct(self, x):
        return self.inner(x[:, :4])


def test_what_a_layer_does_with_its_layers_is_not_made_up():
    registry = Registry()
    registry.register(Holder)
    for name in ("Dense", "Tanh"):
        registry.register(getattr(nn, name))
    planned = plan("Holder(Dense(4, 4) + Tanh, Tanh)", input=(4, 8), registry=registry)
    found = diagram(planned)
    dashed = [arrow for arrow, edge in zip(arrows(found), found.edges, strict=True) if edge.dashed]
    assert dashed == [("input", "Dense", "(4, 4)"), ("Tanh", "Holder", ""), ("Tanh", "Holder", "")]
    assert [arrow for arrow in arrows(found) if arrow not in dashed] == [
        ("Dense", "Tanh", "(4, 4)"),
        ("input", "Holder", "(4, 8)"),
        ("Holder", "output", "(4, 4)"),
    ]


class Opaque(Holder):
    def construct(self, x):
        return self.inner(x)


def test_layers_in_a_layer_have_the_shapes_of_each_time():
    registry = Registry()
    registry.register(Opaque)
    registry.register(nn.Dense, infer={"in_channels": -1})
    found = diagram(plan("3 * Opaque(Dense(_, 16))", input=(4, 8), registry=registry))
    assert boxes(found) == ["Dense", "Opaque", "Dense", "Opaque"]
    assert [edge.label for edge in found.edges if edge.dashed] == ["(4, 8)", "", "(4, 16)", ""]
    assert [group.label for group in found.groups] == ["Opaque", "Opaque × 2"]


def test_a_plan_without_an_input_has_no_shapes():
    found = diagram(plan_stack(parse("3 * (2 * (Dense(8, 8) + ReLU) + Tanh)"), LAYERS))
    holds_together(found)
    assert boxes(found) == ["Dense", "ReLU", "Tanh"]
    assert {edge.label for edge in found.edges} == {""}


def test_a_cell_made_by_hand_is_one_node():
    found = diagram(plan(nn.SequentialCell(nn.Dense(8, 4), nn.ReLU()), input=(4, 8)))
    assert [node.lines for node in found.nodes] == [["input", "float32"], ["model", "2 layers"], ["output", "float32"]]
    assert [edge.label for edge in found.edges] == ["(4, 8)", "(4, 4)"]


PLAIN = st.sampled_from(["Dense(8, 8)", "ReLU", "Tanh", "Dense(_, 8)"])
CHAINS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=5).map(" + ".join),
        st.tuples(st.integers(1, 4), inner).map(lambda one: f"{one[0]} * ({one[1]})"),
        inner.map(lambda text: f"Residual({text})"),
        st.tuples(inner, inner).map(lambda one: f"Parallel({one[0]}, {one[1]}, merge='add')"),
        inner.map(lambda text: f"SequentialCell({text})"),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(CHAINS, st.integers(0, 20))
def test_however_it_is_folded_every_layer_is_there(stack, keep):
    planned = plan(stack, input=(4, 8))
    found = diagram(planned)
    holds_together(found)
    assert layers(found) == len(planned.rows)
    assert {edge.shape for edge in found.edges} == {"(4, 8)"}
    less = view.draw.shortened(found, keep)
    holds_together(less)
    assert layers(less) == len(planned.rows)
    assert len(less.nodes) <= max(keep + 1, 1)


def test_of_a_large_plan_the_innermost_is_folded_first():
    unit = {"Unit(n)": "Dense(_, n) + ReLU"}
    found = drawn([f"Unit({n})" for n in range(1, 41)], blocks=unit)
    assert [node.lines for node in found.nodes[1:-1]] == [["Unit", "2 layers"]] * 40
    assert layers(found) == 80


def test_of_a_larger_plan_the_middle_is_left_out():
    found = drawn([f"Dense(_, {n})" for n in range(1, 1001)])
    holds_together(found)
    assert len(found.nodes) == MAX_NODES
    (at,) = [at for at, node in enumerate(found.nodes) if node.kind == "more"]
    assert found.nodes[at].lines == [f"… {1000 - (MAX_NODES - 3):,} more layers"]
    around = [edge for edge in found.edges if at in (edge.source, edge.target)]
    assert [(edge.source, edge.target, edge.shape) for edge in around] == [
        (at - 1, at, f"(4, {at - 1})"),
        (at, at + 1, f"(4, {1001 - (MAX_NODES - 1 - at)})"),
    ]
    assert layers(found) == 1000


def test_a_graph_with_too_many_wires_is_shortened_as_well():
    graph = {"w0": "Dense(8, 8)"} | {
        f"w{n}": f"Add @ ({', '.join(f'w{m}' for m in range(n))}, w0)" for n in range(1, 55)
    }
    found = drawn(None, graph=graph)
    holds_together(found)
    assert layers(found) == 55
    inputs = {f"i{n}": {"shape": [2, 4]} for n in range(70)}
    holds_together(drawn(None, inputs=inputs, graph={"sum": f"Add @ ({', '.join(inputs)})"}))


HOSTILE = ["end", '"', "]]", '"] --> n0', "<b>x</b>", "</text><script>", "&lt;", "&#35;", "#quot;", "#35;", "`a`", "%%{init: {}}%%",
           "style:#a;", "1. a", "2) b", "- a", "**a**", "_a_", "a\nb", "a\x00b", "\\", "\\N", "\\\\N\"", "a\\", "{x}", "|", "ﬂ°°35¶ß",
           "\ud800a", "\u202ea", "-->", "漢字", "$$x$$"]  # fmt: skip


def hostile(text):
    return Diagram(
        text,
        (Node("layer", text, (text,), text, text, group=0), Node("more", "b")),
        (Edge(0, 1, text),),
        (Group(text),),
    )


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_name_breaks_out_of_its_label_in_mermaid(text):
    plain = {letter: letter for letter in "abcxyz"}
    lines = to_mermaid(hostile(text)).splitlines()
    expected = to_mermaid(hostile("x")).splitlines()
    assert len(lines) == len(expected)
    for line, sane in zip(lines, expected, strict=True):
        # Without what is in quotes they are the same text; and in quotes nothing stands that means something.
        assert line.split('"')[::2] == sane.split('"')[::2]
        for label in line.split('"')[1::2]:
            for piece in label.split("<br/>"):
                rest = piece.replace("shared#58; ", "")
                rest = "".join(plain.get(one, one) for one in rest)
                assert not set(rest) & set('"`<>&%*$|{}[]\\/:+!~\n\0')
                assert all(part.partition(";")[0].isdigit() for part in rest.split("#")[1:])


def test_escaped_text_reads_as_it_was():
    assert view.mermaid.escaped("pad_mode='pad', (2, 3), 1e-06, 0.5") == "pad_mode='pad', (2, 3), 1e-06, 0.5"
    assert view.mermaid.escaped("_a_ 1. #35; 2.") == "#95;a#95; 1#46; #35;35#59; 2#46;"
    assert view.mermaid.escaped("1. a") == "1#46; a"
    assert view.mermaid.escaped("1) a (1) b") == "1#41; a (1) b"


@drawing
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_name_breaks_out_of_its_label_in_an_svg(text, program):
    found = hostile(text)
    svg = to_svg(to_dot(found))
    node = found.nodes[0]
    wrapped = list(view.graphviz._wrapped(node))
    expected = [node.heading, *wrapped, "b", view.data.clip(text), found.groups[0].label]
    assert sorted(shown(svg)) == sorted(line.strip() for line in expected if line.strip())
    assert ElementTree.fromstring(svg)[0].text == (view.data.clip(text) or "model")


@drawing
def test_graphviz_draws_a_dense_graph_in_time(monkeypatch):
    graph = {"w0": "Dense(8, 8)"}
    for n in range(1, MAX_NODES - 2):
        sources = [n - 1, max(0, n - 9), max(0, n - 20), max(0, n - 30), n // 2, n // 3, n // 5, n // 7]
        graph[f"w{n}"] = f"Add @ ({', '.join(f'w{source}' for source in sources)})"
    found = drawn(None, graph=graph)
    assert len(found.edges) > 350
    monkeypatch.setattr(view.svg, "TIMEOUT", 10.0)
    assert to_svg(to_dot(found)) is not None


def test_a_label_fits_its_box():
    (line,) = Node("layer", "a\n b" + "c" * 1000).lines
    assert line == f"a b{'c' * 56}…"


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Programs that are shell scripts, in place of those that are installed."""

    def install(*scripts):
        programs = []
        for at, script in enumerate(scripts):
            programs.append(tmp_path / f"draws{at}")
            programs[-1].write_text(f"#!/bin/sh\n{script} 2>/dev/null\n")
            programs[-1].chmod(0o755)
        monkeypatch.setattr(view.svg, "_programs", lambda: map(str, programs))
        monkeypatch.setattr(view.svg, "_too_slow", set())
        monkeypatch.setattr(view.svg, "TIMEOUT", 0.5)

    return install


DRAWS = """echo '<svg xmlns="http://www.w3.org/2000/svg"/>'"""


@pytest.mark.parametrize(
    "script", ["exit 1", "echo no picture", "exec sleep 9", "exec nothing-like-that", "kill -9 $$"]
)
def test_a_program_that_does_not_draw_counts_as_absent_and_the_next_is_asked(only, script):
    only(script)
    assert to_svg("digraph {}") is None
    only(script, DRAWS)
    assert to_svg("digraph {}").startswith("<svg ")


def test_a_program_that_takes_too_long_is_asked_once(only, tmp_path):
    only(f"echo once >>{tmp_path}/asked; exec sleep 9", DRAWS)
    assert to_svg("digraph {}")
    assert to_svg("digraph {}")
    assert (tmp_path / "asked").read_text() == "once\n"


def test_without_a_program_a_picture_is_text(only):
    only()
    found = drawn("Dense(8, 8)")
    assert view.picture(found) == view.Picture(to_mermaid(found))


def test_an_installed_graphviz_is_preferred_and_graphviz_pure_is_found_beside_python(monkeypatch, tmp_path):
    (tmp_path / "dot").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    installed, pure = view.svg._programs()
    assert installed == str(tmp_path / "dot")
    assert Path(pure).stem == "graphviz-pure"
    assert Path(pure).exists()
    monkeypatch.setattr(view.svg, "distribution", lambda name: (_ for _ in ()).throw(PackageNotFoundError(name)))
    assert list(view.svg._programs()) == [installed]


# ---- folding


def test_depth_closes_blocks_from_outside():
    found = drawn("2 * Twice + Tanh", blocks={"Unit": "Dense(_, 8) + ReLU", "Twice": "Unit + Sigmoid + Dense(_, 8)"})
    closed, half, whole = view.levels(found)
    assert whole == found
    assert boxes(closed) == ["Twice × 2", "Tanh"]
    assert boxes(half) == ["Unit", "Sigmoid", "Dense", "Tanh"]
    assert boxes(whole) == ["Dense", "ReLU", "Sigmoid", "Dense", "Tanh"]
    assert [(node.layers, node.parameters, node.macs) for node in closed.nodes[1:3]] == [(4, 144, 512), (1, 0, 0)]
    assert [group.label for group in half.groups] == ["Twice × 2"]
    assert arrows(closed) == [
        ("input", "Twice × 2", "(4, 8)"),
        ("Twice × 2", "Tanh", "(4, 8)"),
        ("Tanh", "output", "(4, 8)"),
    ]
    for one in (closed, half, whole):
        holds_together(one)
        assert layers(one) == 9


def test_nested_boxes_that_hold_one_box_are_one():
    found = drawn("Double + Tanh", blocks={"Conv": "Dense(_, 8) + ReLU", "Double": "2 * Conv"})
    assert [(group.label, group.group) for group in found.groups] == [("Double · Conv × 2", -1)]
    assert layers(found) == 5
    unet = recipe("unet")
    children = [one.group for one in (*unet.nodes, *unet.groups)]
    assert all(children.count(at) > 1 for at in range(len(unet.groups)))


# ---- marks


def marked(stack, *paths, **rest):
    """The headings that are marked, at each depth, the outermost first."""
    planned = plan({"input": {"shape": [4, 8]}, "stack": stack, **rest})
    return [[node.heading for node in one.nodes if node.wrong] for one in view.levels(diagram(planned, "", paths))]


def test_a_layer_is_marked_and_so_is_what_is_drawn_in_its_place():
    blocks = {"Unit": "Dense(_, 8) + ReLU", "Twice": "Unit + Sigmoid"}
    assert marked("Twice + Tanh", "1", blocks=blocks) == [["✕ Twice"], ["✕ Unit"], ["✕ ReLU"]]
    assert marked("Twice + Tanh", "3", blocks=blocks) == [["✕ Tanh"]] * 3
    assert marked("Twice + Tanh", blocks=blocks) == [[]] * 3


def test_a_layer_that_is_marked_is_not_drawn_as_one_with_its_equal_neighbours():
    assert marked("Dense(8, 8) + Dense(8, 8) + Dense(8, 8)", "1") == [["✕ Dense"]]
    assert marked("3 * Dense(8, 8)", "0", "1", "2") == [["✕ Dense × 3"]]
    assert marked("Tanh + Residual(ReLU + ReLU)", "1.inner.1")[-1] == ["✕ ReLU"]
    assert marked("Tanh + Residual(2 * ReLU)", "1")[-1] == ["✕ Residual"]


def test_what_was_left_out_of_a_large_plan_is_marked():
    assert marked([f"Dense(_, {n})" for n in range(1, 1001)], "500") == [["✕ … 943 more layers"]]


@drawing
def test_a_mark_is_seen_in_a_picture_without_its_colour():
    planned = plan("Dense(8, 8) + Tanh", input=(4, 8))
    pictures = [view.picture(diagram(planned, "", wrong)).depths[-1] for wrong in ((), ("1",))]
    assert [picture.count(view.graphviz.WRONG) > 0 for picture in pictures] == [False, True]
    assert [">✕ Tanh<" in picture for picture in pictures] == [False, True]


# ---- cards


def cards(found):
    """Cards as lists of headings, frames as pairs of their title and what is in them."""

    def read(inside):
        return [
            (found.groups[one.group].label, read(one.inside))
            if isinstance(one, Frame)
            else [found.groups[row.at].label if row.is_heading else found.nodes[row.at].heading for row in one.rows]
            for one in inside
        ]

    return read(arranged(found))


def test_a_chain_is_one_card_and_branches_are_a_frame():
    unit = {"Unit": "Dense(_, 8) + ReLU", "Both": "Unit + Unit + Tanh"}
    assert cards(drawn("Both + Residual(Unit + Tanh) + Sigmoid", blocks=unit)) == [
        ["input"],
        ["Both", "Unit × 2", "Dense", "ReLU", "Tanh"],
        ["Unit", "Dense", "ReLU"],
        ["Tanh"],
        ["Residual", "Sigmoid"],
        ["output"],
    ]
    assert cards(drawn("2 * (Residual(Dense(8, 8)) + Tanh)")) == [
        ["input"],
        ("× 2", [["Dense"], ["Residual", "Tanh"]]),
        ["output"],
    ]


def test_a_card_begins_with_each_layer_that_multiplies():
    assert cards(drawn("Dense(8, 4) + ReLU + Tanh + Dense(4, 4) + ReLU")) == [
        ["input"],
        ["Dense", "ReLU", "Tanh"],
        ["Dense", "ReLU"],
        ["output"],
    ]


@drawing
def test_a_unet_is_a_u(program):
    (*_, svg) = view.picture(recipe("unet")).depths
    at = {
        line.text.split(" ·")[0]: (float(line.get("x")), float(line.get("y")))
        for line in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if " · " in line.text
    }
    down, up = ["d1", "d2", "d3", "d4"], ["c1", "c2", "c3", "c4"]
    for ways in (down, up):
        assert [at[one][1] for one in ways] == sorted(at[one][1] for one in ways)
    for one, other in zip(down, up, strict=True):
        assert at[one][0] < at[other][0]
        assert abs(at[one][1] - at[other][1]) < 80


def test_other_networks_are_not_a_u():
    for name in ("resnet18", "gpt2_small", "densenet121"):
        found = recipe(name)
        assert turning_point(found, [Card((Row(at),)) for at in range(len(found.nodes))]) is None


@pytest.mark.parametrize(
    ("nodes", "edges", "groups", "message"),
    [
        (MAX_NODES + 1, 0, 0, "it has more than 60 nodes or 400 edges"),
        (2, MAX_EDGES + 1, 0, "it has more than 60 nodes or 400 edges"),
        (2, 0, 5000, "it has more than 100 groups around each other"),
    ],
)
def test_a_record_that_would_take_long_to_draw_is_refused(nodes, edges, groups, message):
    kept = {
        "name": "",
        "nodes": [{"kind": "layer", "title": "a", "group": groups - 1}] * nodes,
        "edges": [{"source": 0, "target": 1}] * edges,
        "groups": [{"title": "", "group": at - 1} for at in range(groups)],
    }
    with pytest.raises(ValueError, match=f"^not a diagram: {message}$"):
        view.from_record(kept)


RECORDS = st.builds(
    lambda nodes, groups, edges: {
        "name": "a record",
        "nodes": [
            {"kind": kind, "title": f"n{at}", "group": group % (len(groups) + 1) - 1}
            for at, (kind, group) in enumerate(nodes)
        ],
        "groups": [
            {"title": f"g{at}", "group": group % (at + 1) - 1, "repeat": 1 + group % 2}
            for at, group in enumerate(groups)
        ],
        "edges": [
            {"source": min(pair) % len(nodes), "target": max(pair) % len(nodes)}
            for pair in edges
            if min(pair) % len(nodes) < max(pair) % len(nodes)
        ],
    },
    st.lists(st.tuples(st.sampled_from(["layer", "merge", "more", "input", "folded"]), st.integers(0, 99)), min_size=1),
    st.lists(st.integers(0, 99), max_size=8),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=30),
)


AN_INPUT_IN_A_GROUP = {
    "name": "a record",
    "nodes": [{"kind": "input", "title": "n0", "group": 0}, {"kind": "layer", "title": "n1", "group": 0}],
    "groups": [{"title": "g0", "group": -1}],
    "edges": [{"source": 0, "target": 1}],
}


@settings(max_examples=50, deadline=None)
@given(RECORDS)
@example(AN_INPUT_IN_A_GROUP)
def test_any_record_of_a_diagram_can_be_arranged_at_every_depth(kept):
    """Its groups need not be what ``diagram`` makes: their nodes may be in any order."""
    found = view.from_record(kept)
    for one in view.levels(found):
        text = to_dot(one)
        assert all(node.heading in text for node in one.nodes)
        assert text.count("{") == text.count("}")


# ---- in a run


def test_a_run_leaves_its_diagram(run):
    done = run("recipe=mlp", "task=plan")
    kept = json.loads((done.folder / "result.json").read_text())["plan"]["diagram"]
    found = view.from_record(kept)
    assert found == diagram(plan(ROOT / "conf" / "recipe" / "mlp.yaml"), "mlp")
    assert (done.folder / "diagram.mmd").read_text() == to_mermaid(found)
    if PROGRAMS:
        assert (done.folder / "diagram.svg").read_text() == view.standalone(to_svg(to_dot(found)))


def test_without_a_program_a_run_leaves_the_text_alone(run, only):
    only()
    done = run("task=plan")
    assert (done.code, done.err) == (0, "")
    assert (done.folder / "diagram.mmd").exists()
    assert not (done.folder / "diagram.svg").exists()


def test_the_diagrams_of_an_earlier_run_do_not_stay_beside_a_mistake(run):
    folder = run("task=plan").folder
    (folder / "diagram.svg").touch()
    assert run("task=plan", "recipe.stack=Dence").folder == folder
    assert not list(folder.glob("diagram.*"))


@drawing
def test_a_job_of_a_sweep_leaves_its_diagram(tmp_path):
    config = {
        "recipe": {"input": {"shape": [4, 8]}, "stack": "Dense(8, 4)"},
        "task": {"name": "plan"},
        "registry": {"mine": {"Dense": {"target": "mindspore.nn.Dense"}}},
    }
    tasks.run(lambda: config, tmp_path, Sources({}, []), {}, alone=False)
    alone = (tmp_path / "diagram.mmd").read_text(), (tmp_path / "diagram.svg").read_text()
    tasks.run(lambda: config, tmp_path, Sources({}, []), {})
    assert ((tmp_path / "diagram.mmd").read_text(), (tmp_path / "diagram.svg").read_text()) == alone

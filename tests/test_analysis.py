"""One reading of a file, saved or not: errors at their very columns, in the file to blame; shapes where they are written."""

import subprocess
import sys
from pathlib import Path

import pytest
from mindspore import nn

from assembler.analysis import LayerMemory, Project, analyse
from assembler.analysis.project import Projects
from assembler.binding.bind import bind
from assembler.errors import AssemblerError
from assembler.language.grammar import parse
from assembler.planning.planner import plan_steps
from assembler.planning.specs import Spec, print_shape
from assembler.reading.places import keys_of
from assembler.reading.texts import exists, unsaved
from assembler.registry.registry import LAYERS, Registry
from tests.conftest import RECIPES, ROOT
from tests.layer_cases import NATIVE, OURS

RECIPE = """# 网络 😀
input: {shape: [4, 16]}
blocks:
  Unit(n): Dense(_, n) + ReLU
stack: 2 * Unit(8) + Residual(Dense(_, 8)) +
  Dense(_, 3)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project whose files are not on the disk."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "blocks").mkdir()
    return tmp_path / "conf"


def analysed(file, text, *, shapes=False, others=None, **more):
    with unsaved({file: text, **(others or {})}):
        return analyse(file, Project.at(Path("conf")), shapes=shapes, **more)


def spot(text, part, after=""):
    """The span of a part of a text, as a diagnostic has it: line, column, end line, end column."""
    start = text.index(part, text.index(after) if after else 0)
    before, inside = text[:start].split("\n"), part.split("\n")
    line, column = len(before) - 1, len(before[-1])
    end = column + len(part) if len(inside) == 1 else len(inside[-1])
    return line, column, line + len(inside) - 1, end


def place(span):
    return span.line, span.column, span.end_line, span.end_column


def only(found, file):
    """The only diagnostic, which is in this file."""
    assert list(found.diagnostics) == [file]
    (one,) = found.diagnostics[file]
    return one


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_an_error_is_at_its_columns_in_the_text_that_is_not_saved(folder, end):
    file = folder / "recipe" / "a.yaml"
    text = RECIPE.replace("Residual(Dense", "Residual(Dence").replace("\n", end)
    one = only(analysed(file, text), file)
    assert one.message == "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"
    assert (one.code, one.severity, one.suggestions) == ("UnknownLayer", "error", ("Dense", "BiDense"))
    assert place(one.span) == spot(text, "Dence")


def test_an_error_of_shapes_is_at_its_layer_and_only_with_shapes(folder):
    file = folder / "recipe" / "a.yaml"
    text = RECIPE.replace("Dense(_, 3)", "Dense(9, 3)")
    assert not analysed(file, text).diagnostics
    one = only(analysed(file, text, shapes=True), file)
    assert one.code == "ShapeMismatch"
    assert place(one.span) == spot(text, "Dense", after="  Dense(9")


def test_an_error_in_an_unsaved_block_is_reported_in_the_block(folder):
    recipe, blocks = folder / "recipe" / "a.yaml", folder / "blocks" / "mine.yaml"
    text = "Unit(n): Dense(_, n) + Rellu\n"
    use = "defaults: [/blocks@blocks: mine]\ninput: {shape: [4, 8]}\nstack: Unit(8)\n"
    one = only(analysed(recipe, use, others={blocks: text}), blocks)
    assert one.message.startswith("no layer named 'Rellu'.")
    assert place(one.span) == spot(text, "Rellu")
    assert [(span.file, place(span), said) for span, said in one.related] == [
        (recipe, spot(use, "Unit"), "in the block Unit, used here")
    ]


@pytest.mark.parametrize(
    ("text", "part", "said"),
    [
        ("input: {shape: [4, 8]}\nstack: [ReLU\n", None, "while parsing a flow sequence, expected ',' or ']'"),
        ("input: {shape: [4, 8]}\nstack：ReLU\n", "：", "： is not ASCII; write :"),
        ("# @package _global_\nstack: ReLU\n", "# @package _global_", "a recipe file cannot choose"),
        ("defaults: [nothing]\nstack: ReLU\n", "defaults", "its defaults include conf/recipe/nothing.yaml"),
        ("input: {shape: [4, 8]}\nstak: ReLU\n", "stak", "unknown key 'stak'. Did you mean 'stack'?"),
    ],
)
def test_errors_of_yaml_have_places_too(folder, text, part, said):
    file = folder / "recipe" / "a.yaml"
    found = [one for one in analysed(file, text).diagnostics[file] if said in one.message]
    assert len(found) == 1
    assert part is None or place(found[0].span)[:2] == spot(text, part)[:2]


def test_a_registry_and_a_network_are_read_unsaved(folder):
    registry = folder / "registry" / "more.yaml"
    text = "# @package registry.more\nMine: mindspore.nn.Nothing\n"
    registry.parent.mkdir()
    registry.write_text("# @package registry.more\n")
    assert only(analysed(registry, text), registry).span.line == 1
    network = folder.parent / "yolov8n.yaml"
    source = (ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml").read_text(encoding="utf-8")
    wrong = source.replace("C2f", "C9f", 1)
    one = only(analysed(network, wrong), network)
    assert "C9f" in one.message
    assert place(one.span) == spot(wrong, "C9f")


def test_a_value_that_only_a_run_has_is_information(folder):
    file = folder / "recipe" / "a.yaml"
    found = analysed(file, "input: {shape: [1, 3, 64, 64]}\nfile: ???\n", shapes=True)
    assert (found.errors, found.plan) == ([], None)
    assert [(one.code, one.severity) for one in found.diagnostics[file]] == [("Open", "information")]


def test_items_have_the_shapes_and_costs_of_their_uses(folder):
    file = folder / "recipe" / "a.yaml"
    found = analysed(file, RECIPE, shapes=True)
    shown = [
        (RECIPE.splitlines()[item.span.line][item.span.column : item.span.end_column], item.kind, [
            (print_shape(use.output), use.parameters, use.macs, use.layers) for use in item.uses
        ])
        for item in found.items
    ]  # fmt: skip
    assert shown == [
        ("Dense(_, n)", "layer", [("(4, 8)", 136, 512, 1), ("(4, 8)", 72, 256, 1)]),
        ("ReLU", "layer", [("(4, 8)", 0, 0, 1), ("(4, 8)", 0, 0, 1)]),
        ("2 * Unit(8)", "repeat", [("(4, 8)", 208, 768, 4)]),
        ("Unit(8)", "block", [("(4, 8)", 136, 512, 2), ("(4, 8)", 72, 256, 2)]),
        ("Residual(Dense(_, 8))", "layer", [("(4, 8)", 72, 256, 2)]),
        ("Dense(_, 8)", "layer", [("(4, 8)", 72, 256, 1)]),
        ("Dense(_, 3)", "layer", [("(4, 3)", 27, 96, 1)]),
    ]
    assert [item.is_argument for item in found.items] == [False, False, False, False, False, True, False]
    assert sum(use.parameters for item in found.items if item.kind in ("repeat", "layer") for use in item.uses) > 0
    assert found.plan.parameters == 208 + 72 + 27


def test_a_line_of_a_graph_is_an_item_from_its_name_to_its_sources(folder):
    text = "input: {shape: [4, 8]}\ngraph:\n  a: Dense(_, 4) @ input\n  b: Dense(_, 2) + ReLU\n"
    text += "  both: Concat(1) @ (a, b)\n"
    found = analysed(folder / "recipe" / "a.yaml", text, shapes=True)
    wires = {
        item.name: (item.span.line, item.span.end_column, item.uses) for item in found.items if item.kind == "wire"
    }
    lines = text.splitlines()
    assert {name: (line, end) for name, (line, end, _) in wires.items()} == {
        name: (line, len(lines[line])) for line, name in ((2, "a"), (3, "b"), (4, "both"))
    }
    assert [print_shape(uses[0].output) for _, _, uses in wires.values()] == ["(4, 4)", "(4, 2)", "(4, 6)"]


@pytest.mark.parametrize("name", ["lenet5", "unet", "dcgan", "t5_small"])
def test_remembered_layers_give_the_same_plan(name):
    file, memory = ROOT / "conf" / "recipe" / f"{name}.yaml", LayerMemory()
    fresh = analyse(file, Project.at(None), shapes=True)
    first, again = (analyse(file, Project.at(None), shapes=True, memory=memory) for _ in range(2))
    assert fresh.plan.rows == first.plan.rows == again.plan.rows
    assert fresh.plan.metrics() == again.plan.metrics()
    assert [row.place for row in fresh.plan.rows] == [row.place for row in again.plan.rows]


def test_a_layer_is_remembered_by_all_that_its_row_depends_on(folder):
    memory, file = LayerMemory(), folder / "recipe" / "a.yaml"
    for stack, shape, dtype, parameters in [
        ("Dense(8, 4)", "[2, 8]", "float32", 36),
        ("Dense(8, 4, has_bias=False)", "[2, 8]", "float32", 32),
        ("Dense(8, 4)", "[3, 8]", "float32", 36),
        ("Dense(8, 4)", "[2, 8]", "float16", 36),
    ]:
        text = f"input: {{shape: {shape}}}\nstack: {stack}\n"
        found = analysed(file, text, shapes=True, memory=memory, dtype=dtype).plan
        assert (found.parameters, found.output.dtype, str(list(found.output.shape))[:2]) == (
            parameters,
            dtype,
            shape[:2],
        )


READERS = {
    "validate": "from assembler.commands.app import app; app(['validate', *recipes], standalone_mode=False)",
    "the language server": "import assembler.editor.server",
}


@pytest.mark.parametrize("reader", READERS)
def test_a_process_that_only_reads_recipes_imports_nothing_slow(reader):
    """MindSpore takes a second to import, Hydra a third of it, and NumPy 50 ms; only initializers need MindSpore."""
    files = [ROOT / "conf" / "recipe" / f"{name}.yaml" for name in RECIPES]
    recipes = [str(file) for file in files if "\ninit:" not in file.read_text()]
    assert len(recipes) > 40
    code = f"import sys; recipes = {recipes}; {READERS[reader]}; print([*{{'mindspore', 'hydra', 'numpy', 'rich'}} & {{*sys.modules}}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_a_kept_cell_that_is_called_for_another_batch_gives_what_a_new_one_does(monkeypatch):
    taken = []
    take = LayerMemory.take
    monkeypatch.setattr(LayerMemory, "take", lambda *given: taken.append(take(*given)) or taken[-1])
    for text, shape, *dtype in (NATIVE | OURS).values():
        memory, steps = LayerMemory(), bind(parse(text), LAYERS)
        for batch in range(3):
            given = Spec((shape[0] + batch, *shape[1:]), *(dtype or ["float32"]))
            assert outcome(steps, given, memory) == outcome(steps, given, None)
    assert len([cell for cell in taken if cell is not None]) > 200


def outcome(steps, given, memory):
    """What a plan shows, or the error that it raises."""
    try:
        found = plan_steps(steps, given, memory=memory)
    except AssemblerError as error:
        return str(error)
    return found.rows, found.output, found.activations, found.uncounted


def test_cells_of_other_packages_are_made_anew_because_a_call_may_change_them(folder, monkeypatch):
    class Counts(nn.Cell):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def construct(self, x):
            self.calls += 1
            return x[: self.calls]

    monkeypatch.setattr(sys.modules[__name__], "Counts", Counts, raising=False)
    registry = Registry(trusted=(*LAYERS.trusted, "tests"))
    registry.register(Counts)
    registry.register(f"{__name__}.Counts", name="Named")
    memory = LayerMemory()
    for text in ("Counts", "Named"):
        steps = bind(parse(text), registry)
        found = [plan_steps(steps, Spec((4, one), "float32"), memory=memory).output.shape for one in (2, 3)]
        assert found == [(1, 2), (1, 3)]


def test_a_project_reads_its_registry_again_when_a_file_of_it_changes(folder):
    (folder / "registry").mkdir()
    file = folder / "registry" / "more.yaml"
    file.write_text("# @package registry.more\nMine: mindspore.nn.ReLU\n")
    projects = Projects()
    first = projects.at(folder).registry
    assert projects.at(folder).registry is first
    with unsaved({file: "# @package registry.more\nOther: mindspore.nn.ReLU\n"}):
        assert "Other" in projects.at(folder).registry
    assert "Other" not in projects.at(folder).registry


def test_the_modules_of_an_untrusted_project_are_not_imported(folder):
    (folder.parent / "pyproject.toml").write_text("[tool.assembler]\ntrusted = ['evil']\nlayers = ['evil']\n")
    (folder.parent / "evil.py").write_text("raise SystemExit('imported')\n")
    file = folder / "recipe" / "a.yaml"
    with unsaved({file: RECIPE}):
        found = analyse(file, Projects().at(folder, is_trusted=False), shapes=True)
    assert not found.errors


def test_unsaved_texts_end_with_their_context(folder):
    file = folder / "recipe" / "a.yaml"
    with unsaved({file: RECIPE}):
        assert exists(file)
        assert [key.name for key in keys_of(file)] == ["input", "blocks", "stack"]
    assert not exists(file)
    assert keys_of(file) == ()

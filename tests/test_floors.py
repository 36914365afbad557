"""The shape of the house: imports point down, and the public face is what it is said to be."""

import ast
import importlib

import pytest

import assembler
from tests.conftest import ROOT

FLOORS = [
    "errors files html recipe settings signatures references",
    "entries expansion grammar libraries interpolation registry source untrusted written yaml_files yolo",
    "announce binding rows tables device tensors inputs costs compiler cells limits trials planner ready_made",
    "build dump describe parameters precision training weights",
    "checks faults export bench",
    "views",
    "tasks api",
    "sweeps commands __main__",
]
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names.split()}
MODULES = {
    path.relative_to(ROOT / "assembler"): ast.parse(path.read_text())
    for path in (ROOT / "assembler").rglob("*.py")
    if path.parts[len(ROOT.parts) + 1] not in ("layers", "conf")
}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ([f"{node.module}.{alias.name}" for alias in node.names] if node.module == "assembler" else [])
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def name_of(path):
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_only_point_down(path):
    importer = name_of(path)
    if importer == "__init__":
        return
    for imported in imports(MODULES[path]):
        parts = imported.split(".")
        if parts[0] == "assembler" and len(parts) > 1 and parts[1] in FLOOR:
            assert FLOOR[parts[1]] <= FLOOR[importer], f"{importer} may not import {parts[1]}"


def test_no_view_imports_another():
    """A view that is a package imports its own modules."""
    for path, tree in MODULES.items():
        if name_of(path) == "views" and len(path.parts) > 1:
            own = f"assembler.views.{path.parts[1].removesuffix('.py')}"
            views = {name for name in imports(tree) if name.startswith("assembler.views")}
            assert {name for name in views if f"{name}.".startswith(f"{own}.")} == views, path


def test_only_sweeps_knows_hydra():
    known = {
        name_of(path)
        for path, tree in MODULES.items()
        if any(name.split(".")[0] in ("hydra", "omegaconf") for name in imports(tree))
    }
    assert known == {"sweeps"}


def test_nothing_evaluates_or_unpickles():
    for path, tree in MODULES.items():
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile", "__import__"}, path
        assert "pickle" not in set(imports(tree)), path


@pytest.mark.parametrize("path", sorted((ROOT / "layers").glob("*.py")), ids=lambda path: path.stem)
def test_a_layer_imports_mindspore_and_numpy_only(path):
    known = {"mindspore", "numpy", "collections", "typing"}
    assert {name.split(".")[0] for name in imports(ast.parse(path.read_text()))} <= known


def test_global_state_has_one_door():
    for path, tree in MODULES.items():
        touched = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mindspore"
        }
        doors = {"set_context", "set_device", "set_seed", "set_recursion_limit", "runtime", "set_rng_state"}
        assert not touched & doors or name_of(path) == "device", path


def test_the_public_face():
    assert assembler.__all__ == [
        "LAYERS",
        "AssemblerError",
        "Registry",
        "__version__",
        "assemble",
        "describe",
        "plan",
        "register",
    ]
    for name in assembler.__all__:
        assert getattr(assembler, name) is not None
        assert name in dir(assembler)
    with pytest.raises(AttributeError, match="module 'assembler' has no attribute 'nothing'"):
        _ = assembler.nothing


def test_the_assemble_function_is_not_hidden_by_a_module():
    importlib.import_module("assembler.build")
    from assembler import assemble

    assert callable(assemble)


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert version("assembler") == assembler.__version__

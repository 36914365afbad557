"""The shape of the house: imports point down, and the public face is what it is said to be."""

import ast
import importlib
import re

import pytest

import assembler
from tests.conftest import ROOT

FLOORS = [
    "layers conf",
    "words html",
    "errors",
    "files",
    "validation",
    "settings",
    "language",
    "reading",
    "registry",
    "yolo",
    "binding",
    "runtime",
    "planning",
    "model",
    "checks",
    "pipeline views",
    "analysis",
    "tasks api",
    "hydra_edge",
    "sweeps",
    "launch",
    "editor",
    "commands",
    "__main__",
]
"""Packages and modules of ``assembler``, the ground first. What shares a line may not import each other.

The table of metrics, ``settings.metrics``, is below the plan that it measures: settings need the names.
"""

FACADES = {"__init__", "sweeps.__init__", "limits"}
"""Documented import paths that lead to names of higher floors, and hold nothing else."""

FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names.split()}


def module_name(path):
    return ".".join(path.with_suffix("").parts)


MODULES = {
    module_name(path.relative_to(ROOT / "assembler")): ast.parse(path.read_text())
    for path in sorted((ROOT / "assembler").rglob("*.py"))
    if path.parts[len(ROOT.parts) + 1] not in ("layers", "conf")
}


def package_of(module):
    return module.split(".")[0]


def nodes_that_run(tree):
    """Every node but those below ``if TYPE_CHECKING``."""
    yield tree
    is_for_types = isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING"
    for child in () if is_for_types else ast.iter_child_nodes(tree):
        yield from nodes_that_run(child)


def imports(tree, nodes=ast.walk):
    """Dotted names that a module imports, anywhere in it; ``from a import b`` gives both a and a.b."""
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imported_modules(module, nodes=ast.walk):
    """The modules of the assembler that a module imports; a package stands for what its __init__ gives out."""
    names = {name.removeprefix("assembler.") for name in imports(MODULES[module], nodes) if "assembler." in name}
    found = {name for name in names if name in MODULES}
    packages = {name for name in names if f"{name}.__init__" in MODULES}
    gives_out = {name.rpartition(".")[0] for name in names - found - packages}
    return found | {f"{package}.__init__" for package in packages & gives_out}


def test_every_module_has_a_floor():
    assert {package_of(module) for module in MODULES} - set(FLOOR) == {"__init__", "limits"}
    assert set(FLOOR) - {package_of(module) for module in MODULES} == {"layers", "conf"}


@pytest.mark.parametrize("module", sorted(set(MODULES) - FACADES))
def test_imports_only_point_down(module):
    """Strictly: between packages, from function bodies and for annotations as well."""
    importer = package_of(module)
    for name in imports(MODULES[module]):
        if name.startswith("assembler.") and (imported := name.split(".")[1]) in FLOOR and imported != importer:
            assert FLOOR[imported] < FLOOR[importer], f"{module} may not import {imported}"


@pytest.mark.parametrize("module", sorted(FACADES))
def test_a_facade_only_leads_elsewhere(module):
    """It defines no functions but those by which a module gives out names late."""
    functions = {node.name for node in MODULES[module].body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert functions <= {"__getattr__", "__dir__"}


@pytest.mark.parametrize("package", sorted({package_of(module) for module in MODULES} - {"__init__"}))
def test_no_cycle_inside_a_package(package):
    members = {module for module in MODULES if package_of(module) == package}
    below = {module: imported_modules(module, nodes_that_run) & members - {module} for module in members}
    while ground := [module for module, modules in below.items() if not modules]:
        for module in ground:
            del below[module]
        for modules in below.values():
            modules.difference_update(ground)
    assert not below, f"these import each other: {', '.join(sorted(below))}"


def test_the_house_is_small_enough_to_see():
    names = [path.name for path in (ROOT / "assembler").iterdir() if path.name != "__pycache__"]
    assert len(names) <= 32, sorted(names)


def test_no_view_imports_another():
    """A view that is a package imports its own modules."""
    for module in MODULES:
        if package_of(module) == "views" and module != "views.__init__":
            views = {name.split(".")[1] for name in imported_modules(module) if package_of(name) == "views"}
            assert views <= {module.split(".")[1]}, module


def test_hydra_has_one_door():
    """The sweeper is a class of Hydra's, and ``launch`` calls Hydra's application; the rest of Hydra stays below."""
    knows = {
        module
        for module, tree in MODULES.items()
        if any(name.split(".")[0] in ("hydra", "omegaconf") for name in imports(tree))
    }
    assert {module for module in knows if package_of(module) != "hydra_edge"} == {"launch", "sweeps.grid"}


def test_private_names_of_hydra_have_one_home():
    """Of Hydra and OmegaConf, all but two modules of ``hydra_edge`` use what these document."""
    for module, tree in MODULES.items():
        if module in ("hydra_edge.internals", "hydra_edge.nodes"):
            continue
        of_hydra = {name for name in imports(tree) if name.split(".")[0] in ("hydra", "omegaconf")}
        assert not {name for name in of_hydra if any(part.startswith("_") for part in name.split("."))}, module
        if of_hydra:
            assert private_attributes(tree) <= defined_names(tree), module


def private_attributes(tree):
    """``_name`` and ``__dict__`` of whatever object; other names with two underscores are Python's."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name for name in names if name == "__dict__" or re.fullmatch(r"_[^_]\w*(?<!_)", name)}


def defined_names(tree):
    """Functions, methods, and attributes that a module sets on ``self``."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    stores = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_set_on_self(node)}
    return functions | stores


def is_set_on_self(node):
    return isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"


def test_nothing_evaluates_or_unpickles():
    for module, tree in MODULES.items():
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile", "__import__"}, module
        assert "pickle" not in set(imports(tree)), module


@pytest.mark.parametrize("path", sorted((ROOT / "layers").glob("*.py")), ids=lambda path: path.stem)
def test_a_layer_imports_mindspore_and_numpy_only(path):
    known = {"mindspore", "numpy", "collections", "typing"}
    assert {name.split(".")[0] for name in imports(ast.parse(path.read_text()))} <= known


def test_global_state_of_mindspore_has_one_door():
    for module, tree in MODULES.items():
        touched = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mindspore"
        }
        doors = {"set_context", "set_device", "set_seed", "set_recursion_limit", "runtime", "set_rng_state"}
        assert not touched & doors or package_of(module) == "runtime", module


def names_of_mindspore(tree):
    """The names in a module that its imports bind to MindSpore or to what is in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = getattr(node, "module", None)
            for alias in node.names:
                if (source or alias.name).split(".")[0] == "mindspore":
                    yield alias.asname or (alias.name if source else "mindspore")


def is_private(name):
    """Whether a part begins with one underscore, or is a module generated from protocol buffers."""
    return any(re.fullmatch(r"_[^_]\w*|\w+_pb2", part) for part in name.split("."))


def private_names_of_mindspore(tree):
    """Imports, attributes and strings that name what MindSpore keeps to itself."""
    known = set(names_of_mindspore(tree))

    def is_of_mindspore(node):
        return any(
            (isinstance(one, ast.Name) and one.id in known)
            or (isinstance(one, ast.Constant) and str(one.value).split(".")[0] == "mindspore")
            for one in ast.walk(node)
        )

    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.fullmatch(r"mindspore(\.\w+)+", str(node.value)):
            yield node.value
        elif isinstance(node, ast.Attribute) and is_of_mindspore(node.value):
            yield node.attr
        # Of whatever object: what a variable holds cannot be seen here.
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "object.__setattr__"):
            yield from (one.value for one in node.args[1:2] if isinstance(one, ast.Constant))
    yield from (name for name in imports(tree) if name.split(".")[0] == "mindspore")


PRIVATE = [
    ("from mindspore._c_expression import MSContext", "mindspore._c_expression"),
    ("from mindspore.graph.api import _pynative_executor as it", "mindspore.graph.api._pynative_executor"),
    ("import mindspore.train.anf_ir_pb2", "mindspore.train.anf_ir_pb2"),
    ("from mindspore import nn\nnn.Cell._complex_call", "_complex_call"),
    ("import_module('mindspore.graph.api')._pynative_executor", "_pynative_executor"),
    ("import_module('mindspore._c_expression').GraphExecutor_", "mindspore._c_expression"),
    ("import mindspore as ms\nms.common.seed._KERNEL_SEED", "_KERNEL_SEED"),
    ("getattr(seed, '_KERNEL_SEED', {})", "_KERNEL_SEED"),
]


@pytest.mark.parametrize(("code", "name"), PRIVATE)
def test_private_names_are_found(code, name):
    assert name in {one for one in private_names_of_mindspore(ast.parse(code)) if is_private(one)}


def test_private_names_of_mindspore_have_one_door():
    for module in set(MODULES) - {"runtime.internals", "runtime.meta_tensors"}:
        private = [name for name in private_names_of_mindspore(MODULES[module]) if is_private(name)]
        assert not private, module


def test_what_mindspore_crashes_on_is_replaced_in_one_place():
    """No other module assigns to attributes of MindSpore's classes, or takes part in its dispatch."""
    for module in set(MODULES) - {"runtime.internals", "runtime.meta_tensors"}:
        tree = MODULES[module]
        known = set(names_of_mindspore(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                assert not (isinstance(node.value, ast.Name) and node.value.id in known), module
        assert "mindspore.MsDispatchMode" not in set(imports(tree)), module


def test_the_public_face():
    assert assembler.__all__ == [
        "LAYERS",
        "AssemblerError",
        "Registry",
        "__version__",
        "assemble",
        "describe",
        "plan",
        "recipes",
        "register",
    ]
    for name in assembler.__all__:
        assert getattr(assembler, name) is not None
        assert name in dir(assembler)
    with pytest.raises(AttributeError, match="module 'assembler' has no attribute 'nothing'"):
        _ = assembler.nothing


def test_the_assemble_function_is_not_hidden_by_a_module():
    importlib.import_module("assembler.model.build")
    from assembler import assemble

    assert callable(assemble)


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert version("assembler") == assembler.__version__

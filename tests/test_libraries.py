"""Layers that installed packages announce. A package is installed as pip would leave it: files, and metadata beside them."""

import importlib
import sys

import pytest

from assembler import assemble, plan
from assembler.errors import BadTarget, Place, RegistryError, UnknownLayer
from assembler.registry import libraries
from assembler.registry.registry import LAYERS, Registry

CELLS = """\
from mindspore import nn


class Gate(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.dense = nn.Dense(channels, channels)

    def construct(self, x):
        return x * self.dense(x)


class Dense(nn.Cell):
    def construct(self, x):
        return x
"""
SHOP = """\
Gate: {target: shop.cells.Gate, infer: {channels: -1}}
Dense: shop.cells.Dense
Broken: shop.broken.Broken
Turnstile: shop.cells.Gate
Flat: mindspore.nn.Flatten
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package by what its files hold; of several calls the registry sees all."""
    monkeypatch.syspath_prepend(str(tmp_path))
    libraries.libraries.cache_clear()
    _forget()  # what another test imported

    def write(name, announces, files, extras=()):
        provided = "".join(f"Provides-Extra: {extra}\n" for extra in extras)
        points = "".join(f"{scope} = {value}\n" for scope, value in announces.items())
        files = {
            f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{provided}",
            f"{name}-1.0.dist-info/entry_points.txt": f"[assembler.layers]\n{points}",
            **files,
        }
        for file, text in files.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text)
        importlib.invalidate_caches()

    yield write
    libraries.libraries.cache_clear()
    _forget()


def _forget():
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "stall")]:
        del sys.modules[name]


@pytest.fixture
def shop(install):
    broken = "raise RuntimeError('out of order')\n"
    files = {"shop/__init__.py": "", "shop/cells.py": CELLS, "shop/broken.py": broken, "shop/conf/layers.yaml": SHOP}
    install("shop", {"shop": "shop.conf:layers"}, files)


def find(name):
    return Registry(shipped=True, installed=True).find(name, Place(key="stack"))


def test_a_library_is_found_without_importing_it(shop):
    entry = find("shop.Gate")
    assert (entry.full_name, entry.target, entry.scope) == ("shop.Gate", "shop.cells.Gate", "shop")
    assert not [name for name in sys.modules if name.startswith("shop")]
    assert entry.cell.__module__ == "shop.cells"


def test_a_model_is_stacked_from_layers_of_a_library(shop):
    registry = Registry(shipped=True, installed=True)
    found = plan("Dense(8, 4) + shop.Gate(_) + Gate(_)", input=(2, 8), registry=registry)
    assert [row.layer for row in found.rows] == ["Dense", "shop.Gate", "Gate"]
    assert [row.arguments for row in found.rows] == ["8, 4", "4", "4"]
    net = assemble("Dense(8, 4) + 2 * shop.Gate(_)", input=(2, 8), registry=registry)
    assert [parameter.name for parameter in net.get_parameters()][2:] == [
        "1.dense.weight", "1.dense.bias", "2.dense.weight", "2.dense.bias",
    ]  # fmt: skip


NAMES = [
    ("Dense", "mindspore.nn.Dense"),  # what ships is not changed by what is installed
    ("mindspore.Dense", "mindspore.nn.Dense"),
    ("shop.Dense", "shop.cells.Dense"),
    ("layers.Centered", "assembler.layers.centered.Centered"),
    ("Gate", "shop.cells.Gate"),
    ("Flat", "mindspore.nn.Flatten"),
    ("mint.Conv2d", "mindspore.mint.nn.Conv2d"),
]


@pytest.mark.parametrize(("name", "target"), NAMES)
def test_what_a_name_means(shop, name, target):
    assert find(name).target == target


def test_names_that_are_loaded_come_before_those_of_libraries(shop):
    registry = Registry(installed=True)
    registry.load({"Gate": "mindspore.nn.ReLU"}, "registry.mine")
    assert registry.find("Gate", Place()).target == registry.find("mine.Gate", Place()).target == "mindspore.nn.ReLU"
    assert registry.find("shop.Gate", Place()).target == "shop.cells.Gate"
    assert list(registry) == ["Gate"]
    everything = [entry.full_name for entry in registry.all_entries()]
    assert everything[0] == "mine.Gate"
    assert {"shop.Gate", "mint.Linear"} < set(everything)


UNKNOWN = [
    ("shop.Gat", "no layer named 'shop.Gat'. Did you mean 'shop.Gate'"),
    ("shopp.Gate", "no layer named 'shopp.Gate'. Did you mean 'shop.Gate'"),
    ("mint.RELU", "no layer named 'mint.RELU'. Did you mean 'mint.ReLU' or 'mint.ReLU6' or 'mint.PReLU'?"),
    ("mindspore.Dens", "no layer named 'mindspore.Dens'. Did you mean 'mindspore.Dense'"),
    ("zzzzzzz.Gate", "no layer named 'zzzzzzz.Gate'. The scopes are layers, mindspore, mindcv, mindyolo, mint, shop."),
    ("Zq", f"no layer named 'Zq'. Searched the {len(Registry(shipped=True))} names of registry.layers, registry.mindspore, and the libraries "
           "mindcv, mindyolo, mint, shop."),
    ("shop.Zqqqqqqqqqqqqqqqqqqqqq", "no layer named 'shop.Zqqqqqqqqqqqqqqqqqqqqq'. `assembler layers 'shop.*'` lists those of shop."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message"), UNKNOWN)
def test_error_when_no_library_has_a_name(shop, name, message):
    with pytest.raises(UnknownLayer) as error:
        find(name)
    assert error.value.message.startswith(message)


def test_error_of_a_name_that_two_libraries_have(shop, install):
    install("stall", {"stall": "stall:goods"}, {"stall/__init__.py": "", "stall/goods.yaml": "Gate: mindspore.nn.ReLU"})
    with pytest.raises(UnknownLayer) as error:
        find("Gate")
    assert error.value.message == "several libraries have a layer 'Gate'; write shop.Gate or stall.Gate"
    assert find("stall.Gate").target == "mindspore.nn.ReLU"


def test_a_module_that_does_not_import_is_told_when_its_layer_is_asked_for(shop):
    entry = find("shop.Broken")
    with pytest.raises(BadTarget) as error:
        _ = entry.cell
    assert str(error.value) == "shop.Broken: cannot import 'shop.broken': RuntimeError: out of order"
    assert find("shop.Gate").cell


@pytest.mark.parametrize(("extras", "instead"), [((), ""), (["crates"], ": pip install 'stall[crates]'")])
def test_error_when_what_a_library_needs_is_not_installed(install, extras, instead):
    files = {"stall/__init__.py": "", "stall/goods.yaml": "Quiltwork: absent_package.Quiltwork"}
    install("stall", {"crates": "stall:goods"}, files, extras)
    with pytest.raises(UnknownLayer) as error:
        find("crates.Quiltwork")
    said = f"'crates.Quiltwork' requires the package absent_package, which is not installed{instead}"
    assert (error.value.message, error.value.place.key) == (said, "stack")
    said = f" The library crates has it{instead}." if extras else " Searched"
    with pytest.raises(UnknownLayer) as error:
        find("Quiltwork")
    assert error.value.message.startswith(f"no layer named 'Quiltwork'.{said}")


BROKEN = [
    ({"bad": "stall:goods"}, "", "the library bad of stall: goods.yaml must be a mapping of names to layers"),
    ({"bad": "stall:goods"}, "A: [", "the library bad of stall: its layers cannot be read: "),
    ({"bad": "stall:goods"}, "A: {traget: x}", "bad.A.target: 'target' is missing"),
    ({"bad": "stall:other"}, "", "the library bad of stall: there is no file other.yaml in stall"),
    ({"bad": "stall.inner:goods"}, "", "the library bad of stall: there is no file goods.yaml in stall.inner"),
    ({"bad": "absent_package:goods"}, "", "the library bad of stall: there is no file goods.yaml in absent_package"),
    ({"bad": "stall"}, "", "the library bad of stall: 'stall' is not of the form package:file"),
]  # fmt: skip


@pytest.mark.parametrize(("announces", "text", "message"), BROKEN)
def test_error_of_a_library_that_cannot_be_read(install, announces, text, message):
    install("stall", announces, {"stall/__init__.py": "", "stall/goods.yaml": text})
    with pytest.raises(Exception) as error:  # noqa: PT011 - the message is what counts
        find("bad.A")
    assert str(error.value).startswith(message)
    assert find("Dense").target == "mindspore.nn.Dense"
    with pytest.raises(UnknownLayer) as error:
        find("Zq")
    assert error.value.message == (
        "no layer named 'Zq'. The library bad may have it but cannot be read; 'bad.Zq' shows why."
    )


def test_error_of_a_scope_that_two_packages_announce(install):
    for name in ("shop", "stall"):
        install(
            name, {"both": f"{name}:goods"}, {f"{name}/__init__.py": "", f"{name}/goods.yaml": "A: mindspore.nn.ReLU"}
        )
    with pytest.raises(RegistryError) as error:
        find("both.A")
    assert str(error.value) == (
        "the library both of shop and stall: it is announced twice, as shop:goods and stall:goods; uninstall one"
    )
    with pytest.raises(UnknownLayer):
        find("A")


def test_a_run_finds_a_library(run, shop):
    done = run(
        "recipe=inline",
        'recipe.stack="Dense(8, 4) + shop.Gate(_) + Gate(_)"',
        "recipe.input.shape=[4, 8]",
        "mode=graph",
    )
    assert (done.code, done.err) == (0, "")
    assert "76 trainable parameters" in done.out


def test_a_library_can_be_chosen_as_the_registry_of_a_run(run):
    """Then short names are its own."""
    done = run("task=plan", "registry=[mint,layers]", "recipe=inline", 'recipe.stack="Linear(8, 4) + ReLU + Centered"')
    assert (done.code, done.err) == (0, "")
    assert "36 trainable parameters" in done.out


def test_a_block_and_a_parameter_may_have_the_name_of_a_librarys_layer(shop):
    recipe = {
        "input": {"shape": [2, 8]},
        "params": {"Flat": 3},
        "blocks": {"Gate(n)": "Dense(_, n) + ReLU"},
        "stack": "Gate(Flat) + shop.Gate(_)",
    }
    found = plan(recipe, registry=Registry(shipped=True, installed=True))
    assert [row.layer for row in found.rows] == ["Dense", "ReLU", "shop.Gate"]


def test_init_and_freeze_name_a_librarys_layer_with_and_without_its_scope(shop):
    recipe = {
        "input": {"shape": [2, 8]},
        "stack": "2 * shop.Gate(_)",
        "init": {"shop.Gate.dense.weight": "zeros"},
        "freeze": ["Gate.dense.bias"],
    }
    found = plan(recipe, registry=Registry(shipped=True, installed=True))
    said = {name: (str(weight.rule), weight.frozen) for name, _, weight in found.weights()}
    assert said["1.dense.weight"] == ("shop.Gate.dense.weight: zeros", False)
    assert said["0.dense.bias"] == ("None", True)


def test_the_shipped_registry_knows_libraries():
    assert LAYERS.find("mint.Linear", Place()).full_name == "mint.Linear"

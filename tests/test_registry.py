import inspect
import sys
import types

import pytest
from mindspore import nn

import assembler
from assembler.errors import AssemblerError, BadTarget, DuplicateLayer, Mistakes, Place, RegistryError, UnknownLayer
from assembler.registry.entries import reference_at
from assembler.registry.registry import LAYERS, Registry, said_by_project


class Gate(nn.Cell):
    """A layer of somebody else's."""

    def __init__(self, channels, scale=1.0):
        super().__init__()
        self.channels = channels
        self.scale = scale


def not_a_reference(x):
    return x


def gate_reference(x, parameters, arguments):
    return x


@pytest.mark.parametrize("name", LAYERS)
def test_a_shipped_entry_holds(name):
    entry = LAYERS[name]
    assert issubclass(entry.cell, nn.Cell)
    parameters = entry.parameters
    assert set(entry.infer) <= set(parameters)
    assert set(entry.defaults) <= set(parameters)
    if entry.reference:
        assert callable(entry.reference_function)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_signature_written_in_yaml_is_the_one_mindspore_takes(name):
    base = inspect.signature(LAYERS[name].cell.__mro__[1].__init__).parameters
    said = dict(LAYERS[name].parameters)
    nonlinearity = said.pop("nonlinearity", None)
    assert (nonlinearity is not None) == (name == "RNN")
    assert list(said) == [word for word in base if word not in ("self", "mode")]
    for word, parameter in said.items():
        if word != "dtype":
            assert parameter.default == base[word].default


def test_a_class_is_registered_by_a_decorator_or_a_call():
    registry = Registry()
    assert registry.register(infer={"channels": 1})(Gate) is Gate
    registry.register(Gate, name="Gate2", defaults={"scale": 2.0}, reference=f"{__name__}.gate_reference")
    assert registry["Gate"].cell is Gate
    assert registry["Gate"].infer == {"channels": 1}
    assert registry["Gate2"].describe() == "Gate2(channels, scale=2.0)"
    assert [entry.name for entry in registry.registered()] == ["Gate", "Gate2"]


def test_register_without_arguments_decorates():
    registry = Registry()

    @registry.register
    class Plain(nn.Cell):
        pass

    assert registry["Plain"].cell is Plain


def test_the_reference_of_a_registered_class_may_lie_in_its_package_and_nowhere_else():
    registry = Registry()
    registry.register(Gate, reference=f"{__name__}.gate_reference")
    assert registry["Gate"].reference_function is gate_reference
    registry.register(Gate, name="Gate2", reference="os.path.join")
    with pytest.raises(BadTarget, match=r"Gate2: os\.path\.join is in 'os', which is not trusted"):
        _ = registry["Gate2"].reference_function


def test_a_dotted_path_of_a_trusted_package_is_registered():
    registry = Registry(trusted=["tests"])
    registry.register(f"{__name__}.Gate")
    assert registry["Gate"].cell is Gate


def test_a_fresh_registry_is_empty_and_the_shipped_one_is_full():
    assert len(Registry()) == 0
    assert len(Registry(shipped=True)) == len(LAYERS) > 100
    assert assembler.LAYERS["Dense"].target == "mindspore.nn.Dense"


def test_error_when_a_name_is_taken():
    registry = Registry(shipped=True)
    with pytest.raises(DuplicateLayer) as error:
        registry.register(Gate, name="Dense")
    assert error.value.message == (
        "'Dense' is already mindspore.nn.Dense (from registry.mindspore); choose another name for "
        "tests.test_registry.Gate"
    )
    assert registry["Dense"].cell is nn.Dense


def test_the_same_class_registered_again_replaces_its_entry():
    registry = Registry()
    registry.register(Gate)
    registry.register(Gate)
    registry.register(Gate, infer={"channels": -1})
    assert registry["Gate"].infer == {"channels": -1}


def test_error_when_what_is_registered_is_no_cell():
    with pytest.raises(BadTarget) as error:
        Registry().register(dict)
    assert error.value.message == "builtins.dict is not an nn.Cell class"


MISSES = [
    ("Dence", "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"),
    ("dense", "no layer named 'dense'. Did you mean 'Dense' or 'BiDense' or 'Threshold'?"),
    (
        "Zq",
        f"no layer named 'Zq'. Searched the {len(Registry(shipped=True))} names of registry.layers, registry.mindspore, and the libraries mindcv, mindyolo, mint.",
    ),
]


@pytest.mark.parametrize(("name", "message"), MISSES)
def test_error_when_a_name_is_not_registered(name, message):
    with pytest.raises(UnknownLayer) as error:
        LAYERS.find(name, Place())
    assert error.value.message.startswith(message.split(" or 'Threshold'")[0])


TARGETS = [
    ("Dense", "'Dense' is not of the form package.module.Name"),
    ("mindspore.nn.", "'mindspore.nn.' is not of the form package.module.Name"),
    ("mindspore.nn.Dense()", "'mindspore.nn.Dense()' is not of the form package.module.Name"),
    ("mindspore.nn.Dens", "'mindspore.nn' has no 'Dens'. Did you mean 'Dense'"),
    ("mindspore.nope.Dense", "cannot import 'mindspore.nope': ModuleNotFoundError: No module named 'mindspore.nope'"),
    ("mindspore.nn.Tensor", "'mindspore.nn' has no 'Tensor'."),
    ("mindspore.Tensor", "mindspore.Tensor is not an nn.Cell class"),
    ("mindspore.ops.relu", "mindspore.ops.relu is not an nn.Cell class"),
    ("os.system", "os.system is in 'os', which is not trusted. It is Python's standard library, which has no layers or checks"),
    ("theirs.Cell", "theirs.Cell is in 'theirs', which is not trusted. If it is your own, trust it in a pyproject.toml in or "
                    'above the working directory, [tool.assembler] trusted = ["theirs"], or with '
                    'Registry(trusted=["theirs"])'),
    ("mindspore.nn.layer", "mindspore.nn.layer is neither a class nor a function"),
    ("assembler.files.Path", "assembler.files.Path is in 'pathlib', which is not trusted. "),
]  # fmt: skip


@pytest.mark.parametrize(("target", "message"), TARGETS)
def test_error_of_a_target(target, message):
    registry = Registry()
    registry.load({"X": target})
    with pytest.raises(BadTarget) as error:
        _ = registry["X"].cell
    assert error.value.message.startswith(message)
    assert str(error.value).startswith("registry.X: ")


def test_error_of_a_reference():
    for path in ("tests.test_registry.not_a_reference", "tests.test_registry.Gate"):
        with pytest.raises(BadTarget) as error:
            reference_at(path, ["tests"], Place())
        assert error.value.message == f"{path} is not a function (x, parameters, arguments)"
    with pytest.raises(BadTarget, match="not trusted"):
        reference_at("os.system", ["tests"], Place())


def test_loading_tells_every_mistake():
    registry = Registry()
    with pytest.raises(Mistakes) as error:
        registry.load(
            {
                "A": {"target": 3},
                "B": {"target": "mindspore.nn.ReLU", "infr": {}},
                "C": 7,
                "D": {"traget": "mindspore.nn.ReLU"},
                "E F": "mindspore.nn.ReLU",
            },
            "registry.mine",
        )
    assert str(error.value) == (
        "registry.mine.A.target: must be a string, not 3\n"
        "registry.mine.B.infr: unknown key 'infr'. Did you mean 'infer'?\n"
        "registry.mine.C: must be a mapping, not 7\n"
        "registry.mine.D.target: 'target' is missing\n"
        "registry.mine.D.traget: unknown key 'traget'. Did you mean 'target'?\n"
        "registry.mine.E F: 'E F' cannot be a layer's name in a recipe"
    )


def test_error_of_two_scopes_with_one_name():
    registry = Registry()
    registry.load({"A": "mindspore.nn.ReLU"}, "registry.ours")
    with pytest.raises(DuplicateLayer) as error:
        registry.load({"A": "mindspore.nn.Tanh"}, "registry.theirs")
    assert str(error.value) == (
        "registry.theirs.A: 'A' is already mindspore.nn.ReLU (from registry.ours); choose another name for "
        "mindspore.nn.Tanh"
    )


def test_a_class_that_is_defined_anew_replaces_its_entry():
    registry = Registry()
    registry.register(type("Gate", (nn.Cell,), {}))
    again = registry.register(type("Gate", (nn.Cell,), {}))
    assert registry["Gate"].cell is again


def test_error_when_a_class_of_another_module_has_the_name():
    registry = Registry()
    registry.register(type("Gate", (nn.Cell,), {}))
    with pytest.raises(DuplicateLayer):
        registry.register(type("Gate", (nn.Cell,), {"__module__": "elsewhere"}))


@pytest.mark.parametrize("key", ["defaults", "infer"])
def test_error_of_an_entry_that_names_an_argument_that_is_not_there(key):
    registry = Registry()
    registry.load({"D": {"target": "mindspore.nn.Dense", key: {"in_chanels": 1}}})
    with pytest.raises(RegistryError) as error:
        _ = registry["D"].parameters
    assert str(error.value) == (
        f"registry.D: {key} names 'in_chanels', not an argument of D. Did you mean 'in_channels' or 'out_channels'?"
    )


def test_an_underscore_among_the_defaults_is_inferred():
    registry = Registry()
    registry.load(
        {"D": {"target": "mindspore.nn.Dense", "infer": {"in_channels": -1}, "defaults": {"in_channels": "_"}}}
    )
    assert assembler.assemble("D(out_channels=3)", input=(2, 5), registry=registry)[0].in_channels == 5


@pytest.mark.parametrize("signature", ["A(", "A + B", "A(1, b=2)", "A(a, a)", "A(a, a=1)"])
def test_error_of_a_signature(signature):
    registry = Registry()
    registry.load({"A": {"target": "mindspore.nn.LSTM", "signature": signature}})
    with pytest.raises(RegistryError, match="cannot parse the signature"):
        _ = registry["A"].parameters


def test_the_nearest_pyproject_says_what_is_trusted(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.assembler]\ntrusted = ["mine"]\n')
    assert said_by_project(inner).trusted == ("mine",)
    for text in ("[tool.assembler]\ntrusted = 3\n", "[tool", "[tool.assembler]\ntrusted = [3]\n"):
        file.write_text(text)
        with pytest.raises(AssemblerError) as error:
            said_by_project(inner)
        assert str(error.value).startswith(f"{file}: ")


def test_a_class_of_the_project_that_is_not_registered_is_named(monkeypatch):
    module = types.ModuleType("my_layers")
    module.Centred = type("Centred", (nn.Cell,), {"__module__": "my_layers"})
    module.Dense2 = nn.Dense  # imported from elsewhere
    monkeypatch.setitem(sys.modules, "my_layers", module)
    monkeypatch.setattr(LAYERS, "modules", ("my_layers",))
    with pytest.raises(UnknownLayer) as error:
        LAYERS.find("Centred")
    instead = "my_layers has a class of this name that is not registered; put @register above it."
    assert error.value.message == f"no layer named 'Centred'. {instead}"
    with pytest.raises(UnknownLayer) as error:
        LAYERS.find("Dense2")
    assert "Did you mean 'Dense'" in error.value.message

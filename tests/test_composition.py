"""Composing the jobs of a sweep quickly gives what Hydra composes."""

import copy
import gc
import tempfile
import weakref
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core import utils as core_utils
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from omegaconf import Node, OmegaConf, base, omegaconf, open_dict
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException, ReadonlyConfigError

from assembler.errors import AssemblerError, SettingsError
from assembler.hydra_edge.composition import (
    QuickLoader,
    _bases,
    _quicken_worker,
    for_each_choice,
    forget,
    require_each_once,
)
from assembler.hydra_edge.configuration import plain
from assembler.hydra_edge.identity import identity_of
from assembler.hydra_edge.internals import find_mode_quickly, run_jobs_quickly
from assembler.hydra_edge.nodes import (
    CommonPart,
    copied,
    copied_for_task,
    node_of,
    only,
    quicken,
    raw,
    resolved,
    to_yaml,
)
from assembler.hydra_edge.repository import Repository
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT


class Color(Enum):
    RED = 1


@pytest.fixture(scope="module")
def composer():
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("run", create_config_search_path(str(ROOT / "conf")))
    yield hydra
    GlobalHydra.instance().clear()


@pytest.fixture(scope="module")
def stock(composer):
    return composer.config_loader


@pytest.fixture(scope="module")
def master(composer):
    given = ["recipe=mlp,vgg11,inline", "seed=1,2", "hydra.mode=MULTIRUN", "hydra.sweep.dir=x", "hydra.job.name=run"]
    return composer.compose_config("assembler", given, run_mode=RunMode.MULTIRUN)


CHOICES = [
    "recipe=mlp", "recipe=vgg11", "recipe=inline", "mode=graph", "task=plan", "task=bench", "checks=none", "device=cpu",
    "~checks", "+checks@extra=full", "registry=layers", "registry=[layers]", "+recipe@second=lenet5",
]  # fmt: skip
VALUES = [
    "seed=3", "seed=${hydra:job.num}", "dtype=float64", 'recipe.stack="Dense(8, 8)"', "recipe.input.shape=[4,8]",
    "recipe.name='${mode} and ${seed}'", "+recipe.params.deep={a: [1, {b: 2}]}", "++recipe.params.width=16",
    "~recipe.name", "~weights.strict", "+registry.mine.Own={target: theirs.Own}", "registry.mindspore.Dense=a.B",
    "weights.rename={a: null}", "guard=false", "checks.run.output={shape: [1]}", "+checks.run.mean={}",
    "show=parameters", "recipe.input=null", "recipe.params={}", "+a.b.c=1e-3", "weights=null", "mode='a,b'",
]  # fmt: skip
OF_HYDRA = [
    "hydra.sweep.subdir='17'", "hydra.sweep.dir=elsewhere", "hydra.sweep.subdir='${hydra.job.override_dirname}'", "hydra.job.chdir=true",
    "hydra.job.config.override_dirname.exclude_keys=[seed]", "hydra.verbose=true", "hydra.job.env_copy=[PATH]",
]  # fmt: skip


def told(error):
    return type(error), str(error), str(error.__cause__)


def same(config):
    """All that a configuration is: Hydra's part and flags, too, with interpolations as they are and resolved."""
    flags = {path: [OmegaConf.is_struct(node), OmegaConf.is_readonly(node)] for path, node in nodes(config)}
    return OmegaConf.to_yaml(config), flags


def outside(paths, flags):
    return {path: those for path, those in flags.items() if not f"{path}.".startswith(paths)}


def nodes(config, path=""):
    if OmegaConf.is_dict(config) and not config._is_none() and not config._is_missing():
        yield path, config
        for name in config:
            node = config._get_node(name)
            if path.partition(".")[0] != "registry" and OmegaConf.is_dict(node) and not node._is_interpolation():
                yield from nodes(node, f"{path}.{name}".lstrip("."))


OVERRIDES = st.lists(st.sampled_from(CHOICES + VALUES + OF_HYDRA), max_size=7)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(OVERRIDES)
def test_it_is_equal_to_what_hydra_composes(stock, master, overrides):
    compare(stock, master, overrides)


def compare(stock, master, overrides):
    quick = QuickLoader(stock)
    try:
        expected = stock.load_sweep_config(master, list(overrides))
    except HydraException as error:
        with pytest.raises(type(error)) as caught:
            quick.load_sweep_config(master, list(overrides))
        assert told(caught.value) == told(error)
        return
    for _ in range(2):  # composed, and from the copy
        config = quick.load_sweep_config(master, list(overrides))
        yaml, flags = same(config)
        assert yaml == same(expected)[0]
        # What is shared may not be changed; all else may be as before.
        shared = tuple(f"{path}." for path, node in nodes(config) if isinstance(node, CommonPart))
        assert outside(shared, flags) == outside(shared, same(expected)[1])
        assert OmegaConf.get_cache(config) == OmegaConf.get_cache(expected)


def run_jobs_quickly_in(monkeypatch):
    for owner, name in ((core_utils, "copy"), (core_utils, "_save_config"), (HydraConfig, "set_config")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    run_jobs_quickly()


def anatomy(node):
    """A node with all that it holds but its parent, whose key has to do."""
    state = {name: value for name, value in vars(node).items() if name not in ("_parent", "_content", "_flags_cache")}
    content = vars(node).get("_content")
    if isinstance(content, dict):
        content = {key: anatomy(child) for key, child in content.items()}
    elif isinstance(content, list):
        content = [anatomy(child) for child in content]
    elif isinstance(content, Node):
        content = anatomy(content)
    parent = vars(node)["_parent"]
    return type(node), state, content, None if parent is None else parent._key()


def with_a_union():
    @dataclass
    class Schema:
        width: int | float = 3
        deep: dict[str, int | None] = field(default_factory=lambda: {"a": None})

    config = OmegaConf.create({"a": OmegaConf.structured(Schema), "now": "${now:%f}", "list": [1, {"b": "${now}"}]})
    str(config.now)  # is in the cache of the configuration
    OmegaConf.set_readonly(config.list, True)
    return config


def require_equal_copies(config):
    for node in (config, *(config._get_node(name) for name in config)):
        assert anatomy(copied(node)) == anatomy(copy.deepcopy(node))
    assert OmegaConf.get_cache(copied(config)) is not OmegaConf.get_cache(config)


@settings(max_examples=12, deadline=None)
@given(OVERRIDES)
def test_copies_are_those_of_python(stock, master, overrides):
    try:
        require_equal_copies(QuickLoader(stock).load_sweep_config(master, list(overrides)))
    except HydraException:
        reject()


def test_copies_of_all_kinds_of_nodes_are_those_of_python():
    config = with_a_union()
    require_equal_copies(config)
    other = copied(config)
    other.a.width, other.now = 4.5, "x"
    other.list[1]._get_node("b")._set_parent(None)
    assert (config.a.width, config._get_node("now")._value()) == (3, "${now:%f}")
    assert config.list[1]._get_node("b")._get_parent() is config.list._get_node(1)


def test_hydra_is_quick_in_workers_of_launchers_too(stock, monkeypatch):
    monkeypatch.setattr(omegaconf, "get_omega_conf_dumper", omegaconf.get_omega_conf_dumper)
    monkeypatch.setattr(base, "parse", base.parse)
    for owner, name in ((core_utils, "copy"), (core_utils, "_save_config"), (HydraConfig, "set_config")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(core_utils, "_save_config", None)
    _quicken_worker.cache_clear()
    copy.copy(QuickLoader(stock))  # restored from its state, as in a worker
    assert core_utils._save_config is not None


def test_a_copy_for_a_job_is_that_of_python_but_for_the_part_that_hydra_deletes(stock, master):
    config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp", "seed=${hydra.job.name}"])
    quick, slow = copied_for_task(config), copy.deepcopy(config)
    assert quick.seed == slow.seed == "run"
    for one in (quick, slow):
        with open_dict(one):
            del one["hydra"]
    assert anatomy(quick) == anatomy(slow)
    assert config.hydra.job.name == "run"
    hydra_alone = only(config, "hydra")
    assert anatomy(copied_for_task(hydra_alone)) == anatomy(copy.deepcopy(hydra_alone))
    assert node_of(copied_for_task(hydra_alone), "hydra") is not node_of(hydra_alone, "hydra")


VALUES_OF_NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary(max_size=3)
    | st.sampled_from(["a", "???", "${x}", "${.a}", "b ${x}", "${", "$", Color.RED]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", 1, 2.5, Color.RED]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(VALUES_OF_NODES)
def test_values_of_nodes_are_those_that_omegaconf_reads(data):
    try:
        config = OmegaConf.create({"x": 3, "data": data})
    except (OmegaConfBaseException, ValueError):
        reject()
    assert raw(config) == OmegaConf.to_container(config, resolve=False)
    assert yaml.safe_load(to_yaml(config)) == yaml.safe_load(OmegaConf.to_yaml(config))
    try:
        expected = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        with pytest.raises(type(error)):
            resolved(config)
    else:
        assert resolved(config) == expected


def test_hydras_own_configuration_of_a_job_is_as_hydra_sets_it(stock, master, monkeypatch):
    config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp", "+hydra.job.env_set.A='${seed}'", "seed=3"])
    set_by = {}
    for name in ("hydra", "the assembler"):
        HydraConfig.instance().set_config(copied(config))
        set_by[name] = HydraConfig.instance().cfg
        run_jobs_quickly_in(monkeypatch)
    one, other = set_by.values()
    assert same(one) == same(other)
    assert (one.hydra.job.env_set.A, other.hydra.job.env_set.A) == ("3", "3")
    assert OmegaConf.is_readonly(one.hydra)
    assert OmegaConf.is_readonly(other.hydra)


@pytest.fixture
def quick_mode(monkeypatch):
    monkeypatch.setattr(Hydra, "get_mode", Hydra.get_mode)
    find_mode_quickly()


@pytest.mark.skipif(hasattr(ConfigLoaderImpl, "get_mode"), reason="platform: Hydra 1.4 composes once by itself")
def test_hydra_composes_once_unless_the_mode_is_set(composer, quick_mode, monkeypatch):
    assert composer.get_mode("assembler", ["recipe=mlp", "hydra.mode=MULTIRUN"]) == RunMode.MULTIRUN
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", None)
    assert composer.get_mode("assembler", ["recipe=mlp"]) is None
    assert composer.get_mode("no such file", ["recipe=mlp"]) is None


@pytest.mark.skipif(hasattr(ConfigLoaderImpl, "get_mode"), reason="platform: Hydra 1.4 composes once by itself")
def test_the_mode_of_a_primary_configuration_counts(quick_mode, tmp_path):
    (tmp_path / "config.yaml").write_text("hydra: {mode: MULTIRUN}")
    loader = ConfigLoaderImpl(create_config_search_path(str(tmp_path)))
    assert Hydra("run", loader).get_mode("config", []) == RunMode.MULTIRUN


TEXTS = st.text() | st.sampled_from(
    ["yes", "1e3", "0x1F", "2026-11-26", "a: b", "- x", "# no", "=", "~", "ä\n\tb", "x" * 200]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, ANYTHING, max_size=4))
def test_files_by_libyaml_hold_the_same_as_those_of_omegaconf(data):
    try:
        config = OmegaConf.create(data)
        before = yaml.safe_load(OmegaConf.to_yaml(config))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError):  # what looks like a reference; control characters
        reject()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omegaconf, "get_omega_conf_dumper", omegaconf.get_omega_conf_dumper)
        quicken()
        # Of some line breaks, PyYAML's own emitter makes spaces.
        assert yaml.safe_load(to_yaml(config)) in (before, data)


def test_files_of_a_job_are_those_of_omegaconf_to_the_letter(stock, master, monkeypatch):
    config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp"])
    with open_dict(config):
        del config["hydra"]  # which has long texts, whose lines libyaml breaks elsewhere
    expected = OmegaConf.to_yaml(config)
    monkeypatch.setattr(omegaconf, "get_omega_conf_dumper", omegaconf.get_omega_conf_dumper)
    quicken()
    assert isinstance(node_of(config, "registry"), CommonPart)
    assert to_yaml(config) == expected
    assert to_yaml(copied(config)) == expected
    assert to_yaml(OmegaConf.create(["recipe=mlp"])) == "- recipe=mlp\n"


@pytest.mark.parametrize("overrides", [["recipe=mlp", "seed=3"], ["recipe=mlp", "+recipe.params.x=1", "~recipe.name"]])
def test_it_composes_once_for_equal_choices(stock, master, overrides):
    quick = QuickLoader(stock)
    quick.load_sweep_config(master, ["recipe=mlp"])
    before = dict(_bases)
    quick.load_sweep_config(master, overrides)
    assert _bases == before


def test_hydra_is_not_asked_again_for_equal_choices(stock, master, monkeypatch):
    quick = QuickLoader(stock)
    quick.load_sweep_config(master, ["recipe=mlp", "hydra.sweep.subdir='1'"])
    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", None)
    config = quick.load_sweep_config(master, ["recipe=mlp", "seed=3", "++recipe.params.x=2", "hydra.sweep.subdir='2'"])
    assert (config.seed, config.recipe.params.x, config.hydra.sweep.subdir) == (3, 2, "2")


def test_one_job_does_not_see_the_values_of_another(stock, master):
    quick = QuickLoader(stock)
    first = quick.load_sweep_config(master, ["recipe=mlp", "+recipe.params.a=1", "+checks.run.mean={}"])
    second = quick.load_sweep_config(master, ["recipe=mlp"])
    assert "a" in first.recipe.params
    assert "a" not in second.recipe.params
    assert "mean" not in second.checks.run


def test_the_registry_is_one_for_all_copies(stock, master):
    config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp"])
    registry = copy.deepcopy(config)._get_node("registry")
    assert isinstance(registry, CommonPart)
    assert plain(config)["registry"] is plain(copy.deepcopy(config))["registry"]
    assert plain(config)["registry"] == OmegaConf.to_container(stock.load_sweep_config(master, ["recipe=mlp"]).registry)
    with pytest.raises(ReadonlyConfigError, match="read-only"):
        registry.mindspore = {}


def test_what_copies_have_in_common_goes_with_the_last_of_them(stock, master):
    config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp"])
    layers = config._get_node("registry")._get_node("mindspore")
    assert "Dense" in plain(config)["registry"]["mindspore"]
    known = weakref.ref(layers)
    del config, layers
    forget()
    gc.collect()
    second = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp"])
    assert "Dense" in plain(second)["registry"]["mindspore"]
    assert known() is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["+a=1", "+b=2"], ["+b=2", "+a=1"]),
        (
            ["+recipe.params.a=1", "+recipe.params.b={c: 2, d: 3}"],
            ["+recipe.params.b={d: 3, c: 2}", "+recipe.params.a=1"],
        ),
    ],
)
def test_the_order_of_keys_does_not_tell_jobs_apart(stock, master, one, other):
    def composed(overrides):
        config = QuickLoader(stock).load_sweep_config(master, ["recipe=mlp", *overrides])
        return plain(OmegaConf.masked_copy(config, [name for name in config if name != "hydra"]))

    assert identity_of(composed(one)) == identity_of(composed(other))
    assert identity_of(composed(one)) != identity_of(composed(one[:1]))


@pytest.mark.parametrize("value", ["${mode}", "???"])
def test_a_registry_that_depends_on_the_rest_is_not_shared(stock, master, value):
    config = QuickLoader(stock).load_sweep_config(master, [f"+registry.mine.Own='{value}'"])
    assert not isinstance(config._get_node("registry"), CommonPart)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-m recipe=mlp,vgg11 recipe.params.depth=2", "-m recipe=mlp,vgg11 recipe.params.depth=choice(2)"),
        (
            "-m recipe=mlp,vgg11 +recipe.checks.mean={equals:0}",
            "-m recipe=mlp,vgg11 +recipe.checks.mean=choice({equals:0})",
        ),
        ("-m recipe=mlp,vgg11 recipe.input.shape=[4,8]", "-m recipe=mlp,vgg11 recipe.input.shape=choice([4,8])"),
        ("-m recipe=mlp,vgg11 recipe.stack='a,b'", "-m recipe=mlp,vgg11 recipe.stack=choice('a,b')"),
        ("-m recipe=mlp recipe.params.depth=2", "-m recipe=mlp recipe.params.depth=2"),
        ("-m recipe=mlp,vgg11 recipe.params.depth=2,3 seed=1 mode=graph,pynative", None),
        ("-m recipe=mlp,vgg11 ~recipe.expect recipes.x=1 --config-dir a=b recipe.x=(", None),
        ("-m task=bench,plan device=cpu seed=1,2", None),
    ],
)
def test_what_jobs_have_in_common_is_set_in_jobs_only(arguments, expected):
    assert for_each_choice(arguments.split(" ")) == (expected or arguments).split(" ")


# ---- a recipe file alone


FILES = ("recipe/aa", "recipe/bb", "recipe/cc", "recipe/sub/bb", "recipe/sub/dd", "blocks/xx", "blocks/deep/yy")
ENTRIES = st.one_of(
    st.sampled_from(["_self_", "bb", "cc", "sub/bb", "sub/dd", "dd", "/blocks/xx", "/recipe/cc", "/blocks/deep/yy", "bb.yaml"]),
    st.sampled_from(["bb@params", "cc@params.deep", "/blocks/xx@blocks", "/blocks/deep/yy@blocks", "sub/dd@params", "/recipe/sub/bb@a"]),
    st.fixed_dictionaries({"/blocks@blocks": st.sampled_from(["xx", "deep/yy", ["xx", "deep/yy"], ["xx"]])}),
    st.fixed_dictionaries({"/blocks": st.sampled_from(["xx", "deep/yy", ["deep/yy", "xx"]])}),
    st.fixed_dictionaries({"/blocks/deep@a.b": st.sampled_from(["yy", ["yy"]])}),
    st.fixed_dictionaries({"sub": st.sampled_from(["bb", "dd", ["dd", "bb"]])}),
    st.fixed_dictionaries({"/recipe@params": st.sampled_from(["cc", "sub/dd", ["bb", "sub/dd"]])}),
)  # fmt: skip
LEAVES = st.sampled_from([0, 1.5, True, None, "text", [], [1, 2], [{"a": 1}], {}, "???"])
REFERENCES = st.sampled_from(["${recipe.name}", "${recipe.params.a}", "${.b}", "<${recipe.name}>", "${recipe.a}"])
VALUES_OF_RECIPES = st.recursive(
    LEAVES | REFERENCES, lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2), max_leaves=4
)
CONTENTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["one", "two"])},
    optional={
        "defaults": st.lists(ENTRIES, max_size=3),
        **dict.fromkeys(["params", "blocks", "a", "b"], VALUES_OF_RECIPES),
    },
)
EMPTY = st.just(None)


def composed_by_hydra(folder, chosen):
    """What Hydra composes for ``recipe``, without its own part, which takes most of the time; None if it refuses."""
    loader = ConfigLoaderImpl(create_config_search_path(str(folder)))
    repository = CachingConfigRepository(Repository(loader.get_search_path()))
    overrides = [OverridesParser.create().parse_override(f"recipe={chosen}")]
    try:
        defaults = create_defaults_list(repository, "main", overrides, prepend_hydra=False, skip_missing=False)
        config = loader._compose_config_from_defaults_list(defaults.defaults, repository)
        return OmegaConf.to_container(config, resolve=True).get("recipe", {})
    except InterpolationToMissingValueError:
        reject()  # Hydra has no value for it; alone, a file that refers to ``???`` has that
    except (HydraException, OmegaConfBaseException, AssemblerError, TypeError):
        return None


def loaded_alone(file):
    try:
        return load_recipe(file)
    except AssemblerError:
        return None


def compare_recipe(contents, chosen):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in {**contents, "main": {"defaults": [{"recipe": "aa"}, "_self_"]}}.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{file}.yaml").write_text("" if content is None else yaml.safe_dump(content, sort_keys=False))
        expected = composed_by_hydra(folder, chosen)
        found = loaded_alone(folder / f"recipe/{chosen}.yaml")
        assert (found, list(found or ())) == (expected, list(expected or ()))


TELLING = {
    "a value that is missing": {"recipe/aa": {"defaults": ["bb"], "a": "???"}, "recipe/bb": {"a": 1}},
    "a mapping over a reference": {
        "recipe/aa": {"defaults": ["bb"], "a": {"c": 3}},
        "recipe/bb": {"a": "${recipe.b}", "b": {"d": 4}},
    },
    "a list over a mapping": {"recipe/aa": {"defaults": ["bb"], "a": [1]}, "recipe/bb": {"a": {"b": 1}}},
    "itself first": {"recipe/aa": {"defaults": ["_self_", "bb"], "a": 1}, "recipe/bb": {"a": 2}},
    "itself twice": {"recipe/aa": {"defaults": ["_self_", "bb", "_self_"], "a": 1}, "recipe/bb": {"a": 2}},
    "a choice inside a folder": {"recipe/aa": {"defaults": [{"/blocks": "deep/yy"}]}, "blocks/deep/yy": {"a": 1}},
    "choices inside a folder": {"recipe/aa": {"defaults": [{"/blocks": ["deep/yy"]}]}, "blocks/deep/yy": {"a": 1}},
    "a group twice": {
        "recipe/aa": {"defaults": [{"/blocks@a": "xx"}, {"/blocks@a": "zz"}]},
        "blocks/xx": {"b": 1},
        "blocks/zz": {"c": 2},
    },
    "a file beside one in a folder": {
        "recipe/aa": {"defaults": ["sub/bb"]},
        "recipe/sub/bb": {"defaults": ["dd", "/blocks/xx"]},
        "recipe/sub/dd": {"a": 1},
        "blocks/xx": {"b": 1},
    },
    "a circle": {"recipe/aa": {"defaults": ["bb"]}, "recipe/bb": {"defaults": ["aa"]}},
}


@pytest.mark.parametrize("contents", TELLING.values(), ids=TELLING)
def test_a_recipe_file_alone_is_what_hydra_composes(contents):
    compare_recipe(contents, "aa")


RECIPES = st.fixed_dictionaries(dict.fromkeys(FILES, CONTENTS | EMPTY))


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(RECIPES, st.sampled_from(["aa", "sub/dd"]))
def test_a_recipe_file_alone_is_equal_to_what_hydra_composes_at_length(contents, chosen):
    compare_recipe(contents, chosen)


@settings(max_examples=25, deadline=None)
@given(RECIPES, st.sampled_from(["aa", "sub/dd"]))
def test_a_recipe_file_alone_is_equal_to_what_hydra_composes(contents, chosen):
    compare_recipe(contents, chosen)


TWICE = [
    # what is typed after -m, and the message; empty if nothing is lost
    (["+recipe.checks.range={min: -5}", "+recipe.checks.range={max: 5}"],
     "a multirun keeps only the last +recipe.checks.range of +recipe.checks.range={min: -5} and "
     "+recipe.checks.range={max: 5}; write one: '+recipe.checks.range={min:-5,max:5}'"),
    (["recipe.params={width: 8}", "seed=1,2", "recipe.params={depth: 2}"],
     "a multirun keeps only the last recipe.params of recipe.params={width: 8} and recipe.params={depth: 2}; "
     "write one: 'recipe.params={width:8,depth:2}'"),
    (["++checks.run.mean={equals: 0}", "recipe=mlp", "++checks.run.mean={atol: 1}"],
     "a multirun keeps only the last ++checks.run.mean of ++checks.run.mean={equals: 0} and "
     "++checks.run.mean={atol: 1}; write one: '++checks.run.mean={equals:0,atol:1}'"),
    (["+search=a", "+search=b"],
     "a multirun keeps only the last +search of +search=a and +search=b; give it once"),
    (["+recipe.expect.macs=1", "+recipe.expect.macs=2"],
     "a multirun keeps only the last +recipe.expect.macs of +recipe.expect.macs=1 and +recipe.expect.macs=2; "
     "give it once"),
    (["seed=1", "seed=2"], ""),  # the last counts in a single run, too
    (["seed=1,2", "seed=3"], ""),
    (["recipe.params={width: 8}", "+recipe.params={depth: 2}"], ""),  # two keys for a sweeper: both count
    (["recipe.stack=[ReLU]", "recipe.stack=[Tanh]"], ""),
    (["-m", "--config-dir=conf", "recipe=mlp", "~checks", "~checks"], ""),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), TWICE, ids=[" ".join(case[0]) for case in TWICE])
def test_a_key_of_which_a_multirun_would_lose_a_value_is_refused(arguments, message):
    if not message:
        return require_each_once(arguments)
    with pytest.raises(SettingsError) as error:
        require_each_once(arguments)
    assert str(error.value) == message


def test_a_multirun_with_a_key_given_twice_runs_nothing(run):
    done = run("-m", "+recipe.checks.range={min: -5}", "+recipe.checks.range={max: 5}", "seed=1,2")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("a multirun keeps only the last +recipe.checks.range of ")
    assert not done.folder.exists()
    assert run("task=plan", "+recipe.checks.range={min: -5}", "+recipe.checks.range={max: 5}").code == 0

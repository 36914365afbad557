"""The private names of OmegaConf that the assembler uses: all are here, and nowhere else.

Each was checked with the OmegaConf 2.3.1 of Hydra 1.3.8, and with the OmegaConf 2.4.1rc1 of Hydra 1.4.0rc3.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml
from omegaconf import DictConfig, Node, OmegaConf, StringNode, base, grammar_parser, omegaconf
from omegaconf._utils import get_omega_conf_dumper


def node_of(config: DictConfig, name: Any) -> Any:
    """The node of a key, its interpolation not resolved."""
    return config._get_node(name)


def node_at(config: DictConfig, key: str) -> Any:
    """The node of a key in mappings, such as ``hydra.job.num``, its interpolation not resolved.

    Raises:
        KeyError: there is none.
    """
    node: Any = config
    for name in key.split("."):
        node = node.__dict__["_content"][name]
    return node


def set_value(config: DictConfig, key: str, value: Any) -> None:
    """Set the value of a key that exists, without what an assignment does besides: checks, conversions, flags."""
    node_at(config, key).__dict__["_val"] = value


def raw(node: Any) -> Any:
    """The value of a node, interpolations as they are written."""
    try:
        return values_of(node, as_written=True)
    except NotPlain:
        is_whole = OmegaConf.is_config(node) and not node._is_interpolation() and not node._is_none()
        return OmegaConf.to_container(node, resolve=False) if is_whole else node._value()


def resolved(config: Any, *, throw_on_missing: bool = True) -> Any:
    """What ``OmegaConf.to_container`` makes of a mapping or a list, interpolations resolved.

    Raises:
        OmegaConfBaseException: a value is missing, or an interpolation cannot be resolved.
    """
    try:
        return values_of(config)
    except NotPlain:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=throw_on_missing)


class NotPlain(Exception):
    """A node that OmegaConf has to look at: an interpolation, a missing value, an enumeration."""


_PLAIN = (bool, int, float, type(None))
_KEYS = (str, int, float, bool)


def values_of(node: Any, *, as_written: bool = False) -> Any:
    """The values of a node and of those in it: most are as they are, and OmegaConf takes twenty times as long.

    Args:
        as_written: whether interpolations, and ``???``, are values like others.

    Raises:
        NotPlain: OmegaConf has to look at it.
    """
    state = node.__dict__
    value = state["_val"] if "_val" in state else state["_content"]
    kind = type(value)
    if kind is dict:
        if not all(type(key) in _KEYS for key in value):
            raise NotPlain
        return {key: values_of(child, as_written=as_written) for key, child in value.items()}
    if kind is list:
        return [values_of(child, as_written=as_written) for child in value]
    if kind in _PLAIN or (kind is str and (as_written or ("${" not in value and value != "???"))):
        return value
    raise NotPlain


# ---- copies


def copied(node: Any) -> Any:
    """What ``copy.deepcopy`` makes of a node, ten times faster; the copy has the parent of the node, too."""
    kind = type(node)
    new = object.__new__(kind)
    state = new.__dict__
    state.update(node.__dict__)
    before = state["_metadata"]
    state["_metadata"] = metadata = object.__new__(type(before))
    of_metadata = metadata.__dict__
    of_metadata.update(before.__dict__)
    of_metadata["flags"] = of_metadata["flags"].copy()
    cache = of_metadata["resolver_cache"]
    of_metadata["resolver_cache"] = copy.deepcopy(cache) if cache else defaultdict(dict)
    state["_flags_cache"] = None
    if kind is CommonPart or "_content" not in state:
        return new
    content = state["_content"]
    if isinstance(content, dict):
        state["_content"] = {key: _of_mapping(new, child) for key, child in content.items()}
    elif isinstance(content, list):
        state["_content"] = [_inside(new, child) for child in content]
    elif isinstance(content, Node):
        state["_content"] = _inside(new, content)
    return new


def _of_mapping(parent: Any, child: Any) -> Any:
    """The copy of an item of a mapping. A value shares its metadata with the original: its key and type stay."""
    before = child.__dict__
    if "_val" not in before:
        return _inside(parent, child)
    new = object.__new__(type(child))
    state = new.__dict__
    state.update(before)
    state["_parent"], state["_flags_cache"] = parent, None
    return new


def _inside(parent: Any, child: Any) -> Any:
    new = copied(child)
    new.__dict__["_parent"] = parent
    return new


def copied_for_task(config: Any) -> Any:
    """A copy of a configuration, as Hydra makes one for a job: it deletes the part ``hydra``, most of it, at once.

    That part is not copied, but the same node, so its references are to the other configuration.
    """
    content = config.__dict__["_content"]
    if not isinstance(content, dict) or "hydra" not in content or len(content) == 1:
        return copied(config)
    rest = object.__new__(type(config))
    rest.__dict__.update(config.__dict__)
    rest.__dict__["_content"] = {name: node for name, node in content.items() if name != "hydra"}
    new = copied(rest)
    new.__dict__["_content"]["hydra"] = content["hydra"]
    return new


def set_strings(node: Any, texts: Sequence[str]) -> None:
    """Set the items of a list of strings: what an assignment does, which checks and converts each."""
    made = [StringNode(text, key=at, parent=node, is_optional=False) for at, text in enumerate(texts)]
    node.__dict__["_content"] = made


def only(config: DictConfig, name: str) -> DictConfig:
    """A configuration with one key of another. The node is the same, so its references are to the other one."""
    return _with({name: node_of(config, name)})


def _with(nodes: Mapping[Any, Any]) -> DictConfig:
    part = copied(_EMPTY)
    part.__dict__["_content"].update(nodes)
    return part


_EMPTY = DictConfig({})
"""To be copied, which is quicker than to make one."""


class CommonValues(dict[Any, Any]):
    """The values of a common part: one object for all copies, so what is made of them is made once."""

    def once(self, name: str, made: Callable[[], Any]) -> Any:
        """Something made of the values, by its name."""
        if name not in self._made:
            self._made[name] = made()
        return self._made[name]

    def __init__(self, values: Mapping[Any, Any]) -> None:
        super().__init__(values)
        self._made: dict[str, Any] = {}


class CommonPart(DictConfig):
    """A part of a configuration that its copies share, because it is large, and the same in each job.

    It is read-only. It holds neither interpolations, which would look into what was copied, nor ``???``.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        same = memo[id(self)] = copied(self)
        return same

    def plain(self) -> CommonValues:
        """Its values, which live as long as one of its copies; they must not be changed."""
        values = self.__dict__["_plain"]
        if not values:
            values.append(CommonValues(OmegaConf.to_container(self, resolve=True)))  # type: ignore[arg-type]
        return values[0]

    def yaml(self) -> str:
        """Its key and values as YAML."""
        return str(self.plain().once("yaml", lambda: OmegaConf.to_yaml(_with({self._key(): self}))))


def make_common(config: DictConfig, key: str) -> None:
    """Make a part of a configuration a ``CommonPart``, if it can be one."""
    try:
        node = node_at(config, key)
    except (KeyError, TypeError):  # it is deleted, or in a list or a value
        return
    if not isinstance(node, DictConfig) or not isinstance(node.__dict__["_content"], dict):
        return
    text = str(OmegaConf.to_container(node, resolve=False))
    if "${" not in text and "???" not in text:
        node._set_flag("readonly", True)
        common = CommonPart({})
        common.__dict__.update(node.__dict__, _plain=[])
        node.__dict__["_parent"].__dict__["_content"][node._key()] = common


# ---- files


def to_yaml(config: Any) -> str:
    """What ``OmegaConf.to_yaml`` writes, key by key; of a common part, the text is made once."""
    content = config.__dict__["_content"]
    if not isinstance(content, dict) or not content:
        return OmegaConf.to_yaml(config)
    return "".join(_item_to_yaml(key, node) for key, node in content.items())


def _item_to_yaml(key: Any, node: Any) -> str:
    if isinstance(node, CommonPart):
        return node.yaml()
    try:
        return _dumped({key: values_of(node, as_written=True)})
    except NotPlain:
        return OmegaConf.to_yaml(_with({key: node}))


def _dumped(values: Any) -> str:
    """Plain values as YAML; most parts of a job are those of the job before."""
    key = repr(values)
    if key not in _texts:
        if len(_texts) >= MAX_TEXTS:
            _texts.clear()
        _texts[key] = yaml.dump(values, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper)
    return _texts[key]


MAX_TEXTS = 256
"""Parts of configurations whose YAML is kept."""

_texts: dict[str, str] = {}
"""YAML by what it is of."""


class _Dumper(getattr(yaml, "CDumper", yaml.Dumper)):  # type: ignore[misc]
    """Writes what OmegaConf's own writes, by libyaml."""

    yaml_representers = get_omega_conf_dumper().yaml_representers


def quicken() -> None:
    """Have OmegaConf write YAML by libyaml, and parse each reference once, in this process."""
    base.parse = lru_cache(maxsize=1024)(grammar_parser.parse)  # type: ignore[attr-defined]
    omegaconf.get_omega_conf_dumper = lambda: _Dumper  # type: ignore[attr-defined]

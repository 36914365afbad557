"""Everything that a Cell's ``construct`` can read, flat, so that two Cells can be compared."""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Initializer

from assembler.language.recipe import leaves
from assembler.runtime.device import as_array


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter. Its value is not compared.

    Args:
        index: which parameter of the Cell it is. A shared parameter has the same index at each of its paths.
    """

    index: int
    shape: tuple[int, ...]
    dtype: str


MAX_SHOWN = 8
"""Values of a constant that are kept, because they may be an argument."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor or array that is not a parameter, with a hash of its values.

    Args:
        values: those of a small one; they are not compared, because the hash is.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    hash: str
    values: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Opaque:
    """Another object: equal if ``text`` is equal."""

    text: str


Contents: TypeAlias = dict[str, Any]
"""Path → plain value, :class:`Weight`, :class:`Constant` or :class:`Opaque`."""


def contents(cell: nn.Cell) -> Contents:
    """What a Cell holds, by path: attributes, parameters, inner Cells, and attributes of its primitives.

    Left out are the values of parameters, what MindSpore's layers start them and random numbers from, and what
    MindSpore notes on a Cell while it is used. Objects whose state cannot be compared are equal only to themselves.

    >>> contents(nn.Softmax(1))["softmax.axis"]
    (1,)
    """
    walker = _Walker(set(map(id, cell.get_parameters())))
    walker.cell("", cell)
    return walker.found


def unlike(one: Contents, other: Contents) -> list[str]:
    """The paths at which two contents differ. ``1``, ``1.0`` and ``True`` are different values."""
    return [path for path in {**one, **other} if repr(one.get(path, _ABSENT)) != repr(other.get(path, _ABSENT))]


def is_chain(cell: nn.Cell) -> bool:
    """Whether a Cell only runs the Cells in it, one after another."""
    return (
        isinstance(cell, nn.SequentialCell)
        and type(cell).construct is nn.SequentialCell.construct
        and type(cell).__call__ is nn.SequentialCell.__call__
        and "construct" not in vars(cell)
        and list(map(id, cell.cell_list)) == list(map(id, vars(cell)["_cells"].values()))
        and not list(_hooks(cell))
    )


def is_plain(value: Any) -> bool:
    """Whether a value is ``None``, a number, a string, or nested lists, tuples and dicts of them."""
    return all(type(leaf) in (type(None), bool, int, float, str) for leaf in leaves(value))


_ABSENT = Opaque("absent")

_SEEDS = {"seed", "seed0", "seed1", "Seed0", "Seed1"}

_OF_A_PRIMITIVE = {"instance_name", "_update_parameter", *_SEEDS}
"""Where a primitive is used, and its random numbers: these change from one to the next."""

_NOTES = {"_cell_init_args", "_func_graph_flags"}
"""What MindSpore notes on some Cells for its compiler. Flags such as ``fp16`` are attributes as well."""

_OF_A_CHAIN = {"cell_list", "_is_dynamic_name"}
"""The same Cells again, and whether they have names of their own."""


@functools.cache
def _of_any_cell() -> frozenset[str]:
    """The attributes of every Cell. MindSpore 2.10 keeps in them how a Cell is compiled, and in some what it does."""
    return frozenset(vars(nn.Cell()))


_THAT_COUNT = ("mixed_precision_type", "_amp_level")
"""Those of them that change what a Cell computes, beside hooks, buffers, parameters and inner Cells."""


def _hooks(cell: nn.Cell) -> Iterable[str]:
    return (name for name, value in vars(cell).items() if name.endswith(("hook", "_with_kwargs")) and value)


class _Walker:
    def __init__(self, parameters: set[int]) -> None:
        self.parameters = parameters
        self.found: Contents = {}
        self.weights: dict[int, int] = {}
        self.open: dict[int, str] = {}  # the objects that are being visited → their paths

    def cell(self, path: str, cell: nn.Cell) -> None:
        """Visit a Cell. In a SequentialCell, the order of the inner Cells counts, and not their names."""
        self.found[path] = Opaque(_name(type(cell)))
        mine = vars(cell)
        is_chain = type(cell) is nn.SequentialCell
        skipped = _of_any_cell() | _NOTES | (_OF_A_CHAIN if is_chain else set())
        names = [name for name in mine if name not in skipped and not _is_start(name, cell)]
        self.each(path, {name: mine[name] for name in [*names, *_THAT_COUNT, *_hooks(cell)] if name in mine})
        self.each(path, {**mine["_buffers"], **mine["_params"]})
        inner = dict(enumerate(cell.cell_list)) if is_chain else mine["_cells"]
        self.each(path, {str(name): value for name, value in inner.items()})

    def each(self, path: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.visit(f"{path}.{name}" if path else name, value)

    def visit(self, path: str, value: Any) -> None:
        """Note a value, or visit what it consists of."""
        if is_plain(value):
            self.found[path] = value
        elif id(value) in self.parameters:  # others, such as those in a plain list, are constants
            index = self.weights.setdefault(id(value), len(self.weights))
            self.found[path] = Weight(index, tuple(value.shape), str(value.dtype))
        elif isinstance(value, Initializer):
            self.found[path] = Opaque("initializer")
        elif isinstance(value, Tensor | np.ndarray):
            self.found[path] = _constant(value)
        elif isinstance(value, mindspore.Type | enum.Enum):
            self.found[path] = Opaque(str(value))
        elif isinstance(value, slice | range | complex | bytes | np.generic | types.EllipsisType):
            self.found[path] = Opaque(repr(value))
        elif id(value) in self.open:
            self.found[path] = Opaque(f"the same as {self.open[id(value)]!r}")
        else:
            self.open[id(value)] = path
            self.inside(path, value)
            del self.open[id(value)]

    def inside(self, path: str, value: Any) -> None:
        """Visit what an object consists of."""
        if isinstance(value, nn.Cell):
            self.cell(path, value)
            return
        parts = _parts(value)
        if parts is None:
            self.found[path] = Opaque(f"{_name(type(value))} {id(value)}")
            return
        self.found[path] = Opaque(_name(type(value)))
        self.each(path, parts)


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What decides how an object behaves; None if that cannot be found out."""
    if isinstance(value, dict):
        return {f"{index}.{part}": one for index, pair in enumerate(value.items()) for part, one in enumerate(pair)}
    if isinstance(value, list | tuple):
        return {str(index): one for index, one in enumerate(value)}
    if isinstance(value, types.MethodType):
        return {"function": value.__func__, "self": value.__self__}
    if isinstance(value, types.FunctionType):
        around = inspect.getclosurevars(value).nonlocals
        return {"code": value.__code__, "around": around, "defaults": [value.__defaults__, value.__kwdefaults__]}
    if isinstance(value, functools.partial):
        return {"function": value.func, "args": value.args, "keywords": value.keywords}
    if isinstance(value, ops.Primitive):
        mine = dict(vars(value))
        for kind in ("attrs", "init_attrs"):
            mine |= {f"{kind}.{name}": one for name, one in mine.pop(kind, {}).items()}
        return {name: one for name, one in mine.items() if name.rpartition(".")[2] not in _OF_A_PRIMITIVE}
    is_of_python = type(type(value)) is type and not isinstance(value, type | types.ModuleType)
    has_slots = any(getattr(kind, "__slots__", ()) for kind in type(value).__mro__)
    return vars(value) if is_of_python and hasattr(value, "__dict__") and not has_slots else None


def _is_start(name: str, cell: nn.Cell) -> bool:
    """Whether an attribute decides only with which values parameters and random numbers start."""
    is_native = type(cell).__module__.startswith("mindspore.")
    return is_native and (name in _SEEDS or name.endswith("_init") or name == "init_tensor")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _constant(value: Any) -> Constant | Opaque:
    if isinstance(value, Tensor) and (value.has_init or value.device == "meta"):
        return Opaque(f"Tensor without values {id(value)}")
    array = as_array(value) if isinstance(value, Tensor) else value
    if array.dtype.hasobject:
        return Opaque(f"array {id(value)}")
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    values = _numbers(array) if array.size <= MAX_SHOWN else None
    return Constant(type(value).__name__, array.shape, str(value.dtype), digest, values)


def _numbers(array: Any) -> Any:
    """An array as nested tuples of the shortest numbers that it is equal to."""
    if array.ndim:
        return tuple(map(_numbers, array))
    return float(str(array)) if array.dtype.kind == "f" else array.item()

"""Tensors on the meta device: what they cannot do is refused, and what MindSpore forgot about them is supplied.

MindSpore 2.10.0, inside ``DeviceCtx("meta")``:

- Reading a value of a tensor without storage raises; of a view, such as ``t[0]``, it ends the process. So does
  ``t[0] = 1``. Both raise :class:`NoValues` here.
- Indexing a tensor that has storage ends the process. Here it gives a tensor without storage.
- Methods in their older spelling, such as ``x.mean(axis=1)`` and ``x.sum(-1, keepdims=True)``, give None, because they
  are dispatched by device and the meta device is not among them. Here MindSpore's own Python form of the method runs.
- ``ops.arange`` raises; ``mint.arange`` does not.

``tests/test_values.py`` has the idioms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from mindspore import Tensor, mint, ops
from mindspore.ops import tensor_method

from assembler.runtime.messages import NO_META_KERNEL


class NoValues(NotImplementedError):
    """Code reads or assigns the values of a tensor that has none."""

    def __init__(self, what: str):
        super().__init__(f"{NO_META_KERNEL}: {what} needs the values of a tensor")


_READERS = (
    *("__array__", "__bool__", "__complex__", "__contains__", "__float__", "__index__", "__int__"),
    *("asnumpy", "item", "numpy", "tolist"),
)
"""Methods that read values."""

_FORMS: dict[str, list[Callable[..., Any]]] = {}
"""The methods that MindSpore has in Python as well, by name."""

for _name in dir(tensor_method):
    for _prefix in ("deprecated_tensor_", "reduce_tensor_", "tensor_"):
        if _name.startswith(_prefix) and hasattr(Tensor, _name.removeprefix(_prefix)):
            _FORMS.setdefault(_name.removeprefix(_prefix), []).append(getattr(tensor_method, _name))
            break


def _extreme(form: Callable[..., Any]) -> Callable[..., Any]:
    """``max`` or ``min`` along an axis; MindSpore's own Python form looks at values, also where it need not."""

    def extreme(self: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        return form(self, axis, keepdims)

    return extreme


_FORMS["max"].insert(0, _extreme(ops.amax))
_FORMS["min"].insert(0, _extreme(ops.amin))

_SUPPLIED = tuple(
    name for name, forms in _FORMS.items() if any(one.__name__.startswith(("dep", "red")) for one in forms)
)
"""Methods with an older spelling."""


def _has_storage(tensor: Tensor) -> bool:
    return str(tensor.device) != "meta"


def _reader(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def read(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not _has_storage(self):
            raise NoValues(name)
        values = _ORIGINAL["asnumpy"](self)
        return values if name in ("asnumpy", "numpy") else getattr(values, name)(*args, **kwargs)

    return read


def _older_spelling(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """A method that runs MindSpore's Python form of it where the method itself gives None."""

    @wraps(original)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        output = original(self, *args, **kwargs)
        for form in _FORMS[name] if output is None else ():
            try:
                return form(self, *args, **kwargs)
            except TypeError:
                continue  # the form of another spelling
        return output

    return method


def _get_item(self: Tensor, index: Any) -> Tensor:
    without = mint.empty(self.shape, dtype=self.dtype) if _has_storage(self) else self
    return _ORIGINAL["__getitem__"](without, index)


def _iterate(self: Tensor) -> Iterator[Tensor]:
    return (_get_item(self, position) for position in range(len(self)))


def _set_item(self: Tensor, index: Any, value: Any) -> None:
    raise NoValues("assignment to an item")


def _move_to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    raise NoValues("move_to")


def _arange(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Tensor:
    return mint.arange(*((0, start) if end is None else (start, end)), step, dtype=dtype)


_ORIGINAL: dict[str, Any] = {
    name: getattr(Tensor, name)
    for name in (*_READERS, *_SUPPLIED, "__getitem__", "__iter__", "__setitem__", "move_to")
    if hasattr(Tensor, name)
}

_ON_META: dict[str, Any] = {
    **{name: _older_spelling(name, _ORIGINAL[name]) for name in _SUPPLIED},
    **{name: _reader(name, _ORIGINAL[name]) for name in _READERS if name in _ORIGINAL},
    **{"__getitem__": _get_item, "__iter__": _iterate, "__setitem__": _set_item, "move_to": _move_to},
}

_ARANGE = ops.arange


@contextmanager
def tensors_without_values(without: bool) -> Iterator[None]:
    """Let tensors behave as above or, inside of that, as MindSpore has them.

    Args:
        without: whether what runs inside is on the meta device.
    """
    before = {name: getattr(Tensor, name) for name in _ORIGINAL}, ops.arange
    _set(_ON_META if without else _ORIGINAL, _arange if without else _ARANGE)
    try:
        yield
    finally:
        _set(*before)


def _set(methods: dict[str, Any], arange: Callable[..., Tensor]) -> None:
    for name in _ORIGINAL:
        setattr(Tensor, name, methods[name])
    ops.arange = arange

"""Tensors on the meta device: what they cannot do is refused, and what MindSpore forgot about them is supplied.

MindSpore 2.10.0, inside ``DeviceCtx("meta")``:

- Reading a value of a tensor without storage raises; of a view, such as ``t[0]``, it ends the process. So do
  ``t[0] = 1``, and operators that take a view of one number for a number: ``x < t[0]``. Here, reading and assigning
  raise :class:`NoValues`, and items of one number are new tensors instead of views.
- A view of a tensor that has storage takes that storage away, or ends the process. Here, a tensor without storage
  replaces it: see :func:`without_storage`.
- Methods in their older spelling, such as ``x.mean(axis=1)`` and ``x.sum(-1, keepdims=True)``, give None, because they
  are dispatched by device and the meta device is not among them. Here MindSpore's own Python form of the method runs.
- ``ops.arange`` raises; ``mint.arange`` does not.

``tests/test_values.py`` has the idioms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import mindspore
from mindspore import Tensor, mint, ops
from mindspore.ops import tensor_method

from assembler.runtime.messages import NO_META_KERNEL

_on_meta: ContextVar[bool] = ContextVar("on_meta", default=False)


class NoValues(NotImplementedError):
    """Code reads or assigns the values of a tensor that has none."""

    def __init__(self, what: str):
        super().__init__(f"{NO_META_KERNEL}: {what} needs the values of a tensor")


@contextmanager
def on_meta() -> Iterator[None]:
    """Make tensors without storage inside."""
    with mindspore.DeviceCtx("meta"), _marked(True):
        yield


def is_on_meta() -> bool:
    """Whether tensors are made without storage now."""
    return _on_meta.get()


@contextmanager
def on_cpu() -> Iterator[None]:
    """Make tensors with storage inside, on the CPU, also where others are made without."""
    with mindspore.DeviceCtx("CPU"), _marked(False):
        yield


@contextmanager
def _marked(value: bool) -> Iterator[None]:
    token = _on_meta.set(value)
    try:
        yield
    finally:
        _on_meta.reset(token)


@contextmanager
def meta_tensors_supplied() -> Iterator[None]:
    """Replace the methods above inside; they do nothing new outside of :func:`on_meta`, nor in other threads."""
    before = {name: getattr(Tensor, name) for name in _METHODS}
    for name, replaced in _METHODS.items():
        setattr(Tensor, name, _only_on_meta(replaced, before[name]))
    arange, ops.arange = ops.arange, _only_on_meta(_arange, ops.arange)
    try:
        yield
    finally:
        ops.arange = arange
        for name, method in before.items():
            setattr(Tensor, name, method)


def _only_on_meta(replaced: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        return replaced(original, *args, **kwargs) if _on_meta.get() else original(*args, **kwargs)

    return method


def without_storage(value: Any) -> Any:
    """The same arguments of an operator, with a tensor of the meta device for each that has storage."""
    if isinstance(value, tuple | list):
        return type(value)(map(without_storage, value))
    return mint.empty(value.shape, dtype=value.dtype) if isinstance(value, Tensor) and _has_storage(value) else value


def _has_storage(tensor: Tensor) -> bool:
    return str(tensor.device) != "meta"


# ---- what is replaced: each takes the original method first


def _reader(name: str) -> Callable[..., Any]:
    def read(original: Callable[..., Any], self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not _has_storage(self):
            raise NoValues(name)
        with on_cpu():
            return original(self, *args, **kwargs)

    return read


def _older_spelling(forms: list[Callable[..., Any]]) -> Callable[..., Any]:
    def method(original: Callable[..., Any], self: Tensor, *args: Any, **kwargs: Any) -> Any:
        output = original(self, *args, **kwargs)
        for form in forms if output is None else ():
            try:
                return form(self, *args, **kwargs)
            except TypeError:
                continue  # the form of another spelling
        return output

    return method


def _get_item(original: Callable[..., Any], self: Tensor, index: Any) -> Tensor:
    items: Tensor = original(without_storage(self), index)
    return items if math.prod(items.shape) != 1 else mint.empty(items.shape, dtype=items.dtype)


def _iterate(original: Callable[..., Any], self: Tensor) -> Iterator[Tensor]:
    return (self[position] for position in range(len(self)))


def _set_item(original: Callable[..., Any], self: Tensor, index: Any, value: Any) -> None:
    raise NoValues("an assignment to items")


def _arange(
    original: Callable[..., Any], start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None
) -> Tensor:
    return mint.arange(*((0, start) if end is None else (start, end)), step, dtype=dtype)


def _extreme(form: Callable[..., Any]) -> Callable[..., Any]:
    """``max`` or ``min`` along an axis. MindSpore's own Python form looks at values, also where it need not."""

    def extreme(self: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        return form(self, axis, keepdims)

    return extreme


def _python_forms() -> dict[str, list[Callable[..., Any]]]:
    """Methods of Tensor that have an older spelling, by name, with MindSpore's Python functions of that name."""
    forms: dict[str, list[Callable[..., Any]]] = {"max": [_extreme(ops.amax)], "min": [_extreme(ops.amin)]}
    older = set(forms)
    for name in dir(tensor_method):
        for prefix in ("deprecated_tensor_", "reduce_tensor_", "tensor_"):
            method = name.removeprefix(prefix)
            if name.startswith(prefix) and hasattr(Tensor, method):
                forms.setdefault(method, []).append(getattr(tensor_method, name))
                older |= {method} if prefix != "tensor_" else set()
                break
    return {name: forms[name] for name in older}


_READERS = (
    *("__array__", "__bool__", "__complex__", "__contains__", "__float__", "__getstate__", "__index__", "__int__"),
    *("asnumpy", "get_bytes", "item", "move_to", "numpy", "tolist"),
)

_METHODS: dict[str, Callable[..., Any]] = {
    **{name: _older_spelling(forms) for name, forms in _python_forms().items()},
    **{name: _reader(name) for name in _READERS if hasattr(Tensor, name)},
    **{"__getitem__": _get_item, "__iter__": _iterate, "__setitem__": _set_item},
}

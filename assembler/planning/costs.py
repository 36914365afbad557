"""What a call costs: multiply-accumulates and memory, by the operators that it comes down to.

One MAC is one multiply and one add. Matrix products, convolutions and recurrent cells are counted, those inside
attention included; elementwise operators, biases, normalisation, pooling, look-ups and transforms such as FFT are not,
as in the tables that papers print. A cost is read from shapes alone, so it is the same on the meta device, on a real
one, and in a graph that was only compiled.

A Cell that computes more than it needs may count for itself, by a method ``count_macs``: it takes the shapes of the
Cell's inputs, and its result replaces what was counted inside. A mixture of experts counts the experts that a token
takes, although it runs them all.
"""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from mindspore import Tensor

from assembler.runtime.internals import OperatorWatch, wait_for_operators

Shape: TypeAlias = tuple[int, ...]

Rule: TypeAlias = Callable[[Sequence[Any], Shape], "int | None"]
"""An operator's arguments, with a shape for each tensor, and the shape of its first output → MACs; None if unknown."""


def _matmul(arguments: Sequence[Any], output: Shape) -> int | None:
    """(…, M, K) @ (…, K, N): as many as outputs, times K. Either side may be transposed, or a vector."""
    left, right = arguments[:2]
    if len(left) == 1 or len(right) == 1:
        return math.prod(output) * (left if len(left) == 1 else right)[0]
    return math.prod(output) * math.prod(left[-2:]) // output[-2]


def _added_matmul(arguments: Sequence[Any], output: Shape) -> int | None:
    return _matmul(arguments[1:], output)


def _summed_matmul(arguments: Sequence[Any], output: Shape) -> int | None:
    """Of a batch of products, the sum: (B, M, K) @ (B, K, N) → (M, N)."""
    return math.prod(arguments[1]) * output[-1]


def _dense(arguments: Sequence[Any], output: Shape) -> int | None:
    """(…, K) @ (N, K)ᵀ."""
    return math.prod(output) * arguments[0][-1]


def _dot(arguments: Sequence[Any], output: Shape) -> int | None:
    return math.prod(arguments[0])


def _convolution(arguments: Sequence[Any], output: Shape) -> int | None:
    """A weight (out, in / groups, *kernel): each output sums over all but its first axis."""
    return math.prod(output) * math.prod(arguments[1][1:])


def _depthwise_convolution(arguments: Sequence[Any], output: Shape) -> int | None:
    """A weight (multiplier, in, *kernel): each output sums over the kernel."""
    return math.prod(output) * math.prod(arguments[1][2:])


def _transposed_convolution(arguments: Sequence[Any], output: Shape) -> int | None:
    """A weight (in, out / groups, *kernel): each input is multiplied with all but its first axis."""
    return math.prod(arguments[0]) * math.prod(arguments[1][1:])


def _lstm(arguments: Sequence[Any], output: Shape) -> int | None:
    """x (T, B, in) and h (layers · directions, B, hidden): four gates, each in and hidden → hidden."""
    (steps, batch, size), (stacked, _, hidden) = arguments[:2]
    directions = output[-1] // hidden
    first = size + hidden
    other = (stacked // directions - 1) * (directions * hidden + hidden)
    return steps * batch * directions * 4 * hidden * (first + other)


def _einsum(arguments: Sequence[Any], output: Shape) -> int | None:
    """The equation and two operands: one for each combination of all indices."""
    equation, operands = arguments
    terms = re.sub(r"\s|->.*", "", str(equation)).split(",")
    if len(operands) != 2:
        return None
    sizes: dict[Any, int] = {}
    for term, shape in zip(terms, operands, strict=True):
        before, dots, after = term.partition("...")
        others = len(shape) - len(before) - len(after)  # the axes of the dots, which broadcast
        names = [*before, *(range(-others, 0) if dots else ()), *after]
        for name, size in zip(names, shape, strict=True):
            sizes[name] = max(size, sizes.get(name, 1))
    return math.prod(sizes.values())


def _attention(arguments: Sequence[Any], output: Shape) -> int | None:
    """Queries with all keys, and the scores with all values: each query number meets each key's position twice."""
    query, key = arguments[:2]
    return 2 * math.prod(query) * key[_LAYOUTS[arguments[-2]].index("S")]


_LAYOUTS = ("BSH", "BNSD", "SBH", "BSND")
"""The layouts of FlashAttentionScore, by the numbers that MindSpore gives them."""


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("MatMul", "MatMulExt", "BatchMatMul", "BatchMatMulExt", "Mm", "Mv"), _matmul),
    **dict.fromkeys(("Addmm", "Addmv", "Baddbmm"), _added_matmul),
    "Addbmm": _summed_matmul,
    "Dense": _dense,
    "Dot": _dot,
    **dict.fromkeys(
        ("Conv2D", "Conv3D", "Conv1DExt", "Conv2DExt", "Conv3DExt", "Conv1DPadding", "Conv2DPadding", "Conv3DPadding"),
        _convolution,
    ),
    "DepthwiseConv2dNative": _depthwise_convolution,
    **dict.fromkeys(
        ("Conv2DTranspose", "Conv2DBackpropInput", "Conv3DTranspose", "ConvTranspose2D"), _transposed_convolution
    ),
    "LSTM": _lstm,
    "Einsum": _einsum,
    "FlashAttentionScore": _attention,
}
"""The operators that multiply and add, by MindSpore's names for them."""

_PRODUCTS = re.compile(r"Mat[mM]ul|Conv(?!ert)|Attention|Einsum|LSTM|GRU|RNN|Gmm|InnerProduct")
"""Names of operators that ought to have a rule: one that has none is reported, not passed over."""

# fmt: off
SHARES = frozenset({
    "Reshape", "View", "Flatten", "ExpandDims", "Squeeze", "Transpose", "TransposeView", "TransposeExtView",
    "BroadcastTo", "BroadcastToView", "Split", "SplitTensor", "SplitWithSize", "Chunk", "ChunkView",
    "SelectExtView", "Slice", "SliceExt", "Narrow", "NarrowView", "Diagonal", "Identity", "Unstack",
    "UnstackExtView", "StridedSlice", "Load", "Depend", "TupleGetItem", "MakeTuple", "UpdateState", "Return",
})
# fmt: on
"""Operators whose output shares the memory of what goes in, or holds no tensor."""


def macs_of(name: str, arguments: Sequence[Any], output: Shape) -> int | None:
    """The MACs of one operator; None of one that multiplies and adds in a way that no rule describes."""
    rule = RULES.get(name)
    if rule is None:
        return None if _PRODUCTS.search(name) else 0
    try:
        return rule(arguments, output)
    except (LookupError, TypeError, ValueError):
        return None  # another version's operator, called with something else


def counts_itself(cell: object) -> bool:
    """Whether a Cell counts its own MACs."""
    return callable(getattr(type(cell), "count_macs", None))  # a Cell takes long to find that it has no attribute


def macs_by_itself(cell: Any, inputs: Sequence[Any]) -> int:
    """The MACs that a Cell counts for inputs, of which the tensors have shapes."""
    return int(cell.count_macs(*[tuple(one.shape) for one in inputs if hasattr(one, "shape")]))


@dataclass(slots=True)
class Meter:
    """What was counted during one call.

    Args:
        macs: multiply-accumulates.
        operators: how many operators ran.
        live: bytes of the tensors that operators made and that are still referred to.
        peak: the most that ``live`` has been.
        uncounted: operators that multiply and add, and that no rule describes.
    """

    macs: int = 0
    operators: int = 0
    live: int = 0
    peak: int = 0
    uncounted: set[str] = field(default_factory=set)

    def count(self, name: str, arguments: Sequence[Any], output: Shape) -> None:
        """Add the MACs of one operator."""
        macs = macs_of(name, arguments, output)
        if macs is None:
            self.uncounted.add(name)
        else:
            self.macs += macs

    def add(self, inside: Meter) -> None:
        """Add what was counted apart, during a call inside this one."""
        self.macs += inside.macs
        self.operators += inside.operators
        self.peak = max(self.peak, self.live + inside.peak)
        self.uncounted |= inside.uncounted

    def hold(self, size: int) -> None:
        """Add bytes to what is alive; negative ones to take them away."""
        self.live += size
        self.peak = max(self.peak, self.live)


class Handler(Protocol):
    """What a counter asks to run operators."""

    def run(
        self,
        name: str,
        arguments: Sequence[Any],
        function: Callable[..., Any],
        given: Sequence[Any],
        named: Mapping[str, Any],
    ) -> Any:
        """Run an operator; see ``OperatorWatch.run``."""


class Counter(OperatorWatch):
    """Sees every operator while it is entered, and notes it on the meter that is in use.

    A tensor is alive as long as Python refers to it, as in a forward pass in PyNative mode that keeps nothing for
    gradients. Kernels' working memory is not in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.meter: Meter | None = None
        self.handler: Handler | None = None
        self.held: dict[int, tuple[_Held, weakref.ref[Tensor]]] = {}

    @contextmanager
    def use(self, meter: Meter | None, handler: Handler | None = None) -> Iterator[None]:
        """Note what runs inside on this meter, or nowhere.

        Args:
            handler: what runs it; None to let MindSpore run it.
        """
        before, self.meter, self.handler = (self.meter, self.handler), meter, handler
        try:
            yield
        finally:
            self.meter, self.handler = before

    def run(
        self,
        name: str,
        arguments: Sequence[Any],
        function: Callable[..., Any],
        given: Sequence[Any],
        named: Mapping[str, Any],
    ) -> Any:
        """Run an operator as the handler does."""
        if self.handler is None:
            return function(*given, **named)
        return self.handler.run(name, arguments, function, given, named)

    def ran(self, name: str, arguments: Sequence[Any], output: Any) -> None:
        """Note what an operator cost."""
        meter = self.meter
        if meter is None:
            return
        meter.operators += 1
        tensors = [output] if isinstance(output, Tensor) else [one for one in _flat(output) if isinstance(one, Tensor)]
        if tensors and (name in RULES or _PRODUCTS.search(name)):
            meter.count(name, [_shape(argument) for argument in arguments], tuple(tensors[0].shape))
        base = next((self.held[id(one)][0] for one in _flat(arguments) if id(one) in self.held), None)
        for tensor in tensors:
            if id(tensor) not in self.held:  # an operator that works in place emits what it was given
                self._hold(tensor, meter, base, name in SHARES)

    def hold(self, tensors: Any) -> None:
        """Note tensors that no operator was seen to make."""
        for tensor in _flat(tensors):
            if self.meter is not None and isinstance(tensor, Tensor):
                self._hold(tensor, self.meter, None, False)

    def _hold(self, tensor: Tensor, meter: Meter, base: _Held | None, shares: bool) -> None:
        if shares and base is None:
            return  # the memory is a parameter's or the input's
        held = base if shares and base is not None else _Held(meter, math.prod(tensor.shape) * tensor.itemsize)
        held.users += 1
        if held.users == 1:
            if meter.live and meter.live + held.size > meter.peak:
                wait_for_operators()  # they let go of tensors in another thread: the peak must not depend on when
            meter.hold(held.size)
        key = id(tensor)

        def when_collected(_: object) -> None:  # a name that runtime/limits knows
            self._release(key)

        self.held[key] = held, weakref.ref(tensor, when_collected)

    def _release(self, key: int) -> None:
        held, _ = self.held.pop(key)
        held.users -= 1
        if not held.users:
            held.meter.hold(-held.size)


@dataclass(slots=True)
class _Held:
    """A stretch of memory, and how many tensors share it."""

    meter: Meter
    size: int
    users: int = 0


def _flat(values: Any) -> Iterator[Any]:
    for value in values if isinstance(values, tuple | list) else (values,):
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value


def _shape(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return tuple(argument.shape)
    if isinstance(argument, tuple | list):
        return tuple(map(_shape, argument))
    return argument

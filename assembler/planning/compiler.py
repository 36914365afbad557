"""What MindSpore's graph compiler knows of a Cell: shapes and operators, with neither kernels nor weights.

For layers that neither the meta device nor this machine can run. It takes a third of a second and more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mindspore import Tensor, nn

from assembler.planning.costs import SHARES, Meter
from assembler.planning.specs import Spec, Specs
from assembler.planning.tensors import map_values
from assembler.runtime import device, internals

_CONTROL = ("Switch", "SwitchLayer", "Partial")


class CannotTell(Exception):
    """What a Cell does cannot be found out without running it on values."""


def infer(cell: nn.Cell, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Specs, Meter]:
    """Compile a Cell as far as its shapes are known.

    Args:
        cell: made on the meta device. It is of no further use.
        inputs: what it is called with, a Spec for each tensor.
        named: the same for arguments by name.

    Returns:
        What it emits, and what it costs: memory as operators are run in order and a result is kept until its last use.

    Raises:
        Exception: whatever the compiler says.
        CannotTell: the graph has branches or loops, so that costs depend on values, or shapes do.
    """
    given, by_name = map_values(tuple(inputs), _tensor), map_values(dict(named), _tensor)
    with device.environment(internals.PRECOMPILE_ONLY, "1"), device.mode("graph"):
        graph = _Graph(internals.compiled_graph(cell, given, by_name))
    return graph.emitted(), graph.measured()


def _tensor(leaf: Any) -> Any:
    return Tensor(shape=leaf.shape, dtype=device.as_dtype(leaf.dtype)) if isinstance(leaf, Spec) else leaf


def _spec(kind: Any) -> Spec | None:
    if not kind.HasField("tensor_type"):
        return None
    shape = tuple(int(axis.size) for axis in kind.tensor_type.shape.dim)
    if min(shape, default=0) < 0:
        raise CannotTell("the compiler leaves an axis open: it depends on values")
    return Spec(shape, internals.dtype_in_graph(kind.tensor_type.elem_type))


class _Graph:
    """A compiled graph as the compiler writes it: https://www.mindspore.cn, mindspore/core/proto/anf_ir.proto."""

    def __init__(self, graph: Any):
        self.outputs = [output.name for output in graph.outputs]
        self.nodes = {node.name: node for node in graph.node}  # in the order in which they run
        self.kinds = {
            **{one.name: one.type for one in graph.parameters},
            **{name: node.output_type for name, node in self.nodes.items()},
        }
        if any(node.op_type in _CONTROL or node.op_type.startswith("call") for node in graph.node):
            raise CannotTell("the compiled graph has branches or loops")

    def spec(self, name: str) -> Spec | None:
        """The Spec of a tensor; None for other values, and for tuples, which lack shapes."""
        return _spec(self.kinds[name]) if name in self.kinds else None

    def inputs(self, name: str) -> list[str]:
        """The values that an operator is called with."""
        return [one.name for one in self.nodes[name].input]

    def shares(self, name: str) -> bool:
        """Whether a node makes no memory of its own. A tuple that an operator emits gets it where it is taken apart."""
        kind = self.nodes[name].op_type
        if kind == "TupleGetItem":
            source = self.nodes.get(self.inputs(name)[0])
            return source is None or source.op_type in SHARES
        return kind in SHARES

    def emitted(self) -> Specs:
        """What the graph emits."""
        emitted = tuple(map(self.follow, self.outputs))
        return emitted[0] if len(emitted) == 1 else emitted

    def follow(self, name: str) -> Specs:
        """The Specs of a value; a tuple is followed back to where it was put together."""
        kind = self.nodes[name].op_type if name in self.nodes else None
        if kind == "Depend":
            return self.follow(self.inputs(name)[0])
        if kind == "MakeTuple":
            return tuple(map(self.follow, self.inputs(name)))
        spec = self.spec(name)
        if spec is None:
            raise CannotTell("the compiler does not know the shape of every output")
        return spec

    def arguments(self, name: str) -> list[Any]:
        """What an operator is called with, a shape for each tensor, as ``costs.RULES`` take it."""
        said = [one.value.str_val for one in self.nodes[name].attribute if one.name == "equation"]
        return [*said, *map(self._argument, self.inputs(name))]

    def _argument(self, name: str) -> Any:
        if name in self.nodes and self.nodes[name].op_type == "MakeTuple":
            return tuple(map(self._argument, self.inputs(name)))
        spec = self.spec(name)
        return spec.shape if spec else None

    def measured(self) -> Meter:
        """What a call costs."""
        meter = Meter()
        last = self._last_uses()
        ends: dict[int, list[int]] = {}  # index of a node → bytes that are no longer needed after it
        for index, name in enumerate(self.nodes):
            if not self.shares(name):
                spec = self.spec(name)
                meter.operators += 1
                meter.count(self.nodes[name].op_type, self.arguments(name), spec.shape if spec else ())
                if spec:
                    meter.hold(spec.memory)
                    ends.setdefault(last.get(name, index), []).append(spec.memory)
            for memory in ends.pop(index, []):
                meter.hold(-memory)
        return meter

    def _last_uses(self) -> dict[str, int]:
        """Where each value is used for the last time, itself or what shares its memory."""
        end = len(self.nodes)
        last = dict.fromkeys(self.outputs, end)
        for index, name in reversed(list(enumerate(self.nodes))):
            for position, one in enumerate(self.inputs(name)):
                passed_on = self.shares(name) and (position == 0 or self.nodes[name].op_type == "MakeTuple")
                until = last.get(name, index) if passed_on else index
                last[one] = max(last.get(one, index), until)
        return last

"""Placeholders: Cells that are put where layers go inside a layer, and plan them when they are called.

``Residual(Dense(_, 8))`` becomes ``Residual(Placeholder(Dense(_, 8)))``. Placeholders are ordinary Cells, so a
container may keep, count, index, copy and call them as it would the layers themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from mindspore import nn

from assembler.binding.structure import Step, Steps
from assembler.errors import RecipeError, ShapeMismatch
from assembler.planning.specs import print_specs
from assembler.planning.tensors import recorded, specs_among


class Planner(Protocol):
    """What placeholders ask for the layers that they are put for. Both give tensors, as the layers would."""

    def call_layer(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        """Plan one layer."""

    def call_chain(self, steps: Steps, path: str, input: Any) -> Any:
        """Plan a chain of layers."""


class Placeholder(nn.Cell):
    """Put where one layer goes inside another.

    Args:
        owner: the step of the layer around it.
        path: its name in the model; None until the layer around it is made.
    """

    def __init__(self, planner: Planner, step: Step, owner: Step, path: str | None = None):
        super().__init__()
        self.planner = planner
        self.step = step
        self.owner = owner
        self.path = path

    def __deepcopy__(self, memo: dict[int, Any]) -> Placeholder:
        return Placeholder(self.planner, self.step, self.owner)  # containers copy layers to repeat them

    def construct(self, *inputs: Any, **named: Any) -> Any:
        """Plan the layer for these inputs, and emit what it would."""
        return self.planner.call_layer(self.step, _path_of(self), specs_among(inputs), specs_among(named))


class ChainPlaceholder(nn.SequentialCell):
    """Put where a chain goes inside a layer. Its items are a placeholder for each layer of the chain."""

    def __init__(self, planner: Planner, steps: Steps, owner: Step):
        super().__init__([])
        self.planner = planner
        self.steps = steps
        self.owner = owner
        self.path: str | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> ChainPlaceholder:
        return ChainPlaceholder(self.planner, self.steps, self.owner)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return True  # a SequentialCell without Cells of its own would be passed over by cells_and_names

    def __getitem__(self, index: int) -> Placeholder:
        index = range(len(self.steps))[index]
        path = None if self.path is None else f"{self.path}.{self.steps.names[index]}"
        return Placeholder(self.planner, self.steps[index], self.owner, path)

    def __iter__(self) -> Iterator[Placeholder]:
        return (self[index] for index in range(len(self)))

    def construct(self, input_data: Any, *more: Any) -> Any:
        """Plan the chain for this input, and emit what its last layer would."""
        if more:
            passed = ", ".join(print_specs(recorded(one)) for one in specs_among((input_data, *more)))
            message = f"{self.owner} passes {1 + len(more)} inputs to its layers: {passed}"
            raise ShapeMismatch(f"{message}. A chain takes one: write a block with a graph", self.owner.layer.place)
        return self.planner.call_chain(self.steps, _path_of(self), specs_among(input_data))


def placeholder(planner: Planner, owner: Step, steps: Steps) -> nn.Cell:
    """The placeholder for a chain that is an argument of ``owner``."""
    return Placeholder(planner, steps[0], owner) if len(steps) == 1 else ChainPlaceholder(planner, steps, owner)


def name_placeholders(cell: nn.Cell, path: str) -> dict[Step, str]:
    """Give every placeholder in a Cell its name in the model, which the names of its parameters will begin with.

    Args:
        path: the Cell's own name.

    Returns:
        The path of each layer that there is a placeholder for.
    """
    slots: dict[Step, str] = {}
    for name, inner in cell.cells_and_names(name_prefix=path):
        if isinstance(inner, Placeholder):
            inner.path = name
            slots[inner.step] = name
        elif isinstance(inner, ChainPlaceholder):
            inner.path = name
            slots.update((step, f"{name}.{own}") for own, step in zip(inner.steps.names, inner.steps, strict=True))
    return slots


def _path_of(cell: Placeholder | ChainPlaceholder) -> str:
    if cell.path is None:
        raise RecipeError(
            f"{cell.owner} keeps a layer where MindSpore does not find it, such as a plain list: it would not be "
            "trained or saved. Its class should keep it as an attribute or in an nn.CellList",
            cell.owner.layer.place,
        )
    return cell.path

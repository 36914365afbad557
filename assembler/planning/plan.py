"""What a plan is: shapes, rows and sums, as frozen data. ``assembler.planning.planner`` makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assembler.binding.structure import Steps, walk
from assembler.errors import NOWHERE, Place
from assembler.language.recipe import print_value
from assembler.planning.specs import Specs, itemsize, memory_of, print_specs
from assembler.settings import By, Dtype
from assembler.settings.metrics import plan_metrics
from assembler.words import print_bytes

if TYPE_CHECKING:
    from assembler.planning.tables import PlanTable


@dataclass(frozen=True, slots=True)
class Rule:
    """What a recipe says of the first values of the parameters that a pattern fits.

    Args:
        pattern: see ``assembler.model.parameters``.
        said: as it would be written: an initializer as text, a number, or a mapping of stored values.
        values: makes an array of a shape; of a random rule, from NumPy's global generator.
        shape: the only one that it can make; None if it can make any.
        is_complex: whether the values have imaginary parts.
        place: where the rule stands.
    """

    pattern: str
    said: Any
    values: Callable[[tuple[int, ...]], Any] = field(compare=False, repr=False)
    shape: tuple[int, ...] | None = None
    is_complex: bool = False
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.pattern}: {self.value}"

    @property
    def value(self) -> str:
        """What is said, short."""
        if isinstance(self.said, Mapping):
            return ":".join(str(self.said[key]) for key in ("file", "name") if self.said.get(key)) or "values"
        return self.said if isinstance(self.said, str) else print_value(self.said)


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter of a layer.

    Args:
        name: within the layer: ``weight``, or ``query.weight`` of a Dense in it.
        owner: the class of the Cell that holds it, such as ``Dense``.
        shape, dtype: of its values.
        requires_grad: whether the layer lets training change it; not so the statistics of BatchNorm.
        frozen: whether the recipe forbids that.
        rule: what the recipe says of its first values; None if they are the layer's own.
    """

    name: str
    owner: str
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool = True
    frozen: bool = False
    rule: Rule | None = None

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def memory(self) -> int:
        """Bytes."""
        return self.size * itemsize(self.dtype)

    @property
    def kind(self) -> str:
        """``trainable``, ``frozen`` or ``other``."""
        return "other" if not self.requires_grad else "frozen" if self.frozen else "trainable"


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of a plan. What layers inside it have and cost is in rows of their own.

    Args:
        path: the layer's name in the model, as in its parameters' names: ``0``, ``3.inner.0``; of a shared part and
            what is inside it, ``tokens``, ``pair.0``.
        layer: the layer's name in the registry.
        arguments: as written, with ``_`` filled in.
        input: shape and dtype of what reaches it.
        output: shape and dtype of what it emits.
        weights: its parameters.
        macs: multiply-accumulates of one forward pass; see ``assembler.planning.costs``.
        on_zeros: whether it was run on zeros, because the meta device cannot run it. If what it does depends on values,
            it may do something else.
        place: where the layer is in the recipe.
    """

    path: str
    layer: str
    arguments: str
    input: Specs
    output: Specs
    weights: tuple[Weight, ...] = ()
    macs: int = 0
    on_zeros: bool = False
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def count(self, kind: str) -> int:
        """Parameters of a kind, as in :attr:`Weight.kind`."""
        return sum(weight.size for weight in self.weights if weight.kind == kind)

    @property
    def trainable(self) -> int:
        """Parameters that training changes."""
        return self.count("trainable")

    @property
    def frozen(self) -> int:
        """Parameters that training would change if the recipe did not freeze them."""
        return self.count("frozen")

    @property
    def other(self) -> int:
        """Parameters that training does not change, such as the statistics of BatchNorm."""
        return self.count("other")

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(weight.size for weight in self.weights)

    @property
    def parameter_memory(self) -> int:
        """Bytes of all parameters."""
        return sum(weight.memory for weight in self.weights)

    def full_name(self, weight: Weight) -> str:
        """A parameter's name in the model: ``3.inner.0.weight``."""
        return f"{self.path}.{weight.name}" if self.path else weight.name

    @property
    def memory(self) -> int:
        """Bytes of what it emits."""
        return memory_of(self.output)

    def __str__(self) -> str:
        layer = f"{self.layer}({self.arguments})" if self.arguments else self.layer
        return f"#{self.path} {layer}" if self.path else layer


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A model before it costs anything.

    Args:
        steps: what to build, with every argument known; none of a Cell that was made by hand.
        rows: one a layer, in reading order; none if no input shape was given.
        input: shape and dtype of what goes in, if given.
        output: shape and dtype of what the model emits; None if no input shape was given.
        dtype: of the floating-point parameters.
        activations: an estimate of the bytes of tensors alive at once in a forward pass in PyNative mode that keeps
            nothing for gradients: the input, and what operators emit until its last use. The working memory of kernels
            is not in it, nor what an allocator sets aside.
        uncounted: operators that multiply and add, but not in a way that MACs are counted of.
        rules: what the recipe says of first values, in order.
        containers: of a Cell that was made by hand, the Cells in it that only call others or hold them. They are not
            layers, and have no parameters and no MACs of their own.
    """

    steps: Steps
    rows: tuple[Row, ...]
    input: Specs | None
    output: Specs | None
    dtype: Dtype
    activations: int = 0
    uncounted: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    containers: tuple[Row, ...] = ()

    def weights(self) -> Iterator[tuple[str, Row, Weight]]:
        """Every parameter: its name in the model, its layer, and what is known of it."""
        for row in self.rows:
            for weight in row.weights:
                yield row.full_name(weight), row, weight

    def innermost(self, rows: Collection[Row]) -> list[Row]:
        """Of some rows, those of layers that have no layer of the others inside them."""
        among = {row.path for row in rows}
        steps = {step.path: step for step in walk(self.steps) if step.path in among}
        inside = {path: {inner.path for inner in walk(Steps((step,)))} - {path} for path, step in steps.items()}
        return [row for row in rows if not inside.get(row.path, set()) & among]

    @property
    def trainable(self) -> int:
        """Parameters that training changes."""
        return sum(row.trainable for row in self.rows)

    @property
    def frozen(self) -> int:
        """Parameters that training would change if the recipe did not freeze them."""
        return sum(row.frozen for row in self.rows)

    @property
    def other(self) -> int:
        """Parameters that training does not change."""
        return sum(row.other for row in self.rows)

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def parameter_memory(self) -> int:
        """Bytes of all parameters."""
        return sum(row.parameter_memory for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass: one is one multiply and one add."""
        return sum(row.macs for row in self.rows)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """In a notebook, the table and the diagram."""
        return {"text/html": "".join([self._repr_html_(), *(show(self) for show in below_the_table)])}

    def metrics(self) -> dict[str, int]:
        """The metrics of a plan by their keys: ``{"layers": 3, …, "macs": 1200, …}``."""
        return {metric.key: metric.of_plan(self) for metric in plan_metrics() if metric.of_plan is not None}

    def show(self, by: By = "auto", depth: int | None = None) -> PlanTable:
        """A table: ``print(planned.show("layers"))``; at the end of a notebook's cell it shows by itself.

        Args:
            by: ``blocks``: blocks with their sums, and equal neighbours as one row. ``layers``: every layer. ``auto``:
                ``blocks`` of more than 40 layers.
            depth: how many levels of blocks are opened; by default, as many as fit one screen.
        """
        from assembler.planning.tables import PlanTable

        return PlanTable(self, by, depth)

    def __str__(self) -> str:
        return str(self.show())

    def _repr_html_(self) -> str:
        """A table, in a notebook."""
        return self.show()._repr_html_()

    def __repr__(self) -> str:
        return f"<Plan {self.summary()}>"

    def summary(self) -> str:
        """The shapes and sums in one line."""
        layers = "1 layer" if len(self.rows) == 1 else f"{len(self.rows):,} layers"
        if self.input is None or self.output is None:
            return layers
        return (
            f"{print_specs(self.input)} → {print_specs(self.output)}: {layers}, {self.parameters:,} parameters "
            f"({print_bytes(self.parameter_memory)}), {self.macs:,} MACs, "
            f"{print_bytes(self.activations)} of activations"
        )


below_the_table: list[Callable[[Plan], str]] = []
"""What notebooks show below the table of a plan, as HTML. Views, which are on a higher floor, are added by ``api``."""

"""The functions for use from Python: ``plan`` and ``assemble``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mindspore import nn

from assembler import pipeline
from assembler.errors import AssemblerError, SettingsError, raise_all
from assembler.language.yaml_form import parse_stack
from assembler.model.build import build
from assembler.model.inputs import input_spec
from assembler.pipeline import OF_INPUT, bind_recipe, unmet
from assembler.planning.existing_cell import plan_cell
from assembler.planning.plan import Plan, below_the_table
from assembler.planning.planner import plan_stack
from assembler.planning.specs import Spec, Specs
from assembler.reading.interpolation import filled
from assembler.reading.places import Sources
from assembler.reading.recipe_files import merged_recipe, recipe_files
from assembler.reading.recipe_paths import recipes
from assembler.registry.names import find_recipe, is_name
from assembler.registry.registry import LAYERS, Registry
from assembler.runtime import device, memory
from assembler.settings import Dtype, Input
from assembler.validation import Model, read
from assembler.words import suggestion

if TYPE_CHECKING:
    Stack: TypeAlias = str | Sequence[Any]
    Recipe: TypeAlias = Stack | Mapping[str, Any] | Path | nn.Cell | Callable[[], nn.Cell]


class _Given(Model):
    """The plain arguments of the functions."""

    dtype: Dtype


def plan(
    recipe: Recipe,
    *,
    input: Any = None,
    params: Mapping[str, Any] | None = None,
    registry: Registry = LAYERS,
    dtype: Dtype = "float32",
) -> Plan:
    """Infer every argument, shape, parameter count and cost of a model, without weights.

    Args:
        recipe: a stack as string or list; a recipe by its name, ``"resnet50"``, as a mapping or as the path of its
            file, whose ``expect`` is asserted; or a Cell class, a function without arguments that returns a Cell, or a
            Cell. Names are those of ``recipes()``.
        input: the input's shape, such as ``(4, 8)``, or a mapping as in a recipe, such as ``{"shape": [4, 8],
            "dtype": "int32"}``. It replaces the recipe's input, and drops ``expect`` of ``macs`` and ``output``.
            For a Cell with several inputs, a list of these.
        params: values for parameters of the recipe, such as ``{"classes": 10}``; ``expect`` is dropped.
        registry: where layers are looked up.
        dtype: of the floating-point parameters, and of the input unless it has a dtype of its own.

    Returns:
        One row per layer in ``rows``, and the totals: ``trainable``, ``other``, ``parameter_memory``, ``macs``,
        ``activations``, ``output``.

    Raises:
        AssemblerError: all errors in the recipe; or a metric differs from what it expects.

    >>> found = plan("Conv2d(_, 64, 3) + BatchNorm2d(_) + ReLU + Flatten + Dense(_, 10)", input=(1, 3, 32, 32))
    >>> found.rows[4].arguments, found.trainable, found.macs
    ('65536, 10', 657226, 2424832)
    """
    dtype = read(_Given, {"dtype": dtype}).dtype
    if isinstance(recipe, nn.Cell) or callable(recipe):
        _refuse_params(params, "a Cell")
        return plan_cell(recipe, _specs(input, dtype), dtype)
    recipe = _by_name(recipe, registry, "plan")
    if isinstance(recipe, Path | Mapping):
        return _plan_written(recipe, input, params, registry, dtype)
    _refuse_params(params, "a stack")
    return plan_stack(parse_stack(recipe), registry, _spec(input, dtype, "input"), dtype)


def _by_name(recipe: Stack | Mapping[str, Any] | Path, registry: Registry, function: str) -> Any:
    """The file of a recipe's name; everything else as it is."""
    if not isinstance(recipe, str):
        return recipe
    if recipe.endswith((".yaml", ".yml")):
        raise SettingsError(f"a recipe file must be given as a path: {function}(pathlib.Path({recipe!r}))")
    return (find_recipe(recipe, recipes(), registry) if is_name(recipe) else None) or recipe


def _refuse_params(params: Mapping[str, Any] | None, what: str) -> None:
    if params:
        raise SettingsError(f"'params' applies to recipes; {what} has no parameters")


def _plan_written(
    recipe: Path | Mapping[str, Any],
    input: Any,
    params: Mapping[str, Any] | None,
    registry: Registry,
    dtype: Dtype,
) -> Plan:
    """The plan of a recipe in a file, or of one as a mapping."""
    if input is not None:
        _ = _spec(input, dtype, "input")  # an error in it is not in the recipe
    sources = Sources(recipe_files(recipe)) if isinstance(recipe, Path) else Sources(given={"recipe": recipe})
    try:
        data = merged_recipe(recipe) if isinstance(recipe, Path) else recipe
        data = _with_params(_with_input(data, input), params)
        return _plan_recipe(filled(data) if isinstance(recipe, Path) else data, registry, dtype)
    except AssemblerError as error:
        raise sources.tell(error) from error.__cause__


def _with_input(data: Mapping[Any, Any], input: Any) -> dict[Any, Any]:
    """A recipe with another input, and without what it expects of sizes that follow from it."""
    if input is None:
        return dict(data)
    found = {**data, "input": input if isinstance(input, Mapping) else {"shape": input}}
    if isinstance(expect := data.get("expect"), Mapping):
        found["expect"] = {name: value for name, value in expect.items() if name not in OF_INPUT}
    return found


def _with_params(data: dict[Any, Any], params: Mapping[str, Any] | None) -> dict[Any, Any]:
    """A recipe with other values of its parameters, and without what it expects of its sizes.

    Raises:
        SettingsError: it has no such parameter.
    """
    if not params:
        return data
    own = data.get("params") or {}
    for name in params:
        if name not in own:
            has = suggestion(str(name), own) or (f" It has: {', '.join(own)}." if own else "")
            raise SettingsError(f"the recipe has no parameter {name!r}.{has}")
    return {**data, "params": {**own, **params}, "expect": {}}


def _without_own_checks(data: Any) -> Any:
    """A recipe without checks of projects, ``my_project.checks.small``: none runs here, so none has to be trusted."""
    checks = data.get("checks") if isinstance(data, Mapping) else None
    if not isinstance(checks, Mapping):
        return data
    return {**data, "checks": {name: said for name, said in checks.items() if "." not in str(name)}}


def _plan_recipe(data: Any, registry: Registry, dtype: Dtype) -> Plan:
    data = _without_own_checks(data)
    planned, outcomes = pipeline.plan(bind_recipe(data, lambda: registry), dtype)
    raise_all(unmet(outcomes))
    return planned


def _spec(input: Any, dtype: Dtype, key: str) -> Spec:
    if input is None:
        raise SettingsError("'input' is missing; give the input's shape, such as input=(4, 8)")
    return input_spec(read(Input, input if isinstance(input, Mapping) else {"shape": input}, key), dtype, key)


def _specs(input: Any, dtype: Dtype) -> Specs:
    if isinstance(input, Sequence) and input and isinstance(input[0], Sequence | Mapping):
        return tuple(_spec(one, dtype, f"input[{index}]") for index, one in enumerate(input))
    return _spec(input, dtype, "input")


def assemble(
    recipe: Stack | Mapping[str, Any] | Path,
    *,
    input: Any = None,
    params: Mapping[str, Any] | None = None,
    registry: Registry = LAYERS,
    dtype: Dtype = "float32",
    guard: bool = True,
) -> nn.Cell:
    """Assemble a network.

    Device, mode and seed are not changed: the caller sets them.

    Args:
        recipe: a stack as string, ``"Dense(8, 128) + Centered"``, or as a list; or a recipe by its name, as a mapping
            or as the path of its file, whose ``init`` and ``freeze`` are applied. Names are those of ``recipes()``.
        input: the input's shape, such as ``(4, 8)``, or a mapping as in a recipe. Required for ``_`` in a stack; with
            it, shapes that do not fit are refused before anything is built. It replaces the recipe's input.
        params: values for parameters of the recipe, such as ``{"classes": 10}``; ``expect`` is dropped.
        registry: where layers are looked up.
        dtype: of the floating-point parameters and of the input.
        guard: refuse a model whose plan needs more memory than is available. This requires an input.

    Returns:
        An ``nn.SequentialCell``, set to inference, with one Cell per layer; for a graph, a Cell that runs it.

    Raises:
        AssemblerError: all errors in the recipe.

    >>> net = assemble("Dense(8, 128) + Centered")
    >>> [parameter.name for parameter in net.get_parameters()]
    ['0.weight', '0.bias']
    """
    dtype = read(_Given, {"dtype": dtype}).dtype
    recipe = _by_name(recipe, registry, "assemble")
    if isinstance(recipe, Path | Mapping):
        planned = _plan_written(recipe, input, params, registry, dtype)
    else:
        _refuse_params(params, "a stack")
        spec = None if input is None else _spec(input, dtype, "input")
        planned = plan_stack(parse_stack(recipe), registry, spec, dtype)
    if guard and planned.input is not None:
        memory.require_memory(planned.parameter_memory, planned.activations, device.in_use(), otherwise="guard=False")
    return build(planned)


def _drawn(planned: Plan) -> str:
    """The diagram of a plan for a notebook: a page in a frame that can neither reach the notebook nor the network."""
    from html import escape

    from assembler.views import diagram
    from assembler.views.page import diagram_page

    page = diagram_page("diagram", diagram.picture(diagram.diagram(planned)).data())
    style = "width: 100%; height: 40em; border: 0"
    return f'<iframe title="Diagram" sandbox="allow-scripts" style="{style}" srcdoc="{escape(page)}"></iframe>'


below_the_table.append(_drawn)

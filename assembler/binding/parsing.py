"""Settings of a recipe → recipe as written: its layers and what its names mean."""

from __future__ import annotations

from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, noted, raise_all
from assembler.language.names import require_ascii
from assembler.language.recipe import Block, Definitions, Stack
from assembler.language.yaml_form import parse_block, parse_graph, parse_part, parse_stack, parse_value, require_name
from assembler.registry.registry import Registry
from assembler.settings import RecipeSettings
from assembler.yolo import read_network


def parse_layers(recipe: RecipeSettings, *, registry: Registry | None = None) -> Stack:
    """Read the layers of a recipe: its stack, its graph, or its network file.

    Args:
        registry: where modules of a network file are found that are in neither MindYOLO nor Ultralytics; by default
            ``LAYERS``.

    Raises:
        GrammarError, SettingsError, UnknownLayer, Mistakes: all that cannot be read.
    """
    if recipe.file is not None:
        return _network(recipe, recipe.file, registry)
    if recipe.graph is not None:
        return parse_graph(recipe.graph, "recipe.graph", list(recipe.all_inputs), recipe.outputs)
    return parse_stack(recipe.stack, "recipe.stack")


def parse_definitions(recipe: RecipeSettings) -> Definitions:
    """Read what the names of a recipe mean: its parameters, blocks and shared parts.

    Raises:
        GrammarError, Mistakes: all that cannot be read.
    """
    mistakes: list[AssemblerError] = []
    params: dict[str, Any] = {}
    for name, value in recipe.params.items():
        with noted(mistakes):
            params[require_name(name, f"recipe.params.{name}")] = parse_value(value, f"recipe.params.{name}")
    blocks: dict[str, Block] = {}
    for header, body in recipe.blocks.items():
        with noted(mistakes):
            block = parse_block(header, body, f"recipe.blocks.{header.partition('(')[0].strip()}")
            if block.name in blocks:
                raise GrammarError(f"there are two blocks named {block.name}", block.place)
            blocks[block.name] = block
    shared: dict[str, Stack] = {}
    for name, body in recipe.shared.items():
        with noted(mistakes):
            place = Place(key=f"recipe.shared.{name}")
            require_ascii(require_name(name, place.key), place)
            shared[name] = parse_part(body, place.key)
    raise_all(mistakes)
    return Definitions(params, blocks, shared)


def _network(recipe: RecipeSettings, file: str, registry: Registry | None) -> Stack:
    if file == "???" or "${" in file:
        said = "recipe.file has no value yet; give it one, such as recipe.file=yolov8n.yaml"
        raise SettingsError(said, Place(key="recipe.file"))
    given: Any = {"scale": recipe.scale, "classes": recipe.classes}
    return read_network(file, channels=_channels(recipe), registry=registry, **given)


def _channels(recipe: RecipeSettings) -> int:
    """The channels of the images that a network file is for."""
    shape = recipe.input.shape if recipe.input is not None else None
    if shape is None or len(shape) != 4:
        message = "a network file is for images: the input needs a shape (N, C, H, W), such as [1, 3, 640, 640]"
        raise GrammarError(message, Place(key="recipe.input"))
    return shape[1]

"""An example recipe for a layer or a block, found by planning candidates."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import islice, product
from typing import Any

from assembler.errors import AssemblerError
from assembler.language.recipe import INFER, Block
from assembler.registry.entries import Entry
from assembler.registry.registry import Registry

_INPUTS: tuple[dict[str, Any], ...] = (
    {"shape": [4, 8]},
    {"shape": [2, 4, 8, 8]},
    {"shape": [2, 5, 8]},
    {"shape": [2, 4, 8, 8, 8]},
    {"shape": [2, 6], "sample": "integers", "high": 10},
    {"shape": [8]},
)
"""Rows, images, tokens, volumes, numbers of tokens, one row."""

_SEVERAL_INPUTS: tuple[dict[str, Any], ...] = ({"shape": [4, 8]}, {"shape": [2, 5, 8]}, {"shape": [8, 8]})
"""Shapes of each input of a layer with several inputs."""

_INDEXED: dict[str, dict[str, Any]] = {
    "one": {"shape": [4, 8]},
    "other": {"shape": [2], "sample": "integers", "high": 4},
}
"""Inputs of a layer that takes numbers and integers."""

_VALUES: dict[str, tuple[str, ...]] = {
    "axis": ("1", "-1"),
    "by": ("0.5",),
    "dim": ("1",),
    "dims": ("(1, 2)",),
    "factor": ("2",),
    "k": ("2",),
    "split_size_or_sections": ("4",),
    "keep_prob": ("0.9",),
    "p": ("0.1",),
    "vocab_size": ("10",),
    "index": ("0",),
    "norm_type": ("2",),
    "num_layers": ("1",),
    "heads": ("2",),
    "num_heads": ("2",),
    "nhead": ("2",),
    "d_model": ("8",),
    "hidden_size": ("8",),
    "input_size": ("8",),
    "embed_dim": ("8",),
    "out_channels": ("8",),
    "num_groups": ("2",),
    "groups": ("2",),
    "kernel_size": ("2",),
    "kernel": ("2",),
    "patch": ("2",),
    "upscale_factor": ("2",),
    "downscale_factor": ("2",),
    "output_size": ("2", "(2, 2)", "(2, 2, 2)"),
    "unflattened_size": ("(2, 4)", "(2, 2)"),
    "central_fraction": ("0.5",),
    "threshold": ("0.1",),
    "value": ("0.0",),
    "shift": ("1",),
    "padding": ("1", "(1, 1)", "(1, 1, 1, 1)", "(1, 1, 1, 1, 1, 1)"),
    "paddings": ("((0, 0), (1, 1))",),
    "encoder_layer": ("TransformerEncoderLayer(8, 2)",),
    "decoder_layer": ("TransformerDecoderLayer(8, 2)",),
    "embedding": ("Embedding(10, 8)",),
    "inner": ("ReLU",),
    "time_axis": ("1",),
    "ksizes": ("[1, 2, 2, 1]",),
    "strides": ("[1, 1, 1, 1]",),
    "rates": ("[1, 1, 1, 1]",),
}
"""Values to try for required arguments; any other argument is a layer, or a size."""
_NEEDED = {
    "Clamp": ("min=0", "max=6"),
    "FractionalMaxPool2d": ("output_size=(3, 3)",),
    "FractionalMaxPool3d": ("output_size=(3, 3, 3)",),
    "Transformer": ("d_model=8", "nhead=2", "num_encoder_layers=1", "num_decoder_layers=1", "dim_feedforward=16"),
    "Upsample": ("size=(4, 4)",),
}
"""Arguments that a layer needs, or is too large without, although its signature does not require them."""
_OTHERS = ("8", "ReLU", "2", "1")
_SEVERAL = ("Dense(8, 8), Identity", "0, 2, 3, 1", "ReLU", "2, 4")
"""For `*arguments`."""

_MOST = 60
"""Limit of the candidates to try."""


def example(entry: Entry, registry: Registry) -> tuple[dict[str, Any], str] | str:
    """A valid recipe with the layer, and its plan in one line; or why none was found."""
    return _first(_recipes(_texts(entry, registry.name_of(entry))), registry)


def example_of_block(block: Block, blocks: Mapping[str, Any], registry: Registry) -> tuple[dict[str, Any], str] | str:
    """A valid recipe with a block, as ``example``.

    Args:
        blocks: the blocks of its file: header → body.
    """
    required = [word for word, default in block.defaults.items() if default is ...]
    values = product(*(_VALUES.get(word, _OTHERS) for word in required))
    texts = (f"{block.name}({', '.join(chosen)})" if chosen else block.name for chosen in values)
    return _first(({"blocks": blocks, **recipe} for recipe in _recipes(texts)), registry)


def _first(candidates: Iterable[dict[str, Any]], registry: Registry) -> tuple[dict[str, Any], str] | str:
    """The first recipe that can be planned, and its plan in one line; or why the first cannot."""
    from assembler.api import plan

    why = ""
    for recipe in islice(candidates, _MOST):
        try:
            return recipe, plan(recipe, registry=registry).summary()
        except AssemblerError as error:
            why = why or error.message
    return why


def _recipes(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Candidates for ways to write a layer, the most likely first."""
    for text in texts:
        for said in _INPUTS:
            yield {"input": said, "stack": text}
        for names, said in product((("one", "other"), ("one", "two", "three")), _SEVERAL_INPUTS):
            graph = {"joined": f"{text} @ ({', '.join(names)})"}
            yield {"inputs": {name: deepcopy(said) for name in names}, "graph": graph}
        yield {"inputs": deepcopy(_INDEXED), "graph": {"joined": f"{text} @ (one, other)"}}


def _texts(entry: Entry, name: str) -> Iterator[str]:
    """Ways to write the layer: ``_`` for arguments that can be inferred, and values for the others.

    Args:
        name: its name in the registry.
    """
    choices: list[list[str]] = []
    for word, one in entry.parameters.items():
        required = one.default is inspect.Parameter.empty and word not in entry.defaults
        if one.kind is one.VAR_POSITIONAL:
            choices.append(list(_SEVERAL))
        elif one.kind is one.VAR_KEYWORD or not required or entry.defaults.get(word) is INFER:
            continue
        elif word in entry.infer:
            choices.append(["_"])
        else:
            written = _VALUES.get(word, _OTHERS)
            choices.append([f"{word}={value}" if one.kind is one.KEYWORD_ONLY else value for value in written])
    choices += [[needed] for needed in _NEEDED.get(entry.name, ())]
    for values in product(*choices):
        yield f"{name}({', '.join(values)})" if values else name

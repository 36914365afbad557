"""What a layer, a block or a check is, for completion, hover and signature help."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress

from assembler.analysis.document import Declared
from assembler.errors import AssemblerError
from assembler.language.recipe import print_value
from assembler.registry.entries import PYTHON, Entry, input_name


def arguments_of(entry: Entry) -> Mapping[str, str]:
    """The arguments of a layer, each with its default as text; empty for a required one."""
    with suppress(AssemblerError):
        return {
            name: "" if one.default is one.empty and name not in entry.defaults
            else print_value(entry.defaults.get(name, one.default))
            for name, one in entry.parameters.items()
        }  # fmt: skip
    return {}


def signature_of(entry: Entry) -> str:
    """``Dense(in_channels, out_channels, has_bias=True)``; the name alone if its class cannot be imported."""
    with suppress(AssemblerError):
        return entry.describe()
    return entry.name


def is_imported(entry: Entry) -> bool:
    """Whether a layer's documentation can be read at once."""
    return entry.registered is not None or entry.target.rpartition(".")[0] in sys.modules


def origin_of(entry: Entry) -> str:
    """``mindspore.nn.Dense``, or that it was registered in Python."""
    return f"{entry.target}, registered in Python" if entry.registered or entry.scope == PYTHON else entry.target


def inferred(entry: Entry) -> list[str]:
    """``in_channels may be _: axis -1 of the input``, for each argument that may be inferred."""
    rules = ((name, *entry.source(name)) for name in entry.infer)
    return [f"`{name}` may be `_`: axis {print_value(axis)} of {input_name(number)}" for name, number, axis in rules]


def block_arguments(block: Declared) -> Mapping[str, str]:
    """The arguments of a block's header, each with its default: ``Unit(n, k=3)`` → ``{n: "", k: "3"}``."""
    inside = block.header.partition("(")[2].rstrip().removesuffix(")")
    found, depth, start = [], 0, 0
    for index, sign in enumerate(inside):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            found.append(inside[start:index])
            start = index + 1
    pairs = [one.partition("=") for one in [*found, inside[start:]] if one.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}

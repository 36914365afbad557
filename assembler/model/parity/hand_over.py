"""From the weights of a PyTorch module to a model, on the way of ``weights.load``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mindspore import nn

from assembler.errors import ParameterError
from assembler.model import weights
from assembler.model.naming import Assignment, NameMapping, read_mapping
from assembler.model.parity.torch_module import save_module
from assembler.planning.plan import Plan

if TYPE_CHECKING:
    import torch.nn


def hand_over(
    module: torch.nn.Module, model: nn.Cell, planned: Plan, said: str, rename: Path | None = None
) -> NameMapping:
    """Save the state of a PyTorch module as a file, and load that into a model.

    Args:
        said: what the module is called in messages.
        rename: a mapping file that assigns tensors, or some of them.

    Returns:
        The assignment of its tensors.

    Raises:
        ParameterError: they do not fit the model, or the mapping file is wrong.
    """
    with TemporaryDirectory(prefix="assembler-") as folder:
        file = save_module(module, Path(folder))
        given = None if rename is None else read_mapping(rename)
        try:
            return assigned(weights.load(model, file, rename=given, names="torch", planned=planned))
        except ParameterError as error:
            if tied := _tied(module, model, planned, file, given):
                raise ParameterError(f"the state of {said} does not fit the model: {tied}") from None
            message = error.message.replace(str(file), f"the state of {said}").replace(weights.WAYS_OUT, _WAY_OUT)
            lines = [line for line in message.split("\n") if "weights.strict=false" not in line]
            raise ParameterError("\n".join(lines).replace("weights.rename", "--rename")) from None


_WAY_OUT = "--rename names a mapping file, which assigns tensors; one that the recipe lacks has target: null"
"""The way to compare modules that do not fit; there is no strict=false."""


def _tied(module: torch.nn.Module, model: nn.Cell, planned: Plan, file: Path, given: NameMapping | None) -> str:
    """How the head differs, if a file lacks nothing but a head that is the embedding in the module; otherwise empty.

    ``save_pretrained`` writes a table once.
    """
    try:
        loaded = weights.load(model, file, rename=given, strict=False, names="torch", planned=planned)
    except ParameterError:
        return ""
    if len(loaded.missing) != 1 or loaded.extra:
        return ""
    missing = loaded.missing[0]
    shape = tuple(model.parameters_dict()[missing].shape)
    for head, table in _heads(module):
        if shape == tuple(module.get_parameter(head).shape):
            there = f"{head} is {table} there (tied), and {missing} is a table of its own here"
            return f"{there}; write shared: {{tokens: Embedding(…)}}, and Unembed(tokens) for the head"
    return ""


def _heads(module: torch.nn.Module) -> Iterator[tuple[str, str]]:
    """Parameters of other layers that are the table of an embedding, and that table."""
    from torch.nn import Embedding

    names = dict(module.named_parameters(remove_duplicate=False))
    tables = [name for name in names if isinstance(module.get_submodule(name.rpartition(".")[0]), Embedding)]
    for name, one in names.items():
        yield from ((name, table) for table in tables if name not in tables and names[table] is one)


def assigned(loaded: weights.Loaded) -> NameMapping:
    """The assignment of what was loaded, also if all names were the model's."""
    return loaded.mapping or NameMapping(tuple(Assignment((name,), name) for name in loaded.names))

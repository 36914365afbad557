"""How many of mindcv's SequentialCells ``describe`` gives a recipe of: ``python benchmarks/describe.py``.

Needs ``pip install -e '.[mindcv]'``. By default the first and the last network of each module of mindcv are created,
without values for their parameters; ``all`` takes every network, and names take those. A table shows how many
distinct SequentialCells are described, and why the others are not. Each recipe is built again and compared.

``--outputs`` runs the networks on a small image, and compares what each SequentialCell emits there with what its recipe
emits with the same parameters.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

import mindcv
import mindspore
import numpy as np
from mindcv.models.registry import model_entrypoint
from mindspore import nn
from mindspore.nn.utils import no_init_parameters

from assembler import assemble, describe
from assembler.errors import RecipeError

IMAGE = (1, 3, 224, 224)


def networks(words: list[str]) -> list[str]:
    every = [name for name in mindcv.list_models() if "pretrain" not in name]
    if words == ["all"]:
        return every
    modules: dict[str, list[str]] = {}
    for name in every:
        modules.setdefault(model_entrypoint(name).__module__, []).append(name)
    return words or list(dict.fromkeys(one for names in modules.values() for one in (names[0], names[-1])))


def created(name: str, with_values: bool) -> nn.Cell:
    """A network; some read their parameters while they are created, and need values."""
    if not with_values:
        try:
            with no_init_parameters():
                return mindcv.create_model(name)
        except RuntimeError:
            pass
    return mindcv.create_model(name)


def chains(network: nn.Cell) -> Iterator[tuple[str, nn.SequentialCell]]:
    return ((path, cell) for path, cell in network.cells_and_names() if type(cell) is nn.SequentialCell)


def outcome(cell: nn.SequentialCell) -> tuple[str, str]:
    """Its recipe, or why there is none: the reason, shortened so that equal ones are counted together."""
    try:
        return describe(cell), ""
    except RecipeError as error:
        reason = re.sub(r"^#\S+ ", "", error.message)
        return "", re.sub(r"(describe\(\) finds no arguments that create this \S+):.*", r"\1", reason)


def inputs_of(network: nn.Cell) -> dict[str, mindspore.Tensor]:
    """What reaches each SequentialCell when the network is run once."""
    seen: dict[str, mindspore.Tensor] = {}
    hooks = [
        cell.register_forward_pre_hook(lambda _, given, path=path: seen.update({path: given[0]}))
        for path, cell in chains(network)
    ]
    network.set_train(False)
    network(mindspore.Tensor(np.random.default_rng(0).normal(size=IMAGE).astype(np.float32)))
    for hook in hooks:
        hook.remove()
    return seen


def differs(cell: nn.SequentialCell, text: str, x: mindspore.Tensor) -> bool:
    copy = assemble(text)
    for source, target in zip(cell.get_parameters(), copy.get_parameters(), strict=True):
        target.set_data(source)
    return not np.array_equal(cell(x).asnumpy(), copy(x).asnumpy())


def main(words: list[str]) -> None:
    start, with_outputs = time.perf_counter(), "--outputs" in words
    found: dict[str, tuple[str, str]] = {}
    compared, wrong, count = 0, [], 0
    for name in networks([word for word in words if word != "--outputs"]):
        try:
            network = created(name, with_outputs)
            inputs = inputs_of(network) if with_outputs else {}
        except Exception as error:
            print(f"{name} is left out: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        count += 1
        for path, cell in chains(network):
            key = repr(cell)
            if key in found:
                continue
            text, _ = found[key] = outcome(cell)
            if text and path in inputs:
                compared += 1
                wrong += [f"{name} {path}: {text}"] if differs(cell, text, inputs[path]) else []
        described = sum(bool(text) for text, _ in found.values())
        progress = f"{count} networks, {len(found)} distinct SequentialCells, {described} described"
        print(f"{progress}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    show(found)
    if with_outputs:
        print(f"{compared} compared by output, {len(wrong)} wrong", *wrong, sep="\n")


def show(found: dict[str, tuple[str, str]]) -> None:
    """The table: how many are described, and how many are not for each reason."""
    reasons = Counter(reason or "described" for _, reason in found.values())
    print(f"{len(found):6} distinct SequentialCells")
    for reason, times in reasons.most_common():
        print(f"{times:6} {times / len(found):6.1%} {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])

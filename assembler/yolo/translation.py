"""Arguments in the order and the words of another project → those of the Cell that is used here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assembler.errors import GrammarError, Place
from assembler.language.recipe import Layer
from assembler.words import counted, suggestion


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of another project's module.

    Args:
        words: their names there, in order; ``bias=has_bias`` if the name here differs, ``inplace=`` if the Cell here
            has no such argument.
        same: how many of them come first here, too.
        otherwise: what is given here unless the file specifies it, because the defaults differ; or the argument whose
            value it is, such as ``{"stride": "kernel_size"}``.
        only: the values that the Cell here can reproduce, for an argument that it lacks or understands otherwise.
    """

    words: str = ""
    same: int = 0
    otherwise: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """The other project's names and the names here."""
        pairs = (word.partition("=") for word in self.words.split())
        return {name: here if sign else name for name, sign, here in pairs}


def translate(name: str, signature: Signature, layer: Layer) -> Layer:
    """A layer with the arguments that it has here: ``Bottleneck(64, True)`` → ``Bottleneck(64, True, k=(3, 3))``.

    Args:
        name: the other project's, for messages.
        layer: with the name that it has here, and the other project's arguments.

    Raises:
        GrammarError: an argument that it does not have, or a value that cannot be reproduced.
    """
    names = signature.names
    given = {here: (value, place) for here, value, place in _named(name, signature, layer) if here}
    for here, value in signature.otherwise.items():
        if given.get(here, (None,))[0] is None and value not in names:
            given[here] = value, layer.place
        elif given.get(here, (None,))[0] is None and value in given:
            given[here] = given[value]
    first = [here for here in list(names.values())[: signature.same] if here]
    count = next((at for at, here in enumerate(first) if here not in given), len(first))
    args = {here: given.pop(here) for here in first[:count]}
    return Layer(
        layer.name,
        tuple(value for value, _ in args.values()),
        tuple((here, value) for here, (value, _) in given.items()),
        layer.place,
        tuple(place for _, place in (*args.values(), *given.values())),
    )


def _named(name: str, signature: Signature, layer: Layer) -> Iterator[tuple[str, Any, Place]]:
    """Each argument with its name here."""
    names = signature.names
    known = f"{name} takes {', '.join(names) or 'no arguments'}"
    if len(layer.args) > len(names):
        raise GrammarError(f"{known}, not {counted(len(layer.args), 'argument')}", layer.place)
    words = [*zip(names, layer.args, strict=False), *layer.kwargs]
    seen: set[str] = set()
    for (word, value), place in zip(words, layer.argument_places, strict=True):
        if word in seen:
            raise GrammarError(f"{name} is given {word} twice", place)
        seen.add(word)
        if word not in names:
            close = suggestion(word, names)
            raise GrammarError(f"{known}, not {word}{f'.{close}' if close else ''}", place)
        known_values = signature.only.get(word)
        if known_values is not None and not any(type(value) is type(one) and value == one for one in known_values):
            listed = " or ".join(map(str, known_values))
            raise GrammarError(f"{name} is built with {word} = {listed} only, not {value}", place)
        yield names[word], value, place

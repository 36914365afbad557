"""Every deliberate error of the assembler.

::

    AssemblerError
    ├── SettingsError        a key or a value of the configuration
    ├── RecipeError          the text of a recipe
    │   ├── GrammarError     it cannot be parsed
    │   ├── UnknownLayer     it names a layer that is not registered
    │   │   └── AbsentPackage    … or whose package is not installed
    │   ├── ArgumentMismatch arguments that a layer's signature or constructor refuses
    │   └── ShapeMismatch    a layer that does not accept its input
    ├── ParameterError       a rule for parameters, or a parameter file
    ├── RegistryError        a registry entry
    │   ├── DuplicateLayer   a name that is taken
    │   └── BadTarget        a target that does not import, is not a Cell, or is not trusted
    ├── DeviceError          a target that this machine or wheel does not support
    ├── FormatError          a model that a file format cannot store
    ├── LayerFault           an exception from inside a layer; its traceback is kept
    ├── InternalError        a fault in the assembler itself; its traceback is kept
    └── Mistakes             several of the above, in order
        └── Enough           so many that the search stops

``str(error)`` is the whole message: what, where, what to write instead, and the source line with carets under the span.
Characters that a terminal would obey are escaped in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assembler.words import printable


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A span of a file, for editors and pages. Lines and columns are counted from 0, columns in characters.

    Args:
        line, column: of its first character.
        end_line, end_column: after its last one.
    """

    file: Path
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    @classmethod
    def of(cls, file: Path, text: str, start: int, end: int) -> Span:
        """The span of two offsets in a file's text."""
        line, last = text.count("\n", 0, start), text.count("\n", 0, end)
        return cls(file, line, start - text.rfind("\n", 0, start) - 1, last, end - text.rfind("\n", 0, end) - 1)


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a text: where an error is.

    Args:
        text: the whole text, such as a recipe's stack.
        start: offset of the first character, 0 ≤ start ≤ len(text).
        end: offset after the last character.
        key: the configuration key that the text came from, such as ``recipe.stack[2]``.
        label: printed instead of ``key:column`` once the file is known: ``conf/recipe/a.yaml:7:27``.
        shown: line printed instead of the text's own line once the file is known.
        indent: column of the span in ``shown``.
        within: the blocks and shared parts that contain the text, innermost first, each with the place of its use.
        span: where it is in its file, once that is known.
    """

    text: str = ""
    start: int = 0
    end: int = 0
    key: str = ""
    label: str | None = None
    shown: str | None = None
    indent: int = 0
    within: tuple[tuple[str, Place], ...] = ()
    span: Span | None = None

    def __str__(self) -> str:
        if self.label is not None:
            return self.label
        return f"{self.key}:{self.start + 1}" if self.key and self.text else self.key

    def excerpt(self) -> str:
        """The line that contains the span, and carets under it; empty if there is no text."""
        if self.shown is not None:
            line, column = self.shown, self.indent
        else:
            line_start = self.text.rfind("\n", 0, self.start) + 1
            line = self.text[line_start:].split("\n", 1)[0]
            column = self.start - line_start
        if not line.strip():
            return ""
        cut = max(0, column - 60) if len(line) > 120 else 0
        line, column = line[cut : cut + 120], column - cut
        width = max(1, min(self.end - self.start, len(line) - column))
        stripped = line.lstrip()
        column = max(0, column - (len(line) - len(stripped)))
        before, under = printable(stripped[:column]), printable(stripped[column : column + width])
        return f"    {printable(stripped.rstrip())}\n    {' ' * len(before)}{'^' * max(width, len(under))}"


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Mend:
    """What an editor may write where an error is, as the message has it in words.

    Args:
        old, new: a name at the place of the error, or the value of the key there, and what to write instead.
        arguments: names of arguments that the call there needs in addition.
    """

    old: str = ""
    new: str = ""
    arguments: tuple[str, ...] = ()


class AssemblerError(Exception):
    """The root of the tree. ``message`` is what is wrong and what to write instead; ``place`` is where, if known."""

    def __init__(self, message: str, place: Place = NOWHERE, mend: Mend | None = None):
        super().__init__(message)
        self.message = message
        self.place = place
        self.mend = mend

    def __str__(self) -> str:
        where = str(self.place)
        head = f"{where}: {self.message}" if where else self.message
        lines = [head, self.place.excerpt()]
        for user, place in self.place.within:
            lines += [f"  in {user}, used at {place}", place.excerpt()]
        return printable("\n".join(filter(None, lines)))


class SettingsError(AssemblerError):
    """A key or a value of the configuration is wrong."""


class RecipeError(AssemblerError):
    """The text of a recipe is wrong."""


class GrammarError(RecipeError):
    """The text of a recipe cannot be parsed."""


class UnknownLayer(RecipeError):
    """A recipe names a layer that is not registered."""


class AbsentPackage(UnknownLayer):
    """A recipe names a layer of a package that is not installed: one error per package, however many layers."""

    def __init__(self, message: str, place: Place = NOWHERE, package: str = ""):
        super().__init__(message, place)
        self.package = package


class ArgumentMismatch(RecipeError):
    """A layer's signature or constructor refuses its arguments."""


class ShapeMismatch(RecipeError):
    """A layer does not accept the shape or dtype of its input."""


class ParameterError(AssemblerError):
    """A rule for parameters does not match the model's, or a parameter file is damaged."""


class RegistryError(AssemblerError):
    """A registry entry is wrong."""


class DuplicateLayer(RegistryError):
    """A name is registered twice."""


class BadTarget(RegistryError):
    """A target does not import, is not a Cell, or is not trusted."""


class DeviceError(AssemblerError):
    """The machine or the MindSpore wheel does not support what was requested."""


class FormatError(AssemblerError):
    """A file format cannot store a model."""


class LayerFault(AssemblerError):
    """An exception from inside a layer. ``__cause__`` is the original, with its traceback."""


class InternalError(AssemblerError):
    """A fault in the assembler itself. ``__cause__`` is the original, with its traceback."""


MAX_MISTAKES = 100
"""At most this many errors are collected and reported at once."""


class Mistakes(AssemblerError):
    """Several errors, found in one pass and reported in order."""

    def __init__(self, mistakes: Sequence[AssemblerError]):
        super().__init__(f"{len(mistakes)} errors")
        self.mistakes = tuple(mistakes[:MAX_MISTAKES])

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


class Enough(Mistakes):
    """``MAX_MISTAKES`` errors: the search stopped there."""

    def __str__(self) -> str:
        return f"{super().__str__()}\nstopped after {len(self.mistakes)} errors"


def raise_all(mistakes: Sequence[AssemblerError]) -> None:
    """Raise a single error as it is, several as one :class:`Mistakes`; do nothing if there are none."""
    flat = list(flatten(mistakes))
    if len(flat) == 1:
        raise flat[0]
    if len(flat) >= MAX_MISTAKES:
        raise Enough(flat)
    if flat:
        raise Mistakes(flat)


@contextmanager
def noted(mistakes: list[AssemblerError]) -> Iterator[None]:
    """Collect an error and continue; :func:`raise_all` reports it with the others.

    Raises:
        Enough: ``MAX_MISTAKES`` errors are collected.
    """
    try:
        yield
    except AssemblerError as mistake:
        note(mistakes, mistake)


def note(mistakes: list[AssemblerError], mistake: AssemblerError) -> None:
    """Collect an error, unless it is known at its place, as for each turn of a loop.

    Raises:
        Enough: ``MAX_MISTAKES`` errors are collected.
    """
    for one in flatten([mistake]):
        if not any((known.message, known.place) == (one.message, one.place) for known in flatten(mistakes)):
            mistakes.append(one)
            one.__traceback__ = None  # its frames keep the list, and whatever else was alive
            if one.__cause__ is None:
                one.__context__ = None
    if len(mistakes) >= MAX_MISTAKES:
        raise Enough(list(flatten(mistakes))) from None


def flatten(mistakes: Iterable[AssemblerError]) -> Iterable[AssemblerError]:
    """The single errors, including those inside a :class:`Mistakes`."""
    for mistake in mistakes:
        if isinstance(mistake, Mistakes):
            yield from mistake.mistakes
        else:
            yield mistake

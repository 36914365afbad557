"""Text and project → errors, plan and positions: the one reading that ``validate``, ``watch``, editors and pages share.

::

    with unsaved({file: "input: {shape: [4, 8]}\\nstack: Dense(_, 16) + ReLU"}):
        found = analyse(file, Project.at(None), shapes=True)
    found.diagnostics   {}                                        none: there are no errors
    found.plan.output   (4, 16) float32
    found.items[0]      Dense(_, 16) at line 1, columns 7 to 18, with its shapes, parameters and MACs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from assembler import pipeline
from assembler.analysis.files import Kind, kind_of
from assembler.analysis.items import Item, items_of
from assembler.analysis.project import Project
from assembler.analysis.reading import Reading, located, read_file
from assembler.errors import AssemblerError, Mend, Span, noted
from assembler.planning.memory import LayerMemory
from assembler.planning.plan import Plan
from assembler.settings import Dtype
from assembler.words import suggested

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One remark on a file, for an editor or a page.

    Args:
        span: what is underlined; the beginning of the file if the place is not known.
        message: what is wrong and what to write instead, without the place.
        code: the class of the error: ``UnknownLayer``; ``Open`` for a value that only a run has, ``Hidden`` for a block
            that has the name of a layer.
        suggestions: names to write instead, the closest first.
        mend: what else mends it.
        related: where the blocks and shared parts around it are used, innermost first, each with its name.
    """

    span: Span
    message: str
    code: str
    severity: Severity = "error"
    suggestions: tuple[str, ...] = ()
    mend: Mend | None = None
    related: tuple[tuple[Span, str], ...] = ()


@dataclass(frozen=True)
class Analysis:
    """What is known of a file.

    Args:
        file: that was analysed.
        reading: of it, before planning: its data, its bound recipe, and where its keys are written.
        errors: all of them, in reading order, those of planning at the end.
        plan: of a recipe whose shapes fit, if shapes were asked for. ``expect`` may be unmet.
        items: of the plan, by file and place.
    """

    file: Path
    kind: Kind
    reading: Reading
    errors: list[AssemblerError]
    plan: Plan | None = None
    items: list[Item] = field(default_factory=list)

    @classmethod
    def failed(cls, file: Path, errors: list[AssemblerError]) -> Analysis:
        """The analysis of a file that could not be read, such as one that exceeds its limits."""
        return cls(file, "recipe", Reading(), errors)

    @property
    def diagnostics(self) -> Mapping[Path, list[Diagnostic]]:
        """By the file that is to blame."""
        found: dict[Path, list[Diagnostic]] = {}
        for error in self.errors:
            one = diagnostic(error, self.file)
            found.setdefault(one.span.file, []).append(one)
        for error in self.reading.open:
            one = diagnostic(error, self.file, "Open", "information")
            found.setdefault(one.span.file, []).append(one)
        for note in self.reading.notes:
            where = Span(self.file.absolute())
            found.setdefault(where.file, []).append(Diagnostic(where, note, "Hidden", "information"))
        return found


def analyse(
    file: Path, project: Project, *, shapes: bool, dtype: Dtype = "float32", memory: LayerMemory | None = None
) -> Analysis:
    """Find everything that is wrong with a file, and what its plan is.

    The caller limits time and memory: see ``assembler.runtime.limits``.

    Args:
        file: of a recipe, a network, blocks or a registry. Texts that are not saved are read as
            ``assembler.reading.texts.unsaved`` has them.
        shapes: whether a recipe is planned, which imports MindSpore.
        dtype: of the plan's floating-point parameters.
        memory: of single layers, for programs that plan a recipe after each of its edits.

    Raises:
        OSError: the file does not exist.
    """
    read = read_file(file, project)
    found = Analysis(file, kind_of(file), read, read.errors)
    return plan(found, dtype=dtype, memory=memory) if shapes else found


def plan(found: Analysis, *, dtype: Dtype = "float32", memory: LayerMemory | None = None) -> Analysis:
    """The same analysis with the plan, if it is of a recipe without errors so far; ``dtype``, ``memory`` as above."""
    read, file = found.reading, found.file
    if read.bound is None or read.errors:
        return found
    errors: list[AssemblerError] = []
    planned = None
    with noted(errors):
        planned, outcomes = pipeline.plan(read.bound, dtype, memory)
        errors += pipeline.unmet(outcomes)
    items = items_of(planned, read.sources.locate) if planned is not None else []
    return Analysis(file, "recipe", read, located(errors, read.sources, file), planned, items)


def diagnostic(error: AssemblerError, file: Path, code: str = "", severity: Severity = "error") -> Diagnostic:
    """An error for an editor.

    Args:
        file: that was analysed, for an error whose own file is not known.
        code: by default, the class of the error.
    """
    spans = ((place.span, block) for block, place in error.place.within)
    related = tuple((span, f"in {block}, used here") for span, block in spans if span is not None)
    suggestions = suggested(error.message)
    where = error.place.span or Span(file)
    where = replace(where, file=where.file.absolute())
    return Diagnostic(where, error.message, code or type(error).__name__, severity, suggestions, error.mend, related)

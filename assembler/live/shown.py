"""What the live page shows of a recipe: its text with errors, and its last plan with what changed and a diagram.

Text and errors come first, and the diagram, which takes longest, last. While there are errors, the page keeps the last
plan, and the diagram marks its layers that they are about.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assembler.analysis import Analysis, Item, LayerMemory, Project, analyse
from assembler.analysis.analyse import diagnostic
from assembler.errors import AssemblerError, SettingsError, Span, noted
from assembler.files import print_os_error, short
from assembler.live.marks import changed_lines, layers_at
from assembler.planning.plan import Plan
from assembler.reading.recipe_paths import SHIPPED
from assembler.reading.texts import read_bytes, unsaved, with_line_feeds
from assembler.reading.yaml_files import MAX_BYTES
from assembler.runtime.limits import Budget
from assembler.settings.metrics import plan_metrics
from assembler.views import diagram, diff
from assembler.views.page.data import as_json, plan_data
from assembler.views.record import plan_record


@dataclass(frozen=True)
class _Version:
    """A recipe that could be planned.

    Args:
        when: seconds since 1970.
        data: of the recipe.
        texts: of its files, by their paths without links.
    """

    when: float
    plan: Plan
    items: Sequence[Item]
    data: Mapping[str, Any]
    texts: Mapping[Path, str]


class LivePage:
    """Publishes what is known of a recipe, in the parts ``text``, ``plan``, ``changes``, ``diagram`` and ``cursor``.

    Args:
        file: of the recipe.
        publish: receives the name and the value of a part.
    """

    def __init__(self, file: Path, publish: Callable[[str, str], None]):
        self.file = file.resolve()
        self.name = file.stem
        self.publish = publish
        self.last: _Version | None = None
        self.compared: Mapping[Path, str] = {}  # the texts of the version that ``last`` is compared with
        self.texts: Mapping[Path, str] = {}  # that are shown
        self.cursor: Span | None = None

    def look(self, project: Project, files: Iterable[Path], budget: Budget, memory: LayerMemory) -> None:
        """Read the recipe again and publish what is new.

        Args:
            files: that its plan depends on.
            budget: within which it is read, planned and drawn.
            memory: of single layers.
        """
        when, texts = time.time(), self._texts(project, files)
        self.texts = texts
        errors: list[AssemblerError] = []
        if self.last is None:
            self._publish_text(when, texts, errors)  # importing MindSpore takes a while
        with unsaved(texts), noted(errors), budget:  # what is shown is what was read, even if it is saved meanwhile
            found = analysed(self.file, project, memory)
            errors += found.errors or found.reading.open
            self._publish_text(when, texts, errors)
            if found.plan is not None:
                self._publish_plan(_Version(when, found.plan, found.items, found.reading.data, texts))
            self._publish_diagram(texts, errors)
            self._publish_cursor()
        self._publish_text(when, texts, errors)  # with an error that ended it, such as too much time

    def point(self, span: Span) -> None:
        """Show where the cursor of an editor is, if that file is shown."""
        if (file := span.file.resolve()) in self.texts:
            self.cursor = replace(span, file=file)
            self._publish_cursor()

    def _texts(self, project: Project, files: Iterable[Path]) -> dict[Path, str]:
        """The texts of the files that are shown: the recipe, and those of the project that it includes.

        A link, or a network file, may lead out of the project. The plan depends on it, and its text is not shown.
        """
        registries = {path.resolve() for paths in project.registry_files.values() for path in paths}
        folders = [project.home.resolve(), SHIPPED.resolve()]
        found: dict[Path, str] = {}
        for file in dict.fromkeys(file.resolve() for file in [self.file, *files]):
            is_inside = any(file.is_relative_to(folder) for folder in folders)
            if file not in registries and (is_inside or file == self.file):
                with suppress(OSError, ValueError):  # the analysis reports it
                    found[file] = with_line_feeds(read_bytes(file, MAX_BYTES + 1).decode())
        return found

    # ---- the parts

    def _publish_text(self, when: float, texts: Mapping[Path, str], errors: Sequence[AssemblerError]) -> None:
        before = self.last.texts if self.last and errors else self.compared
        found = [
            {
                "name": short(file),
                "text": text.replace("\r\n", "\n"),
                "isShipped": file.is_relative_to(SHIPPED.resolve()),
                "errors": _errors([one for one in errors if _file_of(one) == file], self.file),
                "changed": changed_lines(before[file], text) if file in before else [],
            }
            for file, text in texts.items()
        ]
        elsewhere = [str(one) for one in errors if _file_of(one) not in texts]
        planned = self.last.when if self.last else None
        data = {"when": when, "planned": planned, "files": found, "elsewhere": elsewhere}
        self._publish("text", data)

    def _publish_plan(self, version: _Version) -> None:
        if self.last is None:
            self.compared = version.texts
        elif changes := _difference(self.last, version):
            self.compared = self.last.texts
            self._publish("changes", _changes(changes, self.last.when, version.when))
        self.last = version
        self._publish("plan", plan_data(plan_record(version.plan)))

    def _publish_diagram(self, texts: Mapping[Path, str], errors: Sequence[AssemblerError]) -> None:
        if self.last is None:
            return
        spans = [one.place.span for one in errors if one.place.span is not None]
        wrong = self._layers_at(spans, texts)
        drawn = diagram.diagram(self.last.plan, self.name, wrong)
        marked = any(node.wrong for node in drawn.nodes)
        self._publish("diagram", {**diagram.picture(drawn).data(), "rows": diagram.rows(drawn), "marked": marked})

    def _publish_cursor(self) -> None:
        if self.cursor is not None:
            layers = sorted(self._layers_at([self.cursor], self.texts))
            self._publish("cursor", {"file": short(self.cursor.file), "line": self.cursor.line, "layers": layers})

    def _layers_at(self, spans: Collection[Span], texts: Mapping[Path, str]) -> set[str]:
        """The layers of the last plan at some places."""
        if self.last is None:
            return set()
        paths = [row.path for row in self.last.plan.rows]
        return layers_at(spans, self.last.items, paths, self.last.texts, texts)

    def _publish(self, name: str, data: Mapping[str, Any]) -> None:
        self.publish(name, as_json(data))


def analysed(file: Path, project: Project, memory: LayerMemory) -> Analysis:
    """The analysis of a recipe that may be gone for a moment.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return analyse(file, project, shapes=True, memory=memory)
    except OSError as error:
        raise SettingsError(print_os_error(error, file)) from None


def _file_of(error: AssemblerError) -> Path | None:
    return error.place.span.file.resolve() if error.place.span is not None else None


def _errors(errors: Iterable[AssemblerError], file: Path) -> list[dict[str, Any]]:
    """Errors as data: where they are, with lines and columns counted from 0, and what they report.

    A layer in a block has the same error in each use of the block; the first use is named.
    """
    found: dict[tuple[Span, str], dict[str, Any]] = {}
    for one in (diagnostic(error, file) for error in errors):
        span = [one.span.line, one.span.column, one.span.end_line, one.span.end_column]
        related = [f"{said}: {short(where.file)}:{where.line + 1}" for where, said in one.related]
        data = {"span": span, "message": one.message, "related": related, "more": 0}
        first = found.setdefault((one.span, one.message), data)
        first["more"] += first is not data
    return list(found.values())


def _difference(before: _Version, after: _Version) -> diff.Difference:
    old, new = (diff.block_texts(version.data) for version in (before, after))
    settings = diff.settings_that_differ(diff.beside_layers(before.data), diff.beside_layers(after.data))
    return diff.difference(before.plan, after.plan, settings, redefined=diff.redefined(old, new))


def _changes(found: diff.Difference, before: float, after: float) -> dict[str, Any]:
    """What changed, as data; metrics as strings."""
    printers = {metric.title: metric.print for metric in plan_metrics()}
    return {
        **diff.record(found),
        "from": before,
        "to": after,
        "metrics": [[title, *map(printers[title], values)] for title, values in found.metrics.items()],
    }

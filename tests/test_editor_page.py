"""The live page of an editor: what the worker makes of unsaved texts and of the cursor, and what the server shows."""

import io
import json
import queue

import pytest

from assembler.editor.features import HIGHLIGHTS
from assembler.editor.pages import Pages
from assembler.editor.worker import Worker
from assembler.editor.workspace import Workspace

RECIPE = """# 网络 😀
input: {shape: [4, 8]}
blocks:
  Hidden(units): Dense(_, units) + ReLU
stack:
  - Hidden(16) + Hidden(4)
  - Dense(_, 3) + Tanh
"""


class Editor:
    """A worker and the pages that show what it sends, without their processes."""

    def __init__(self, root):
        self.file = root / "conf" / "recipe" / "a.yaml"
        self.file.parent.mkdir(parents=True)
        self.sent, self.pages, self.version = [], Pages(), 0
        self.worker = Worker(Workspace(root), queue.Queue(), io.StringIO())
        self.worker.send = self.receive

    def receive(self, message):
        self.sent.append(json.loads(json.dumps(message)))
        if "page" in message:
            self.pages.publish(message)

    def do(self, what, **more):
        """A message of the server, and all that the worker does until it is idle."""
        self.worker.note({"do": what, **more})
        while self.worker.unread or self.worker.waiting or self.worker.unplanned or self.worker.pages.waiting:
            self.worker.work()

    def type(self, text, name="a"):
        self.version += 1
        self.do("open", file=str(self.file.with_stem(name)), text=text, version=self.version)

    def page(self):
        self.pages.guard(self.file)
        self.do("page", file=str(self.file))

    def point(self, line, character, name="a"):
        where = {"textDocument": {"uri": self.file.with_stem(name).as_uri()}}
        params = {**where, "position": {"line": line, "character": character}}
        self.do("ask", id=1, method=HIGHLIGHTS, params=params)

    def part(self, name):
        _, parts = self.pages._servers[str(self.file)].feed.newer(0, 0)
        return json.loads(parts[name]) if name in parts else None


@pytest.fixture
def editor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Editor(tmp_path)
    made.type(RECIPE)
    yield made
    for server in made.pages._servers.values():
        server.close()


def test_a_page_shows_texts_that_are_not_saved(editor):
    assert not [one for one in editor.sent if "page" in one]
    editor.page()
    assert not editor.file.exists()
    (shown,) = editor.part("text")["files"]
    assert (shown["name"], shown["text"], shown["errors"]) == ("conf/recipe/a.yaml", RECIPE, [])
    assert len(editor.part("plan")["layers"]) == 6
    editor.type(RECIPE.replace("Tanh", "Tahn"))
    (error,) = editor.part("text")["files"][0]["errors"]
    assert (error["span"], error["message"]) == ([6, 18, 6, 22], "no layer named 'Tahn'. Did you mean 'Tanh'?")
    assert editor.part("diagram")["marked"]
    editor.type(RECIPE.replace("Tanh", "ReLU + Tanh"))
    assert len(editor.part("plan")["layers"]) == 7
    (edit,) = editor.part("changes")["edits"]
    assert (edit["before"], edit["after"]["paths"]) == (None, ["5"])


def test_other_recipes_are_not_on_the_page(editor):
    editor.page()
    before = len(editor.sent)
    editor.type(RECIPE, "b")
    editor.point(6, 5, "b")
    assert not [one for one in editor.sent[before:] if "page" in one]


def test_the_cursor_is_a_line_and_the_layers_there(editor):
    editor.page()
    assert editor.part("cursor") is None
    editor.point(3, 20)
    assert editor.part("cursor") == {"file": "conf/recipe/a.yaml", "line": 3, "layers": ["0", "2"]}
    editor.point(5, 6)
    assert editor.part("cursor")["layers"] == ["0", "1"]
    editor.point(0, 9)
    assert editor.part("cursor") == {"file": "conf/recipe/a.yaml", "line": 0, "layers": []}


def test_the_layers_at_the_cursor_are_those_of_the_last_plan(editor):
    editor.page()
    editor.point(6, 5)
    assert editor.part("cursor")["layers"] == ["4"]
    editor.type(RECIPE.replace("  - Dense", "  - ReLU + Dense"))
    assert editor.part("cursor") == {"file": "conf/recipe/a.yaml", "line": 6, "layers": ["4"]}
    editor.point(6, 12)
    assert editor.part("cursor")["layers"] == ["5"]


def test_a_newer_text_ends_a_page_without_an_error(editor):
    editor.page()
    before = editor.part("text")
    editor.worker.planning, editor.worker.is_superseded = (editor.file, 0.0), True
    editor.worker.send_part({"page": str(editor.file), "part": "text", "value": '"too long"'})
    assert editor.part("text") == before
    editor.worker.planning = None
    editor.worker.send_part({"page": str(editor.file), "part": "text", "value": '"right"'})
    assert editor.part("text") == "right"

"""The language server as editors start it: over its standard input and output, with files, crashes and lost editors."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

pytest.importorskip("pytest_lsp")  # of the extra `test`

import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities, make_test_lsp_client

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

RECIPE = """# 网络 😀
input: {shape: [4, 16]}
blocks:
  Unit(n): Dense(_, n) + ReLU
stack: 2 * Unit(8) + Dense(_, 3)
"""
ANALYSED = "$/assembler/analysed"


def make_client():
    client = make_test_lsp_client()
    client.analysed = []
    client.refreshed = 0

    @client.feature(ANALYSED)
    def analysed(params):
        client.analysed.append(params)

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params):
        client.registered = params.registrations

    @client.feature(types.WORKSPACE_INLAY_HINT_REFRESH)
    @client.feature(types.WORKSPACE_CODE_LENS_REFRESH)
    def refresh(params=None):
        client.refreshed += 1

    return client


@pytest_lsp.fixture(
    config=ClientServerConfig(server_command=[sys.executable, "-m", "assembler", "lsp"], client_factory=make_client)
)
async def client(lsp_client: LanguageClient, tmp_path):
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "blocks").mkdir()
    lsp_client.root = tmp_path
    lsp_client.versions = {}
    folder = types.WorkspaceFolder(tmp_path.as_uri(), "project")
    await lsp_client.initialize_session(
        types.InitializeParams(
            client_capabilities("visual-studio-code"), workspace_folders=[folder], root_uri=tmp_path.as_uri()
        )
    )
    yield lsp_client
    await lsp_client.shutdown_session()


def uri_of(client, name):
    return (client.root / "conf" / name).as_uri()


def open_text(client, text, name="recipe/a.yaml"):
    """Open a text that is not on the disk."""
    uri = uri_of(client, name)
    client.versions[uri] = 1
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "yaml", 1, text)))
    return uri


def edit(client, uri, line, start, end, text):
    """Replace a part of a line, as a key press does."""
    client.versions[uri] += 1
    where = types.Range(types.Position(line, start), types.Position(line, end))
    change = types.TextDocumentContentChangePartial(where, text)
    document = types.VersionedTextDocumentIdentifier(client.versions[uri], uri)
    client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))


async def until(client, uri, stage="plan", version=None):
    """Wait until the present text of a file reached a stage."""
    version = version or client.versions[uri]

    def reached():
        return [one for one in client.analysed if (one.uri, one.version, one.stage) == (uri, version, stage)]

    await eventually(reached)
    return reached()[0]


async def eventually(fits):
    """Wait until something that the server sends has arrived."""
    for _ in range(600):
        if fits():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not arrive")


async def hints(client, uri):
    whole = types.Range(types.Position(0, 0), types.Position(10_000, 0))
    found = await client.text_document_inlay_hint_async(types.InlayHintParams(types.TextDocumentIdentifier(uri), whole))
    return [(hint.position.line, hint.position.character, hint.label) for hint in found]


HINTS = [
    (3, 22, "→ (4, 8)"),
    (3, 29, "→ (4, 8)"),
    (4, 18, "→ (4, 8) · 208 parameters · 768 MACs"),
    (4, 32, "→ (4, 3)"),
]


@pytest.mark.asyncio
async def test_typing_an_error_and_mending_it(client):
    uri = open_text(client, RECIPE)
    assert (await until(client, uri)).summary == "5 layers · 235 parameters · 864 MACs · 940 B"
    assert not client.diagnostics[uri]
    assert await hints(client, uri) == HINTS
    edit(client, uri, 4, 24, 25, "c")
    await until(client, uri, "read")
    (error,) = client.diagnostics[uri]
    assert error.message == "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"
    assert (error.range.start, error.range.end) == (types.Position(4, 21), types.Position(4, 26))
    assert (error.severity, error.code, error.source) == (types.DiagnosticSeverity.Error, "UnknownLayer", "assembler")
    assert await hints(client, uri) == HINTS[2:3]
    edit(client, uri, 4, 24, 25, "s")
    await until(client, uri)
    assert not client.diagnostics[uri]
    assert await hints(client, uri) == HINTS
    assert not client.refreshed


@pytest.mark.asyncio
async def test_errors_of_shapes_arrive_after_the_plan(client):
    uri = open_text(client, RECIPE.replace("Dense(_, 3)", "Dense(9, 3)"))
    await until(client, uri)
    (error,) = client.diagnostics[uri]
    assert error.code == "ShapeMismatch"
    assert error.range.start == types.Position(4, 21)


@pytest.mark.asyncio
async def test_a_block_and_a_recipe_that_are_both_not_saved(client):
    block = open_text(client, "Unit(n): Dense(_, n) + ReLU\n", "blocks/mine.yaml")
    recipe = open_text(client, "defaults: [/blocks@blocks: mine]\ninput: {shape: [4, 8]}\nstack: Unit(8)\n")
    await until(client, recipe)
    assert not client.diagnostics[recipe]
    assert not client.diagnostics[block]
    edit(client, block, 0, 23, 27, "Rellu")
    await eventually(lambda: client.diagnostics[block])
    (error,) = client.diagnostics[block]
    assert error.range.start == types.Position(0, 23)
    assert error.related_information[0].location.uri == recipe
    await eventually(lambda: client.refreshed)  # the editor does not ask again for hints of files that it left alone
    client.refreshed = 0
    edit(client, block, 0, 23, 28, "ReLU")
    await eventually(lambda: client.refreshed)
    assert not client.diagnostics[block]
    assert await hints(client, recipe) == [(2, 14, "→ (4, 8) · 72 parameters · 256 MACs")]


def place(client, uri, line, character):
    return {"text_document": types.TextDocumentIdentifier(uri), "position": types.Position(line, character)}


@pytest.mark.asyncio
async def test_what_is_asked_at_the_cursor(client):
    uri = open_text(client, RECIPE.replace("\n", "\r\n"))
    await until(client, uri)
    found = await client.text_document_hover_async(types.HoverParams(**place(client, uri, 4, 23)))
    assert "(4, 8) float32 → (4, 3) float32 · 27 parameters · 96 MACs" in found.contents.value
    found = await client.text_document_signature_help_async(types.SignatureHelpParams(**place(client, uri, 4, 30)))
    assert found.signatures[0].label.startswith("Dense(in_channels, out_channels, ")
    assert found.active_parameter == 1
    found = await client.text_document_definition_async(types.DefinitionParams(**place(client, uri, 4, 12)))
    assert (found.uri, found.range.start) == (uri, types.Position(3, 2))
    context = types.ReferenceContext(include_declaration=False)
    found = await client.text_document_references_async(types.ReferenceParams(context, **place(client, uri, 3, 3)))
    assert [one.range.start for one in found] == [types.Position(4, 11)]


@pytest.mark.asyncio
async def test_a_name_is_completed_and_explained_while_the_text_is_broken(client):
    uri = open_text(client, RECIPE)
    await until(client, uri)
    edit(client, uri, 4, 18, 32, " + Residual(Dens")
    found = await client.text_document_completion_async(types.CompletionParams(**place(client, uri, 4, 34)))
    first = found.items[0]
    assert first.label == "Dense"
    assert first.text_edit.range == types.Range(types.Position(4, 30), types.Position(4, 34))
    explained = await client.completion_item_resolve_async(first)
    assert explained.documentation.value.startswith("The dense connected layer.")


@pytest.mark.asyncio
async def test_names_are_changed_and_texts_are_formatted_and_mended(client):
    uri = open_text(client, RECIPE)
    await until(client, uri)
    params = types.RenameParams(new_name="Basic", **place(client, uri, 3, 3))
    found = await client.text_document_rename_async(params)
    assert [one.range.start.line for one in found.changes[uri]] == [3, 4]
    params.new_name = "Tanh"
    with pytest.raises(JsonRpcException, match="'Tanh' is a layer; choose another name"):
        await client.text_document_rename_async(params)
    edit(client, uri, 4, 18, 32, "+Dens(_,3)")
    await until(client, uri, "read")
    document, options = types.TextDocumentIdentifier(uri), types.FormattingOptions(2, True)
    (found,) = await client.text_document_formatting_async(types.DocumentFormattingParams(document, options))
    assert found.new_text == "2 * Unit(8) + Dens(_, 3)"
    (error,) = client.diagnostics[uri]
    asked = types.CodeActionParams(document, error.range, types.CodeActionContext([error]))
    found = await client.text_document_code_action_async(asked)
    assert [one.title for one in found] == ["Write Dense", "Write BiDense"]


@pytest.mark.asyncio
async def test_a_recipe_of_2000_lines(client):
    lines = "".join(f"  l{index}: Dense(_, 16) + ReLU\n" for index in range(2000))
    uri = open_text(client, f"input: {{shape: [4, 16]}}\ngraph:\n{lines}")
    await until(client, uri, "read")
    began = time.monotonic()
    edit(client, uri, 2001, 24, 26, " + Dense(_, 4) @ l19")
    found = await client.text_document_completion_async(types.CompletionParams(**place(client, uri, 2001, 44)))
    assert {"l19", "l199", "l1998"} <= {one.label for one in found.items}
    assert time.monotonic() - began < 10


@pytest.mark.asyncio
async def test_a_registry_and_a_network_file(client):
    (client.root / "conf" / "registry").mkdir()
    registry = open_text(client, "# @package registry.more\nMine: mindspore.nn.Nothing\n", "registry/more.yaml")
    await until(client, registry, "read")
    assert [one.range.start.line for one in client.diagnostics[registry]] == [1]
    text = (ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml").read_text(encoding="utf-8")
    network = open_text(client, text, "yolov8n.yaml")
    await until(client, network)
    assert not client.diagnostics[network]
    assert len(await hints(client, network)) == 23


@pytest.mark.asyncio
async def test_lenses_symbols_and_folds(client):
    uri = open_text(client, RECIPE)
    await until(client, uri)
    document = types.TextDocumentIdentifier(uri)
    lenses = await client.text_document_code_lens_async(types.CodeLensParams(document))
    titles = [lens.command.title for lens in lenses]
    assert titles == ["5 layers · 235 parameters · 864 MACs · 940 B", "run", "plan", "bench", "page"]
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    assert [(one.name, [inner.name for inner in one.children]) for one in symbols] == [
        ("input", []), ("blocks", ["Unit(n)"]), ("stack", []),
    ]  # fmt: skip
    folds = await client.text_document_folding_range_async(types.FoldingRangeParams(document))
    assert [(one.start_line, one.end_line) for one in folds] == [(2, 3)]


@pytest.mark.asyncio
async def test_a_command_answers_with_a_command_line(client):
    uri = open_text(client, RECIPE)
    found = await client.workspace_execute_command_async(types.ExecuteCommandParams("assembler.plan", arguments=[uri]))
    line = [sys.executable, "-m", "assembler", "plan", "conf/recipe/a.yaml"]
    assert found == {"command": line, "cwd": str(client.root)}
    assert client.messages[0].message.endswith("assembler plan conf/recipe/a.yaml")


class Page:
    """The page at an address: its events as they arrive."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        self.status, headers, _ = self.get(f"{parts.path}?{parts.query}")
        self.cookie = (headers["Set-Cookie"] or "").split(";")[0]
        self.home, self.parts = parts.path, {}

    def get(self, path, **headers):
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def follow(self):
        self.connection.request("GET", f"{self.home}events", headers={"Cookie": self.cookie})
        threading.Thread(target=self.read, args=(self.connection.getresponse(),), daemon=True).start()

    def read(self, answer):
        name = ""
        with contextlib.suppress(OSError, http.client.HTTPException):
            for line in answer:
                key, _, value = line.decode().strip().partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    self.parts[name] = json.loads(value)


async def open_page(client, uri):
    """Let the server open the page of a file in the browser."""
    await client.workspace_execute_command_async(types.ExecuteCommandParams("assembler.page", arguments=[uri]))
    (shown,) = client.shown_documents
    assert shown.external
    return await asyncio.to_thread(Page, shown.uri)


@pytest.mark.asyncio
async def test_the_page_follows_the_text_and_the_cursor(client):
    uri = open_text(client, RECIPE)
    page = await open_page(client, uri)
    status, _, body = await asyncio.to_thread(page.get, page.home, Cookie=page.cookie)
    assert (page.status, status, "<h1>a</h1>" in body) == (303, 200, True)
    await asyncio.to_thread(page.follow)
    await eventually(lambda: "diagram" in page.parts)
    assert page.parts["text"]["files"][0]["text"] == RECIPE
    edit(client, uri, 4, 24, 25, "c")
    await eventually(lambda: page.parts["text"]["files"][0]["errors"])
    edit(client, uri, 4, 24, 25, "s")
    await eventually(lambda: not page.parts["text"]["files"][0]["errors"])
    params = types.DocumentHighlightParams(**place(client, uri, 4, 12))
    found = await client.text_document_document_highlight_async(params)
    assert [(one.range.start.line, one.kind) for one in found] == [(3, 3), (4, 2)]
    await eventually(lambda: "cursor" in page.parts)
    assert page.parts["cursor"] == {"file": "conf/recipe/a.yaml", "line": 4, "layers": ["0", "1", "2", "3"]}
    assert (await asyncio.to_thread(Page, client.shown_documents[0].uri)).status == 403  # its token was used
    assert not list(client.root.rglob("*.yaml"))


@pytest.mark.asyncio
async def test_a_page_is_followed_again_after_a_crash(client):
    uri = open_text(client, RECIPE)
    page = await open_page(client, uri)
    await asyncio.to_thread(page.follow)
    await eventually(lambda: "diagram" in page.parts)
    started = psutil.Process().children(recursive=True)
    (worker,) = [one for one in started if "assembler.editor.worker" in " ".join(one.cmdline())]
    await asyncio.sleep(1)  # until it is idle: a text that it is busy with would be left out
    worker.kill()
    edit(client, uri, 4, 30, 31, "5")
    await eventually(lambda: "_, 5)" in page.parts["text"]["files"][0]["text"])


@pytest.mark.asyncio
async def test_crlf_and_chinese_and_broken_text(client):
    uri = open_text(client, RECIPE.replace("\n", "\r\n"))
    await until(client, uri)
    assert await hints(client, uri) == HINTS
    edit(client, uri, 0, 5, 7, "😀😀: [")  # the emoji in the comment is two units
    await until(client, uri, "read")
    assert not client.diagnostics[uri]
    edit(client, uri, 1, 7, 8, "[")
    await until(client, uri, "read")
    assert {one.range.start.line for one in client.diagnostics[uri]} == {1}


@pytest.mark.asyncio
async def test_a_recipe_of_two_thousand_lines(client):
    lines = "\n".join(f"  - Dense(_, {8 + index % 50}) # 第 {index} 层" for index in range(2000))
    uri = open_text(client, f"input: {{shape: [4, 8]}}\nstack:\n{lines}\n")
    await until(client, uri)
    assert len(await hints(client, uri)) == 2000
    edit(client, uri, 1001, 4, 9, "Dence")
    await until(client, uri, "read")
    assert [one.range.start for one in client.diagnostics[uri]] == [types.Position(1001, 4)]


@pytest.mark.asyncio
async def test_a_file_that_changes_on_the_disk_is_read_again(client):
    block = client.root / "conf" / "blocks" / "mine.yaml"
    block.write_text("Unit(n): Dense(_, n)\n")
    recipe = open_text(client, "defaults: [/blocks@blocks: mine]\ninput: {shape: [4, 8]}\nstack: Unit(8)\n")
    assert (await until(client, recipe)).summary.startswith("1 layer ")
    assert "**/*.yaml" in [one["globPattern"] for one in client.registered[0].register_options["watchers"]]
    for name, text in [("blocks/mine.yaml", "Unit(n): Dense(_, n) + ReLU\n"), ("mine.py", "")]:  # Python: a new worker
        client.analysed.clear()
        (client.root / "conf" / name).write_text(text)
        event = types.FileEvent(uri_of(client, name), types.FileChangeType.Changed)
        client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        assert (await until(client, recipe)).summary.startswith("2 layers")


# ---- what goes wrong

HOSTILE = "input: {shape: [1, 64]}\nparams: {n: 30000}\nstack: (Dense(_, i) for i in range(1, n))\n"
"""Each of its layers is different, so that planning it would take minutes."""


class Raw:
    """An editor of which a test kills what it wants."""

    def __init__(self, root, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assembler", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.root = root
        self.send("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}}, id=1)
        while "id" not in self.receive():
            pass
        self.send("initialized", {})

    def send(self, method, params, **more):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def open(self, text, name="a.yaml", version=1):
        document = {"uri": (self.root / name).as_uri(), "languageId": "yaml", "version": version, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})

    def change(self, text, version, name="a.yaml"):
        document = {"uri": (self.root / name).as_uri(), "version": version}
        self.send("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def until(self, method, fits=lambda params: True):
        while True:
            message = self.receive()
            if message.get("method") == method and fits(message["params"]):
                return message["params"]

    def until_planned(self, version=1):
        return self.until(ANALYSED, lambda params: params["stage"] == "plan" and params["version"] == version)

    def workers(self):
        return psutil.Process(self.process.pid).children(recursive=True)


def wait_until_gone(processes, seconds=20):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for one in alive:
        one.kill()
    assert not alive


@pytest.fixture
def raw(tmp_path, request):
    editor = Raw(tmp_path.resolve(), **getattr(request, "param", {}))
    processes = [psutil.Process(editor.process.pid), *editor.workers()]
    yield editor
    for one in [*processes, *([] if editor.process.poll() is not None else editor.workers())]:
        if one.is_running():
            one.kill()
    with editor.process:  # closes its pipes
        pass


@pytest.mark.parametrize("busy", [False, True])
def test_an_editor_that_dies_leaves_no_process(raw, busy):
    raw.open(HOSTILE if busy else RECIPE)
    raw.until(ANALYSED)
    time.sleep(3 if busy else 0)  # in the middle of a plan
    processes = [psutil.Process(raw.process.pid), *raw.workers()]
    assert len(processes) == 2
    raw.process.stdin.close()
    wait_until_gone(processes)


def test_a_server_that_is_killed_leaves_no_process(raw):
    raw.open(HOSTILE)
    raw.until(ANALYSED)
    workers = raw.workers()
    raw.process.send_signal(signal.SIGKILL)
    wait_until_gone(workers)


def test_a_newer_text_ends_the_plan_of_an_older_one(raw):
    raw.open(RECIPE)
    raw.until_planned()
    raw.change(HOSTILE, 2)
    raw.until(ANALYSED, lambda params: params["version"] == 2)
    time.sleep(2)
    began = time.monotonic()
    raw.change(RECIPE, 3)
    assert raw.until_planned(3)["summary"].startswith("5 layers")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("raw", [{"ASSEMBLER_MAX_SECONDS": "3"}], indirect=True)
def test_a_text_that_takes_too_long_is_refused_and_the_next_one_read(raw):
    raw.open(HOSTILE)
    found = raw.until("textDocument/publishDiagnostics", lambda params: params["diagnostics"])
    said = "reading and planning it takes more than 3 s; ASSEMBLER_MAX_SECONDS=6 allows more"
    assert [one["message"] for one in found["diagnostics"]] == [said]
    raw.change(RECIPE, 2)
    assert raw.until_planned(2)["summary"].startswith("5 layers")


def test_an_editor_that_opens_no_pages_shows_the_address(raw):
    raw.open(RECIPE)
    arguments = [(raw.root / "a.yaml").as_uri()]
    raw.send("workspace/executeCommand", {"command": "assembler.page", "arguments": arguments}, id=2)
    said, _, address = raw.until("window/showMessage")["message"].rpartition(" ")
    assert said == "the page of a.yaml, for this machine only:"
    assert Page(address).status == 303


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_crashes_is_started_again(raw, number):
    """The text that it was busy with is to blame; other files go on."""
    raw.open(RECIPE, "b.yaml")
    raw.until_planned()
    raw.open(HOSTILE)
    raw.until(ANALYSED, lambda params: params["uri"].endswith("a.yaml"))
    time.sleep(2)
    (worker,) = raw.workers()
    worker.send_signal(number)
    found = raw.until("textDocument/publishDiagnostics", lambda params: params["uri"].endswith("a.yaml"))
    assert "ended with exit code" in found["diagnostics"][0]["message"]
    raw.change(RECIPE, 2, "b.yaml")
    raw.until_planned(2)
    assert [one.pid for one in raw.workers()] != [worker.pid]


def test_a_server_without_a_worker_answers_and_starts_one_with_the_next_text(raw):
    raw.open(RECIPE)
    raw.until_planned()
    for _ in range(30):
        for worker in raw.workers():
            worker.kill()
        time.sleep(0.5)
    assert raw.workers() == []
    raw.change(RECIPE.replace("Unit(8)", "Unit(4)"), 2)
    assert raw.until_planned(2)["summary"].startswith("5 layers")


@pytest.mark.asyncio
async def test_a_project_behind_a_link_is_shown_where_it_is_opened(client):
    link = client.root.parent / f"{client.root.name}-link"
    link.symlink_to(client.root)
    client.root = link
    uri = open_text(client, RECIPE.replace("Dense(_, 3)", "Dence(_, 3)"))
    await until(client, uri, "read")
    assert [one.code for one in client.diagnostics[uri]] == ["UnknownLayer"]
    found = await client.text_document_definition_async(types.DefinitionParams(**place(client, uri, 4, 12)))
    assert found.uri == uri


def test_without_its_packages_it_is_one_line(tmp_path):
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError(\"No module named 'pygls'\", name='pygls')\n")
    done = subprocess.run(
        [sys.executable, "-m", "assembler", "lsp"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=Path(tmp_path), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the language server needs pygls: pip install 'assembler[editor]'\n"

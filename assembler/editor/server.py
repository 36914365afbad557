"""The server: LSP on the standard input and output, for editors.

It keeps the texts, passes them to the worker, and passes on what that finds. It never reads a file or analyses a text
itself, so that it answers whatever the texts are.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lsprotocol import converters, types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from assembler import __version__
from assembler.editor.features.common import path_of
from assembler.editor.lines import Lines
from assembler.editor.pages import Pages
from assembler.editor.process import REFUSED, WorkerProcess

ANSWERS: Mapping[str, Any] = {
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: list[types.DocumentSymbol],
    types.TEXT_DOCUMENT_FOLDING_RANGE: list[types.FoldingRange],
    types.TEXT_DOCUMENT_INLAY_HINT: list[types.InlayHint],
    types.TEXT_DOCUMENT_CODE_LENS: list[types.CodeLens],
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionList,
    types.COMPLETION_ITEM_RESOLVE: types.CompletionItem,
    types.TEXT_DOCUMENT_HOVER: types.Hover,
    types.TEXT_DOCUMENT_SIGNATURE_HELP: types.SignatureHelp,
    types.TEXT_DOCUMENT_DEFINITION: types.Location,
    types.TEXT_DOCUMENT_REFERENCES: list[types.Location],
    types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: list[types.DocumentHighlight],
    types.TEXT_DOCUMENT_PREPARE_RENAME: types.PrepareRenamePlaceholder,
    types.TEXT_DOCUMENT_RENAME: types.WorkspaceEdit,
    types.TEXT_DOCUMENT_CODE_ACTION: list[types.CodeAction],
    types.TEXT_DOCUMENT_FORMATTING: list[types.TextEdit],
}
"""The features that the worker answers, and the types of their answers. See ``assembler.editor.features``."""

OPTIONS: Mapping[str, Any] = {
    types.TEXT_DOCUMENT_CODE_LENS: types.CodeLensOptions(resolve_provider=False),
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionOptions(trigger_characters=list("(,=@.[{ "), resolve_provider=True),
    types.TEXT_DOCUMENT_SIGNATURE_HELP: types.SignatureHelpOptions(trigger_characters=["(", ","]),
    types.TEXT_DOCUMENT_RENAME: types.RenameOptions(prepare_provider=True),
    types.TEXT_DOCUMENT_CODE_ACTION: types.CodeActionOptions(["quickfix", "refactor"]),
}
"""What the editor receives of a feature besides its name."""

PAGE = "assembler.page"

COMMANDS = ("assembler.run", "assembler.plan", "assembler.bench", PAGE)

ANALYSED = "$/assembler/analysed"
"""A notification after each stage: ``{uri, version, stage, summary}``; editors that do not know it ignore it."""

_WATCHED = ("**/*.yaml", "**/*.yml", "**/*.py", "**/pyproject.toml")

_CONVERTER = converters.get_converter()


def serve() -> None:
    """Serve one editor until it disconnects."""
    asked, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_fault)
    Server().start_io(asked, replies)


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether a record is about a fault, and not about an edit that is refused, which the editor shows."""
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcInvalidParams)


class Server(LanguageServer):
    """A server for one editor, which starts its worker when the editor introduces itself."""

    def __init__(self) -> None:
        super().__init__("assembler", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Incremental)
        self.worker: WorkerProcess | None = None
        self.pages = Pages()
        self.texts: dict[str, Lines] = {}
        self.uris: dict[str, str] = {}  # as the editor has them, by those without links
        self.encoding = "utf-16"
        self.runs_commands = False
        _register(self)

    def start_io(self, stdin: Any = None, stdout: Any = None) -> None:
        """Serve until the input ends; the worker ends with it."""
        try:
            super().start_io(stdin, stdout)
        finally:
            if self.worker is not None:
                self.worker.close()

    async def begin(self, params: types.InitializeParams) -> None:
        """Start the worker with the editor's settings."""
        options = params.initialization_options if isinstance(params.initialization_options, Mapping) else {}
        uris = [*(one.uri for one in params.workspace_folders or ()), *([params.root_uri] if params.root_uri else [])]
        opened = [folder for folder in map(path_of, uris) if folder is not None and folder.is_dir()]
        root = opened[0] if opened else Path.cwd()
        agreed = ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities)  # as the answer has it
        self.encoding = types.PositionEncodingKind(agreed).value
        self.runs_commands = options.get("runsCommands") is True
        said = options.get("configDir")
        config = root / said if isinstance(said, str) and said else None
        trusted = [*opened, *([config.parent] if config else [])] if options.get("isTrusted", True) is True else []
        settings = {
            "root": str(root),
            "config": str(config) if config else None,
            "trusted": list(map(str, trusted)),
            "encoding": self.encoding,
        }
        self.worker = WorkerProcess(settings, self.note)
        await self.worker.start()

    def note(self, message: Mapping[str, Any]) -> None:
        """Pass on to the editor what the worker found."""
        if "publish" in message:
            uri = self.uri_of(message["publish"])
            found = _CONVERTER.structure(self.as_opened(message["diagnostics"]), list[types.Diagnostic])
            self.show(uri, found, message["version"])
        elif "analysed" in message:
            about = {name: message[name] for name in ("version", "stage", "summary")}
            self.protocol.notify(ANALYSED, {"uri": self.uri_of(message["analysed"]), **about})
        elif "page" in message:
            self.pages.publish(message)
        elif "refresh" in message:
            self.refresh()
        elif "lost" in message:
            start = types.Position(0, 0)
            said = types.Diagnostic(types.Range(start, start), f"{message['why']}; change it to try again")
            said.source, said.severity = "assembler", types.DiagnosticSeverity.Error
            self.show(self.uri_of(message["lost"]), [said], None)

    def uri_of(self, file: str) -> str:
        """The URI of a file, as the editor has it."""
        uri = Path(file).as_uri()
        return self.uris.get(uri, uri)

    def as_opened(self, found: Any) -> Any:
        """An answer of the worker with the URIs that the editor has."""
        match found:
            case str():
                return self.uris.get(found, found)
            case list():
                return [self.as_opened(one) for one in found]
            case dict():
                return {self.as_opened(key): self.as_opened(value) for key, value in found.items()}
        return found

    def show(self, uri: str, found: list[types.Diagnostic], version: int | None) -> None:
        """Show the diagnostics of a file."""
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def refresh(self) -> None:
        """Let the editor ask again for what is shown of files that it has not changed itself."""
        workspace = self.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)
        if workspace is not None and workspace.code_lens is not None and workspace.code_lens.refresh_support:
            self.workspace_code_lens_refresh(None)

    async def opens(self, address: str) -> bool:
        """Whether the editor opens an address in the browser."""
        window = self.client_capabilities.window
        if window is None or window.show_document is None or not window.show_document.support:
            return False
        with suppress(JsonRpcException):
            return (await self.window_show_document_async(types.ShowDocumentParams(address, external=True))).success
        return False

    def changed(self, uri: str, version: int) -> None:
        """Pass on a text."""
        if self.worker is not None and (file := path_of(uri)) is not None:
            self.worker.open(file, self.texts[uri].text, version)


def _register(server: Server) -> None:
    """Register what the server answers itself, and what it passes on."""
    _register_session(server)
    _register_texts(server)
    for method, kind in ANSWERS.items():
        _pass_on(server, method, kind)
    for name in COMMANDS:
        if name != PAGE:
            _offer(server, name)
    _offer_page(server)


def _register_session(server: Server) -> None:
    """What the editor sends when it begins, and when files change on the disk."""

    @server.feature(types.INITIALIZE)
    async def initialize(params: types.InitializeParams) -> None:
        await server.begin(params)

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        watchers = [types.FileSystemWatcher(glob) for glob in _WATCHED]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        watched = types.Registration("watched", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        with suppress(Exception):  # an editor that watches no files
            if _watches(server.client_capabilities):
                await server.client_register_capability_async(types.RegistrationParams([watched]))

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def did_change_watched(params: types.DidChangeWatchedFilesParams) -> None:
        if server.worker is None:
            return
        if any(change.uri.endswith((".py", "pyproject.toml")) for change in params.changes):
            await server.worker.restart()  # what Python imported stays as it was
        else:
            server.worker.saved()


def _register_texts(server: Server) -> None:
    """What the editor sends of the texts that are open."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        server.texts[document.uri] = Lines(document.text, server.encoding)
        if (file := path_of(document.uri)) is not None:
            server.uris[file.as_uri()] = document.uri
        server.changed(document.uri, document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        document = params.text_document
        for change in params.content_changes:
            edit = _CONVERTER.unstructure(change)
            server.texts[document.uri] = server.texts[document.uri].changed(edit, server.encoding)
        server.changed(document.uri, document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.texts.pop(uri, None)
        if server.worker is not None and (file := path_of(uri)) is not None:
            server.worker.close_file(file)
            server.show(uri, [], None)


def _offer_page(server: Server) -> None:
    """Open the live page of a recipe in the browser, or show its address."""

    @server.command(PAGE)
    async def page(uri: str) -> None:
        if server.worker is not None and (file := path_of(uri)) is not None:
            guard = server.pages.guard(file)
            server.worker.show(file)
            if not await server.opens(guard.address_for_once()):
                said = f"the page of {file.name}, for this machine only: {guard.address}"
                server.window_show_message(types.ShowMessageParams(types.MessageType.Info, said))


def _pass_on(server: Server, method: str, kind: Any) -> None:
    """Let the worker answer a feature."""

    @server.feature(method, OPTIONS.get(method))
    async def answer(params: Any) -> Any:
        if server.worker is None:
            return None
        found = await server.worker.ask(method, _CONVERTER.unstructure(params))
        if isinstance(found, Mapping) and REFUSED in found:
            raise JsonRpcInvalidParams(found[REFUSED])
        return _CONVERTER.structure(server.as_opened(found), kind) if found is not None else None


def _offer(server: Server, name: str) -> None:
    """Answer a command with its command line. Editors that do not run it themselves show it to the person."""

    @server.command(name)
    async def run(uri: str) -> Any:
        if server.worker is None:
            return None
        params = {"command": name, "arguments": [uri]}
        found = await server.worker.ask(types.WORKSPACE_EXECUTE_COMMAND, params)
        if found is not None and not server.runs_commands:
            said = f"in a terminal: cd {shlex.quote(found['cwd'])} && {shlex.join(found['command'])}"
            server.window_show_message(types.ShowMessageParams(types.MessageType.Info, said))
        return found


def _watches(capabilities: types.ClientCapabilities) -> bool:
    """Whether the editor watches files for servers."""
    workspace = capabilities.workspace
    watched = workspace.did_change_watched_files if workspace is not None else None
    return watched is not None and watched.dynamic_registration is True

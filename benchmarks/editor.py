"""The language server as an editor sees it: from a key press to diagnostics, and memory after many edits.

::

    python -m benchmarks.editor                 200 edits of each recipe
    python -m benchmarks.editor --edits 10000   memory: the same, for hours of typing

An edit is one key press in a number that all shapes depend on: a letter that breaks it, its removal, digits that make a
number that was not there before, their removal. The times are from sending the edit to receiving what was found without
shapes ("read") and with shapes ("plan").
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
RECIPES = {
    "resnet50": (ROOT / "conf/recipe/resnet50.yaml", "input: {shape: [1, 3, 224, 224]}\n", r"shape: \[1"),
    "llama2_7b": (ROOT / "conf/recipe/llama2_7b.yaml", "", r"shape: \[1"),
    "yolov8n": (ROOT / "tests/yolo/mindyolo/yolov8n.yaml", "", r"width_multiple: 0.25"),
}
"""Files, what is added to them, and where they are edited: after the match."""


class Client:
    """An editor that waits for the answer to each edit."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-m", "assembler", "lsp"], stdin=pipe, stdout=pipe, cwd=ROOT)
        self.version = 0
        self.send("initialize", {"processId": None, "rootUri": ROOT.as_uri(), "capabilities": {}}, id=1)
        while "id" not in self.receive():
            pass
        self.send("initialized", {})

    def send(self, method: str, params: Any, **more: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def open(self, uri: str, text: str) -> None:
        document = {"uri": uri, "languageId": "yaml", "version": (version := self.next()), "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        self.await_stages(uri, version)

    def edit(self, uri: str, change: dict[str, Any]) -> dict[str, float]:
        """Seconds from an edit to each stage."""
        version, began = self.next(), time.perf_counter()
        document = {"uri": uri, "version": version}
        self.send("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        return {stage: at - began for stage, at in self.await_stages(uri, version).items()}

    def next(self) -> int:
        self.version += 1
        return self.version

    def await_stages(self, uri: str, version: int) -> dict[str, float]:
        """When each stage was reached. A text with errors is not planned."""
        found: dict[str, float] = {}
        errors = last = None
        while last not in found:
            message = self.receive()
            params = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == uri:
                errors = len(params["diagnostics"])
            elif message.get("method") == "$/assembler/analysed" and params["version"] == version:
                found[params["stage"]] = time.perf_counter()
                last = last or ("read" if errors else "plan")
        return found

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def memory(self) -> int:
        """Bytes of the server and its worker."""
        return sum(one.memory_info().rss for one in self.processes())

    def seconds(self) -> float:
        """CPU time of the server and its worker, which other programs of the machine do not lengthen by waiting."""
        return sum(sum(one.cpu_times()[:2]) for one in self.processes())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def key_presses(text: str, where: str) -> Iterator[dict[str, Any]]:
    """Edits of one place, again and again: a letter, its removal, digits, their removal."""
    at = re.search(where, text).end()
    line, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1
    start = {"line": line, "character": column}
    for number in itertools.count():
        for typed in ("x", str(number)):
            end = {"line": line, "character": column + len(typed)}
            yield {"range": {"start": start, "end": start}, "text": typed}
            yield {"range": {"start": start, "end": end}, "text": ""}


def percentile(times: list[float], share: float) -> float:
    """In milliseconds."""
    return 1e3 * sorted(times)[min(int(share * len(times)), len(times) - 1)]


def measure(client: Client, name: str, edits: int) -> None:
    file, more, where = RECIPES[name]
    text, uri = file.read_text(encoding="utf-8") + more, file.resolve().as_uri()
    client.open(uri, text)
    times: dict[str, list[float]] = {"read": [], "plan": []}
    began = client.seconds()
    for number, change in zip(range(edits), key_presses(text, where), strict=False):
        for stage, seconds in client.edit(uri, change).items():
            times[stage].append(seconds)
        if edits >= 1000 and number % (edits // 10) == 0:
            print(f"{name} {number:6} edits {client.memory() / 2**20:7.1f} MiB", flush=True)
    for stage, found in times.items():
        if found:
            shown = "  ".join(f"p{int(100 * share)} {percentile(found, share):6.1f} ms" for share in (0.5, 0.95, 0.99))
            print(f"{name:10} {stage}  {shown}  n {len(found)}", flush=True)
    print(f"{name:10} CPU   {1e3 * (client.seconds() - began) / edits:6.1f} ms for each edit", flush=True)
    client.send("textDocument/didClose", {"textDocument": {"uri": uri}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    parser.add_argument("--edits", type=int, default=200)
    given = parser.parse_args()
    client = Client()
    for name in given.names:
        measure(client, name, given.edits)
    print(f"memory {client.memory() / 2**20:.1f} MiB")
    client.close()


if __name__ == "__main__":
    main()

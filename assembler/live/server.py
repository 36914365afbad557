"""The server of the live page: two answers, the page and its events, to requests that ``Guard`` lets through."""

from __future__ import annotations

import errno
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from assembler.errors import SettingsError
from assembler.live.feed import Feed
from assembler.live.guard import Guard

LOOPBACK = "127.0.0.1"
"""Other machines cannot connect to it."""

MAX_CLIENTS = 64
"""Connections at a time, each with a thread; further ones are closed."""

HEARTBEAT = 5.0
"""Seconds after which an open stream is written to, if there is nothing new, to find out whether its reader is left."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # beside that in the page, in which this has no effect
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of each answer. None of them lets another site read it, as CORS would."""


class Server(ThreadingMixIn, TCPServer):
    """Serves a page and what it shows, until the process ends or :meth:`close` is called.

    Args:
        page: the HTML.
        feed: its parts, which the page gets as server-sent events.
        port: 0 for any that is free.

    Raises:
        SettingsError: the port cannot be used.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, page: str, feed: Feed, port: int = 0):
        self.page, self.feed = page.encode(), feed
        self._free = threading.Semaphore(MAX_CLIENTS)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            said = "in use" if error.errno == errno.EADDRINUSE else f"not available: {error.strerror}"
            raise SettingsError(f"--port: {port} is {said}; choose another, or omit it") from None
        self.guard = Guard(self.server_address[1])
        threading.Thread(target=self.serve_forever, name="live page", daemon=True).start()

    def close(self) -> None:
        """End it; open streams end with the process, or when their readers leave."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there are not too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, in that thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, except that a client left or was too slow."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10.0
    """Seconds that a client may take to send its request, or to read what it is sent."""

    def parse_request(self) -> bool:
        """Read a request of any method; whether it is to be answered by its method."""
        if not super().parse_request():
            return False
        refusal = self.server.guard.refusal(self.command, self.headers)
        if refusal is not None:
            self._refuse(*refusal)
        return refusal is None

    def do_GET(self) -> None:
        """Answer a request that is not refused."""
        guard = self.server.guard
        path, _, query = self.path.partition("?")
        if path == guard.home and query.startswith("token="):
            if not guard.takes(query.removeprefix("token=")):
                return self._refuse(HTTPStatus.FORBIDDEN, "the token is wrong, or was used")
            return self._begin(HTTPStatus.SEE_OTHER, **{"Location": guard.home, "Set-Cookie": guard.cookie})
        if not guard.knows(self.headers):
            return self._refuse(
                HTTPStatus.FORBIDDEN, "open this page by the address that the terminal or the editor shows"
            )
        if path == guard.home:
            return self._answer(HTTPStatus.OK, "text/html", self.server.page)
        if path == f"{guard.home}events":
            return self._stream()
        return self._refuse(HTTPStatus.NOT_FOUND, "there is nothing else here")

    def _stream(self) -> None:
        """Send the parts as they change, until the reader leaves."""
        self._begin(HTTPStatus.OK, **{"Content-Type": "text/event-stream; charset=utf-8"})
        number = 0
        while True:
            number, parts = self.server.feed.newer(number, HEARTBEAT)
            events = [f"event: {name}\ndata: {value}\n\n" for name, value in parts.items()]
            self.wfile.write(("".join(events) or ":\n\n").encode("utf-8", "replace"))

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._begin(status, **{"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._answer(status, "text/plain", f"{why}\n".encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP; the message of the library would repeat the request."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: requests have the token in them."""

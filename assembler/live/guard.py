"""Which requests the live page answers: those of the browser of the person who started it, and only to read.

Any page on the internet can let a browser send requests to this machine, under any name that leads here, and any
program on this machine can connect. A request therefore needs the right host, no other page behind it, and the key.
"""

from __future__ import annotations

import secrets
from email.message import Message
from http import HTTPStatus
from typing import TypeAlias

Refusal: TypeAlias = tuple[HTTPStatus, str]
"""A status, and one line that says why."""

_OWN_SITE = ("none", "same-origin")
"""What a browser sends as ``Sec-Fetch-Site`` if the person typed the address, or if the page itself asks."""


class Guard:
    """Decides about requests to one server.

    Args:
        port: of the server.
    """

    def __init__(self, port: int):
        self.hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.home = f"/{secrets.token_hex(8)}/"
        """The path of the page. Cookies are for all ports of a host; the path keeps this one from other servers."""
        self._name = f"assembler-{port}"
        self._secret, self._token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._once: set[str] = set()

    @property
    def address(self) -> str:
        """The address for the person, with a token that can be used again, in another browser as well."""
        return self._with(self._token)

    def address_for_once(self) -> str:
        """As ``address``, for a command line, which others on this machine can read: its token is good for one use."""
        self._once.add(token := secrets.token_urlsafe(32))
        return self._with(token)

    def _with(self, token: str) -> str:
        return f"http://{self.hosts[0]}{self.home}?token={token}"

    @property
    def cookie(self) -> str:
        """The cookie that a token is exchanged for. Scripts cannot read it, and other sites cannot send it."""
        return f"{self._name}={self._secret}; Path={self.home}; HttpOnly; SameSite=Strict"

    def refusal(self, method: str, headers: Message) -> Refusal | None:
        """Why a request is refused whatever it asks for; None if it is not."""
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, "this page can only be read"
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.hosts:  # another name that leads here: DNS rebinding
            return HTTPStatus.FORBIDDEN, f"the host of this page is {self.hosts[0]}"
        if any(origin != f"http://{hosts[0]}" for origin in headers.get_all("Origin", [])):
            return HTTPStatus.FORBIDDEN, "this page answers no other page"
        if any(site not in _OWN_SITE for site in headers.get_all("Sec-Fetch-Site", [])):
            return HTTPStatus.FORBIDDEN, "this page follows no link of another page; paste its address into the browser"
        return None

    def takes(self, token: str) -> bool:
        """Whether a token is right. One for a single use is used up."""
        try:
            self._once.remove(token)
        except KeyError:
            return _are_equal(self._token, token)
        return True

    def knows(self, headers: Message) -> bool:
        """Whether a request has the cookie."""
        given = ";".join(headers.get_all("Cookie", [])).split(";")
        return any(_are_equal(f"{self._name}={self._secret}", one.strip()) for one in given)


def _are_equal(one: str, other: str) -> bool:
    """Whether two strings are equal; the time it takes does not show where they differ."""
    return secrets.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))

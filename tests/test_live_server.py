"""The server of the live page: whom it answers, and whom it refuses."""

import http.client
import socket
import threading
import time
from contextlib import closing

import pytest

from assembler.errors import SettingsError
from assembler.live import server as module
from assembler.live.feed import Feed
from assembler.live.server import Server

PAGE = "<!doctype html><title>a page</title>"


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "HEARTBEAT", 0.02)
        made = Server(PAGE, Feed())
        yield made
        made.close()


@pytest.fixture
def feed(server, monkeypatch):
    """An empty one."""
    monkeypatch.setattr(server, "feed", Feed())
    return server.feed


def port(server):
    return server.server_address[1]


def ask(server, path=None, method="GET", **headers):
    """(status, headers, body) of a request; of headers, ``None`` leaves one out, and a list sends several."""
    given = {"Host": f"127.0.0.1:{port(server)}", "Cookie": cookie(server), **headers}
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=10)
    with closing(connection):
        connection.putrequest(method, server.guard.home if path is None else path, skip_host=True)
        for name, value in given.items():
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                connection.putheader(name.replace("_", "-"), one)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def cookie(server):
    return server.guard.cookie.split(";")[0]


def path_of(address):
    return "/" + address.split("/", 3)[3]


# ---- whom it answers


def test_the_address_leads_to_the_page(server):
    status, headers, body = ask(server, path_of(server.guard.address), Cookie=None)
    assert (status, headers["Location"], body) == (303, server.guard.home, "")
    name_and_value, *attributes = headers["Set-Cookie"].split("; ")
    assert attributes == [f"Path={server.guard.home}", "HttpOnly", "SameSite=Strict"]
    assert ask(server, headers["Location"], Cookie=name_and_value)[::2] == (200, PAGE)


def test_localhost_is_as_good_as_its_number(server):
    host = f"localhost:{port(server)}"
    assert ask(server, Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200


def test_the_address_of_the_terminal_can_be_used_again_and_that_of_a_command_line_cannot(server):
    again, once = path_of(server.guard.address), path_of(server.guard.address_for_once())
    assert [ask(server, path, Cookie=None)[0] for path in (again, again, once, once)] == [303, 303, 303, 403]


def test_no_answer_can_be_read_by_another_site_or_kept(server):
    for path in (None, "/", path_of(server.guard.address)):
        _, headers, _ = ask(server, path)
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] is None


# ---- whom it refuses


def test_only_this_machine_can_connect(server):
    """Linux answers for all of 127.0.0.0/8, of which the server takes one address."""
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port(server)), timeout=10)


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:{port}",
        "127.0.0.1.attacker.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "",
        None,
        ["127.0.0.1:{port}", "attacker.example:{port}"],
        ["attacker.example:{port}", "127.0.0.1:{port}"],
    ],
)
def test_another_name_of_this_machine_is_refused(server, host):
    """DNS rebinding: a name of the attacker's leads here, so that the browser takes this server for the attacker's."""
    named = [one.format(port=port(server)) for one in host] if isinstance(host, list) else host
    named = named.format(port=port(server)) if isinstance(named, str) else named
    status, _, body = ask(server, Host=named)
    assert (status, body) == (403, f"the host of this page is 127.0.0.1:{port(server)}\n")


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", "http://localhost:{port}", ""])  # fmt: skip
def test_another_origin_is_refused(server, origin):
    status, _, body = ask(server, Origin=origin.format(port=port(server)))
    assert (status, body) == (403, "this page answers no other page\n")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "NONE", ""])
def test_a_request_that_another_page_caused_is_refused(server, site):
    """A page of another port of this machine is of the same site, so that the browser sends the cookie along."""
    status, _, body = ask(server, Sec_Fetch_Site=site)
    assert status == 403
    assert body.startswith("this page follows no link of another page")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "TRACE", "X"])
def test_whatever_is_not_get_is_refused(server, method):
    assert ask(server, method=method)[0] == 405


@pytest.mark.parametrize("given", [None, "", "{name}", "{name}=", "{name}=wrong", "x{name}={value}", "{name}={value}x", "{name}={other}"])  # fmt: skip
@pytest.mark.parametrize("path", ["", "events"])
def test_without_the_cookie_nothing_is_shown(server, given, path):
    name, value = cookie(server).split("=")
    told = given and given.format(name=name, value=value, other=server.guard.address.split("=")[1])
    status, _, body = ask(server, f"{server.guard.home}{path}", Cookie=told)
    assert (status, body) == (403, "open this page by the address that the terminal or the editor shows\n")


@pytest.mark.parametrize("token", ["", "wrong", "{token}x", "é", "%C3%A9", "{token}&a=b"])
def test_a_wrong_token_gets_no_cookie(server, token):
    address = server.guard.address
    said = token.format(token=address.split("=")[1]).encode().decode("latin-1")
    with socket.create_connection(server.server_address, timeout=10) as raw:
        raw.sendall(f"GET {server.guard.home}?token={said} HTTP/1.1\r\nHost: 127.0.0.1:{port(server)}\r\n\r\n".encode("latin-1"))  # fmt: skip
        answer = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.0 403 ")
    assert "Set-Cookie" not in answer


@pytest.mark.parametrize("other", ["the page", "the cookie", "the token"])
def test_servers_have_nothing_in_common(server, other):
    second = Server(PAGE, Feed(), 0)
    with closing(second):
        ways = {
            "the page": lambda: ask(second, server.guard.home),
            "the cookie": lambda: ask(second, Cookie=cookie(server)),
            "the token": lambda: ask(second, f"{second.guard.home}?token={server.guard.address.split('=')[1]}"),
        }
        assert ways[other]()[0] in (403, 404)


@pytest.mark.parametrize("path", ["/", "/events", "{home}x", "{home}../../etc/passwd", "{home}%2e%2e/pyproject.toml", "{home}events/", "{home}conf/recipe/mlp.yaml", "//etc/passwd", "http://127.0.0.1{home}", "*"])  # fmt: skip
def test_there_are_no_files(server, path):
    status, _, body = ask(server, path.format(home=server.guard.home))
    assert (status, body) == (404, "there is nothing else here\n")


@pytest.mark.parametrize("request_", [b"\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET /" + b"a" * 70_000 + b"\r\n\r\n"])  # fmt: skip
def test_what_is_no_request_ends_the_connection_without_a_word_on_the_terminal(server, request_, capfd):
    with socket.create_connection(server.server_address, timeout=10) as raw:
        raw.sendall(request_)
        raw.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert b"Set-Cookie" not in answer
    assert b"aaa" not in answer
    assert not answer.startswith((b"HTTP/1.0 2", b"HTTP/1.0 3"))
    assert capfd.readouterr() == ("", "")


def test_requests_are_not_logged(server, capfd):
    """They have the token in them."""
    ask(server, path_of(server.guard.address))
    ask(server, "/nothing")
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_one_line(server):
    with pytest.raises(SettingsError) as error:
        Server(PAGE, Feed(), port(server))
    assert str(error.value) == f"--port: {port(server)} is in use; choose another, or omit it"


# ---- events


class Stream:
    """An open stream of events."""

    def __init__(self, server):
        self.socket = socket.create_connection(server.server_address, timeout=10)
        head = f"GET {server.guard.home}events HTTP/1.1\r\nHost: 127.0.0.1:{port(server)}\r\nCookie: {cookie(server)}"
        self.socket.sendall(f"{head}\r\n\r\n".encode())
        self.lines = self.socket.makefile(encoding="utf-8")
        self.head = list(iter(lambda: next(self.lines).strip(), ""))

    def event(self):
        """(name, value) of the next event."""
        found = {}
        for line in self.lines:
            if line == "\n" and "event" in found:  # not a mere `retry` or a comment
                return found["event"], found["data"]
            name, _, value = line.strip().partition(": ")
            found |= {name: value} if name else {}
        return None

    def close(self):
        self.lines.close()
        self.socket.close()


def threads(server):
    return [one for one in threading.enumerate() if "process_request_thread" in one.name]


def wait_until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_reader_gets_what_is_there_and_then_what_is_new(server, feed):
    feed.publish("text", '"one"')
    with closing(Stream(server)) as stream:
        assert stream.head[0] == "HTTP/1.0 200 OK"
        assert "Content-Type: text/event-stream; charset=utf-8" in stream.head
        assert stream.event() == ("text", '"one"')
        feed.publish("plan", '"größe"')
        feed.publish("plan", '"größe"')  # as before
        feed.publish("text", '"two"')
        assert {stream.event(), stream.event()} == {("plan", '"größe"'), ("text", '"two"')}


def test_every_tab_gets_the_news(server, feed):
    streams = [Stream(server) for _ in range(10)]
    feed.publish("text", "1")
    assert [stream.event() for stream in streams] == [("text", "1")] * 10
    for stream in streams:
        stream.close()


def test_a_slow_reader_gets_the_newest(server, feed):
    for number in range(1000):
        feed.publish("text", str(number))
    with closing(Stream(server)) as stream:
        assert stream.event() == ("text", "999")


def test_a_reader_that_leaves_leaves_no_thread(server, feed, capfd):
    wait_until(lambda: not threads(server))
    streams = [Stream(server) for _ in range(10)]
    wait_until(lambda: len(threads(server)) == 10)
    for stream in streams:
        stream.close()
    wait_until(lambda: not threads(server))
    assert capfd.readouterr() == ("", "")


def test_a_client_that_is_silent_is_not_waited_for(server, monkeypatch, capfd):
    monkeypatch.setattr(module._Handler, "timeout", module._Handler.timeout / 100)
    with socket.create_connection(server.server_address, timeout=10) as raw:
        raw.sendall(b"GET / HT")
        assert raw.recv(100) == b""
    assert capfd.readouterr() == ("", "")


def test_clients_are_limited(server, feed, monkeypatch):
    monkeypatch.setattr(server, "_free", threading.Semaphore(3))
    streams = [Stream(server) for _ in range(3)]
    with socket.create_connection(server.server_address, timeout=10) as raw:
        assert raw.recv(100) == b""
    streams.pop().close()
    wait_until(lambda: server._free._value == 1)
    streams.append(Stream(server))
    assert streams[-1].head[0] == "HTTP/1.0 200 OK"
    for stream in streams:
        stream.close()

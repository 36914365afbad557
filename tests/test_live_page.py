"""The live page in a browser: a recipe is edited, broken and mended beside it; other pages get nothing of it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from assembler.analysis import LayerMemory, Project
from assembler.errors import Span
from assembler.live.feed import Feed
from assembler.live.server import Server
from assembler.live.shown import LivePage
from assembler.runtime.limits import Budget
from assembler.views.page import live_page
from tests.conftest import ROOT
from tests.test_page import CHROMIUM, COLLECT_BLOCKED, FLAGS, HOSTILE, LOOKS, browser, faults  # noqa: F401

RECIPE = """\
input: {shape: [4, 8]}
blocks:
  Hidden(units): Dense(_, units) + ReLU
stack: 2 * Hidden(16) + Dense(_, 3)
"""


class Watch:
    """``assembler watch a --page`` in a folder."""

    def __init__(self, folder, *options):
        self.file = folder / "conf" / "recipe" / "a.yaml"
        self.file.parent.mkdir(parents=True)
        self.file.write_text(RECIPE)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assembler", "watch", "a", "--page", *options],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "BROWSER": f"{folder}/browser %s"},
        )  # fmt: skip
        self.address = self.process.stdout.readline().strip()

    @property
    def home(self):
        return self.address.partition("?")[0]

    def save(self, text):
        """As most editors do: a new file replaces the old one."""
        new = self.file.with_name("new")
        new.write_text(text)
        new.replace(self.file)

    def end(self):
        """(exit code, standard error) after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@pytest.fixture
def watch(tmp_path):
    made = Watch(tmp_path)
    yield made
    if made.process.poll() is None:
        assert made.end() == (130, "interrupted\n")


class Tab:
    """A tab of the browser, and what it complained of."""

    def __init__(self, context, address):
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints = []
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)  # fmt: skip
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.add_init_script(COLLECT_BLOCKED)
        self.page.goto(address)

    def wait_for(self, verdict):
        self.page.wait_for_function("said => document.getElementById('verdict').textContent.includes(said)", arg=verdict)  # fmt: skip

    def crosses(self):
        return self.page.locator(".drawing text", has_text="✕").all_inner_texts()

    def wait_for_crosses(self, *titles):
        self.page.wait_for_function(
            "titles => JSON.stringify([...document.querySelectorAll('.drawing text')].map(one => one.textContent.trim()).filter(one => one.startsWith('✕'))) === titles",
            arg="[" + ",".join(f'"✕ {title}"' for title in titles) + "]",
        )


@pytest.fixture
def tab(browser):  # noqa: F811
    contexts, tabs = [], []

    def open_(address, context=None, width=1400):
        if context is None:
            contexts.append(context := browser.new_context(viewport={"width": width, "height": 900}))
        tabs.append(Tab(context, address))
        return tabs[-1]

    yield open_
    for context in contexts:
        context.close()
    assert [one for tab in tabs for one in tab.complaints] == []


# ---- following


def test_a_recipe_is_edited_broken_and_mended_twenty_times(watch, tab):
    one = tab(watch.address)
    one.wait_for("no errors")
    assert one.page.url == watch.home  # without the token
    assert one.page.title() == one.page.locator("h1").inner_text() == "a"
    for number in range(20):
        units = 17 + number
        watch.save(RECIPE.replace("16", str(units)))
        parameters = 8 * units + units + units * units + units + units * 3 + 3
        one.page.wait_for_function("many => document.getElementById('costs').textContent.includes(many)", arg=f"{parameters:,}")  # fmt: skip
        changes = one.page.locator("#changes")
        changes.get_by_text(f"Hidden({units - 1}) → Hidden({units})").wait_for()
        assert one.page.locator(".line.new").all_text_contents() == [f"changed: stack: 2 * Hidden({units}) + Dense(_, 3)"]  # fmt: skip

        watch.save(RECIPE.replace("16", str(units)).replace("ReLU", "RelU"))
        one.wait_for("1 error")
        assert one.page.title() == "✕ a"
        assert one.page.locator("mark").all_inner_texts() == ["RelU"]
        explained = one.page.locator(".explained").text_content()
        assert explained.startswith("error: no layer named 'RelU'. Did you mean 'ReLU' or 'RReLU' or 'ReLU6'?")
        assert one.page.locator("#stale").is_visible()
        one.wait_for_crosses("ReLU", "ReLU")
        assert one.page.locator("#marked").is_visible()
        assert f"{parameters:,}" in one.page.locator("#costs").inner_text()

        watch.save(RECIPE.replace("16", str(units)))
        one.wait_for("no errors")
        one.wait_for_crosses()
        assert one.page.locator("mark, .explained").count() == 0
        assert one.page.locator("#stale:visible, #marked:visible").count() == 0
    assert one.page.evaluate("window.blocked") == []


def test_tabs_follow_together_and_one_that_is_closed_disturbs_none(watch, tab, browser):  # noqa: F811
    first = tab(watch.address)
    tabs = [first, *(tab(watch.home, first.page.context) for _ in range(3)), tab(watch.address)]
    for one in tabs:
        one.wait_for("no errors")
    tabs.pop(1).page.close()
    watch.save(RECIPE.replace("Dense(_, 3)", "Dense(7, 3)"))
    for one in tabs:
        one.wait_for("1 error")


def test_the_end_of_the_command_is_reported(watch, tab):
    one = tab(watch.address)
    one.wait_for("no errors")
    assert watch.end() == (130, "interrupted\n")
    one.page.get_by_text("The command or the editor does not answer; it may have ended.").wait_for()
    one.complaints.clear()  # of the connection
    one.page.close()


def test_what_the_reader_chose_stays(watch, tab):
    watch.save(RECIPE.replace("2 * Hidden(16)", "Hidden(16) + Hidden(8)"))
    one = tab(watch.address)
    one.wait_for("no errors")
    page = one.page
    page.get_by_role("button", name="Depth 1 of 2").first.click()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    zoom = page.locator(".zoom").inner_text()
    page.locator("#layers .fold").first.click()
    search = page.get_by_role("searchbox", name="Search layers")
    search.fill("dense")
    watch.save(RECIPE.replace("2 * Hidden(16)", "Hidden(16) + Hidden(8) + Tanh"))
    page.get_by_role("rowheader", name="all 6 layers").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.drawing text')].some(one => one.textContent === 'Tanh')"
    )
    assert page.locator(".zoom").inner_text() == zoom
    assert page.locator(".viewer [aria-pressed=true]").inner_text() == "1"
    assert search.input_value() == "dense"
    assert page.evaluate("document.activeElement.type") == "search"
    assert page.locator("#layers tbody :is(.fold, .leaf)").all_inner_texts() == ["Hidden", "Dense", "Hidden", "Dense", "Dense"]  # fmt: skip
    search.fill("")
    names = page.locator("#layers tbody :is(.fold, .leaf)").all_inner_texts()
    assert names == ["Hidden", "Hidden", "Dense", "ReLU", "Tanh", "Dense"]  # the first is folded


def test_a_hidden_tab_holds_no_connection_and_comes_back(watch, tab):
    """A browser opens six connections to a host at a time, for all its tabs."""
    one = tab(watch.address)
    one.wait_for("no errors")
    hide = "hidden => (Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }), document.dispatchEvent(new Event('visibilitychange')))"
    one.page.evaluate(hide, True)
    watch.save(RECIPE.replace("ReLU", "RelU"))
    one.page.wait_for_timeout(1500)
    assert "no errors" in one.page.locator("#verdict").inner_text()
    one.page.evaluate(hide, False)
    one.wait_for("1 error")


def test_the_keyboard_reaches_everything(watch, tab):
    one = tab(watch.address)
    one.wait_for("no errors")
    one.page.wait_for_selector(".drawing svg")
    reached = set()
    for _ in range(40):
        one.page.keyboard.press("Tab")
        reached.add(one.page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))  # fmt: skip
    assert {"conf/recipe/a.yaml", "Zoom in", "Copy Mermaid", "Layers"} <= reached
    assert any(name.startswith("Diagram") for name in reached)


@pytest.mark.parametrize("text", [RECIPE, RECIPE.replace("ReLU", "RelU")], ids=["right", "wrong"])
def test_the_page_is_for_everybody(watch, tab, text):
    one = tab(watch.address)
    one.wait_for("no errors")
    watch.save(RECIPE.replace("16", "32"))
    one.page.locator("#changes table").first.wait_for()
    watch.save(text)
    one.wait_for("no errors" if text == RECIPE else "1 error")
    one.page.wait_for_timeout(300)
    for scheme, width in LOOKS:
        one.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        one.page.set_viewport_size({"width": width, "height": 900})
        assert faults(one.page) == []
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_is_opened_if_asked(tmp_path):
    """Its command line can be read by others, so that its token is good for one use."""
    (tmp_path / "browser").write_text('#!/bin/sh\necho "$1" > "$0.txt.new"\nmv "$0.txt.new" "$0.txt"\n')
    (tmp_path / "browser").chmod(0o755)
    made = Watch(tmp_path, "--open")
    try:
        opened = tmp_path / "browser.txt"
        made.process.stdout.readline()
        end = threading.Event()
        for _ in range(100):
            if opened.exists():
                break
            end.wait(0.1)
        assert opened.read_text().startswith(f"{made.home}?token=")
        assert opened.read_text().strip() != made.address
    finally:
        assert made.end() == (130, "interrupted\n")


def test_the_place_of_an_editors_cursor_is_marked(tmp_path, monkeypatch, tab):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.yaml"
    file.write_text(RECIPE)
    feed = Feed()
    live, project = LivePage(file, feed.publish), Project.at(None)
    live.look(project, [file], Budget(), LayerMemory())
    with closing(Server(live_page("a"), feed)) as server:
        one = tab(server.guard.address)
        for (line, column), rows in {
            (3, 27): ["Dense(_, 3)"],
            (2, 20): ["Dense(_, units)", "Dense(_, units)"],
            (0, 3): [],
        }.items():
            live.point(Span(file, line, column, line, column))
            one.page.locator(f'.line[data-line="{line + 1}"][aria-current]').wait_for()
            assert one.page.locator(".line[aria-current]").count() == 1
            one.page.wait_for_function(
                "many => document.querySelectorAll('tr[aria-current]').length === many", arg=len(rows)
            )
            assert faults(one.page) == []
        live.point(Span(file, 2, 20, 2, 20))
        one.page.locator("tr[aria-current]").first.wait_for()
        one.page.get_by_role("button", name="Depth 1 of 2").last.click()
        assert one.page.locator("tr[aria-current]").all_inner_texts()[0].startswith("Hidden")
        live.look(project, [file], Budget(), LayerMemory())  # the same again
        assert one.page.locator(".line[aria-current]").count() == 1


POINTED = """() => [...document.querySelectorAll(".drawing .pointed")].map(mark => {
    const around = mark.getBoundingClientRect();
    const inside = [...mark.parentNode.querySelectorAll("text")].filter(text => {
        const { top, bottom } = text.getBoundingClientRect();
        return (top + bottom) / 2 > around.top && (top + bottom) / 2 < around.bottom;
    });
    return [around.top, inside[0].textContent.trim()];
}).sort(([one], [other]) => one - other).map(([, text]) => text).join(", ")"""
"""The names in the rows of the diagram that are marked, from the top."""


def wait_for_marks(page, names):
    """Wait until these rows of the diagram are marked, and no others."""
    with contextlib.suppress(TimeoutError):
        page.wait_for_function(f"names => ({POINTED})() === names", arg=names, timeout=5000)
    assert page.evaluate(POINTED) == names


DEEP = """\
input: {shape: [4, 8]}
blocks:
  Hidden(units): Dense(_, units) + ReLU
stack:
  - Hidden(16) + Hidden(4) + Tanh + Hidden(4) + Tanh
  - Dense(_, 4) + Dense(_, 4) + Residual(Dense(_, 4) + Sigmoid)
  - 2 * Hidden(4) + Dense(_, 3)
"""
CURSORS = {
    (2, 20): "Dense, Dense, Dense, Dense",  # in the block; the last is drawn once for two turns
    (4, 6): "Dense, ReLU",  # its first use
    (4, 37): "Dense, ReLU",
    (4, 30): "Tanh",
    (5, 20): "Dense × 2",  # the second of two that are drawn once
    (5, 56): "Sigmoid",
    (6, 6): "Dense, ReLU",
    (0, 3): "",
}


def test_the_layers_at_an_editors_cursor_are_marked_in_the_diagram(tmp_path, monkeypatch, tab):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.yaml"
    file.write_text(DEEP)
    feed = Feed()
    live, project = LivePage(file, feed.publish), Project.at(None)
    live.look(project, [file], Budget(), LayerMemory())
    with closing(Server(live_page("a"), feed)) as server:
        one = tab(server.guard.address)
        one.page.emulate_media(reduced_motion="reduce")  # scrolling takes no time
        one.page.wait_for_selector(".drawing [data-box]")
        one.page.get_by_role("button", name="Depth 2 of 2").first.click()
        for (line, column), names in CURSORS.items():
            live.point(Span(file, line, column, line, column))
            wait_for_marks(one.page, names)
        live.point(Span(file, 2, 20, 2, 20))
        wait_for_marks(one.page, CURSORS[2, 20])
        one.page.get_by_role("button", name="Depth 1 of 2").first.click()
        wait_for_marks(one.page, "Hidden, Hidden, Hidden, Hidden × 2")

        live.point(Span(file, 6, 20, 6, 20))  # the last layer; most of the diagram is out of view
        for _ in range(4):
            one.page.get_by_role("button", name="Zoom in").first.click()
        live.point(Span(file, 4, 6, 4, 6))
        wait_for_marks(one.page, "Hidden")
        live.point(Span(file, 6, 20, 6, 20))
        wait_for_marks(one.page, "Dense")
        one.page.wait_for_function(
            """() => {
                const [mark] = document.querySelectorAll(".drawing .pointed");
                if (!mark) return false;
                const [around, inside] = [mark.closest(".drawing"), mark].map(one => one.getBoundingClientRect());
                return inside.top > around.top && inside.bottom < around.bottom;
            }"""
        )
        seen = one.page.evaluate("document.querySelector('.drawing').scrollTop")
        assert seen > 0
        file.write_text(DEEP.replace("Dense(_, 3)", "Dense(_, 5)"))
        live.look(project, [file], Budget(), LayerMemory())
        one.page.get_by_text("(4, 5)").first.wait_for()
        wait_for_marks(one.page, "Dense")
        assert one.page.evaluate("document.querySelector('.drawing').scrollTop") == seen
        for scheme, width in LOOKS:
            one.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            one.page.set_viewport_size({"width": width, "height": 900})
            assert faults(one.page) == []
        assert one.page.evaluate("window.blocked") == []


# ---- strangers

ATTACKS = {
    "fetch": "fetch(target, { credentials: 'include' }).then(answer => answer.text())",
    "fetch without CORS": "fetch(target, { credentials: 'include', mode: 'no-cors' }).then(answer => answer.text())",
    "post": "fetch(target, { method: 'POST', credentials: 'include', mode: 'no-cors' }).then(answer => answer.text())",
    "events": "new Promise(done => { const one = new EventSource(target + 'events', { withCredentials: true }); one.onerror = () => done(''); one.addEventListener('text', event => done(event.data)); })",
    "script": "new Promise(done => { const one = document.createElement('script'); one.src = target; one.onload = () => done('loaded'); one.onerror = () => done(''); document.head.append(one); })",
    "frame": "new Promise(done => { const one = document.createElement('iframe'); one.src = target; one.onload = () => { try { done(one.contentDocument?.body.textContent ?? ''); } catch { done(''); } }; document.body.append(one); })",
    "window": "new Promise(done => { const one = open(target); setTimeout(() => { try { done(one.document.body.textContent); } catch { done(''); } }, 1500); })",
}


class Elsewhere(BaseHTTPRequestHandler):
    """A page of somebody else, on another port of this machine."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>attacker</title><body>")
        self.server.cookies.append(self.headers["Cookie"])

    def log_message(self, *given):
        pass


@pytest.fixture
def attacker():
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    server.cookies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def served():
    feed = Feed()
    feed.publish("text", '{"when": 0, "planned": null, "files": [], "elsewhere": ["secret"]}')
    server = Server(live_page("a"), feed)
    yield server
    server.close()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_page_gets_nothing(served, attacker, browser, attack, host):  # noqa: F811
    """Its browser has the cookie, and it knows the path. A page of another port is of the same site."""
    with closing(browser.new_context()) as context:
        owner = context.new_page()
        owner.goto(served.guard.address)
        owner.get_by_text("secret").wait_for()
        answers = []
        page = context.new_page()
        page.goto(f"http://{host}:{attacker.server_address[1]}/")
        context.on("response", lambda one: answers.append(one.status) if f":{served.server_address[1]}/" in one.url else None)  # fmt: skip
        target = f"http://{served.guard.hosts[0]}{served.guard.home}"
        got = page.evaluate(f"target => Promise.resolve({ATTACKS[attack]}).catch(error => '')", target)
        assert "secret" not in (got or "")
        assert got != "loaded"
        assert set(answers) <= {403, 405}
        assert served.guard.cookie.split(";")[0] not in str(attacker.cookies)


def test_a_name_that_leads_here_gets_nothing(served):
    """DNS rebinding, with the right path and token."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = [*FLAGS, "--host-resolver-rules=MAP attacker.example 127.0.0.1"]
        own = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = own.new_page()
        answer = page.goto(served.guard.address.replace("127.0.0.1", "attacker.example"))
        assert (answer.status, page.context.cookies()) == (403, [])
        assert page.goto(served.guard.address).status == 200
        own.close()


def test_scripts_cannot_read_the_cookie_and_the_policy_lets_nothing_out(served, attacker, browser):  # noqa: F811
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.add_init_script(COLLECT_BLOCKED)
        page.goto(served.guard.address)
        assert page.evaluate("document.cookie") == ""
        there = f"http://127.0.0.1:{attacker.server_address[1]}/"
        page.evaluate(
            """async there => {
                await fetch(there).catch(() => {});
                document.body.append(Object.assign(document.createElement("img"), { src: there }));
                const script = Object.assign(document.createElement("script"), { textContent: "window.ran = 1" });
                document.body.append(script);
                await new Promise(done => setTimeout(done, 200));
            }""",
            there,
        )
        assert sorted(page.evaluate("window.blocked")) == ["connect-src", "img-src", "script-src-elem"]
        assert page.evaluate("window.ran") is None
        assert attacker.cookies == []


@pytest.mark.parametrize("text", [one for name, one in HOSTILE.items() if name not in ("surrogate",)])
def test_whatever_a_recipe_contains_is_text(tmp_path, tab, served, text):
    said = {"span": [0, 0, 0, 3], "message": text, "related": [text], "more": 2}
    file = {"name": text, "text": f"{text}\nb", "errors": [said], "changed": [0], "isShipped": False}
    served.feed.publish("text", json.dumps({"when": 0, "planned": 1, "files": [file], "elsewhere": [text]}))
    served.feed.publish("changes", json.dumps({"from": 0, "to": 1, "edits": [{"before": None, "after": {"text": text, "paths": [text]}, "times": 1, "parameters": 1, "macs": 0}], "through_sizes": {"parameters": 0, "macs": 0}, "settings": {text: [text, None]}, "metrics": [[text, text, text]]}))  # fmt: skip
    one = tab(served.guard.address)
    one.wait_for("2 errors")
    assert one.page.evaluate("window.ran") is None
    assert one.page.evaluate("window.blocked") == []
    shown, word = (re.sub(r"\s", "", one) for one in (one.page.locator("main").inner_text(), text))
    assert shown.count(word) >= 8

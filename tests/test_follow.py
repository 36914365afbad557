"""Files that are edited are followed: whatever an editor does to save one is noticed, soon."""

import threading
import time

import pytest

from assembler.live import follow

SOON = 0.7
"""Seconds; without news from the system, the files are looked at each second."""


class Followed:
    """Follows files in a thread."""

    def __init__(self, files):
        self.calls, self.ended = [], False
        self.thread = threading.Thread(target=self.run, args=(files,), daemon=True)
        self.thread.start()
        self.wait_for(1, 5)
        time.sleep(0.1)  # now it waits

    def run(self, files):
        with pytest.raises(EOFError):
            follow.whenever_changed(files, self.call)

    def call(self):
        if self.ended:
            raise EOFError
        self.calls.append(time.monotonic())

    def wait_for(self, many, seconds=SOON):
        end = time.monotonic() + seconds
        while len(self.calls) < many and time.monotonic() < end:
            time.sleep(0.005)
        assert len(self.calls) == many


@pytest.fixture
def followed(tmp_path):
    made = []

    def start(*files):
        made.append(Followed(lambda: files))
        return made[-1]

    file = tmp_path / "a.yaml"
    file.write_text("one")
    yield start
    for one in made:
        one.ended = True
        file.write_text("the end")
        one.thread.join(5)
        assert not one.thread.is_alive()


def append(file):
    with file.open("a") as stream:
        stream.write("two")


def replace(file):
    new = file.with_name("new")
    new.write_text("two")
    new.replace(file)


SAVES = {
    "written": lambda file: file.write_text("two"),
    "appended to": append,
    "replaced": replace,
    "deleted": lambda file: file.unlink(),
}


@pytest.mark.parametrize("save", SAVES)
def test_a_saved_file_is_noticed(followed, tmp_path, save):
    found = followed(tmp_path / "a.yaml")
    SAVES[save](tmp_path / "a.yaml")
    found.wait_for(2)


def test_a_file_is_followed_through_all_that_happens_to_it(followed, tmp_path):
    file = tmp_path / "a.yaml"
    found = followed(file)
    for many, save in enumerate([*SAVES.values(), SAVES["written"], replace, SAVES["written"]], 2):
        save(file)
        found.wait_for(many)
        time.sleep(0.05)


def test_the_file_that_a_link_leads_to_is_followed(followed, tmp_path):
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "b.yaml"
    file.write_text("one")
    (tmp_path / "link.yaml").symlink_to(file)
    found = followed(tmp_path / "link.yaml", tmp_path / "a.yaml")
    replace(file)
    found.wait_for(2)


def test_a_file_that_is_not_there_yet_is_followed(followed, tmp_path):
    found = followed(tmp_path / "a.yaml", tmp_path / "later" / "b.yaml")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "b.yaml").write_text("one")
    found.wait_for(2, 2 * follow.EVERY)


def test_other_files_of_the_folder_are_ignored(followed, tmp_path):
    found = followed(tmp_path / "a.yaml")
    (tmp_path / "other").write_text("one")
    time.sleep(0.2)
    found.wait_for(1)


def test_a_change_while_the_last_one_is_shown_is_not_missed(tmp_path, monkeypatch):
    """Then nothing is waited for."""
    file = tmp_path / "a.yaml"
    file.write_text("")
    seen = []

    def do():
        seen.append(file.read_text())
        if len(seen) < 4:
            file.write_text(file.read_text() + ".")

    def no_wait(changes):
        raise EOFError

    monkeypatch.setattr(follow, "wait", no_wait)
    with pytest.raises(EOFError):
        follow.whenever_changed(lambda: [file], do)
    assert seen == ["", ".", "..", "..."]


def test_without_news_from_the_system_files_are_looked_at_each_second(followed, tmp_path, monkeypatch):
    def refuse(*folders, **how):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuse)
    monkeypatch.setattr(follow, "EVERY", 0.05)
    found = followed(tmp_path / "a.yaml")
    SAVES["written"](tmp_path / "a.yaml")
    found.wait_for(2)

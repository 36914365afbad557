import os
from pathlib import Path

import pytest

from assembler.files import write_text


def test_a_file_is_written_over_an_old_one(tmp_path):
    file = tmp_path / "result.json"
    write_text(file, "old")
    write_text(file, "new ä\n")
    assert file.read_text(encoding="utf-8") == "new ä\n"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(("owner", "stumbles"), [(os, "fsync"), (Path, "replace")])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, owner, stumbles):
    file = tmp_path / "result.json"
    write_text(file, "old")

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(owner, stumbles, fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    write_text(file, "old")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(file.read_text()))
    write_text(file, "new")
    assert (seen, file.read_text()) == (["old"], "new")

import errno
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from assembler.files import move, replacing, short, write_text, write_texts
from tests.conftest import ROOT, mostly_slow


def test_a_file_is_written_over_an_old_one(tmp_path):
    file = tmp_path / "result.json"
    write_text(file, "old")
    write_text(file, "new ä\n")
    assert file.read_text(encoding="utf-8") == "new ä\n"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


MANY = """\
import sys
from pathlib import Path
from assembler.files import write_text
for _ in range(200):
    write_text(Path(sys.argv[1]), sys.argv[2] * 100)
"""


def test_many_processes_write_one_file(tmp_path):
    """The temporary folder of each may look to the others like one that a killed process left."""
    file = tmp_path / "w.json"
    run = [sys.executable, "-c", MANY, str(file)]
    with ExitStack() as stack:
        many = [stack.enter_context(subprocess.Popen([*run, letter], cwd=ROOT)) for letter in "abcd"]
        assert [process.wait() for process in many] == [0] * 4
    assert len(set(file.read_text())) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_files_are_written_one_after_the_other_and_deleted(tmp_path):
    (tmp_path / "old.txt").write_text("old")

    def texts():
        yield "a.json", "{}"
        yield "b.txt", (tmp_path / "a.json").read_text() + "!"  # the file before is there
        yield "old.txt", None

    write_texts(tmp_path, texts())
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.json": "{}", "b.txt": "{}!"}
    (tmp_path / "c").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_texts(tmp_path, [("d", "written"), ("c", "cannot be")])
    assert error.value.filename == str(tmp_path / "c")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "b.txt", "c", "d"]


@pytest.mark.parametrize(("owner", "stumbles"), [(os, "fsync"), (Path, "replace")])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, owner, stumbles):
    file = tmp_path / "sweep.json"
    write_text(file, "old")

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(owner, stumbles, fail)
    with pytest.raises(OSError, match="disk full"), replacing(file) as new:
        new.write_text("new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    write_text(file, "old")
    seen = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda new, old: seen.append(old.read_text() + new.read_text()) or replace(new, old)
    )
    write_text(file, "new")
    assert (seen, file.read_text()) == (["oldnew"], "new")


def test_data_is_on_the_disk_before_the_old_file_is_gone_unless_it_can_be_made_again(tmp_path, monkeypatch):
    file = tmp_path / "weights"
    file.write_text("old")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(file.read_text()))
    with replacing(file) as new:
        new.write_text("new")
    write_text(file, "text")
    assert (seen, file.read_text()) == (["old"], "text")


LEFT = ["w.safetensors", "result.json", "sweep[1].csv", "no ending", ".hidden"]


@pytest.mark.parametrize("name", LEFT)
def test_what_a_killed_write_left_is_deleted_by_the_next(tmp_path, name):
    """Also where its process had the number that this one has; not while it lives, and not beside other files."""
    for other in (name, f"{name}2"):
        write = f"with replacing(Path({other!r})) as new: new.write_text('half'); os.kill(os.getpid(), 9)"
        code = f"import os\nfrom pathlib import Path\nfrom assembler.files import replacing\n{write}"
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
        )
    assert len(list(tmp_path.iterdir())) == 2
    file = tmp_path / name
    with replacing(file) as new:
        new.write_text("slow")
        write_text(file, "quick")
        assert file.read_text() == "quick"
        assert new.read_text() == "slow"
    assert file.read_text() == "slow"
    assert [path.name for path in sorted(tmp_path.iterdir()) if not path.name.startswith(f".{name}2")] == [name]
    write_text(tmp_path / f"{name}2", "new")
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}2"}


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WRITES = {
    "text": lambda file: write_text(file, "new"),
    "bytes": lambda file: replaced_by(file, Path.write_bytes),
    "array": lambda file: replaced_by(file, lambda new, _: full()),
    "moved": lambda file: moved_to(file),
}


def replaced_by(file, write):
    with replacing(file) as new:
        write(new, b"new")


def moved_to(file):
    made = file.parent / "made"
    made.mkdir()
    (made / file.name).touch()
    move(made / file.name, file.parent)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_error_of_a_full_disk_names_the_file(tmp_path, monkeypatch, write):
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left") as error:
        write(tmp_path / "w.bin")
    assert str(error.value) == f"[Errno 28] No space left on device: '{tmp_path / 'w.bin'}'"


FULL = {
    "result.json": ["recipe=mylinear", "task=plan"],
    "recipe.yaml": ["recipe=mylinear", "task=plan"],
    "w.safetensors": ["recipe=mylinear", "weights.save=w.safetensors"],
    "w.ckpt": ["recipe=mylinear", "weights.save=w.ckpt"],
    "mylinear.mindir": ["recipe=mylinear", "task=export"],
    "mylinear.py": ["recipe=mylinear", "task=eject"],
    "sweep.json": ["-m", "recipe=mylinear", "task=plan"],
    "sweep.csv": ["-m", "recipe=mylinear", "task=plan"],
    "sweep.sqlite": ["-m", "recipe=mylinear", "task=plan"],
}


@pytest.mark.parametrize("name", mostly_slow(FULL, ("result.json", "sweep.csv").__contains__))
def test_a_full_disk_is_one_line_with_the_file(run, monkeypatch, name):
    """Texts are found not to fit when they are written; the system may notice it of other files only at the end."""
    fsync, write = os.fsync, Path.write_text
    monkeypatch.setattr(
        os, "fsync", lambda handle: full() if name in str(Path(f"/proc/self/fd/{handle}").readlink()) else fsync(handle)
    )
    monkeypatch.setattr(
        Path,
        "write_text",
        lambda path, *args, **options: full() if name in str(path) else write(path, *args, **options),
    )
    done = run(*FULL[name])
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.endswith("No space left on device")
    assert name in line.split(": ")[0]
    assert not [path for path in Path().rglob(".*") if path.suffix == ".new"]


@pytest.mark.parametrize("folder", ["nowhere", "file", "file/below"])
def test_error_of_a_folder_names_the_file_and_no_temporary_one(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory") as error:
        write_text(tmp_path / folder / "w.json", "new")
    assert error.value.filename == str(tmp_path / folder / "w.json")


@pytest.mark.parametrize(
    ("file", "printed"),
    [
        ("home/work/run/a", "run/a"),
        ("home/work", "~/work"),  # the working directory itself, as with hydra.job.chdir, is not "."
        ("home/other", "~/other"),
        ("home", "{top}/home"),
        ("other", "{top}/other"),
    ],
)
def test_a_path_is_printed_short_and_says_where_it_is(tmp_path, monkeypatch, file, printed):
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "work")
    assert short(tmp_path / file) == printed.format(top=tmp_path)

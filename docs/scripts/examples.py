"""Run the examples of pages, and write what they print and draw into the pages.

    python docs/scripts/examples.py docs/tutorial.md docs/how-to/*.md

A page is run from its top to its end in an empty folder. In a page,

- ``title="conf/recipe/mine.yaml"`` at a block is the file to write; ``…, at the top`` and ``…, at the end`` add to it;
- a block ``console`` has commands after ``$``, each followed by what it prints, which is replaced by what it did print;
- a block ``bash`` has commands whose output is not shown;
- a picture in ``images/runs/`` is the diagram of the latest run before it.

``PAGE.zh.md`` is the page in Chinese: it gets the outputs of ``PAGE.md``, whose code it must have. In its titles,
``，开头`` is ``, at the top``, and ``，末尾`` is ``, at the end``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$", re.M | re.S)
PICTURE = re.compile(r"^!\[[^]]*\]\((?P<picture>[\w./-]*images/runs/[\w-]+\.svg)\)", re.M)
PART = re.compile(rf"{BLOCK.pattern}|{PICTURE.pattern}", re.M | re.S)
COMMAND = re.compile(r"^\$ (?P<typed>.*\n)(?P<printed>(?:(?!\$ ).*\n)*)", re.M)


class ExampleFails(Exception):
    """A command of a page does not exit with 0, or with the code that a comment of it names: ``# exit code 1``."""


@dataclass
class Found:
    """What running a page gives."""

    text: str  # the page, with the outputs that were printed
    pictures: dict[Path, str] = field(default_factory=dict)  # by the file that the page shows


def run_page(page: Path, folder: Path) -> Found:
    """Run all examples of a page.

    Args:
        folder: an empty one, in which the commands run.

    Raises:
        ExampleFails: a command fails.
    """
    found = Found(page.read_text(encoding="utf-8"))
    shown = {}  # picture → the run that drew it; none at the top of a page, which shows its first run

    def run(part: re.Match[str]) -> str:
        if part["picture"]:
            shown[(page.parent / part["picture"]).resolve()] = diagrams(folder)[-1:]
        elif part["title"]:
            write(folder, part["title"], part["code"])
        elif part["language"] == "bash":
            shell(part["code"], folder)
        elif part["language"] == "console":
            return part[0].replace(part["code"], COMMAND.sub(lambda one: with_output(one, folder), part["code"]))
        return part[0]

    found.text = PART.sub(run, found.text)
    for picture, drawn in shown.items():
        found.pictures[picture] = (drawn or diagrams(folder))[0].read_text(encoding="utf-8")
    return found


def write(folder: Path, title: str, code: str) -> None:
    """Write a block into its file, whole, at the top or at the end."""
    name, _, where = titles_in_english(title).partition(", ")
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text(encoding="utf-8") if where else ""
    parts = {"": code, "at the top": code + before, "at the end": f"{before}\n\n{code}"}
    file.write_text(parts[where], encoding="utf-8")


def with_output(command: re.Match[str], folder: Path) -> str:
    """A command and what it prints; what stands in the page stays where only rounding, times and paths differ."""
    printed = shell(command["typed"], folder)
    same = comparable(printed) == comparable(command["printed"])
    return f"$ {command['typed']}{command['printed'] if same else shown(printed)}"


def shell(typed: str, folder: Path) -> str:
    """What a command prints.

    Raises:
        ExampleFails: it exits with another code than 0, or than a comment says.
    """
    wanted = re.search(r"# exit code (\d)", typed)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    around = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # tables are as wide as in a pipe
    done = subprocess.run(
        ["bash", "-euc", typed],
        cwd=folder,
        env={**around, "PATH": path, "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != int(wanted[1] if wanted else 0):
        raise ExampleFails(f"exit code {done.returncode}: {typed}{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def diagrams(folder: Path) -> list[Path]:
    """The diagrams of all runs, the first run first."""
    return sorted(folder.glob("outputs/*/*/diagram.svg"))


# ---- what differs between two runs of the same command


def shown(printed: str) -> str:
    """An output as a page shows it: without trailing blanks, with one date for all runs."""
    lines = (line.rstrip() for line in printed.splitlines())
    return re.sub(
        r"\b\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-\d{6}\b",
        "2026-11-24/15-00-00-000000",
        "".join(f"{line}\n" for line in lines),
    )


ROUNDED = r"-?\b\d+\.\d+(?:e-\d+)?\b(?! [KMG]iB)|-?\b\de-\d+\b|(?<![\w,.])0(?![\w,.])"
"""Numbers whose last digits differ between machines, and seconds: ``1.07e-09``, ``[14.84, 23.04]``; not ``2.1 KiB``.

The spread of two equal numbers is ``0``.
"""


def comparable(printed: str) -> str:
    """An output without what differs between machines: rounding, times, widths of columns."""
    text = re.sub(ROUNDED, "#", shown(printed))
    text = re.sub(r"\b\d+(\.\d+)? m?s\b", "# s", text)
    text = re.sub(r"[━─┏┓┡┩└┘┳╇┴┬┼├┤]+", "─", text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


# ---- pages in Chinese


def titles_in_english(text: str) -> str:
    """A page or a title, with the place in a file in English."""
    return text.replace("，开头", ", at the top").replace("，末尾", ", at the end")


def code_of(page: Path) -> list[str]:
    """The code blocks of a page, without what is in the page's language: comments, docstrings, places in files."""
    text = titles_in_english(page.read_text(encoding="utf-8"))
    found = (f"{block['title']}\n{block['code']}" for block in BLOCK.finditer(text))
    return [re.sub(r"[ \t]*#.*|^ *\"\"\"[^\"]*\"\"\"\n", "", block, flags=re.M) for block in found]


def with_outputs_of(chinese: str, english: str) -> str:
    """A page in Chinese with the outputs of the page in English, block by block."""
    consoles = iter([block["code"] for block in BLOCK.finditer(english) if block["language"] == "console"])
    return BLOCK.sub(
        lambda one: one[0].replace(one["code"], next(consoles)) if one["language"] == "console" else one[0], chinese
    )


def chinese(page: Path) -> Path:
    """The page in Chinese, whether or not it exists."""
    return page.with_suffix(".zh.md")


def changed_files(page: Path) -> Iterator[tuple[Path, str]]:
    """(file, text) of all that running a page changes: the page, its pictures, the page in Chinese."""
    with tempfile.TemporaryDirectory() as folder:
        found = run_page(page, Path(folder))
    files = {page: found.text, **found.pictures}
    if chinese(page).exists():
        files[chinese(page)] = with_outputs_of(chinese(page).read_text(encoding="utf-8"), found.text)
    for file, text in files.items():
        same = labels if file.suffix == ".svg" else str
        if not file.exists() or same(file.read_text(encoding="utf-8")) != same(text):
            yield file, text


def labels(svg: str) -> list[str]:
    """What is written in a picture: coordinates differ between the programs that draw."""
    return re.findall(r">([^<>]+)<", svg)


def main(pages: Sequence[str]) -> None:
    """Run pages and write what changed."""
    for page in map(Path, pages):
        for file, text in changed_files(page):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")


if __name__ == "__main__":
    main(sys.argv[1:])

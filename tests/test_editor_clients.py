"""What editors are given: the pages of editors/, the extension for VS Code, and a real Neovim."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assembler import __version__
from tests.conftest import ROOT
from tests.test_docs import blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (ROOT / "editors" / "README.md").read_text()
EXTENSION = ROOT / "editors" / "vscode"
MANIFEST = json.loads((EXTENSION / "package.json").read_text())
SOURCE = "".join(file.read_text() for file in sorted((EXTENSION / "src").glob("*.ts")))
SERVER = ["assembler", "lsp"]


def test_each_editor_starts_the_same_server():
    (helix,) = blocks(PAGE, "toml")
    server = tomllib.loads(helix)["language-server"]["assembler"]
    assert [server["command"], *server["args"]] == SERVER
    (jupyter,) = blocks(PAGE, "json")
    assert json.loads(jupyter)["LanguageServerManager"]["language_servers"]["assembler"]["argv"] == SERVER
    command = re.compile(r"""(["'])assembler\1,? \1lsp\1""")
    scripts = [*blocks(PAGE, "lua"), *blocks(PAGE, "elisp")]
    assert [len(command.findall(script)) for script in scripts] == [1, 1, 1]


def test_the_extension_has_the_commands_that_the_code_lens_names():
    from assembler.editor.server import COMMANDS

    declared = {one["command"] for one in MANIFEST["contributes"]["commands"]}
    assert {*COMMANDS} <= declared
    assert declared == {"assembler.restart", *COMMANDS}


def test_the_extension_reads_the_settings_that_it_declares():
    declared = {*MANIFEST["contributes"]["configuration"]["properties"]} - {
        "assembler.trace.server"
    }  # of the client's library
    assert declared == set(re.findall(r'"(assembler\.interpreter)"', SOURCE))
    for name in MANIFEST["contributes"]["configuration"]["properties"]:
        assert f"| `{name}` |" in (EXTENSION / "README.md").read_text()


def test_the_extension_has_the_version_of_the_assembler():
    assert MANIFEST["version"] == __version__


def test_the_lock_file_names_no_registry():
    lock = (EXTENSION / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 100


BROKEN = """\
name: broken
input: {shape: [4, 8]}
stack: Dence(8, 16) + ReLU
"""

OPEN = """
vim.cmd('edit conf/recipe/broken.yaml')
vim.wait(60000, function() return #vim.diagnostic.get(0) > 0 end, 50)
local found = vim.diagnostic.get(0)
"""
"""A user opens a recipe, and waits for its error."""

COMPLETE = f"""
{OPEN}
vim.api.nvim_buf_set_text(0, 2, 7, 2, 12, {{ 'Den' }})
vim.api.nvim_win_set_cursor(0, {{ 3, 10 }})
local position = vim.lsp.util.make_position_params(0, 'utf-16')
found = vim.tbl_values(vim.lsp.buf_request_sync(0, 'textDocument/completion', position, 20000))
"""
"""The user writes over the wrong name, and asks for completion."""

KEEP = """
vim.fn.writefile({ vim.json.encode(found) }, 'found.json')
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "conf" / "recipe"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text(BROKEN)
    return tmp_path


@pytest.fixture
def in_neovim(project):
    """What a script finds out in a Neovim whose configuration has the lines of the page."""
    if not shutil.which("nvim"):
        pytest.skip("Neovim is not installed")
    version = subprocess.run(["nvim", "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = map(int, re.findall(r"v(\d+)\.(\d+)", version)[0])
    old, new = blocks(PAGE, "lua")
    (project / "init.lua").write_text(new if (major, minor) >= (0, 11) else old)

    def run(script):
        (project / "ask.lua").write_text(script + KEEP)
        search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the page's assembler
        command = ["nvim", "--headless", "-i", "NONE", "-n", "-u", "init.lua", "-S", "ask.lua", "-c", "qall!"]
        environment = {**os.environ, "PATH": search, "HOME": str(project)}
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=180)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads((project / "found.json").read_text())

    return run


@pytest.mark.slow
def test_neovim_shows_errors(in_neovim):
    (error,) = in_neovim(OPEN)
    assert error["message"] == "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"
    assert (error["lnum"], error["col"], error["end_col"]) == (2, 7, 12)


@pytest.mark.slow
def test_neovim_completes(in_neovim):
    (answer,) = in_neovim(COMPLETE)
    result = answer["result"]
    assert "Dense" in [item["label"] for item in (result["items"] if isinstance(result, dict) else result)]

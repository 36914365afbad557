"""``init``: the smallest project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from assembler.errors import SettingsError
from assembler.files import short, write_text
from assembler.words import say

FILES = {
    "pyproject.toml": """\
[tool.assembler]
layers = ["layers"] # modules that register layers
""",
    "run.py": """\
from assembler import sweeps


@sweeps.main(config_path="conf", config_name="config")
def main(config):
    return sweeps.job(config)


if __name__ == "__main__":
    sweeps.launch(main)
""",
    "layers.py": """\
from assembler import register
from mindspore import nn, ops


@register(infer={"channels": -1})
class Gate(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.dense = nn.Dense(channels, channels)

    def construct(self, x):
        return x * ops.sigmoid(self.dense(x))
""",
    "conf/project.yaml": """\
defaults: [assembler, override recipe: gated, _self_]
""",
    "conf/config.yaml": """\
defaults: [project, _self_]
hydra: {searchpath: ["pkg://assembler.conf"]}
""",
    "conf/recipe/gated.yaml": """\
name: gated
input: {shape: [4, 8]}
params: {width: 16}
stack: Dense(_, width) + 2 * Residual(Gate(_)) + Dense(_, 1)
checks:
  output: {shape: [4, 1]}
""",
}
"""The files of a project. What ``project.yaml`` overrides, a file from the command line can override again."""

_NEXT = """
Next{where}: edit layers.py, which has the layer Gate, and conf/recipe/gated.yaml, which uses it.
  assembler run gated                                 runs it again, as python run.py does
  assembler plan gated recipe.params.width=32         sizes and costs, without weights
  assembler sweep gated recipe.params.width=8,16,32   one row per width
  assembler new NAME                                  another recipe, with completion in editors
  assembler show Dense                                what a layer takes"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where it goes.", show_default=False)] = Path(),
) -> None:
    """Write a small project, and run it.

    It has a run script, a configuration, a recipe, and a layer in Python. Existing files are not overwritten. The exit
    code is that of the run.
    """
    if existing := next((file for file in FILES if (folder / file).exists()), None):
        raise SettingsError(f"{short(folder / existing)} already exists; name a new folder: assembler init my_project")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, text)
        say(f"wrote {short(folder / name)}")
    sys.stdout.flush()  # a process of its own prints next
    code = subprocess.run([sys.executable, "run.py"], cwd=folder, check=False).returncode
    say(_NEXT.format(where="" if folder == Path() else f", in {folder}"))
    raise typer.Exit(code)

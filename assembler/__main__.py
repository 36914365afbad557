"""The command line beside run.py: ``python -m assembler --help``."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from assembler.commands.announce import announce
from assembler.commands.layers import layers
from assembler.commands.new import new
from assembler.commands.recipes import recipes
from assembler.commands.schema import schema
from assembler.commands.show import show
from assembler.commands.validate import validate
from assembler.commands.watch import watch
from assembler.errors import AssemblerError

COMMANDS = (layers, show, recipes, validate, watch, new, schema, announce)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="List, show and validate recipes and layers. To run a recipe, use run.py.",
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run one command; an error is one message and exit code 2."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a project's own layers, as with python -m
    try:
        app()
    except (AssemblerError, OSError) as error:  # OSError: a folder that cannot be written, for example
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

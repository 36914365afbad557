"""The command line: ``assembler --help``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    # python -m puts the working directory first, where a file yaml.py would be imported in the place of the package.
    del sys.path[0]

import typer

from assembler.commands import runs
from assembler.commands.diff import diff
from assembler.commands.init import init
from assembler.commands.layers import layers
from assembler.commands.new import new
from assembler.commands.recipes import recipes
from assembler.commands.run import commands
from assembler.commands.scaffold import scaffold_registry
from assembler.commands.schema import schema
from assembler.commands.show import show
from assembler.commands.validate import validate
from assembler.commands.watch import watch
from assembler.errors import AssemblerError
from assembler.files import print_os_error
from assembler.words import say

COMMANDS = (layers, show, recipes, diff, validate, watch, new, init, schema, scaffold_registry)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Run, plan, list and validate recipes. `assembler new first` writes one.",
)
for command in commands():  # Hydra's options are passed on
    passed_on = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(context_settings=passed_on)(command)
for command in COMMANDS:
    app.command()(command)
app.add_typer(runs.app, name="runs")


def main() -> None:
    """Run one command; an error is one message and exit code 2."""
    try:
        app()
    except (AssemblerError, OSError) as error:  # OSError: a folder that cannot be written, for example
        say(print_os_error(error) if isinstance(error, OSError) else error, err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

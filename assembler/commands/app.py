"""All commands."""

from __future__ import annotations

import sys

import typer

from assembler.commands import runs
from assembler.commands.compare_torch import compare_torch
from assembler.commands.diff import diff
from assembler.commands.init import init
from assembler.commands.layers import layers
from assembler.commands.lsp import lsp
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

COMMANDS = (layers, show, recipes, diff, compare_torch, validate, watch, lsp, new, init, schema, scaffold_registry)

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


def run() -> None:
    """Run the command that the command line names.

    Raises:
        SystemExit: always; an error is one message and exit code 2.
    """
    try:
        app()
    except (AssemblerError, OSError) as error:  # OSError: a folder that cannot be written, for example
        say(print_os_error(error) if isinstance(error, OSError) else error, err=True)
        sys.exit(2)

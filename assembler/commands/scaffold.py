"""``scaffold-registry``: a registry file for the layers of a package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from assembler.words import say


def scaffold_registry(
    package: Annotated[str, typer.Argument(help="The package, or a module of it.")],
    scope: Annotated[
        str, typer.Option(metavar="NAME", help="Scope of its layers; by default the package's name.")
    ] = "",
    modules: Annotated[bool, typer.Option("--modules", help="Include the layers that its modules define.")] = False,
    first: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE", help="A module whose classes keep a name that several modules have; may be repeated."
        ),
    ] = None,
    functions: Annotated[
        bool, typer.Option("--functions", help="Include functions whose first arguments are annotated as tensors.")
    ] = False,
) -> None:
    """Print a registry file for the layers of a package.

    Review it before you ship it with the package.
    """
    from assembler.registry.scaffold import scaffold

    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # the person names the package, which may be one that is not installed
    scope = scope or package.partition(".")[0]
    say(scaffold(package, scope, modules=modules, first=first or (), functions=functions), end="")

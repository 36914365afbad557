"""The live pages that an editor opened, one for each recipe, as the server has them; the worker makes their parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assembler.live.guard import Guard
    from assembler.live.server import Server


class Pages:
    """Pages on this machine, by the files of the recipes. They end with the process."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}

    def guard(self, file: Path) -> Guard:
        """What knows the address of a recipe's page, which is served from now on.

        Raises:
            SettingsError: no port is free.
        """
        from assembler.live.feed import Feed
        from assembler.live.server import Server
        from assembler.views.page import live_page

        if str(file) not in self._servers:
            self._servers[str(file)] = Server(live_page(file.stem), Feed())
        return self._servers[str(file)].guard

    def publish(self, message: Mapping[str, Any]) -> None:
        """Show a part that the worker sent."""
        self._servers[message["page"]].feed.publish(message["part"], message["value"])

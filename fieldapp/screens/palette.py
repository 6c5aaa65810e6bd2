"""The command palette: every action of the screen by its name, what this screen is for first."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hits
from textual.system_commands import SystemCommandsProvider


class ScreenCommands(SystemCommandsProvider):
    """Before anything is typed the actions stand in the order in which the app offers them, not by the alphabet."""

    async def discover(self) -> Hits:
        for name, words, run, offered in self.app.get_system_commands(self.screen):
            if offered:
                yield DiscoveryHit(name, run, help=words)

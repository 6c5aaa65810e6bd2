"""The first line of every screen: who and where | the connection in words | what is unsent | when it was last in step."""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from fieldapp.language import _, later, plural
from fieldapp.widgets.safe_text import safe_text

CONNECTIONS: dict[str, tuple[str, str, str]] = {
    "online": ("●", later("online"), "$text-success"),
    "offline": ("○", later("offline"), "$text-warning"),
    "sign_in_page": ("◍", later("sign-in page in the way"), "$text-warning"),
    "busy": ("◐", later("server busy"), "$text-warning"),
    "server_full": ("◐", later("server full"), "$text-error"),
    "revoked": ("✕", later("this device was revoked"), "$text-error"),
    "upgrade": ("↑", later("new version needed"), "$text-error"),
    "other_server": ("✕", later("another server answers"), "$text-error"),
    "unknown": ("○", later("not tried yet"), "$text-muted"),
}
"""Connection state to (glyph, words, colour): never colour alone."""


@dataclass(frozen=True)
class SyncLine:
    """What the header says of the exchange with the server. Times in milliseconds UTC."""

    connection: str = "unknown"
    since: int | None = None
    unsent: int = 0
    files: int = 0
    synced: int | None = None


class StatusHeader(Widget):
    """One line. `line` is set by the app whenever the sync loop or a write changes it."""

    DEFAULT_CSS = """
    StatusHeader { dock: top; height: 1; background: $panel; color: $foreground; }
    """
    line: reactive[SyncLine] = reactive(SyncLine())
    minute: reactive[int] = reactive(0)

    def __init__(self, who: str, where: str) -> None:
        super().__init__()
        self._who, self._where = who, where

    def on_mount(self) -> None:
        self.set_interval(10, self._tick)

    def show_person(self, who: str, where: str) -> None:
        """Person and branch, as they are called in the language spoken now."""
        self._who, self._where = who, where
        self.refresh()

    def _tick(self) -> None:
        self.minute = int(time.time()) // 60

    def render(self) -> RenderResult:
        line = self.line
        glyph, words, colour = CONNECTIONS.get(line.connection, CONNECTIONS["unknown"])
        words = _(words)
        if line.connection == "offline" and line.since is not None:
            minutes = max(0, (time.time_ns() // 1_000_000 - line.since) // 60_000)
            words += _(" {minutes} min").format(minutes=minutes) if minutes < 120 else _(" {hours} h").format(hours=minutes // 60)
        unsent = _("{count} unsent").format(count=line.unsent) if line.unsent else _("all sent")
        if line.files:
            unsent += plural(", {count} file", ", {count} files", line.files).format(count=line.files)
        clock = time.strftime("%H:%M")
        synced = _when(line.synced) if line.synced else "--:--"
        right = Content.assemble(
            (f"{glyph} {words}", colour), ("  ", ""),
            (unsent, "bold $text-warning" if line.unsent or line.files else "$text-muted"), ("  ", ""),
            (_("synced {time}").format(time=synced), "$text-muted"), (f"  {clock} ", ""),
        )  # fmt: skip
        who, where = Content.assemble(" ", safe_text(self._who, "bold")), safe_text(self._where, "$text-muted")
        room = max(0, self.size.width - right.cell_length - 1)
        left = Content.assemble(who, "  ", where)
        if left.cell_length > room:  # a piece of a branch's name helps nobody
            left = who.truncate(room, ellipsis=True)
        return Content.assemble(left, " " * max(0, self.size.width - left.cell_length - right.cell_length), right)


def _when(instant: int) -> str:
    """An instant (milliseconds UTC) as local time, with the day where it is not today's."""
    local, today = time.localtime(instant / 1000), time.localtime()
    return time.strftime("%H:%M" if local[:3] == today[:3] else "%m-%d %H:%M", local)

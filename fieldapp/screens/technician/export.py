"""Asking where to write what is only on this device: a stick or card that is plugged in, a folder, or any path."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.problem import Problem
from fieldapp.domain.safe import plain_text
from fieldapp.language import _, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.list_and_line import ListAndLine
from fieldapp.screens.problem_words import problem_words
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.places import Place, places
from fieldapp.services.unsent import Exported, unsent_name, write_unsent
from fieldapp.settings import typed_path
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp


class ExportScreen(ListAndLine[None]):
    """The places on this machine, and the path that follows the cursor or is typed; Enter writes.

    Args:
        offered: places, the best first. name: of the file.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    DEFAULT_CSS = """
    ExportScreen > .window { width: 74; }
    ExportScreen Static { height: auto; }
    ExportScreen WindowList { height: auto; max-height: 8; background: $surface; margin: 1 0; }
    ExportScreen #wrong { color: $text-error; }
    """

    def __init__(self, offered: Sequence[Place], name: str) -> None:
        super().__init__()
        self._offered, self._file = tuple(offered), name

    @classmethod
    def for_device(cls, field: FieldApp, now: time.struct_time) -> ExportScreen:
        name = unsent_name(field.session.identity.code, time.strftime("%Y%m%d-%H%M", now))
        return cls(places(Path.home(), _account()), name)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Export what is only on this device")
            window.border_subtitle = _("Enter writes · Esc goes back")
            yield Static(
                _("Everything not sent yet, with its photos and files, as the office or your next device can import it."),
                markup=False,
            )
            yield WindowList(self._draw, id="places")
            yield Field(str(self._offered[0].folder / self._file), _("path of the new file"))
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        listed = self.query_one(WindowList)
        listed.show(Rows[object](self._offered, lambda row: row.folder if isinstance(row, Place) else ""))
        listed.focus()

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Place)
        word = _("can be taken along") if row.carried else ""
        right = Content.styled(f" {word} ", "$text-success")
        folder = Content.assemble(" ▸ ", safe_text(str(row.folder)))
        return folder.truncate(max(8, width - right.cell_length), ellipsis=True, pad=True) + right

    @on(WindowList.Moved)
    def _moved(self, event: WindowList.Moved) -> None:
        """The path follows the cursor; what was typed as its last part stays."""
        if isinstance(event.row, Place) and event.window_list.has_focus:
            field = self.query_one(Field)
            name = Path(field.value.strip()).name or self._file
            field.value = str(event.row.folder / name)
            self._say("")

    def line_begun(self, field: Field, listed: WindowList) -> None:
        """Typing on the list goes on in the path."""
        field.cursor_position = len(field.value)

    @on(WindowList.Chosen)
    def action_record(self) -> None:
        """Enter, on the list or in the path."""
        typed = self.query_one(Field).value.strip().strip("'\"")
        path = typed_path(typed) if typed else self._offered[0].folder / self._file
        if path.is_dir():
            path = path / self._file
        self.field.record(
            lambda services: write_unsent(services.home, services.identity, path),
            then=self._written,
            refused=self._refused,
        )

    def _written(self, made: Exported) -> None:
        entries = plural("{count} entry", "{count} entries", made.entries).format(count=made.entries)
        files = plural("{count} file", "{count} files", made.files).format(count=made.files)
        words = _("{entries} and {files} written to {path}").format(entries=entries, files=files, path=made.path)
        if made.missing:
            gone = _("Not in it, for they are gone from this device: {names}.").format(names=", ".join(made.missing))
            words = f"{words}\n{gone}"
        self.app.notify(
            plain_text(words, lines=True), timeout=20 if made.missing else 8, markup=False,
            severity="warning" if made.missing else "information",
        )  # fmt: skip
        self.dismiss(None)

    def _refused(self, problem: Problem) -> None:
        self._say(problem_words(problem))

    def _say(self, words: str) -> None:
        self.query_one("#wrong", Static).update(safe_text(words))


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""

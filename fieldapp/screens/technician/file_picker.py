"""Choosing a photo or file: what lies in the inbox folder, the latest first, in any other folder, or any path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.job import Attached
from fieldapp.language import _, plural
from fieldapp.screens.asking import ConfirmScreen
from fieldapp.screens.list_and_line import ListAndLine
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.places import Found, listed_in
from fieldapp.screens.values import day_time, size_words
from fieldapp.settings import shown_path, typed_path
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList


class FilePickerScreen(ListAndLine[Path]):
    """Gives the path of a file.

    Args:
        inbox: folder that is looked at first. title: what it is for. attached: what is attached already.
        photos: photos are asked for. What is attached stays: something else is asked about first.
    """

    DEFAULT_CSS = """
    FilePickerScreen > .window { width: 74; }
    FilePickerScreen WindowList { height: auto; min-height: 3; max-height: 12; background: $surface; }
    FilePickerScreen .muted { height: auto; }
    FilePickerScreen .wrong { height: auto; color: $text-error; }
    """

    def __init__(self, inbox: Path, title: str, attached: Sequence[Attached] = (), *, photos: bool = False) -> None:
        super().__init__()
        self._photos = photos
        self._folder, self._title, self._attached = inbox, title, tuple(attached)
        self._inbox = inbox
        self._shown: list[Found] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Attach a photo or file")
            window.border_subtitle = _("Enter attaches · Esc: back")
            yield Static(safe_text(self._title, "bold"), classes="muted", markup=False)
            yield Static(self._already(), classes="muted", markup=False)
            yield WindowList(self._draw)
            yield Static(classes="muted -folder", markup=False)
            yield Field("", _("or the path of a file or folder"))
            yield Static(classes="wrong", markup=False)

    def on_mount(self) -> None:
        self._look_into(self._folder)
        listed = self.query_one(WindowList)
        (listed if listed.count else self.query_one(Field)).focus()
        self.set_interval(2, self._look_again)

    def _look_into(self, folder: Path) -> None:
        """Show what lies in a folder."""
        self._folder = folder
        inbox = folder == self._inbox
        empty = _("The inbox is empty. Put photos into the folder below, or type a path.")
        self.query_one(WindowList).set_empty(empty if inbox else _("There is nothing in this folder."))
        words = _("Inbox: ") if inbox else _("Folder: ")
        self.query_one(".-folder", Static).update(Content.assemble((words, "$text-muted"), safe_text(shown_path(folder))))
        self._shown = []
        self._look_again()
        self.query_one(WindowList).action_edge(-1)

    def _look_again(self) -> None:
        """What was put there meanwhile comes into view; the cursor stays on its file."""
        found = listed_in(self._folder)
        if self._folder != self._inbox:
            found.append(Found(self._folder.parent, -1, 0))
        if found != self._shown:
            self._shown = found
            self.query_one(WindowList).show(Rows[object](found, lambda row: row.path if isinstance(row, Found) else ""))

    def _already(self) -> Content:
        if not self._attached:
            return Content.styled(_("Nothing is attached yet."), "$text-muted")
        names = ", ".join(file.name for file in self._attached)
        count = plural("{count} attached: ", "{count} attached: ", len(self._attached)).format(count=len(self._attached))
        return Content.assemble((count, "$text-muted"), safe_text(names))

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Found)
        if row.is_folder:
            up = row.path == self._folder.parent
            name = Content(_("the folder above")) if up else safe_text(row.path.name + "/")
            return Content.assemble(" ↑ " if up else " ▸ ", name).truncate(width, ellipsis=True)
        right = Content.assemble(f"{size_words(row.size)}  ", (day_time(row.at), "$text-muted"), " ")
        name = safe_text(row.path.name).truncate(max(4, width - right.cell_length - 3), ellipsis=True)
        return Content.assemble(
            " ▣ " if is_picture(row.path) else " ▤ ", name, " " * max(1, width - 3 - name.cell_length - right.cell_length), right
        )

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        if isinstance(event.row, Found) and event.row.is_folder:
            self._look_into(event.row.path)
        elif isinstance(event.row, Found):
            self._chose(event.row.path)

    def action_record(self) -> None:
        """Enter in the line: the file typed there is attached, a folder is looked into."""
        typed = self.query_one(Field).value.strip().strip("'\"")
        if not typed:
            return
        path = self._meant(typed)
        try:
            there, folder = path.is_file(), path.is_dir()
        except (OSError, ValueError):
            there = folder = False
        if there:
            self._chose(path)
        elif folder:
            self.query_one(".wrong", Static).update("")
            self.query_one(Field).value = ""
            self._look_into(path.resolve())
            self.query_one(WindowList).focus()
        else:
            self.query_one(".wrong", Static).update(Content.assemble(_("There is no file here: "), safe_text(shown_path(path))))

    def _chose(self, path: Path) -> None:
        if not self._photos or is_picture(path):
            self.answer(path)
            return
        text = Content.assemble(
            safe_text(path.name, "bold"),
            "\n\n",
            _("This is no photo, and the step asks for one. What is attached stays in the log."),
        )
        self.app.push_screen(
            ConfirmScreen(_("Attach a photo or file"), text, _("attach")), lambda yes: self.answer(path) if yes else None
        )

    def _meant(self, typed: str) -> Path:
        """The path that a text stands for. A file dropped onto a terminal comes with `\\ ` for a space."""
        path = typed_path(typed)
        path = path if path.is_absolute() else self._folder / path
        if "\\ " in typed and os.sep == "/" and not os.path.lexists(path):
            return self._meant(typed.replace("\\ ", " "))
        return path


def is_picture(path: Path) -> bool:
    return path.suffix.casefold() in (".jpg", ".jpeg", ".png", ".heic", ".heif", ".webp", ".gif", ".tif", ".tiff", ".bmp")

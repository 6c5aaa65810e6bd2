"""Choosing a photo or file: what lies in the inbox folder, the latest first, or any path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.job import Attached
from fieldapp.language import _, plural
from fieldapp.screens.base import FieldModal
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.values import day_time
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

LISTED = 500
"""Files shown of a folder at most."""


@dataclass(frozen=True)
class Found:
    """A file that can be attached; `at` in milliseconds."""

    path: Path
    size: int
    at: int


def files_in(folder: Path) -> list[Found]:
    """Files of a folder, the latest first; an unreadable one has none."""
    found = []
    try:
        for path in folder.iterdir():
            try:
                if path.is_file() and not path.name.startswith("."):
                    status = path.stat()
                    found.append(Found(path, status.st_size, status.st_mtime_ns // 1_000_000))
            except OSError:
                continue
    except OSError:
        return []
    return sorted(found, key=lambda file: (-file.at, file.path.name))[:LISTED]


class FilePickerScreen(FieldModal[Path]):
    """Gives the path of a file.

    Args:
        inbox: folder that is looked at. title: what it is for. attached: what is attached already.
    """

    DEFAULT_CSS = """
    FilePickerScreen > .window { width: 74; }
    FilePickerScreen WindowList { height: auto; min-height: 3; max-height: 12; background: $surface; }
    FilePickerScreen .muted { height: auto; }
    FilePickerScreen .wrong { height: auto; color: $text-error; }
    """

    def __init__(self, inbox: Path, title: str, attached: Sequence[Attached] = ()) -> None:
        super().__init__()
        self._inbox, self._title, self._attached = inbox, title, tuple(attached)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Attach a photo or file")
            window.border_subtitle = _("Enter attaches · Esc: back")
            yield Static(safe_text(self._title, "bold"), classes="muted", markup=False)
            yield Static(self._already(), classes="muted", markup=False)
            yield WindowList(self._draw, empty=_("The inbox is empty. Put photos into the folder below, or type a path."))
            yield Static(
                Content.assemble((_("Inbox: "), "$text-muted"), safe_text(str(self._inbox))), classes="muted", markup=False
            )
            yield Field("", _("or the path of a file"))
            yield Static(classes="wrong", markup=False)

    def on_mount(self) -> None:
        listed = self.query_one(WindowList)
        listed.show(Rows[object](files_in(self._inbox), lambda row: row.path if isinstance(row, Found) else ""))
        (listed if listed.count else self.query_one(Field)).focus()
        self.set_interval(2, self._look_again)

    def _look_again(self) -> None:
        listed, found = self.query_one(WindowList), files_in(self._inbox)
        if len(found) != listed.count:
            listed.show(Rows[object](found, lambda row: row.path if isinstance(row, Found) else ""))

    def _already(self) -> Content:
        if not self._attached:
            return Content.styled(_("Nothing is attached yet."), "$text-muted")
        names = ", ".join(file.name for file in self._attached)
        count = plural("{count} attached:", "{count} attached:", len(self._attached)).format(count=len(self._attached))
        return Content.assemble((count + " ", "$text-muted"), safe_text(names))

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Found)
        right = Content.assemble(f"{size_words(row.size)}  ", (day_time(row.at), "$text-muted"), " ")
        name = safe_text(row.path.name).truncate(max(4, width - right.cell_length - 3), ellipsis=True)
        return Content.assemble(
            " ▣ " if _is_picture(row.path) else " ▤ ", name, " " * max(1, width - 3 - name.cell_length - right.cell_length), right
        )

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        if isinstance(event.row, Found):
            self.dismiss(event.row.path)

    def action_record(self) -> None:
        """Enter in the line: the path typed there."""
        typed = self.query_one(Field).value.strip().strip("'\"")
        if not typed:
            return
        path = Path(typed).expanduser()
        path = path if path.is_absolute() else self._inbox / path
        try:
            there = path.is_file()
        except (OSError, ValueError):
            there = False
        if there:
            self.dismiss(path)
        else:
            self.query_one(".wrong", Static).update(Content.assemble(_("There is no file here: "), safe_text(str(path))))


def size_words(size: int) -> str:
    """Bytes in words: `840 kB`, `2.4 MB`."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size // 1000} kB"
    return f"{size // 100_000 / 10:.1f} MB"


def _is_picture(path: Path) -> bool:
    return path.suffix.casefold() in (".jpg", ".jpeg", ".png", ".heic", ".webp", ".gif", ".tif", ".tiff")

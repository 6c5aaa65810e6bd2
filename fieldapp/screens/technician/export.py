"""Writing what is only on this device to a file: the way out when the network, or the machine, gives up."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from fieldapp.domain.problem import Problem
from fieldapp.domain.safe import plain_text
from fieldapp.language import _, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.problem_words import problem_words
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.screens.app import FieldApp


class ExportScreen(FieldModal[None]):
    """Asks for the path; Enter writes.

    Args:
        suggested: the path offered.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    DEFAULT_CSS = """
    ExportScreen > .window { width: 72; }
    ExportScreen Static { height: auto; }
    ExportScreen #wrong { color: $text-error; }
    """

    def __init__(self, suggested: str) -> None:
        super().__init__()
        self._suggested = suggested

    @classmethod
    def for_device(cls, field: FieldApp, now: time.struct_time) -> ExportScreen:
        code = field.session.identity.code
        return cls(str(Path.home() / f"fieldapp-unsent-{code}-{time.strftime('%Y%m%d-%H%M', now)}.jsonl"))

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Export what is only on this device")
            window.border_subtitle = _("Enter writes · Esc goes back")
            yield Static(
                _("Everything not sent yet, as the office can import it. Photos and files stay in the home folder."), markup=False
            )
            yield Input(self._suggested, id="path", select_on_focus=False)
            yield Static("", id="wrong", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip()).expanduser()
        self.field.record(lambda services: write_unsent(services, path), then=self._written, refused=self._refused)

    def _written(self, entries: int) -> None:
        path = plain_text(self.query_one("#path", Input).value.strip())
        words = plural("{count} entry written to {path}", "{count} entries written to {path}", entries)
        self.app.notify(words.format(count=entries, path=path), timeout=8, markup=False)
        self.dismiss(None)

    def _refused(self, problem: Problem) -> None:
        self.query_one("#wrong", Static).update(safe_text(problem_words(problem)))


def write_unsent(services: DeviceServices, path: Path) -> int:
    """Write the journal's lines to a new file, durably. Returns how many entries it holds.

    Raises:
        Problem: `journal-failed`; `file-exists`; `file-unwritable`.
    """
    from fieldapp.store.journal import parse_journal, sync_folder

    data = services.journal.content()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.absolute().parent)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise Problem(
                "file-exists", "There is a file of that name already.", "Nothing was written; give another name."
            ) from None
        raise Problem(
            "file-unwritable", f"The file cannot be written there ({error.strerror}).", "Nothing was lost; choose another place."
        ) from error
    return len(parse_journal(data).lines)

"""Which jobs the board shows: by state, by technician, by promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from fieldapp.domain.job import Status
from fieldapp.domain.roles import FIELD
from fieldapp.language import _
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.jobcards import SOON_MS
from fieldapp.screens.states import STATUS
from fieldapp.store.queries.lists import due_count, open_counts, status_counts
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList


@dataclass(frozen=True)
class BoardFilter:
    """statuses: () for all open ones. person: id, '' for nobody, None for all. due: only promises overdue or due soon."""

    statuses: tuple[Status, ...] = ()
    person: str | None = None
    due: bool = False

    @property
    def chosen(self) -> bool:
        return self != BoardFilter()


def person_word(person: str, names: Mapping[str, str]) -> str:
    """Name of a technician; a dash for nobody."""
    return safe_text(names.get(person, person)).plain if person else _("nobody")


def filter_words(wanted: BoardFilter, names: Mapping[str, str]) -> Content:
    """What is shown, in words: `Open jobs: paused, Anna Behrens`."""
    parts = [_(STATUS[status][1]) for status in wanted.statuses]
    if wanted.person is not None:
        parts.append(person_word(wanted.person, names))
    if wanted.due:
        parts.append(_("overdue or due within the hour"))
    return Content.styled(_("Only: {what}").format(what=", ".join(parts)) if parts else _("All open jobs"), "bold")


@dataclass(frozen=True)
class _Row:
    kind: Literal["heading", "all", "due", "status", "person"]
    value: str = ""
    count: int = 0


class FilterScreen(FieldModal[BoardFilter]):
    """One choice at a time: a state is taken beside a technician that was chosen before, and the other way round.

    Args:
        wanted: what is shown now. names: of people, by id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "board_filter.tcss"

    def __init__(self, wanted: BoardFilter, names: Mapping[str, str]) -> None:
        super().__init__()
        self._wanted, self._names = wanted, names

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Which jobs?")
            window.border_subtitle = _("Enter chooses, Esc closes")
            yield WindowList(self._draw, skip=lambda row: isinstance(row, _Row) and row.kind == "heading")

    def on_mount(self) -> None:
        rows = self._rows()
        choices = self.query_one(WindowList)
        choices.styles.height = min(18, len(rows))
        choices.show(Rows[object](rows, lambda row: row))
        choices.focus()

    def _rows(self) -> list[_Row]:
        reader = self.field.session.reader
        by_status, by_person = status_counts(reader), open_counts(reader)
        ended = by_status.get("approved", 0) + by_status.get("cancelled", 0)
        people = [person for person in self.field.session.documents.people() if person.role in FIELD]
        here = [person.id for person in people if person.branch == self.field.session.identity.log]
        return [
            _Row("all", count=sum(by_status.values()) - ended),
            _Row("due", count=due_count(reader, self.field.now() + SOON_MS)),
            _Row("heading", _("State")),
            *(_Row("status", status, by_status[status]) for status in get_args(Status) if by_status.get(status)),
            _Row("heading", _("Technician")),
            _Row("person", "", by_person.get("", 0)),
            *(_Row("person", person, by_person.get(person, 0)) for person in here if by_person.get(person)),
        ]

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, _Row)
        if row.kind == "heading":
            return safe_text(f" {row.value}", "bold $text-muted")
        chosen = " "
        if row.kind == "all":
            words, chosen = Content(_("all open jobs")), "•" if not self._wanted.chosen else " "
        elif row.kind == "due":
            words, chosen = Content(_("promise overdue or due within the hour")), "•" if self._wanted.due else " "
        elif row.kind == "status":
            glyph, word, colour = STATUS[row.value]  # type: ignore[index]
            words = Content.styled(f"{glyph} {_(word)}", colour)
            chosen = "•" if row.value in self._wanted.statuses else " "
        else:
            words = Content(person_word(row.value, self._names))
            chosen = "•" if row.value == self._wanted.person else " "
        return Content.assemble(f" {chosen} ", words.truncate(max(8, width - 10), ellipsis=True, pad=True), f"{row.count:>6}")

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        row = event.row
        assert isinstance(row, _Row)
        match row.kind:
            case "status":
                self.dismiss(replace(self._wanted, statuses=(row.value,), due=False))  # type: ignore[arg-type]
            case "person":
                self.dismiss(replace(self._wanted, person=row.value))
            case "due":
                self.dismiss(replace(self._wanted, statuses=(), due=True))
            case _:
                self.dismiss(BoardFilter())

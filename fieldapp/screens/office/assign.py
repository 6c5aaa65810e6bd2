"""Who gets a job: the technicians of the branch with what they have to do already, and whether their skills fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.documents import Person
from fieldapp.domain.job import JobState
from fieldapp.domain.roles import FIELD
from fieldapp.domain.words import say
from fieldapp.language import _, language, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.office.device_words import told_of_device
from fieldapp.screens.states import status
from fieldapp.screens.values import skill_words
from fieldapp.store.queries.lists import open_counts
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList


@dataclass(frozen=True)
class Candidate:
    """A technician: `load` open jobs, `missing` of the job's skills."""

    person: Person
    load: int
    missing: tuple[str, ...]
    has_it: bool


class AssignScreen(FieldModal[str]):
    """Gives back the id of the person chosen. Those whose skills fit come first, the least busy of them on top."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "assign.tcss"

    def __init__(self, job: JobState) -> None:
        super().__init__()
        self._job = job

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(_("Who does {number}?").format(number=self._job.number))
            window.border_subtitle = _("Enter gives the job, Esc closes")
            yield Static(self._about(), markup=False)
            yield WindowList(self._draw, empty=_("There is no technician in this branch yet."))
            yield Paragraphs(lambda width: told_of_device(self.field, self._job, width), classes="muted")

    def on_mount(self) -> None:
        found = self._candidates()
        people = self.query_one(WindowList)
        people.styles.height = max(1, min(12, len(found)))
        people.show(Rows[object](found, lambda row: row.person.id if isinstance(row, Candidate) else ""))
        people.focus()

    def _candidates(self) -> list[Candidate]:
        identity, documents = self.field.session.identity, self.field.session.documents
        loads = open_counts(self.field.session.reader)
        found = [
            Candidate(
                person,
                loads.get(person.id, 0),
                tuple(skill for skill in self._job.skills if skill not in person.skills),
                person.id == self._job.assignee,
            )
            for person in documents.people()
            if person.role in FIELD and person.branch == identity.log
        ]
        return sorted(found, key=lambda one: (one.person.role != "technician", len(one.missing), one.load, one.person.name))

    def _about(self) -> Content:
        job = self._job
        skills = skill_words(job.skills)
        lines = [Content.assemble(safe_text(say(job.title, language()), "bold"), "  ", status(job.status))]
        if skills:
            lines.append(Content.assemble((_("Skills asked for: "), "$text-muted"), safe_text(skills)))
        return Content("\n").join(lines)

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Candidate)
        load = plural("{count} open job", "{count} open jobs", row.load).format(count=row.load)
        if row.has_it:
            fits = Content.styled(_("has it now"), "$text-muted")
        elif row.missing:
            fits = Content.styled(
                "▲ " + _("without {skills}").format(skills=safe_text(skill_words(row.missing)).plain), "$text-warning"
            )
        else:
            fits = Content.styled("✓ " + _("skills fit"), "$text-success") if self._job.skills else Content("")
        return Content.assemble(
            " ", safe_text(row.person.name, "bold").truncate(18, ellipsis=True, pad=True), " ",
            Content(load).truncate(13, ellipsis=True, pad=True), " ", fits.truncate(max(8, width - 35), ellipsis=True),
        )  # fmt: skip

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        assert isinstance(event.row, Candidate)
        self.answer(event.row.person.id)

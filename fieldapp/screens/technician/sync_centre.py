"""The sync centre: what is only here, what the server has, what does not stand, and whether it is safe to leave."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.decision_words import STANDS
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.outcome_words import LANES, WHAT_TO_DO, decision_told, what_to_do
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.cause_words import cause_shown, cause_words, why_words
from fieldapp.screens.jobcards import hanging, labelled
from fieldapp.screens.problem_words import problem_words
from fieldapp.screens.states import LANE
from fieldapp.screens.story import Stories
from fieldapp.screens.technician.own_list import Heading, OwnList
from fieldapp.screens.values import day_time, size_words
from fieldapp.services.lost_files import lost_files, with_names
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.outbox import backed_up, setting
from fieldapp.store.queries.own import (
    SECTIONS,
    OwnFile,
    OwnLine,
    Place,
    Section,
    given_up_files,
    job_files,
    own_files,
    own_places,
)
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.scope import scope_trouble
from fieldapp.widgets.header import CONNECTIONS
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import WindowList

SENTENCES = {
    "unknown": later("The server has not been asked yet."),
    "online": later("Connected."),
    "offline": later("The server cannot be reached. Work on: everything is saved here and is sent later."),
    "sign_in_page": later("A sign-in page answers instead of the server. Open a browser and sign in to this network."),
    "busy": later("The server is busy. Work on: everything is saved here and is sent later."),
    "revoked": later("This device was revoked by the office: the server takes nothing more from it."),
    "upgrade": later("The server wants a newer version of Fieldapp before it sends news. What you record is still sent."),
    "server_full": later("The server's disk is full. Everything is saved here; tell the office."),
    "other_server": later("The server does not know this device. Everything is saved here; ask the office for a new code."),
}
"""How the connection stands: what happened, what is safe, what to do."""
GONE_WORDS = later(
    "Gone from this device's folder, or damaged there, before the server had it. What was recorded about it is safe. Attach the "
    "same file again, or take a new one and give this one up."
)
BAR = 16
"""Columns of a file's progress bar."""


class SyncCentreScreen(FieldScreen):
    """Safe to leave on top; the lanes with their counts; the entries in them; what the one under the cursor is about."""

    TITLE_TEXT = later("Sync centre")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("open", "sync_now", "export_unsent", "give_up_file", "diagnose", "search")]
    CSS_PATH = "sync_centre.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._stories = Stories(lambda: self.field.session)
        self._places: dict[Section, list[Place]] = {section: [] for section in SECTIONS}
        self._files: list[OwnFile] = []
        self._lost: frozenset[str] = frozenset()
        self._spoiled: frozenset[str] = frozenset()
        """Files that are here and are others now, as far as they were read since files have begun to wait."""
        self._told: tuple[str, ...] = ()
        """Why files wait, as it was said when they were read."""

    def body(self) -> Iterable[Widget]:
        yield Static(id="safe", markup=False)
        yield Static(id="connection", markup=False)
        yield Static(id="lanes", markup=False)
        with Horizontal():
            yield WindowList(self._draw, skip=lambda row: isinstance(row, Heading), id="own")
            with Vertical(id="about-box"):
                yield Paragraphs(id="about")

    @property
    def _list(self) -> WindowList:
        return self.query_one("#own", WindowList)

    def on_mount(self) -> None:
        super().on_mount()
        self._list.focus()
        self.set_interval(20, self._show_connection)
        self._look_closely_where_files_wait()

    def sync_moved(self) -> None:
        self.read_again()
        self._look_closely_where_files_wait()

    def _look_closely_where_files_wait(self) -> None:
        """A file that a bad disk has spoiled is refused by the server for ever: which one it is, only reading it shows."""
        status = self.field.sync_status
        told = status.files if status else ()
        if told == self._told:
            return
        self._told = told
        if told:
            self._look_closely()
        else:
            self._spoiled = frozenset()

    @work(group="look closely", exclusive=True, exit_on_error=False, thread=True)
    def _look_closely(self) -> None:
        reader = Reader(self.field.session.reader.path)
        try:
            lost = lost_files(self.field.session.home, reader, closely=True)
        finally:
            reader.close()
        self.app.call_from_thread(self._found_spoiled, frozenset(file.sha256 for file in lost))

    def _found_spoiled(self, spoiled: frozenset[str]) -> None:
        if spoiled != self._spoiled and self.is_mounted:
            self._spoiled = spoiled
            self.read_again()

    def reload(self) -> None:
        reader, status = self.field.session.reader, self.field.sync_status
        self._places = own_places(reader, status.sending if status else None)
        self._files = own_files(reader)
        here = frozenset(file.sha256 for file in self._files if file.state == "here")
        self._lost = frozenset(file.sha256 for file in lost_files(self.field.session.home, reader)) | (self._spoiled & here)
        self._stories.clear()
        self._list.set_empty(_("Nothing was recorded on this device yet.\nWhat you record shows here, with how far it has come."))
        self._list.show(OwnList(reader, self._places, self._files))
        self._show_safe()
        self._show_connection()
        self._show_lanes()

    # --- The top ------------------------------------------------------------------------------------------------------------------

    def _only_here(self) -> tuple[int, int, int]:
        """Facts, photos and other files that are only on this device."""
        here = [file for file in self._files if file.state == "here" and file.sha256 not in self._lost]
        photos = sum(1 for file in here if file.media.startswith("image/"))
        return len(self._places["unsent"]) + len(self._places["sending"]), photos, len(here) - photos

    def _show_safe(self) -> None:
        facts, photos, others = self._only_here()
        box = self.query_one("#safe", Static)
        only_here = facts + photos + others
        box.set_class(not (only_here or self._lost), "-yes")
        if not (only_here or self._lost):
            count = len(given_up_files(self.field.session.reader))
            words = _("Everything recorded here is at the server too.")
            if count:
                text = plural(
                    "Everything is at the server but {count} lost file.",
                    "Everything is at the server but {count} lost files.",
                    count,
                )
                words = text.format(count=count)
            box.update(Content.assemble((f"✓ {_('Safe to leave: yes')}", "bold"), "  ", words))
            return
        verdict = f"! {_('Safe to leave: no')}"
        lost = lost_words([file.name for file in self._files if file.sha256 in self._lost])
        why = _("; ").join(part for part in (only_here_words(facts, photos, others) if only_here else "", lost) if part)
        said = safe_text(_("{verdict}, {why}").format(verdict=verdict, why=why))
        box.update(said.stylize("bold", 0, len(verdict)))

    def _show_connection(self) -> None:
        status = self.field.sync_status
        connection = status.connection if status else "unknown"
        glyph, words, colour = CONNECTIONS[connection]
        reader = self.field.session.reader
        contact = setting(reader, "last_contact")
        facts = [Content.styled(f"{glyph} {_(words)}", f"bold {colour}")]
        if status and status.since is not None:
            facts.append(Content.styled(_("since {time}").format(time=_time(status.since)), "$text-muted"))
        last = _time(int(contact)) if contact and contact.isdigit() else _("never")
        facts.append(Content.styled(_("last contact {time}").format(time=last), "$text-muted"))
        if status and status.syncing:
            facts.append(Content.styled(_("asking the server now"), "$text-primary"))
        elif status and status.slow:
            facts.append(Content.styled(_("trying less often; s tries at once"), "$text-warning"))
        if status is None and self.field.in_the_way is not None:
            second = safe_text(problem_words(self.field.in_the_way), "$text-warning")
        else:
            cause = cause_shown(connection, status.words if status else "")
            second = Content.assemble(_(SENTENCES[connection]), safe_text(f" ({cause})", "$text-muted") if cause else "")
        safe = backed_up(reader)
        if safe.of:
            words = _("In a verified backup: {entries} of {of} records.").format(entries=safe.entries, of=safe.of)
            gap = "" if second.plain.endswith("。") else " "
            second = Content.assemble(second, gap, (words, "$text-muted"))
        lines = [Content(" · ").join(facts), second]
        doubted = scope_trouble(reader).doubted
        if doubted:
            lines.append(Content.styled(doubted_words(doubted), "$text-warning"))
        self.query_one("#connection", Static).update(Content("\n").join(lines))

    def _show_lanes(self) -> None:
        parts = []
        for name in ("unsent", "sending", "received", "settled", "refused"):
            glyph, word, colour = LANE[name]
            count = len(self._places[name])
            parts.append(
                Content.assemble(
                    (f"{glyph} {_(word)} ", colour if count else "$text-muted"), (f"{count}", "bold" if count else "$text-muted")
                )
            )
        self.query_one("#lanes", Static).update(Content("    ").join(parts))

    # --- The rows -----------------------------------------------------------------------------------------------------------------

    def _draw(self, row: object, width: int) -> Content:
        if isinstance(row, Heading):
            word = _("files on their way") if row.section == "files" else _(LANE[row.section][1])
            return Content.styled(f" {word.upper()}  {row.count}", "bold $text-muted")
        if isinstance(row, OwnFile):
            return self._draw_file(row, width)
        assert isinstance(row, OwnLine)
        glyph, _word, colour = LANE[row.section]
        if row.section == "settled" and row.decision is not None and row.decision.verb not in STANDS:
            glyph, colour = "≠", "$text-muted"  # settled, but not what stands
        when = day_time(row.line.entry.envelope.corrected)  # `saved` never goes back, also after a clock that was a year ahead
        number = safe_text(row.short).truncate(9, ellipsis=True, pad=True)
        what = self._stories[row.stream].what(row.line).truncate(max(8, width - 16 - len(when)), ellipsis=True, pad=True)
        return Content.assemble((f"  {glyph} ", colour), number, " ", what, " ", (when, "$text-muted"), " ")

    def _draw_file(self, file: OwnFile, width: int) -> Content:
        if file.sha256 in self._lost:
            right = Content.styled(f"✗ {_('gone from this device')} ", "$text-error")
            return self._file_name(file, width - right.cell_length) + right
        done, parts, words = self._progress(file)
        filled = BAR * done // parts
        right = Content.assemble(("█" * filled, "$text-primary"), ("░" * (BAR - filled), "$text-muted"), f" {words} ")
        right = right.pad_left(max(0, BAR + 20 - right.cell_length))
        return self._file_name(file, width - right.cell_length) + right

    def _file_name(self, file: OwnFile, width: int) -> Content:
        name = Content.assemble("    ", safe_text(file.name or file.sha256[:12]), (f"  {size_words(file.size)}", "$text-muted"))
        return name.truncate(max(8, width), ellipsis=True, pad=True)

    def _progress(self, file: OwnFile) -> tuple[int, int, str]:
        """(bytes done, bytes in all, words)."""
        status = self.field.sync_status
        moving = status.moving if status else None
        stands = status is None or status.connection != "online" or bool(status.files)
        if moving is not None and moving.sha256 == file.sha256 and (moving.done or not stands):
            share = f"{100 * moving.done // moving.size} %"
            return moving.done, moving.size, f"{_('coming') if moving.fetch else _('sending')} {share}"
        return 0, 1, _("to be fetched") if file.state == "wanted" else _("only here")

    # --- What the row under the cursor is about

    @on(WindowList.Moved)
    def _moved(self) -> None:
        self._show_about()
        self.refresh_bindings()

    def _show_about(self) -> None:
        self.query_one("#about-box").display = self._list.count > 0
        row = self._list.row
        self.query_one("#about", Paragraphs).show(lambda width: Content("\n").join(self._about(row, width)))

    def _about(self, row: object, width: int) -> list[Content]:
        if isinstance(row, OwnFile):
            status = self.field.sync_status
            reader, lost = self.field.session.reader, row.sha256 in self._lost
            causes = () if lost or status is None else status.files
            waits = [safe_text(cause_words(with_names(reader, words)), "$text-warning") for words in causes]
            words = _(GONE_WORDS) if lost else _("Facts go first, then files, the small ones before the large ones.")
            lines = [*hanging(safe_text(row.name, "bold"), width, 2), *hanging(Content(words), width, 0)]
            for of_job in job_files(reader, row.job, lost=self._lost) if row.job else ():
                arrived = _("{arrived} of {count} files of job {number} are at the server.")
                told = arrived.format(arrived=of_job.arrived, count=of_job.total, number=of_job.number)
                lines += hanging(safe_text(told), width, 0)
            return [*lines, *waits]
        if not isinstance(row, OwnLine):
            return []
        session = self.field.session
        job = view_of_job(session.reader, row.stream)
        lines = hanging(self._stories[row.stream].what(row.line), width, 2)
        if job is not None:
            lines += labelled(_("Job"), safe_text(f"{job.number} {say(job.title, language())}"), width)
        elif row.stream.startswith("job:"):
            lines += labelled(_("Job"), safe_text(_("{job}, not on this device").format(job=row.short)), width)
        outcome = row.line.outcome or ""
        if row.decision is not None:
            told = decision_told(row.decision, name_of_person(session.documents, row.decision.person))
            lines += hanging(safe_text(told, "$text-accent"), width, 0)
        elif row.section == "refused" or outcome in WHAT_TO_DO:
            words = _(what_to_do(outcome, row.line.reason))
            lines += hanging(Content.styled(words, "$text-warning" if row.section == "refused" else "$text-muted"), width, 0)
        else:
            lines += hanging(Content.styled(_(LANES[row.section]), "$text-muted"), width, 0)
        if row.line.reason and (row.decision is not None or outcome in WHAT_TO_DO or row.section == "refused"):
            lines += labelled(_("Reason"), safe_text(why_words(row.line.reason, session.documents)), width)
        return lines

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_sync_now(self) -> None:
        if not self.field.hurry() and self.field.in_the_way is not None:
            self.field.tell(self.field.in_the_way)
        elif self.field.syncs:
            self.notify(_("Trying now. Go on working meanwhile."), timeout=2)
        else:
            self.notify(_("This app was started without a network. What you record is saved here."), timeout=4)

    def action_export_unsent(self) -> None:
        from fieldapp.screens.technician.export import ExportScreen

        self.app.push_screen(ExportScreen.for_device(self.field, time.localtime()))

    def action_give_up_file(self) -> None:
        """Wait no longer for the lost file under the cursor; its job's log says so."""
        from fieldapp.screens.asking import ConfirmScreen
        from fieldapp.services.lost_files import give_up

        row = self._list.row
        if not isinstance(row, OwnFile):
            return
        sha256, name = row.sha256, row.name
        remark = _("The file {name} was lost on the device that recorded it. It never reached the server.").format(name=name)
        told = _("{name} is not waited for any more. Saved.").format(name=name)

        def answered(yes: bool | None) -> None:
            if yes:
                self.field.record(
                    lambda made: give_up(made.home, made.replica, made.reader, made.work, sha256, lambda file: remark),
                    then=lambda done: self.reload(), told=told,
                )  # fmt: skip

        text = _("It is not waited for any more, and the log of its job says so. Found again, it can be attached as before.")
        title = _("Give up {name}").format(name=name)
        self.app.push_screen(ConfirmScreen(title, text, _("give up")), answered)

    def action_diagnose(self) -> None:
        from fieldapp.screens.technician.diagnosis import DiagnosisScreen

        self.app.push_screen(DiagnosisScreen())

    @on(WindowList.Chosen)
    def action_open(self) -> None:
        """The job that the entry belongs to."""
        from fieldapp.screens.search import job_screen

        row = self._list.row
        if isinstance(row, OwnLine) and row.number and row.here:
            self.app.push_screen(job_screen(self, row.stream))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "export_unsent" and self.is_mounted and not any(self._only_here()):
            return None
        if action == "give_up_file":
            row = self._list.row if self.is_mounted else None
            return isinstance(row, OwnFile) and row.sha256 in self._lost
        if action == "open" and self.is_mounted:
            row = self._list.row
            return True if isinstance(row, OwnLine) and row.number and row.here else None
        return super().check_action(action, parameters)


def _time(instant: int) -> str:
    """The time of day; the date as well where it was another day."""
    local = time.localtime(instant / 1000)
    return time.strftime("%H:%M", local) if local[:3] == time.localtime()[:3] else day_time(instant)


def only_here_words(facts: int, photos: int, files: int) -> str:
    """`2 facts and 1 photo are only on this device`."""
    parts = [
        text.format(count=count)
        for text, count in (
            (plural("{count} fact", "{count} facts", facts), facts),
            (plural("{count} photo", "{count} photos", photos), photos),
            (plural("{count} file", "{count} files", files), files),
        )
        if count
    ]
    what = _(" and ").join(parts) if len(parts) < 3 else _("{a}, {b} and {c}").format(a=parts[0], b=parts[1], c=parts[2])
    return plural("{what} is only on this device", "{what} are only on this device", facts + photos + files).format(what=what)


def lost_words(names: list[str]) -> str:
    """`photo2.jpg is gone from this device: attach it again`. Foreign text is in it: show it through `safe_text`."""
    if len(names) == 1:
        return _("{name} is gone from this device: attach it again").format(name=names[0])
    return _("{count} files are gone from this device: attach them again").format(count=len(names)) if names else ""


def doubted_words(count: int) -> str:
    """What the server says has left, too much at once to be believed at one word."""
    text = plural(
        "The server says that {count} thing held here is no longer yours. Nothing leaves before it says so again, in a minute.",
        "The server says that {count} things held here are no longer yours. Nothing leaves before it says so again, in a minute.",
        count,
    )
    return text.format(count=count)

"""The desk: what waits for a decision of the office, with both sides, and what only the server knows: bytes, devices, files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.roles import FIELD
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.asking import AskScreen, Question
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.cause_words import cause_words
from fieldapp.screens.jobcards import hanging, labelled
from fieldapp.screens.states import span
from fieldapp.screens.story import Stories
from fieldapp.screens.values import day_time
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.desk import DeskItem, desk_items, own_decisions, standing_side, step_of
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.log import LogLine
from fieldapp.sync.asked import Asked, kept_desk, silent
from fieldapp.sync.protocol import AsideBytes, DeskAnswer, KnownDevice, MissingFile
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.services.desk import DeskDecision

ASK_EVERY_S = 300
KINDS = {
    "conflict": ("≠", later("conflict"), "$text-error"),
    "quarantined": ("✗", later("put aside"), "$text-error"),
    "held": ("◷", later("held back"), "$text-warning"),
    "bytes": ("▒", later("not received"), "$text-error"),
    "device": ("⌁", later("silent"), "$text-warning"),
    "file": ("▫", later("missing"), "$text-warning"),
}
"""Glyph, word and colour of each kind of row."""
SECTIONS = {
    "decide": later("to decide"),
    "decided": later("decided here, on their way"),
    "bytes": later("could not be received"),
    "devices": later("devices not heard from for a day"),
    "files": later("files not here yet"),
}
WHAT_NOW = {
    "held": later("It is tried again by itself when something arrives in its job."),
    "device": later("What it has not sent nobody else can know. Call its person."),
    "file": later("It comes by itself when the device that has it is online. Call its person if it stays away."),
}
_DECIDED = {
    "released": later("let stand"), "dismissed": later("put aside"), "take": later("the second one stands"),
    "keep": later("what stands is kept"), "merge": later("another value"),
}  # fmt: skip
_ACTIONS = {
    "desk_theirs": ("conflict",), "desk_ours": ("conflict",), "desk_merge": ("conflict",),
    "desk_release": ("quarantined", "held", "bytes"), "desk_dismiss": ("quarantined", "held", "bytes"),
}  # fmt: skip
_MEANWHILE = re.compile(r"(?P<person>.+) recorded \S+ meanwhile")
_TEXT_SHOWN = 600
"""Characters of bytes that the pane shows."""


class Heading:
    """A heading between the rows."""

    def __init__(self, section: str, count: int) -> None:
        self.section, self.count = section, count


class DeskScreen(FieldScreen):
    """The list; what the row under the cursor is about, with both sides: below it, or beside it from 110 columns on."""

    TITLE_TEXT = later("Desk")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(
            "desk_theirs", "desk_ours", "desk_merge", "desk_release", "desk_dismiss", "open", "sync_centre", "search", "board"
        )
    ]  # fmt: skip
    CSS_PATH = "desk.tcss"

    class Answered(Message):
        """The server was asked, or could not be."""

        def __init__(self, asked: Asked) -> None:
            super().__init__()
            self.asked = asked

    def __init__(self) -> None:
        super().__init__()
        self._stories = Stories(lambda: self.field.session)
        self._asked: Asked | None = None
        self._decided: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        yield Static(id="about", markup=False)
        with Horizontal():
            yield WindowList(self._draw, row_height=2, skip=lambda row: isinstance(row, Heading), id="items")
            with VerticalScroll(id="detail-box", can_focus=False):
                yield Static(id="detail", markup=False)

    @property
    def _list(self) -> WindowList:
        return self.query_one("#items", WindowList)

    def on_mount(self) -> None:
        if self._asked is None:
            self._asked = Asked(kept_desk(self.field.session.home))
        super().on_mount()
        self._list.focus()
        if self.field.ask_desk is not None:
            self._ask(self.field.ask_desk)
            self.set_interval(ASK_EVERY_S, self._ask_again)

    def _ask_again(self) -> None:
        if self.field.ask_desk is not None:
            self._ask(self.field.ask_desk)

    @work(thread=True, group="desk", exclusive=True, exit_on_error=False)
    def _ask(self, ask: Callable[[], Asked]) -> None:
        self.post_message(self.Answered(ask()))

    def on_desk_screen_answered(self, event: DeskScreen.Answered) -> None:
        self._asked = event.asked
        self.reload()

    # --- The rows -----------------------------------------------------------------------------------------------------------------

    @property
    def _answer(self) -> DeskAnswer | None:
        return self._asked.answer if self._asked else None

    def reload(self) -> None:
        session, answer, now = self.field.session, self._answer, self.field.now()
        self._stories.clear()
        items = desk_items(session.reader)
        self._decided = own_decisions(session.reader)
        aside = answer.aside if answer else ()
        sections: tuple[tuple[str, Sequence[object]], ...] = (
            ("decide", [item for item in items if not item.decided]),
            ("bytes", [one for one in aside if one.id not in self._decided]),
            ("decided", [*(item for item in items if item.decided), *(one for one in aside if one.id in self._decided)]),
            ("devices", silent(answer, now)),
            ("files", answer.files if answer else ()),
        )
        rows = [row for name, found in sections if found for row in (Heading(name, len(found)), *found)]
        self._list.set_empty(_("Nothing waits for a decision.\nWhat does not stand by itself comes here, with both sides."))
        self._list.show(Rows[object](rows, _key))
        open_ = [row for name, found in sections if name in ("decide", "bytes") for row in found]
        self._show_about(open_, now)

    def _show_about(self, open_: Sequence[object], now: int) -> None:
        late = sum(1 for row in open_ if isinstance(row, DeskItem) and row.overdue(now))
        words = plural("{count} thing to decide", "{count} things to decide", len(open_)).format(count=len(open_))
        parts = [Content.styled(words, "bold")]
        if late:
            text = plural("{count} held for more than a day", "{count} held for more than a day", late).format(count=late)
            parts.append(Content.styled(f"! {text}", "$text-warning"))
        answer = self._answer
        if answer is None:
            parts.append(Content.styled(_("bytes, devices, files: not asked for yet"), "$text-muted"))
        else:
            time = day_time(answer.time)
            parts.append(Content.styled(_("bytes, devices and files as of {time}").format(time=time), "$text-muted"))
        self.query_one("#about", Static).update(Content("   ").join(parts))

    def _draw(self, row: object, width: int) -> Content:
        if isinstance(row, Heading):
            return Content.styled(f"\n {_(SECTIONS[row.section]).upper()}  {row.count}", "bold $text-muted")
        kind, left, what, who, since, why = self._cells(row)
        glyph, word, colour = KINDS[kind]
        name_width = min(18, max(10, width // 5))
        room = max(8, width - 3 - 11 - name_width - 1 - 11 - 2)
        since = since.rjust(11)
        first = Content.assemble(
            (f" {glyph} ", colour), _cell(safe_text(left, "bold"), 11), _cell(what, room), " ", _cell(safe_text(who), name_width),
            " ", (since, "$text-muted"), " ",
        )  # fmt: skip
        second = Content.assemble("   ", (f"{_(word)}: ", colour), why)
        return Content.assemble(first, "\n", second.truncate(width - 1, ellipsis=True))

    def _cells(self, row: object) -> tuple[str, str, Content, str, str, Content]:
        """(kind, job or name, what, who, since when, why)."""
        documents = self.field.session.documents
        if isinstance(row, DeskItem):
            author = name_of_person(documents, row.line.entry.envelope.author)
            more = Content.styled(f" +{len(row.lines) - 1}", "$text-muted") if len(row.lines) > 1 else Content("")
            what = Content.assemble(self._stories[row.stream].what(row.line), more)
            left = row.number or (_("not here") if row.stream.startswith("job:") else row.stream)
            return row.kind, left, what, author, day_time(row.since), self._why(row)
        if isinstance(row, AsideBytes):
            decided = self._decided.get(row.id, "")
            why = safe_text(cause_words(row.reason)) if not decided else _decided_words(decided)
            size = plural("{count} byte", "{count} bytes", row.size).format(count=f"{row.size:,}")
            who = name_of_person(documents, row.person) if row.person else row.device
            return "bytes", row.id[:10], Content(size), who, day_time(row.received_at), why
        if isinstance(row, KnownDevice):
            person = name_of_person(documents, row.person)
            last = day_time(row.last_seen) if row.last_seen is not None else _("never")
            quiet = span(self.field.now() - (row.last_seen or row.enrolled_at))
            return "device", row.code, safe_text(row.name), person, last, Content(_("not heard from for {span}").format(span=quiet))
        assert isinstance(row, MissingFile)
        arrived = _("{parts} of {of} parts are here").format(parts=row.parts, of=row.of)
        job = view_of_job(self.field.session.reader, row.stream)
        who = name_of_person(documents, job.assignee) if job and job.assignee else ""
        return "file", job.number if job else row.stream, safe_text(row.name), who, "", Content(arrived)

    def _why(self, item: DeskItem) -> Content:
        if item.decided:
            return _decided_words(item.decided)
        late = Content.styled(_("for more than a day; ") if item.overdue(self.field.now()) else "", "$text-warning")
        other = _MEANWHILE.fullmatch(item.reason)
        if other is not None:
            name = name_of_person(self.field.session.documents, other["person"])
            return safe_text(_("{name} recorded the same before this arrived").format(name=name))
        return Content.assemble(late, safe_text(cause_words(item.reason)))

    # --- What the row under the cursor is about -----------------------------------------------------------------------------------

    @on(WindowList.Moved)
    def _moved(self) -> None:
        self._show_detail()
        self.refresh_bindings()

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self._show_detail)

    def _show_detail(self) -> None:
        detail = self.query_one("#detail", Static)
        self.query_one("#detail-box").display = self._list.count > 0
        width = max(30, (detail.size.width or self.size.width - 4))
        detail.update(Content("\n").join(self._detail(self._list.row, width)))

    def _detail(self, row: object, width: int) -> list[Content]:
        if isinstance(row, DeskItem):
            return self._detail_of_item(row, width)
        if isinstance(row, AsideBytes):
            why_not = cause_words(row.why_not)
            can = _("It cannot stand: {why}").format(why=why_not) if why_not else _("It can be read now, and let stand.")
            lines = hanging(safe_text(cause_words(row.reason), "bold"), width, 2)
            lines += hanging(safe_text(can, "$text-accent"), width, 0)
            lines += labelled(_("Device"), safe_text(row.device), width)
            lines += labelled(_("Begins"), safe_text(row.text[:_TEXT_SHOWN], lines=True), width)
            return lines
        if isinstance(row, KnownDevice):
            lines = hanging(safe_text(f"{row.code}  {row.name}", "bold"), width, 2)
            lines += hanging(Content(_(WHAT_NOW["device"])), width, 0)
            lines += labelled(_("Version"), safe_text(row.app_version or _("not known")), width)
            return lines
        if isinstance(row, MissingFile):
            lines = hanging(safe_text(row.name, "bold"), width, 2)
            lines += hanging(Content(_(WHAT_NOW["file"])), width, 0)
            return lines
        return []

    def _detail_of_item(self, item: DeskItem, width: int) -> list[Content]:
        job = view_of_job(self.field.session.reader, item.stream)
        title = f"{job.number} {say(job.title, language())}" if job else _("A job that is not here yet")
        wide = self.has_class("-wide")  # below that the list says why, and both sides have to find room
        lines = hanging(safe_text(title, "bold"), width, 2)
        if wide or item.kind != "conflict":
            lines += hanging(self._why(item), width, 2)
        if item.kind in WHAT_NOW and not item.decided:
            lines += hanging(Content.styled(_(WHAT_NOW[item.kind]), "$text-muted"), width, 0)
        gap = [Content("")] if wide else []
        ours = standing_side(self.field.session.reader, item) if item.kind == "conflict" else ()
        if ours:
            lines += [*gap, Content.styled(_("Stands now"), "bold $text-success")]
            lines += [line for one in ours for line in self._side(one, width)]
        style = "bold $text-error"
        late, alone = Content.styled(_("Came second, does not stand"), style), Content.styled(_("Does not stand"), style)
        lines += [*gap, late if ours else alone]
        lines += [line for one in item.lines for line in self._side(one, width)]
        return lines

    def _side(self, line: LogLine, width: int) -> list[Content]:
        story = self._stories[line.entry.envelope.stream]
        who = Content.styled(f"{story.who(line)}: ", "bold")
        return [
            *hanging(Content.assemble(who, story.what(line)), width, 2),
            *hanging(Content.assemble("  ", story.when(line)), width, 2),
        ]

    # --- Deciding -----------------------------------------------------------------------------------------------------------------

    def action_desk_theirs(self) -> None:
        self._ask_reason(_("Why does the second one stand?"), lambda services, item, why: services.desk.keep(item, "theirs", why))

    def action_desk_ours(self) -> None:
        self._ask_reason(_("Why is what stands kept?"), lambda services, item, why: services.desk.keep(item, "ours", why))

    def action_desk_release(self) -> None:
        log = self._log_of_bytes()
        words = _("Why does it stand after all?")
        self._ask_reason(words, lambda services, item, why: services.desk.release(item, why, log), needed=False)

    def action_desk_dismiss(self) -> None:
        log = self._log_of_bytes()
        self._ask_reason(_("Why is it put aside?"), lambda services, item, why: services.desk.dismiss(item, why, log))

    def action_desk_merge(self) -> None:
        row = self._list.row
        if not isinstance(row, DeskItem):
            return
        name = row.id
        title = self._stories[row.stream].step_title(step_of(row))

        def answered(texts: tuple[str, ...] | None) -> None:
            if texts is not None:
                value, why = texts
                self._record(lambda services: services.desk.merge(name, value, why))

        questions = [Question(_("The value that stands from now on")), Question(_("Why"), _("whoever recorded it reads this"))]
        self.app.push_screen(AskScreen(title, questions), answered)

    def _ask_reason(self, title: str, decide: Callable[[DeviceServices, str, str], DeskDecision], *, needed: bool = True) -> None:
        row = self._list.row
        if not isinstance(row, DeskItem | AsideBytes):
            return
        name = row.id

        def answered(texts: tuple[str, ...] | None) -> None:
            if texts is not None:
                self._record(lambda services: decide(services, name, texts[0]))

        self.app.push_screen(AskScreen(title, [Question(_("Why"), _("whoever recorded it reads this"), needed=needed)]), answered)

    def _record(self, decide: Callable[[DeviceServices], DeskDecision]) -> None:
        told = _("Saved. Whoever recorded it hears of it with the next exchange.")
        self.field.record(decide, told=told, then=lambda done: self.reload())

    def _log_of_bytes(self) -> str:
        row = self._list.row
        return row.log if isinstance(row, AsideBytes) else ""

    # --- Going elsewhere ----------------------------------------------------------------------------------------------------------

    @on(WindowList.Chosen)
    def action_open(self) -> None:
        """The job with its log."""
        from fieldapp.screens.search import job_screen

        stream = self._stream()
        if stream:
            self.app.push_screen(job_screen(self, stream))

    def _stream(self) -> str:
        row = self._list.row
        stream = row.stream if isinstance(row, DeskItem | MissingFile) else ""
        return stream if stream and view_of_job(self.field.session.reader, stream) is not None else ""

    def action_board(self) -> None:
        self.action_back()

    def action_sync_centre(self) -> None:
        from fieldapp.screens.technician.sync_centre import SyncCentreScreen

        self.app.push_screen(SyncCentreScreen())

    def action_search(self) -> None:
        from fieldapp.screens.search import SearchScreen

        self.app.push_screen(SearchScreen())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self._list.row if self.is_mounted else None
        if action == "open":
            return True if self.is_mounted and self._stream() else None
        if action in _ACTIONS:
            return self._can(action, row)
        return super().check_action(action, parameters)

    def _can(self, action: str, row: object) -> bool:
        if isinstance(row, AsideBytes):
            fits = "bytes" in _ACTIONS[action] and row.id not in self._decided
            return fits and not (action == "desk_release" and row.why_not)
        if not isinstance(row, DeskItem) or row.decided or row.kind not in _ACTIONS[action]:
            return False
        return action != "desk_merge" or (self.field.session.identity.role in FIELD and bool(step_of(row)))


def _decided_words(verb: str) -> Content:
    words = _("{decision}; the decision is on its way").format(decision=_(_DECIDED.get(verb, verb)))
    return Content.styled(words, "$text-success")


def _key(row: object) -> object:
    if isinstance(row, DeskItem | AsideBytes | KnownDevice):
        return row.id
    return row.sha256 if isinstance(row, MissingFile) else getattr(row, "section", None)


def _cell(text: Content, width: int) -> Content:
    return text.truncate(max(1, width), ellipsis=True, pad=True)

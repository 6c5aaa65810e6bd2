"""How the desk says its rows: two lines of the list each, and the pane about the one under the cursor, with both sides."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.cause_words import cause_words, why_words
from fieldapp.screens.jobcards import hanging, labelled
from fieldapp.screens.session import Session
from fieldapp.screens.states import span
from fieldapp.screens.story import Stories
from fieldapp.screens.values import day_time
from fieldapp.services.aside import AsideRecord, aside_record
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.desk import DeskItem, own_decisions, standing_side
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.log import LogLine
from fieldapp.sync.protocol import AsideBytes, KnownDevice, MissingFile
from fieldapp.widgets.safe_text import safe_text

_KINDS = {
    "conflict": ("≠", later("conflict"), "$text-error"),
    "quarantined": ("✗", later("put aside"), "$text-error"),
    "held": ("◷", later("held back"), "$text-warning"),
    "late": ("⇠", later("late"), "$text-muted"),
    "bytes": ("▒", later("not received"), "$text-error"),
    "device": ("⌁", later("silent"), "$text-warning"),
    "file": ("▫", later("missing"), "$text-warning"),
}
"""Glyph, word and colour of each kind of row."""
_SECTIONS = {
    "decide": later("to decide"),
    "decided": later("decided here, on their way"),
    "bytes": later("could not be received"),
    "late": later("came late, stands"),
    "devices": later("devices not heard from for a day"),
    "files": later("files not here yet"),
}
_WHAT_NOW = {
    "held": later("It is tried again by itself when something arrives in its job."),
    "late": later("Nothing to decide: it is listed until the job is approved or cancelled, for 14 days at most."),
    "device": later("What it has not sent nobody else can know. Call its person."),
    "file": later(
        "It comes by itself when the device that has it is online. If it stays away, see in the job's log whether it was lost, and "
        "call its person."
    ),
}
_DECIDED = {
    "released": later("let stand"), "dismissed": later("put aside"), "take": later("the second one stands"),
    "keep": later("what stands is kept"), "merge": later("another value"),
}  # fmt: skip
_TEXT_SHOWN = 600
"""Characters of bytes that the pane shows."""


class Heading:
    """A heading between the rows."""

    def __init__(self, section: str, count: int) -> None:
        self.section, self.count = section, count


class DeskRows:
    """Says the rows of the desk in the words of this device.

    Args:
        session, now: of the app, asked for whenever a row is said.
    """

    def __init__(self, session: Callable[[], Session], now: Callable[[], int]) -> None:
        self._session, self._now = session, now
        self.stories = Stories(session)
        self._records: dict[str, AsideRecord | None] = {}
        self.decided: dict[str, str] = {}
        """What was decided here and is on its way to the server: entry or bytes to the verb."""

    def read_anew(self) -> None:
        """What is said from now on is as the store has it now."""
        self.stories.clear()
        self._records.clear()
        self.decided = own_decisions(self._session().reader)

    # --- In the list --------------------------------------------------------------------------------------------------------------

    def in_list(self, row: object, width: int) -> Content:
        """A row as the list draws it, two lines of `width` columns."""
        if isinstance(row, Heading):
            return Content.styled(f"\n {_(_SECTIONS[row.section]).upper()}  {row.count}", "bold $text-muted")
        kind, left, what, who, since, why = self._cells(row)
        glyph, word, colour = _KINDS[kind]
        name_width = min(18, max(10, width // 5))
        room = max(8, width - 3 - 11 - name_width - 1 - 11 - 2)
        since = since.rjust(11)
        first = Content.assemble(
            (f" {glyph} ", colour), _cell(safe_text(left, "bold"), 11), _cell(what, room), " ", _cell(safe_text(who), name_width),
            " ", (since, "$text-muted"), " ",
        )  # fmt: skip
        second = Content.assemble("   ", (_(word) + _(": "), colour), why)
        return Content.assemble(first, "\n", second.truncate(width - 1, ellipsis=True))

    def _cells(self, row: object) -> tuple[str, str, Content, str, str, Content]:
        """(kind, job or name, what, who, since when, why)."""
        documents = self._session().documents
        if isinstance(row, DeskItem):
            author = name_of_person(documents, row.line.entry.envelope.author)
            more = Content.styled(f" +{len(row.lines) - 1}", "$text-muted") if len(row.lines) > 1 else Content("")
            what = Content.assemble(self.stories[row.stream].what(row.line), more)
            left = row.number or (_("not here") if row.stream.startswith("job:") else row.stream)
            return row.kind, left, what, author, day_time(row.since), self._why(row)
        if isinstance(row, AsideBytes):
            decided = self.decided.get(row.id, "")
            why = safe_text(cause_words(row.reason)) if not decided else _decided_words(decided)
            size = plural("{count} byte", "{count} bytes", row.size).format(count=f"{row.size:,}")
            who = name_of_person(documents, row.person) if row.person else row.device
            record = self._record(row)
            if record is None:
                return "bytes", row.id[:10], Content(size), who, day_time(row.received_at), why
            what = self.stories[record.stream].what(record.line)
            return "bytes", record.number or _("not here"), what, who, day_time(row.received_at), why
        if isinstance(row, KnownDevice):
            person = name_of_person(documents, row.person)
            last = day_time(row.last_seen) if row.last_seen is not None else _("never")
            quiet = span(self._now() - (row.last_seen or row.enrolled_at))
            return "device", row.code, safe_text(row.name), person, last, Content(_("not heard from for {span}").format(span=quiet))
        assert isinstance(row, MissingFile)
        arrived = _("{parts} of {of} parts are here").format(parts=row.parts, of=row.of)
        job = view_of_job(self._session().reader, row.stream)
        who = name_of_person(documents, job.assignee) if job and job.assignee else ""
        return "file", job.number if job else row.stream, safe_text(row.name), who, "", Content(arrived)

    def _record(self, row: AsideBytes) -> AsideRecord | None:
        """What these bytes are; worked out once."""
        if row.id not in self._records:
            self._records[row.id] = aside_record(self._session().reader, row)
        return self._records[row.id]

    def _why(self, item: DeskItem) -> Content:
        if item.decided:
            return _decided_words(item.decided)
        if item.given_to:
            name = name_of_person(self._session().documents, item.given_to)
            return safe_text(_("the job was given to {name} before this arrived").format(name=name))
        late = Content.styled(_("for more than a day; ") if item.overdue(self._now()) else "", "$text-warning")
        return Content.assemble(late, safe_text(why_words(item.reason, self._session().documents)))

    # --- In the pane --------------------------------------------------------------------------------------------------------------

    def in_pane(self, row: object, width: int, *, wide: bool) -> list[Content]:
        """All about a row, in lines of `width` columns.

        Args:
            wide: the pane stands beside the list; below it both sides have to find room, and the list says why.
        """
        if isinstance(row, DeskItem):
            return self._item_in_pane(row, width, wide)
        if isinstance(row, AsideBytes):
            why_not = cause_words(row.why_not)
            can = _("It cannot stand: {why}").format(why=why_not) if why_not else _("It can be read now, and let stand.")
            lines = hanging(safe_text(cause_words(row.reason), "bold"), width, 2)
            lines += hanging(safe_text(can, "$text-accent"), width, 0)
            record = self._record(row)
            if record is not None:
                told = Content.assemble(
                    safe_text(name_of_person(self._session().documents, row.person)), _(": "),
                    self.stories[record.stream].what(record.line),
                )  # fmt: skip
                lines += hanging(told, width, 2)
            lines += labelled(_("Device"), safe_text(row.device), width)
            lines += labelled(_("Begins"), safe_text(row.text[:_TEXT_SHOWN], lines=True), width)
            return lines
        if isinstance(row, KnownDevice):
            lines = hanging(safe_text(f"{row.code}  {row.name}", "bold"), width, 2)
            lines += hanging(Content(_(_WHAT_NOW["device"])), width, 0)
            lines += labelled(_("Version"), safe_text(row.app_version or _("not known")), width)
            return lines
        if isinstance(row, MissingFile):
            lines = hanging(safe_text(row.name, "bold"), width, 2)
            lines += hanging(Content(_(_WHAT_NOW["file"])), width, 0)
            return lines
        return []

    def _item_in_pane(self, item: DeskItem, width: int, wide: bool) -> list[Content]:
        job = view_of_job(self._session().reader, item.stream)
        title = f"{job.number} {say(job.title, language())}" if job else _("A job that is not here yet")
        lines = hanging(safe_text(title, "bold"), width, 2)
        if wide or item.kind != "conflict":
            lines += hanging(self._why(item), width, 2)
        if item.kind in _WHAT_NOW and not item.decided:
            lines += hanging(Content.styled(_(_WHAT_NOW[item.kind]), "$text-muted"), width, 0)
        gap = [Content("")] if wide else []
        ours = standing_side(self._session().reader, item) if item.kind == "conflict" else ()
        if ours:
            lines += [*gap, Content.styled(_("Stands now"), "bold $text-success")]
            lines += [line for one in ours for line in self._side(one, width)]
        lines += [*gap, _side_title(item, bool(ours))]
        lines += [line for one in item.lines for line in self._side(one, width)]
        return lines

    def _side(self, line: LogLine, width: int) -> list[Content]:
        story = self.stories[line.entry.envelope.stream]
        who = Content.styled(story.who(line) + _(": "), "bold")
        return [
            *hanging(Content.assemble(who, story.what(line)), width, 2),
            *hanging(Content.assemble("  ", story.when(line)), width, 2),
        ]


def _side_title(item: DeskItem, second: bool) -> Content:
    if item.kind == "late":
        return Content.styled(_("Stands, came late"), "bold $text-success")
    return Content.styled(_("Came second, does not stand") if second else _("Does not stand"), "bold $text-error")


def _decided_words(verb: str) -> Content:
    words = _("{decision}; the decision is on its way").format(decision=_(_DECIDED.get(verb, verb)))
    return Content.styled(words, "$text-success")


def _cell(text: Content, width: int) -> Content:
    return text.truncate(max(1, width), ellipsis=True, pad=True)

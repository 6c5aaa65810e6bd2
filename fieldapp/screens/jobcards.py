"""A job in one line, and a job in a few: the same on Today, Board, Review and in search."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.content import Content

from fieldapp.domain.coverage import coverage_words
from fieldapp.domain.job import JobState
from fieldapp.domain.promise import Clock, clocks, owed_actions
from fieldapp.domain.safe import plain_text
from fieldapp.domain.words import say
from fieldapp.language import _, language, later
from fieldapp.screens.states import PROMISE, STATUS, span, status
from fieldapp.screens.values import clause_mark, owner_words
from fieldapp.store.queries.lists import JobCard
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.wrapping import shortened, wrap

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp

KINDS = {
    "compensatory": later("compensatory"),
    "basic": later("basic"),
    "value_added": later("value added"),
}
PROMISES = {
    "response": later("response"),
    "arrival": later("arrival"),
    "resolution": later("done"),
    "on_time_window": later("window"),
    "window": later("window"),
    "first_time_fix": later("first-time fix"),
    "duration": later("duration"),
    "rating": later("rating"),
}
"""What promises are usually named, short enough for a row; a company's own names are shown as they are."""


RIGHT, STATE, PERSON = 19, 15, 20
"""Columns for the next promise and what is unsent, for a status in words, for a person: so that they stand below one another."""
SOON_MS = 3_600_000
"""A promise due within this time is marked as at risk in lists."""


def draw_card(card: JobCard, width: int, now: int) -> Content:
    """One line: status glyph, number, title and customer, next promise, what is unsent. Customers stand below one another; a longer
    name begins further left where the title leaves it room."""
    head, right = _number(card), _right(card, now, with_status=True)
    room = max(8, width - head.cell_length - RIGHT - 2)
    customer_width = min(28, room * 2 // 5 + 1) if room > 34 else 0
    title, customer = safe_text(say(card.title, language())), safe_text(say(card.customer, language()), "$text-muted")
    if not customer_width:
        return Content.assemble(head, _cell(title, room), " ", right, " ")
    customer_width = max(customer_width, min(customer.cell_length, room - 1 - title.cell_length))
    parts = [head, _cell(title, room - customer_width - 1), Content(" "), _cell(customer, customer_width)]
    return Content.assemble(*parts, " ", right, " ")


def draw_office_card(card: JobCard, width: int, now: int, who: str) -> Content:
    """Two lines: status glyph, number, title, next promise; below, the status in words, the technician `who`, the customer."""
    head, right = _number(card), _right(card, now, with_status=False)
    title = _cell(safe_text(say(card.title, language())), max(8, width - head.cell_length - RIGHT - 2))
    _glyph, word, colour = STATUS[card.status]
    name = safe_text(who, "" if card.assignee else "$text-warning")
    room = max(8, width - head.cell_length - STATE - PERSON - 3)
    return Content.assemble(
        head, title, " ", right, " \n", " " * head.cell_length,
        _cell(Content.styled(_(word), colour), STATE), " ", _cell(name, PERSON), " ",
        shortened(safe_text(say(card.customer, language()), "$text-muted"), room),
    )  # fmt: skip


def _number(card: JobCard) -> Content:
    glyph, _word, colour = STATUS[card.status]
    return Content.assemble((f" {glyph} ", colour), (f"{plain_text(card.number):<8} ", "bold"))


def _cell(text: Content, width: int) -> Content:
    text = shortened(text, width)
    return text.pad_right(max(0, width - text.cell_length))


def _right(card: JobCard, now: int, *, with_status: bool) -> Content:
    """The next promise, or where no clock runs the status; what is unsent; all of it at the right edge of its columns."""
    unsent = Content.styled(f" ↑{card.unsent}", "$text-warning") if card.unsent else Content("")
    trouble = Content.styled(" ⚠", "$text-error") if card.unresolved else Content("")
    when = Content("")
    if card.status in ("completed", "cannot_complete", "approved", "declined", "cancelled") or (
        card.due is None and card.status in ("paused", "sent_back")
    ):
        when = status(card.status) if with_status else when
    elif card.due is not None:
        when = _promise(card, card.due - now)
    elif card.window_start is not None:
        when = Content.styled(_day_time(card.window_start, now), "$text-muted")
    right = Content.assemble(when, unsent, trouble).truncate(RIGHT, ellipsis=True)
    return right.pad_left(max(0, RIGHT - right.cell_length))


def _promise(card: JobCard, left: int) -> Content:
    """How much time is left for a promise: `! response -0:12`, `▲ window 0:03`, `arrival in 4:03`."""
    name = _promise_word(card.due_name)
    if left < 0:
        return Content.styled(f"{PROMISE['broken'][0]} {name} {span(left)}", f"bold {PROMISE['broken'][2]}")
    if left < SOON_MS:
        return Content.styled(f"{PROMISE['at_risk'][0]} {name} {span(left)}", PROMISE["at_risk"][2])
    return Content(_("{promise} in {span}").format(promise=name, span=span(left)))


def _promise_word(name: str) -> str:
    return _(PROMISES[name]) if name in PROMISES else safe_text(name).plain


def _day_time(instant: int, now: int) -> str:
    local, today = time.localtime(instant / 1000), time.localtime(now / 1000)
    if (local.tm_year, local.tm_yday) == (today.tm_year, today.tm_yday):
        return time.strftime("%H:%M", local)
    return time.strftime("%m-%d %H:%M", local)


def window_text(job: JobState) -> str:
    """The time window in words: `2026-11-21 10:00-13:00`."""
    if job.window_start is None or job.window_end is None:
        return _("no time agreed")
    start, end = time.localtime(job.window_start / 1000), time.localtime(job.window_end / 1000)
    same_day = start[:3] == end[:3]
    return time.strftime("%Y-%m-%d %H:%M", start) + "-" + time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", end)


def promise_line(clock: Clock) -> Content:
    """One promise in words: title, state, when due or how much is left."""
    glyph, word, colour = PROMISE[clock.state]
    parts = [
        Content.styled(f"{glyph} ", colour),
        safe_text(say(clock.title, language())),
        Content.styled(_(": ") + _(word), colour),
    ]
    if clock.due_ms is not None and clock.state in ("running", "at_risk", "paused", "broken", "not_started"):
        due = time.strftime("%m-%d %H:%M", time.localtime(clock.due_ms / 1000))
        left = f" ({span(clock.remaining_ms)})" if clock.remaining_ms is not None else ""
        parts.append(Content(_(", by {due}").format(due=due) + left))
    if clock.doubtful:
        parts.append(Content.styled(_(" (device clock doubtful)"), "$text-warning"))
    return Content.assemble(*parts)


def job_summary(field: FieldApp, job: JobState, width: int = 53) -> Content:
    """A job in a few lines of `width` columns: who, where, what, what is promised and covered."""
    documents = field.session.documents
    lang = language()
    customer, site = documents.customer(job.customer), documents.site(job.customer, job.site)
    segment = documents.segment(job.segment)
    who = say(customer.name, lang) if customer else job.customer
    if segment:
        who += _(" ({named})").format(named=say(segment.title, lang))
    rows = [(_("Customer"), safe_text(who))]
    if site:
        where = [part for part in (say(site.name, lang), say(site.address, lang)) if part]
        rows.append((_("Site"), safe_text(clause_mark().join(where))))
    access = say(job.access, lang) or (say(site.access, lang) if site else "")
    if access:
        rows.append((_("Access"), safe_text(access)))
    for asset_id in job.assets:
        asset = documents.asset(asset_id)
        if asset:
            words = (asset.tag, say(asset.title, lang), asset.model, asset.serial)
            rows.append((_("Asset"), safe_text(" ".join(part for part in words if part))))
    hazards = [say(words, lang) for words in job.hazards]
    if hazards:
        rows.append((_("Hazards"), safe_text("⚠ " + _(", ").join(hazards), "$text-warning")))
    coverage = coverage_words(job.coverage, job.included, job.excluded, lang)
    rows.append((_("Coverage"), safe_text(_(": ").join(part for part in (coverage.title, coverage.terms) if part))))
    if job.description:
        rows.append((_("Reported"), safe_text(job.description)))
    lines = [
        Content.assemble(safe_text(f"{job.number}  {say(job.title, lang)}", "bold"), f"  [{_(KINDS[job.kind])}]"),
        Content.assemble(status(job.status), "  ", (window_text(job), "$text-muted")),
        Content(""),
        *(line for label, value in rows for line in labelled(label, value, width)),
        Content(""),
    ]
    for clock in clocks(job, field.now()):
        lines += hanging(promise_line(clock), width, 2)
    for owed in owed_actions(job, field.now()):
        due = time.strftime("%m-%d %H:%M", time.localtime(owed.due_ms / 1000))
        late = owed.due_ms < field.now()
        told = (_("overdue: {title} ({owner}), since {due}") if late else _("owed: {title} ({owner}), by {due}")).format(
            title=say(owed.title, lang), owner=owner_words(documents, owed.owner), due=due
        )
        lines += hanging(safe_text(f"! {told}", "$text-error") if late else safe_text(f"→ {told}", "$text-warning"), width, 2)
    return Content("\n").join(lines)


def labelled(label: str, value: Content, width: int, label_width: int = 10) -> list[Content]:
    """A label in its column and the value beside it, wrapped within its own column."""
    first = Content.styled(label, "$text-muted").truncate(label_width, pad=True)
    wrapped = wrap(value, max(8, width - label_width))
    return [Content.assemble(first if number == 0 else " " * label_width, line) for number, line in enumerate(wrapped)]


def hanging(text: Content, width: int, indent: int) -> list[Content]:
    """A text wrapped to `width` whose further lines are indented."""
    wrapped = wrap(text, max(8, width - indent))
    return [line if number == 0 else Content.assemble(" " * indent, line) for number, line in enumerate(wrapped)]

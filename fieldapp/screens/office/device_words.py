"""What the device of whoever has a job may still keep to itself: said before the office takes the job away or moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from fieldapp.domain.job import JobState
from fieldapp.language import _, plural
from fieldapp.screens.values import day_time, sentences
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.heard import last_heard, unsent_about
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.wrapping import wrap

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp

_UNDER_WAY = ("travelling", "on_site", "in_progress", "paused", "sent_back")


def device_words(field: FieldApp, job: JobState) -> str:
    """Who has the job, when their device was last heard from, and what is unsent as far as that can be known. Safe to show."""
    session = field.session
    if not job.assignee or job.status in ("unassigned", "declined"):
        return _("Nobody has the job now.")
    if job.assignee == session.identity.person:
        count = unsent_about(session.reader, f"job:{job.id}")
        if not count:
            return _("You have it now, and everything recorded about it here is sent.")
        words = plural("You have it now; {count} record is only here.", "You have it now; {count} records are only here.", count)
        return words.format(count=count)
    name = safe_text(name_of_person(session.documents, job.assignee)).plain
    heard = last_heard(session.reader, session.identity.log, job.assignee)
    if heard is None:
        words = _("{name} has it now, and has never sent anything: what is unsent there is not known.").format(name=name)
    else:
        words = _("{name} has it now. Last record received {time}; what is unsent since then is not known.").format(
            name=name, time=day_time(heard)
        )
    under_way = _("The work is under way: call {name} first.").format(name=name) if job.status in _UNDER_WAY else ""
    return sentences(words, under_way, _("Nothing is lost: it comes in with the next sync."))


def told_of_device(field: FieldApp, job: JobState, width: int) -> Content:
    """The same in lines of `width` columns."""
    return Content("\n").join(wrap(Content(device_words(field, job)), width))

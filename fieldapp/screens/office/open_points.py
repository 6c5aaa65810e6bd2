"""What is still open when somebody wants to approve a job: said in words, and approved anyway only with a note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldapp.domain.job import JobState
from fieldapp.domain.progress import blocks_completion
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.asking import NoteScreen
from fieldapp.screens.story import OUTCOMES
from fieldapp.services.names import name_of_person
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp
    from fieldapp.screens.technician.drafting import DraftKeeper

_SHOWN = 5
"""Points that are listed: of two lines each they still fit 80x24."""
WORDS = {
    "required": later("{step}: required, nothing is recorded"),
    "corrective": later("{step}: the corrective step is not done"),
    "sent_back": later("{step}: sent back and not corrected"),
    "photos": later("{step}: photos are missing"),
    "stop_work": later("{step}: failed, and this failure stops the work"),
    "procedure_missing": later("{step}: this procedure has not arrived on this device"),
}
"""What blocks completion, by the code of the blocker."""


def open_points(field: FieldApp, job: JobState) -> list[str]:
    """The same points as the service refuses an approval for, in the language of the screen. Safe to show."""
    session = field.session
    zone = session.documents.zone(session.identity.log)
    blockers = blocks_completion(job, session.documents.pinned(job.procedures), field.now(), zone)
    points = [
        _(WORDS[blocker.code]).format(step=say(blocker.title, language()) or blocker.key)
        for blocker in blockers
        if job.status != "cannot_complete" or blocker.code == "sent_back"
    ]
    points += [
        _("{summary} by {name} does not stand: {why}").format(
            summary=item.summary or item.type,
            name=name_of_person(session.documents, item.author),
            why=_(OUTCOMES.get(item.outcome, "")),
        )
        for item in job.unresolved
        if not item.decided
    ]
    return [safe_text(point).plain for point in points]


class ApproveAnywayScreen(NoteScreen):
    """The open points, and the note that says why the job is approved although they are open."""

    DEFAULT_CSS = """
    ApproveAnywayScreen Sheet { height: 5; }
    """

    def __init__(self, number: str, points: Sequence[str], drafts: DraftKeeper | None) -> None:
        count = plural("{number} has {count} open point", "{number} has {count} open points", len(points))
        listed = "\n".join(f"· {point}" for point in points[:_SHOWN])
        more = "\n" + _("and {count} more").format(count=len(points) - _SHOWN) if len(points) > _SHOWN else ""
        asked = _("Approve anyway? Write why, then Enter. Esc goes back; b sends steps back instead.")
        hint = f"{asked}\n\n{listed}{more}"
        super().__init__(count.format(number=safe_text(number).plain, count=len(points)), drafts, "approve", hint)

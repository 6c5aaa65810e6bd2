"""A job's log as a story: what each entry says, in words, and when it was recorded, received and doubted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.content import Content

from fieldapp.domain.decision_words import read_decision
from fieldapp.domain.entry import DOUBTFUL_SKEW_MS
from fieldapp.domain.instant import window_text, zone_of
from fieldapp.domain.procedure import Procedure, split_step_key
from fieldapp.domain.words import say
from fieldapp.language import _, language, later
from fieldapp.outcome_words import decision_told
from fieldapp.screens.cause_words import why_words
from fieldapp.screens.session import Session
from fieldapp.screens.states import VERDICT, span
from fieldapp.screens.values import day_time, owner_words, reason_words, size_words, value_words
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.log import LogLine
from fieldapp.widgets.safe_text import safe_text

LATE_MS = 30 * 60_000
"""A record that took longer to come in says so."""
PLAIN = {
    "job.accepted": later("accepted the job"),
    "job.travel_started": later("is on the way"),
    "job.arrived": later("arrived on site"),
    "job.started": later("started the work"),
    "job.resumed": later("went on with the work"),
    "job.completed": later("completed the job"),
    "job.left": later("left the site"),
    "job.approved": later("approved the job"),
    "action.verified": later("verified the action"),
}
ACTIVITIES = {
    "travel": later("journey"), "work": later("work"), "waiting": later("waiting"), "paperwork": later("paperwork"),
}  # fmt: skip
REASONED = {
    "job.declined": later("declined the job: {reason}"),
    "job.paused": later("paused: {reason}"),
    "job.cannot_complete": later("could not complete the job: {reason}"),
    "job.cancelled": later("cancelled the job: {reason}"),
}
OUTCOMES = {
    "late": later("came late; it stands"),
    "conflict": later("conflict: a person has to decide"),
    "held": later("held back until what it needs is here"),
    "quarantined": later("put aside, not applied"),
}
MARKS = {"late": later("late"), "conflict": later("conflict"), "held": later("held back"), "quarantined": later("put aside")}
LANES = {"unsent": later("only on this device"), "received": later("received, not decided yet"), "refused": later("refused")}
ABOUT_TEXT = {
    "note.added": later("noted: {text}"),
    "question.asked": later("asked an expert: {text}"),
    "question.answered": later("answered: {text}"),
    "suggestion.made": later("suggested: {text}"),
    "opportunity.seen": later("saw an opportunity: {text}"),
}
FOLLOW_UPS = {
    "corrective_step": later("a corrective step is owed after {step}: {text}"),
    "follow_up_job": later("another visit is owed after {step}: {text}"),
    "stop_work": later("the work stops because of {step}: {text}"),
}


class Stories(dict[str, "Story"]):
    """Stories by the stream of their job, each made when it is first asked for."""

    def __init__(self, session: Callable[[], Session]) -> None:
        super().__init__()
        self._session = session

    def __missing__(self, stream: str) -> Story:
        session = self._session()
        job = view_of_job(session.reader, stream)
        procedures = session.documents.pinned(job.procedures) if job else {}
        made = self[stream] = Story(session.documents, procedures, session.documents.zone(session.identity.log))
        return made


class Story:
    """Words for the entries of one job.

    Args:
        documents: names of people, lists of reasons. procedures: pinned ones by code. zone: of the branch, for time windows.
    """

    def __init__(self, documents: Documents, procedures: Mapping[str, Procedure], zone: str) -> None:
        self._documents, self._procedures, self._zone = documents, procedures, zone
        self._names: dict[str, str] = {}

    def who(self, line: LogLine) -> str:
        """The author's name, as safe text."""
        author = line.entry.envelope.author
        if author not in self._names:
            self._names[author] = safe_text(name_of_person(self._documents, author)).plain
        return self._names[author]

    def what(self, line: LogLine) -> Content:
        """What it says: `Supply temperature: 14.2 °C ✓ pass`. A type that this version does not know says its name."""
        body = line.body_value()
        kind = line.entry.envelope.type
        if line.entry.body_raw is None:
            return Content.styled(_("(the content was erased)"), "$text-muted")
        if not isinstance(body, dict):
            return safe_text(kind)
        try:
            found = self._told(kind, body)
        except (KeyError, TypeError, ValueError, AttributeError):  # a foreign body may have any shape; its summary always exists
            found = None
        return found if found is not None else safe_text(" ".join(part for part in (f"{kind}:", line.summary) if part))

    def mark(self, line: LogLine) -> Content:
        """What is not as it should be, in a word: `⚠ conflict`, `↑ only on this device`; empty where all is well."""
        parts: list[Content] = []
        if line.outcome not in (None, "applied") and read_decision(line.reason) is not None:
            parts.append(Content.styled(f"✓ {_('decided')} ", "$text-muted"))
        elif line.outcome not in (None, "applied"):
            parts.append(Content.styled(f"⚠ {_(MARKS.get(line.outcome or '', 'does not stand'))} ", "$text-error"))
        if line.lane:
            parts.append(Content.styled(f"↑ {_(LANES.get(line.lane, line.lane))} ", "$text-warning"))
        return Content.assemble(*parts)

    def outcome(self, line: LogLine) -> Content:
        """What the server made of it, in a sentence, with the reason."""
        if line.outcome is None:
            return Content.styled(_("not decided yet"), "$text-warning")
        said = read_decision(line.reason)
        if said is not None:
            words = decision_told(said, name_of_person(self._documents, said.person))
            return safe_text(f"✓ {words}", "$text-success" if line.outcome == "applied" else "$text-muted")
        if line.outcome == "applied":
            return Content.styled("✓ " + _("it stands"), "$text-success")
        words = _(OUTCOMES.get(line.outcome, "does not stand"))
        return safe_text(" ".join(part for part in (f"⚠ {words}.", why_words(line.reason, self._documents)) if part), "$text-error")

    def when(self, line: LogLine) -> Content:
        """Recorded and received, and a clock that was too far off."""
        envelope = line.entry.envelope
        recorded = day_time(envelope.corrected)
        parts: list[Content] = [Content.styled(_("recorded {time}").format(time=recorded), "$text-muted")]
        if line.received_at is not None:
            received = day_time(line.received_at)
            same_day = received[:-5] == recorded[:-5]
            words = _("received {time}").format(time=received[-5:] if same_day else received)
            delay = line.received_at - envelope.corrected
            if delay > LATE_MS:
                words += " " + _("({span} later)").format(span=span(delay))
            parts.append(Content.styled(words, "$text-muted"))
        skew = envelope.at.skew
        if skew is not None and abs(skew) > DOUBTFUL_SKEW_MS:
            words = _("clock {span} slow") if skew > 0 else _("clock {span} fast")
            parts.append(Content.styled("◷ " + words.format(span=span(abs(skew))), "$text-warning"))
        elif line.received_at is not None and envelope.corrected - line.received_at > DOUBTFUL_SKEW_MS:
            parts.append(Content.styled("◷ " + _("recorded after its receipt: a clock was wrong"), "$text-warning"))
        return Content(" · ").join(parts)

    # --- By type ------------------------------------------------------------------------------------------------------------------

    def _told(self, kind: str, body: dict[str, Any]) -> Content | None:
        if kind in PLAIN:
            return self._with_note(_(PLAIN[kind]), body)
        if kind in REASONED:
            reason = reason_words(self._documents, str(body["reason"]))
            return self._with_note(_(REASONED[kind]).format(reason=reason), body)
        if kind in ABOUT_TEXT:
            step = str(body.get("step", ""))
            title = self.step_title(step if "/" in step or not step else f"{body.get('procedure', '')}/{step}")
            return safe_text((title + _(": ") if title else "") + _(ABOUT_TEXT[kind]).format(text=body["text"]))
        told = _TOLD.get(kind)
        return told(self, body) if told is not None else None

    def _with_note(self, words: str, body: dict[str, Any]) -> Content:
        note = str(body.get("note", ""))
        return safe_text(f"{words}. {note}" if note else words)

    def step_title(self, key: str) -> str:
        """The step's title in the language of the screen; its key where the procedure is not here. '' for ''."""
        if not key:
            return ""
        code, step_id, instance = split_step_key(key)
        procedure = self._procedures.get(code)
        step = procedure.step(step_id) if procedure else None
        title = say(step.title, language()) if step else key
        return f"{title} ({instance})" if instance else title

    def _recorded(self, body: dict[str, Any], *, amended: bool) -> Content:
        code, step_id, _instance = split_step_key(body["step"])
        procedure = self._procedures.get(code)
        step = procedure.step(step_id) if procedure else None
        value, unit = str(body["value"]), str(body.get("unit", ""))
        said = value_words(procedure, step, value, unit) if procedure and step else f"{value} {unit}".strip()
        title = self.step_title(body["step"])
        words = _("{step} changed to {value}").format(step=title, value=said) if amended else _(": ").join((title, said))
        parts = [safe_text(words)]
        verdict = body.get("verdict", "none")
        if verdict in VERDICT and verdict != "none":  # the glyph first, where a long value cannot push it out of sight
            glyph, word, colour = VERDICT[verdict]
            parts = [Content.styled(f"{glyph} ", colour), *parts, Content.styled(f"  {_(word)}", colour)]
        if amended:
            parts.append(safe_text(" " + _("because: {reason}").format(reason=reason_words(self._documents, str(body["reason"])))))
        if body.get("note"):
            parts.append(safe_text(f'  "{body["note"]}"', "$text-muted"))
        return Content.assemble(*parts)

    def _left_out(self, body: dict[str, Any], verdict: str) -> Content:
        glyph, word, colour = VERDICT[verdict]  # type: ignore[index]
        reason = reason_words(self._documents, str(body["reason"]))
        said = safe_text(_(": ") + f"{reason} {body.get('note', '')}".rstrip())
        return Content.assemble(safe_text(self.step_title(body["step"])), (f"  {glyph} {_(word)}", colour), said)

    def _window(self, body: dict[str, Any]) -> str:
        return window_text(body.get("window_start"), body.get("window_end"), zone_of(self._zone))

    def _person(self, person: str) -> str:
        return name_of_person(self._documents, person)

    def _titles(self, keys: list[str]) -> str:
        return _(", ").join(self.step_title(key) for key in keys)

    def _file(self, body: dict[str, Any]) -> Content:
        words = _("attached {name} ({size})").format(name=body["name"], size=size_words(int(body["size"])))
        title = self.step_title(str(body.get("step", "")))
        return safe_text(_(": ").join((title, words)) if title else words)

    def _fault(self, body: dict[str, Any]) -> Content:
        parts = [(("symptoms",), body.get("symptom")), (("causes",), body.get("cause")), (("remedies",), body.get("remedy"))]
        said = [_listed(self._documents, kinds, code) for kinds, code in parts if code]
        return safe_text(_("found a fault: {fault}").format(fault=" / ".join(said)))

    def _feedback(self, body: dict[str, Any]) -> Content:
        scores = [f"{name} {body[key]}/{most}" for key, name, most in _SCORES if body.get(key) is not None]
        words = _("The customer: {scores}").format(scores=", ".join(scores) or "-")
        if body.get("comment"):
            words += f' "{body["comment"]}"'
        if body.get("contact_me"):
            words += " " + _("wants to be called")
        return safe_text(words)


_SCORES = (("csat", "CSAT", 5), ("nps", "NPS", 10), ("ces", "CES", 7))


def _text(template: str, **parts: Any) -> Content:
    return safe_text(_(template).format(**parts).strip(" :,"))


_TOLD: dict[str, Callable[[Story, dict[str, Any]], Content]] = {
    "job.created": lambda story, body: _text(
        later("created the job {number} {title}"), number=body["number"], title=say(body["title"], language())
    ),
    "job.assigned": lambda story, body: _text(later("gave the job to {name}"), name=story._person(body["person"])),
    "job.helpers_named": lambda story, body: (
        _text(later("helping as well: {names}"), names=_(", ").join(story._person(person) for person in body["people"]))
        if body["people"]
        else _text(later("nobody else helps any more"))
    ),
    "job.erased": lambda story, body: _text(later("erased what was recorded before, as the customer's right")),
    "job.rescheduled": lambda story, body: _text(
        later("moved it to {window}: {reason}"), window=story._window(body), reason=body.get("reason", "")
    ),
    "job.sent_back": lambda story, body: _text(
        later('sent back {steps}: "{note}"'), steps=story._titles(body["steps"]), note=body["note"]
    ),
    "step.recorded": lambda story, body: story._recorded(body, amended=False),
    "step.amended": lambda story, body: story._recorded(body, amended=True),
    "step.not_done": lambda story, body: story._left_out(body, "not_done"),
    "step.not_applicable": lambda story, body: story._left_out(body, "not_applicable"),
    "file.attached": lambda story, body: story._file(body),
    "reading.taken": lambda story, body: _text(
        later("read {quantity}: {value} {unit}"),
        quantity=body["quantity"].replace("_", " "), value=body["value"], unit=body.get("unit", ""),
    ),
    "follow_up.opened": lambda story, body: _text(
        FOLLOW_UPS.get(body["kind"], "{step}"), step=story.step_title(body["step"]), text=body.get("text", "")
    ),
    "part.used": lambda story, body: _text(
        later("used {quantity} x {part}"), quantity=body.get("quantity", "1"), part=_part(story._documents, body["part"])
    ),
    "time.spent": lambda story, body: _text(
        later("spent {minutes} min: {activity}"), minutes=body["minutes"],
        activity=_(ACTIVITIES.get(body["activity"], body["activity"])),
    ),
    "fault.reported": lambda story, body: story._fault(body),
    "commitment.made": lambda story, body: _text(later("promised by {due}: {text}"), due=body["due"], text=body["text"]),
    "suggestion.decided": lambda story, body: _text(
        later("decided on a suggestion: {decision} {note}"), decision=body["decision"], note=body.get("note", "")
    ),
    "feedback.given": lambda story, body: story._feedback(body),
    "signature.given": lambda story, body: _text(
        later("{name} signed{drawn}"), name=body["name"], drawn=_(" with a drawn signature") if body.get("strokes") else ""
    ),
    "action.opened": lambda story, body: _text(
        later("owed: {title} ({owner})"), title=body["title"], owner=owner_words(story._documents, str(body["owner"]))
    ),
    "action.done": lambda story, body: _text(later("did what was owed: {result}"), result=body["result"]),
    "action.customer_told": lambda story, body: _text(later("told the customer: {note}"), note=body.get("note", "")),
    "report.issued": lambda story, body: _text(later("issued the report {name}"), name=body["name"]),
    "conflict.decided": lambda story, body: _text(
        later("decided a conflict ({side}): {reason}"), side=body.get("side", "keep"), reason=body.get("reason", "")
    ),
    "entry.released": lambda story, body: _text(later("let a record stand after all: {reason}"), reason=body.get("reason", "")),
    "entry.dismissed": lambda story, body: _text(later("put a record aside: {reason}"), reason=body.get("reason", "")),
}  # fmt: skip


def _part(documents: Documents, code: str) -> str:
    return _listed(documents, ("parts",), code)


def _listed(documents: Documents, kinds: tuple[str, ...], code: str) -> str:
    for kind in kinds:
        for pack in documents.packs(kind):
            for item in pack.items:
                if item.code == code:
                    return say(item.title, language()) or code
    return code

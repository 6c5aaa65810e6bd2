"""What the job screen says: how far the steps are, last time, what is open, the customer and the asset."""

from __future__ import annotations

from textual.content import Content

from fieldapp.domain.asset import AssetState, JobMention
from fieldapp.domain.coverage import coverage_words
from fieldapp.domain.decision_words import STANDS
from fieldapp.domain.documents import Asset
from fieldapp.domain.job import JobState
from fieldapp.domain.numbers import is_canonical, to_decimal
from fieldapp.domain.words import say
from fieldapp.language import _, language
from fieldapp.outcome_words import DECIDED
from fieldapp.screens.cause_words import why_words
from fieldapp.screens.jobcards import KINDS, hanging, labelled
from fieldapp.screens.states import status, verdict
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.last_time import LastTime
from fieldapp.screens.values import clause_mark, day, day_time, reason_words
from fieldapp.store.queries.documents import Documents
from fieldapp.widgets.safe_text import safe_text

_LABEL = 10
_SHOWN = 8
"""Lines of a timeline or list that may be longer."""


def head_line(job: JobState, width: int) -> Content:
    """Number, title, kind of service, status."""
    right = Content.assemble(f"[{_(KINDS[job.kind])}]  ", status(job.status), " ")
    left = Content.assemble(" ", safe_text(job.number, "bold $text-accent"), "  ", safe_text(say(job.title, language()), "bold"))
    left = left.truncate(max(4, width - right.cell_length - 2), ellipsis=True)
    return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)


def sent_back_lines(steps: JobSteps, documents: Documents, width: int) -> list[Content]:
    """What the supervisor wants corrected, while it is not corrected."""
    job = steps.job
    change = next((change for change in reversed(job.history) if change.type == "job.sent_back"), None)
    if job.status == "approved" or change is None:
        return []
    waiting = [
        place
        for place in steps.visible
        if place.state is not None and place.state.sent_back and not place.state.sent_back.corrected
    ]
    if not waiting and job.status != "sent_back":
        return []
    person = documents.person(change.by.author)
    who = person.name if person else change.by.author
    note = change.note or next((place.state.sent_back.note for place in waiting if place.state and place.state.sent_back), "")
    by = safe_text(_("{name}, {time}: ").format(name=who, time=day_time(change.by.at)), "$text-muted")
    text = Content.assemble(("↩ " + _("Sent back") + " ", "bold $text-error"), by, safe_text(note, "bold"))
    lines = hanging(text, width, 2)
    lines += [
        line
        for place in waiting
        for line in hanging(Content.assemble("  · ", safe_text(say(place.step.title, language()))), width, 4)
    ]
    return [*lines, Content("")]


def progress_lines(steps: JobSteps, last: LastTime, documents: Documents, width: int) -> Content:
    """Steps, last time, and what is open around the job."""
    lines = labelled(_("Steps"), _steps(steps), width, _LABEL)
    lines += labelled(_("Last time"), _last_visit(steps, last, documents), width, _LABEL)
    job = steps.job
    for item in job.commitments:
        lines += labelled(_("Promised"), safe_text(_(": ").join((item.due, item.text))), width, _LABEL)
    stopping = {place.key for place in steps.stopped_by}
    for follow in job.follow_ups:
        word = {"follow_up_job": _("visit to plan"), "stop_work": _("work stopped")}.get(follow.kind)
        if word and (follow.kind != "stop_work" or follow.step in stopping):  # what has been put right stops nothing any more
            lines += labelled(_("Follow-up"), safe_text(_(": ").join((word, follow.text))), width, _LABEL)
    for question in job.questions:
        state = question.answers[-1].text if question.answers else _("no answer yet")
        lines += labelled(_("Asked"), safe_text(f"{question.text} » {state}"), width, _LABEL)
    for seen in job.opportunities:
        lines += labelled(_("Need seen"), safe_text(seen.text), width, _LABEL)
    for note in job.notes[-_SHOWN:]:
        lines += labelled(_("Note"), safe_text(f"{day_time(note.by.at)} {note.text}"), width, _LABEL)
    for odd in job.unresolved:
        if not odd.decided:
            why = why_words(odd.reason, documents)
            words = safe_text(_(": ").join((f"⚠ {odd.summary or odd.type}", why)), "$text-error")
            lines += labelled(_("Not settled"), words, width, _LABEL + 2)
        elif odd.decided in DECIDED and odd.decided not in STANDS:
            words = safe_text(_(": ").join((odd.summary or odd.type, _(DECIDED[odd.decided]))), "$text-muted")
            lines += labelled(_("Decided"), words, width, _LABEL + 2)
    return Content("\n").join(lines)


def _steps(steps: JobSteps) -> Content:
    progress = steps.progress
    missing = [pin.code for pin in steps.job.procedures if pin.code not in steps.procedures]
    parts = [Content(_("{done}/{total} done").format(done=progress.done, total=progress.total))]
    if progress.required_open:
        parts.append(Content.styled(_("{count} required open").format(count=progress.required_open), "$text-warning"))
    if progress.minutes_left:
        parts.append(Content(_("~{minutes} min left").format(minutes=progress.minutes_left)))
    if missing:
        parts.append(safe_text(_("not here yet: {codes}").format(codes=", ".join(missing)), "$text-error"))
    return Content(clause_mark()).join(parts)


def _last_visit(steps: JobSteps, last: LastTime, documents: Documents) -> Content:
    visit = last.visit()
    if visit is None:
        return _visit_of_others(last, documents) or Content.styled(_("first visit known here"), "$text-muted")
    titles = {place.key: say(place.step.title, language()) for place in steps.places}
    parts = [Content.assemble((f"{day(visit.at)} ", ""), safe_text(f"{visit.job.number}", "$text-muted"))]
    for name, keys in (("fail", visit.failed), ("borderline", visit.borderline)):
        if keys:
            said = _(", ").join(titles.get(key, key.partition("/")[2]) for key in keys[:3]) + (" …" if len(keys) > 3 else "")
            parts.append(Content.assemble(verdict("fail" if name == "fail" else "borderline"), _(": "), safe_text(said)))
    if not visit.failed and not visit.borderline:
        parts.append(verdict("pass"))
    return Content("  ").join(parts)


def _mentioned(item: JobMention, documents: Documents) -> str:
    """What an asset's timeline tells of a job. It keeps the English title, or a reason by its code."""
    if item.type == "job.created":
        number, _space, title = item.text.partition(" ")
        named = next((product.title for product in documents.products() if say(product.title) == title), None)
        return f"{number} {say(named, language())}" if named else item.text
    code, _space, note = item.text.partition(" ")
    return " ".join(part for part in (reason_words(documents, code), note) if part)


def _visit_of_others(last: LastTime, documents: Documents) -> Content | None:
    """The last completed job of the asset whose steps are not on this device, as the asset's timeline tells it."""
    timeline = last.asset.timeline if last.asset else ()
    done = [item for item in timeline if item.type in ("job.completed", "job.cannot_complete") and item.job != last.stream]
    if not done:
        return None
    newest = max(done, key=lambda item: item.at)
    title = next((_mentioned(item, documents) for item in timeline if item.job == newest.job and item.type == "job.created"), "")
    return safe_text(f"{day(newest.at)} {title}".strip())


def place_lines(job: JobState, last: LastTime, documents: Documents, width: int) -> Content:
    """The customer with contacts and cover, then each asset with its readings and what happened there."""
    lang = language()
    lines: list[Content] = []
    customer, site, segment = (
        documents.customer(job.customer),
        documents.site(job.customer, job.site),
        documents.segment(job.segment),
    )
    name = say(customer.name, lang) if customer else job.customer
    lines.append(
        Content.assemble(
            safe_text(name, "bold $text-primary"), safe_text(f"  {say(segment.title, lang)}" if segment else "", "$text-muted")
        )
    )
    for contact in customer.contacts if customer else ():
        words = ", ".join(part for part in (contact.name, contact.role, contact.phone, contact.email) if part)
        lines += labelled(_("Contact"), safe_text(words), width, _LABEL)
    if site:
        lines += labelled(
            _("Site"), safe_text(", ".join(part for part in (say(site.name, lang), say(site.address, lang)) if part)), width, _LABEL
        )
    cover = coverage_words(job.coverage, job.included, job.excluded, lang)
    lines += labelled(_("Coverage"), safe_text(_(": ").join(part for part in (cover.title, cover.terms) if part)), width, _LABEL)
    for item in cover.included:
        lines += labelled("", Content.assemble(("+ ", "$text-success"), safe_text(item)), width, _LABEL)
    for item in cover.excluded:
        lines += labelled("", Content.assemble(("− ", "$text-warning"), safe_text(item)), width, _LABEL)
    for number, asset_id in enumerate(job.assets):
        asset = documents.asset(asset_id)
        if asset is not None:
            lines += [Content(""), *_asset(asset, last.asset if number == 0 else None, documents, width)]
    return Content("\n").join(lines)


def _asset(asset: Asset, state: AssetState | None, documents: Documents, width: int) -> list[Content]:
    lang = language()
    lines = [Content.assemble(safe_text(asset.tag, "bold $text-primary"), "  ", safe_text(say(asset.title, lang), "bold"))]
    facts = [part for part in (asset.model, asset.serial, asset.installed) if part]
    lines += labelled(_("Machine"), safe_text(", ".join(facts)), width, _LABEL) if facts else []
    if asset.owned_by_provider:
        lines += labelled(_("Owner"), Content(_("ours, rented out")), width, _LABEL)
    hazards = _(", ").join(say(words, lang) for words in asset.hazards)
    if hazards:
        lines += labelled(_("Hazards"), safe_text(f"⚠ {hazards}", "$text-warning"), width, _LABEL)
    if state is None:
        return lines
    lines.append(Content(""))
    for known in asset.ranges:
        readings = [item for item in state.readings if item.quantity == known.quantity]
        if readings:
            newest = max(readings, key=lambda item: item.by.at)
            lines.append(_reading(say(known.title, lang), newest.value, newest.unit, newest.by.at, known.low, known.high, width))
    told = [item for item in state.timeline if item.text]
    if told:
        lines.append(Content(""))
        for item in reversed(told[-_SHOWN:]):
            lines += hanging(
                Content.assemble((f"{day(item.at)}  ", "$text-muted"), safe_text(_mentioned(item, documents))), width, 12
            )
    return lines


def _reading(title: str, value: str, unit: str, at: int, low: str | None, high: str | None, width: int) -> Content:
    number = to_decimal(value) if is_canonical(value) else None
    under = number is not None and low is not None and number < (to_decimal(low) or 0)
    over = number is not None and high is not None and number > (to_decimal(high) or 0)
    normal = _("normal {low} to {high}").format(low=low or "…", high=high or "…") if low or high else ""
    column = min(30, width // 2)
    head = safe_text(title).truncate(column, ellipsis=True, pad=True)
    said = safe_text(f"{value} {unit}".strip(), "bold $text-warning" if under or over else "bold").truncate(14, pad=True)
    mark = "▼ " if under else "▲ " if over else "  "
    return Content.assemble(head, " ", (mark, "$text-warning"), said, (f" {day(at)}  {normal}", "$text-muted")).truncate(
        width, ellipsis=True
    )

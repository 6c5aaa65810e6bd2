"""What is said about a step around its input: the instruction, the danger, the criterion, last time, what others wrote."""

from __future__ import annotations

from textual.content import Content

from fieldapp.domain.documents import Person
from fieldapp.domain.job import JobState, StepState
from fieldapp.domain.progress import StepPlace, by_person
from fieldapp.domain.verdict import criterion_in_words
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.jobcards import hanging, labelled
from fieldapp.screens.states import VERDICT, verdict
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.judging import Live
from fieldapp.screens.technician.last_time import Before, LastTime
from fieldapp.screens.technician.outline import section_of
from fieldapp.screens.technician.turns import turn_of, turns
from fieldapp.screens.values import day, day_time, reason_words, result_words, value_words
from fieldapp.store.queries.documents import Documents
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.wrapping import wrap

_LABEL = 11
_CLOSED = {
    "assigned": later("Nothing can be recorded yet: go back and accept the job first."),
    "completed": later("The job is completed: what is recorded can be amended, nothing new is recorded."),
    "cannot_complete": later("The job was given up: what is recorded can be amended, nothing new is recorded."),
    "approved": later("The job is approved; nothing is recorded any more unless it is sent back."),
    "": later("Nothing can be recorded on this job as it stands."),
}


def task(steps: JobSteps, place: StepPlace, width: int) -> Content:
    """What is to be done: which step it is, its title, the instruction. It gives way to what follows."""
    step, lang = place.step, language()
    lines: list[Content] = [_where(steps, place, width)]
    lines += wrap(safe_text(say(step.title, lang) or step.id, "bold"), width)
    if step.instruction:
        lines += wrap(safe_text(say(step.instruction, lang), lines=True), width)
    return Content("\n").join(lines)


def above(steps: JobSteps, place: StepPlace, last: LastTime, documents: Documents, width: int) -> Content:
    """What stays right above the input: the danger, what is in the way, what others wrote, what passes, last time."""
    step, lang = place.step, language()
    lines: list[Content] = []
    if step.hazard:
        danger = Content.assemble(
            ("⚠ " + _("Danger") + "  ", "bold $text-warning"), safe_text(say(step.hazard, lang), "$text-warning")
        )
        lines += hanging(danger, width, 2)
    if by_person(step) and not steps.recordable(place):
        lines += hanging(Content.styled("‖ " + _(_CLOSED.get(steps.job.status, _CLOSED[""])), "$text-warning"), width, 2)
    if place not in steps.stopped_by:
        for stopper in steps.stopped_by:
            text = _("The work is stopped until this step passes: {step}").format(step=say(stopper.step.title, lang))
            lines += hanging(safe_text("✗ " + text, "$text-error"), width, 2)
    turn = turn_of(place) if place.extra else None
    if turn is not None:
        count = turns(steps.places, turn)
        said = plural(
            "{count} is recorded. Enter with nothing entered goes on without one more.",
            "{count} are recorded. Enter with nothing entered goes on without one more.",
            count,
        )
        lines += hanging(Content.styled("+ " + said.format(count=count), "$text-accent"), width, 2)
    lines += _from_others(steps.job, place, documents, width)
    facts: list[tuple[str, Content]] = []
    criterion = criterion_in_words(step, lang, place.procedure.choices_of(step))
    if criterion:
        facts.append((_("Passes"), safe_text(criterion)))
    before = last.of(place)
    if before is not None:
        facts.append((_("Last time"), _before(place, before, documents)))
    state = place.state
    if state is not None and state.result is not None:
        facts.append((_("Recorded"), _standing(place, state, documents)))
    if place.fault:
        facts.append(
            (
                _("Note"),
                Content.styled(_("The procedure's condition for this step is broken; it is shown to be safe."), "$text-muted"),
            )
        )
    if facts:
        lines.append(Content(""))
        lines += [line for label, text in facts for line in labelled(label, text, width, _LABEL)]
    return Content("\n").join(lines)


def _where(steps: JobSteps, place: StepPlace, width: int) -> Content:
    number, total = steps.number(place.key), steps.progress.total
    if number:
        text = _("Step {number} of {total}").format(number=number, total=total)
    elif place.extra:
        text = _("One more")
    else:
        text = _("To read") if place.step.type == "note" else _("Worked out")
    group, digit = section_of(place)
    section = say(group.title, language()) if group else say(place.procedure.title, language())
    turn = turn_of(place) if digit else None
    if turn is not None:
        section += f" {digit}" if place.extra else f" {digit}/{turns(steps.places, turn)}"
    tags = [Content.styled(_("required"), "$text-warning")] if place.required else []
    if number and not place.required and not place.done:
        tags = [Content.styled(_("optional"), "$text-muted")]
    if place.opened_by:
        tags.append(Content.styled(_("corrects a failure"), "$text-error"))
    if place.step.standard_minutes:
        tags.append(Content.styled(_("~{minutes} min").format(minutes=place.step.standard_minutes), "$text-muted"))
    right = Content("  ").join(tags)
    left = Content.assemble((text, "$text-primary"), "  ", safe_text(section, "$text-muted"))
    left = left.truncate(max(4, width - right.cell_length - 2), ellipsis=True)
    return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)


def _from_others(job: JobState, place: StepPlace, documents: Documents, width: int) -> list[Content]:
    """A note of the supervisor who sent it back; questions and the experts' answers."""
    lines: list[Content] = []
    state = place.state
    if state is not None and state.sent_back is not None and not state.sent_back.corrected:
        text = Content.assemble(("↩ " + _("Sent back") + "  ", "bold $text-error"), safe_text(state.sent_back.note, "bold"))
        lines += hanging(text, width, 2)
    for question in job.questions:
        if question.step != place.key:
            continue
        lines += hanging(Content.assemble(("? ", "$text-accent"), safe_text(question.text, "$text-muted")), width, 2)
        for answer in question.answers:
            who = name_of(documents.person(answer.by.author), answer.by.author)
            lines += hanging(
                Content.assemble(("» ", "$text-success"), safe_text(answer.text), safe_text(f" ({who})", "$text-muted")), width, 2
            )
        if not question.answers:
            lines.append(Content.styled("  " + _("no answer yet"), "$text-muted"))
    return lines


def _before(place: StepPlace, before: Before, documents: Documents) -> Content:
    value = (
        value_words(place.procedure, place.step, before.value, before.unit)
        if before.value
        else reason_words(documents, before.reason)
    )
    parts = [safe_text(value), Content.styled(f"  ({day(before.at)})", "$text-muted")]
    if before.verdict is not None and before.verdict != "none":
        parts.insert(1, Content.assemble("  ", verdict(before.verdict)))
    return Content.assemble(*parts)


def _standing(place: StepPlace, state: StepState, documents: Documents) -> Content:
    assert state.result is not None
    result = state.result
    parts = [safe_text(result_words(place.procedure, place.step, result, documents))]
    if result.drawing:
        parts.append(Content.styled(_(" with a drawn signature"), "$text-muted"))
    if result.verdict != "none":
        parts += [Content("  "), verdict(result.verdict)]
    parts.append(Content.styled(f"  ({day_time(result.by.at)})", "$text-muted"))
    if state.earlier:
        before = ", ".join(result_words(place.procedure, place.step, item, documents) for item in state.earlier[-3:])
        parts.append(safe_text(" " + _("(before: {values})").format(values=before), "$text-muted"))
    return Content.assemble(*parts)


def below(place: StepPlace, documents: Documents, width: int) -> Content:
    """Remarks and files of the step, under the input."""
    lines: list[Content] = []
    state = place.state or StepState()
    if state.result is not None and state.result.note:
        lines += hanging(Content.assemble(("✎ ", "$text-muted"), safe_text(state.result.note)), width, 2)
    for note in state.notes:
        who = name_of(documents.person(note.by.author), note.by.author)
        lines += hanging(
            Content.assemble(("✎ ", "$text-muted"), safe_text(note.text), safe_text(f" ({who})", "$text-muted")), width, 2
        )
    if place.step.type != "file":
        for file in state.files:
            lines += hanging(Content.assemble(("▣ ", "$text-muted"), safe_text(file.name)), width, 2)
    return Content("\n").join(lines)


def saved_line(place: StepPlace, documents: Documents, width: int) -> Content:
    """What has just been recorded at the step before, in one line: it is saved, and how it was judged."""
    result = place.state.result if place.state is not None else None
    if result is None:
        return Content("")
    head = Content.styled(_("Saved: "), "$text-muted")
    tail = Content("") if result.verdict == "none" else Content.assemble("  ", verdict(result.verdict))
    room = max(8, width - head.cell_length - tail.cell_length)
    value = safe_text(result_words(place.procedure, place.step, result, documents)).truncate(room // 2, ellipsis=True)
    title = safe_text(say(place.step.title, language()) or place.step.id, "$text-muted")
    title = title.truncate(max(4, room - value.cell_length - 2), ellipsis=True)
    return Content.assemble(head, title, "  ", value, tail)


def judged_line(live: Live | None, *, trouble: bool, width: int) -> Content:
    """The verdict on what is typed. trouble: the person tried to record what will not do."""
    if live is None:
        return Content("")
    if live.wrong:
        style = "$text-error" if trouble else "$text-muted"
        return Content("\n").join(
            hanging(Content.assemble(("✗ " if trouble else "· ", style), safe_text(live.wrong, style)), width, 2)
        )
    found = live.verdict
    parts: list[Content] = []
    if found is not None and found.name != "none":
        glyph, word, colour = VERDICT[found.name]
        parts.append(Content.styled(f"{glyph} {_(word)}", f"bold {colour}"))
        because = safe_text(found.because_in(language()), colour)
    else:
        because = Content("")
        if live.words and not live.words.startswith("="):
            parts.append(Content.styled("•", "$text-muted"))
    parts += [part for part in (safe_text(live.words), because) if part]
    return Content("\n").join(hanging(Content("  ").join(parts), width, 2)) if parts else Content("")


def name_of(person: Person | None, author: str) -> str:
    """A person's name; their id where this device does not know them."""
    return person.name if person else author


def progress_line(steps: JobSteps, width: int) -> Content:
    """Number, title, how far, and the time against the standard."""
    job, progress = steps.job, steps.progress
    worked = steps.worked_ms() // 60_000
    standard = job.standard_minutes or sum(place.step.standard_minutes for place in steps.places if place.counts)
    late = bool(standard) and worked > standard
    cells = 10 if width < 100 else 20
    filled = cells * progress.done // progress.total if progress.total else 0
    clock = (
        _("{worked} of ~{standard} min").format(worked=worked, standard=standard)
        if standard
        else _("{worked} min").format(worked=worked)
    )
    right = Content.assemble(
        ("━" * filled, "$text-success"), ("━" * (cells - filled), "$text-disabled"), f" {progress.done}/{progress.total}  ",
        (clock, "$text-warning" if late else "$text-muted"), " ",
    )  # fmt: skip
    left = Content.assemble(" ", safe_text(job.number, "bold"), " ", safe_text(say(job.title, language())))
    left = left.truncate(max(4, width - right.cell_length - 2), ellipsis=True)
    return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)

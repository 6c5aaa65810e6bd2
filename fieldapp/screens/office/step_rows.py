"""The steps of a job as a reviewer sees them: what failed first, each with its value, its verdict and what hangs on it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from textual.content import Content

from fieldapp.domain.job import Attached
from fieldapp.domain.progress import StepPlace, by_person, files_of
from fieldapp.domain.verdict import criterion_in_words
from fieldapp.domain.words import say
from fieldapp.language import _, language, plural
from fieldapp.screens.states import VERDICT
from fieldapp.screens.technician.outline import Section, StepRow, draw_row, glyph_of, outline_rows
from fieldapp.screens.values import reason_words, result_words, size_words, value_words
from fieldapp.store.queries.documents import Documents
from fieldapp.widgets.safe_text import safe_text

_RANK = {"fail": 1, "not_done": 2, "borderline": 3, "not_applicable": 6, "none": 7}


def step_rows(places: Sequence[StepPlace], *, by_risk: bool) -> list[Section | StepRow]:
    """Steps with a result or still to do. by_risk: sent back, failed, not done, borderline and amended ones first, no headings."""
    rows = [row for row in outline_rows(places) if isinstance(row, Section) or not row.place.extra]
    if not by_risk:
        return rows
    steps = [row for row in rows if isinstance(row, StepRow) and by_person(row.place.step)]
    return [*sorted(steps, key=lambda row: _rank(row.place))]


def _rank(place: StepPlace) -> int:
    state = place.state
    if state is not None and state.sent_back is not None and not state.sent_back.corrected:
        return 0
    if state is None or state.result is None:
        return 4 if place.required else 8
    rank = _RANK.get(state.result.verdict, 6)
    return min(rank, 5) if state.earlier or state.notes else rank


def draw_step(row: object, width: int, documents: Documents, *, marked: bool) -> Content:
    """One line: mark, verdict, title, and the value at the right."""
    if isinstance(row, Section):
        return draw_row(row, width)
    assert isinstance(row, StepRow)
    place = row.place
    glyph, colour = glyph_of(place)
    mark = Content.styled("▣ ", "bold $text-warning") if marked else Content("  ")
    value = Content("")
    state = place.state
    if state is not None and state.result is not None:
        value = safe_text(result_words(place.procedure, place.step, state.result, documents), colour)
    elif place.required:
        value = Content.styled(_("nothing recorded"), "$text-warning")
    value = value.truncate(max(8, width * 2 // 5), ellipsis=True)
    extra = ("±" if state is not None and state.earlier else "") + ("✎" if state is not None and state.notes else "")
    more = Content.styled(f" {extra}", "$text-muted") if extra else Content("")
    room = max(4, width - 5 - value.cell_length - more.cell_length - 2)
    title = safe_text(say(place.step.title, language()) or place.step.id).truncate(room, ellipsis=True, pad=True)
    return Content.assemble(mark, (f"{glyph} ", colour), title, more, " ", value)


_NAMED = 3
"""Files that are named one by one."""


def step_detail(place: StepPlace, documents: Documents, missing: Container[str] = ()) -> Content:
    """What is asked, what stood before, and what was said about it. missing: hashes of files that are not at the server yet."""
    step, state = place.step, place.state
    parts: list[Content] = []
    if state is not None and state.result is not None:
        _glyph, word, colour = VERDICT[state.result.verdict]
        parts.append(Content.styled(_(word), f"bold {colour}"))
    asked = criterion_in_words(step, language(), place.procedure.choices_of(step))
    if asked:
        parts.append(safe_text(_("asked: {criterion}").format(criterion=asked)))
    if state is not None:
        if state.sent_back is not None:
            words = _("corrected after being sent back") if state.sent_back.corrected else _("sent back")
            parts.append(safe_text(_(": ").join((words, f'"{state.sent_back.note}"')), "$text-warning"))
        for before in state.earlier:
            if before.value is not None:
                parts.append(
                    safe_text(_("before: {value}").format(value=value_words(place.procedure, step, before.value, before.unit)))
                )
        if state.result is not None and state.result.reason and state.result.value is not None:
            parts.append(safe_text(_("because: {reason}").format(reason=reason_words(documents, state.result.reason))))
        said = [state.result.note] if state.result is not None and state.result.note else []
        parts += [safe_text(f'"{text}"') for text in (*said, *(note.text for note in state.notes))]
        named = {file.sha256: file for file in reversed(state.files)}
        attached = [named[sha256] for sha256 in files_of(state)]
        parts += [_file(file, file.sha256 in missing) for file in attached[:_NAMED]]
        if len(attached) > _NAMED:
            more = len(attached) - _NAMED
            parts.append(Content(plural("{count} more file", "{count} more files", more).format(count=more)))
    return _joined(parts) if parts else Content.styled(_("Nothing is asked of the value."), "$text-muted")


def _file(file: Attached, missing: bool) -> Content:
    named = f"▣ {file.name} {size_words(file.size)}"
    return safe_text(f"{named} ({_('not at the server yet')})", "$text-warning") if missing else safe_text(named)


def _joined(parts: Iterable[Content]) -> Content:
    return Content(" · ").join(list(parts))

"""Why a finished job is risky, in words."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from fieldapp.domain.review import Finding, FindingCode
from fieldapp.domain.words import say
from fieldapp.language import _, language, plural
from fieldapp.screens.jobcards import hanging
from fieldapp.screens.states import PROMISE, VERDICT
from fieldapp.screens.values import reason_words
from fieldapp.store.queries.documents import Documents
from fieldapp.widgets.safe_text import safe_text

_LOOKS: dict[FindingCode, tuple[str, str]] = {
    "failed": (VERDICT["fail"][0], VERDICT["fail"][2]),
    "unresolved": ("⚠", "$text-error"),
    "cannot_complete": ("⊘", "$text-error"),
    "broken_promise": (PROMISE["broken"][0], PROMISE["broken"][2]),
    "low_rating": ("★", "$text-error"),
    "wants_contact": ("☎", "$text-warning"),
    "not_done": (VERDICT["not_done"][0], VERDICT["not_done"][2]),
    "borderline": (VERDICT["borderline"][0], VERDICT["borderline"][2]),
    "amended": ("±", "$text-muted"),
    "doubtful_clock": ("◷", "$text-muted"),
    "unsigned": ("✎", "$text-muted"),
}
_GAP = "   "
_SCALES = {"csat": ("CSAT", 5), "nps": ("NPS", 10), "ces": ("CES", 7)}


def finding_words(finding: Finding, documents: Documents) -> Content:
    """One finding with its glyph: `✗ 2 steps failed`."""
    glyph, colour = _LOOKS[finding.code]
    return Content.styled(f"{glyph} {safe_text(_text(finding, documents)).plain}", colour)


def findings_lines(found: Iterable[Finding], documents: Documents, width: int) -> list[Content]:
    """All findings of a job in lines of `width` columns, none of them parted; that there is none, where there is none."""
    parts = [finding_words(finding, documents) for finding in found]
    lines: list[Content] = []
    for part in parts or [Content.styled("✓ " + _("nothing stands out"), "$text-success")]:
        if lines and lines[-1].cell_length + len(_GAP) + part.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], _GAP, part)
        else:
            lines += hanging(part, width, 2)
    return lines


def findings_line(found: Iterable[Finding], documents: Documents, width: int) -> Content:
    """All findings in one line: where they are too many for it, broken promises are counted and not named."""
    found = tuple(found)
    lines = findings_lines(found, documents, width)
    if len(lines) == 1:
        return lines[0]
    broken = sum(finding.code == "broken_promise" for finding in found)
    parts: list[Content] = []
    for finding in found:
        if finding.code != "broken_promise":
            parts.append(finding_words(finding, documents))
        elif broken:
            glyph, colour = _LOOKS["broken_promise"]
            words = plural("{count} promise broken", "{count} promises broken", broken).format(count=broken)
            parts.append(Content.styled(f"{glyph} {words}", colour))
            broken = 0
    return Content(_GAP).join(parts)


def _text(finding: Finding, documents: Documents) -> str:
    count = finding.count
    match finding.code:
        case "failed":
            return plural("{count} step failed", "{count} steps failed", count).format(count=count)
        case "unresolved":
            return plural("{count} record does not stand", "{count} records do not stand", count).format(count=count)
        case "cannot_complete":
            return _("not completed: {reason}").format(reason=reason_words(documents, finding.about))
        case "broken_promise":
            return _("broken: {promise}").format(promise=say(finding.title, language()))
        case "low_rating":
            name, most = _SCALES[finding.scale]
            return _("{scale} {score} of {most}").format(scale=name, score=finding.score, most=most)
        case "wants_contact":
            return _("asks to be called")
        case "not_done":
            return _("{count} not done").format(count=count)
        case "borderline":
            return _("{count} borderline").format(count=count)
        case "amended":
            return _("{count} amended").format(count=count)
        case "doubtful_clock":
            return _("device clock doubtful")
    return _("not signed")

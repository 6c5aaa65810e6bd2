"""Recorded values in words: what stands in the log as `r134a` or `yes` is shown as the procedure calls it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from fieldapp.domain.job import Recorded
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.documents import Documents

ROLES = {
    "technician": later("technician"),
    "dispatcher": later("dispatcher"),
    "supervisor": later("supervisor"),
    "expert": later("expert"),
    "admin": later("administrator"),
}
"""The roles that can owe something."""
SKILLS = {
    "refrigeration": later("refrigeration"),
    "electrical": later("electrical"),
    "machines": later("machines"),
    "network": later("networks"),
    "fibre": later("fibre splicing"),
}
"""What skills are usually called; a company's own ones are shown as they are."""


def value_words(procedure: Procedure, step: Step, value: str, unit: str = "") -> str:
    """A stored value as people read it. Still foreign text: show it through `safe_text`."""
    if step.type == "check" and value in ("yes", "no"):
        return _("yes") if value == "yes" else _("no")
    labels = {choice.id: say(choice.label, language()) or choice.id for choice in procedure.choices_of(step)}
    if step.type in ("choice", "multiple_choice"):
        return _(", ").join(labels.get(option, option) for option in value.split())
    if value in labels:  # a calculation may come to one of the step's options
        return labels[value]
    if step.type == "file":
        count = len(value.split())
        return plural("{count} file", "{count} files", count).format(count=count)
    if step.type in ("datetime", "time"):
        return moment_words(value)
    if step.type in ("duration", "timer"):
        return _("{minutes} min").format(minutes=value)
    return f"{value} {unit or step.unit or ''}".strip()


def moment_words(value: str) -> str:
    """An ISO date and time as people write it: a space for the T, no seconds where they are zero."""
    day, _sep, clock = value.rpartition("T")
    if clock.endswith(":00") and clock.count(":") == 2:
        clock = clock[:-3]
    return f"{day} {clock}".strip()


def result_words(procedure: Procedure, step: Step, result: Recorded, documents: Documents) -> str:
    """What stands for a step: its value, or the reason why there is none."""
    if result.value is not None:
        return value_words(procedure, step, result.value, result.unit)
    return reason_words(documents, result.reason)


def reason_words(documents: Documents, reason: str) -> str:
    """A reason by its title, where it is a code of the reasons lists; own words as they stand."""
    for pack in documents.packs("reasons"):
        for item in pack.items:
            if item.code == reason:
                return say(item.title, language()) or reason
    return reason


def owner_words(documents: Documents, owner: str) -> str:
    """Who owes something: a role by its word, a person by name. Still foreign text: show it through `safe_text`."""
    return _(ROLES[owner]) if owner in ROLES else name_of_person(documents, owner)


def clause_mark() -> str:
    """What stands between parts of one line that are no enumeration."""
    return _("{first}, {second}").format(first="", second="")


def sentences(*said: str) -> str:
    """One after the other; Chinese has no space after its full stop."""
    text = ""
    for sentence in filter(None, said):
        text += sentence if not text or text.endswith(("。", "；")) else f" {sentence}"
    return text


def skill_words(skills: Iterable[str]) -> str:
    """Skills by name. Still foreign text: show it through `safe_text`."""
    return _(", ").join(_(SKILLS[skill]) if skill in SKILLS else skill for skill in skills)


def day_time(instant: int) -> str:
    """An instant as local date and time; the year where it is another."""
    local = time.localtime(instant / 1000)
    return time.strftime("%m-%d %H:%M" if local.tm_year == time.localtime().tm_year else "%Y-%m-%d %H:%M", local)


def day(instant: int) -> str:
    """An instant as local date."""
    return time.strftime("%Y-%m-%d", time.localtime(instant / 1000))


def size_words(size: int) -> str:
    """Bytes as people say them: `340 kB`, `2.1 MB` (powers of ten)."""
    if size < 1000:
        return f"{size} B"
    if size < 999_500:
        return f"{(size + 500) // 1000} kB"
    tenths = (size + 50_000) // 100_000
    return f"{tenths // 10}.{tenths % 10} MB"

"""Which files of a job the server had not got whole when it was last asked: whoever approves the job knows what it stands on."""

from __future__ import annotations

from fieldapp.domain.job import Attached, JobState
from fieldapp.language import _, plural
from fieldapp.screens.values import day_time
from fieldapp.sync.protocol import DeskAnswer

_NAMED = 3
"""Files that are named one by one."""


def attached_files(job: JobState) -> dict[str, Attached]:
    """Every file of a job and its steps by its hash."""
    lists = [job.files, *(state.files for state in job.steps.values())]
    return {file.sha256: file for files in lists for file in files}


def not_arrived(job: JobState, answer: DeskAnswer | None) -> dict[str, str]:
    """Names of those that are not all at the server, by their hash."""
    missing = {file.sha256 for file in answer.files} if answer else set()
    return {sha256: file.name for sha256, file in attached_files(job).items() if sha256 in missing}


def arrived_words(job: JobState, answer: DeskAnswer | None) -> str:
    """`2 of 3 files are at the server (11-22 14:05), not yet: a.jpg`; '' where nothing is missing. Names are not safe to show."""
    missing = not_arrived(job, answer)
    if answer is None or not missing:
        return ""
    of = len(attached_files(job))
    names = list(missing.values())[:_NAMED]
    if len(missing) > _NAMED:
        names.append(_("and {count} more").format(count=len(missing) - _NAMED))
    return plural(
        "{arrived} of {of} file is at the server ({time}), not yet: {names}",
        "{arrived} of {of} files are at the server ({time}), not yet: {names}",
        of,
    ).format(arrived=of - len(missing), of=of, time=day_time(answer.time), names=", ".join(names))

"""What the office does: creating jobs, giving them to people, moving and ending them, reviewing what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fieldapp.domain.documents import Person
from fieldapp.domain.entry import ALSO_LIMIT
from fieldapp.domain.entry_types import lifecycle
from fieldapp.domain.instant import parse_window, zone_of
from fieldapp.domain.job import JobState, PinnedProcedure
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.progress import blocks_completion
from fieldapp.domain.recording import find_step
from fieldapp.domain.roles import FIELD, OFFICE
from fieldapp.services.creating import JobWish, job_body, pins
from fieldapp.services.moves import check_move
from fieldapp.services.names import name_of_person, person_named
from fieldapp.services.work import also_of
from fieldapp.store.device import DeviceReplica
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.jobs import CLOSED, JobLine, find_job, known_streams, numbers_beginning
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft, Saved


class Created(msgspec.Struct, frozen=True):
    """A new job: its stream, its number, what the office should know about it, and whom it was given to."""

    job: str
    number: str
    saved: Saved
    person: str = ""
    warnings: tuple[str, ...] = ()


class Assigned(msgspec.Struct, frozen=True):
    """A job given to a person. `before`: name of who had it, '' for nobody; `warnings`: skills that are missing."""

    number: str
    person: Person
    saved: Saved
    before: str = ""
    warnings: tuple[str, ...] = ()


class Helped(msgspec.Struct, frozen=True):
    """A job with the people who help on it now."""

    number: str
    people: tuple[Person, ...]
    saved: Saved


class Changed(msgspec.Struct, frozen=True):
    """A job moved, cancelled, approved or sent back. `steps`: keys of the steps sent back."""

    job: str
    number: str
    saved: Saved
    steps: tuple[str, ...] = ()


class Office:
    """The office's work by the person of this device.

    Args:
        replica: where it is recorded. reader: the same database, for looking. documents: reference documents. ids: UUIDv7 texts.
    """

    def __init__(self, replica: DeviceReplica, reader: Reader, documents: Documents, ids: Callable[[], str]) -> None:
        self._replica, self._reader, self._documents, self._ids = replica, reader, documents, ids

    # --- Creating ---------------------------------------------------------------------------------------------------------------

    def create(self, wish: JobWish, *, person: str = "") -> Created:
        """Create a job, and give it to a person where one is named, as one action.

        Raises:
            Problem: those of `job_body`; `person-unknown`, `person-elsewhere`, `not-your-role`.
        """
        self._check_office(also_field=not person)
        log = self._replica.identity.log
        to = self._assignee(person, log) if person else None
        number = self.next_number()
        body, warnings = job_body(self._documents, self._reader, wish, number=number, log=log, now_ms=self._replica.clock.now())
        stream = f"job:{self._ids()}"
        also = (f"customer:{body.customer}", *(f"asset:{asset}" for asset in body.assets))[:ALSO_LIMIT]
        drafts = [Draft(log, stream, body, also)]
        if to is not None:
            drafts.append(Draft(log, stream, lifecycle.JobAssigned(to.id)))
            warnings = (*warnings, *_skills_missing(body.skills, to))
        return Created(stream, number, self._replica.append(drafts), to.name if to else "", warnings)

    def next_number(self) -> str:
        """The next number of this device, `J-<device code>-<n>`: unique with no network, because the device code is."""
        prefix = f"J-{self._replica.identity.code}-"
        used = [
            int(number[len(prefix) :]) for number in numbers_beginning(self._reader, prefix) if _is_count(number[len(prefix) :])
        ]
        return f"{prefix}{max(used, default=0) + 1}"

    # --- Planning ---------------------------------------------------------------------------------------------------------------

    def assign(self, number: str, person: str) -> Assigned:
        """Give a job to a person.

        Raises:
            Problem: `person-unknown`, `person-ambiguous`, `person-elsewhere`, `already-assigned`, `not-now`, `not-your-role`.
        """
        job = find_job(self._reader, number)
        to = self._assignee(person, job.log)
        check_move(job.view, lifecycle.JobAssigned.NAME, self._role)
        if job.view.assignee == to.id and job.status == "assigned":
            raise Problem("already-assigned", f"Job {job.number} is assigned to {to.name} already.", "Nothing was recorded.")
        before = "" if job.view.assignee in ("", to.id) else name_of_person(self._documents, job.view.assignee)
        saved = self._append(job, lifecycle.JobAssigned(to.id))
        return Assigned(job.number, to, saved, before, _skills_missing(job.view.skills, to))

    def name_helpers(self, number: str, people: Sequence[str]) -> Helped:
        """Say who helps on a job beside the one it is given to: all of them, so that nobody means nobody any more.

        Raises:
            Problem: `person-unknown`, `person-ambiguous`, `person-elsewhere`, `not-now`, `not-your-role`.
        """
        self._check_office()
        job = find_job(self._reader, number)
        if job.status in CLOSED:
            raise Problem("not-now", f"Job {job.number} is {job.status}: nobody helps on it any more.", "Nothing was recorded.")
        helping = {person.id: person for person in (self._assignee(typed, job.log) for typed in people)}
        helping.pop(job.view.assignee, None)
        body = lifecycle.HelpersNamed(tuple(helping))
        return Helped(job.number, tuple(helping.values()), self._replica.append([Draft(job.log, job.stream, body)]))

    def reschedule(self, number: str, when: str, *, reason: str = "") -> Changed:
        """Give a job another time window (`2026-11-22 09:00/12:00`, in the branch's time zone).

        Raises:
            Problem: `bad-when`, `not-now`, `not-your-role`.
        """
        job = find_job(self._reader, number)
        check_move(job.view, lifecycle.JobRescheduled.NAME, self._role)
        start, end = parse_window(when, zone_of(self._zone))
        return self._changed(job, lifecycle.JobRescheduled(start, end, reason.strip()))

    def cancel(self, number: str, reason: str) -> Changed:
        """Cancel a job.

        Raises:
            Problem: `reason-needed`, `not-now`, `not-your-role`.
        """
        job = find_job(self._reader, number)
        check_move(job.view, lifecycle.JobCancelled.NAME, self._role)
        if not reason.strip():
            raise Problem("reason-needed", "To cancel a job needs a reason.", "Give --reason; the technician will read it.")
        return self._changed(job, lifecycle.JobCancelled(reason.strip()))

    # --- Reviewing --------------------------------------------------------------------------------------------------------------

    def open_points(self, job: JobState) -> tuple[str, ...]:
        """What a reviewer has to know before approving: steps open or sent back, and records that do not stand."""
        found: list[str] = []
        for blocker in blocks_completion(job, self._procedures(job), self._replica.clock.now(), self._zone):
            if job.status != "cannot_complete" or blocker.code == "sent_back":
                found.append(f"{blocker.key}: {blocker.why}")
        found += [f"{item.type} by {item.author} does not stand: {item.reason}" for item in job.unresolved if not item.decided]
        return tuple(found)

    def approve(self, number: str, *, note: str = "", anyway: bool = False) -> Changed:
        """Approve a job: its work is accepted.

        Args:
            anyway: although something is open; the note then says why.

        Raises:
            Problem: `review-open` naming what is open, `note-needed`, `not-now`, `not-your-role`.
        """
        job = find_job(self._reader, number)
        check_move(job.view, lifecycle.JobApproved.NAME, self._role)
        points = self.open_points(job.view)
        if points and not anyway:
            more = f" ... and {len(points) - 10} more" if len(points) > 10 else ""
            raise Problem(
                "review-open",
                f"Job {job.number} has {len(points)} open point{'s' if len(points) > 1 else ''}.",
                " ".join(points[:10]) + more + " Send it back, or approve with --anyway and a --note that says why.",
            )
        if points and not note.strip():
            raise Problem("note-needed", "Approving a job with open points needs a note that says why.", "Give --note.")
        return self._changed(job, lifecycle.JobApproved(note.strip()))

    def send_back(self, number: str, steps: Sequence[str], note: str) -> Changed:
        """Send named steps back to the technician with a note that shows on each of them.

        Raises:
            Problem: `steps-needed`, `note-needed`, `unknown-step`, `ambiguous-step`, `not-now`, `not-your-role`.
        """
        job = find_job(self._reader, number)
        check_move(job.view, lifecycle.JobSentBack.NAME, self._role)
        if not steps:
            raise Problem("steps-needed", "Which steps are to be done again?", "Name at least one step.")
        if not note.strip():
            raise Problem(
                "note-needed", "Sending steps back needs a note.", "Give --note; the technician will read it on each step."
            )
        procedures, now = self._procedures(job.view), self._replica.clock.now()
        keys = [find_step(job.view, procedures, step, now_ms=now, zone=self._zone) for step in steps]
        keys = list(dict.fromkeys(keys))
        return self._changed(job, lifecycle.JobSentBack(tuple(keys), note.strip()), tuple(keys))

    # --- Importing --------------------------------------------------------------------------------------------------------------

    def known_for_import(self) -> set[str]:
        """Names of what exists already: streams of jobs, customers and assets, and sites as `site:<id>`."""
        known = known_streams(self._reader, ("job", "customer", "asset"))
        customers = [stream.partition(":")[2] for stream in known if stream.startswith("customer:")]
        return known | {f"site:{site.id}" for customer in sorted(customers) for site in self._documents.sites(customer)}

    def take_in(
        self, reference: Sequence[Draft], jobs: Sequence[Draft], *, procedures: Sequence[str] = (), person: str = ""
    ) -> int:  # fmt: skip
        """Record imported jobs, each with the customers, sites and assets that it needs first, each as a group of its own.

        Args:
            procedures: codes whose newest versions every job pins. person: whom all are given to.
        Returns: the number of jobs recorded.

        Raises:
            Problem: `not-your-role`, `procedure-unknown`, `person-unknown`, `person-elsewhere`.
        """
        self._check_office()
        to = self._assignee(person, self._replica.identity.log) if person else None
        pinned = pins(self._documents, procedures)
        waiting = list(reference)
        for job in jobs:
            body = job.body
            assert isinstance(body, lifecycle.JobCreated)
            group = [draft for draft in waiting if draft.stream in job.also]
            waiting = [draft for draft in waiting if draft.stream not in job.also]
            group.append(msgspec.structs.replace(job, body=_with_procedures(body, pinned)))
            if to is not None:
                group.append(Draft(job.log, job.stream, lifecycle.JobAssigned(to.id)))
            for start in range(0, len(group), 50):
                self._replica.append(group[start : start + 50])
        return len(jobs)

    # --- Inside -----------------------------------------------------------------------------------------------------------------

    @property
    def _role(self) -> str:
        return self._replica.identity.role

    @property
    def _zone(self) -> str:
        return self._documents.zone(self._replica.identity.log)

    def _check_office(self, *, also_field: bool = False) -> None:
        if self._role not in (OFFICE | FIELD if also_field else OFFICE):
            raise Problem("not-your-role", f"A {self._role} does not do this; the office does.", "Nothing was recorded.")

    def _assignee(self, typed: str, log: str) -> Person:
        person = person_named(self._documents, typed)
        if person.role not in FIELD:
            raise Problem(
                "person-elsewhere", f"{person.name} is {_article(person.role)} and does not work on jobs.", "Name a technician."
            )
        if person.branch != log:
            raise Problem(
                "person-elsewhere",
                f"{person.name} belongs to branch {person.branch}; the job is of branch {log}.",
                "A job stays in its branch. Name somebody of that branch.",
            )
        return person

    def _procedures(self, job: JobState) -> dict[str, Procedure]:
        return self._documents.pinned(job.procedures)

    def _append(self, job: JobLine, body: lifecycle.Lifecycle) -> Saved:
        return self._replica.append([Draft(job.log, job.stream, body, also_of(job.view, body))])

    def _changed(self, job: JobLine, body: lifecycle.Lifecycle, steps: tuple[str, ...] = ()) -> Changed:
        return Changed(job.stream, job.number, self._append(job, body), steps)


def _with_procedures(body: lifecycle.JobCreated, pinned: tuple[PinnedProcedure, ...]) -> lifecycle.JobCreated:
    if not pinned:
        return body
    codes = {pin.code for pin in pinned}
    return msgspec.structs.replace(body, procedures=(*(pin for pin in body.procedures if pin.code not in codes), *pinned))


def _skills_missing(skills: Sequence[str], person: Person) -> tuple[str, ...]:
    missing = [skill for skill in skills if skill not in person.skills]
    return (f"{person.name} is not known to have: {', '.join(missing)}.",) if missing else ()


def _article(role: str) -> str:
    return f"{'an' if role[0] in 'aeio' else 'a'} {role}"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10

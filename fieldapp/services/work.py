"""What a technician does on a job. Each method is one unit of work: it refuses before writing, or appends one group."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import customer, steps, work
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.job import JobState, Status
from fieldapp.domain.lifecycle import next_status
from fieldapp.domain.numbers import parse_date, parse_decimal
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.progress import Blocker, blocks_completion
from fieldapp.domain.recording import LeftOut, Plan, find_step, plan_attach, plan_left_out, plan_record
from fieldapp.domain.roles import FIELD
from fieldapp.services.handover import WORDING, handover_text
from fieldapp.services.moves import FIELD_VERBS, TOLD, check_move, mentions
from fieldapp.store.device import DeviceReplica
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.jobs import JobLine, find_job
from fieldapp.store.queries.own import GONE, file_state
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft, Saved

Keep = Callable[[Path], FileRef]
"""Copies a file into the home, durably, and names it by its content."""

SCORES = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7)}
"""Scales of the customer's verdict: satisfaction, would recommend, effort."""


class Recorded(msgspec.Struct, frozen=True):
    """What one action on a job recorded. `plan` where a step was concerned; `status`: the job's afterwards."""

    job: str
    number: str
    status: Status
    saved: Saved
    plan: Plan | None = None


class Handover(msgspec.Struct, frozen=True):
    """The customer's verdict as it was recorded. `text`: exactly what was shown and signed; `shown`: its SHA-256."""

    saved: Saved
    text: str
    shown: str


class Work:
    """Work on jobs by the person of this device.

    Args:
        replica: where it is recorded. reader: the same database, for looking. documents: reference documents. keep: takes files in.
    """

    def __init__(self, replica: DeviceReplica, reader: Reader, documents: Documents, keep: Keep) -> None:
        self._replica, self._reader, self._documents, self._keep = replica, reader, documents, keep

    # --- The job's life ---------------------------------------------------------------------------------------------------------

    def move(self, number: str, verb: str, *, reason: str = "", note: str = "") -> Recorded:
        """Accept, travel, arrive, start, pause, resume, complete ... (a key of FIELD_VERBS).

        Raises:
            Problem: `not-now` with what is allowed, `not-your-role`, `reason-needed`, `completion-blocked` with what blocks.
        """
        job = self._job(number)
        kind = FIELD_VERBS[verb]
        check_move(job.view, kind.NAME, self._role)
        if verb == "complete":
            self._check_complete(job)
        fields = {"note": note.strip()}
        if "reason" in kind.__struct_fields__:
            fields["reason"] = self._needed_reason(job.view, verb, reason)
        elif reason.strip():
            fields["note"] = " ".join(part for part in (reason.strip(), note.strip()) if part)
        body = kind(**fields)
        saved = self._append(job, body)
        return self._recorded(job, saved, next_status(job.view.status, kind.NAME) or job.view.status)

    def blockers(self, job: JobState) -> tuple[Blocker, ...]:
        """What blocks completion, in the order of the job's steps."""
        return blocks_completion(job, self._procedures(job), self._now, self._zone(job))

    def _check_complete(self, job: JobLine) -> None:
        found = self.blockers(job.view)
        if not found:
            return
        shown = [f"{blocker.key}: {blocker.why}" for blocker in found[:10]]
        more = f" ... and {len(found) - 10} more" if len(found) > 10 else ""
        things = "one thing is" if len(found) == 1 else f"{len(found)} things are"
        raise Problem(
            "completion-blocked", f"Job {job.number} cannot be completed yet: {things} open.", " ".join(shown) + more
        )  # fmt: skip

    def _needed_reason(self, job: JobState, verb: str, reason: str) -> str:
        said = reason.strip()
        if said:
            return said
        codes = sorted({code for promise in job.promises for code in promise.pause_reasons}) if verb == "pause" else []
        known = codes or [item.code for pack in self._documents.packs("reasons") for item in pack.items]
        some = f" For instance: {', '.join(known[:8])}." if known else ""
        raise Problem("reason-needed", f"To {verb} a job needs a reason.", f"Give --reason, a code or your own words.{some}")

    # --- Steps ------------------------------------------------------------------------------------------------------------------

    def record(
        self, number: str, step: str, typed: str, *, note: str = "", reason: str = "", asset: str = "", shown: str = ""
    ) -> Recorded:  # fmt: skip
        """Record a value for a step, or another one with the reason why.

        Args:
            shown: at a signature step, the text that a screen showed over the signature; composed anew where empty.

        Raises:
            Problem: see `plan_record`; `asset-unknown` for an asset that is not one of the job's.
        """
        job, procedures, key = self._step(number, step)
        chosen = self._asset(job.view, asset) if asset else ""
        plan = plan_record(
            job.view, procedures, key, typed,
            note=note, reason=reason, asset=chosen, shown=shown,
            now_ms=self._now, zone=self._zone(job.view), language=self._language,
        )  # fmt: skip
        return self._carry_out(job, plan)

    def amend(self, number: str, step: str, typed: str, *, reason: str, note: str = "") -> Recorded:
        """Another value for a step that has a result.

        Raises:
            Problem: `nothing-to-amend`, `reason-needed`, and those of `record`.
        """
        job, _, key = self._step(number, step)
        state = job.view.steps.get(key)
        if state is None or state.result is None:
            raise Problem("nothing-to-amend", f"Step {key} has no result yet.", "Record one: fieldapp record.")
        return self.record(number, key, typed, note=note, reason=reason)

    def leave_out(self, number: str, step: str, verdict: LeftOut, reason: str, *, note: str = "") -> Recorded:
        """Say that a step was not done or does not apply here, and why. Errors as for `plan_left_out`."""
        job, procedures, key = self._step(number, step)
        plan = plan_left_out(
            job.view, procedures, key, verdict, reason,
            note=note, now_ms=self._now, zone=self._zone(job.view), language=self._language,
        )  # fmt: skip
        return self._carry_out(job, plan)

    def attach(self, number: str, step: str, path: Path) -> Recorded:
        """Attach a file to a step, or to the job where `step` is ''. It is copied into the home before it counts as recorded.

        Raises:
            Problem: see `plan_attach`; `file-unusable`, `file-empty`, `file-too-large`, `disk-full`.
        """
        job, procedures, key = self._step(number, step) if step else (self._job(number), {}, "")
        self._check_field()
        file = self._keep(path)
        state = file_state(self._reader, file.sha256)
        if state in (GONE, "wanted"):  # given up, and found after all; or named by what came without it, on a stick
            self._replica.mark_file(file.sha256, "here")
        try:
            plan = plan_attach(
                job.view, procedures, key, file, now_ms=self._now, zone=self._zone(job.view), language=self._language
            )  # fmt: skip
        except Problem as problem:
            if problem.code != "already-attached" or state not in (GONE, "here", "wanted"):
                raise
            again = "Nothing more was recorded. If it was missing on this device, it is here again and is sent with the next sync."
            raise Problem(problem.code, problem.message, again) from problem
        return self._carry_out(job, plan, (file,))

    def _carry_out(self, job: JobLine, plan: Plan, files: tuple[FileRef, ...] = ()) -> Recorded:
        self._check_field()
        saved = self._append(job, *plan.bodies, files=files)
        return self._recorded(job, saved, job.view.status, plan)

    # --- Around the steps -------------------------------------------------------------------------------------------------------

    def note(self, number: str, text: str, *, step: str = "") -> Recorded:
        """A remark on the job, or on one step of it.

        Raises:
            Problem: `bad-value` for no text at all.
        """
        job, _, key = self._step(number, step) if step else (self._job(number), {}, "")
        return self._simple(job, steps.NoteAdded(_text(text, "remark"), key))

    def part(self, number: str, part: str, *, quantity: str = "1", serial: str = "") -> Recorded:
        """A part used, by its code in the parts list (the nearest is named for an unknown one) or in own words.

        Raises:
            Problem: `bad-value`.
        """
        amount = parse_decimal(quantity)
        return self._simple(self._job(number), work.PartRecorded(_text(part, "part"), amount, serial.strip()))

    def reading(self, number: str, quantity: str, value: str, *, unit: str = "", asset: str = "") -> Recorded:
        """A quantity read on an asset of the job, outside any step.

        Raises:
            Problem: `bad-value`, `asset-unknown`.
        """
        job = self._job(number)
        chosen = self._asset(job.view, asset)
        document = self._documents.asset(chosen)
        known = {item.quantity: item.unit for item in document.ranges} if document else {}
        name = _text(quantity, "quantity")
        return self._simple(job, steps.ReadingTaken(chosen, name, parse_decimal(value), unit.strip() or known.get(name, "")))

    def fault(
        self, number: str, symptom: str, *, cause: str = "", remedy: str = "", asset: str = "", note: str = ""
    ) -> Recorded:  # fmt: skip
        """A fault by symptom, cause and remedy: codes of the fault lists, or own words."""
        job = self._job(number)
        chosen = self._asset(job.view, asset) if asset or len(job.view.assets) == 1 else ""
        body = work.FaultReported(_text(symptom, "symptom"), cause.strip(), remedy.strip(), chosen, note.strip())
        return self._simple(job, body)

    def time_spent(self, number: str, activity: str, minutes: int) -> Recorded:
        """Whole minutes spent on an activity (travel, work, waiting, paperwork)."""
        return self._simple(self._job(number), work.TimeRecorded(_text(activity, "activity"), minutes))

    def expense(self, number: str, kind: str, amount: int, currency: str, *, note: str = "") -> Recorded:
        """An expense in whole minor units of the currency."""
        return self._simple(self._job(number), work.ExpenseRecorded(_text(kind, "kind"), amount, currency, note.strip()))

    def question(self, number: str, text: str, *, step: str = "") -> Recorded:
        """A question to the experts; the answer comes back with a sync."""
        job, _, key = self._step(number, step) if step else (self._job(number), {}, "")
        return self._simple(job, work.QuestionAsked(_text(text, "question"), key))

    def suggestion(self, number: str, step: str, text: str) -> Recorded:
        """A better way to do a step: about the procedure version that this job pins."""
        job, procedures, key = self._step(number, step)
        code, _, rest = key.partition("/")
        body = work.SuggestionMade(code, procedures[code].version, rest.partition("#")[0], _text(text, "suggestion"))
        return self._simple(job, body)

    def opportunity(self, number: str, text: str) -> Recorded:
        """A need seen on site that the company can serve."""
        return self._simple(self._job(number), work.OpportunitySeen(_text(text, "opportunity")))

    def commitment(self, number: str, text: str, due: str) -> Recorded:
        """A follow-up promised to the customer by a date."""
        return self._simple(self._job(number), work.CommitmentMade(_text(text, "promise"), parse_date(due)))

    # --- The customer's turn ----------------------------------------------------------------------------------------------------

    def handover_text(self, number: str, language: str = "") -> str:
        """What the customer is shown: what was done and found, which promises were kept, what comes next, in their language."""
        return self._handover(self._job(number), language)[0]

    def feedback(
        self,
        number: str,
        *,
        csat: int | None = None,
        nps: int | None = None,
        ces: int | None = None,
        comment: str = "",
        contact_me: bool = False,
        name: str = "",
        consent: bool = False,
        strokes: str = "",
        language: str = "",
        shown: str = "",
    ) -> Handover:
        """The customer's verdict, and with a name their signature under exactly the text that they were shown.

        Args:
            csat, nps, ces: raw scores (1-5, 0-10, 1-7), None where not answered. name: of who signs; '' for no signature.
            strokes: the drawn line, if any. shown: the text that a screen showed; composed anew where empty.

        Raises:
            Problem: `bad-score`, `nothing-given`, `consent-needed`, `not-now`.
        """
        job = self._job(number)
        self._check_field()
        if job.view.status in ("unassigned", "assigned", "declined", "cancelled"):
            status = job.view.status
            raise Problem("not-now", f"Job {job.number} is {status}: there is nothing yet that its customer could rate.")
        _check_scores({"csat": csat, "nps": nps, "ces": ces})
        comment, name = comment.strip(), name.strip()
        if csat is None and nps is None and ces is None and not comment and not contact_me and not name:
            raise Problem(
                "nothing-given", "No score, no comment and no signature were given.", "Give at least one, such as --csat 5."
            )
        if name and not consent:
            raise Problem(
                "consent-needed",
                "A signature is kept only with the signer's consent.",
                "Ask, and say --consent; or leave --name out to record the scores alone. Nothing was recorded.",
            )
        text, spoken = self._handover(job, language)
        text = shown or text
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        bodies: list[Body] = []
        if csat is not None or nps is not None or ces is not None or comment or contact_me:
            bodies.append(customer.FeedbackGiven(csat, nps, ces, comment, WORDING, spoken, contact_me))
        if name:
            bodies.append(customer.SignatureGiven(name, digest, consent, text, strokes))
        return Handover(self._append(job, *bodies), text, digest)

    def _handover(self, job: JobLine, language: str) -> tuple[str, str]:
        document = self._documents.customer(job.view.customer)
        spoken = language or (document.language if document else "") or "en"
        text = handover_text(
            job.view, self._procedures(job.view), self._documents,
            language=spoken, technician=self._replica.identity.name, now_ms=self._now, zone=self._zone(job.view),
        )  # fmt: skip
        return text, spoken

    # --- Inside -----------------------------------------------------------------------------------------------------------------

    @property
    def _role(self) -> str:
        return self._replica.identity.role

    @property
    def _now(self) -> int:
        return self._replica.clock.now()

    @property
    def _language(self) -> str:
        person = self._documents.person(self._replica.identity.person)
        return person.language if person else "en"

    def _zone(self, job: JobState) -> str:
        return self._documents.zone(self._replica.identity.log)

    def _job(self, number: str) -> JobLine:
        return find_job(self._reader, number)

    def _procedures(self, job: JobState) -> dict[str, Procedure]:
        return self._documents.pinned(job.procedures)

    def _step(self, number: str, step: str) -> tuple[JobLine, dict[str, Procedure], str]:
        job = self._job(number)
        procedures = self._procedures(job.view)
        missing = [pin.code for pin in job.view.procedures if pin.code not in procedures]
        if missing and not procedures:
            raise Problem(
                "procedure-missing",
                f"The procedure {', '.join(missing)} of job {job.number} has not arrived on this device yet.",
                "Sync first; what was recorded is safe.",
            )
        return job, procedures, find_step(job.view, procedures, step, now_ms=self._now, zone=self._zone(job.view))

    def _asset(self, job: JobState, typed: str) -> str:
        """An asset of the job by id, tag or serial number; its only one where none is named."""
        if not typed and len(job.assets) == 1:
            return job.assets[0]
        wanted = typed.strip().casefold()
        tags: list[str] = []
        for asset in job.assets:
            document = self._documents.asset(asset)
            names = [asset, *((document.tag, document.serial) if document else ())]
            tags.append(document.tag if document else asset)
            if wanted and wanted in (name.casefold() for name in names):
                return asset
        hint = f"Its assets are: {', '.join(tags)}." if tags else "It has no asset."
        raise Problem("asset-unknown", f"Job {job.number} has no asset {typed.strip()[:40]!r}." if typed else
                      f"Which asset of job {job.number} is meant?", hint)  # fmt: skip

    def _check_field(self) -> None:
        if self._role not in FIELD:
            raise Problem("not-your-role", f"A {self._role} does not record work on a job.", "Nothing was recorded.")

    def _simple(self, job: JobLine, body: Body) -> Recorded:
        if not isinstance(body, steps.NoteAdded | work.SuggestionMade):
            self._check_field()
        return self._recorded(job, self._append(job, body), job.view.status)

    def _append(self, job: JobLine, *bodies: Body, files: Sequence[FileRef] = ()) -> Saved:
        return self._replica.append([self._draft(job, body, files) for body in bodies])

    def _draft(self, job: JobLine, body: Body, files: Sequence[FileRef]) -> Draft:
        named = body.sha256 if isinstance(body, steps.FileAttached) else ""
        own = tuple(file for file in files if file.sha256 == named)
        return Draft(job.log, job.stream, body, also_of(job.view, body), own)

    def _recorded(self, job: JobLine, saved: Saved, status: Status, plan: Plan | None = None) -> Recorded:
        return Recorded(job.stream, job.number, status, saved, plan)


def also_of(job: JobState, body: Body) -> tuple[str, ...]:
    """The further streams that a fact of a job is folded into: whoever sees the asset or the customer next sees it there."""
    if body.NAME in TOLD:
        return mentions(job)
    if isinstance(body, steps.ReadingTaken):
        return (f"asset:{body.asset}",) if body.asset in job.assets else ()
    if isinstance(body, work.FaultReported):
        return (f"asset:{body.asset}",) if body.asset in job.assets else ()
    if isinstance(body, work.PartRecorded):
        return (f"asset:{job.assets[0]}",) if len(job.assets) == 1 else ()
    if isinstance(body, customer.FeedbackGiven | customer.ActionBody):
        return (f"customer:{job.customer}",) if job.customer else ()
    return ()


def _check_scores(scores: dict[str, int | None]) -> None:
    for name, score in scores.items():
        low, high = SCORES[name]
        if score is not None and not low <= score <= high:
            raise Problem("bad-score", f"{name.upper()} goes from {low} to {high}; {score} was given.", "Nothing was recorded.")


def _text(text: str, what: str) -> str:
    said = text.strip()
    if not said:
        raise Problem("bad-value", f"No {what} was given.", "Nothing was recorded.")
    return said

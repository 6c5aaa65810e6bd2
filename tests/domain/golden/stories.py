"""The lives that the corpus is made of, told once. A new story gets its file by `python -m tests.domain.golden`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fieldapp.domain.entry_types.customer import ActionDone, ActionOpened, CustomerTold, FeedbackGiven, SignatureGiven
from fieldapp.domain.entry_types.erasure import CustomerErased, JobErased, kept_of
from fieldapp.domain.entry_types.lifecycle import (
    Arrived,
    CannotComplete,
    HelpersNamed,
    JobAccepted,
    JobApproved,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobDeclined,
    JobRescheduled,
    JobSentBack,
    SiteLeft,
    TravelStarted,
    WorkPaused,
    WorkResumed,
    WorkStarted,
)
from fieldapp.domain.entry_types.office import ConflictDecided, EntryDismissed
from fieldapp.domain.entry_types.steps import (
    FileAttached,
    FollowUpOpened,
    NoteAdded,
    ReadingTaken,
    StepAmended,
    StepNotApplicable,
    StepNotDone,
    StepRecorded,
)
from fieldapp.domain.entry_types.work import PartRecorded, QuestionAnswered, QuestionAsked, TimeRecorded
from tests.domain.examples import BY_NAME, EXAMPLES, HASH
from tests.domain.lives import START_MS, Life, uuid

CREATED = BY_NAME["job.created"]
ALSO = ("asset:a-1", "customer:c-1")


def dispatched(job: str) -> Life:
    made = Life(job)
    made.add(CREATED, by="p-mei", role="dispatcher", also=ALSO)
    made.office(JobAssigned("p-lin"), after=2)
    return made


def at_work(job: str) -> Life:
    made = dispatched(job)
    made.add(JobAccepted(), after=5)
    made.add(TravelStarted(), after=10)
    made.add(Arrived(), after=25)
    made.add(WorkStarted(), after=3)
    return made


def happy() -> Life:
    made = at_work("j-happy")
    made.add(StepRecorded("CH-Q/oil", 3, "1.25", "pass", "bar"), after=5)
    made.add(ReadingTaken("a-1", "oil_pressure", "1.25", "bar", "CH-Q/oil"), also=ALSO[:1])
    made.add(StepRecorded("CH-Q/sum", 3, "2.5", "none", calculated=True))
    made.add(StepNotApplicable("CH-Q/state#2", 3, "no_such_part"), after=1)
    made.add(FileAttached(HASH, 4711, "oil.jpg", "image/jpeg", "CH-Q/oil"), after=1)
    made.add(PartRecorded("F-77", "2"), also=ALSO[:1])
    made.add(TimeRecorded("work", 40))
    made.add(JobCompleted("done"), after=30, also=ALSO)
    made.add(FeedbackGiven(5, 10, 6, "thank you", "1", "en"), after=2, also=ALSO[1:])
    made.add(SignatureGiven("Wang Wei", HASH, True, "I confirm"), after=1)
    made.add(SiteLeft(), after=2)
    made.add(JobApproved("good"), by="p-su", role="supervisor", after=600)
    return made


def sent_back_and_corrected() -> Life:
    made = at_work("j-back")
    made.add(StepRecorded("CH-Q/oil", 3, "12.5", "fail", "bar"), after=5)
    made.add(FollowUpOpened("corrective_step", "CH-Q/oil", "read again"))
    made.add(StepNotDone("CH-Q/state", 3, "no_tool"), after=5)
    made.add(JobCompleted(), after=20)
    made.add(JobSentBack(("CH-Q/oil", "CH-Q/state"), "12.5 bar cannot be"), by="p-su", role="supervisor", after=60)
    made.add(StepAmended("CH-Q/oil", 3, "1.25", "pass", "typing mistake", "bar"), after=60)
    made.add(WorkResumed(), after=5)
    made.add(StepRecorded("CH-Q/state", 3, "good", "pass"), after=5)
    made.add(JobCompleted("corrected"), after=5)
    made.add(JobApproved(), by="p-su", role="supervisor", after=30)
    return made


def paused_and_declined() -> Life:
    made = dispatched("j-pause")
    made.add(JobDeclined("ill", "fever"), after=10)
    made.office(JobAssigned("p-wei"), after=10)
    made.add(JobAccepted(), by="p-wei", after=10)
    made.add(WorkStarted(), by="p-wei", after=30, skew=-400_000)
    made.add(WorkPaused("parts", "filter is on its way"), by="p-wei", after=30, skew=None)
    made.office(JobRescheduled(START_MS + 86_400_000, START_MS + 90_000_000, "parts"), after=5)
    made.add(SiteLeft(), by="p-wei", after=5)
    made.add(TravelStarted(), by="p-wei", after=1200)
    made.add(Arrived(), by="p-wei", after=30)
    made.add(WorkStarted(), by="p-wei", after=5)
    made.add(CannotComplete("no_access", "plant room locked"), by="p-wei", after=30)
    made.office(JobCancelled("customer"), after=60)
    return made


def conflicts_and_late() -> Life:
    made = at_work("j-conflict")
    made.add(StepRecorded("CH-Q/oil", 3, "1.25", "pass", "bar"), after=5)
    other = made.add(
        StepRecorded("CH-Q/oil", 3, "0.5", "fail", "bar"), by="p-wei", after=2, outcome="conflict", reason="two readings"
    )
    made.add(JobCompleted(), by="p-wei", after=2, outcome="late", reason="reassigned before it arrived")
    made.add(TimeRecorded("work", 15), by="p-wei", after=1, outcome="late", reason="reassigned before it arrived")
    made.add(NoteAdded("left hand side", "CH-Q/oil"), by="p-wei", outcome="late", reason="reassigned before it arrived")
    held = made.write("drone.landed", b'{"pad":7}', outcome="held", reason="type not known")
    made.write("step.recorded", b'{"step":"CH-Q/oil"}', outcome="quarantined", reason="shape")
    made.write("step.recorded", b'{"step":["CH-Q/oil"]}')
    made.add(JobAccepted(), outcome="conflict", reason="not allowed")
    made.add(ConflictDecided(other.id, "first gauge is calibrated", "keep"), by="p-su", role="supervisor", after=60)
    made.add(EntryDismissed(held.id), by="p-su", role="supervisor")
    made.add(JobAccepted())  # applied by mistake: the table lets it pass without effect
    return made


def strange_text() -> Life:
    made = dispatched("j-text")
    made.add(JobAccepted("\x1b]52;c;aGk=\x07 \u202eevil\u202c [b]bold[/b] \u009b31m"), after=1)
    made.add(
        NoteAdded(
            "\u51b7\u6c34\u673a \u0421\u0442\u043e\u0439 \u05e9\u05dc\u05d5\u05dd e\u0301 \u00e9 \U0001f9ca \ufeff \u2028",
            "CH-Q/oil",
        )
    )
    made.write("note.added", rb'{"text":"\u51b7\ud83e\uddca\/\"\\ \u001b[2J","step":"CH-Q\/oil","colour":"later"}')
    made.write("note.added", b' { "text" : "spaced\\tout" } ')
    made.add(StepRecorded("CH-Q/oil", 3, "1,3", "none", "\u00b0C", "=1+1"))
    made.add(FileAttached(HASH, 0, "../\u7167\u7247 1.jpg"))
    erased = made.add(FeedbackGiven(2, comment="forget me"), also=ALSO[1:])
    made.facts[-1] = msgspec.structs.replace(erased, entry=msgspec.structs.replace(erased.entry, body_raw=None))
    made.write("drone.landed", b'{"text":"unknown and applied"}')
    return made


def reassigned() -> Life:
    made = at_work("j-hands")
    made.add(StepRecorded("CH-Q/oil", 3, "1.25", "pass", "bar"), after=5)
    made.add(QuestionAsked("Is the noise normal?", "CH-Q/oil"), after=1)
    made.office(JobAssigned("p-wei"), after=30)
    made.add(StepRecorded("CH-Q/state", 3, "good", "pass"), after=1, outcome="late", reason="reassigned before it arrived")
    made.add(QuestionAnswered(made.facts[7].id, "Yes, below 1500 rpm"), by="p-exp", role="expert", after=10)
    made.add(JobAccepted(), by="p-wei", after=10)
    made.add(Arrived(), by="p-wei", after=60)
    made.add(WorkStarted(), by="p-wei")
    made.add(StepRecorded("CH-Q/state", 3, "poor", "fail"), by="p-wei", after=5)
    made.office(JobAssigned("p-lin"), after=1)
    made.add(JobAccepted(), after=1)
    made.add(JobCompleted(), after=1, outcome="conflict", reason="not in progress")
    made.add(ActionOpened("act-1", "Apologise", "p-su", "arrival", START_MS), by="rule", role="rule", also=ALSO[1:])
    made.add(ActionDone("act-1", "called"), by="p-su", role="supervisor", after=60, also=ALSO[1:])
    made.add(CustomerTold("act-1", "by phone"), by="p-su", role="supervisor", after=5, also=ALSO[1:])
    return made


def everything() -> Life:
    """Every entry type of the first version, each once, into all three kinds of streams."""
    made = Life("j-all")
    for body in EXAMPLES:
        made.add(body, after=1, also=ALSO)
    made.add(ConflictDecided(uuid(1)))
    return made


def helped_and_erased() -> Life:
    """A job of two, and what is left of it when its customer is forgotten."""
    made = at_work("j-erased")
    made.office(HelpersNamed(("p-wei",)), after=1)
    made.add(NoteAdded("the owner's mother lives upstairs"), by="p-wei", after=1)
    made.add(PartRecorded("F-77", "2"), after=1)
    made.add(WorkPaused("customer", "she was not in"), after=5)
    kept = kept_of(made.job)
    made.facts[:] = [msgspec.structs.replace(fact, entry=msgspec.structs.replace(fact.entry, body_raw=None)) for fact in made.facts]
    made.add(JobErased("c-1", kept), by="server", role="rule", after=600)
    made.add(CustomerErased("c-1", "asked for in writing"), by="server", role="rule", stream="customer:c-1")
    made.add(TimeRecorded("work", 20), after=1, outcome="late", reason="it came after a year")
    return made


STORIES: tuple[Callable[[], Life], ...] = (
    happy, sent_back_and_corrected, paused_and_declined, conflicts_and_late, strange_text, reassigned, everything,
    helped_and_erased,
)  # fmt: skip

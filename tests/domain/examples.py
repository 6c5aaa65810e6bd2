"""One example body for each entry type, every field given. **A new entry type needs its example here**; a test counts them."""

from __future__ import annotations

from fieldapp.domain.documents import (
    Article,
    Asset,
    Branch,
    Calendar,
    Contact,
    Contract,
    Customer,
    NormalRange,
    Pack,
    PackItem,
    Person,
    Product,
    Promise,
    PromiseAction,
    Segment,
    Site,
    Variant,
)
from fieldapp.domain.entry_types import customer, erasure, lifecycle, office, reference, steps, work
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.job import JobState, PinnedProcedure
from fieldapp.domain.procedure import AfterFailure, Choice, Criterion, Group, Procedure, Step
from tests.domain.lives import START_MS, uuid

HASH = "ab" * 32
HOURS = Calendar("hours", "Asia/Shanghai", (((540, 1080),),) * 7, ("2026-10-01",))
PROMISE = Promise(
    "response", {"en": "Answer", "zh_CN": "响应"}, "response", 60, "hours", ("customer",), 15,
    PromiseAction({"en": "Call"}, "dispatcher", 15), PromiseAction({"en": "Apologise"}, "supervisor", 120),
)  # fmt: skip
PROCEDURE = Procedure(
    "CH-Q", 3, "service", {"en": "Chiller quarterly"},
    (
        Step("oil", {"en": "Oil pressure"}, "number", unit="bar", required=True, criterion=Criterion("0.8", "1.4", None, "1.3"),
             after_failure=AfterFailure("stop_work", text={"en": "Stop"}), quantity="oil_pressure"),
        Step("state", {"en": "Insulation"}, "choice", choices_from="states", relevant="${oil} > 1", group="g"),
    ),
    (Group("g", {"en": "Outside"}, repeat=3),),
    {"states": (Choice("good", {"en": "Good"}, {"site": "roof"}),)},
    {"en": "Keeps it running"},
    "manual",
)  # fmt: skip

EXAMPLES: tuple[Body, ...] = (
    # First, for nothing recorded before them is left.
    erasure.JobErased("c-1", JobState(id="j-1", number="J-1042", customer="c-1")),
    erasure.CustomerErased("c-1", "asked for in writing"),
    lifecycle.JobCreated(
        "J-1042", "c-1", "s-1", {"en": "Chiller", "zh_CN": "冷水机"}, "CH", "value_added", "preventive", "Quarterly", ("a-1",),
        "gold", "k-1", "flat_subscription", ({"en": "Oil"},), ({"en": "Parts"},), ({"en": "Rotating parts"},), {"en": "Gate house"},
        ("chiller",), START_MS, START_MS + 3_600_000, 95, (PinnedProcedure("CH-Q", 3, HASH),), (PROMISE,), (HOURS,), "j-0", "T-9",
    ),
    lifecycle.JobAssigned("p-lin"),
    lifecycle.HelpersNamed(("p-wei", "p-su")),
    lifecycle.JobRescheduled(START_MS, START_MS + 7_200_000, "customer"),
    lifecycle.JobCancelled("sold"),
    lifecycle.JobAccepted("coming"),
    lifecycle.JobDeclined("ill", "fever"),
    lifecycle.TravelStarted("by van"),
    lifecycle.Arrived("gate closed"),
    lifecycle.WorkStarted("now"),
    lifecycle.WorkPaused("parts", "filter"),
    lifecycle.WorkResumed("filter came"),
    lifecycle.JobCompleted("all done"),
    lifecycle.CannotComplete("no_access", "nobody there"),
    lifecycle.SiteLeft("key returned"),
    lifecycle.JobApproved("good"),
    lifecycle.JobSentBack(("CH-Q/oil", "CH-Q/state#2"), "photo missing"),
    steps.StepRecorded("CH-Q/oil", 3, "1.25", "pass", "bar", "warm", True, steps.Signed(HASH, "I confirm", "0,0 1,1")),
    steps.StepAmended("CH-Q/oil", 3, "1.35", "borderline", "misread", "bar", "read again", steps.Signed(HASH, "I confirm")),
    steps.StepNotDone("CH-Q/oil", 3, "no_tool", "gauge broken"),
    steps.StepNotApplicable("CH-Q/oil", 3, "no_such_part", "dry type"),
    steps.NoteAdded("look at this", "CH-Q/oil"),
    steps.FileAttached(HASH, 123_456, "photo.jpg", "image/jpeg", "CH-Q/oil"),
    steps.ReadingTaken("a-1", "oil_pressure", "1.25", "bar", "CH-Q/oil"),
    steps.FollowUpOpened("follow_up_job", "CH-Q/oil", "new pump"),
    work.PartRecorded("F-77", "2.5", "SN-1"),
    work.TimeRecorded("travel", 45),
    work.ExpenseRecorded("parking", 350, "EUR", "two hours"),
    work.FaultReported("noise", "bearing", "replaced", "a-1", "left side"),
    work.QuestionAsked("Is this normal?", "CH-Q/oil"),
    work.QuestionAnswered(uuid(7), "Yes, up to 1.4 bar"),
    work.SuggestionMade("CH-Q", 3, "oil", "measure when warm"),
    work.SuggestionDecided(uuid(8), "accepted", "from version 4 on"),
    work.OpportunitySeen("second chiller is old", "about 40,000"),
    work.CommitmentMade("bring the filter", "2026-12-01"),
    customer.FeedbackGiven(5, 9, 7, "very good", "2", "zh_CN", True),
    customer.SignatureGiven("Wang Wei", HASH, True, "I confirm", "M0 0L9 9", "customer"),
    customer.ReportIssued(HASH, "report.pdf"),
    customer.ActionOpened("act-1", "Call back", "p-mei", "response", START_MS),
    customer.ActionDone("act-1", "called"),
    customer.ActionVerified("act-1"),
    customer.CustomerTold("act-1", "by phone"),
    office.ConflictDecided(uuid(9), "second reading was right", "take"),
    office.EntryReleased(uuid(9), "type known now"),
    office.EntryDismissed(uuid(9), "twice the same"),
    reference.BranchRecorded(Branch("north", {"en": "North"}, "de", "Europe/Berlin", "hours")),
    reference.PersonRecorded(Person("p-lin", "Lin", "technician", "north", "zh_CN", ("chiller",), "+49 30 1")),
    reference.SegmentRecorded(Segment("gold", {"en": "Gold"}, {"en": "Never waits"})),
    reference.ProductRecorded(
        Product(
            "CH", {"en": "Chiller care"}, "basic", 2, ({"en": "Oil"},), ({"en": "Parts"},), ("CH-Q",), (PROMISE,),
            (Variant("gold", {"en": "Gold"}, (PROMISE,), 9900),), 95, 12_000, 8_000, "EUR", ("chiller",),
        )
    ),
    reference.ArticlePublished(Article("A-1", {"en": "Surge"}, {"en": "Listen for it."}, ("CH-Q",))),
    reference.PackPublished(Pack("parts", "parts", {"en": "Parts"}, (PackItem("F-77", {"en": "Filter"}, {"size": "20"}),), HOURS)),
    reference.ProcedurePublished("CH-Q", 3, "service", {"en": "Chiller quarterly"}, PROCEDURE, HASH),
    reference.CustomerRecorded(
        Customer("c-1", {"en": "Huaxin"}, "north", "gold", "zh_CN", (Contact("Wang", "1", "w@x", "chief"),))
    ),
    reference.SiteRecorded(Site("s-1", "c-1", {"en": "B2"}, {"en": "Road 1"}, {"en": "Gate"}, ({"en": "Noise"},))),
    reference.ContractRecorded(
        Contract("k-1", "c-1", "rental", {"en": "Care"}, ("CH",), ("a-1",), "2026-01-01", "2026-12-31", ({"en": "Oil"},),
                 ({"en": "Parts"},), 4)
    ),
    reference.AssetRecorded(
        Asset("a-1", "c-1", "s-1", "CH-2", {"en": "Chiller 2"}, "YK", "SN", "2019-05-01", True,
              (NormalRange("oil_pressure", {"en": "Oil"}, "bar", "0.8", "1.4"),), ({"en": "R-134a"},))
    ),
)  # fmt: skip

BY_NAME = {type(body).NAME: body for body in EXAMPLES}


def made_before(name: str) -> tuple[str, ...]:
    """The entries that lead to where this one has something to do."""
    assigned = ("job.assigned",)
    accepted = (*assigned, "job.accepted")
    at_work = (*accepted, "job.started")
    return {
        "job.accepted": assigned, "job.declined": assigned, "job.travel_started": accepted, "job.arrived": accepted,
        "job.started": accepted, "job.paused": at_work, "job.resumed": (*at_work, "job.paused"), "job.completed": at_work,
        "job.cannot_complete": at_work, "job.left": (*at_work, "job.completed"), "job.approved": (*at_work, "job.completed"),
        "job.sent_back": (*at_work, "job.completed"), "question.answered": ("question.asked",),
        "suggestion.decided": ("suggestion.made",), "action.done": ("action.opened",), "action.verified": ("action.opened",),
        "action.customer_told": ("action.opened",),
    }.get(name, ())  # fmt: skip

"""A branch in which not everything stands: a conflict, a torn group, something held, bytes, a silent device, a missing file."""

from __future__ import annotations

from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.steps import NoteAdded, StepRecorded
from fieldapp.domain.entry_types.work import TimeRecorded
from fieldapp.store.rows import Draft
from fieldapp.sync.asked import keep_desk
from fieldapp.sync.protocol import AsideBytes, DeskAnswer, KnownDevice, MissingFile
from tests.screens.branch import BranchOnDisk

JOB, STREAM, STEP = "J-1053", "job:j-1053", "CHILLER-CALL/discharge_pressure"
SCRIPT = "\u202egpj\x1b]52;c;aGk=\x07[b]bold[/b] 现场照片"
DAY = 86_400_000


def troubled(branch: BranchOnDisk, now: int) -> None:
    """Two record one step, each without the other; a stranger's note; a record for a job that is not here yet."""
    with branch.device("sup-petra") as petra, branch.device("tech-anna") as anna:
        petra.replica.append([Draft("bre", STREAM, _step("9.8"))])
        anna.replica.append(
            [Draft("bre", STREAM, _step("9.1", "read on the second gauge")), Draft("bre", STREAM, TimeRecorded("work", 20))]
        )
        anna.replica.append([Draft("bre", "job:j-unknown", NoteAdded("the old pump is in the yard"))])
    with branch.device("tech-emre") as emre:
        emre.replica.append([Draft("bre", STREAM, NoteAdded(f"not mine {SCRIPT}"))])
    for person in ("sup-petra", "tech-anna", "tech-emre", "sup-petra"):
        branch.sync(person)
    answer = DeskAnswer(
        now - 600_000,
        (
            AsideBytes("9f2c" * 16, "bre", "dev-tech-anna", "tech-anna", "it is too large to be sent", now - 7_200_000, 81_220,
                       f'{{"id":"01a1","type":"note.added"}}\n{{"text":"{SCRIPT}"}}', ""),
            AsideBytes("77aa" * 16, "bre", "dev-tech-emre", "tech-emre", "the device was revoked", now - DAY, 20,
                       "\x00\ufffd garbage", "The envelope cannot be read."),
        ),
        (KnownDevice("dev-tech-emre", "RE", "tech-emre", "Emre's laptop", now - 90 * DAY, now - 4 * DAY, "0.1.0"),),
        (MissingFile("ab" * 32, "type-plate.jpg", 2_400_000, STREAM, 1, 3),),
    )  # fmt: skip
    keep_desk(branch.home("sup-petra"), answer)


def given_away(branch: BranchOnDisk) -> None:
    """Petra gives Anna's job to Emre; what Anna records before she hears of it comes late."""
    with branch.device("sup-petra") as petra:
        petra.office.assign(JOB, "tech-emre")
    branch.sync("sup-petra")
    with branch.device("tech-anna") as anna:
        for body in (NoteAdded("the key is at the gate"), TimeRecorded("work", 20), NoteAdded("the pump is loud")):
            anna.replica.append([Draft("bre", STREAM, body)])
    for person in ("tech-anna", "sup-petra"):
        branch.sync(person)


def _step(value: str, note: str = "") -> Body:
    return StepRecorded(STEP, 3, value, "borderline", "bar", note)

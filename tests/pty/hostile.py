"""Texts as an enemy, or a careless telephone, types them; and a home in which everything that can be named carries them."""

from __future__ import annotations

from pathlib import Path

from fieldapp.bootstrap import open_device
from fieldapp.domain.documents import Asset, Contact, Customer, NormalRange, Person, Site
from fieldapp.domain.entry_types.lifecycle import JobAccepted, JobAssigned, JobCreated, WorkPaused, WorkStarted
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded, PersonRecorded, ProcedurePublished, SiteRecorded
from fieldapp.domain.entry_types.steps import NoteAdded, StepRecorded
from fieldapp.domain.entry_types.work import QuestionAsked
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.procedure import Choice, Criterion, Procedure, Step
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft

MARKUP = "[b]bold[/b] [/b] [red]x[/] [@click=app.exit]go[/]"
CONTROLS = {
    "OSC 52": "\x1b]52;c;ZXZpbA==\x07",
    "OSC title": "\x1b]0;owned\x07",
    "CSI": "\x1b[8;1;1t\x1b[2J\x1b[31;45m",
    "DCS": "\x1bP+q544e\x1b\\",
    "C1": "\x9b31m\x90q\x9c\x85",
    "bidi": "\u202eEVIL\u202c\u2066\u2069\u200f",
    "zero width": "a\u200bb\u2060c\ufeffd\u00ad",
    "C0": "\x07\x08\x7f\x01",  # a NUL is refused before it is recorded
    "lines": "one\r\ntwo\rthree\x0bfour\x0cfive",
    "tags": "\U000e0041\U000e007f",
}
ALL = "".join(CONTROLS.values())
"""Everything at once."""
SEQUENCES = (b"\x1b]52;c;ZXZpbA==", b"\x1b]0;owned", b"\x1b[8;1;1t", b"\x1b[31;45m", b"\x1bP+q544e")
"""What must never reach a terminal, as bytes."""
NEVER = frozenset("\u202e\u202c\u2066\u2069\u200f\u200b\u2060\ufeff\u00ad\U000e0041\U000e007f\x00\x07\x7f\x0b\x0c") | {
    chr(code) for code in range(0x80, 0xA0)
}
"""Characters that must never reach one."""
NUMBER = "EVIL-1"


def evil(what: str) -> str:
    """A hostile text that begins and ends with words which must both be seen."""
    return f"{what}< {MARKUP} {ALL} >{what}"


def words(what: str) -> dict[str, str]:
    return {"en": evil(what), "zh_CN": evil(what)}


def poison(path: Path, assignee: str) -> None:
    """Record a job in a supervisor's home whose every text is hostile: title, customer, site, asset, steps, notes, people."""
    home = Home(path)
    with open_device(home, "test") as device:
        log, person = home.identity().log, device.documents.person(assignee)  # type: ignore[union-attr]
        assert person is not None
        hostile = Person(person.id, evil("Pe"), person.role, person.branch, person.language, person.skills, evil("Ph"))
        steps = (
            Step("check", words("St"), "check", words("In"), required=True, hazard=words("Hz")),
            Step("size", words("Nu"), "number", words("In"), unit="mm", criterion=Criterion(min="1", message=words("Cr"))),
            Step("pick", words("Ch"), "choice", choices=(Choice("a", words("Op")), Choice("b", words("Oq")))),
            Step("say", words("Tx"), "text", instruction=words("In")),
        )
        procedure = Procedure("EVIL", 1, "service", words("Pr"), steps)
        device.replica.append([Draft("org", f"person:{person.id}", PersonRecorded(hostile))])
        device.replica.append([Draft("org", "procedure:EVIL", ProcedurePublished("EVIL", 1, "service", words("Pr"), procedure))])
        customer = Customer("evil", words("Cu"), log, contacts=(Contact(evil("Co"), evil("Cp"), evil("Ce"), evil("Cr")),))
        device.replica.append(
            [
                Draft(log, "customer:evil", CustomerRecorded(customer)),
                Draft(
                    log, "customer:evil", SiteRecorded(Site("here", "evil", words("Si"), words("Ad"), words("Ac"), (words("Sh"),)))
                ),
            ]
        )
        asset = Asset(
            "evil-1",
            "evil",
            "here",
            evil("Ta"),
            words("As"),
            evil("Mo"),
            evil("Se"),
            ranges=(NormalRange("q", words("Ra"), evil("Un")),),
        )
        device.replica.append([Draft(log, "asset:evil-1", AssetRecorded(asset))])
        now = device.clock.now()
        created = JobCreated(
            NUMBER, "evil", "here", words("Ti"), description=evil("De"), assets=("evil-1",), hazards=(words("Ha"),),
            access=words("Ax"), procedures=(PinnedProcedure("EVIL", 1),), window_start=now, window_end=now + 3_600_000,
        )  # fmt: skip
        job = "job:evil-1"
        device.replica.append([Draft(log, job, created), Draft(log, job, JobAssigned(person.id))])
        device.replica.append(
            [
                Draft(log, job, JobAccepted()),
                Draft(log, job, WorkStarted()),
                Draft(log, job, StepRecorded("EVIL/say", 1, evil("Va"), "none", note=evil("No"))),
                Draft(log, job, StepRecorded("EVIL/size", 1, "0", "fail", unit="mm", note=evil("Nq"))),
                Draft(log, job, NoteAdded(evil("Nt"))),
                Draft(log, job, QuestionAsked(evil("Qu"), "EVIL/say")),
                Draft(log, job, WorkPaused(evil("Re"), evil("Rn"))),
            ]
        )

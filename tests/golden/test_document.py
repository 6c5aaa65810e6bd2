"""docs/protocol.md shows what is spoken: its examples are the corpus's, and it leaves no call, field, status or limit out; what it
says of outcomes and of scope is so."""

from __future__ import annotations

import importlib
import re
from typing import get_args

import msgspec
import pytest

from fieldapp.domain import entry
from fieldapp.domain.decision_words import Verb, decision_words
from fieldapp.domain.entry import Envelope, Moment
from fieldapp.domain.entry_types import ENTRY_TYPES, lifecycle, steps
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import State
from fieldapp.domain.job import JobState, OutcomeName, Stamp
from fieldapp.domain.outcome import Reach, decide
from fieldapp.store.scope import needs_of
from fieldapp.sync import protocol
from tests.domain.examples import BY_NAME
from tests.domain.lives import Life, uuid
from tests.golden.corpus import exchanges
from tests.golden.examples import DOCUMENT, examples, filled

TEXT = DOCUMENT.read_text(encoding="utf-8")
EXCHANGES = exchanges()
TYPES = [
    kind for kind in vars(protocol).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == protocol.__name__
]  # fmt: skip


def test_every_example_is_in_the_corpus_as_it_stands_in_the_document() -> None:
    assert len(examples(TEXT)) > 15
    assert filled(TEXT, EXCHANGES) == TEXT, "run: python -m tests.golden.examples"


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_every_type_is_described(kind: type[msgspec.Struct]) -> None:
    missing = [name for name in kind.__struct_fields__ if f"`{name}`" not in TEXT]
    assert missing == [], kind.__name__


def test_every_call_and_every_refusal_of_the_corpus_is_named() -> None:
    for exchange in EXCHANGES:
        if exchange.status >= 400 and exchange.answer is not None:
            assert f"`{exchange.answer['code']}`" in TEXT, exchange.name
        call = re.sub(r"/[0-9a-f]{64}", "/{sha256}", exchange.path)
        call = re.sub(r"/parts/\d+", "/parts/{n}", call)
        assert call == "/v1/nothing" or call in TEXT, call


@pytest.mark.parametrize(
    "words",
    [
        f"{protocol.PUSH_ENTRIES} entries",
        f"{protocol.PUSH_BYTES:,} bytes",
        f"{protocol.PULL_BYTES:,} bytes",
        f"{protocol.INFLATE_LIMIT:,} bytes",
        f"{protocol.PART_BYTES:,} bytes",
        protocol.MEDIA_TYPE,
        protocol.NONCE_HEADER,
        protocol.INCARNATION_HEADER,
    ],
)
def test_every_number_and_header_is_as_in_the_program(words: str) -> None:
    assert words in TEXT


# --- Limits ----------------------------------------------------------------------------------------------------------------------

LIMITS = {
    (module.replace("/", ".").removesuffix(".py"), name): int(value.replace(",", ""))
    for value, module, name in re.findall(r"^\| .* \| (-?[\d,]+) \| `(fieldapp/[\w/]+\.py)` (\w+) \|$", TEXT, re.MULTILINE)
}
"""(module, constant) to its value, as the document has them."""


def test_every_limit_is_the_programs() -> None:
    assert {place: getattr(importlib.import_module(place[0]), place[1]) for place in LIMITS} == LIMITS
    of_protocol = {name for name in vars(protocol) if re.fullmatch(r"(PUSH|PULL|PART|INFLATE)_[A-Z]+", name)}
    of_entries = {name for name in vars(entry) if re.fullmatch(r"[A-Z_]+_LIMIT|EARLIEST_MS|LATEST_MS", name)}
    named = {name for _, name in LIMITS}
    assert of_protocol | of_entries <= named | {"WHOLE_LIMIT"}
    assert len(LIMITS) == 20


def test_the_answer_to_a_pull_has_no_limits_as_the_document_says() -> None:
    assert "limits" not in protocol.PullAnswer.__struct_fields__
    assert "the answer to a pull has no `limits`" in TEXT


# --- What brings a stream into scope ---------------------------------------------------------------------------------------------


def table(heading: str) -> list[str]:
    """The first cells of the table whose heading begins so."""
    rows = TEXT[TEXT.index(f"\n| {heading} |") :].strip().split("\n\n")[0].splitlines()[2:]
    return [row.strip("| ").split(" | ")[0] for row in rows]


def test_the_entries_that_bring_a_stream_to_somebody_are_those_of_the_document() -> None:
    bringing = set()
    for name in sorted(ENTRY_TYPES):
        life = Life()
        before = JobState()
        if name != "job.created":
            life.add(BY_NAME["job.created"], by="p-mei")
            before = life.job
        life.add(BY_NAME[name])
        if needs_of(life.job) != needs_of(before):
            bringing.add(name)
    assert {word for cell in table("field | brings") for word in re.findall(r"`(job\.\w+)`", cell)} == bringing


def test_nothing_else_of_a_job_decides_who_needs_it() -> None:
    job = JobState(id="1", customer="c", assets=("a",), assignee="p", helpers=("q",), created=Stamp("e", "r", 0))
    others: dict[str, object] = {
        "id": "2", "customer": "d", "assets": (), "assignee": "", "helpers": (), "created": Stamp("e", "s", 0),
    }  # fmt: skip
    changing = set()
    for name in JobState.__struct_fields__:
        start = msgspec.structs.replace(job, assignee="") if name == "created" else job
        after = msgspec.structs.replace(start, **{name: others.get(name, "another")})
        if needs_of(after) != needs_of(start):
            changing.add(name)
    assert changing == set(others)


# --- Outcomes --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", get_args(Verb))
def test_the_words_of_decisions_are_those_that_devices_read(verb: str) -> None:
    assert f"    {decision_words(verb, 'PERSON', 'REASON')}  " in TEXT


NOTE, PRESSURE, STARTED = steps.NoteAdded("x"), steps.StepRecorded("p/s", 1, "1", "pass"), lifecycle.WorkStarted()


@pytest.mark.parametrize(
    ("known", "body", "role", "stream", "log", "reach", "state", "clash", "outcome", "words"),
    [
        (False, None, "stranger", "asset:1", "org", "never", JobState(), "clash", "quarantined", "never in this person's scope"),
        (False, None, "stranger", "asset:1", "org", "left", JobState(), "clash", "held", "type"),
        (True, None, "stranger", "asset:1", "org", "never", JobState(), "clash", "quarantined", "content is missing"),
        (True, NOTE, "stranger", "asset:1", "org", "never", JobState(), "clash", "quarantined", "a stranger may not"),
        (True, NOTE, "expert", "asset:1", "org", "never", JobState(), "clash", "quarantined", "does not belong to a asset"),
        (True, NOTE, "expert", "job:1", "org", "never", JobState(), "clash", "quarantined", "only the office writes"),
        (True, NOTE, "expert", "job:1", "n", "never", JobState(), "clash", "quarantined", "never in this person's scope"),
        (True, NOTE, "expert", "job:1", "n", "left", JobState(), "clash", "held", "has not arrived yet"),
        (True, PRESSURE, "technician", "job:1", "n", "left", JobState(id="1"), "clash", "conflict", "clash"),
        (True, PRESSURE, "technician", "job:1", "n", "left", JobState(id="1"), "", "conflict", "given to somebody else"),
        (True, NOTE, "technician", "job:1", "n", "left", JobState(id="1"), "", "late", "given to somebody else"),
        (True, STARTED, "technician", "job:1", "n", "in", JobState(id="1"), "", "conflict", "does not allow"),
        (True, BY_NAME["job.created"], "technician", "job:1", "n", "in", JobState(id="1"), "", "conflict", "created already"),
        (True, BY_NAME["job.created"], "technician", "job:1", "n", "in", JobState(), "", "applied", ""),
        (True, PRESSURE, "technician", "job:1", "n", "in", JobState(id="1"), "", "applied", ""),
    ],
)
def test_outcomes_are_decided_in_the_order_of_the_document(
    known: bool, body: Body | None, role: str, stream: str, log: str, reach: Reach, state: State, clash: str,
    outcome: OutcomeName, words: str,
) -> None:  # fmt: skip
    """From row to row of 6.1, with everything wrong that stands further down."""
    name = body.NAME if body else "a.b"
    envelope = Envelope(uuid(1), log, stream, name, "p", "d", uuid(1), Moment(0), "")
    found = decide(envelope, body, role, reach, state, clash, known)
    assert found.name == outcome
    assert words in found.reason


def test_every_outcome_and_every_effect_is_explained() -> None:
    for name in (*get_args(OutcomeName), "additive", "entries.md", "lifecycle.md"):
        assert name in TEXT

"""The second corpus, byte for byte: compressed bodies, their digests, a file of two parts; and the literals of protocol 1.

Nothing here is taken from the program's own constants: a header of another name or a part of another size is another protocol,
and the laptops in the field speak this one. When one of these fails, mend what made it fail; the corpus stays.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import get_args

import httpx
import msgspec
import pytest

from fieldapp.domain.entry import chain_hash
from fieldapp.store.exported import Piece, file_lines, read_line
from fieldapp.store.server import row_chain
from fieldapp.store.verify import verify_server
from fieldapp.sync import messages as m
from fieldapp.sync.protocol import PullAnswer, PullRequest, PushAnswer
from fieldapp.sync.transport import Transport
from tests.golden.packed import Wired, packed_exchanges, record
from tests.golden.replay import Clock, agrees, faults_of_packed, inflated, server_of, whole
from tests.server.office import START
from tests.sync.strangers import Reply, stranger
from tests.sync.table import a_run

PART = 1_048_576
CORPUS, PHOTO = packed_exchanges()
BY_NAME = {wired.name: wired for wired in CORPUS}
SHA256 = hashlib.sha256(PHOTO).hexdigest()


# --- The server of today ---------------------------------------------------------------------------------------------------------


def test_todays_server_answers_what_came_compressed_as_it_was_answered(tmp_path: Path) -> None:
    clock = Clock(START)
    with (
        server_of("packed/server.sql.gz", tmp_path, clock) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        assert list(faults_of_packed(client, CORPUS, PHOTO, clock.set)) == []
        assert verify_server(server.services.db) == ()
        assert b"".join(server.services.storage.read(SHA256, 0, len(PHOTO))) == PHOTO


def test_the_corpus_holds_what_it_is_there_for() -> None:
    push, pull = BY_NAME["push"], BY_NAME["pull"]
    assert push.headers["Content-Encoding"] == pull.answer_headers["Content-Encoding"] == "gzip"
    for headers, body in ((push.headers, push.request(PHOTO)), (pull.answer_headers, pull.answer(PHOTO))):
        assert headers["Fieldapp-Digest"] == hashlib.sha256(gzip.decompress(body)).hexdigest()
    assert "Content-Encoding" not in BY_NAME["token"].answer_headers
    refused = {name: json.loads(wired.answer(PHOTO))["code"] for name, wired in BY_NAME.items() if wired.status >= 400}
    assert refused == {
        "push-damaged": "damaged-in-transit", "push-not-gzip": "bad-encoding", "push-brotli": "unknown-encoding",
        "incomplete": "parts-missing", "part-0-too-long": "request-too-large", "part-0-beyond": "wrong-part",
        "part-2": "wrong-part",
    }  # fmt: skip
    assert PART < len(PHOTO) < 2 * PART
    assert json.loads(BY_NAME["parts-one"].answer(PHOTO)) == {"sha256": SHA256, "parts": [0], "complete": False}
    assert len(BY_NAME["part-0"].request(PHOTO)) == PART
    assert BY_NAME["file"].answer(PHOTO) == PHOTO


# --- The device of today ---------------------------------------------------------------------------------------------------------


class Heard:
    """A server of that day: answers as it was recorded, and keeps what it was asked."""

    def __init__(self, wired: Wired, **instead: str) -> None:
        self.wired, self.instead = wired, instead
        self.path, self.body, self.headers = "", b"", dict[str, str]()

    def __call__(self, asked: BaseHTTPRequestHandler, body: bytes) -> Reply:
        self.path, self.body, self.headers = asked.path, body, dict(asked.headers.items())
        said = {name: value for name, value in self.wired.answer_headers.items() if name not in ("Content-Type", "Fieldapp-Nonce")}
        answer = Reply(self.wired.status, self.wired.answer(PHOTO), self.wired.answer_headers["Content-Type"], echo=False)
        answer.headers = {**said, "Fieldapp-Nonce": self.headers["Fieldapp-Nonce"], **self.instead}
        return answer


def asked(heard: Heard, request: m.Request) -> m.Answer:
    """What today's device makes of the answer of that day."""
    with stranger(heard) as url:
        transport = Transport(url, device="d", secret="s", token=lambda: "t")
        try:
            return transport.ask(request)
        finally:
            transport.close()


@pytest.mark.parametrize(
    ("name", "request_", "kind"), [("pull", m.AskPull(PullRequest({})), PullAnswer), ("push", m.AskPush(a_run()), PushAnswer)]
)
def test_todays_device_reads_what_came_compressed_and_judges_its_digest(name: str, request_: m.Request, kind: type) -> None:
    wired = BY_NAME[name]
    answer = asked(Heard(wired), request_)
    assert isinstance(answer, m.Good), answer
    assert isinstance(answer.body, kind)
    recorded = json.loads(inflated(wired.answer(PHOTO), wired.answer_headers))
    assert list(agrees(recorded, whole(answer.body))) == []
    other = asked(Heard(wired, **{"Fieldapp-Digest": "0" * 64}), request_)
    assert isinstance(other, m.Fault), "an answer that is not what its digest says counts as none"


def test_todays_device_sends_as_it_was_sent_then() -> None:
    """What a server of that day goes by: compression, digest, media type and nonce under their names."""
    heard = Heard(BY_NAME["push"])
    asked(heard, m.AskPush(a_run(20)))
    assert heard.path == "/v1/push"
    assert heard.headers["Content-Encoding"] == "gzip"
    assert heard.headers["Content-Type"] == "application/vnd.fieldapp+json"
    assert heard.headers["Authorization"] == "Bearer t"
    assert len(heard.headers["Fieldapp-Nonce"]) >= 16
    raw = gzip.decompress(heard.body)
    assert heard.headers["Fieldapp-Digest"] == hashlib.sha256(raw).hexdigest()
    assert set(json.loads(raw)) == set(json.loads(gzip.decompress(BY_NAME["push"].request(PHOTO))))


@pytest.mark.parametrize(("name", "part", "start", "length"), [("part-0", 0, 0, PART), ("part-1-rest", 1, -1, PART)])
def test_todays_device_sends_a_file_in_the_same_parts(name: str, part: int, start: int, length: int, tmp_path: Path) -> None:
    wired = BY_NAME[name]
    assert wired.sent_of_file is not None
    if start < 0:
        start = wired.sent_of_file[0] - PART
    (tmp_path / SHA256).write_bytes(PHOTO)
    heard = Heard(wired)
    answer = asked(heard, m.SendPart(SHA256, part, str(tmp_path / SHA256), len(PHOTO), start, length))
    assert isinstance(answer, m.Good), answer
    assert heard.path == wired.path
    assert heard.body == wired.request(PHOTO)
    for header in ("Content-Range", "Content-Type"):
        assert heard.headers[header] == wired.headers[header]


def test_todays_device_fetches_over_the_border_of_parts() -> None:
    wired = BY_NAME["file-range"]
    heard = Heard(wired)
    answer = asked(heard, m.FetchPart(SHA256, PART - 3, 303))
    assert isinstance(answer, m.Good), answer
    assert answer.body == m.Chunk(PHOTO[PART - 3 : PART + 300], len(PHOTO))
    assert heard.headers["Range"] == wired.headers["Range"]


# --- Literals --------------------------------------------------------------------------------------------------------------------

LITERALS: dict[str, dict[str, object]] = {
    "fieldapp.sync.protocol": {
        "PROTOCOL": 1,
        "MEDIA_TYPE": "application/vnd.fieldapp+json",
        "PROBLEM_TYPE": "application/problem+json",
        "NONCE_HEADER": "Fieldapp-Nonce",
        "DIGEST_HEADER": "Fieldapp-Digest",
        "INCARNATION_HEADER": "Fieldapp-Incarnation",
        "PUSH_ENTRIES": 500,
        "PUSH_BYTES": 1_048_576,
        "PULL_BYTES": 1_048_576,
        "INFLATE_LIMIT": 16_777_216,
        "PART_BYTES": 1_048_576,
    },
    "fieldapp.domain.entry": {
        "BODY_LIMIT": 65_536,
        "ENVELOPE_LIMIT": 32_768,
        "ALSO_LIMIT": 20,
        "GROUP_LIMIT": 50,
        "GROUP_BYTES_LIMIT": 262_144,
        "EARLIEST_MS": -2_208_988_800_000,
        "LATEST_MS": 221_845_392_000_000,
    },
    "fieldapp.domain.text": {"WHOLE_LIMIT": 9_007_199_254_740_991, "DEPTH_LIMIT": 64},
    "fieldapp.server.bodies": {"SMALL": 16_384, "PLAIN_LIMIT": 4_194_304},
    "fieldapp.server.app": {"QUARANTINE_BYTES": 1_048_576},
    "fieldapp.server.reach": {"ORG": "org"},
    "fieldapp.store.rows": {"WHOLE_LOG": "*"},
    "fieldapp.store.exported": {"PIECE": 262_144, "LINE_LIMIT": 4_194_304},
    "fieldapp.domain.decision_words": {"REASON_LIMIT": 500},
}
"""What devices and servers of protocol 1 take for granted."""


@pytest.mark.parametrize(
    ("module", "name", "value"), [(module, name, value) for module, named in LITERALS.items() for name, value in named.items()]
)
def test_the_literals_of_protocol_1_stay(module: str, name: str, value: object) -> None:
    assert getattr(importlib.import_module(module), name) == value


FORMS = {
    "Name": r"^[A-Za-z0-9._\-]{1,80}(?!\n)$",
    "StreamName": r"^([a-z]{2,20}:[A-Za-z0-9._\-]{1,80}|\*)(?!\n)$",
    "Hash": r"^[0-9a-f]{64}(?!\n)$",
    "ChainBefore": r"^([0-9a-f]{64})?(?!\n)$",
}


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_of_names_and_hashes_stay(name: str) -> None:
    _, meta = get_args(getattr(importlib.import_module("fieldapp.sync.protocol"), name))
    assert isinstance(meta, msgspec.Meta)
    assert meta.pattern == FORMS[name]


def test_the_texts_that_are_hashed_stay() -> None:
    one, two = "1" * 64, "2" * 64
    assert chain_hash("", 1, one) == hashlib.sha256(f" 1 {one}".encode()).hexdigest()
    assert chain_hash(two, 7, one) == hashlib.sha256(f"{two} 7 {one}".encode()).hexdigest()
    assert row_chain(two, 7, "entry", one, "late") == hashlib.sha256(f"{two} 7 entry {one} late".encode()).hexdigest()
    assert row_chain(two, 8, "scope", "", "applied") == hashlib.sha256(f"{two} 8 scope  applied".encode()).hexdigest()


EXPORTED = {
    b"0123456789": b'9af79374 {"file":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882","offset":0,"size":10,'
    b'"data":"MDEyMzQ1Njc4OQ=="}\n',
    b"": b'f092bdfa {"file":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","offset":0,"size":0,"data":""}\n',
}
"""A file's bytes, and its line in an export of that day."""


@pytest.mark.parametrize("data", EXPORTED, ids=["a file", "an empty file"])
def test_files_in_an_export_are_written_and_read_as_they_were(data: bytes, tmp_path: Path) -> None:
    name = hashlib.sha256(data).hexdigest()
    (tmp_path / name).write_bytes(data)
    assert list(file_lines(tmp_path / name, name)) == [EXPORTED[data]]
    assert read_line(EXPORTED[data].rstrip(b"\n"), 1) == Piece(name, 0, len(data), data)


def test_a_large_file_in_an_export_comes_in_pieces_of_the_same_size(tmp_path: Path) -> None:
    (tmp_path / SHA256).write_bytes(PHOTO)
    pieces = [read_line(line.rstrip(b"\n"), 1) for line in file_lines(tmp_path / SHA256, SHA256)]
    assert all(isinstance(piece, Piece) for piece in pieces)
    assert [(piece.offset, len(piece.data)) for piece in pieces if isinstance(piece, Piece)] == [
        (start, min(262_144, len(PHOTO) - start)) for start in range(0, len(PHOTO), 262_144)
    ]


def test_such_a_corpus_can_be_recorded_anew(tmp_path: Path) -> None:
    assert record(tmp_path) == len(CORPUS)
    again, photo = packed_exchanges(tmp_path)
    assert photo == PHOTO
    assert [(one.name, one.status) for one in again] == [(one.name, one.status) for one in CORPUS]

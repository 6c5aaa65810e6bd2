"""The server over real HTTP: what every answer carries, what every bad request gets.

Every case runs on one process on SQLite and on several on PostgreSQL, which are kept from case to case and emptied between them;
but for those that reach into the server's own process, or count what each process counts for itself (`ONE_PROCESS`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from fieldapp.domain.entry import FileRef, chain_hash
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.server.reach import Session
from fieldapp.sync.protocol import (
    DIGEST_HEADER,
    INCARNATION_HEADER,
    MEDIA_TYPE,
    NONCE_HEADER,
    PART_BYTES,
    PROBLEM_TYPE,
    DeskAnswer,
    Detail,
    EnrolRequest,
    EpochHead,
    FileState,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    Receipt,
    TokenAnswer,
    TokenRequest,
    WireEntry,
    from_wire,
    to_wire,
)  # fmt: skip
from tests.live_server import Client, LiveServer, serving_copy
from tests.server.office import LOG, Line, Office, entry_of

ONE, SEVERAL = "one process", "several processes"
ONE_PROCESS = pytest.mark.parametrize("live_server", [ONE], indirect=True)
"""For cases that cannot be of several processes; each says why."""


@pytest.fixture(params=[ONE, pytest.param(SEVERAL, marks=pytest.mark.postgres)])
def live_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveServer]:
    """A server in which nothing is recorded yet."""
    if request.param == SEVERAL:
        yield request.getfixturevalue("several")
        return
    with serving_copy(request.getfixturevalue("server_template"), tmp_path / "server") as server:
        yield server


@pytest.fixture
def company(live_server: LiveServer) -> Office:
    office = Office(live_server.services)
    office.found()
    return office


@pytest.fixture
def ann(live_server: LiveServer, company: Office) -> Client:
    company.job(1, "tech-1")
    return live_server.enrol("tech-1")


def session(client: Client) -> Session:
    identity = client.identity
    return Session(identity.device, identity.person, identity.name, identity.role, identity.log)


def push(client: Client, line: Line, *notes: str) -> PushAnswer:
    entries = [entry_of(session(client), "job:j-1", steps.NoteAdded(note)) for note in notes]
    run = line.run(entries)
    request = PushRequest(run.epoch, run.log, run.from_seq, run.prev_hash, tuple(map(to_wire, entries)))
    answer = client.call("push", request, PushAnswer)
    line.sent(entries)
    return answer


def problem(response: httpx.Response) -> Detail:
    assert response.headers["Content-Type"] == PROBLEM_TYPE
    assert len(response.headers[INCARNATION_HEADER]) == 32
    detail = msgspec.json.decode(response.content, type=Detail)
    assert detail.status == response.status_code
    assert detail.title
    assert detail.code
    assert "Traceback" not in response.text
    return detail


def test_enrol_push_pull(live_server: LiveServer, company: Office, ann: Client) -> None:
    boss = live_server.enrol("super")
    answer = push(ann, Line(), "one", "two", "three")
    assert answer.entries == ("received",) * 3
    assert (answer.receipt.seq, answer.incarnation) == (3, live_server.services.incarnation)
    page = boss.call("pull", PullRequest({}), PullAnswer)
    texts = [row.entry.body for row in page.rows if row.log == LOG and "note.added" in row.entry.raw]
    assert [json.loads(text or "{}")["text"] for text in texts[-3:]] == ["one", "two", "three"]
    assert page.rows[-1].role == "technician"


def test_a_push_again_is_a_duplicate_and_gaps_and_forks_are_told(ann: Client) -> None:
    line = Line()
    push(ann, line, "one", "two")
    entries = [entry_of(session(ann), "job:j-1", steps.NoteAdded("three"))]
    wire = tuple(map(to_wire, entries))
    request = PushRequest(line.epoch, LOG, 3, line.hash, wire)
    assert ann.call("push", request, PushAnswer).entries == ("received",)
    assert ann.call("push", request, PushAnswer).entries == ("duplicate",)
    head = chain_hash(line.hash, 3, entries[0].hash)
    for from_seq, before, code in ((5, head, "gap"), (4, "0" * 64, "fork"), (3, "0" * 64, "fork")):
        response = ann.post("push", msgspec.json.encode(PushRequest(line.epoch, LOG, from_seq, before, wire)))
        detail = problem(response)
        assert (detail.status, detail.code) == (409, code)
        assert detail.head is not None
        assert (detail.head.epoch, detail.head.seq, detail.head.hash) == (line.epoch, 3, head)


def test_one_unreadable_entry_is_named_by_its_position(ann: Client) -> None:
    good = to_wire(entry_of(session(ann), "job:j-1", steps.NoteAdded("x")))
    for bad in (
        WireEntry("no json"),
        WireEntry(good.raw, "{}"),
        WireEntry(good.raw.replace("job:j-1", "JOB")),
        WireEntry("{}", "{}"),
    ):
        detail = problem(ann.post("push", msgspec.json.encode(PushRequest(Line().epoch, LOG, 1, "", (good, bad)))))
        assert (detail.status, detail.code, detail.seq) == (422, "unreadable-entry", 2)


def test_what_is_too_much_for_one_push_is_refused(ann: Client) -> None:
    entry = to_wire(entry_of(session(ann), "job:j-1", steps.NoteAdded("x" * 5000)))
    detail = problem(ann.post("push", msgspec.json.encode(PushRequest(Line().epoch, LOG, 1, "", (entry,) * 300))))
    assert (detail.status, detail.code) == (413, "push-too-large")
    detail = problem(ann.post("push", msgspec.json.encode(PushRequest(Line().epoch, "nowhere", 1, "", (entry,)))))
    assert (detail.status, detail.code) == (422, "log-unknown")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad-json"),
        (b"[]", "bad-json"),
        (b'{"cursors": {}, "cursors": {}}', "bad-json"),
        (b'{"cursors": {}, "budget": NaN}', "bad-json"),
        (b'{"cursors": {}, "budget": 1.5}', "bad-json"),
        (b'{"cursors": {}, "budget": 1e3}', "bad-json"),
        (b'{"cursors": {}, "budget": 99999999999999999999}', "bad-json"),
        (b'{"cursors": {}, "app_version": "\\u0000"}', "bad-json"),
        (b'{"cursors": {}, "app_version": "\\ud800"}', "bad-json"),
        (b'{"cursors": {}, "app_version": "\xff"}', "bad-json"),
        (b'{"cursors": {}, "x": ' + b"[" * 2000 + b"]" * 2000 + b"}", "bad-json"),
        (b"{}", "bad-request"),
        (b'{"cursors": []}', "bad-request"),
        (b'{"cursors": {"org": 7}}', "bad-request"),
        (b'{"cursors": {"org": "7"}}', "bad-request"),
        (b'{"cursors": {}, "budget": "1000"}', "bad-request"),
        (b'{"cursors": {}, "budget": 0}', "bad-request"),
        (b'{"cursors": {}, "budget": true}', "bad-request"),
        (b'{"cursors": {}, "backfills": [{"log": "org", "stream": "x", "after": -1, "upto": 3}]}', "bad-request"),
        (b'{"cursors": {}, "epochs": [{"epoch": "a\\n", "seq": 0, "hash": ""}]}', "bad-request"),
    ],
)
def test_bad_bodies_get_400_with_the_reason(ann: Client, body: bytes, code: str) -> None:
    detail = problem(ann.post("pull", body))
    assert (detail.status, detail.code) == (400, code)
    assert len(detail.detail) >= 20


def test_unknown_fields_of_later_versions_do_no_harm(ann: Client) -> None:
    assert ann.post("pull", b'{"cursors": {}, "later": {"a": ["b"]}}').status_code == 200


def test_media_type_and_encoding_are_checked(ann: Client) -> None:
    body = b'{"cursors": {}}'
    for media in ("application/json", "text/plain", ""):
        assert problem(ann.post("pull", body, **{"Content-Type": media})).status == 415
    assert ann.post("pull", body, **{"Content-Type": f"{MEDIA_TYPE.upper()}; charset=utf-8"}).status_code == 200
    assert ann.post("pull", gzip.compress(body), **{"Content-Encoding": "gzip"}).status_code == 200
    assert problem(ann.post("pull", body, **{"Content-Encoding": "br"})).status == 415
    for broken in (body, gzip.compress(body)[:-4], gzip.compress(body) + b"x", gzip.compress(body) * 2):
        detail = problem(ann.post("pull", broken, **{"Content-Encoding": "gzip"}))
        assert (detail.status, detail.code) == (400, "bad-encoding")


def test_a_body_that_is_not_what_was_sent_is_refused_and_answers_say_what_they_are(ann: Client) -> None:
    body = b'{"cursors": {}}'
    digest = hashlib.sha256(body).hexdigest()
    good = ann.post("pull", gzip.compress(body), **{"Content-Encoding": "gzip", DIGEST_HEADER: digest})
    assert good.status_code == 200
    assert good.headers[DIGEST_HEADER] == hashlib.sha256(good.content).hexdigest()
    refused = ann.post("pull", body.replace(b"cursors", b"curs0rs"), **{DIGEST_HEADER: digest})
    assert problem(refused).code == "damaged-in-transit"
    assert refused.headers[DIGEST_HEADER] == hashlib.sha256(refused.content).hexdigest()


def test_a_bomb_is_refused_early(ann: Client) -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    for call, token in (("push", True), ("enrol", False), ("token", False)):
        assert problem(ann.post(call, bomb, **{"Content-Encoding": "gzip"})).status == 413, token
    assert problem(ann.post("push", b" " * (5 * 1024 * 1024))).status == 413


def test_long_answers_are_compressed_and_secrets_are_not(ann: Client, live_server: LiveServer) -> None:
    page = ann.post("pull", b'{"cursors": {}}')
    assert page.headers["Content-Encoding"] == "gzip"
    plain = ann.post("pull", b'{"cursors": {}}', **{"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in plain.headers
    first, second = json.loads(plain.content), json.loads(page.content)
    assert first["rows"] == second["rows"]
    code = live_server.services.accounts.issue_code("tech-1").code
    body = msgspec.json.encode(EnrolRequest(code, "x", "1", "n" * 32))
    assert "Content-Encoding" not in ann.post("enrol", body).headers


def test_a_sync_that_finds_nothing_stays_under_a_kibibyte(ann: Client) -> None:
    """Its bodies, both ways, of a device that has written; with the headers each way alone is."""
    line = Line()
    receipt = push(ann, line, "one").receipt
    mine = (EpochHead(receipt.epoch, receipt.seq, receipt.hash, receipt.safe_seq),)
    page = ann.call("pull", PullRequest({}, mine), PullAnswer)
    body = msgspec.json.encode(PullRequest(page.cursors, mine, app_version="0.1.0", fold=page.fold))
    response = ann.post("pull", body)
    assert len(body) + len(response.content) < 1024
    for content, headers in ((body, response.request.headers), (response.content, response.headers)):
        assert len(content) + sum(len(name) + len(value) + 4 for name, value in headers.raw) < 1024
    assert json.loads(response.content).get("rows") is None


def test_tokens_over_http(ann: Client) -> None:
    request = TokenRequest(ann.identity.device, ann.identity.secret, "n" * 32)
    assert ann.call("token", request, TokenAnswer).token == ann.call("token", request, TokenAnswer).token
    for token, code in (("nonsense", "token-unknown"), ("é", "token-unknown")):
        response = ann.http.post(
            "/v1/pull", content=b"{}", headers={"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {token}".encode()}
        )
        assert problem(response).code == code
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert problem(ann.http.get("/v1/events")).code == "token-missing"


def test_an_unknown_caller_is_refused_before_the_body_is_looked_at(ann: Client) -> None:
    ann.token = "nonsense"
    assert problem(ann.post("push", b"x" * (5 * 1024 * 1024), **{"Content-Type": "text/plain"})).status == 401


def test_a_revoked_device_hands_over_and_nothing_more(ann: Client, live_server: LiveServer) -> None:
    live_server.services.accounts.revoke(ann.identity.code)
    for call in ("push", "pull"):
        detail = problem(ann.post(call, b"{}"))
        assert (detail.status, detail.code) == (403, "device-revoked")
    renewed = ann.call("token", TokenRequest(ann.identity.device, ann.identity.secret, "n" * 32), TokenAnswer)
    ann.token = renewed.token
    raw = base64.b64encode(b"\x00\xff{").decode()
    request = QuarantineRequest("epoch-1", LOG, 1, "", "a" * 64, raw, "revoked")
    assert ann.call("quarantine", request, Receipt).seq == 1
    assert ann.call("quarantine", request, Receipt).seq == 1
    assert problem(ann.post("quarantine", msgspec.json.encode(msgspec.structs.replace(request, seq=2, raw="?")))).status == 400
    gap = problem(ann.post("quarantine", msgspec.json.encode(msgspec.structs.replace(request, seq=5))))
    assert (gap.status, gap.code) == (409, "gap")


def test_what_is_handed_over_for_a_log_that_is_gone_is_found_at_the_desk(ann: Client, live_server: LiveServer) -> None:
    raw = base64.b64encode(b"the branch was closed").decode()
    receipt = ann.call("quarantine", QuarantineRequest("epoch-1", "closed", 1, "", "a" * 64, raw, "revoked"), Receipt)
    assert receipt.seq == 1
    boss = live_server.enrol("super")
    (aside,) = msgspec.json.decode(boss.http.get("/v1/desk", headers=boss.auth).content, type=DeskAnswer).aside
    assert (aside.log, aside.text, aside.device) == ("org", "the branch was closed", ann.identity.device)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/v1/pull", 405), ("DELETE", "/v1/push", 405), ("GET", "/v1/pull/", 404), ("GET", "/docs", 404),
        ("POST", "/v1/files/x/complete", 400), ("GET", "/v1/files/%00", 400), ("GET", "/v1/files/" + "0" * 64, 404),
        ("TRACE", "/v1/pull", 405), ("GET", "/v1/../v1/nothing", 404),
    ],
)  # fmt: skip
def test_every_refusal_is_a_problem_document(ann: Client, method: str, path: str, status: int) -> None:
    response = ann.http.request(method, path, headers={NONCE_HEADER: "abc", **ann.auth})
    assert problem(response).status == status
    assert response.headers[NONCE_HEADER] == "abc"
    if status == 405:
        assert response.headers["Allow"]


def test_a_nonce_that_is_no_nonce_is_not_echoed(ann: Client) -> None:
    for nonce in ("a b", "<script>", "x" * 500):
        assert NONCE_HEADER not in ann.http.get("/health", headers={NONCE_HEADER: nonce}).headers


@ONE_PROCESS  # the failure is put into this process
def test_a_failure_of_ours_says_nothing_about_its_cause(
    ann: Client, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(live_server.services.feed, "pull", fails)
    detail = problem(ann.post("pull", b'{"cursors": {}}'))
    assert (detail.status, detail.code) == (500, "server-failed")
    assert "secret cause" not in str(detail)
    assert "the secret cause" in caplog.text


@ONE_PROCESS  # each process has figures of its own
def test_health_and_metrics(ann: Client, live_server: LiveServer) -> None:
    push(ann, Line(), "one")
    health = ann.http.get("/health")
    assert health.json()["ok"] is True
    assert set(health.json()) == {"ok", "version", "database"}
    figures = ann.http.get("/metrics").text
    assert 'fieldapp_entries_total{status="received"} 1.0' in figures
    assert 'call="POST /v1/push"' in figures
    assert problem(ann.http.get("/metrics", headers={"X-Forwarded-For": "198.51.100.7"})).code == "metrics-closed"


# --- Files -----------------------------------------------------------------------------------------------------------------------

PHOTO = bytes(range(256)) * 5000
NAME = hashlib.sha256(PHOTO).hexdigest()
PARTS = [PHOTO[:PART_BYTES], PHOTO[PART_BYTES:]]


@pytest.fixture
def named(ann: Client) -> Client:
    """A technician whose entry names the photo."""
    files = (FileRef(NAME, len(PHOTO), "plate.jpg", "image/jpeg"),)
    entry = entry_of(session(ann), "job:j-1", steps.NoteAdded("photo"), files=files)
    answer = ann.call("push", PushRequest(Line().epoch, LOG, 1, "", (to_wire(entry),)), PushAnswer)
    assert answer.wanted == (NAME,)
    return ann


def put(client: Client, part: int | str, data: bytes, name: str = NAME) -> httpx.Response:
    return client.http.put(f"/v1/files/{name}/parts/{part}", content=data, headers=client.auth)


def complete(client: Client, name: str = NAME) -> httpx.Response:
    return client.http.post(f"/v1/files/{name}/complete", headers=client.auth)


def state(response: httpx.Response) -> FileState:
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=FileState)


def test_a_file_goes_in_parts_and_comes_back(named: Client, live_server: LiveServer) -> None:
    head = f"/v1/files/{NAME}/parts/1"
    assert named.http.head(head, headers=named.auth).status_code == 404
    assert state(put(named, 1, PARTS[1])).parts == (1,)
    assert state(put(named, 1, PARTS[1])).parts == (1,)
    assert named.http.head(head, headers=named.auth).status_code == 200
    assert problem(complete(named)).code == "parts-missing"
    assert state(put(named, 0, PARTS[0])) == state(named.http.get(f"/v1/files/{NAME}/parts", headers=named.auth))
    assert state(complete(named)).complete
    assert state(complete(named)).complete
    assert state(put(named, 0, PARTS[0])).complete
    url = f"/v1/files/{NAME}"
    assert named.http.get(url, headers=named.auth).content == PHOTO
    for header, start, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=1000-", 1000, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999", 5, None),
    ):
        response = named.http.get(url, headers={**named.auth, "Range": header})
        assert response.status_code == 206
        assert response.content == PHOTO[start:end]
        first = start % len(PHOTO)
        assert response.headers["Content-Range"] == f"bytes {first}-{first + len(response.content) - 1}/{len(PHOTO)}"
    for header in ("bytes=9-1", "bytes=0-1,5-6", "lines=1-2", "bytes=-"):
        assert named.http.get(url, headers={**named.auth, "Range": header}).status_code == 200
    assert problem(named.http.get(url, headers={**named.auth, "Range": f"bytes={len(PHOTO)}-"})).status == 416
    assert not list((live_server.settings.files_dir / "parts").glob("*"))


def test_other_content_under_the_name_is_thrown_away(named: Client, live_server: LiveServer) -> None:
    put(named, 0, PARTS[0])
    put(named, 1, bytes(len(PARTS[1])))
    assert problem(complete(named)).code == "wrong-hash"
    assert state(named.http.get(f"/v1/files/{NAME}/parts", headers=named.auth)) == FileState(NAME, (), False)
    for number, part in enumerate(PARTS):
        put(named, number, part)
    assert state(complete(named)).complete


def test_parts_of_another_size_or_number_are_refused(named: Client) -> None:
    for part, data in (
        (0, PARTS[0][:-1]),
        (1, PARTS[1] + b"x"),
        (2, b""),
        (-1, b""),
        ("x", b""),
        ("01", PARTS[1]),
        ("٠", PARTS[0]),
    ):
        assert problem(put(named, part, data)).code == "wrong-part"
    assert problem(put(named, 0, PHOTO)).status == 413


def piece(client: Client, part: int, data: bytes, first: int, size: int = len(PHOTO)) -> httpx.Response:
    headers = {**client.auth, "Content-Range": f"bytes {first}-{first + len(data) - 1}/{size}"}
    return client.http.put(f"/v1/files/{NAME}/parts/{part}", content=data, headers=headers)


def test_a_part_may_come_in_pieces_and_each_again(named: Client) -> None:
    assert state(piece(named, 0, PHOTO[:1000], 0)) == FileState(NAME, (), False, 1000)
    assert state(piece(named, 0, PHOTO[400:1000], 400)) == FileState(NAME, (), False, 1000)
    assert state(piece(named, 0, PHOTO[5000:6000], 5000)) == FileState(NAME, (), False, 1000), "a hole is not kept"
    assert state(piece(named, 1, PARTS[1], PART_BYTES)) == FileState(NAME, (1,), False, 1000)
    assert state(piece(named, 0, PHOTO[900:PART_BYTES], 900)) == FileState(NAME, (0, 1), False)
    assert state(piece(named, 0, b"late", 50)) == FileState(NAME, (0, 1), False)
    assert state(complete(named)).complete
    assert named.http.get(f"/v1/files/{NAME}", headers=named.auth).content == PHOTO


def test_pieces_that_lie_elsewhere_are_refused(named: Client) -> None:
    for part, data, first, size in (
        (0, b"xx", PART_BYTES - 1, len(PHOTO)),
        (1, b"xx", 0, len(PHOTO)),
        (0, b"xx", 0, len(PHOTO) + 1),
        (2, b"xx", 2 * PART_BYTES, len(PHOTO)),
    ):
        assert problem(piece(named, part, data, first, size)).code == "wrong-part"
    for header in ("bytes 0-5/*", "bytes 5-0/10", "items 0-5/10", "bytes 0-5", "0-5/10", "bytes 0-99999999999999999999/1"):
        answer = named.http.put(f"/v1/files/{NAME}/parts/0", content=b"x", headers={**named.auth, "Content-Range": header})
        assert problem(answer).code == "wrong-part"
    headers = {**named.auth, "Content-Range": f"bytes 0-9/{len(PHOTO)}"}
    assert problem(named.http.put(f"/v1/files/{NAME}/parts/0", content=b"too short", headers=headers)).code == "wrong-part"


def test_files_are_seen_by_who_may_see_the_entry(named: Client, live_server: LiveServer, company: Office) -> None:
    for number, part in enumerate(PARTS):
        put(named, number, part)
    complete(named)
    bo, boss = live_server.enrol("tech-2"), live_server.enrol("super")
    url = f"/v1/files/{NAME}"
    assert boss.http.get(url, headers=boss.auth).content == PHOTO
    assert problem(bo.http.get(url, headers=bo.auth)).code == "file-unknown"
    company.assign("job:j-1", "tech-2")
    assert bo.http.get(url, headers=bo.auth).content == PHOTO
    assert problem(named.http.get(url, headers=named.auth)).code == "file-unknown"
    assert problem(put(named, 0, b"", "0" * 64)).code == "file-unknown"
    assert problem(bo.http.get(url)).status == 401


def test_a_file_named_twice_is_read_by_the_readers_of_both(named: Client, live_server: LiveServer, company: Office) -> None:
    for number, part in enumerate(PARTS):
        put(named, number, part)
    complete(named)
    company.job(2, "tech-2")
    bo, url = live_server.enrol("tech-2"), f"/v1/files/{NAME}"
    assert problem(bo.http.get(url, headers=bo.auth)).code == "file-unknown"
    files = (FileRef(NAME, len(PHOTO), "same.jpg", "image/jpeg"),)
    entry = entry_of(session(bo), "job:j-2", steps.NoteAdded("the same plate"), files=files)
    answer = bo.call("push", PushRequest(Line().epoch, LOG, 1, "", (to_wire(entry),)), PushAnswer)
    assert answer.wanted == ()
    assert bo.http.get(url, headers=bo.auth).content == PHOTO
    assert named.http.get(url, headers=named.auth).content == PHOTO


@ONE_PROCESS  # the disk is filled in this process; test_workers.py has several that find theirs full from the start
def test_a_full_disk_is_507_and_facts_still_go(named: Client, live_server: LiveServer) -> None:
    live_server.services.storage._reserve = 1 << 60
    response = put(named, 0, PARTS[0])
    assert problem(response).code == "storage-full"
    assert response.status_code == 507
    assert response.headers["Retry-After"]
    assert push(named, Line(), "still").entries == ("received",)


def test_an_empty_file_is_a_file(ann: Client) -> None:
    name = hashlib.sha256(b"").hexdigest()
    entry = entry_of(session(ann), "job:j-1", steps.NoteAdded("photo"), files=(FileRef(name, 0, "empty.txt"),))
    ann.call("push", PushRequest(Line().epoch, LOG, 1, "", (to_wire(entry),)), PushAnswer)
    assert state(complete(ann, name)).complete
    assert ann.http.get(f"/v1/files/{name}", headers=ann.auth).content == b""


# --- Events ----------------------------------------------------------------------------------------------------------------------


def events(client: Client, timeout: float = 10) -> Iterator[dict[str, object] | str]:
    """Events as they come; the first ones say where the logs stand."""
    with client.http.stream("GET", "/v1/events", headers=client.auth, timeout=timeout) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])
            elif line.startswith(":"):
                yield line


def test_hints_say_which_log_moved(ann: Client, live_server: LiveServer, company: Office) -> None:
    boss = live_server.enrol("super")
    heard = events(boss)
    heads = live_server.services.feed.heads(session(boss))
    assert [next(heard), next(heard)] == [{"log": log, "pos": heads[log]} for log in sorted(heads)]
    push(ann, Line(), "one")
    assert next(heard) == {"log": LOG, "pos": heads[LOG] + 1}
    live_server.services.people.add("tech-3", "Di Moss", "technician", LOG)
    other = next(hint for hint in heard if hint != {"log": LOG, "pos": heads[LOG] + 1})  # a hint may come twice
    assert other == {"log": "org", "pos": heads["org"] + 1}
    heard.close()  # type: ignore[attr-defined]


@ONE_PROCESS  # the heart beats faster in this process alone, for a test that does not last for a minute
def test_silence_is_broken_by_heartbeats_and_a_revoked_device_hears_no_more(ann: Client, live_server: LiveServer) -> None:
    live_server.services.hints.heartbeat = 0.02
    heard = events(ann)
    assert [isinstance(next(heard), dict) for _ in range(2)] == [True, True]
    assert next(heard) == ": beat"
    live_server.services.accounts.revoke(ann.identity.device)
    assert set(heard) == {": beat"}
    assert len(live_server.services.hints) == 0


def test_the_server_stops_though_somebody_listens(ann: Client, live_server: LiveServer) -> None:
    heard = events(ann)
    next(heard)
    stopped = threading.Thread(target=live_server.stop)
    stopped.start()
    assert len(list(heard)) <= 1
    stopped.join(20)
    assert not stopped.is_alive()


@ONE_PROCESS  # each process counts those who listen to it
def test_one_device_cannot_take_all_the_room(ann: Client) -> None:
    streams = [events(ann) for _ in range(4)]
    for heard in streams:
        next(heard)
    fifth = ann.http.get("/v1/events", headers=ann.auth)
    assert problem(fifth).code == "too-many-listeners"
    for heard in streams:
        heard.close()  # type: ignore[attr-defined]


def test_what_was_received_outlives_a_restart(ann: Client, live_server: LiveServer) -> None:
    line = Line()
    push(ann, line, "one")
    live_server.stop()
    live_server.start()
    assert push(ann, line, "two").receipt.seq == 2
    rows = ann.call("pull", PullRequest({}), PullAnswer).rows
    own = [row for row in rows if row.log == LOG and from_wire(row.entry).envelope.device == ann.identity.device]
    assert [row.outcome for row in own] == ["applied", "applied"]
    assert lifecycle.JobCreated.NAME not in str([row.entry.raw for row in own])

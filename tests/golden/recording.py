"""Records the corpus: a short story on a real server over real HTTP, told with a real device's entries, every call of the protocol
and every refusal in it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
import uuid6

from fieldapp.bootstrap import DeviceServices, open_device
from fieldapp.domain.documents import Customer, Site
from fieldapp.domain.entry import Envelope, FileRef, Moment, chain_hash, encode, read_entry, write_entry
from fieldapp.domain.entry_types import lifecycle, read_body, steps
from fieldapp.domain.entry_types.office import EntryReleased
from fieldapp.domain.entry_types.reference import CustomerRecorded, SiteRecorded
from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.domain.problem import Problem
from fieldapp.server.erasing import erase_customer
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft, Head, Run
from fieldapp.sync.answers import quarantine, to_page
from fieldapp.sync.enrol import enrol
from fieldapp.sync.protocol import (
    MEDIA_TYPE,
    NONCE_HEADER,
    PUSH_ENTRIES,
    Backfill,
    EnrolAnswer,
    EnrolRequest,
    EpochHead,
    EpochParent,
    FileState,
    ImportAnswer,
    ImportRequest,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    TokenAnswer,
    TokenRequest,
    WireEntry,
    to_wire,
)  # fmt: skip
from tests.domain.golden.corpus import FOLDER as STORIES
from tests.golden.corpus import ANSWER_HEADERS, HEADERS, Exchange, body_of, dump, write_exchange
from tests.live_server import LiveServer, serving
from tests.server.office import LOG, START, Office

T = TypeVar("T")
PHOTO = b"0123456789"
SHA256 = hashlib.sha256(PHOTO).hexdigest()
OTHER, WRONG = b"abcdefghij", b"9876543210"
"""A second photo, and what arrives of it: not that."""
LAST = b"the last photo"


class Clock:
    """The server's clock: it stands still but for a second between two exchanges."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Scribe:
    """Calls the server and writes down what was said."""

    def __init__(self, server: LiveServer, clock: Clock, folder: Path) -> None:
        self._http = httpx.Client(base_url=server.url, timeout=30, trust_env=False)
        self._clock, self._folder = clock, folder
        self.count = 0

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        name: str,
        what: str,
        method: str,
        path: str,
        body: msgspec.Struct | bytes | None = None,
        *,
        token: str = "",
        nonce: str = "",
        lines: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        self._clock.now += 1_000
        self.count += 1
        sent = {NONCE_HEADER: nonce or f"nonce-{self.count:010}", "Accept-Encoding": "identity"}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        content = msgspec.json.encode(body) if isinstance(body, msgspec.Struct) else body
        if isinstance(body, msgspec.Struct):
            sent["Content-Type"] = MEDIA_TYPE
        sent |= headers or {}
        with self._http.stream(method, "/v1" + path, content=content, headers=sent) as response:
            raw = b"".join(_first(response.iter_lines(), lines)) if lines else response.read()
        value, in_base64 = body_of(sent.get("Content-Type", ""), content or b"")
        answer, answer64 = body_of(response.headers.get("Content-Type", ""), raw)
        exchange = Exchange(
            name=name, what=what, at=self._clock.now, method=method, path="/v1" + path,
            headers={key: sent[key] for key in HEADERS if key in sent}, request=value, request_base64=in_base64,
            status=response.status_code, answer=answer, answer_base64=answer64, lines=lines,
            answer_headers={key: response.headers[key] for key in ANSWER_HEADERS if key in response.headers},
        )  # fmt: skip
        write_exchange(self._folder, self.count, exchange)
        return response

    def ask(self, name: str, what: str, call: str, body: msgspec.Struct, answer: type[T], token: str = "", nonce: str = "") -> T:
        response = self.call(name, what, "POST", f"/{call}", body, token=token, nonce=nonce)
        assert response.status_code == 200, (name, response.status_code)
        return msgspec.json.decode(response.read(), type=answer)


def _first(lines: Iterable[str], count: int) -> Iterable[bytes]:
    for _, line in zip(range(count), lines, strict=False):
        yield line.encode() + b"\n"


def push_of(run: Run) -> PushRequest:
    parent = EpochParent(*run.parent) if run.parent else None
    return PushRequest(run.epoch, run.log, run.from_seq, run.prev_hash, tuple(to_wire(entry) for entry in run.entries), parent)


def pull_of(device: DeviceServices, **changes: object) -> PullRequest:
    replica = device.replica
    heads = tuple(EpochHead(head.epoch, head.seq, head.hash, head.safe_seq) for head in replica.heads())
    backfills = tuple(Backfill(*wanted) for wanted in replica.backfills(200))
    wanted = PullRequest(replica.cursors(), heads, app_version="0.1.0", fold=FOLD_VERSION, backfills=backfills)
    return msgspec.structs.replace(wanted, **changes)


class Told:
    """One device of the story."""

    def __init__(self, scribe: Scribe, device: DeviceServices, token: str) -> None:
        self.scribe, self.device, self.token = scribe, device, token

    def pull(self, name: str, what: str) -> None:
        """Pull until there is nothing more; every page is an exchange of its own."""
        number = 0
        while True:
            number += 1
            called = name if number == 1 else f"{name}-{number}"
            page = self.scribe.ask(called, what, "pull", pull_of(self.device), PullAnswer, self.token)
            self.device.replica.receive(to_page(page))
            if not page.more and not self.device.replica.backfills(1):
                return

    def push(self, name: str, what: str, *drafts: Draft) -> PushRequest:
        self.device.replica.append(list(drafts))
        run = self.device.replica.outgoing(200, 500_000)
        assert run is not None
        request = push_of(run)
        receipt = self.scribe.ask(name, what, "push", request, PushAnswer, self.token).receipt
        self.device.replica.acknowledge(Head(receipt.epoch, receipt.seq, receipt.hash, receipt.safe_seq), receipt.time)
        return request

    def refused(self, name: str, what: str, call: str, body: msgspec.Struct, status: int) -> None:
        response = self.scribe.call(name, what, "POST", f"/{call}", body, token=self.token)
        assert response.status_code == status, (name, response.status_code)


def _draft(stream: str, body: object, *, files: tuple[FileRef, ...] = ()) -> Draft:
    return Draft(LOG, stream, body, files=files)  # type: ignore[arg-type]


def record(folder: Path) -> int:
    """Write a corpus; the number of exchanges in it."""
    folder.mkdir(parents=True)
    clock = Clock()
    with tempfile.TemporaryDirectory() as made, serving(Path(made) / "server", clock=clock) as server:
        office = Office(server.services)
        office.found()
        job = office.job(1, "tech-1")
        _erased_customer(office)
        homes = {person: Home(Path(made) / person) for person in ("tech-1", "super", "tech-2")}
        for person, home in homes.items():
            enrol(server.url, server.services.accounts.issue_code(person).code, home, device_name=f"{person}'s laptop")
        code = server.services.accounts.issue_code("tech-2").code
        revoked = homes["tech-2"].identity()
        assert revoked is not None
        server.services.accounts.revoke(revoked.device)
        _dump_server(server, folder / "server.sql.gz")
        scribe = Scribe(server, clock, folder)
        with open_device(homes["tech-1"], "corpus") as first, open_device(homes["super"], "corpus") as second:
            _tell(scribe, first, second, homes["tech-2"], code, job)
            first.replica.append([_draft(job, steps.NoteAdded("unsent, when the laptop was put away"))])
            first.replica.append([_draft(job, steps.NoteAdded("also unsent: 水泵漏水 ♻"))])
            (folder / "export.jsonl").write_bytes(first.journal.content())
        _dump_server(server, folder / "server-after.sql.gz")
        scribe.close()
        home = homes["tech-1"]
        dump(home.database_file, folder / "home" / "database.sql.gz")
        for name in ("journal", "files"):
            shutil.copytree(home.path / name, folder / "home" / name)
        shutil.copy(home.identity_file, folder / "home")
    _write_entries(folder)
    return scribe.count


def _erased_customer(office: Office) -> None:
    """A second job, of a customer who asked to be forgotten: its rows come without their bodies."""
    office.record("customer:c-2", CustomerRecorded(Customer("c-2", {"en": "Frau Krause"}, LOG)))
    office.record("customer:c-2", SiteRecorded(Site("s-2", "c-2", {"en": "Second floor"})))
    created = lifecycle.JobCreated("J-2", "c-2", "s-2", {"en": "Service"})
    office.record("job:j-2", created, also=("customer:c-2",))
    office.assign("job:j-2", "tech-1")
    office.record("job:j-2", lifecycle.JobCancelled("she moved away"))
    erase_customer(office.services, "c-2", "asked for in writing")


def _dump_server(server: LiveServer, target: Path) -> None:
    server.services.accounts.flush_seen()
    dump(server.settings.home / "server.db", target)


def _write_entries(folder: Path) -> None:
    """Entries of every type, from the corpus of the fold."""
    seen: dict[str, object] = {}
    for path in sorted(STORIES.glob("*.json")):
        for line in json.loads(path.read_text(encoding="utf-8"))["entries"]:
            shown = {"envelope": line["envelope"], "body": line["body"], "readable": _readable(line["envelope"], line["body"])}
            seen.setdefault(json.loads(line["envelope"])["id"], shown)
    text = json.dumps(list(seen.values()), ensure_ascii=True, indent=1)
    (folder / "entries.json").write_text(text + "\n", encoding="utf-8")


def _readable(envelope: str, body: str | None) -> bool:
    try:
        return read_body(read_entry(envelope.encode(), None if body is None else body.encode())) is not None
    except Problem:  # some stories tell of a body that is not of its type's shape
        return False


def _tell(scribe: Scribe, first: DeviceServices, second: DeviceServices, revoked: Home, code: str, job: str) -> None:
    """The story: Ann's device works on a job, the office looks on, gives the job to Bo, and Bo's old laptop was revoked."""
    nonce = "a-nonce-of-32-characters-0000000"
    wanted = EnrolRequest(code, "Bo's new laptop", "0.1.0", nonce)
    scribe.ask("enrol", "A device is enrolled with a one-time code", "enrol", wanted, EnrolAnswer, nonce=nonce)
    scribe.ask(
        "enrol-again", "The answer was lost: the same code and nonce give it again", "enrol", wanted, EnrolAnswer, nonce=nonce
    )
    other = msgspec.structs.replace(wanted, nonce="another-nonce-of-32-characters-0")
    scribe.call("enrol-used", "The code with another nonce was used already", "POST", "/enrol", other)
    unknown = msgspec.structs.replace(wanted, code="AAAA-AAAA")
    scribe.call("enrol-unknown", "A code that is none", "POST", "/enrol", unknown)

    ann = Told(scribe, first, _token(scribe, "token", first.identity.device, first.identity.secret))
    wrong = TokenRequest(first.identity.device, "not the secret", "n" * 32)
    scribe.call("token-refused", "A secret that this server does not know", "POST", "/token", wrong)
    scribe.call("token-missing", "A request that says nothing of who sends it", "POST", "/pull", PullRequest({}))
    scribe.call("token-unknown", "A token of nobody", "POST", "/pull", PullRequest({}), token="nobody")

    _pulling(scribe, ann)
    request = _pushing(scribe, ann, job)
    _files(scribe, ann, request)
    _office(scribe, ann, Told(scribe, second, _token(scribe, "token-office", second.identity.device, second.identity.secret)), job)
    _refusals(scribe, ann)
    identity = revoked.identity()
    assert identity is not None
    token = _token(scribe, "token-revoked", identity.device, identity.secret)
    scribe.call("revoked", "A device that was revoked", "POST", "/pull", PullRequest({}), token=token)
    body = encode(steps.NoteAdded("the plate, taken on the last day"))
    name = str(uuid6.uuid7())
    files = (FileRef(hashlib.sha256(LAST).hexdigest(), len(LAST), "last.jpg", "image/jpeg"),)
    at = Moment(START, skew=0)
    envelope = Envelope(name, LOG, job, steps.NoteAdded.NAME, "tech-2", identity.device, name, at, "", files=files)
    entry = write_entry(envelope, body)
    raw = base64.b64encode(entry.raw + b"\n" + body).decode()
    handed = QuarantineRequest("epoch-of-bo", LOG, 1, "", chain_hash("", 1, entry.hash), raw, "the device was revoked")
    scribe.call("revoked-hands-over", "What it had not sent is handed over", "POST", "/quarantine", handed, token=token)
    path = f"/files/{files[0].sha256}"
    scribe.call("revoked-file-parts", "The photo that it names, too", "GET", f"{path}/parts", token=token)
    octets = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes 0-{len(LAST) - 1}/{len(LAST)}"}
    scribe.call("revoked-file", "in one piece", "PUT", f"{path}/parts/0", LAST, token=token, headers=octets)
    scribe.call("revoked-file-complete", "and whole", "POST", f"{path}/complete", token=token)


def _token(scribe: Scribe, name: str, device: str, secret: str) -> str:
    request = TokenRequest(device, secret, f"{name}-with-a-nonce-of-its-own")
    answer = scribe.ask(name, "A token for a device's secret", "token", request, TokenAnswer, nonce=request.nonce)
    return answer.token


def _pulling(scribe: Scribe, ann: Told) -> None:
    ann.pull("pull-first", "The first pull: streams come into scope, and are backfilled")
    ann.pull("pull-nothing", "Nothing new: the handshake alone")


def _pushing(scribe: Scribe, ann: Told, job: str) -> PushRequest:
    accepted = _draft(job, lifecycle.JobAccepted())
    request = ann.push(
        "push", "Two entries of one group, and the receipt", accepted, _draft(job, steps.NoteAdded("Key at the gate"))
    )
    answer = scribe.ask("push-again", "The receipt was lost: the same again", "push", request, PushAnswer, ann.token)
    assert set(answer.entries) == {"duplicate"}
    head = answer.receipt
    gap = msgspec.structs.replace(request, from_seq=head.seq + 5)
    ann.refused("push-gap", "A position that leaves a hole", "push", gap, 409)
    fork = msgspec.structs.replace(request, from_seq=head.seq + 1, prev_hash="0" * 64)
    ann.refused("push-fork", "A position whose chain is another", "push", fork, 409)
    bad = msgspec.structs.replace(request, from_seq=head.seq + 1, prev_hash=head.hash, entries=(WireEntry("no envelope", "{}"),))
    ann.refused("push-unreadable", "An entry that cannot be read, named by its position", "push", bad, 422)
    ann.refused("push-log-unknown", "A log that is not there", "push", msgspec.structs.replace(request, log="nowhere"), 422)
    many = msgspec.structs.replace(request, entries=(WireEntry("x"),) * (PUSH_ENTRIES + 1))
    ann.refused("push-too-large", "More than one push holds", "push", many, 413)
    ann.pull("pull-outcomes", "The outcomes of own entries come")
    ann.device.replica.append([_draft(job, steps.NoteAdded("handed over as bytes"))])
    run = ann.device.replica.outgoing(200, 500_000)
    assert run is not None
    wanted = quarantine(run, "the server could not read it")
    response = scribe.call(
        "quarantine", "An entry handed over as bytes; the head advances", "POST", "/quarantine", wanted, token=ann.token
    )
    receipt = json.loads(response.read())
    ann.device.replica.refuse(run.epoch, run.from_seq, wanted.reason, receipt["time"])
    ann.device.replica.acknowledge(Head(receipt["epoch"], receipt["seq"], receipt["hash"], receipt["safe_seq"]), receipt["time"])
    return request


def _files(scribe: Scribe, ann: Told, request: PushRequest) -> None:
    job, device = "job:j-1", ann.device
    wrong = hashlib.sha256(OTHER).hexdigest()
    device.home.files.mkdir(exist_ok=True)
    (device.home.files / SHA256).write_bytes(PHOTO)
    (device.home.files / wrong).write_bytes(OTHER)
    body = steps.FileAttached(SHA256, len(PHOTO), "plate.jpg", media="image/jpeg", step="p/s1")
    other = steps.FileAttached(wrong, len(WRONG), "other.jpg", media="image/jpeg", step="p/s1")
    ann.push(
        "push-with-file",
        "An entry that names a file",
        _draft(job, body, files=(FileRef(SHA256, len(PHOTO), "plate.jpg", "image/jpeg"),)),
    )
    ann.push(
        "push-with-another",
        "An entry that names another",
        _draft(job, other, files=(FileRef(wrong, len(WRONG), "other.jpg", "image/jpeg"),)),
    )
    octets = {"Content-Type": "application/octet-stream"}

    def call(
        name: str,
        what: str,
        method: str,
        path: str,
        status: int,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        response = scribe.call(name, what, method, f"/files/{path}", content, token=ann.token, headers=headers)
        assert response.status_code == status, (name, response.status_code)
        return response

    call("file-parts", "Which parts are there: none", "GET", f"{SHA256}/parts", 200)
    call("file-early", "It is not at the server yet", "GET", SHA256, 404)
    call("file-incomplete", "Not all parts are there", "POST", f"{SHA256}/complete", 409)
    call(
        "file-piece",
        "A piece of its only part",
        "PUT",
        f"{SHA256}/parts/0",
        200,
        PHOTO[:6],
        {**octets, "Content-Range": "bytes 0-5/10"},
    )
    call("file-part-missing", "The part is not whole yet", "HEAD", f"{SHA256}/parts/0", 404)
    done = call(
        "file-rest", "The rest of it", "PUT", f"{SHA256}/parts/0", 200, PHOTO[6:], {**octets, "Content-Range": "bytes 6-9/10"}
    )
    assert msgspec.json.decode(done.read(), type=FileState).parts == (0,)
    call("file-part-there", "The part is there", "HEAD", f"{SHA256}/parts/0", 200)
    call("file-wrong-part", "A part of another size", "PUT", f"{wrong}/parts/0", 400, b"short", octets)
    call("file-complete", "The parts are put together and checked", "POST", f"{SHA256}/complete", 200)
    call("file-whole", "The whole file", "GET", SHA256, 200)
    call("file-range", "A range of it", "GET", SHA256, 206, headers={"Range": "bytes=2-5"})
    call("file-range-outside", "A range outside of it", "GET", SHA256, 416, headers={"Range": "bytes=10-"})
    call("file-whole-part", "A part in one piece", "PUT", f"{wrong}/parts/0", 200, WRONG, octets)
    call("file-wrong-hash", "What arrived is not what was announced", "POST", f"{wrong}/complete", 422)
    call("file-unknown", "A file that no entry names", "GET", f"{'0' * 64}/parts", 404)
    device.replica.mark_file(SHA256, "sent")


def _office(scribe: Scribe, ann: Told, boss: Told, job: str) -> None:
    boss.pull("pull-office", "The office reads its logs whole")
    desk = scribe.call("desk", "What only the server knows", "GET", "/desk", token=boss.token)
    scribe.call("events", "Where the logs stand, then a hint when one moves", "GET", "/events", token=boss.token, lines=6)
    _importing(scribe, ann, boss, job)
    boss.push("push-office", "The office gives the job to somebody else", _draft(job, lifecycle.JobAssigned("tech-2")))
    note = _draft(job, steps.NoteAdded("written in the cellar"))
    ann.push("push-late", "What the old technician recorded before he knew", note)
    ann.pull("pull-removed", "The stream leaves; own outcomes come all the same")
    boss.pull("pull-office-late", "The office sees the late entry")
    about = json.loads(desk.read())["aside"][0]["id"]
    released = _draft(f"desk:{LOG}", EntryReleased(about, "it can be read after all"))
    boss.push("push-decision", "The office lets the bytes in quarantine stand", released)
    ann.pull("pull-decided", "The entry has its place now, and its author hears of it")


def _importing(scribe: Scribe, ann: Told, boss: Told, job: str) -> None:
    ann.device.replica.append([_draft(job, steps.NoteAdded("carried by hand"))])
    (line,) = ann.device.journal.content().decode().splitlines()
    damaged = ImportRequest((line, line[:-9]))
    scribe.ask("import", "Its own person brings it, with a damaged line", "import", damaged, ImportAnswer, ann.token)
    scribe.ask("import-again", "The same again", "import", ImportRequest((line,)), ImportAnswer, ann.token)
    ann.device.replica.append([_draft(job, steps.NoteAdded("carried by somebody else"))])
    other = ann.device.journal.content().decode().splitlines()[1]
    of_ann = ImportRequest((other,))
    scribe.ask(
        "import-foreign", "The office brings what another person exported: put aside", "import", of_ann, ImportAnswer, boss.token
    )
    more = _draft(job, steps.NoteAdded("and one more"))
    ann.push("push-imported", "The device sends what was carried by hand: it is there, and takes its position", more)


def _refusals(scribe: Scribe, ann: Told) -> None:
    known = pull_of(ann.device)
    position = known.cursors[LOG].partition(":")[0]
    foreign = {**known.cursors, LOG: f"{position}:00000000f"}
    ann.refused("pull-diverged", "A cursor of another history", "pull", msgspec.structs.replace(known, cursors=foreign), 410)
    ann.refused(
        "pull-upgrade", "A protocol that the server does not speak", "pull", msgspec.structs.replace(known, protocols=(9,)), 426
    )
    ann.refused("pull-bad", "A cursor that is none", "pull", msgspec.structs.replace(known, cursors={LOG: "?"}), 400)
    body = msgspec.json.encode(known)
    scribe.call(
        "wrong-media",
        "A body of another media type",
        "POST",
        "/pull",
        body,
        token=ann.token,
        headers={"Content-Type": "application/json"},
    )
    scribe.call("unknown-call", "A call that is none", "GET", "/nothing", token=ann.token)

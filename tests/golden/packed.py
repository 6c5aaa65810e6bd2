"""The second corpus of protocol 1, beside the first: exchanges byte for byte as they went over the wire, compressed where they
were, with the digests of their bodies, and a file of two parts.

`protocol1/packed/exchanges/`: one file each, in order. `server.sql.gz`: the server's database before the first. `photo.gz`: the
file; what an exchange carries of it is said by first and last byte. `python -m tests.golden.packed FOLDER` records a new one; the
recorded one is not to be recorded again, but the program mended.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.server.reach import Session
from fieldapp.sync.packing import pack
from fieldapp.sync.protocol import (
    DIGEST_HEADER,
    INCARNATION_HEADER,
    MEDIA_TYPE,
    NONCE_HEADER,
    PART_BYTES,
    PullRequest,
    PushRequest,
    TokenRequest,
    to_wire,
)
from tests.golden.corpus import PROTOCOL1, dump
from tests.golden.recording import Clock
from tests.live_server import serving
from tests.server.office import LOG, Line, Office, entry_of

PACKED = PROTOCOL1 / "packed"
KEPT_HEADERS = (
    "Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "Vary", NONCE_HEADER, DIGEST_HEADER, INCARNATION_HEADER,
)  # fmt: skip


class Wired(msgspec.Struct, omit_defaults=True):
    """One request and its answer. at: the server's clock, ms UTC. Bodies in base64 as they went over the wire, or the (first, last)
    byte of the file that they were. headers: all that the device sent but those that HTTP itself needs."""

    name: str
    what: str
    at: int
    method: str
    path: str
    headers: dict[str, str]
    status: int
    answer_headers: dict[str, str]
    sent: str = ""
    sent_of_file: tuple[int, int] | None = None
    answered: str = ""
    answered_of_file: tuple[int, int] | None = None

    def request(self, photo: bytes) -> bytes:
        return _bytes(self.sent, self.sent_of_file, photo)

    def answer(self, photo: bytes) -> bytes:
        return _bytes(self.answered, self.answered_of_file, photo)


def _bytes(text: str, span: tuple[int, int] | None, photo: bytes) -> bytes:
    return photo[span[0] : span[1] + 1] if span else base64.b64decode(text)


def packed_exchanges(folder: Path = PACKED) -> tuple[list[Wired], bytes]:
    """All of them in order, and the file of two parts."""
    found = [msgspec.json.decode(path.read_bytes(), type=Wired) for path in sorted((folder / "exchanges").glob("*.json"))]
    return found, gzip.decompress((folder / "photo.gz").read_bytes())


def ask_packed(client: httpx.Client, wired: Wired, photo: bytes) -> tuple[int, httpx.Headers, bytes]:
    """Ask as it was asked; status, headers and body as they come over the wire."""
    content = wired.request(photo) or None
    with client.stream(wired.method, wired.path, content=content, headers=wired.headers) as response:
        return response.status_code, response.headers, b"".join(response.iter_raw())


class Scribe:
    """Asks a server and writes down what went over the wire."""

    def __init__(self, client: httpx.Client, clock: Clock, folder: Path, photo: bytes) -> None:
        self._client, self._clock, self._folder, self._photo = client, clock, folder / "exchanges", photo
        self.count, self.token = 0, ""
        self._folder.mkdir(parents=True)

    def call(
        self, name: str, what: str, method: str, path: str, status: int, content: bytes = b"", *,
        of_file: tuple[int, int] | None = None, **headers: str,
    ) -> bytes:  # fmt: skip
        """headers: with `_` for `-`."""
        self.count += 1
        self._clock.now += 1_000
        said = {NONCE_HEADER: f"nonce-packed-{self.count:04}", "Accept-Encoding": "gzip"}
        if self.token:
            said["Authorization"] = f"Bearer {self.token}"
        said |= {key.replace("_", "-"): value for key, value in headers.items()}
        body = "" if of_file else base64.b64encode(content).decode()
        wired = Wired(name, what, self._clock.now, method, f"/v1/{path}", said, 0, {}, body, of_file)
        got, answer_headers, answered = ask_packed(self._client, wired, self._photo)
        assert got == status, (name, got, answered)
        wired.status = got
        wired.answer_headers = {key: answer_headers[key] for key in KEPT_HEADERS if key in answer_headers}
        if method == "GET" and got in (200, 206) and path.count("/") == 1:
            first = int(answer_headers.get("Content-Range", "bytes 0-").split()[1].partition("-")[0])
            assert self._photo[first : first + len(answered)] == answered
            wired.answered_of_file = (first, first + len(answered) - 1)
        else:
            wired.answered = base64.b64encode(answered).decode()
        text = json.dumps(msgspec.to_builtins(wired), ensure_ascii=False, indent=1)
        (self._folder / f"{self.count:02}-{name}.json").write_text(text + "\n", encoding="utf-8")
        return answered

    def post(
        self, name: str, what: str, call: str, body: msgspec.Struct, status: int = 200, changed: Mapping[str, str] | None = None
    ) -> bytes:
        """A JSON body as a device packs it."""
        packed = pack(body)
        headers = {"Content_Type": MEDIA_TYPE, DIGEST_HEADER: packed.digest}
        if packed.compressed:
            headers["Content_Encoding"] = "gzip"
        return self.call(name, what, "POST", call, status, packed.content, **{**headers, **(changed or {})})


def record(folder: Path) -> int:
    """Write a corpus; the number of exchanges in it."""
    photo = bytes(range(251)) * (PART_BYTES // 251 + 200)  # no part looks like another: 251 is a prime
    clock = Clock()
    with tempfile.TemporaryDirectory() as made, serving(Path(made) / "server", clock=clock) as server:
        office = Office(server.services)
        office.found()
        job = office.job(1, "tech-1")
        ann = server.enrol("tech-1").identity
        server.services.accounts.flush_seen()
        dump(server.settings.home / "server.db", folder / "server.sql.gz")
        with gzip.GzipFile(folder / "photo.gz", "wb", mtime=0) as out:
            out.write(photo)
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
            scribe = Scribe(client, clock, folder, photo)
            wanted = TokenRequest(ann.device, ann.secret, "a-token-for-packed-things")
            answer = scribe.post("token", "A token; answers with secrets in them are never compressed", "token", wanted)
            scribe.token = json.loads(answer)["token"]
            _push(scribe, Session(ann.device, ann.person, ann.name, ann.role, ann.log), job, photo)
            scribe.post("pull", "A pull, and its answer compressed, with its digest", "pull", PullRequest({}))
            _file(scribe, photo)
        return scribe.count


def _push(scribe: Scribe, ann: Session, job: str, photo: bytes) -> None:
    file = FileRef(hashlib.sha256(photo).hexdigest(), len(photo), "plate.jpg", "image/jpeg")
    bodies = (lifecycle.JobAccepted(), steps.NoteAdded("水泵漏水: the pump drips"))
    entries = [entry_of(ann, job, body) for body in bodies]
    attached = steps.FileAttached(file.sha256, file.size, file.name, file.media, "p/s1")
    entries.append(entry_of(ann, job, attached, files=(file,)))
    line = Line("epoch-of-ann-packed")
    push = PushRequest(line.epoch, LOG, 1, "", tuple(map(to_wire, entries)))
    scribe.post("push", "Three entries, compressed, with the digest of what was compressed", "push", push)
    scribe.post("push-again", "The receipt was lost: the same again", "push", push)
    line.sent(entries)
    more = PushRequest(line.epoch, LOG, 4, line.hash, (to_wire(entry_of(ann, job, steps.NoteAdded("x" * 600))),))
    scribe.post("push-damaged", "A body that is not what its digest says", "push", more, 400, {DIGEST_HEADER: "0" * 64})
    plain = {"Content_Type": MEDIA_TYPE}
    scribe.call(
        "push-not-gzip", "A body that is said to be compressed", "POST", "push", 400, msgspec.json.encode(more),
        **plain, Content_Encoding="gzip",
    )  # fmt: skip
    scribe.call("push-brotli", "Another encoding", "POST", "push", 415, b"x", **plain, Content_Encoding="br")
    scribe.post("push-more", "The same, as it should be", "push", more)


def _file(scribe: Scribe, photo: bytes) -> None:
    sha256, size = hashlib.sha256(photo).hexdigest(), len(photo)
    assert PART_BYTES < size < 2 * PART_BYTES
    octets = {"Content_Type": "application/octet-stream"}

    def put(name: str, what: str, part: int, first: int, last: int, status: int = 200) -> None:
        span = {"Content_Range": f"bytes {first}-{last}/{size}"}
        scribe.call(name, what, "PUT", f"files/{sha256}/parts/{part}", status, of_file=(first, last), **octets, **span)

    def get(name: str, what: str, path: str = "", status: int = 200, **headers: str) -> None:
        scribe.call(name, what, "GET", f"files/{sha256}{path}", status, **headers)

    half = (PART_BYTES + size) // 2
    get("parts-none", "Which parts are there: none", "/parts")
    put("part-0", "The first part, whole", 0, 0, PART_BYTES - 1)
    get("parts-one", "One of two", "/parts")
    scribe.call("incomplete", "The second is missing", "POST", f"files/{sha256}/complete", 409)
    put("part-0-too-long", "A byte more than a part has", 0, 0, PART_BYTES, 413)
    put("part-0-beyond", "A piece of the first part that reaches into the second", 0, PART_BYTES - 2, PART_BYTES + 1, 400)
    put("part-1-begun", "A piece of the second part", 1, PART_BYTES, half)
    put("part-1-hole", "A piece that would leave a hole is not kept", 1, half + 10, size - 1)
    put("part-1-rest", "The rest of it", 1, half + 1, size - 1)
    scribe.call("part-1-there", "It is there", "HEAD", f"files/{sha256}/parts/1", 200)
    scribe.call("part-2", "There is no third part", "PUT", f"files/{sha256}/parts/2", 400, b"x", **octets)
    scribe.call("complete", "Both are put together and checked", "POST", f"files/{sha256}/complete", 200)
    get("file", "All of it")
    get("file-range", "A range over the border of the parts", "", 206, Range=f"bytes={PART_BYTES - 3}-{PART_BYTES + 299}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    sys.stdout.write(f"{record(target)} exchanges in {target}\n")

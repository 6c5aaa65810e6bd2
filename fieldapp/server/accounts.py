"""Devices and who they belong to: one-time codes, enrolment, tokens, revoking.

Answers that were lost on the way can be asked for again: secrets and tokens are derived (HMAC-SHA256, RFC 2104) from the server's
own secret and what the device sent, so the same question gives the same answer and nothing that opens anything is stored. What the
device sent is not stored either, only its hash: a stolen database does not give tokens.
Device secrets and tokens have 256 bits, so a plain SHA-256 of them is enough: there is nothing to try out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlmodel import col

from fieldapp.domain.documents import Person
from fieldapp.domain.entry_types.reference import PersonRecorded
from fieldapp.server.answers import Refused
from fieldapp.server.codes import WrongTries, bare_code, code_hash, new_code
from fieldapp.server.reach import Session, readable_logs
from fieldapp.store.database import Database
from fieldapp.store.tables import DeviceRow, DocumentRow, EnrolCodeRow, LogHeadRow, SettingRow, TokenRow, table_of
from fieldapp.sync.protocol import EnrolAnswer, EnrolRequest, TokenAnswer, TokenRequest

REPEAT_MS = 600_000
"""How long a used code answers again to the one who used it."""
SEEN_MS = 60_000
"""How often `last_seen` is written, for all devices at once."""
_TOKENS_KEPT = 5
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
SECRET = "server-secret"
INCARNATION = "incarnation"

_SESSION = (
    "SELECT t.expires, d.id, d.revoked_at, p.body FROM tokens t JOIN devices d ON d.id = t.device "
    "LEFT JOIN documents p ON p.stream = 'person:' || d.person AND p.type = ? WHERE t.token_hash = ?"
)
"""Asked at every request: building it each time costs more than running it."""
_person_decoder = msgspec.json.Decoder(PersonRecorded)


class EnrolCode(msgspec.Struct, frozen=True):
    """A one-time code in clear, seen once: by whoever asked for it. `expires`: milliseconds UTC."""

    code: str
    expires: int


class DeviceInfo(msgspec.Struct, frozen=True):
    """A device as the office sees it. Times in milliseconds UTC."""

    id: str
    code: str
    person: str
    name: str
    enrolled_at: int
    revoked_at: int | None
    last_seen: int | None
    app_version: str


class Accounts:
    """All decisions on who may call. `secret` is the server's own; lose it and every device enrols anew."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], int],
        *,
        secret: bytes,
        incarnation: str,
        token_ms: int = 12 * 3_600_000,
        code_ms: int = 72 * 3_600_000,
    ) -> None:
        self._db, self._clock, self._secret = db, clock, secret
        self._incarnation, self._token_ms, self._code_ms = incarnation, token_ms, code_ms
        self._tries = WrongTries()
        self._seen: dict[str, tuple[int, str]] = {}
        self._seen_written = clock()
        self._seen_lock = threading.Lock()

    # --- Enrolling -------------------------------------------------------------------------------------------------------------

    def issue_code(self, person: str) -> EnrolCode:
        """A one-time code for a person's next device.

        Raises:
            Refused: `person-unknown`.
        """
        code, now = new_code(), self._clock()
        with self._db.write() as conn:
            self._person(conn, person)
            conn.execute(delete(EnrolCodeRow).where(col(EnrolCodeRow.expires) < now - self._code_ms))
            row = {"code_hash": self._hash(bare_code(code)), "person": person, "expires": now + self._code_ms, "device": ""}
            conn.execute(insert(EnrolCodeRow), row)
        return EnrolCode(code, now + self._code_ms)

    def enrol(self, request: EnrolRequest, address: str) -> EnrolAnswer:
        """Make a device of whoever holds a code. The same code and nonce again within REPEAT_MS give the same answer.

        Args:
            address: where the request came from, to count wrong codes.

        Raises:
            Refused: `too-many-tries`, `enrol-code-unknown`, `enrol-code-expired`, `enrol-code-used`, `person-unknown`.
        """
        now = self._clock()
        wait = self._tries.wait(address, now)
        if wait:
            seconds = wait // 1000 + 1
            raise Refused(
                429, "too-many-tries", "Too many wrong codes came from this address.",
                f"Try again in {seconds // 60 + 1} minutes.", retry_after=seconds,
            )  # fmt: skip
        bare = bare_code(request.code)
        hashed = self._hash(bare) if bare else ""
        with self._db.read() as conn:
            known = bool(bare) and conn.execute(_code_row(hashed)).first() is not None
        if not known:
            self._tries.wrong(address, now)
            raise Refused(403, "enrol-code-unknown", "This code is not known here.", "Check each character, or ask for a new code.")
        secret = self._derive("secret", bare, request.nonce)
        with self._db.write() as conn:
            self._lock(conn)
            code = conn.execute(_code_row(hashed)).one()
            person = self._person(conn, code.person)
            device = self._repeated(conn, code.device, request, now) if code.device else None
            if device is None:
                if code.expires < now:
                    raise Refused(403, "enrol-code-expired", "This code has expired.", "Ask for a new one.")
                device = self._new_device(conn, person, request, secret, now)
                used = update(EnrolCodeRow).where(col(EnrolCodeRow.code_hash) == hashed).values(device=device["id"])
                conn.execute(used)
            token, expires = self._token(conn, device["id"], secret, request.nonce, now)
            known_logs = conn.execute(select(col(LogHeadRow.log))).scalars().all()
        return EnrolAnswer(
            device=device["id"], code=device["code"], secret=secret, person=person.id, name=person.name, role=person.role,
            log=person.branch, logs=readable_logs(person.role, person.branch, known_logs), token=token, token_expires=expires,
            time=now, incarnation=self._incarnation,
        )  # fmt: skip

    def _repeated(self, conn: Connection, device: str, request: EnrolRequest, now: int) -> dict[str, Any]:
        row = conn.execute(select(table_of(DeviceRow)).where(col(DeviceRow.id) == device)).one()
        same = hmac.compare_digest(row.enrol_nonce, _sha(request.nonce))
        if not same or now - row.enrolled_at > REPEAT_MS or row.revoked_at is not None:
            raise Refused(403, "enrol-code-used", "This code has been used already.", "Ask for a new one.")
        return {"id": row.id, "code": row.code}

    def _new_device(self, conn: Connection, person: Person, request: EnrolRequest, secret: str, now: int) -> dict[str, Any]:
        number = conn.execute(select(func.count()).select_from(DeviceRow)).scalar_one()  # devices are never deleted
        row = {
            "id": f"dev-{secrets.token_hex(8)}", "person": person.id, "name": request.device_name[:80],
            "code": f"{_LETTERS[number % len(_LETTERS)]}{number // len(_LETTERS) + 1}", "secret_hash": _sha(secret),
            "enrolled_at": now, "enrol_nonce": _sha(request.nonce), "revoked_at": None, "last_seen": now,
            "app_version": request.app_version[:40],
        }  # fmt: skip
        conn.execute(insert(DeviceRow), row)
        return row

    # --- Tokens ----------------------------------------------------------------------------------------------------------------

    def renew(self, request: TokenRequest) -> TokenAnswer:
        """A token for a device that knows its secret. Asked again with the same nonce it gives the same token.

        A revoked device gets one too: it opens nothing but the quarantine, where its unsent work is handed over.

        Raises:
            Refused: `secret-unknown`.
        """
        now = self._clock()
        with self._db.read() as conn:
            found = self._db.rows(conn, "SELECT secret_hash FROM devices WHERE id = ?", (request.device,))
        if not hmac.compare_digest(found[0][0] if found else _sha(""), _sha(request.secret)) or not found:
            raise Refused(401, "secret-unknown", "This server does not know this device.", "Work on; enrol again when you can.")
        with self._db.write() as conn:
            token, expires = self._token(conn, request.device, request.secret, request.nonce, now)
        return TokenAnswer(token, expires, now)

    def _token(self, conn: Connection, device: str, secret: str, nonce: str, now: int) -> tuple[str, int]:
        token = self._derive("token", device, secret, nonce)
        hashed = _sha(token)
        known = self._db.rows(conn, "SELECT expires FROM tokens WHERE token_hash = ?", (hashed,))
        expires = int(known[0][0]) if known else now
        if expires <= now:
            expires = now + self._token_ms
            row = {"token_hash": hashed, "device": device, "nonce": _sha(nonce), "issued": now, "expires": expires}
            self._db.upsert(conn, TokenRow, [row])
            newest = f"SELECT token_hash FROM tokens WHERE device = ? ORDER BY issued DESC LIMIT {_TOKENS_KEPT}"
            gone = f"DELETE FROM tokens WHERE device = ? AND token_hash <> ? AND (expires <= ? OR token_hash NOT IN ({newest}))"
            self._db.run(conn, gone, (device, hashed, now, device))
        return token, expires

    def session(self, token: str, *, revoked_too: bool = False) -> Session:
        """Who holds this token. One statement, nothing written.

        Raises:
            Refused: `token-missing`, `token-unknown`, `token-expired` (401), `device-revoked`, `person-unknown` (403).
        """
        if not token:
            raise Refused(401, "token-missing", "This request does not say who sends it.")
        now = self._clock()
        with self._db.read() as conn:
            found = self._db.rows(conn, _SESSION, (PersonRecorded.NAME, _sha(token)))
        if not found:
            raise Refused(401, "token-unknown", "This token is not known here.", "The device renews it by itself.")
        expires, device, revoked_at, body = found[0]
        if expires <= now:
            raise Refused(401, "token-expired", "This token has expired.", "The device renews it by itself.")
        if revoked_at is not None and not revoked_too:
            raise Refused(
                403, "device-revoked", "This device was revoked by the office.", "What was not sent can still be handed over."
            )
        if body is None:
            raise Refused(403, "person-unknown", "The person of this device is not known here.")
        person = _person_decoder.decode(body).person
        return Session(device, person.id, person.name, person.role, person.branch, expires)

    def seen(self, device: str, app_version: str = "") -> None:
        """Remember that a device called. Written for all devices together, at most once in SEEN_MS: a pull stays a read."""
        now = self._clock()
        with self._seen_lock:
            self._seen[device] = (now, app_version[:40] or self._seen.get(device, (0, ""))[1])
            due = now - self._seen_written >= SEEN_MS
        if due:
            self.flush_seen()

    def flush_seen(self) -> None:
        with self._seen_lock:
            seen, self._seen = self._seen, {}
            self._seen_written = self._clock()
        if not seen:
            return
        with self._db.write() as conn:
            for device, (at, version) in sorted(seen.items()):
                values: dict[str, Any] = {"last_seen": at} | ({"app_version": version} if version else {})
                conn.execute(update(DeviceRow).where(col(DeviceRow.id) == device).values(values))

    # --- What the office does --------------------------------------------------------------------------------------------------

    def revoke(self, device: str) -> DeviceInfo:
        """Take a device (named by id or code) out of service. Doing it twice changes nothing.

        Raises:
            Refused: `device-unknown`.
        """
        with self._db.write() as conn:
            found = (col(DeviceRow.id) == device) | (col(DeviceRow.code) == device.upper())
            row = conn.execute(select(table_of(DeviceRow)).where(found)).first()
            if row is None:
                raise Refused(
                    404, "device-unknown", f"There is no device {device[:40]!r}.", "`fieldapp admin device list` names them."
                )
            at = row.revoked_at if row.revoked_at is not None else self._clock()
            conn.execute(update(DeviceRow).where(col(DeviceRow.id) == row.id).values(revoked_at=at))
        return msgspec.structs.replace(_info(row), revoked_at=at)

    def devices(self) -> list[DeviceInfo]:
        """Every device ever enrolled, the oldest first."""
        self.flush_seen()
        with self._db.read() as conn:
            query = select(table_of(DeviceRow)).order_by(col(DeviceRow.enrolled_at), col(DeviceRow.code))
            return [_info(row) for row in conn.execute(query)]

    # --- Inside ----------------------------------------------------------------------------------------------------------------

    def _person(self, conn: Connection, person: str) -> Person:
        query = select(col(DocumentRow.body)).where(
            col(DocumentRow.stream) == f"person:{person}", col(DocumentRow.type) == PersonRecorded.NAME
        )
        body = conn.execute(query).scalar()
        if body is None:
            raise Refused(403, "person-unknown", f"There is no person {person[:40]!r}.", "`fieldapp admin person list` names them.")
        return _person_decoder.decode(body).person

    def _lock(self, conn: Connection) -> None:
        """One enrolment at a time, also among several server processes: device codes count up and a code is used once."""
        conn.execute(select(col(SettingRow.value)).where(col(SettingRow.name) == SECRET).with_for_update()).first()

    def _hash(self, bare: str) -> str:
        return code_hash(bare, self._secret)

    def _derive(self, *parts: str) -> str:
        """A secret of 256 bits in hex. Parts are hashed first, so that no two lists of parts run together to the same text."""
        text = " ".join([parts[0], *(_sha(part) for part in parts[1:])])
        return hmac.new(self._secret, text.encode("ascii"), hashlib.sha256).hexdigest()


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _code_row(hashed: str) -> Any:
    return select(table_of(EnrolCodeRow)).where(col(EnrolCodeRow.code_hash) == hashed)


def _info(row: Any) -> DeviceInfo:
    return DeviceInfo(
        row.id, row.code, row.person, row.name, row.enrolled_at, row.revoked_at, row.last_seen, row.app_version
    )  # fmt: skip

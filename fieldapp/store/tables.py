"""The tables, for a device and for the server, on SQLite and PostgreSQL alike.

Bytes of entries are kept as they came. Everything under "Projections" is a pure function of the log: droppable.
Keys of log tables start with the log: it is the unit of ordering, of locking and, one day, of sharding.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text
from sqlmodel import Field, SQLModel


class Base(SQLModel):
    metadata = MetaData()


def table_of(model: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a model (SQLModel does not type `__table__`)."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


_NO_ROWID = {"sqlite_with_rowid": False}
"""For small rows under a key of several columns: on SQLite they then lie in one tree, not in two."""


def _big(nullable: bool = False, key: bool = False) -> Column[int]:
    return Column(BigInteger, primary_key=key, nullable=nullable, autoincrement=False)


# --- The log -------------------------------------------------------------------------------------------------------------------


class EntryRow(Base, table=True):
    """An entry's exact bytes, with the few fields that queries need. Never updated, but for erasing `body`."""

    __tablename__ = "entries"
    id: str = Field(primary_key=True)
    log: str
    stream: str
    type: str
    author: str
    device: str
    group_id: str
    hash: str
    recorded_at: int = Field(sa_column=_big())
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class LogRow(Base, table=True):
    """A row of a log: an entry, a later decision on one, or a scope change. `chain` is '' on a device, which cannot check it."""

    __tablename__ = "log_rows"
    __table_args__ = (Index("ix_log_rows_entry", "entry_id"), Index("ix_log_rows_device", "log", "device", "pos"), _NO_ROWID)
    log: str = Field(primary_key=True)
    pos: int = Field(sa_column=_big(key=True))
    kind: str
    entry_id: str | None = None
    device: str = ""
    outcome: str = "applied"
    reason: str = ""
    role: str = ""
    received_at: int = Field(sa_column=_big())
    chain: str = ""


class StreamRow(Base, table=True):
    """Which rows concern a stream. `touch`: names of the single values set, joined by spaces; '' for additive facts."""

    __tablename__ = "stream_rows"
    __table_args__ = (Index("ix_stream_rows_pos", "log", "pos"), _NO_ROWID)  # a pull looks only at what came since
    log: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    pos: int = Field(sa_column=_big(key=True))
    entry_id: str
    device: str = ""
    touch: str = ""


# --- Projections ---------------------------------------------------------------------------------------------------------------


class StreamStateRow(Base, table=True):
    """What a stream's rows fold to. `state` follows the server's order only; own unsettled work is folded on top when shown."""

    __tablename__ = "stream_states"
    stream: str = Field(primary_key=True)
    log: str
    pos: int = Field(sa_column=_big())
    last_entry: str = ""
    held: int = 0
    fold_version: int
    digest: str
    state: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class JobRow(Base, table=True):
    """What lists of jobs show: a row a job, from its state with own unsettled work on top. `view` is that state's bytes.

    due, due_name: the next promise of an open job that is not decided yet, so that lists sort by it without folding anything.
    A row with its view takes a page or more, so lists take their order from `ix_jobs_assignee` alone, which has all they ask for.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_number", "number"),
        Index("ix_jobs_assignee", "assignee", "status", "due", "window_start", "number", "stream"),
        Index("ix_jobs_customer", "customer", "steps_done"),
        Index("ix_jobs_status", "status"),
        Index("ix_jobs_window", "window_start"),
        Index("ix_jobs_due", "due", "status"),
    )
    stream: str = Field(primary_key=True)
    log: str
    number: str
    status: str
    assignee: str
    customer: str
    site: str
    product: str
    kind: str
    window_start: int | None = Field(default=None, sa_column=_big(nullable=True))
    window_end: int | None = Field(default=None, sa_column=_big(nullable=True))
    changed_at: int = Field(sa_column=_big())
    due: int | None = Field(default=None, sa_column=_big(nullable=True))
    due_name: str = ""
    steps_done: int = 0
    unresolved: int = 0
    view: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DocumentRow(Base, table=True):
    """The newest document of each kind and key (`person.recorded` of a person, each version of a procedure): the body's bytes."""

    __tablename__ = "documents"
    stream: str = Field(primary_key=True)
    type: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    log: str
    pos: int = Field(sa_column=_big())
    entry_id: str
    entry_hash: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


# --- Only on a device ----------------------------------------------------------------------------------------------------------


class OwnEntryRow(Base, table=True):
    """A position in an epoch: what this device wrote, in order, and how far it has come.

    lane: `unsent`, `received` (a receipt names it), `settled` (its outcome was pulled), `refused` (handed over as quarantine).
    also: the further streams of the entry, joined by spaces.
    """

    __tablename__ = "own_entries"
    __table_args__ = (Index("ix_own_entries_entry", "entry_id"), Index("ix_own_entries_lane", "lane", "stream"), _NO_ROWID)
    epoch: str = Field(primary_key=True)
    seq: int = Field(sa_column=_big(key=True))
    entry_id: str
    stream: str
    also: str = ""
    hash: str
    lane: str = "unsent"
    outcome: str = ""
    reason: str = ""
    saved_at: int = Field(sa_column=_big())
    received_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class EpochRow(Base, table=True):
    """One unbroken line of writing of this device into one log; the open one of a log has `closed` false."""

    __tablename__ = "epochs"
    epoch: str = Field(primary_key=True)
    log: str
    parent: str = ""
    parent_seq: int = Field(default=0, sa_column=_big())
    head_seq: int = Field(default=0, sa_column=_big())
    head_hash: str = ""
    acked_seq: int = Field(default=0, sa_column=_big())
    safe_seq: int = Field(default=0, sa_column=_big())
    closed: bool = False


class CursorRow(Base, table=True):
    """How far a log has been read: `pos:chain8`."""

    __tablename__ = "cursors"
    log: str = Field(primary_key=True)
    cursor: str


class ScopeRow(Base, table=True):
    """A stream this device holds. It is `live` once everything up to `upto` is there; until then its rows wait, unfolded."""

    __tablename__ = "scope"
    stream: str = Field(primary_key=True)
    log: str
    after: int = Field(default=0, sa_column=_big())
    upto: int = Field(default=0, sa_column=_big())
    live: bool = False


class DoubtRow(Base, table=True):
    """A stream (or a whole log, as `*:log`) that the server said has left with too many others, `since` then: it goes when the
    server says so again."""

    __tablename__ = "doubts"
    stream: str = Field(primary_key=True)
    since: int = Field(sa_column=_big())


class DisagreementRow(Base, table=True):
    """A stream that folds to another digest here (`ours`) than on the server (`theirs`); `fetching` while it is read again."""

    __tablename__ = "disagreements"
    stream: str = Field(primary_key=True)
    theirs: str
    ours: str
    at: int = Field(sa_column=_big())
    fetching: bool


class DraftRow(Base, table=True):
    """Half-typed text of a step, so that a crash does not cost a keystroke."""

    __tablename__ = "drafts"
    job: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    text: str = Field(sa_column=Column(Text, nullable=False))
    at: int = Field(sa_column=_big())


class ChangeRow(Base, table=True):
    """A mark, written by triggers: the job or a document of this stream has changed. Who keeps something made from them (the search
    index) reads on from the mark it read last; marks of long ago are let go."""

    __tablename__ = "changes"
    seq: int = Field(primary_key=True)
    stream: str


class LeftJobRow(Base, table=True):
    """The number of a job that has left while own work on it is still listed here; written by a trigger."""

    __tablename__ = "left_jobs"
    stream: str = Field(primary_key=True)
    number: str


class FileRow(Base, table=True):
    """A file by content hash. `state` on a device: `here` (only on this device), `sent`, `wanted` (named, not here yet),
    `away` (an own one that left with its job: at the server alone), `gone` (an own one whose bytes were lost before the server had
    them, and whose person gave it up)."""

    __tablename__ = "files"
    sha256: str = Field(primary_key=True)
    size: int = Field(sa_column=_big())
    name: str
    media: str = ""
    state: str = "here"
    job: str = ""


class SettingRow(Base, table=True):
    """Small facts about this database: incarnation seen, last contact, token."""

    __tablename__ = "settings"
    name: str = Field(primary_key=True)
    value: str = Field(sa_column=Column(Text, nullable=False))


# --- Only on the server --------------------------------------------------------------------------------------------------------


class LogHeadRow(Base, table=True):
    """The head of a log. Its row lock orders the log's writers; positions are taken under it as the last thing before commit."""

    __tablename__ = "log_heads"
    log: str = Field(primary_key=True)
    pos: int = Field(default=0, sa_column=_big())
    chain: str = ""


class MembershipRow(Base, table=True):
    """A stream in the scope of a person since a position; `until_pos` once it left. stream `*` is the whole log."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("ix_memberships_stream", "log", "stream"),
        Index("ix_memberships_since", "log", "person", "since_pos"),  # a pull looks only at what changed
        Index("ix_memberships_until", "log", "person", "until_pos"),
        _NO_ROWID,
    )
    log: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    since_pos: int = Field(sa_column=_big(key=True))
    until_pos: int | None = Field(default=None, sa_column=_big(nullable=True))


class NeedRow(Base, table=True):
    """Which job makes a person need which stream: a membership ends when the last need of it ends."""

    __tablename__ = "needs"
    __table_args__ = (Index("ix_needs_stream", "log", "person", "stream"), _NO_ROWID)
    log: str = Field(primary_key=True)
    job: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)


class DeviceRow(Base, table=True):
    """An enrolled device: one home, one person."""

    __tablename__ = "devices"
    id: str = Field(primary_key=True)
    person: str
    code: str = Field(unique=True)
    name: str
    secret_hash: str
    enrolled_at: int = Field(sa_column=_big())
    enrol_nonce: str = ""
    revoked_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    last_seen: int | None = Field(default=None, sa_column=_big(nullable=True))
    app_version: str = ""


class EnrolCodeRow(Base, table=True):
    """A one-time code; only its hash is kept."""

    __tablename__ = "enrol_codes"
    code_hash: str = Field(primary_key=True)
    person: str
    expires: int = Field(sa_column=_big())
    device: str = ""


class TokenRow(Base, table=True):
    """An access token by its hash. A renewal asked again with the same nonce gives the same token."""

    __tablename__ = "tokens"
    token_hash: str = Field(primary_key=True)
    device: str = Field(index=True)
    nonce: str
    issued: int = Field(sa_column=_big())
    expires: int = Field(sa_column=_big())


class DeviceEpochRow(Base, table=True):
    """The server's head of an epoch. `safe_seq` is what a verified backup on another disk covers."""

    __tablename__ = "device_epochs"
    epoch: str = Field(primary_key=True)
    device: str = Field(index=True)
    log: str
    parent: str = ""
    parent_seq: int = Field(default=0, sa_column=_big())
    seq: int = Field(default=0, sa_column=_big())
    hash: str = ""
    safe_seq: int = Field(default=0, sa_column=_big())


class PositionRow(Base, table=True):
    """Position in an epoch, apart from the content it names."""

    __tablename__ = "positions"
    __table_args__ = (_NO_ROWID,)
    epoch: str = Field(primary_key=True)
    seq: int = Field(sa_column=_big(key=True))
    entry_id: str
    hash: str
    received_at: int = Field(sa_column=_big())


class QuarantineRow(Base, table=True):
    """Bytes that could not be received as an entry: unreadable, or another entry under a known id. Kept for a person to see."""

    __tablename__ = "quarantine"
    id: str = Field(primary_key=True)
    device: str
    epoch: str
    seq: int = Field(sa_column=_big())
    reason: str
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: int = Field(sa_column=_big())
    log: str = Field(default="", index=True)
    """Where its device sent it."""
    decided: str = ""
    """What a person decided on it, in words; '' while it waits."""
    decided_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class FileStreamRow(Base, table=True):
    """A stream of an entry that names a file: whoever reads one of them may read the file."""

    __tablename__ = "file_streams"
    __table_args__ = (_NO_ROWID,)
    sha256: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)


class AwaitedFileRow(Base, table=True):
    """A file that has not arrived, and a device that recorded an entry naming it: at every pull that device hears of it, for it may
    count it as sent to a server that was put back to an earlier day since."""

    __tablename__ = "awaited_files"
    __table_args__ = (Index("ix_awaited_files_sha256", "sha256"), _NO_ROWID)
    device: str = Field(primary_key=True)
    sha256: str = Field(primary_key=True)


class ErasureRow(Base, table=True):
    """An entry after which what stood before it in its stream has no content any more: every device of the log hears of it."""

    __tablename__ = "erasures"
    __table_args__ = (_NO_ROWID,)
    log: str = Field(primary_key=True)
    pos: int = Field(sa_column=_big(key=True))
    entry_id: str


SHARED = ("entries", "log_rows", "stream_rows", "stream_states", "jobs", "documents", "files", "settings")
DEVICE = (*SHARED, "own_entries", "epochs", "cursors", "scope", "doubts", "disagreements", "drafts", "changes", "left_jobs")
SERVER = (
    *SHARED, "log_heads", "memberships", "needs", "devices", "enrol_codes", "tokens", "device_epochs", "positions",
    "quarantine", "file_streams", "awaited_files", "erasures",
)  # fmt: skip

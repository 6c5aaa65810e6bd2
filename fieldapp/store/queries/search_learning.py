"""Bringing the search index up to date: what changed in the database since, and nothing else.

The database marks every stream whose job or document changed, in the same transaction (`changes`). The index remembers how far it
has read these marks and what it has still to do. Each part is one transaction: whenever the program ends, the next one goes on.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from fieldapp.domain.entry_types import reference
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.problem import Problem
from fieldapp.domain.words import Words
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.search_file import AROUND, NUMBER, STEPS, TITLE, begun, has_grams, text_ids
from fieldapp.store.queries.search_words import fold, grams

CLOSED = frozenset({"approved", "cancelled", "declined"})
PART = 200
"""Streams of one transaction."""
_LATEST = 1 << 62
_LAST = "\U0010ffff"
BodyT = TypeVar("BodyT", bound=reference.Reference)


class _Head(msgspec.Struct):
    """What is searched of a job's view; decoding skips the rest."""

    number: str = ""
    title: Words = {}
    description: str = ""
    customer: str = ""
    site: str = ""
    assets: tuple[str, ...] = ()
    procedures: tuple[PinnedProcedure, ...] = ()


class _Text(msgspec.Struct, frozen=True):
    """A text to be indexed. `words`: one for most, one for each step of a procedure; `exact`: what may be meant exactly."""

    words: tuple[Words, ...] = ()
    exact: tuple[str, ...] = ()

    @property
    def folded(self) -> str:
        return "\n".join(fold("\t".join(dict.fromkeys(words.values()))) for words in self.words)


_heads = msgspec.json.Decoder(_Head)
_JOB = "SELECT stream, status, coalesce(due, window_start) AS at, changed_at, view FROM jobs WHERE stream = ?"
_KNOWN = "SELECT id, closed, at, number, texts, changed_at, size FROM jobs WHERE stream = ?"
_DOCUMENT = "SELECT body FROM documents WHERE stream = ? AND type = ? AND key = ?"
_THEIRS = "SELECT count(*), coalesce(sum(changed_at), 0), coalesce(sum(length(view)), 0) FROM jobs"
_OURS = "SELECT count(*), coalesce(sum(changed_at), 0), coalesce(sum(size), 0) FROM jobs"


class Learner:
    """Reads the database and writes the index.

    Args:
        reader: the device's database. documents: what lies in it. index: a writing connection.
    """

    def __init__(self, reader: Reader, documents: Documents, index: sqlite3.Connection) -> None:
        self._reader, self._documents, self._index = reader, documents, index
        self._has_grams = False

    def learn(self, check: bool) -> Iterator[int]:
        """Go on until nothing is left to do; yields how many jobs are known after each part.

        Args:
            check: hold the index against the rows at the end: a database that was put back to an earlier day has other rows under
                marks that seem to be known.

        Raises:
            Problem: what reading the database raises. sqlite3.Error: the index cannot be read or written.
        """
        self._note_unread()
        while True:
            more = True
            while more:
                with begun(self._index) as fresh:
                    self._has_grams = has_grams(self._index)
                    self._note_changes(fresh)
                    more = self._part()
                    jobs = self._count()
                yield jobs
            if not check or self._agrees():
                return
            with begun(self._index):
                self._note_all()
            check = False  # what differs now is learnt above; a row that a bad disk spoils must not keep anybody busy for ever

    # --- What is to be done -------------------------------------------------------------------------------------------------------

    def _note_changes(self, fresh: bool) -> None:
        """Take over the marks that are new. The marks of long ago are not kept for ever: who missed some looks at everything."""
        seen = 0 if fresh else self._meta("seen")
        row = self._reader.row("SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), 0) AS last FROM changes")
        assert row is not None
        if fresh or seen > row["last"] or seen + 1 < row["first"]:
            self._note_all()
        elif seen < row["last"]:
            changed = self._reader.rows("SELECT DISTINCT stream FROM changes WHERE seq > ? AND seq <= ?", (seen, row["last"]))
            self._note(stream for (stream,) in changed)
        if fresh or seen != row["last"]:
            self._index.execute("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", (row["last"],))

    def _note_all(self) -> None:
        self._note(stream for (stream,) in self._reader.rows("SELECT stream FROM jobs"))
        known = self._index.execute("SELECT stream FROM jobs").fetchall()
        self._note(stream for (stream,) in known)
        kinds = (("customer:", ":"), ("site:", "/"), ("asset:", ":"), ("procedure:", "/"))
        for kind, ends in kinds:
            keys = self._index.execute("SELECT key FROM texts WHERE key BETWEEN ? AND ?", (kind, kind + _LAST)).fetchall()
            self._note(_stream_of(key) for (key,) in keys if ends in key)

    def _note_unread(self) -> None:
        """Steps that were not here when a job that needs them was learnt: their file may have come, which changes no row."""
        if self._index.execute("PRAGMA user_version").fetchone()[0]:
            with begun(self._index):
                unread = "SELECT key FROM texts WHERE id BETWEEN ? AND ? AND folded = ''"
                self._note(_stream_of(key) for (key,) in self._index.execute(unread, text_ids(STEPS)).fetchall())

    def _note(self, streams: Iterator[str]) -> None:
        self._index.executemany("INSERT OR IGNORE INTO todo VALUES (?)", ((stream,) for stream in streams))

    def _meta(self, name: str) -> int:
        row = self._index.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def _count(self) -> int:
        return int(self._index.execute("SELECT count(*) FROM jobs").fetchone()[0])

    def _agrees(self) -> bool:
        """Whether the index knows the jobs that are there; where more has changed meanwhile, that is learnt first the next time."""
        with self._reader.snapshot():
            last = self._reader.rows("SELECT coalesce(max(seq), 0) FROM changes")[0][0]
            theirs = tuple(self._reader.rows(_THEIRS)[0])
        return last != self._meta("seen") or theirs == tuple(self._index.execute(_OURS).fetchone())

    # --- One part -----------------------------------------------------------------------------------------------------------------

    def _part(self) -> bool:
        """Do some of what is to be done; whether there may be more."""
        streams = [row[0] for row in self._index.execute("SELECT stream FROM todo LIMIT ?", (PART,))]
        for stream in streams:
            kind, _, name = stream.partition(":")
            if kind == "job":
                self._take_job(stream)
            elif kind == "customer":
                self._take_again(stream, stream)
                self._take_again(f"site:{name}/", f"site:{name}/{_LAST}")
                self._take_again(f"address:{name}/", f"address:{name}/{_LAST}")
            elif kind == "asset":
                self._take_again(stream, stream)
            elif kind == "procedure":
                self._take_again(f"{stream}/", f"{stream}/{_LAST}")
        self._index.executemany("DELETE FROM todo WHERE stream = ?", ((stream,) for stream in streams))
        return len(streams) == PART

    def _take_job(self, stream: str) -> None:
        row = self._reader.row(_JOB, (stream,))
        head = _head(row["view"]) if row is not None else None
        known = self._index.execute(_KNOWN, (stream,)).fetchone()
        before = set(msgspec.json.decode(known[4], type=list[int])) if known else set()
        if row is None or head is None:
            if known:
                self._index.execute("DELETE FROM jobs WHERE id = ?", (known[0],))
                self._unlink(known[0], before)
            return
        texts = [self._text(rank, key, make) for rank, key, make in self._fields(stream, head)]
        at = _LATEST if row["at"] is None else row["at"]
        now = (int(row["status"] in CLOSED), at, head.number, msgspec.json.encode(texts), row["changed_at"], len(row["view"]))
        if known is None:
            sql = "INSERT INTO jobs (stream, closed, at, number, texts, changed_at, size) VALUES (?, ?, ?, ?, ?, ?, ?)"
            job = self._index.execute(sql, (stream, *now)).lastrowid
        else:
            job = known[0]
            if now != known[1:]:
                sql = "UPDATE jobs SET closed = ?, at = ?, number = ?, texts = ?, changed_at = ?, size = ? WHERE id = ?"
                self._index.execute(sql, (*now, job))
        assert job is not None
        added = set(texts) - before
        self._index.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", ((text, job) for text in sorted(added)))
        self._unlink(job, before - set(texts))

    def _unlink(self, job: int, texts: set[int]) -> None:
        """The job has these texts no more; what no job has any more goes."""
        for text in sorted(texts):
            self._index.execute("DELETE FROM links WHERE text = ? AND job = ?", (text, job))
            if self._index.execute("SELECT 1 FROM links WHERE text = ? LIMIT 1", (text,)).fetchone() is None:
                self._take_out(text)
                self._index.execute("DELETE FROM texts WHERE id = ?", (text,))

    # --- Texts --------------------------------------------------------------------------------------------------------------------

    def _fields(self, stream: str, head: _Head) -> Iterator[tuple[int, str, Callable[[], _Text]]]:
        """(rank, key, how to make it) of each text of a job, in the order of their ranks: own ones under their content, those of
        documents under the document's name."""
        yield NUMBER, f"number:{stream}", lambda: _Text(({"en": head.number},), (head.number,))
        if head.title:
            yield TITLE, _own_key("title", head.title), lambda: _Text((head.title,))
        named = [f"customer:{head.customer}"]
        if head.site:
            named += [f"{kind}:{head.customer}/{head.site}" for kind in ("site", "address")]
        named += [f"asset:{name}" for name in dict.fromkeys(head.assets)]
        for key in named:
            yield AROUND, key, lambda key=key: self._made(key)  # type: ignore[misc]
        if head.description:
            yield AROUND, _own_key("description", {"en": head.description}), lambda: _Text(({"en": head.description},))
        for pin in head.procedures:
            key = f"procedure:{pin.code}/{pin.version}/{pin.entry}"
            yield STEPS, key, lambda key=key: self._made(key)  # type: ignore[misc]

    def _text(self, rank: int, key: str, make: Callable[[], _Text]) -> int:
        """The id of a text, which is made where it is not known yet."""
        known = self._index.execute("SELECT id, folded FROM texts WHERE key = ?", (key,)).fetchone()
        if known is not None:
            if rank == NUMBER and (text := make()).folded != known[1]:
                self._change(known[0], text)
            return int(known[0])
        first, last = text_ids(rank)
        newest = self._index.execute("SELECT max(id) FROM texts WHERE id BETWEEN ? AND ?", (first, last)).fetchone()[0]
        number = first if newest is None else newest + 1
        text = make()
        self._index.execute("INSERT INTO texts VALUES (?, ?, ?, ?)", (number, key, msgspec.json.encode(text.words), text.folded))
        self._put_in(number, text)
        return int(number)

    def _take_again(self, first: str, last: str) -> None:
        """A document has changed: the texts made from it, those with keys in this range, are made again."""
        for number, key in self._index.execute("SELECT id, key FROM texts WHERE key BETWEEN ? AND ?", (first, last)).fetchall():
            self._change(number, self._made(key))

    def _change(self, number: int, text: _Text) -> None:
        self._take_out(number)
        update = "UPDATE texts SET words = ?, folded = ? WHERE id = ?"
        self._index.execute(update, (msgspec.json.encode(text.words), text.folded, number))
        self._put_in(number, text)

    def _put_in(self, number: int, text: _Text) -> None:
        if self._has_grams and (found := grams(text.folded)):
            self._index.execute("INSERT INTO grams (rowid, listed) VALUES (?, ?)", (number, found))
        codes = dict.fromkeys(fold(code) for code in text.exact if code)
        self._index.executemany("INSERT OR IGNORE INTO exact VALUES (?, ?)", ((code, number) for code in codes))

    def _take_out(self, number: int) -> None:
        folded = self._index.execute("SELECT folded FROM texts WHERE id = ?", (number,)).fetchone()[0]
        if self._has_grams and (found := grams(folded)):
            self._index.execute("INSERT INTO grams (grams, rowid, listed) VALUES ('delete', ?, ?)", (number, found))
        self._index.execute("DELETE FROM exact WHERE text = ?", (number,))

    def _made(self, key: str) -> _Text:
        """The text of a document as it is now; an empty one where it is not here (a customer is then known by the id)."""
        kind, _, name = key.partition(":")
        if kind == "customer":
            customer = self._document(reference.CustomerRecorded, key)
            return _Text((customer.customer.name if customer else {"en": name},))
        if kind == "asset":
            return self._asset(key)
        if kind == "procedure":
            return self._procedure(name)
        customer_id, _, site_id = name.partition("/")
        site = self._document(reference.SiteRecorded, f"customer:{customer_id}", site_id)
        if site is None:
            return _Text()
        return _Text((site.site.name if kind == "site" else site.site.address,))

    def _asset(self, key: str) -> _Text:
        found = self._document(reference.AssetRecorded, key)
        if found is None:
            return _Text()
        asset = found.asset
        known = " ".join(part for part in (asset.tag, "{title}", asset.model, asset.serial) if part)
        words = {code: known.replace("{title}", text) for code, text in (asset.title or {"en": ""}).items()}
        return _Text((words,), (asset.tag, asset.serial, asset.id))

    def _procedure(self, name: str) -> _Text:
        try:
            code, version, entry = name.rsplit("/", 2)
            procedure = self._documents.procedure(code, int(version), entry)
        except (Problem, ValueError):  # a damaged file (`fieldapp doctor` names it); a name that is none
            return _Text()
        return _Text(tuple(step.title for step in procedure.steps if step.title) if procedure else ())

    def _document(self, kind: type[BodyT], stream: str, key: str = "") -> BodyT | None:
        """None also for one that another version of the program wrote in another shape."""
        row = self._reader.row(_DOCUMENT, (stream, kind.NAME, key))
        try:
            return msgspec.json.decode(row["body"], type=kind) if row is not None else None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def _head(view: bytes) -> _Head | None:
    """None for a view that a bad disk has spoiled: such a job is not found, and in nobody's way."""
    try:
        return _heads.decode(view)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _own_key(kind: str, words: Words) -> str:
    return f"{kind}:{hashlib.blake2b(msgspec.json.encode(words, order='sorted'), digest_size=16).hexdigest()}"


def _stream_of(key: str) -> str:
    """The stream whose document a text was made from."""
    kind, _, name = key.partition(":")
    if kind in ("site", "address"):
        kind = "customer"
    return f"{kind}:{name.partition('/')[0]}"


def stored_words(raw: Sequence[int] | bytes) -> tuple[Words, ...]:
    """The words of a text of the index, as they were."""
    return msgspec.json.decode(bytes(raw), type=tuple[Words, ...])
